/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The messages of RFC 5769 and of RFC 8489 appendix B.1 (with erratum 6268). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rfc_vector {
	const char *name;
	const char *hex;
	const char *user, *realm, *password; /* realm NULL: short-term */
};

#define RFC_USER     "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"
#define RFC_PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"

enum { RFC_REQUEST, RFC_IPV4, RFC_IPV6, RFC_LONG_TERM, RFC_SHA256, RFC_VECTORS };

static const struct rfc_vector rfc_vectors[RFC_VECTORS] = {
	[RFC_REQUEST] = { "rfc5769-2.1",
			  "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c"
			  "69"
			  "656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659"
			  "20"
			  "2020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf",
			  "evtj:h6vY", NULL, RFC_PASSWORD },
	[RFC_IPV4] = { "rfc5769-2.2",
		       "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002"
		       "000"
		       "080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c"
		       "07d"
		       "4c96",
		       NULL, NULL, RFC_PASSWORD },
	[RFC_IPV6] = { "rfc5769-2.3",
		       "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002"
		       "000"
		       "140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8"
		       "292"
		       "c275bfe3ed4180280004c8fb0b4c",
		       NULL, NULL, RFC_PASSWORD },
	[RFC_LONG_TERM] = { "rfc5769-2.4",
			    "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae383"
			    "83"
			    "e382afe382b900000015001c662f2f3439396b39353464364f4c33346f4c3946535476"
			    "79"
			    "363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0"
			    "71"
			    "2e85c9a28ca89666",
			    RFC_USER, "example.org", "TheMatrIX" },
	[RFC_SHA256] = { "rfc8489-b.1",
			 "000100902112a44278ad3433c6ad72c029da412e001e00204a3cf38fef6992bda952c6780"
			 "4"
			 "17da0f24819415569e60b205c46e41407f1704001500296f624d61744a6f733241414143"
			 "662f2f3439396b39353464364f4c33346f4c394653547679363473410000000014000b"
			 "6578616d706c652e6f726700001d000400020000001c0020b5c7bf005b6c52a21c51c5e8"
			 "92f81924136296cb927c43149309278cc6518e65",
			 RFC_USER, "example.org", "TheMatrIX" },
};

/* Writes the bytes of @hex to @out and returns their number. */
static inline size_t
hex_bytes(uint8_t *out, size_t size, const char *hex)
{
	size_t n = 0;

	for (; hex[0] != '\0' && hex[1] != '\0' && n < size; hex += 2) {
		unsigned byte = 0;

		for (int i = 0; i < 2; i++) {
			char c = hex[i];

			byte = byte << 4 | (unsigned) (c >= 'a' ? c - 'a' + 10 : c - '0');
		}
		out[n++] = (uint8_t) byte;
	}
	return n;
}

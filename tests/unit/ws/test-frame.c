/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ws/frame.h"

#include <glib.h>

#include <string.h>

static const struct {
	const char *name;
	uint8_t bytes[14];
	size_t len;
	enum weft_ws_parse result;
	uint64_t payload;
} headers[] = {
	{ "empty", { 0 }, 0, WEFT_WS_PARSE_MORE, 0 },
	{ "one byte", { 0x82 }, 1, WEFT_WS_PARSE_MORE, 0 },
	{ "reserved bit, one byte", { 0xc2 }, 1, WEFT_WS_PARSE_BAD, 0 },
	{ "short", { 0x82, 5 }, 2, WEFT_WS_PARSE_OK, 5 },
	{ "masked", { 0x81, 0x85, 1, 2, 3, 4 }, 6, WEFT_WS_PARSE_OK, 5 },
	{ "mask cut", { 0x81, 0x85, 1, 2, 3 }, 5, WEFT_WS_PARSE_MORE, 0 },
	{ "16 bits", { 0x82, 126, 0, 126 }, 4, WEFT_WS_PARSE_OK, 126 },
	{ "16 bits, not shortest", { 0x82, 126, 0, 125 }, 4, WEFT_WS_PARSE_BAD, 0 },
	{ "16 bits cut", { 0x82, 126, 0 }, 3, WEFT_WS_PARSE_MORE, 0 },
	{ "64 bits", { 0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0 }, 10, WEFT_WS_PARSE_OK, 65536 },
	{ "64 bits, not shortest",
	  { 0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff },
	  10,
	  WEFT_WS_PARSE_BAD,
	  0 },
	{ "64 bits, top bit", { 0x82, 127, 0x80 }, 10, WEFT_WS_PARSE_BAD, 0 },
	{ "opcode 3", { 0x83, 0 }, 2, WEFT_WS_PARSE_BAD, 0 },
	{ "opcode 11", { 0x8b, 0 }, 2, WEFT_WS_PARSE_BAD, 0 },
	{ "ping of 125", { 0x89, 125 }, 2, WEFT_WS_PARSE_OK, 125 },
	{ "ping of 126", { 0x89, 126, 0, 126 }, 4, WEFT_WS_PARSE_BAD, 0 },
	{ "ping in pieces", { 0x09, 1 }, 2, WEFT_WS_PARSE_BAD, 0 },
	{ "first fragment", { 0x02, 1 }, 2, WEFT_WS_PARSE_OK, 1 },
};

static void
test_headers(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(headers); i++) {
		struct weft_ws_header h = { 0 };
		g_autofree uint8_t *copy = g_memdup2(headers[i].bytes, headers[i].len);

		g_test_message("%s", headers[i].name);
		g_assert_cmpint(weft_ws_header_parse(&h, copy, headers[i].len), ==,
				headers[i].result);
		g_assert_cmpuint(h.payload_len, ==, headers[i].payload);
		if (headers[i].result == WEFT_WS_PARSE_OK)
			g_assert_cmpuint(h.header_len, ==, headers[i].len);
	}
}

static void
test_headers_come_back(void)
{
	static const uint64_t lengths[] = { 0, 1, 125, 126, 127, 65535, 65536, 1ull << 40 };
	static const uint8_t mask[4] = { 1, 2, 3, 4 };

	for (size_t i = 0; i < G_N_ELEMENTS(lengths) * 2; i++) {
		uint8_t out[WEFT_WS_HEADER_MAX];
		struct weft_ws_header h;
		size_t n = weft_ws_header_write(out, WEFT_WS_BINARY, true, i % 2 == 0 ? mask : NULL,
						lengths[i / 2]);

		g_assert_cmpint(weft_ws_header_parse(&h, out, n), ==, WEFT_WS_PARSE_OK);
		g_assert_cmpuint(h.payload_len, ==, lengths[i / 2]);
		g_assert_true(h.masked == (i % 2 == 0));
		g_assert_true(h.fin);
		if (h.masked)
			g_assert_cmpmem(h.mask, 4, mask, 4);
	}
}

/* Against the definition, for every length, alignment and offset of note. */
static void
test_mask(void)
{
	static const uint8_t mask[4] = { 0xde, 0xad, 0xbe, 0xef };
	uint8_t src[128], dst[128], copy[128];

	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t) (i * 7);
	for (size_t start = 0; start < 9; start++)
		for (size_t len = 0; len + start <= 100; len++)
			for (uint64_t offset = 0; offset < 5; offset++) {
				weft_ws_mask(dst, src + start, len, mask, offset);
				memcpy(copy, src, sizeof(copy));
				weft_ws_mask(copy + start, copy + start, len, mask, offset);
				for (size_t i = 0; i < len; i++) {
					uint8_t want = src[start + i] ^ mask[(i + offset) % 4];

					g_assert_cmphex(dst[i], ==, want);
					g_assert_cmphex(copy[start + i], ==, want);
				}
				g_assert_cmphex(copy[start + len], ==, src[start + len]);
			}
}

static void
test_close_codes(void)
{
	static const struct {
		unsigned from, to;
		bool valid;
	} ranges[] = {
		{ 0, 999, false },      { 1000, 1003, true },  { 1004, 1006, false },
		{ 1007, 1014, true },   { 1015, 2999, false }, { 3000, 4999, true },
		{ 5000, 65535, false },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(ranges); i++)
		for (unsigned code = ranges[i].from; code <= ranges[i].to; code++)
			g_assert_true(weft_ws_code_valid(code) == ranges[i].valid);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ws/frame/headers", test_headers);
	g_test_add_func("/ws/frame/headers-come-back", test_headers_come_back);
	g_test_add_func("/ws/frame/mask", test_mask);
	g_test_add_func("/ws/frame/close-codes", test_close_codes);
	return g_test_run();
}

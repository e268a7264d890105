/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* The first byte's class: how many bytes follow it, and the bounds of the second one, which alone
 * tell overlong forms, surrogates and too high values (RFC 3629 section 4). */
struct lead {
	uint8_t first, last; /* range of the first byte */
	uint8_t following;
	uint8_t low, high; /* range of the second byte */
};

static const struct lead leads[] = {
	{ 0xc2, 0xdf, 1, 0x80, 0xbf }, { 0xe0, 0xe0, 2, 0xa0, 0xbf }, { 0xe1, 0xec, 2, 0x80, 0xbf },
	{ 0xed, 0xed, 2, 0x80, 0x9f }, { 0xee, 0xef, 2, 0x80, 0xbf }, { 0xf0, 0xf0, 3, 0x90, 0xbf },
	{ 0xf1, 0xf3, 3, 0x80, 0xbf }, { 0xf4, 0xf4, 3, 0x80, 0x8f },
};

/* The length of the character of several bytes at @p, 0 if there is none within @left bytes. */
static size_t
character(const uint8_t *p, size_t left)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
		const struct lead *lead = &leads[i];

		if (p[0] < lead->first || p[0] > lead->last)
			continue;
		if (left <= lead->following || p[1] < lead->low || p[1] > lead->high)
			return 0;
		for (size_t k = 2; k <= lead->following; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		}
		return (size_t) lead->following + 1;
	}
	return 0;
}

/* True if the eight bytes are ASCII and none of them is NUL. */
static bool
plain(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return ((v | (v - 0x0101010101010101)) & 0x8080808080808080) == 0;
}

bool
weft_utf8_valid(const void *text, size_t len)
{
	const uint8_t *p = text;

	while (len > 0) {
		size_t n = 1;

		if (len >= 8 && plain(p))
			n = 8;
		else if (p[0] == 0)
			return false;
		else if (p[0] >= 0x80)
			n = character(p, len);
		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

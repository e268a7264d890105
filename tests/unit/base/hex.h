/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hexadecimal digits of published vectors as bytes; for tests alone. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Returns how many bytes were written to @out. */
static inline size_t
unhex(uint8_t *out, size_t size, const char *hex)
{
	size_t n = 0;

	for (; hex[2 * n] != '\0'; n++) {
		int high = g_ascii_xdigit_value(hex[2 * n]);
		int low = g_ascii_xdigit_value(hex[2 * n + 1]);

		g_assert_cmpint(high, >=, 0);
		g_assert_cmpint(low, >=, 0);
		g_assert_cmpuint(n, <, size);
		out[n] = (uint8_t) (high << 4 | low);
	}
	return n;
}

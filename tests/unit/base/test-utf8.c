/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/utf8.h"

#include <glib.h>

#include <string.h>

struct row {
	const char *what;
	const char *bytes;
	size_t len; /* 0: strlen */
	bool valid;
};

static const struct row rows[] = {
	{ "empty", "", 0, true },
	{ "ascii", "hello", 0, true },
	{ "ascii-eight", "12345678", 0, true },
	{ "delete",
	  "1234567\x7f"
	  "9",
	  0, true },
	{ "nul-alone", "", 1, false },
	{ "nul-in-eight", "abc\0defg", 8, false },
	{ "nul-at-eighth", "abcdefg\0", 8, false },
	{ "nul-after-eight", "abcdefgh\0", 9, false },
	{ "two-bytes", "\xc3\xa9t\xc3\xa9", 0, true },
	{ "first-of-two", "\xc2\x80", 0, true },
	{ "three-bytes", "\xe2\x82\xac", 0, true },
	{ "first-of-three", "\xe0\xa0\x80", 0, true },
	{ "before-surrogates", "\xed\x9f\xbf", 0, true },
	{ "after-surrogates", "\xee\x80\x80", 0, true },
	{ "four-bytes", "\xf0\x9f\x90\xa7", 0, true },
	{ "last", "\xf4\x8f\xbf\xbf", 0, true },
	{ "mixed", "a\xc3\xa9 b\xe2\x82\xac c\xf0\x9f\x90\xa7 plain text behind it", 0, true },
	{ "lone-continuation", "a\x80", 0, false },
	{ "lone-lead", "\xc3", 0, false },
	{ "lead-then-ascii",
	  "\xc3"
	  "a",
	  0, false },
	{ "cut-three", "\xe2\x82", 0, false },
	{ "cut-four", "\xf0\x9f\x90", 0, false },
	{ "bad-third",
	  "\xe2\x82"
	  "a",
	  0, false },
	{ "bad-fourth",
	  "\xf0\x9f\x90"
	  "a",
	  0, false },
	{ "overlong-nul", "\xc0\x80", 0, false },
	{ "overlong-two", "\xc1\xbf", 0, false },
	{ "overlong-three", "\xe0\x9f\xbf", 0, false },
	{ "overlong-four", "\xf0\x8f\xbf\xbf", 0, false },
	{ "surrogate", "\xed\xa0\x80", 0, false },
	{ "last-surrogate", "\xed\xbf\xbf", 0, false },
	{ "above-last", "\xf4\x90\x80\x80", 0, false },
	{ "f5", "\xf5\x80\x80\x80", 0, false },
	{ "ff", "\xff\xfe", 0, false },
	{ "bad-in-eight",
	  "abcd\xff"
	  "fgh",
	  0, false },
};

static void
test_row(gconstpointer data)
{
	const struct row *row = data;
	size_t len = row->len != 0 ? row->len : strlen(row->bytes);
	/* An exact copy, so that a sanitizer sees reads beyond the end. */
	g_autofree char *copy = g_memdup2(row->bytes, len);

	g_assert_cmpint(weft_utf8_valid(copy, len), ==, row->valid);
}

/* The same answer as GLib's for every sequence of three bytes with a lead byte. */
static void
test_agrees_with_glib(void)
{
	for (unsigned v = 0; v < 0x800000; v += 7) {
		char text[4] = { (char) (0x80 | v >> 16), (char) (v >> 8), (char) v, 'x' };

		g_assert_cmpint(weft_utf8_valid(text, 4), ==, g_utf8_validate(text, 4, NULL));
	}
}

int
main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *path = g_strdup_printf("/base/utf8/%s", rows[i].what);

		g_test_add_data_func(path, &rows[i], test_row);
	}
	g_test_add_func("/base/utf8/agrees-with-glib", test_agrees_with_glib);
	return g_test_run();
}

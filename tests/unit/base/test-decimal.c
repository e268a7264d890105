/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/decimal.h"

#include <glib.h>
#include <string.h>

static const struct {
	const char *text;
	uint64_t max;
	bool ok;
	uint64_t value;
} rows[] = {
	{ "0", 0, true, 0 },
	{ "1", 0, false, 0 },
	{ "7", 6, false, 0 },
	{ "32", 32, true, 32 },
	{ "33", 32, false, 0 },
	{ "65535", 65535, true, 65535 },
	{ "65536", 65535, false, 0 },
	{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
	{ "18446744073709551616", UINT64_MAX, false, 0 },
	{ "99999999999999999999999", UINT64_MAX, false, 0 },
	{ "", UINT64_MAX, false, 0 },
	{ "00", UINT64_MAX, false, 0 },
	{ "01", UINT64_MAX, false, 0 },
	{ "+1", UINT64_MAX, false, 0 },
	{ "-1", UINT64_MAX, false, 0 },
	{ " 1", UINT64_MAX, false, 0 },
	{ "1 ", UINT64_MAX, false, 0 },
	{ "1a", UINT64_MAX, false, 0 },
	{ "0x1", UINT64_MAX, false, 0 },
	{ "\xb2", UINT64_MAX, false, 0 },
};

static void
test_only_plain_numbers_in_range_are_taken(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		uint64_t v = 4711;
		bool ok = weft_decimal_parse(&v, rows[i].text, strlen(rows[i].text), rows[i].max);

		g_test_message("\"%s\"", rows[i].text);
		g_assert_cmpint(ok, ==, rows[i].ok);
		g_assert_cmpuint(v, ==, ok ? rows[i].value : 4711);
	}
}

static void
test_the_length_counts_and_not_a_terminator(void)
{
	uint64_t v = 0;

	g_assert_true(weft_decimal_parse(&v, "123", 2, UINT64_MAX));
	g_assert_cmpuint(v, ==, 12);
	g_assert_false(weft_decimal_parse(&v, "12", 3, UINT64_MAX));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/decimal/only-plain-numbers-in-range-are-taken",
			test_only_plain_numbers_in_range_are_taken);
	g_test_add_func("/base/decimal/the-length-counts-and-not-a-terminator",
			test_the_length_counts_and_not_a_terminator);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/table.h"

static const struct weft_table_column columns[] = {
	{ "NAME", "name", WEFT_TABLE_TEXT }, { "BYTES", "bytes", WEFT_TABLE_NUMBER },
	{ NULL, "key", WEFT_TABLE_TEXT },    { "ON", "on", WEFT_TABLE_BOOL },
	{ "PATH", NULL, WEFT_TABLE_TEXT },   { NULL, NULL },
};

static WeftTable *
sample(void)
{
	WeftTable *t = weft_table_new(columns);

	weft_table_row(t);
	weft_table_text(t, "alice");
	weft_table_number(t, 1258291, "1.2 MiB");
	weft_table_text(t, "k\"\\\n\x01");
	weft_table_bool(t, true);
	weft_table_colored(t, "direct", WEFT_TABLE_GOOD);
	weft_table_row(t);
	weft_table_textf(t, "%s", "\xe6\x97\xa5\xe6\x9c\xac");
	weft_table_number(t, -5, NULL);
	weft_table_text(t, NULL);
	weft_table_bool(t, false);
	weft_table_row(t);
	weft_table_text(t, "e\xcc\x81\x1b[2J");
	return t;
}

static void
test_aligned(void)
{
	g_autoptr(WeftTable) t = sample();
	g_autoptr(GString) out = g_string_new(NULL);

	weft_table_format(t, out, false);
	g_assert_cmpstr(out->str, ==,
			"NAME        BYTES  ON   PATH\n"
			"alice     1.2 MiB  yes  direct\n"
			"\xe6\x97\xa5\xe6\x9c\xac           -5  no   -\n"
			"e\xcc\x81\\x1b[2J        -  -    -\n");
	g_assert_cmpuint(weft_table_rows(t), ==, 3);
}

static void
test_colour_does_not_move_columns(void)
{
	g_autoptr(WeftTable) t = weft_table_new(columns);
	g_autoptr(GString) out = g_string_new(NULL);

	weft_table_row(t);
	weft_table_colored(t, "a", WEFT_TABLE_BAD);
	weft_table_format(t, out, true);
	g_assert_cmpstr(out->str, ==,
			"\033[1mNAME\033[0m  \033[1mBYTES\033[0m  \033[1mON\033[0m  "
			"\033[1mPATH\033[0m\n"
			"\033[31ma\033[0m         -  -   -\n");
}

static void
test_json(void)
{
	g_autoptr(WeftTable) t = sample();
	g_autoptr(WeftTable) none = weft_table_new(columns);
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GString) empty = g_string_new(NULL);

	weft_table_format_json(t, out, "peers");
	g_assert_cmpstr(
		out->str, ==,
		"{\"schema\": 1, \"peers\": [\n"
		"  {\"name\": \"alice\", \"bytes\": 1258291, \"key\": \"k\\\"\\\\\\n\\u0001\", "
		"\"on\": true},\n"
		"  {\"name\": \"\xe6\x97\xa5\xe6\x9c\xac\", \"bytes\": -5, \"key\": null, "
		"\"on\": false},\n"
		"  {\"name\": \"e\xcc\x81\\u001b[2J\", \"bytes\": null, \"key\": null, "
		"\"on\": null}\n"
		"]}\n");
	weft_table_format_json(none, empty, "peers");
	g_assert_cmpstr(empty->str, ==, "{\"schema\": 1, \"peers\": []}\n");
}

static void
test_width(void)
{
	static const struct {
		const char *text;
		unsigned width;
	} rows[] = {
		{ "", 0 },          { "abc", 3 },          { "\xc3\xa4", 1 },
		{ "e\xcc\x81", 1 }, { "\xe6\x97\xa5", 2 }, { "\xff", 1 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		g_assert_cmpuint(weft_table_width(rows[i].text), ==, rows[i].width);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base-glib/table/aligned", test_aligned);
	g_test_add_func("/base-glib/table/colour-does-not-move-columns",
			test_colour_does_not_move_columns);
	g_test_add_func("/base-glib/table/json", test_json);
	g_test_add_func("/base-glib/table/width", test_width);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/table.h"

#include "base/glib/log_private.h"

#include <string.h>

#define GAP 2 /* spaces between columns */

struct cell {
	char *text; /* NULL: empty */
	int64_t number;
	bool set;
	enum weft_table_color color;
};

struct weft_table {
	const struct weft_table_column *columns;
	unsigned n_columns;
	GArray *cells; /* n_columns per row */
	unsigned fill; /* cells of the current row that have been given */
	unsigned n_rows;
};

static void
cell_clear(gpointer data)
{
	g_free(((struct cell *) data)->text);
}

WeftTable *
weft_table_new(const struct weft_table_column *columns)
{
	WeftTable *t = g_new0(WeftTable, 1);

	t->columns = columns;
	while (columns[t->n_columns].title != NULL || columns[t->n_columns].key != NULL)
		t->n_columns++;
	t->cells = g_array_new(FALSE, TRUE, sizeof(struct cell));
	g_array_set_clear_func(t->cells, cell_clear);
	return t;
}

void
weft_table_free(WeftTable *table)
{
	if (table == NULL)
		return;
	g_array_unref(table->cells);
	g_free(table);
}

void
weft_table_row(WeftTable *table)
{
	table->n_rows++;
	table->fill = 0;
	g_array_set_size(table->cells, table->n_rows * table->n_columns);
}

static struct cell *
cell_at(const WeftTable *t, unsigned row, unsigned column)
{
	return &g_array_index(t->cells, struct cell, row * t->n_columns + column);
}

/* The next cell, which must be of @kind. */
static struct cell *
next_cell(WeftTable *t, enum weft_table_kind kind)
{
	g_assert(t->n_rows > 0 && t->fill < t->n_columns);
	g_assert(t->columns[t->fill].kind == kind);
	return cell_at(t, t->n_rows - 1, t->fill++);
}

void
weft_table_colored(WeftTable *table, const char *text, enum weft_table_color color)
{
	struct cell *c = next_cell(table, WEFT_TABLE_TEXT);

	c->text = g_strdup(text);
	c->set = text != NULL;
	c->color = color;
}

void
weft_table_text(WeftTable *table, const char *text)
{
	weft_table_colored(table, text, WEFT_TABLE_PLAIN);
}

void
weft_table_textf(WeftTable *table, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	weft_table_text(table, text);
}

void
weft_table_number(WeftTable *table, int64_t number, const char *shown)
{
	struct cell *c = next_cell(table, WEFT_TABLE_NUMBER);

	c->number = number;
	c->text = shown != NULL ? g_strdup(shown) : g_strdup_printf("%" G_GINT64_FORMAT, number);
	c->set = true;
}

void
weft_table_bool(WeftTable *table, bool value)
{
	struct cell *c = next_cell(table, WEFT_TABLE_BOOL);

	c->number = value;
	c->text = g_strdup(value ? "yes" : "no");
	c->set = true;
}

unsigned
weft_table_rows(const WeftTable *table)
{
	return table->n_rows;
}

unsigned
weft_table_width(const char *text)
{
	unsigned width = 0;

	for (const char *p = text; *p != '\0';) {
		gunichar c = g_utf8_get_char_validated(p, -1);

		if (c == (gunichar) -1 || c == (gunichar) -2) {
			p++;
			width++;
			continue;
		}
		if (!g_unichar_iszerowidth(c))
			width += g_unichar_iswide(c) ? 2 : 1;
		p = g_utf8_next_char(p);
	}
	return width;
}

/* What is shown of a cell. */
static char *
shown_text(const struct cell *c)
{
	GString *out;

	if (!c->set || c->text[0] == '\0')
		return g_strdup("-");
	out = g_string_new(NULL);
	weft_log_escape(out, c->text, -1);
	return g_string_free(out, FALSE);
}

struct layout {
	unsigned widths[64];
	unsigned last; /* column that ends the line */
};

static struct layout
measure(const WeftTable *t)
{
	struct layout l = { 0 };

	g_assert(t->n_columns <= G_N_ELEMENTS(l.widths));
	for (unsigned i = 0; i < t->n_columns; i++) {
		if (t->columns[i].title == NULL)
			continue;
		l.last = i;
		l.widths[i] = weft_table_width(t->columns[i].title);
		for (unsigned r = 0; r < t->n_rows; r++) {
			g_autofree char *text = shown_text(cell_at(t, r, i));

			l.widths[i] = MAX(l.widths[i], weft_table_width(text));
		}
	}
	return l;
}

static void
append_spaces(GString *out, unsigned n)
{
	while (n-- > 0)
		g_string_append_c(out, ' ');
}

static void
append_cell(GString *out,
	    const WeftTable *t,
	    const struct layout *l,
	    unsigned column,
	    const char *text,
	    enum weft_table_color color)
{
	static const char *const codes[WEFT_TABLE_COLOR_COUNT_] = {
		[WEFT_TABLE_PLAIN] = "",  [WEFT_TABLE_BOLD] = "1", [WEFT_TABLE_GOOD] = "32",
		[WEFT_TABLE_WARN] = "33", [WEFT_TABLE_BAD] = "31", [WEFT_TABLE_DIM] = "2",
	};
	unsigned pad = l->widths[column] - weft_table_width(text);
	bool right = t->columns[column].kind == WEFT_TABLE_NUMBER;

	if (right)
		append_spaces(out, pad);
	if (color != WEFT_TABLE_PLAIN)
		g_string_append_printf(out, "\033[%sm%s\033[0m", codes[color], text);
	else
		g_string_append(out, text);
	if (column == l->last)
		g_string_append_c(out, '\n');
	else
		append_spaces(out, (right ? 0 : pad) + GAP);
}

void
weft_table_format(const WeftTable *table, GString *out, bool color)
{
	const struct layout l = measure(table);

	for (unsigned i = 0; i < table->n_columns; i++)
		if (table->columns[i].title != NULL)
			append_cell(out, table, &l, i, table->columns[i].title,
				    color ? WEFT_TABLE_BOLD : WEFT_TABLE_PLAIN);
	for (unsigned r = 0; r < table->n_rows; r++) {
		for (unsigned i = 0; i < table->n_columns; i++) {
			const struct cell *c = cell_at(table, r, i);
			g_autofree char *text = NULL;

			if (table->columns[i].title == NULL)
				continue;
			text = shown_text(c);
			append_cell(out, table, &l, i, text, color ? c->color : WEFT_TABLE_PLAIN);
		}
	}
}

void
weft_table_json_string(GString *out, const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);

	g_string_append_c(out, '"');
	for (const char *p = valid; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			g_string_append_printf(out, "\\%c", *p);
		else if (*p == '\n')
			g_string_append(out, "\\n");
		else if (g_ascii_iscntrl(*p))
			g_string_append_printf(out, "\\u%04x", (unsigned) (unsigned char) *p);
		else
			g_string_append_c(out, *p);
	}
	g_string_append_c(out, '"');
}

static void
append_json_cell(GString *out, const struct weft_table_column *column, const struct cell *c)
{
	if (!c->set)
		g_string_append(out, "null");
	else if (column->kind == WEFT_TABLE_NUMBER)
		g_string_append_printf(out, "%" G_GINT64_FORMAT, c->number);
	else if (column->kind == WEFT_TABLE_BOOL)
		g_string_append(out, c->number != 0 ? "true" : "false");
	else
		weft_table_json_string(out, c->text);
}

void
weft_table_format_json(const WeftTable *table, GString *out, const char *name)
{
	g_string_append(out, "{\"schema\": 1, ");
	weft_table_json_string(out, name);
	g_string_append(out, ": [");
	for (unsigned r = 0; r < table->n_rows; r++) {
		bool first = true;

		g_string_append(out, r > 0 ? ",\n  {" : "\n  {");
		for (unsigned i = 0; i < table->n_columns; i++) {
			if (table->columns[i].key == NULL)
				continue;
			if (!first)
				g_string_append(out, ", ");
			first = false;
			weft_table_json_string(out, table->columns[i].key);
			g_string_append(out, ": ");
			append_json_cell(out, &table->columns[i], cell_at(table, r, i));
		}
		g_string_append_c(out, '}');
	}
	g_string_append(out, table->n_rows > 0 ? "\n]}\n" : "]}\n");
}

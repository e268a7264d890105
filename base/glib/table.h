/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows for people as an aligned table, for programs as JSON, from the same data. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct weft_table WeftTable;

enum weft_table_kind {
	WEFT_TABLE_TEXT,
	WEFT_TABLE_NUMBER, /* right-aligned */
	WEFT_TABLE_BOOL,   /* "yes", "no" */
	WEFT_TABLE_KIND_COUNT_
};

enum weft_table_color {
	WEFT_TABLE_PLAIN,
	WEFT_TABLE_BOLD,
	WEFT_TABLE_GOOD, /* green */
	WEFT_TABLE_WARN, /* yellow */
	WEFT_TABLE_BAD,  /* red */
	WEFT_TABLE_DIM,
	WEFT_TABLE_COLOR_COUNT_
};

struct weft_table_column {
	const char *title; /* NULL: in JSON only */
	const char *key;   /* NULL: in the table only */
	enum weft_table_kind kind;
};

/* @columns: terminated by { NULL, NULL }, borrowed. */
WeftTable *weft_table_new(const struct weft_table_column *columns);
void weft_table_free(WeftTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftTable, weft_table_free)

/* Begins a row; its cells follow in column order, missing ones are empty ("-", null). */
void weft_table_row(WeftTable *table);

/* @text NULL: empty. Control characters come out escaped in the table. */
void weft_table_text(WeftTable *table, const char *text);
void weft_table_textf(WeftTable *table, const char *format, ...) G_GNUC_PRINTF(2, 3);
void weft_table_colored(WeftTable *table, const char *text, enum weft_table_color color);
/* @shown is for people ("1.2 MiB"), @number for JSON; NULL: the number. */
void weft_table_number(WeftTable *table, int64_t number, const char *shown);
void weft_table_bool(WeftTable *table, bool value);

unsigned weft_table_rows(const WeftTable *table);

/* Columns are as wide as their widest cell in terminal cells (East Asian width, combining
 * characters); two spaces between; no spaces at line ends. */
void weft_table_format(const WeftTable *table, GString *out, bool color);

/* {"schema": 1, "NAME": [{...}, ...]} and a newline. */
void weft_table_format_json(const WeftTable *table, GString *out, const char *name);

/* Width of UTF-8 text in terminal cells. */
unsigned weft_table_width(const char *text);

/* Appends @text as a JSON string with its quotes; invalid UTF-8 as U+FFFD. */
void weft_table_json_string(GString *out, const char *text);

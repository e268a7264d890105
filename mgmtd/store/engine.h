/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One database connection, SQLite or PostgreSQL, behind the few calls that store/ needs. Parameters
 * are $1, $2, ... and values are 64-bit integers or text, nothing else, so that one SQL text and
 * one reading of it serve both. Used by one thread at a time. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct mgmt_engine MgmtEngine;

struct mgmt_value {
	bool is_text;
	int64_t number;
	const char *text; /* never NULL for text */
};
#define MGMT_INT(n)  ((struct mgmt_value){ .number = (n) })
#define MGMT_TEXT(t) ((struct mgmt_value){ .is_text = true, .text = (t) })

/* The current row inside a row function; columns from 0. Text is borrowed until the function
 * returns; NULL in the database reads as "" and 0. */
struct mgmt_row {
	const struct mgmt_engine_ops *ops;
	void *result;
	int index;
};
const char *mgmt_row_text(const struct mgmt_row *row, int column);
int64_t mgmt_row_int(const struct mgmt_row *row, int column);
int mgmt_row_columns(const struct mgmt_row *row);

/* False (with @error set) ends the query. */
typedef bool (*mgmt_row_fn)(const struct mgmt_row *row, void *user, GError **error);

struct mgmt_engine_ops {
	const char *name;     /* "sqlite", "postgresql" */
	const char *identity; /* column type of a key that counts by itself */
	void (*close)(MgmtEngine *e);
	/* Statements without parameters, several separated by ';'. */
	bool (*exec)(MgmtEngine *e, const char *sql, GError **error);
	/* @sql must be a string that lives as long as the engine: statements are prepared once. */
	bool (*query)(MgmtEngine *e,
		      const char *sql,
		      const struct mgmt_value *params,
		      unsigned n,
		      mgmt_row_fn fn,
		      void *user,
		      GError **error);
	/* After a failure: is the connection gone? */
	bool (*is_lost)(MgmtEngine *e);
	bool (*reconnect)(MgmtEngine *e, GError **error);
	const char *(*text)(const struct mgmt_row *row, int column);
	int64_t (*number)(const struct mgmt_row *row, int column);
	int (*columns)(const struct mgmt_row *row);
};

struct mgmt_engine {
	const struct mgmt_engine_ops *ops;
};

/* Opens @url and makes sure that no second process serves it; errors of MGMT_STORE_ERROR. With
 * @exclusive false a running daemon does not matter (a backup, the target of a migration). */
MgmtEngine *mgmt_engine_open(const char *url, bool exclusive, GError **error);
MgmtEngine *mgmt_sqlite_open(const char *path, bool exclusive, GError **error);
MgmtEngine *mgmt_postgres_open(const char *url, bool exclusive, GError **error);

/* A URL as it may be shown: without a password. Free with g_free(). */
char *mgmt_engine_url_for_log(const char *url);

static inline void
mgmt_engine_close(MgmtEngine *e)
{
	if (e != NULL)
		e->ops->close(e);
}

static inline bool
mgmt_exec(MgmtEngine *e, const char *sql, GError **error)
{
	return e->ops->exec(e, sql, error);
}

/* Runs @sql; @fn may be NULL. */
static inline bool
mgmt_query(MgmtEngine *e,
	   const char *sql,
	   const struct mgmt_value *params,
	   unsigned n,
	   mgmt_row_fn fn,
	   void *user,
	   GError **error)
{
	return e->ops->query(e, sql, params, n, fn, user, error);
}

/* One integer of one row; @ret_found false if there was no row. */
bool mgmt_query_int(MgmtEngine *e,
		    const char *sql,
		    const struct mgmt_value *params,
		    unsigned n,
		    int64_t *ret,
		    bool *ret_found,
		    GError **error);
/* One text of one row, NULL without a row; free with g_free(). */
bool mgmt_query_text(MgmtEngine *e,
		     const char *sql,
		     const struct mgmt_value *params,
		     unsigned n,
		     char **ret,
		     GError **error);

/* Brings the schema up to date (schema.c); copies an SQLite file first. */
bool mgmt_schema_migrate(MgmtEngine *e, const char *copy_of, GError **error);
/* Tables in an order in which rows can be inserted; NULL-terminated. */
extern const char *const mgmt_schema_tables[];
#define MGMT_SCHEMA_VERSION 1

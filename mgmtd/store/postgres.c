/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/store/engine.h"
#include "mgmtd/store/store.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARAMS 64
/* One number for all of Weft: the lock that says "this database is served". */
#define ADVISORY_LOCK "7305812694"

struct postgres_engine {
	MgmtEngine base;
	PGconn *conn;
	char *url;
	bool exclusive;
	GHashTable *statements; /* sql pointer -> name of the prepared statement */
};

static void
on_notice(void *user, const char *message)
{
	/* "table exists already" and the like: nothing that anybody has to act on. */
}

static bool
fail(struct postgres_engine *e, const PGresult *result, const char *what, GError **error)
{
	const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = result == NULL ? NULL : PQresultErrorMessage(result);
	enum mgmt_store_error code = MGMT_STORE_ERROR_FAILED;
	g_autofree char *text = NULL;

	if (PQstatus(e->conn) != CONNECTION_OK || g_strcmp0(state, "57P01") == 0)
		code = MGMT_STORE_ERROR_DOWN;
	else if (g_strcmp0(state, "23505") == 0)
		code = MGMT_STORE_ERROR_CONFLICT;
	text = g_strchomp(g_strdup(
		message != NULL && message[0] != '\0' ? message : PQerrorMessage(e->conn)));
	g_set_error(error, MGMT_STORE_ERROR, code, "%s: %s", what, text);
	return false;
}

static bool
postgres_exec(MgmtEngine *base, const char *sql, GError **error)
{
	struct postgres_engine *e = (struct postgres_engine *) base;
	PGresult *result = PQexec(e->conn, sql);
	ExecStatusType status = PQresultStatus(result);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	if (!ok)
		fail(e, result, "postgresql", error);
	PQclear(result);
	return ok;
}

static const char *
prepare(struct postgres_engine *e, const char *sql, GError **error)
{
	char *name = g_hash_table_lookup(e->statements, sql);
	PGresult *result;
	bool ok;

	if (name != NULL)
		return name;
	name = g_strdup_printf("s%u", g_hash_table_size(e->statements));
	result = PQprepare(e->conn, name, sql, 0, NULL);
	ok = PQresultStatus(result) == PGRES_COMMAND_OK;
	if (!ok)
		fail(e, result, "postgresql", error);
	PQclear(result);
	if (!ok) {
		g_free(name);
		return NULL;
	}
	g_hash_table_insert(e->statements, (gpointer) (uintptr_t) sql, name);
	return name;
}

static const char *
postgres_text(const struct mgmt_row *row, int column)
{
	return PQgetvalue(row->result, row->index, column); /* "" for NULL */
}

static int64_t
postgres_number(const struct mgmt_row *row, int column)
{
	const char *text = postgres_text(row, column);

	return text[0] == 't' ? 1 : strtoll(text, NULL, 10);
}

static int
postgres_columns(const struct mgmt_row *row)
{
	return PQnfields(row->result);
}

static bool
postgres_query(MgmtEngine *base,
	       const char *sql,
	       const struct mgmt_value *params,
	       unsigned n,
	       mgmt_row_fn fn,
	       void *user,
	       GError **error)
{
	struct postgres_engine *e = (struct postgres_engine *) base;
	const char *name = prepare(e, sql, error);
	const char *values[MAX_PARAMS];
	char numbers[MAX_PARAMS][24];
	PGresult *result;
	struct mgmt_row row;
	bool ok;

	g_return_val_if_fail(n <= MAX_PARAMS, false);
	if (name == NULL)
		return false;
	for (unsigned i = 0; i < n; i++) {
		g_snprintf(numbers[i], sizeof numbers[i], "%" G_GINT64_FORMAT, params[i].number);
		values[i] = params[i].is_text ? params[i].text : numbers[i];
	}
	result = PQexecPrepared(e->conn, name, (int) n, values, NULL, NULL, 0);
	ok = PQresultStatus(result) == PGRES_TUPLES_OK ||
	     PQresultStatus(result) == PGRES_COMMAND_OK;
	if (!ok)
		fail(e, result, "postgresql", error);
	row = (struct mgmt_row){ base->ops, result, 0 };
	for (int i = 0; ok && fn != NULL && i < PQntuples(result); i++) {
		row.index = i;
		ok = fn(&row, user, error);
	}
	PQclear(result);
	return ok;
}

static void
postgres_close(MgmtEngine *base)
{
	struct postgres_engine *e = (struct postgres_engine *) base;

	PQfinish(e->conn);
	g_hash_table_unref(e->statements);
	if (e->url != NULL)
		explicit_bzero(e->url, strlen(e->url));
	g_free(e->url);
	g_free(e);
}

static bool
postgres_is_lost(MgmtEngine *base)
{
	return PQstatus(((struct postgres_engine *) base)->conn) != CONNECTION_OK;
}

/* The database notices the end of a connection a little later than who held it: after a quick
 * restart the lock is still taken for a moment. */
enum { LOCK_TRIES = 60, LOCK_PAUSE_US = 50000 };

static bool
on_lock(const struct mgmt_row *row, void *user, GError **error)
{
	*(bool *) user = mgmt_row_int(row, 0) != 0;
	return true;
}

/* What every new connection needs before it is used. */
static bool
prepare_session(struct postgres_engine *e, GError **error)
{
	bool locked = false;

	PQsetNoticeProcessor(e->conn, on_notice, NULL);
	g_hash_table_remove_all(e->statements);
	if (!postgres_exec(&e->base,
			   "SET client_encoding = 'UTF8'; SET statement_timeout = '60s';"
			   "SET lock_timeout = '60s'; SET synchronous_commit = on;",
			   error))
		return false;
	if (!e->exclusive)
		return true;
	for (int tries = 0; !locked && tries < LOCK_TRIES; tries++) {
		if (tries > 0)
			g_usleep(LOCK_PAUSE_US);
		if (!postgres_query(&e->base, "SELECT pg_try_advisory_lock(" ADVISORY_LOCK ")",
				    NULL, 0, on_lock, &locked, error))
			return false;
	}
	if (!locked)
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_IN_USE,
			    "the database is in use by another weft-mgmtd; stop that one first");
	return locked;
}

static bool
postgres_reconnect(MgmtEngine *base, GError **error)
{
	struct postgres_engine *e = (struct postgres_engine *) base;

	PQreset(e->conn);
	if (PQstatus(e->conn) != CONNECTION_OK)
		return fail(e, NULL, "postgresql", error);
	return prepare_session(e, error);
}

static const struct mgmt_engine_ops postgres_ops = {
	.name = "postgresql",
	.identity = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
	.close = postgres_close,
	.exec = postgres_exec,
	.query = postgres_query,
	.is_lost = postgres_is_lost,
	.reconnect = postgres_reconnect,
	.text = postgres_text,
	.number = postgres_number,
	.columns = postgres_columns,
};

MgmtEngine *
mgmt_postgres_open(const char *url, bool exclusive, GError **error)
{
	static const char *const keywords[] = { "dbname", "connect_timeout", "keepalives_idle",
						"application_name", NULL };
	const char *const values[] = { url, "10", "15", "weft-mgmtd", NULL };
	struct postgres_engine *e = g_new0(struct postgres_engine, 1);

	e->base.ops = &postgres_ops;
	e->url = g_strdup(url);
	e->exclusive = exclusive;
	e->statements = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
	e->conn = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(e->conn) != CONNECTION_OK) {
		fail(e, NULL, "postgresql", error);
		postgres_close(&e->base);
		return NULL;
	}
	if (!prepare_session(e, error)) {
		postgres_close(&e->base);
		return NULL;
	}
	return &e->base;
}

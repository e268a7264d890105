/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/store/engine.h"
#include "mgmtd/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct sqlite_engine {
	MgmtEngine base;
	sqlite3 *db;
	GHashTable *statements; /* sql pointer -> sqlite3_stmt * */
	int lock_fd;
};

static bool
fail(struct sqlite_engine *e, const char *what, GError **error)
{
	int code = sqlite3_extended_errcode(e->db);
	enum mgmt_store_error mapped = MGMT_STORE_ERROR_FAILED;

	if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
		mapped = MGMT_STORE_ERROR_CONFLICT;
	g_set_error(error, MGMT_STORE_ERROR, mapped, "%s: %s", what, sqlite3_errmsg(e->db));
	return false;
}

static bool
sqlite_exec(MgmtEngine *base, const char *sql, GError **error)
{
	struct sqlite_engine *e = (struct sqlite_engine *) base;

	if (sqlite3_exec(e->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return fail(e, "sqlite", error);
	return true;
}

static sqlite3_stmt *
prepare(struct sqlite_engine *e, const char *sql, GError **error)
{
	sqlite3_stmt *s = g_hash_table_lookup(e->statements, sql);

	if (s != NULL)
		return s;
	if (sqlite3_prepare_v3(e->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK) {
		fail(e, sql, error);
		return NULL;
	}
	g_hash_table_insert(e->statements, (gpointer) (uintptr_t) sql, s);
	return s;
}

static bool
bind(struct sqlite_engine *e, sqlite3_stmt *s, const struct mgmt_value *params, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char name[12];
		int at;
		int rc;

		g_snprintf(name, sizeof name, "$%u", i + 1);
		at = sqlite3_bind_parameter_index(s, name);
		if (params[i].is_text)
			rc = sqlite3_bind_text(s, at, params[i].text, -1, SQLITE_STATIC);
		else
			rc = sqlite3_bind_int64(s, at, params[i].number);
		if (rc != SQLITE_OK)
			return false;
	}
	return true;
}

static const char *
sqlite_text(const struct mgmt_row *row, int column)
{
	const char *text = (const char *) sqlite3_column_text(row->result, column);

	return text == NULL ? "" : text;
}

static int64_t
sqlite_number(const struct mgmt_row *row, int column)
{
	return sqlite3_column_int64(row->result, column);
}

static int
sqlite_columns(const struct mgmt_row *row)
{
	return sqlite3_column_count(row->result);
}

static bool
sqlite_query(MgmtEngine *base,
	     const char *sql,
	     const struct mgmt_value *params,
	     unsigned n,
	     mgmt_row_fn fn,
	     void *user,
	     GError **error)
{
	struct sqlite_engine *e = (struct sqlite_engine *) base;
	sqlite3_stmt *s = prepare(e, sql, error);
	struct mgmt_row row = { base->ops, s, 0 };
	bool ok = true;
	int rc;

	if (s == NULL)
		return false;
	if (!bind(e, s, params, n))
		ok = fail(e, sql, error);
	while (ok && (rc = sqlite3_step(s)) != SQLITE_DONE) {
		if (rc != SQLITE_ROW)
			ok = fail(e, "sqlite", error);
		else if (fn != NULL)
			ok = fn(&row, user, error);
	}
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return ok;
}

static void
sqlite_close(MgmtEngine *base)
{
	struct sqlite_engine *e = (struct sqlite_engine *) base;

	g_hash_table_unref(e->statements);
	sqlite3_close(e->db);
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	g_free(e);
}

static bool
sqlite_is_lost(MgmtEngine *base)
{
	return false; /* a file does not go away; disk errors are reported as they come */
}

static bool
sqlite_reconnect(MgmtEngine *base, GError **error)
{
	return true;
}

static const struct mgmt_engine_ops sqlite_ops = {
	.name = "sqlite",
	.identity = "INTEGER PRIMARY KEY AUTOINCREMENT",
	.close = sqlite_close,
	.exec = sqlite_exec,
	.query = sqlite_query,
	.is_lost = sqlite_is_lost,
	.reconnect = sqlite_reconnect,
	.text = sqlite_text,
	.number = sqlite_number,
	.columns = sqlite_columns,
};

/* A lock beside the database, since SQLite's own ends between transactions. */
static bool
take_lock(struct sqlite_engine *e, const char *path, GError **error)
{
	g_autofree char *name = g_strconcat(path, ".lock", NULL);

	e->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (e->lock_fd < 0) {
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED, "%s: %s", name,
			    g_strerror(errno));
		return false;
	}
	if (flock(e->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_IN_USE,
		    "%s is in use by another weft-mgmtd; stop that one first", path);
	return false;
}

MgmtEngine *
mgmt_sqlite_open(const char *path, bool exclusive, GError **error)
{
	struct sqlite_engine *e = g_new0(struct sqlite_engine, 1);
	mode_t old_umask;
	int rc;

	e->base.ops = &sqlite_ops;
	e->lock_fd = -1;
	e->statements = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL,
					      (GDestroyNotify) (void *) sqlite3_finalize);
	if (exclusive && !take_lock(e, path, error)) {
		sqlite_close(&e->base);
		return NULL;
	}
	old_umask = umask(0077);
	rc = sqlite3_open_v2(path, &e->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			     NULL);
	umask(old_umask);
	if (rc != SQLITE_OK) {
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED, "%s: %s", path,
			    e->db == NULL ? "out of memory" : sqlite3_errmsg(e->db));
		sqlite_close(&e->base);
		return NULL;
	}
	sqlite3_extended_result_codes(e->db, 1);
	sqlite3_busy_timeout(e->db, 5000);
	/* FULL: a commit that was answered survives a power cut. */
	if (!sqlite_exec(&e->base,
			 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			 "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;",
			 error)) {
		g_prefix_error(error, "%s: ", path);
		sqlite_close(&e->base);
		return NULL;
	}
	return &e->base;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/store/engine.h"

#include "mgmtd/store/store.h"

#include <string.h>

G_DEFINE_QUARK(mgmt - store - error, mgmt_store_error)

const char *
mgmt_row_text(const struct mgmt_row *row, int column)
{
	return row->ops->text(row, column);
}

int64_t
mgmt_row_int(const struct mgmt_row *row, int column)
{
	return row->ops->number(row, column);
}

int
mgmt_row_columns(const struct mgmt_row *row)
{
	return row->ops->columns(row);
}

MgmtEngine *
mgmt_engine_open(const char *url, bool exclusive, GError **error)
{
	if (g_str_has_prefix(url, "sqlite://"))
		return mgmt_sqlite_open(url + strlen("sqlite://"), exclusive, error);
	if (g_str_has_prefix(url, "postgresql://") || g_str_has_prefix(url, "postgres://"))
		return mgmt_postgres_open(url, exclusive, error);
	g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED,
		    "store url '%s': neither sqlite:///PATH nor postgresql://...", url);
	return NULL;
}

char *
mgmt_engine_url_for_log(const char *url)
{
	const char *scheme = strstr(url, "://");
	const char *host = scheme == NULL ? NULL : scheme + 3;
	const char *end = host == NULL ? NULL : host + strcspn(host, "/?");
	const char *at = host == NULL ? NULL : memrchr(host, '@', (size_t) (end - host));
	const char *colon = at == NULL ? NULL : memchr(host, ':', (size_t) (at - host));
	GString *out = g_string_new(url);

	if (colon != NULL)
		g_string_erase(out, colon - url, at - colon);
	if (strstr(out->str, "password=") != NULL)
		g_string_truncate(out, strcspn(out->str, "?"));
	return g_string_free(out, FALSE);
}

struct first_int {
	int64_t value;
	bool found;
};

static bool
on_int(const struct mgmt_row *row, void *user, GError **error)
{
	struct first_int *f = user;

	f->value = mgmt_row_int(row, 0);
	f->found = true;
	return true;
}

bool
mgmt_query_int(MgmtEngine *e,
	       const char *sql,
	       const struct mgmt_value *params,
	       unsigned n,
	       int64_t *ret,
	       bool *ret_found,
	       GError **error)
{
	struct first_int f = { 0 };

	if (!mgmt_query(e, sql, params, n, on_int, &f, error))
		return false;
	*ret = f.value;
	*ret_found = f.found;
	return true;
}

static bool
on_text(const struct mgmt_row *row, void *user, GError **error)
{
	char **ret = user;

	g_free(*ret);
	*ret = g_strdup(mgmt_row_text(row, 0));
	return true;
}

bool
mgmt_query_text(MgmtEngine *e,
		const char *sql,
		const struct mgmt_value *params,
		unsigned n,
		char **ret,
		GError **error)
{
	char *text = NULL;

	if (!mgmt_query(e, sql, params, n, on_text, &text, error)) {
		g_free(text);
		return false;
	}
	*ret = text;
	return true;
}

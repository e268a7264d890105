/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Durations, sizes and URLs as text. */
#include "base/glib/conf.h"

#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first; of equal ones the first is printed. */
static const struct unit durations[] = {
	{ "d", WEFT_CONF_DAY(1) }, { "h", WEFT_CONF_H(1) },   { "min", WEFT_CONF_MIN(1) },
	{ "m", WEFT_CONF_MIN(1) }, { "s", WEFT_CONF_S(1) },   { "ms", WEFT_CONF_MS(1) },
	{ "us", WEFT_CONF_US(1) }, { "w", WEFT_CONF_DAY(7) },
};

static const struct unit sizes[] = {
	{ "T", G_GINT64_CONSTANT(1) << 40 },
	{ "G", 1 << 30 },
	{ "M", 1 << 20 },
	{ "K", 1 << 10 },
};

/* Digits at *@p to @ret; *@p moves behind them. False if there are none or too many. */
static bool
parse_digits(const char **p, int64_t *ret)
{
	int64_t v = 0;

	if (!g_ascii_isdigit(**p))
		return false;
	for (; g_ascii_isdigit(**p); (*p)++) {
		int digit = **p - '0';

		if (v > (G_MAXINT64 - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return true;
}

static const struct unit *
find_unit(const char *name, size_t len)
{
	for (size_t i = 0; i < G_N_ELEMENTS(durations); i++)
		if (strlen(durations[i].name) == len && memcmp(durations[i].name, name, len) == 0)
			return &durations[i];
	return NULL;
}

bool
weft_conf_parse_duration(int64_t *ret_us, const char *text)
{
	const char *p = text;
	int64_t total = 0, n;
	int64_t last_factor = G_MAXINT64;

	if (strcmp(text, "0") == 0) {
		*ret_us = 0;
		return true;
	}
	do {
		const struct unit *unit;
		const char *name;

		if (!parse_digits(&p, &n))
			return false;
		while (*p == ' ')
			p++;
		for (name = p; g_ascii_isalpha(*p); p++)
			;
		unit = find_unit(name, (size_t) (p - name));
		/* Each unit once, in falling order: "1h30min", not "30s30s". */
		if (unit == NULL || unit->factor >= last_factor)
			return false;
		last_factor = unit->factor;
		if (n > (G_MAXINT64 - total) / unit->factor)
			return false;
		total += n * unit->factor;
		while (*p == ' ')
			p++;
	} while (*p != '\0');
	*ret_us = total;
	return true;
}

bool
weft_conf_parse_size(int64_t *ret_bytes, const char *text)
{
	const char *p = text;
	int64_t n, factor = 1;

	if (!parse_digits(&p, &n))
		return false;
	while (*p == ' ')
		p++;
	for (size_t i = 0; i < G_N_ELEMENTS(sizes) && *p != '\0'; i++) {
		if (*p != sizes[i].name[0])
			continue;
		factor = sizes[i].factor;
		p++;
		if (strcmp(p, "iB") == 0)
			p += 2;
		break;
	}
	if (*p == 'B' && p[1] == '\0' && factor == 1)
		p++;
	if (*p != '\0' || n > G_MAXINT64 / factor)
		return false;
	*ret_bytes = n * factor;
	return true;
}

char *
weft_conf_format_duration(int64_t us)
{
	if (us == 0)
		return g_strdup("0");
	for (size_t i = 0; i < G_N_ELEMENTS(durations); i++)
		if (us % durations[i].factor == 0)
			return g_strdup_printf("%" G_GINT64_FORMAT "%s", us / durations[i].factor,
					       durations[i].name);
	return g_strdup_printf("%" G_GINT64_FORMAT "us", us);
}

char *
weft_conf_format_size(int64_t bytes)
{
	for (size_t i = 0; bytes != 0 && i < G_N_ELEMENTS(sizes); i++)
		if (bytes % sizes[i].factor == 0)
			return g_strdup_printf("%" G_GINT64_FORMAT "%s", bytes / sizes[i].factor,
					       sizes[i].name);
	return g_strdup_printf("%" G_GINT64_FORMAT, bytes);
}

/* True if the query parameter @name (@len bytes) may hold a secret. */
static bool
is_secret_parameter(const char *name, size_t len)
{
	static const char *const words[] = { "password", "passwd", "secret", "token",
					     "credential" };
	g_autofree char *lower = g_ascii_strdown(name, (gssize) len);

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (strstr(lower, words[i]) != NULL)
			return true;
	return false;
}

/* Appends the query @p ("a=b&c=d", up to @end) with secret values replaced. */
static void
append_query(GString *out, const char *p, const char *end)
{
	while (p < end) {
		const char *amp = memchr(p, '&', (size_t) (end - p));
		const char *stop = amp != NULL ? amp : end;
		const char *eq = memchr(p, '=', (size_t) (stop - p));

		if (eq != NULL && is_secret_parameter(p, (size_t) (eq - p))) {
			g_string_append_len(out, p, eq + 1 - p);
			g_string_append(out, "***");
		} else {
			g_string_append_len(out, p, stop - p);
		}
		if (amp != NULL)
			g_string_append_c(out, '&');
		p = amp != NULL ? amp + 1 : end;
	}
}

/* The '@' that ends the user's part of an authority, or NULL. A password may hold an unescaped '@',
 * and even '/': then what stands behind the colon is no port. */
static const char *
find_user_end(const char *authority, const char *end)
{
	size_t len = strcspn(authority, "/?#");
	const char *colon = memchr(authority, ':', len);
	const char *at = memrchr(authority, '@', len);
	const char *p;

	if (at != NULL || colon == NULL)
		return at;
	for (p = colon + 1; g_ascii_isdigit(*p); p++)
		;
	if (p == authority + len)
		return NULL;
	return memrchr(authority, '@', (size_t) (end - authority));
}

char *
weft_conf_redact_url(const char *url)
{
	const char *authority = strstr(url, "://");
	const char *end = url + strlen(url);
	const char *query = strchr(url, '?');
	const char *before_query = query != NULL ? query + 1 : end;
	const char *at = NULL, *colon = NULL, *rest = url;
	g_autoptr(GString) out = g_string_new(NULL);

	if (authority != NULL && authority >= before_query)
		authority = NULL;
	if (authority != NULL)
		at = find_user_end(authority + 3, before_query);
	if (at != NULL)
		colon = memchr(authority + 3, ':', (size_t) (at - authority - 3));
	if (colon != NULL) {
		g_string_append_len(out, url, colon + 1 - url);
		g_string_append(out, "***");
		rest = at;
	}
	g_string_append_len(out, rest, before_query - rest);
	if (authority != NULL && query != NULL)
		append_query(out, query + 1, end);
	else
		g_string_append_len(out, before_query, end - before_query);
	return g_string_free(g_steal_pointer(&out), FALSE);
}

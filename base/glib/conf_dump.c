/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A configuration as text for people: never with a secret in it. */
#include "base/glib/conf_private.h"

#include <string.h>

char *
weft_conf_key_credential(const struct weft_conf_key *row)
{
	size_t len = strlen(row->key);

	if (row->credential != NULL)
		return g_strdup(row->credential);
	if (row->type != WEFT_CONF_SECRET_FILE)
		return NULL;
	if (g_str_has_suffix(row->key, "-file"))
		len -= strlen("-file");
	return g_strdup_printf("%s.%.*s", row->group, (int) len, row->key);
}

char *
weft_conf_key_placeholder(const struct weft_conf_key *row)
{
	static const char *const by_type[WEFT_CONF_TYPE_COUNT_] = {
		[WEFT_CONF_STRING] = "TEXT",
		[WEFT_CONF_BOOL] = "yes|no",
		[WEFT_CONF_INT] = "NUMBER",
		[WEFT_CONF_DURATION] = "DURATION",
		[WEFT_CONF_SIZE] = "SIZE",
		[WEFT_CONF_PORT] = "PORT",
		[WEFT_CONF_PORT_RANGE] = "FIRST-LAST",
		[WEFT_CONF_ADDRESS] = "ADDRESS",
		[WEFT_CONF_ADDRESSES] = "ADDRESS...",
		[WEFT_CONF_ENDPOINTS] = "ADDRESS:PORT...",
		[WEFT_CONF_PREFIX] = "PREFIX",
		[WEFT_CONF_PREFIXES] = "PREFIX...",
		[WEFT_CONF_PATH] = "PATH",
		[WEFT_CONF_URL] = "URL",
		[WEFT_CONF_URLS] = "URL...",
		[WEFT_CONF_STRINGS] = "WORD...",
		[WEFT_CONF_SECRET_FILE] = "FILE",
	};

	if (row->type == WEFT_CONF_ENUM)
		return g_strjoinv("|", (char **) row->names);
	return g_strdup(by_type[row->type]);
}

static char *
redact_words(char **words)
{
	g_autoptr(GString) out = g_string_new(NULL);

	for (char **w = words; *w != NULL; w++) {
		g_autofree char *shown = weft_conf_redact_url(*w);

		if (out->len > 0)
			g_string_append(out, ", ");
		g_string_append(out, shown);
	}
	return g_string_free(g_steal_pointer(&out), FALSE);
}

char *
weft_conf_format(const WeftConf *conf, unsigned key)
{
	const struct weft_conf_value *v;

	g_assert(key < conf->schema->n_keys);
	v = conf->values[key];
	if (v->text == NULL)
		return NULL;
	if (v->strings != NULL)
		return redact_words(v->strings);
	return weft_conf_redact_url(v->text);
}

/* Appends a value so that GKeyFile reads it back. */
static void
append_escaped(GString *out, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\\')
			g_string_append(out, "\\\\");
		else if (*p == ' ' && p == text)
			g_string_append(out, "\\s");
		else
			g_string_append_c(out, *p);
	}
}

void
weft_conf_dump(const WeftConf *conf, GString *out, bool origin, bool only_set)
{
	const struct weft_conf_schema *schema = conf->schema;
	const char *group = NULL;

	for (unsigned i = 0; i < schema->n_keys; i++) {
		const struct weft_conf_key *row = &schema->keys[i];
		const char *from = weft_conf_origin(conf, i);
		g_autofree char *text = weft_conf_format(conf, i);

		if (row->renamed_to != NULL || row->hidden ||
		    (only_set && (text == NULL || strcmp(from, "default") == 0)))
			continue;
		if (group == NULL || strcmp(group, row->group) != 0) {
			g_string_append_printf(out, "%s[%s]\n", group != NULL ? "\n" : "",
					       row->group);
			group = row->group;
		}
		/* On a line of its own: a comment behind a value would be part of it. */
		if (origin)
			g_string_append_printf(out, "# %s\n", from);
		g_string_append_printf(out, "%s%s =", text == NULL ? "# " : "", row->key);
		if (text != NULL && text[0] != '\0') {
			g_string_append_c(out, ' ');
			append_escaped(out, text);
		}
		g_string_append_c(out, '\n');
	}
}

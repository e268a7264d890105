/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of conf share. */
#pragma once

#include "base/glib/conf.h"

/* One key's value; reference-counted (g_atomic_rc_box), immutable once made. */
struct weft_conf_value {
	char *text;   /* as written; NULL: unset */
	char *origin; /* file, "default", "credential NAME"; NULL: unset */

	int64_t number;              /* BOOL INT DURATION SIZE PORT ENUM; low port of a range */
	int64_t high;                /* PORT_RANGE */
	GArray *items;               /* addresses, prefixes, endpoints; also single ones */
	char **strings;              /* lists of text; NULL otherwise */
	char *secret;                /* content of the secret file, lines cut by NULs */
	size_t secret_len;           /* bytes to wipe */
	struct weft_secret *secrets; /* borrowed from @secret */
	size_t n_secrets;
};

/* All text members NULL: an unset value. */
struct weft_conf_value *weft_conf_value_new(void);
void weft_conf_value_unref(struct weft_conf_value *value);

/* Parses @text by the row's type and bounds. Secret files are not opened. */
struct weft_conf_value *weft_conf_value_parse(const struct weft_conf_key *row,
					      const char *text,
					      GError **error);

/* Reads the file @path into the value of a SECRET_FILE row. */
bool weft_conf_value_load_secret(struct weft_conf_value *value,
				 const struct weft_conf_key *row,
				 const char *path,
				 bool credential,
				 GError **error);

bool weft_conf_value_equal(const struct weft_conf_value *a, const struct weft_conf_value *b);

/* True if an empty text means "unset" rather than a value. */
bool weft_conf_type_unset_by_empty(enum weft_conf_type type);
bool weft_conf_type_is_list(enum weft_conf_type type);

/* What a value of the row looks like: "30s", "yes|no", "PATH". For the manual. g_free. */
char *weft_conf_key_placeholder(const struct weft_conf_key *row);

/* Name of the row's credential, NULL if it has none. g_free. */
char *weft_conf_key_credential(const struct weft_conf_key *row);

struct weft_conf {
	const struct weft_conf_schema *schema;
	struct weft_conf_value **values; /* schema->n_keys */
	GPtrArray *warnings;             /* char *, NULL-terminated */
	GPtrArray *files;                /* char *, NULL-terminated */

	/* Copies of the options, for reloading. */
	char *file;
	char **dirs;
	char *credentials_dir;
	bool strict;
	bool from_text;
};

/* An object with all values unset. */
WeftConf *weft_conf_new(const struct weft_conf_schema *schema,
			const struct weft_conf_options *options);

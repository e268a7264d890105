/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configuration: INI files read by GKeyFile through one table of keys, the schema.
 *
 * The schema is the only place that knows a key: reading, checking, reloading, the commented
 * default file and the man page's tables all come from it. A key is addressed by its index in the
 * table, so a daemon names its indices:
 *
 *	enum { SIG_CONF_LISTEN = WEFT_MAIN_CONF_COUNT_, SIG_CONF_RATE, SIG_CONF_COUNT_ };
 *	static const struct weft_conf_key keys[SIG_CONF_COUNT_] = {
 *		WEFT_MAIN_CONF_KEYS("/var/lib/weft-signald", "/run/weft-signald"),
 *		[SIG_CONF_LISTEN] = { "server", "listen", WEFT_CONF_ENDPOINTS, .def = "[::]:10000",
 *				      .min = 1, .max = 8, .help = "Where agents connect." },
 *		[SIG_CONF_RATE] = { "limits", "messages-per-second", WEFT_CONF_INT, .def = "500",
 *				    .min = 1, .max = 1000000, .reloadable = true,
 *				    .help = "Messages that one sender may send." },
 *	};
 *
 * Without a named file the order is: the defaults, /usr/lib/weft/NAME.conf, /etc/weft/NAME.conf,
 * then NAME.conf.d/?*.conf of /usr/lib/weft, /etc/weft and /run/weft, merged by file name (of two
 * files with one name the later directory's is read, the other not at all); later wins. A file
 * named by --config replaces all of that by FILE and FILE.d/?*.conf.
 *
 * This room does not log: warnings are kept in the result. A WeftConf is immutable once loaded
 * and may be read by several threads. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/token.h"

typedef struct weft_conf WeftConf;

/* Type                       text                               value
 * STRING                     one line of UTF-8                  weft_conf_string()
 * BOOL                       yes no true false on off 1 0       weft_conf_bool()
 * INT                        decimal                            weft_conf_int()
 * DURATION                   30s 5min 1h30min 200ms; "0"        weft_conf_int(), microseconds
 * SIZE                       bytes, or K M G T (1024)           weft_conf_int(), bytes
 * PORT                       1..65535 (0 if .min is -1)         weft_conf_int()
 * PORT_RANGE                 49152-65535, or one port           weft_conf_ports()
 * ADDRESS                    IPv4 or IPv6                       weft_conf_address()
 * ADDRESSES                  list                               weft_conf_addresses()
 * ENDPOINTS                  list of 192.0.2.1:80 [::]:80       weft_conf_endpoints()
 * PREFIX                     10.0.0.0/8                         weft_conf_prefix()
 * PREFIXES                   list                               weft_conf_prefixes()
 * PATH                       absolute                           weft_conf_string()
 * URL                        scheme of .names                   weft_conf_string()
 * URLS                       list                               weft_conf_strings()
 * ENUM                       one of .names                      weft_conf_int(), index in .names
 * STRINGS                    list                               weft_conf_strings()
 * SECRET_FILE                path of a file of mode 0600        weft_conf_secrets()
 *
 * Lists are separated by commas or blanks. */
enum weft_conf_type {
	WEFT_CONF_STRING,
	WEFT_CONF_BOOL,
	WEFT_CONF_INT,
	WEFT_CONF_DURATION,
	WEFT_CONF_SIZE,
	WEFT_CONF_PORT,
	WEFT_CONF_PORT_RANGE,
	WEFT_CONF_ADDRESS,
	WEFT_CONF_ADDRESSES,
	WEFT_CONF_ENDPOINTS,
	WEFT_CONF_PREFIX,
	WEFT_CONF_PREFIXES,
	WEFT_CONF_PATH,
	WEFT_CONF_URL,
	WEFT_CONF_URLS,
	WEFT_CONF_ENUM,
	WEFT_CONF_STRINGS,
	WEFT_CONF_SECRET_FILE,
	WEFT_CONF_TYPE_COUNT_
};

struct weft_conf_key {
	const char *group;
	const char *key;
	enum weft_conf_type type;

	/* Default in the file's own notation; NULL: unset unless configured. Shown in the manual
	 * and in the default file. */
	const char *def;

	/* Bounds, in the value's unit (DURATION in microseconds: see WEFT_CONF_MS and the like).
	 * Both 0: what the type can hold. STRING and PATH: bytes. Lists: entries (max 0: 64).
	 * SECRET_FILE: max is the number of secrets, one per line, at most (0: one). */
	int64_t min, max;

	const char *unit; /* of an INT, for the manual: "messages/s" */

	/* ENUM: the words. URL: the schemes ("http", "https"). NULL-terminated, borrowed. */
	const char *const *names;

	/* PATH and SECRET_FILE: name of the systemd credential that is preferred to the file if
	 * $CREDENTIALS_DIRECTORY has it. A SECRET_FILE without one uses "GROUP.KEY" with the
	 * ending "-file" cut off: [turn] secret-file is looked for as turn.secret. */
	const char *credential;

	bool required;   /* unset is an error */
	bool reloadable; /* may change on SIGHUP */
	bool hidden;     /* not in the manual */

	/* Old name of another key: accepted with a warning that names @renamed_to ("key" in the
	 * same group, or "group.key"), which takes the value unless it is set itself. */
	const char *renamed_to;

	/* Further check of a value that its type and bounds accept. @text is as written. */
	bool (*check)(const char *text, GError **error);

	const char *help; /* sentences; blank lines make paragraphs */
};

#define WEFT_CONF_US(n)  ((int64_t) (n))
#define WEFT_CONF_MS(n)  ((int64_t) (n) *1000)
#define WEFT_CONF_S(n)   ((int64_t) (n) *1000000)
#define WEFT_CONF_MIN(n) (WEFT_CONF_S(n) * 60)
#define WEFT_CONF_H(n)   (WEFT_CONF_S(n) * 3600)
#define WEFT_CONF_DAY(n) (WEFT_CONF_S(n) * 86400)

struct weft_conf_group {
	const char *name;
	const char *help;
};

struct weft_conf_schema {
	const char *name;                     /* "signald": signald.conf */
	const struct weft_conf_key *keys;     /* the order of the manual */
	size_t n_keys;                        /* at most WEFT_CONF_KEYS_MAX */
	const struct weft_conf_group *groups; /* help per group, optional */
	size_t n_groups;

	/* Rules across keys ("tls-key needs tls-cert"), run when each value is good. */
	bool (*check)(const WeftConf *conf, GError **error);
};

#define WEFT_CONF_KEYS_MAX 512

enum weft_conf_error {
	WEFT_CONF_ERROR_READ,  /* a file cannot be read, or is no INI file */
	WEFT_CONF_ERROR_VALUE, /* values are wrong, missing or unknown */
	WEFT_CONF_ERROR_SECRET /* a secret is missing, malformed or readable by others */
};
#define WEFT_CONF_ERROR (weft_conf_error_quark())
GQuark weft_conf_error_quark(void);

struct weft_conf_options {
	const char *file; /* of --config, must exist; NULL: the default places */

	/* Unknown groups and keys are errors, not warnings. */
	bool strict;

	/* For tests. NULL: vendor, administrator and volatile directory as installed. */
	const char *const *dirs; /* three, NULL-terminated */
	/* For tests. NULL: $CREDENTIALS_DIRECTORY; "": none. */
	const char *credentials_dir;
};

/* Reads and checks everything. On failure the message of @error has one line per problem found,
 * "FILE: [group] key: what", not just the first. @schema and its tables are borrowed for good. */
WeftConf *weft_conf_load(const struct weft_conf_schema *schema,
			 const struct weft_conf_options *options,
			 GError **error);

/* The same from one text; no files are read except those that secret-file keys name, and none at
 * all if @credentials_dir of @options is "" and no such key is set. @origin is shown as its file
 * name. For tests and tools. */
WeftConf *weft_conf_load_text(const struct weft_conf_schema *schema,
			      const char *text,
			      size_t len,
			      const char *origin,
			      const struct weft_conf_options *options,
			      GError **error);

/* Reads the same files again. All or nothing: on any error @old stays what is in force. In the
 * result, keys that are not reloadable keep the value of @old; those whose files say something new
 * are named in @ret_restart as "[group] key" (NULL-terminated, possibly empty; g_strfreev). */
WeftConf *weft_conf_reload(const WeftConf *old, char ***ret_restart, GError **error);

/* Wipes secrets. Takes NULL. */
void weft_conf_free(WeftConf *conf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftConf, weft_conf_free)

const struct weft_conf_schema *weft_conf_schema(const WeftConf *conf);

/* What was accepted with reservations, one line each (NULL-terminated, owned by @conf). */
const char *const *weft_conf_warnings(const WeftConf *conf);

/* Files read, in order (NULL-terminated, owned by @conf). */
const char *const *weft_conf_files(const WeftConf *conf);

/* Getters: @key is the index in the schema; asking for another type than the row's is a bug.
 * What they return is owned by @conf. Unset: false, 0, NULL, an empty list. */
bool weft_conf_is_set(const WeftConf *conf, unsigned key); /* by a file or a default */
bool weft_conf_bool(const WeftConf *conf, unsigned key);
int64_t weft_conf_int(const WeftConf *conf, unsigned key);
const char *weft_conf_string(const WeftConf *conf, unsigned key);
const char *const *weft_conf_strings(const WeftConf *conf, unsigned key); /* never NULL */
const struct weft_address *weft_conf_address(const WeftConf *conf, unsigned key);
const struct weft_address *weft_conf_addresses(const WeftConf *conf, unsigned key, size_t *ret_n);
const struct weft_prefix *weft_conf_prefix(const WeftConf *conf, unsigned key);
const struct weft_prefix *weft_conf_prefixes(const WeftConf *conf, unsigned key, size_t *ret_n);
const struct weft_endpoint *weft_conf_endpoints(const WeftConf *conf, unsigned key, size_t *ret_n);
/* False, and nothing set, if the key is unset. */
bool weft_conf_ports(const WeftConf *conf, unsigned key, uint16_t *ret_low, uint16_t *ret_high);
const struct weft_secret *weft_conf_secrets(const WeftConf *conf, unsigned key, size_t *ret_n);

/* True if the value differs (of a secret: its content). */
bool weft_conf_changed(const WeftConf *a, const WeftConf *b, unsigned key);

/* File that the value came from, "default", "credential NAME", or "unset". */
const char *weft_conf_origin(const WeftConf *conf, unsigned key);

/* The value as it is in force, as text for a file: of a secret the file's name, never its content,
 * and passwords within URLs as "***". NULL if unset. g_free. */
char *weft_conf_format(const WeftConf *conf, unsigned key);

/* What `weft config show` prints: a complete file; with @origin each value is followed by where
 * it came from. @only_set leaves out values that are the default. */
void weft_conf_dump(const WeftConf *conf, GString *out, bool origin, bool only_set);

/* "postgresql://u:pw@h/db" -> "postgresql://u:***@h/db", also ?password= and ?passfile=-like
 * parameters. Text that is no URL is returned as it is. g_free. */
char *weft_conf_redact_url(const char *url);

/* For tools that take the same notations. False: @ret is untouched. */
bool weft_conf_parse_duration(int64_t *ret_us, const char *text);
bool weft_conf_parse_size(int64_t *ret_bytes, const char *text);
/* "90s" for 90000000: the largest unit that divides. g_free. */
char *weft_conf_format_duration(int64_t us);
char *weft_conf_format_size(int64_t bytes);

const char *weft_conf_type_name(enum weft_conf_type type);

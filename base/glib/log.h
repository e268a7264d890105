/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Logging by g_log_structured: journal fields when standard error is the journal, lines of text
 * otherwise.
 *
 *	weft_log_info("listening on %s", text);
 *	weft_log_with(WEFT_LOG_NOTICE,
 *		      WEFT_FIELDS({ WEFT_LOG_PEER, name }, { WEFT_LOG_PATH, "direct" }),
 *		      "peer %s: direct", name);
 *	weft_log_limited(WEFT_LOG_WARNING, NULL, "bad request from %s", address);
 *
 * Everything that a stranger can cause is logged through weft_log_limited(). Control characters
 * and invalid UTF-8 come out escaped, so nobody can forge a line. Thread-safe; a message below the
 * level costs one load. Only daemons log errors; rooms below them return them and log at debug
 * level at most.
 *
 * Secrets: never pass one. A struct weft_secret or struct weft_key does not fit %s, which the
 * compiler checks; where its presence matters print weft_log_secret(), which is "***". */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct weft_env;
struct weft_key;
struct weft_secret;

enum weft_log_level {
	WEFT_LOG_ERROR,   /* someone must act */
	WEFT_LOG_WARNING, /* we carry on worse */
	WEFT_LOG_NOTICE,  /* a change that an administrator cares about */
	WEFT_LOG_INFO,    /* start, stop */
	WEFT_LOG_DEBUG,
	WEFT_LOG_LEVEL_COUNT_
};

const char *weft_log_level_name(enum weft_log_level level);
bool weft_log_level_from_name(enum weft_log_level *ret, const char *name);
extern const char *const weft_log_level_names[]; /* NULL-terminated, for WEFT_CONF_ENUM */

/* Names of journal fields. Own ones begin with WEFT_. */
#define WEFT_LOG_MESSAGE_ID "MESSAGE_ID" /* 32 hex digits, listed in docs/events.md */
#define WEFT_LOG_PEER       "WEFT_PEER"  /* name */
#define WEFT_LOG_PEER_ID    "WEFT_PEER_ID"
#define WEFT_LOG_PATH       "WEFT_PATH"
#define WEFT_LOG_STATE_OLD  "WEFT_STATE_OLD"
#define WEFT_LOG_STATE_NEW  "WEFT_STATE_NEW"
#define WEFT_LOG_REQUEST_ID "WEFT_REQUEST_ID"
#define WEFT_LOG_ERRNO      "WEFT_ERRNO"

struct weft_log_field {
	const char *name;  /* upper case, digits, underscores */
	const char *value; /* NULL: left out */
};

#define WEFT_LOG_FIELDS_MAX 16

/* A list for weft_log_with(), living until the end of the block. */
#define WEFT_FIELDS(...) ((const struct weft_log_field[]){ __VA_ARGS__, { NULL, NULL } })

enum weft_log_target {
	WEFT_LOG_AUTO, /* the journal if standard error is connected to it, else text */
	WEFT_LOG_TEXT,
	WEFT_LOG_JOURNAL
};

struct weft_log_config {
	const char *identifier; /* SYSLOG_IDENTIFIER, a static string */
	enum weft_log_level level;
	enum weft_log_target target;
	int text_fd;                /* 0: standard error */
	const char *journal_socket; /* NULL: /run/systemd/journal/socket */
	const struct weft_env *env; /* clock of lines and limits; NULL: the system's */
};

/* Takes over the process's logging, GLib's and libraries' messages included. May be called again
 * to change the configuration, while no other thread logs. */
void weft_log_init(const struct weft_log_config *config);

void weft_log_set_level(enum weft_log_level level);
enum weft_log_level weft_log_get_level(void);
bool weft_log_enabled(enum weft_log_level level);

/* Messages that neither the journal nor text_fd took. */
uint64_t weft_log_lost(void);

#define weft_log_error(...)   weft_log_with(WEFT_LOG_ERROR, NULL, __VA_ARGS__)
#define weft_log_warning(...) weft_log_with(WEFT_LOG_WARNING, NULL, __VA_ARGS__)
#define weft_log_notice(...)  weft_log_with(WEFT_LOG_NOTICE, NULL, __VA_ARGS__)
#define weft_log_info(...)    weft_log_with(WEFT_LOG_INFO, NULL, __VA_ARGS__)
#define weft_log_debug(...)   weft_log_with(WEFT_LOG_DEBUG, NULL, __VA_ARGS__)

/* @fields: WEFT_FIELDS(...) or NULL. */
#define weft_log_with(level, fields, ...)                                                          \
	do {                                                                                       \
		if (weft_log_enabled(level))                                                       \
			weft_log_write((level), (fields), &WEFT_LOG_HERE_, __VA_ARGS__);           \
	} while (0)

/* At most WEFT_LOG_LIMIT_BURST messages per WEFT_LOG_LIMIT_INTERVAL_US from this place in the
 * code; the next one that passes tells how many were held back. */
#define weft_log_limited(level, fields, ...)                                                       \
	do {                                                                                       \
		static struct weft_log_limit limit_;                                               \
		if (weft_log_enabled(level))                                                       \
			weft_log_write_limited(&limit_, (level), (fields), &WEFT_LOG_HERE_,        \
					       __VA_ARGS__);                                       \
	} while (0)

#define WEFT_LOG_LIMIT_BURST       5
#define WEFT_LOG_LIMIT_INTERVAL_US (10 * G_USEC_PER_SEC)

/* One place in the code. All zero at first. */
struct weft_log_limit {
	int64_t window_us; /* start of the interval */
	uint32_t passed;   /* in the interval */
	uint32_t held;     /* since the last that passed */
};

/* True if a message may pass at @now_us; @ret_held is then the number held back before it. */
bool weft_log_limit_pass(struct weft_log_limit *limit, int64_t now_us, uint32_t *ret_held);

/* Where a message was written. */
struct weft_log_here {
	const char *file;
	const char *line;
	const char *func;
};
#define WEFT_LOG_HERE_                                                                             \
	((const struct weft_log_here){                                                             \
		.file = __FILE__, .line = G_STRINGIFY(__LINE__), .func = __func__ })

void weft_log_write(enum weft_log_level level,
		    const struct weft_log_field *fields,
		    const struct weft_log_here *here,
		    const char *format,
		    ...) G_GNUC_PRINTF(4, 5);
void weft_log_write_limited(struct weft_log_limit *limit,
			    enum weft_log_level level,
			    const struct weft_log_field *fields,
			    const struct weft_log_here *here,
			    const char *format,
			    ...) G_GNUC_PRINTF(5, 6);

/* "***", or "(none)" for NULL or an empty secret. */
const char *weft_log_secret(const struct weft_secret *secret);

/* A key's last eight characters behind an ellipsis, as it may be shown; "***" must be used for
 * private and preshared keys. */
struct weft_log_key_text {
	char s[16];
};
struct weft_log_key_text weft_log_key(const struct weft_key *public_key);

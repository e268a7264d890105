/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/log.h"

#include "base/env.h"
#include "base/glib/log_private.h"
#include "base/key.h"
#include "base/token.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define MESSAGE_MAX    8192 /* bytes; what is longer is cut */

/* The process has one log: the only state in this room that belongs to nobody. */
static struct {
	const char *identifier;
	int text_fd;
	int journal_fd; /* -1: text */
	char *journal_socket;
	const struct weft_env *env;
	bool installed;
} output = { .text_fd = STDERR_FILENO, .journal_fd = -1 };
static int current_level = WEFT_LOG_INFO;
static uint64_t lost;

const char *const weft_log_level_names[WEFT_LOG_LEVEL_COUNT_ + 1] = {
	"error", "warning", "notice", "info", "debug", NULL,
};

/* Numbers of syslog(3); GLib's levels, none of which is fatal. */
static const char *const priorities[WEFT_LOG_LEVEL_COUNT_] = { "3", "4", "5", "6", "7" };
static const GLogLevelFlags glib_levels[WEFT_LOG_LEVEL_COUNT_] = {
	G_LOG_LEVEL_CRITICAL, G_LOG_LEVEL_WARNING, G_LOG_LEVEL_MESSAGE,
	G_LOG_LEVEL_INFO,     G_LOG_LEVEL_DEBUG,
};

const char *
weft_log_level_name(enum weft_log_level level)
{
	g_return_val_if_fail(level < WEFT_LOG_LEVEL_COUNT_, NULL);
	return weft_log_level_names[level];
}

bool
weft_log_level_from_name(enum weft_log_level *ret, const char *name)
{
	for (unsigned i = 0; i < WEFT_LOG_LEVEL_COUNT_; i++) {
		if (g_ascii_strcasecmp(weft_log_level_names[i], name) == 0) {
			*ret = (enum weft_log_level) i;
			return true;
		}
	}
	return false;
}

enum weft_log_level
weft_log_level_from_glib(GLogLevelFlags flags)
{
	if ((flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0)
		return WEFT_LOG_ERROR;
	if ((flags & G_LOG_LEVEL_WARNING) != 0)
		return WEFT_LOG_WARNING;
	if ((flags & G_LOG_LEVEL_MESSAGE) != 0)
		return WEFT_LOG_NOTICE;
	return (flags & G_LOG_LEVEL_INFO) != 0 ? WEFT_LOG_INFO : WEFT_LOG_DEBUG;
}

void
weft_log_set_level(enum weft_log_level level)
{
	__atomic_store_n(&current_level, (int) level, __ATOMIC_RELAXED);
}

enum weft_log_level
weft_log_get_level(void)
{
	return (enum weft_log_level) __atomic_load_n(&current_level, __ATOMIC_RELAXED);
}

bool
weft_log_enabled(enum weft_log_level level)
{
	return (int) level <= __atomic_load_n(&current_level, __ATOMIC_RELAXED);
}

uint64_t
weft_log_lost(void)
{
	return __atomic_load_n(&lost, __ATOMIC_RELAXED);
}

static const struct weft_env *
log_env(void)
{
	return output.env != NULL ? output.env : weft_env_system();
}

/* True if GLib's fields hold one of this name. */
static bool
has_field(const GLogField *fields, gsize n, const char *name)
{
	for (gsize i = 0; i < n; i++)
		if (strcmp(fields[i].key, name) == 0)
			return true;
	return false;
}

static bool
write_journal(enum weft_log_level level, const GLogField *fields, gsize n)
{
	g_autoptr(GString) entry = g_string_sized_new(512);
	GLogField extra[2];
	gsize n_extra = 0;

	weft_log_format_journal(entry, fields, n);
	if (output.identifier != NULL)
		extra[n_extra++] = (GLogField){ "SYSLOG_IDENTIFIER", output.identifier, -1 };
	/* Messages of GLib itself carry its own idea of the priority. */
	if (!has_field(fields, n, "PRIORITY"))
		extra[n_extra++] = (GLogField){ "PRIORITY", priorities[level], -1 };
	weft_log_format_journal(entry, extra, n_extra);
	return weft_log_send_journal(output.journal_fd, output.journal_socket, entry);
}

static GLogWriterOutput
on_log(GLogLevelFlags flags, const GLogField *fields, gsize n, gpointer user)
{
	enum weft_log_level level = weft_log_level_from_glib(flags);
	g_autoptr(GString) line = NULL;

	if (!weft_log_enabled(level))
		return G_LOG_WRITER_HANDLED;
	if (output.journal_fd >= 0 && write_journal(level, fields, n))
		return G_LOG_WRITER_HANDLED;
	line = g_string_sized_new(256);
	weft_log_format_text(line, level, fields, n, weft_env_wall_us(log_env()));
	if (!weft_log_send_text(output.text_fd, line))
		__atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
	return G_LOG_WRITER_HANDLED;
}

static bool
wants_journal(const struct weft_log_config *config)
{
	if (config->target == WEFT_LOG_AUTO)
		return g_log_writer_is_journald(STDERR_FILENO);
	return config->target == WEFT_LOG_JOURNAL;
}

void
weft_log_init(const struct weft_log_config *config)
{
	if (output.journal_fd >= 0)
		close(output.journal_fd);
	g_free(output.journal_socket);
	output.identifier = config->identifier;
	output.text_fd = config->text_fd > 0 ? config->text_fd : STDERR_FILENO;
	output.journal_fd = -1;
	output.journal_socket =
		g_strdup(config->journal_socket != NULL ? config->journal_socket : JOURNAL_SOCKET);
	output.env = config->env;
	if (wants_journal(config))
		output.journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	weft_log_set_level(config->level);
	/* GLib wants to be told once only. */
	if (!output.installed)
		g_log_set_writer_func(on_log, NULL, NULL);
	output.installed = true;
}

static char *format_message(const char *format, va_list args, uint32_t held) G_GNUC_PRINTF(1, 0);

/* Formats the message, cut at a character's border if it is too long. */
static char *
format_message(const char *format, va_list args, uint32_t held)
{
	g_autoptr(GString) text = g_string_sized_new(128);
	g_autofree char *message = g_strdup_vprintf(format, args);

	if (strlen(message) > MESSAGE_MAX) {
		size_t cut = MESSAGE_MAX;

		while (cut > 0 && ((unsigned char) message[cut] & 0xc0) == 0x80)
			cut--;
		message[cut] = '\0';
		weft_log_escape(text, message, -1);
		g_string_append(text, "...");
	} else {
		weft_log_escape(text, message, -1);
	}
	if (held > 0)
		g_string_append_printf(text, " [%u like this were held back]", held);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static void write_message(enum weft_log_level level,
			  const struct weft_log_field *fields,
			  const struct weft_log_here *here,
			  uint32_t held,
			  const char *format,
			  va_list args) G_GNUC_PRINTF(5, 0);

static void
write_message(enum weft_log_level level,
	      const struct weft_log_field *fields,
	      const struct weft_log_here *here,
	      uint32_t held,
	      const char *format,
	      va_list args)
{
	g_autofree char *message = format_message(format, args, held);
	GLogField out[WEFT_LOG_FIELDS_MAX + 6] = {
		{ "MESSAGE", message, -1 },      { "PRIORITY", priorities[level], -1 },
		{ "GLIB_DOMAIN", "weft", -1 },   { "CODE_FILE", here->file, -1 },
		{ "CODE_LINE", here->line, -1 }, { "CODE_FUNC", here->func, -1 },
	};
	gsize n = 6;

	for (; fields != NULL && fields->name != NULL && n < G_N_ELEMENTS(out); fields++)
		if (fields->value != NULL)
			out[n++] = (GLogField){ fields->name, fields->value, -1 };
	g_log_structured_array(glib_levels[level], out, n);
}

void
weft_log_write(enum weft_log_level level,
	       const struct weft_log_field *fields,
	       const struct weft_log_here *here,
	       const char *format,
	       ...)
{
	va_list args;

	va_start(args, format);
	write_message(level, fields, here, 0, format, args);
	va_end(args);
}

bool
weft_log_limit_pass(struct weft_log_limit *limit, int64_t now_us, uint32_t *ret_held)
{
	int64_t window = __atomic_load_n(&limit->window_us, __ATOMIC_RELAXED);

	/* Two threads may both open a window; then a few more messages pass, which does no harm. */
	if (window == 0 || now_us - window >= WEFT_LOG_LIMIT_INTERVAL_US) {
		__atomic_store_n(&limit->window_us, MAX(now_us, 1), __ATOMIC_RELAXED);
		__atomic_store_n(&limit->passed, 0, __ATOMIC_RELAXED);
	}
	if (__atomic_fetch_add(&limit->passed, 1, __ATOMIC_RELAXED) >= WEFT_LOG_LIMIT_BURST) {
		__atomic_fetch_sub(&limit->passed, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&limit->held, 1, __ATOMIC_RELAXED);
		return false;
	}
	*ret_held = __atomic_exchange_n(&limit->held, 0, __ATOMIC_RELAXED);
	return true;
}

void
weft_log_write_limited(struct weft_log_limit *limit,
		       enum weft_log_level level,
		       const struct weft_log_field *fields,
		       const struct weft_log_here *here,
		       const char *format,
		       ...)
{
	uint32_t held;
	va_list args;

	if (!weft_log_limit_pass(limit, weft_env_now_us(log_env()), &held))
		return;
	va_start(args, format);
	write_message(level, fields, here, held, format, args);
	va_end(args);
}

const char *
weft_log_secret(const struct weft_secret *secret)
{
	return secret == NULL || secret->len == 0 ? "(none)" : "***";
}

struct weft_log_key_text
weft_log_key(const struct weft_key *public_key)
{
	struct weft_key_text text = weft_key_to_text(public_key);
	struct weft_log_key_text out;

	g_snprintf(out.s, sizeof out.s, "...%s", text.s + WEFT_KEY_TEXT_LEN - 8);
	return out;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages as journal entries and as lines of text. */
#include "base/glib/log_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SEND_WAIT_MS 5 /* what a full pipe or socket may cost the main loop */

static bool
must_escape(gunichar c)
{
	GUnicodeType type = g_unichar_type(c);

	/* FORMAT holds the bidirectional overrides, which make text lie about its order. */
	return type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT ||
	       type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR;
}

static void
escape_bytes(GString *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		g_string_append_printf(out, "\\x%02x", (unsigned) (unsigned char) p[i]);
}

void
weft_log_escape(GString *out, const char *text, gssize len)
{
	const char *end = text + (len < 0 ? strlen(text) : (size_t) len);

	while (text < end) {
		gunichar c = g_utf8_get_char_validated(text, end - text);
		const char *next = text + 1;

		if (c == (gunichar) -1 || c == (gunichar) -2) {
			escape_bytes(out, text, 1);
		} else {
			next = g_utf8_next_char(text);
			if (c == '\n')
				g_string_append(out, "\\n");
			else if (c == '\t')
				g_string_append(out, "\\t");
			else if (c >= 0x80 ? must_escape(c) : g_ascii_iscntrl((char) c))
				escape_bytes(out, text, (size_t) (next - text));
			else
				g_string_append_len(out, text, next - text);
		}
		text = next;
	}
}

static size_t
field_length(const GLogField *field)
{
	return field->length < 0 ? strlen(field->value) : (size_t) field->length;
}

void
weft_log_format_journal(GString *out, const GLogField *fields, gsize n)
{
	for (gsize i = 0; i < n; i++) {
		size_t len = field_length(&fields[i]);

		g_string_append(out, fields[i].key);
		if (memchr(fields[i].value, '\n', len) == NULL) {
			g_string_append_c(out, '=');
		} else {
			guint64 le = GUINT64_TO_LE((guint64) len);

			g_string_append_c(out, '\n');
			g_string_append_len(out, (const char *) &le, sizeof le);
		}
		g_string_append_len(out, fields[i].value, (gssize) len);
		g_string_append_c(out, '\n');
	}
}

/* "WEFT_STATE_OLD" -> " state_old=value"; other fields are for the journal only. */
static void
append_field(GString *out, const GLogField *field, bool first)
{
	g_autofree char *name = NULL;

	name = g_ascii_strdown(field->key + strlen("WEFT_"), -1);
	g_string_append_printf(out, "%s%s=", first ? " (" : " ", name);
	weft_log_escape(out, field->value, field->length);
}

void
weft_log_format_text(
	GString *out, enum weft_log_level level, const GLogField *fields, gsize n, int64_t wall_us)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(wall_us / G_USEC_PER_SEC);
	g_autofree char *stamp =
		time != NULL ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%S") : g_strdup("-");
	bool first = true;

	g_string_append_printf(out, "%s.%03dZ %s: ", stamp, (int) (wall_us / 1000 % 1000),
			       weft_log_level_name(level));
	for (gsize i = 0; i < n; i++)
		if (strcmp(fields[i].key, "MESSAGE") == 0)
			weft_log_escape(out, fields[i].value, fields[i].length);
	for (gsize i = 0; i < n; i++) {
		if (!g_str_has_prefix(fields[i].key, "WEFT_"))
			continue;
		append_field(out, &fields[i], first);
		first = false;
	}
	g_string_append(out, first ? "\n" : ")\n");
}

static bool
wait_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, SEND_WAIT_MS) > 0 && (p.revents & POLLOUT) != 0;
}

bool
weft_log_send_journal(int fd, const char *socket_path, const GString *entry)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	const struct sockaddr *to = (const struct sockaddr *) &sa;
	ssize_t n;

	if (fd < 0 || strlen(socket_path) >= sizeof sa.sun_path)
		return false;
	memcpy(sa.sun_path, socket_path, strlen(socket_path));
	do {
		n = sendto(fd, entry->str, entry->len, flags, to, sizeof sa);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN && wait_writable(fd))
		n = sendto(fd, entry->str, entry->len, flags, to, sizeof sa);
	return n == (ssize_t) entry->len;
}

bool
weft_log_send_text(int fd, const GString *line)
{
	const char *p = line->str;
	size_t left = line->len;

	/* Not O_NONBLOCK on a descriptor that may be shared with the shell: ask before writing. A
	 * pipe that polls writable takes PIPE_BUF bytes, and regular files always poll so. */
	while (left > 0) {
		ssize_t n;

		if (!wait_writable(fd))
			return false;
		n = write(fd, p, MIN(left, 4096));
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (n > 0) {
			p += n;
			left -= (size_t) n;
		}
	}
	return true;
}

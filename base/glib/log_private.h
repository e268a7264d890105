/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two forms of a message. Pure functions but for the sends. */
#pragma once

#include "base/glib/log.h"

/* Appends @len bytes of @text (-1: a string) with control characters, invalid UTF-8 and line
 * separators escaped; a newline becomes "\n" in two characters. */
void weft_log_escape(GString *out, const char *text, gssize len);

/* The journal's native form of one entry: every field as NAME=value or, where the value holds a
 * newline, with its length. */
void weft_log_format_journal(GString *out, const GLogField *fields, gsize n);

/* One line with newline: "2026-11-25T03:12:01.123Z warning: message (peer=alice)". */
void weft_log_format_text(
	GString *out, enum weft_log_level level, const GLogField *fields, gsize n, int64_t wall_us);

/* True if the entry went out; never blocks longer than a few milliseconds. */
bool weft_log_send_journal(int fd, const char *socket_path, const GString *entry);
bool weft_log_send_text(int fd, const GString *line);

/* Level of GLib's flags. */
enum weft_log_level weft_log_level_from_glib(GLogLevelFlags flags);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Times and lists as people read them. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* "2026-01-31 12:00:00" in local time; "never" for 0. g_free. */
char *weft_text_time(int64_t us);

/* "3min ago", "2d ago", "in 5h"; "never" for 0. g_free. */
char *weft_text_ago(int64_t us, int64_t now_us);

/* Joined by ", "; "-" for none. g_free. */
char *weft_text_list(char *const *items, size_t n);

/* "1.2 MiB". g_free. */
char *weft_text_bytes(uint64_t n);

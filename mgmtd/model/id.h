/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Object ids (management.md 1): 12 bytes (4 time, 3 machine, 2 process, 3 counter) in lower-case
 * base32hex, 20 characters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct weft_env;

#define MGMT_ID_LEN 20

/* NUL-terminated; all zero means "none". */
struct mgmt_id {
	char s[MGMT_ID_LEN + 1];
};

/* Time from @env, the rest random per process, the counter increasing: unique and sortable. Main
 * thread only. */
struct mgmt_id mgmt_id_new(const struct weft_env *env);
bool mgmt_id_parse(struct mgmt_id *ret, const char *text, size_t len);
bool mgmt_id_equal(const struct mgmt_id *a, const struct mgmt_id *b);
bool mgmt_id_is_none(const struct mgmt_id *id);

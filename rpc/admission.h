/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the room: how many calls one address may have and begin. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct weft_endpoint;
struct weft_env;
struct weft_rpc_server_config;

struct weft_rpc_admissions;
struct weft_rpc_admission; /* one address */

struct weft_rpc_admissions *weft_rpc_admissions_new(const struct weft_rpc_server_config *config,
						    const struct weft_env *env);
void weft_rpc_admissions_free(struct weft_rpc_admissions *a); /* takes NULL */
void weft_rpc_admissions_set(struct weft_rpc_admissions *a,
			     const struct weft_rpc_server_config *config);

/* Whether anything depends on the address. */
bool weft_rpc_admissions_wanted(struct weft_rpc_admissions *a);

/* NULL, or why a call beyond the total is refused; @live counts it. */
const char *weft_rpc_admissions_total(struct weft_rpc_admissions *a, uint64_t live);

/* Counts a call from @peer. *@ret_refused becomes the reason if it may not be, and NULL is
 * returned; otherwise what is to be given to weft_rpc_admissions_leave() at its end. Any thread. */
struct weft_rpc_admission *weft_rpc_admissions_enter(struct weft_rpc_admissions *a,
						     const struct weft_endpoint *peer,
						     uint64_t live,
						     const char **ret_refused);
void weft_rpc_admissions_leave(struct weft_rpc_admissions *a, struct weft_rpc_admission *one);

/* Addresses that have calls. */
unsigned weft_rpc_admissions_size(struct weft_rpc_admissions *a);

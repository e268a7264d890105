/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model of the kernel's addresses, routes, rules and WireGuard, and random states to put into it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "netlink/diff.h"

#define OURS WEFT_NL_PROTOCOL
#define LINK 7

/* The kernel, as far as these states go. */
struct model {
	struct weft_nl_state *state; /* as dumped */
	bool promote;                /* net.ipv4.conf.*.promote_secondaries */
	GPtrArray *foreign_before;   /* texts */
};

#define ADDR(s, i)  (&g_array_index((s)->addrs, struct weft_nl_addr, i))
#define ROUTE(s, i) (&g_array_index((s)->routes, struct weft_nl_route, i))
#define RULE(s, i)  (&g_array_index((s)->rules, struct weft_nl_rule, i))

/* A normalised desired state out of few values, so that two of them have much in common. */
struct weft_nl_state *random_desired(void);

/* A kernel with things of ours from an earlier state, and things of others. Routes of others into
 * our link only if @v4_stays: the kernel takes them with the link's last IPv4 address. */
void model_init(struct model *m, bool link_exists, bool v4_stays);
void model_clear(struct model *m);

/* Carries out one operation; asserts that the kernel would not refuse it. */
void model_apply(struct model *m, const struct weft_nl_op *op);
/* Makes the state a dump. */
void model_sort(struct model *m);

/* Its index, or -1. */
int model_find_route(const struct model *m, const struct weft_nl_route *key);
bool same_addr(const struct weft_prefix *a, const struct weft_prefix *b);
bool has_v4(const struct weft_nl_state *s, const struct weft_address *a); /* NULL: any */

/* Everything that is not ours, as texts in order. */
GPtrArray *foreign_of(const struct weft_nl_state *s);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The smallest list of operations that turns a dumped state into a desired one. Pure. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "netlink/desired.h"
#include "netlink/ifaddr.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "netlink/wg.h"

/* In the order of the list: what carries traffic is made before, and unmade after, what leads
 * traffic to it. */
enum weft_nl_op_kind {
	WEFT_NL_OP_LINK_CREATE, /* make or adopt the link */
	WEFT_NL_OP_WG_DEVICE,   /* key, port, mark */
	WEFT_NL_OP_LINK_MTU,
	WEFT_NL_OP_ADDR_ADD_FIRST,    /* so that the link is never without an IPv4 address */
	WEFT_NL_OP_ADDR_DELETE_FIRST, /* one that stands in the way of another */
	WEFT_NL_OP_ADDR_ADD,
	WEFT_NL_OP_LINK_UP,
	WEFT_NL_OP_WG_PEER, /* add, change; an allowed ip moves over by being added */
	WEFT_NL_OP_ROUTE_ADD,
	WEFT_NL_OP_ROUTE_REPLACE,
	WEFT_NL_OP_RULE_ADD,
	WEFT_NL_OP_RULE_DELETE,
	WEFT_NL_OP_ROUTE_DELETE,
	WEFT_NL_OP_ADDR_DELETE,
	WEFT_NL_OP_WG_PEER_SHRINK, /* the allowed ips are replaced by fewer */
	WEFT_NL_OP_WG_PEER_REMOVE,
	WEFT_NL_OP_COUNT_
};

const char *weft_nl_op_name(enum weft_nl_op_kind kind);

struct weft_nl_op {
	enum weft_nl_op_kind kind;
	union {
		struct weft_nl_wg_set device;    /* WG_DEVICE; n_changes is 0 */
		struct weft_nl_wg_change change; /* WG_PEER*; @allowed lies in the list's pool */
		uint32_t mtu;
		struct weft_nl_addr addr;
		struct weft_nl_route route;
		struct weft_nl_rule rule;
	};
};

typedef struct weft_nl_ops WeftNlOps;

/* Both states must be normalised. Neither is kept. Things that cannot be done without touching a
 * foreign object are left out and reported in @problems (as weft_nl_state_normalise() does): a
 * foreign link of that name makes the list empty, a foreign route of the same key costs that
 * route. */
WeftNlOps *weft_nl_diff(const struct weft_nl_state *desired,
			const struct weft_nl_state *dumped,
			GPtrArray *problems);
/* Wipes the keys. Takes NULL. */
void weft_nl_ops_free(WeftNlOps *ops);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlOps, weft_nl_ops_free)

const char *weft_nl_ops_link(const WeftNlOps *ops);
size_t weft_nl_ops_count(const WeftNlOps *ops);
const struct weft_nl_op *weft_nl_ops_get(const WeftNlOps *ops, size_t i);

/* One line, without keys beyond their last 8 characters: "add route 10.0.0.0/8". g_free() it. */
char *weft_nl_op_describe(const struct weft_nl_op *op);

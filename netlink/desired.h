/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state of one WireGuard link with its addresses, routes and rules: as it should be (built by
 * the caller) or as it is (dumped). */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "netlink/ifaddr.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "netlink/sock.h"
#include "netlink/wg.h"

/* What is ours: the link by its mark, routes and rules by their protocol number, addresses by the
 * same number on our link. Kernels before 5.18 do not store it for addresses; there an address that
 * is no longer wanted goes only if it is listed in @former_addrs. Everything else is foreign. */
struct weft_nl_state {
	/* Desired: mtu (0: keep). Dumped: the link as found, ifindex 0 if there is none. */
	struct weft_nl_link link;
	struct weft_nl_wg_device wg;
	GArray *addrs;        /* struct weft_nl_addr; dumped: all of the link */
	GArray *routes;       /* struct weft_nl_route; dumped: ours, and all of private tables */
	GArray *rules;        /* struct weft_nl_rule; dumped: all */
	GArray *former_addrs; /* struct weft_nl_addr; desired only: wanted in earlier states */
	uint8_t protocol;     /* marks what is ours; WEFT_NL_PROTOCOL unless set before adding */
	bool normalised;
};

typedef struct weft_nl_state WeftNlState; /* for g_autoptr() */

/* Name as in weft_nl_link_name_ok(). */
struct weft_nl_state *weft_nl_state_new(const char *name);
/* Wipes the keys. Takes NULL. */
void weft_nl_state_free(struct weft_nl_state *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlState, weft_nl_state_free)

/* For building a desired state. Values are copied; protocol and link are filled in. */
void weft_nl_state_add_addr(struct weft_nl_state *state, const struct weft_prefix *prefix);
void weft_nl_state_add_route(struct weft_nl_state *state, const struct weft_nl_route *route);
void weft_nl_state_add_rule(struct weft_nl_state *state, const struct weft_nl_rule *rule);

/* Brings a desired state into the form that weft_nl_diff() takes: sorted, each object once, the
 * kernel's defaults filled in. What cannot be applied is taken out and reported in @problems
 * (array of GError with g_error_free() as its destroy function; NULL: do not tell): see
 * weft_nl_wg_device_normalise(), and impossible prefixes, an MTU out of range or below 1280 with
 * IPv6 addresses, routes of one key that differ (the later one wins), rules without priority. */
void weft_nl_state_normalise(struct weft_nl_state *state, GPtrArray *problems);

/* Dumps what concerns the link named in @desired: the link, its WireGuard device, its addresses,
 * our routes in all tables, all routes of the tables that @desired mentions other than main and
 * local, all rules. A missing link is no error (link.ifindex is 0), a foreign one neither: the
 * diff refuses it. Normalised. */
struct weft_nl_state *weft_nl_state_dump(WeftNlSocket *rt,
					 WeftNlWg *wg,
					 const struct weft_nl_state *desired,
					 GError **error);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Routes, and the questions which way a packet would go. All functions take a socket of
 * WEFT_NL_BUS_ROUTE. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "netlink/sock.h"

struct nlmsghdr;

#define WEFT_NL_TABLE_MAIN  254
#define WEFT_NL_TABLE_LOCAL 255

struct weft_nl_route {
	struct weft_prefix dst;
	struct weft_address gateway; /* family NONE: none */
	struct weft_address src;     /* preferred source; family NONE: none */
	uint32_t ifindex;            /* in desired states 0: the state's own link */
	uint32_t table;              /* 0 in desired states: main */
	uint32_t metric;             /* IPv6: 0 becomes 1024, as in the kernel */
	uint32_t mtu;                /* octets; 0: the link's */
	uint32_t advmss;             /* octets; 0: the kernel's choice */
	uint8_t type;                /* RTN_UNICAST (and 0), RTN_UNREACHABLE, RTN_BLACKHOLE,
				      * RTN_PROHIBIT, RTN_THROW; others only in dumps */
	uint8_t scope;               /* IPv4; of dumps. Ours: link without gateway, else universe */
	uint8_t protocol;            /* RTPROT_*; ours is WEFT_NL_PROTOCOL */
	bool multipath;              /* of dumps: several next hops, the first one is shown */
	bool dead;                   /* of dumps: its link is down */
};

/* What makes two routes the same object to the kernel: table, destination, metric. */
int weft_nl_route_compare_key(const struct weft_nl_route *a, const struct weft_nl_route *b);

/* The same in everything that a desired state can say; ifindex is compared as it stands. */
bool weft_nl_route_equal(const struct weft_nl_route *a, const struct weft_nl_route *b);

/* 0 and false mean "any". The kernel filters. */
struct weft_nl_route_filter {
	uint8_t family; /* enum weft_family */
	uint8_t protocol;
	uint32_t table;
	uint32_t ifindex;
};

/* Array of struct weft_nl_route, without the kernel's cached (cloned) ones. */
GArray *weft_nl_route_dump(WeftNlSocket *rt, const struct weft_nl_route_filter *f, GError **error);

/* EXISTS if a route of that key is there, whoever made it. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_route_add(WeftNlSocket *rt,
						 const struct weft_nl_route *route,
						 GError **error);
/* Changes the route of that key in one step, or makes it. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_route_replace(WeftNlSocket *rt,
						     const struct weft_nl_route *route,
						     GError **error);
/* Only a route that is the same in all of this. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_route_delete(WeftNlSocket *rt,
						    const struct weft_nl_route *route,
						    GError **error);

/* Which way the kernel would send a packet. */
struct weft_nl_route_query {
	struct weft_address dst;
	struct weft_address src; /* family NONE: the kernel chooses */
	uint32_t fwmark;         /* of the sending socket; 0: none */
	uint32_t ifindex;        /* the socket is bound to this link; 0: none */
};

struct weft_nl_route_answer {
	struct weft_address src;     /* what the packet would carry */
	struct weft_address gateway; /* family NONE: the destination is on the link */
	uint32_t ifindex;
	uint32_t table;
	uint32_t mtu; /* octets, path MTU or route MTU where the kernel knows one; else 0 */
};

/* NOT_FOUND if there is no route (or an unreachable one). */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_route_ask(WeftNlSocket *rt,
						 const struct weft_nl_route_query *query,
						 struct weft_nl_route_answer *ret,
						 GError **error);

/* The default route of table main with the lowest metric that does not lead into the link
 * @except_ifindex (0: none is excluded). NOT_FOUND if there is none. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_route_default(WeftNlSocket *rt,
						     enum weft_family family,
						     uint32_t except_ifindex,
						     struct weft_nl_route *ret,
						     GError **error);

/* Reads RTM_NEWROUTE and RTM_DELROUTE messages; false if malformed or of another family. */
bool weft_nl_route_parse(struct weft_nl_route *ret, const struct nlmsghdr *msg);

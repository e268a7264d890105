/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which addresses of this host may be offered as ICE host candidates (protocol.md 4.3). */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "netlink/ifaddr.h"
#include "netlink/link.h"
#include "netlink/sock.h"

struct weft_nl_candidate_config {
	const char *own_link;             /* never offered, with everything that begins like it */
	const char *const *skip_prefixes; /* NULL-terminated; NULL: the built-in list */
	bool no_ipv6;
};

/* The built-in name prefixes, NULL-terminated. */
const char *const *weft_nl_candidate_skip_prefixes(void);

/* By name and state, and by kind only for WireGuard: a container's eth0 is a veth and counts. */
bool weft_nl_candidate_link_ok(const struct weft_nl_candidate_config *config,
			       const struct weft_nl_link *link);
/* Not loopback, link-local (IPv6), multicast, unspecified, tentative, duplicate or deprecated. */
bool weft_nl_candidate_addr_ok(const struct weft_nl_candidate_config *config,
			       const struct weft_nl_addr *addr);

/* Filters dumped @links and @addrs: array of struct weft_nl_addr, sorted, each address once. */
GArray *weft_nl_candidate_filter(const struct weft_nl_candidate_config *config,
				 const GArray *links,
				 const GArray *addrs);

/* Dumps and filters. */
GArray *weft_nl_candidate_list(WeftNlSocket *rt,
			       const struct weft_nl_candidate_config *config,
			       GError **error);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses of links. All functions take a socket of WEFT_NL_BUS_ROUTE. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "netlink/sock.h"

struct nlmsghdr;

/* The number that marks addresses (kernel 5.18 and later), routes and rules as ours: 'W'. A second
 * instance on one host takes another. Where an object's protocol is 0, this one is written. */
#define WEFT_NL_PROTOCOL 87

struct weft_nl_addr {
	struct weft_prefix prefix; /* the interface address, host bits set: 100.64.0.7/16 */
	uint32_t ifindex;          /* in desired states 0: the state's own link */
	uint32_t flags;            /* IFA_F_*; of dumps */
	uint8_t scope;             /* RT_SCOPE_*; 0 universe */
	uint8_t protocol;          /* IFA_PROTO; 0: unknown or made by others */
};

/* By family, address, prefix length, link. */
int weft_nl_addr_compare(const struct weft_nl_addr *a, const struct weft_nl_addr *b);

/* @ifindex 0: of all links. Array of struct weft_nl_addr. */
GArray *weft_nl_addr_dump(WeftNlSocket *rt, uint32_t ifindex, GError **error);

/* No duplicate address detection: overlay addresses are unique by the control plane. EXISTS if the
 * link has it already. Adds it as ours. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_addr_add(WeftNlSocket *rt,
						const struct weft_nl_addr *addr,
						GError **error);
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_addr_delete(WeftNlSocket *rt,
						   const struct weft_nl_addr *addr,
						   GError **error);

/* Reads RTM_NEWADDR and RTM_DELADDR messages; false if malformed or of another family. */
bool weft_nl_addr_parse(struct weft_nl_addr *ret, const struct nlmsghdr *msg);

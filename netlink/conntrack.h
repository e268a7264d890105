/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connection tracking: dump flows, and delete those that a revoked rule had admitted. All
 * functions take a socket of WEFT_NL_BUS_NETFILTER. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "netlink/sock.h"

struct nlmsghdr;

/* One direction. Ports are 0 for protocols without them. */
struct weft_nl_ct_tuple {
	struct weft_endpoint src;
	struct weft_endpoint dst;
	uint8_t protocol; /* IPPROTO_* */
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint16_t icmp_id;
};

struct weft_nl_ct_flow {
	struct weft_nl_ct_tuple orig;
	struct weft_nl_ct_tuple reply;
	uint32_t id;
	uint32_t mark;
	uint32_t status; /* IPS_* */
	uint32_t timeout_s;
	uint16_t zone;
	/* Both directions; 0 unless net.netfilter.nf_conntrack_acct is on. */
	uint64_t orig_packets, orig_bytes;
	uint64_t reply_packets, reply_bytes;
};

/* A predicate on the original direction: all that is given must hold. */
struct weft_nl_ct_match {
	struct weft_prefix src; /* family NONE: any */
	struct weft_prefix dst;
	uint8_t protocol;                       /* 0: any */
	uint16_t dst_port_first, dst_port_last; /* 0, 0: any */
	uint16_t src_port_first, src_port_last;
	uint32_t mark, mark_mask; /* mask 0: any */
	uint16_t zone;
	bool has_zone; /* false: any */
};

bool weft_nl_ct_match(const struct weft_nl_ct_match *match, const struct weft_nl_ct_flow *flow);

typedef void (*WeftNlCtFunc)(const struct weft_nl_ct_flow *flow, void *user);

/* Calls @func for every flow of @family (NONE: both) that matches @match (NULL: all). An
 * interrupted dump starts again after @restart was called (NULL only if @func does not mind). */
struct weft_nl_ct_dump {
	enum weft_family family;
	const struct weft_nl_ct_match *match;
	WeftNlCtFunc func;
	void (*restart)(void *user);
	void *user;
};
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_ct_dump(WeftNlSocket *nf,
					       const struct weft_nl_ct_dump *dump,
					       GError **error);

/* Deletes every flow that matches at least one of @n predicates: one dump per family, then one
 * request per flow, by tuple, zone and id, so that a new flow of the same tuple is left alone. A
 * flow that is gone meanwhile is no error. Predicates with a single source address are looked up
 * in a hash table: thousands of them are cheap. @ret_deleted (or NULL) is set also on failure. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_ct_delete(WeftNlSocket *nf,
						 const struct weft_nl_ct_match *matches,
						 size_t n,
						 size_t *ret_deleted,
						 GError **error);

/* Deletes one flow as dumped; NOT_FOUND if it is gone. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_ct_delete_flow(WeftNlSocket *nf,
						      const struct weft_nl_ct_flow *flow,
						      GError **error);

/* Reads IPCTNL_MSG_CT_NEW and IPCTNL_MSG_CT_DELETE messages; false if malformed or of another
 * family. */
bool weft_nl_ct_parse(struct weft_nl_ct_flow *ret, const struct nlmsghdr *msg);

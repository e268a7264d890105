/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests built by libnl-route-3, sent over our own exchange (sock.h): libnl knows how links,
 * routes and rules are laid out, the exchange knows extended acks, timeouts and restarts. Answers
 * are read by attrs.h, because libnl's objects drop what we need (a rule's "not" and
 * suppress_prefixlength) and cost an allocation each. Internal to the room. */
#pragma once

#include <glib.h>
#include <netlink/addr.h>
#include <netlink/msg.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <stdbool.h>

#include "base/address.h"
#include "netlink/sock.h"

typedef struct nl_msg WeftNlMsg;
typedef struct nl_addr WeftNlLibAddr;
typedef struct rtnl_link WeftNlLibLink;
typedef struct rtnl_addr WeftNlLibIfaddr;
typedef struct rtnl_route WeftNlLibRoute;
typedef struct rtnl_rule WeftNlLibRule;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlMsg, nlmsg_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlLibAddr, nl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlLibLink, rtnl_link_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlLibIfaddr, rtnl_addr_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlLibRoute, rtnl_route_put)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlLibRule, rtnl_rule_put)

/* New references. libnl fails only for lack of memory here, which aborts as GLib does. */
struct nl_addr *weft_nl_lib_addr(const struct weft_address *a);
struct nl_addr *weft_nl_lib_prefix(const struct weft_prefix *p);

/* The checked result of a libnl call that can fail for lack of memory or room only. */
void weft_nl_lib_check(int result);

/* Sends a built message and waits for its ack. */
bool weft_nl_rtnl_send(WeftNlSocket *rt, struct nl_msg *msg, GError **error);

/* The family octet that begins every route message's header. */
enum weft_family weft_nl_msg_family(const struct nlmsghdr *msg);

/* Dumps into a GArray: @parse reads one message into a zeroed element of @size octets. Messages of
 * another type than @type or of other families are skipped, more than @limit elements are refused.
 * @keep (or NULL) filters. @msg has NLMSG_LENGTH of its header and its attributes. */
struct weft_nl_rtnl_dump {
	uint16_t type; /* RTM_NEW* */
	uint8_t any_family;
	size_t size;
	size_t limit;
	bool (*parse)(void *ret, const struct nlmsghdr *msg);
	bool (*keep)(const void *element, const void *user);
	const void *user;
};
GArray *weft_nl_rtnl_dump(WeftNlSocket *rt,
			  struct nlmsghdr *msg,
			  const struct weft_nl_rtnl_dump *d,
			  GError **error);

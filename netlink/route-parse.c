/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/attrs.h"
#include "netlink/route.h"

#include <glib.h>
#include <linux/rtnetlink.h>

static const struct weft_nl_attr_policy route_policy[RTA_MAX + 1] = {
	[RTA_DST] = { WEFT_NL_ATTR_MIN, 4 },
	[RTA_OIF] = { WEFT_NL_ATTR_U32 },
	[RTA_GATEWAY] = { WEFT_NL_ATTR_MIN, 4 },
	[RTA_PRIORITY] = { WEFT_NL_ATTR_U32 },
	[RTA_PREFSRC] = { WEFT_NL_ATTR_MIN, 4 },
	[RTA_METRICS] = { WEFT_NL_ATTR_NEST },
	[RTA_MULTIPATH] = { WEFT_NL_ATTR_MIN, sizeof(struct rtnexthop) },
	[RTA_TABLE] = { WEFT_NL_ATTR_U32 },
};

static const struct weft_nl_attr_policy metrics_policy[RTAX_MAX + 1] = {
	[RTAX_MTU] = { WEFT_NL_ATTR_U32 },
	[RTAX_ADVMSS] = { WEFT_NL_ATTR_U32 },
};

static const struct weft_nl_attr_policy hop_policy[RTA_GATEWAY + 1] = {
	[RTA_GATEWAY] = { WEFT_NL_ATTR_MIN, 4 },
};

static bool
read_metrics(struct weft_nl_route *route, const struct weft_nl_attr *nest)
{
	struct weft_nl_attr m[RTAX_MAX + 1];

	if (nest->p == NULL)
		return true;
	if (!weft_nl_attrs_read(weft_nl_attr_cursor(nest), metrics_policy, m, G_N_ELEMENTS(m)))
		return false;
	route->mtu = weft_nl_attr_u32(&m[RTAX_MTU]);
	route->advmss = weft_nl_attr_u32(&m[RTAX_ADVMSS]);
	return true;
}

/* Shows the first of several next hops. */
static bool
read_multipath(struct weft_nl_route *route, const struct weft_nl_attr *nest)
{
	struct weft_cursor c = weft_nl_attr_cursor(nest);
	struct weft_nl_attr h[RTA_GATEWAY + 1];
	struct rtnexthop hop;
	struct weft_cursor attrs;

	if (nest->p == NULL)
		return true;
	if (!weft_cursor_copy(&c, &hop, sizeof hop) || hop.rtnh_len < sizeof hop)
		return false;
	attrs = weft_cursor_sub(&c, hop.rtnh_len - sizeof hop);
	if (!weft_nl_attrs_read(attrs, hop_policy, h, G_N_ELEMENTS(h)) ||
	    !weft_nl_attr_address(&h[RTA_GATEWAY], (enum weft_family) route->dst.addr.family,
				  &route->gateway))
		return false;
	route->ifindex = (uint32_t) hop.rtnh_ifindex;
	route->multipath = true;
	return true;
}

bool
weft_nl_route_parse(struct weft_nl_route *ret, const struct nlmsghdr *msg)
{
	struct weft_nl_attr a[RTA_MAX + 1];
	struct rtmsg header;
	struct weft_nl_route route = { 0 };
	enum weft_family family;

	if (!weft_nl_msg_header(msg, &header, sizeof header) ||
	    !weft_nl_attrs_read(weft_nl_msg_attrs(msg, sizeof header), route_policy, a,
				G_N_ELEMENTS(a)))
		return false;
	family = weft_nl_family_from_af(header.rtm_family);
	if (family == WEFT_FAMILY_NONE || header.rtm_dst_len > 8 * weft_nl_family_octets(family) ||
	    (a[RTA_DST].p == NULL && header.rtm_dst_len != 0) ||
	    !weft_nl_attr_address(&a[RTA_DST], family, &route.dst.addr) ||
	    !weft_nl_attr_address(&a[RTA_GATEWAY], family, &route.gateway) ||
	    !weft_nl_attr_address(&a[RTA_PREFSRC], family, &route.src))
		return false;
	route.dst.addr.family = (uint8_t) family; /* a default route carries no address */
	route.dst.bits = header.rtm_dst_len;
	route.ifindex = weft_nl_attr_u32(&a[RTA_OIF]);
	if (!read_metrics(&route, &a[RTA_METRICS]) || !read_multipath(&route, &a[RTA_MULTIPATH]))
		return false;
	route.table = a[RTA_TABLE].p != NULL ? weft_nl_attr_u32(&a[RTA_TABLE]) : header.rtm_table;
	route.metric = weft_nl_attr_u32(&a[RTA_PRIORITY]);
	route.type = header.rtm_type;
	route.scope = header.rtm_scope;
	route.protocol = header.rtm_protocol;
	route.dead = (header.rtm_flags & RTNH_F_DEAD) != 0;
	*ret = route;
	return true;
}

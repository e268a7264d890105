/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/route.h"

#include "netlink/attrs.h"
#include "netlink/error.h"
#include "netlink/ifaddr.h"
#include "netlink/limits.h"
#include "netlink/rtnl.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

int
weft_nl_route_compare_key(const struct weft_nl_route *a, const struct weft_nl_route *b)
{
	int c = COMPARE(a->table, b->table);

	if (c == 0)
		c = weft_prefix_compare(&a->dst, &b->dst);
	return c != 0 ? c : COMPARE(a->metric, b->metric);
}

bool
weft_nl_route_equal(const struct weft_nl_route *a, const struct weft_nl_route *b)
{
	/* The kernel shows unreachable routes of IPv6 as leading into the loopback link. */
	bool hop = a->type == RTN_UNICAST;

	return weft_nl_route_compare_key(a, b) == 0 && a->type == b->type && a->mtu == b->mtu &&
	       a->advmss == b->advmss && !a->multipath && !b->multipath &&
	       weft_address_equal(&a->src, &b->src) &&
	       (!hop || (a->ifindex == b->ifindex && weft_address_equal(&a->gateway, &b->gateway)));
}

/* --- dumps */

static bool
parse_element(void *ret, const struct nlmsghdr *msg)
{
	return weft_nl_route_parse(ret, msg);
}

static bool
is_cloned(const struct nlmsghdr *msg)
{
	struct rtmsg header;

	return weft_nl_msg_header(msg, &header, sizeof header) &&
	       (header.rtm_flags & RTM_F_CLONED) != 0;
}

/* Cached routes are no routes of anybody: they are read as ones without a table. */
static bool
parse_uncached(void *ret, const struct nlmsghdr *msg)
{
	struct weft_nl_route *route = ret;

	if (!parse_element(ret, msg))
		return false;
	if (is_cloned(msg))
		route->table = 0;
	return true;
}

/* Kernels without strict checking send everything, whatever was asked. */
static bool
keep_filtered(const void *element, const void *user)
{
	const struct weft_nl_route *r = element;
	const struct weft_nl_route_filter *f = user;

	return r->table != 0 && (f->family == 0 || r->dst.addr.family == f->family) &&
	       (f->protocol == 0 || r->protocol == f->protocol) &&
	       (f->table == 0 || r->table == f->table) &&
	       (f->ifindex == 0 || r->ifindex == f->ifindex);
}

static void
put_filter(struct nlmsghdr *msg, size_t size, const struct weft_nl_route_filter *f)
{
	struct rtmsg *header = mnl_nlmsg_put_extra_header(msg, sizeof *header);

	header->rtm_family = (unsigned char) weft_nl_family_to_af((enum weft_family) f->family);
	header->rtm_protocol = f->protocol;
	if (f->table != 0)
		(void) mnl_attr_put_u32_check(msg, size, RTA_TABLE, f->table);
	if (f->ifindex != 0)
		(void) mnl_attr_put_u32_check(msg, size, RTA_OIF, f->ifindex);
}

/* One family: with strict checking the kernel refuses a filter on a table that one of several
 * families lacks, and a table that does not exist has no routes. */
static GArray *
dump_family(WeftNlSocket *rt, const struct weft_nl_route_filter *f, GError **error)
{
	const struct weft_nl_rtnl_dump dump = {
		.type = RTM_NEWROUTE,
		.size = sizeof(struct weft_nl_route),
		.limit = WEFT_NL_LIMIT_ROUTES,
		.parse = parse_uncached,
		.keep = keep_filtered,
		.user = f,
	};
	uint8_t buf[256] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	g_autoptr(GError) e = NULL;
	GArray *routes;

	msg->nlmsg_type = RTM_GETROUTE;
	put_filter(msg, sizeof buf, f);
	routes = weft_nl_rtnl_dump(rt, msg, &dump, &e);
	if (routes == NULL && f->table != 0 &&
	    g_error_matches(e, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND))
		return g_array_new(FALSE, TRUE, sizeof(struct weft_nl_route));
	if (routes == NULL)
		g_propagate_prefixed_error(error, g_steal_pointer(&e), "dump routes: ");
	return routes;
}

GArray *
weft_nl_route_dump(WeftNlSocket *rt, const struct weft_nl_route_filter *f, GError **error)
{
	struct weft_nl_route_filter v4 = *f;
	struct weft_nl_route_filter v6 = *f;
	g_autoptr(GArray) routes = NULL;
	g_autoptr(GArray) more = NULL;

	if (f->family != WEFT_FAMILY_NONE)
		return dump_family(rt, f, error);
	v4.family = WEFT_FAMILY_IPV4;
	v6.family = WEFT_FAMILY_IPV6;
	routes = dump_family(rt, &v4, error);
	more = routes != NULL ? dump_family(rt, &v6, error) : NULL;
	if (more == NULL)
		return NULL;
	g_array_append_vals(routes, more->data, more->len);
	return g_steal_pointer(&routes);
}

bool
weft_nl_route_default(WeftNlSocket *rt,
		      enum weft_family family,
		      uint32_t except_ifindex,
		      struct weft_nl_route *ret,
		      GError **error)
{
	const struct weft_nl_route_filter f = { .family = (uint8_t) family,
						.table = WEFT_NL_TABLE_MAIN };
	g_autoptr(GArray) routes = weft_nl_route_dump(rt, &f, error);
	const struct weft_nl_route *best = NULL;

	if (routes == NULL)
		return false;
	for (guint i = 0; i < routes->len; i++) {
		const struct weft_nl_route *r = &g_array_index(routes, struct weft_nl_route, i);

		if (r->dst.bits == 0 && r->type == RTN_UNICAST && !r->dead && r->ifindex != 0 &&
		    r->ifindex != except_ifindex && (best == NULL || r->metric < best->metric))
			best = r;
	}
	if (best == NULL) {
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND,
			    "there is no default route of IPv%d",
			    family == WEFT_FAMILY_IPV6 ? 6 : 4);
		return false;
	}
	*ret = *best;
	return true;
}

/* --- the kernel's choice */

static bool
on_answer(const struct nlmsghdr *msg, void *user, GError **error)
{
	return msg->nlmsg_type == RTM_NEWROUTE && weft_nl_route_parse(user, msg);
}

static bool
put_query(struct nlmsghdr *msg, size_t size, const struct weft_nl_route_query *q)
{
	struct rtmsg *header = mnl_nlmsg_put_extra_header(msg, sizeof *header);
	size_t octets = weft_nl_family_octets((enum weft_family) q->dst.family);

	header->rtm_family = (unsigned char) weft_nl_family_to_af((enum weft_family) q->dst.family);
	header->rtm_dst_len = (unsigned char) (8 * octets);
	/* IPv6 tells the table anyway, and refuses to be asked for it. */
	header->rtm_flags = q->dst.family == WEFT_FAMILY_IPV4 ? RTM_F_LOOKUP_TABLE : 0;
	if (q->src.family != WEFT_FAMILY_NONE) {
		header->rtm_src_len = header->rtm_dst_len;
		if (!mnl_attr_put_check(msg, size, RTA_SRC, octets, q->src.b))
			return false;
	}
	return mnl_attr_put_check(msg, size, RTA_DST, octets, q->dst.b) &&
	       (q->fwmark == 0 || mnl_attr_put_u32_check(msg, size, RTA_MARK, q->fwmark)) &&
	       (q->ifindex == 0 || mnl_attr_put_u32_check(msg, size, RTA_OIF, q->ifindex));
}

static bool
ask(WeftNlSocket *rt,
    const struct weft_nl_route_query *q,
    struct weft_nl_route *ret,
    GError **error)
{
	uint8_t buf[256] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	GError *e = NULL;

	msg->nlmsg_type = RTM_GETROUTE;
	if (q->dst.family == WEFT_FAMILY_NONE ||
	    (q->src.family != WEFT_FAMILY_NONE && q->src.family != q->dst.family) ||
	    !put_query(msg, sizeof buf, q)) {
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID,
			    "addresses of no family or of two");
		return false;
	}
	if (weft_nl_socket_request(rt, msg, on_answer, ret, &e))
		return true;
	/* EACCES of a "prohibit" and EINVAL of a "blackhole" route are the same answer. */
	if (e->code == WEFT_NL_ERROR_FAILED)
		e->code = WEFT_NL_ERROR_NOT_FOUND;
	g_propagate_error(error, e);
	return false;
}

bool
weft_nl_route_ask(WeftNlSocket *rt,
		  const struct weft_nl_route_query *query,
		  struct weft_nl_route_answer *ret,
		  GError **error)
{
	struct weft_nl_route route = { 0 };
	char text[WEFT_ADDRESS_TEXT_SIZE] = "?";

	if (query->dst.family != WEFT_FAMILY_NONE)
		(void) weft_address_format(&query->dst, text); /* it returns @text */
	if (!ask(rt, query, &route, error)) {
		g_prefix_error(error, "route to %s: ", text);
		return false;
	}
	if (route.type != RTN_UNICAST && route.type != RTN_LOCAL && route.type != RTN_MULTICAST &&
	    route.type != RTN_BROADCAST && route.type != RTN_ANYCAST) {
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND,
			    "route to %s: unreachable", text);
		return false;
	}
	*ret = (struct weft_nl_route_answer){
		.src = route.src.family != WEFT_FAMILY_NONE ? route.src : query->src,
		.gateway = route.gateway,
		.ifindex = route.ifindex,
		.table = route.table,
		.mtu = route.mtu,
	};
	return true;
}

/* --- changing */

static uint8_t
route_scope(const struct weft_nl_route *r)
{
	bool on_link = r->dst.addr.family == WEFT_FAMILY_IPV4 && r->type == RTN_UNICAST &&
		       r->gateway.family == WEFT_FAMILY_NONE;

	return on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

static void
add_nexthop(WeftNlLibRoute *route, const struct weft_nl_route *r)
{
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();

	weft_nl_lib_check(hop == NULL ? -NLE_NOMEM : 0);
	rtnl_route_nh_set_ifindex(hop, (int) r->ifindex);
	if (r->gateway.family != WEFT_FAMILY_NONE) {
		g_autoptr(WeftNlLibAddr) gateway = weft_nl_lib_addr(&r->gateway);

		rtnl_route_nh_set_gateway(hop, gateway);
	}
	rtnl_route_add_nexthop(route, hop); /* takes it over */
}

static WeftNlLibRoute *
lib_route(const struct weft_nl_route *r)
{
	WeftNlLibRoute *route = rtnl_route_alloc();
	g_autoptr(WeftNlLibAddr) dst = weft_nl_lib_prefix(&r->dst);

	weft_nl_lib_check(route == NULL ? -NLE_NOMEM : 0);
	weft_nl_lib_check(rtnl_route_set_dst(route, dst));
	weft_nl_lib_check(rtnl_route_set_type(route, r->type));
	rtnl_route_set_table(route, r->table);
	rtnl_route_set_scope(route, route_scope(r));
	rtnl_route_set_protocol(route, r->protocol != 0 ? r->protocol : WEFT_NL_PROTOCOL);
	rtnl_route_set_priority(route, r->metric);
	if (r->src.family != WEFT_FAMILY_NONE) {
		g_autoptr(WeftNlLibAddr) src = weft_nl_lib_addr(&r->src);

		weft_nl_lib_check(rtnl_route_set_pref_src(route, src));
	}
	if (r->mtu != 0)
		weft_nl_lib_check(rtnl_route_set_metric(route, RTAX_MTU, r->mtu));
	if (r->advmss != 0)
		weft_nl_lib_check(rtnl_route_set_metric(route, RTAX_ADVMSS, r->advmss));
	if (r->type == RTN_UNICAST)
		add_nexthop(route, r);
	return route;
}

/* Fills in the defaults of route.h and checks the rest. */
static bool
complete(const struct weft_nl_route *route, struct weft_nl_route *ret, GError **error)
{
	struct weft_nl_route r = *route;
	uint8_t family = r.dst.addr.family;

	if (r.type == 0)
		r.type = RTN_UNICAST;
	if (r.table == 0)
		r.table = WEFT_NL_TABLE_MAIN;
	if (family != WEFT_FAMILY_NONE && r.dst.bits <= weft_address_bits(&r.dst.addr) &&
	    (r.gateway.family == WEFT_FAMILY_NONE || r.gateway.family == family) &&
	    (r.src.family == WEFT_FAMILY_NONE || r.src.family == family) &&
	    (r.type != RTN_UNICAST || r.ifindex != 0)) {
		*ret = r;
		return true;
	}
	g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID,
		    "an impossible prefix, addresses of two families, or no link");
	return false;
}

static bool
add(WeftNlSocket *rt, const struct weft_nl_route *route, int flags, GError **error)
{
	struct weft_nl_route r;
	g_autoptr(WeftNlLibRoute) lib = NULL;
	g_autoptr(WeftNlMsg) msg = NULL;

	if (!complete(route, &r, error))
		return false;
	lib = lib_route(&r);
	weft_nl_lib_check(rtnl_route_build_add_request(lib, flags, &msg));
	return weft_nl_rtnl_send(rt, msg, error);
}

static bool
failed(const struct weft_nl_route *r, const char *what, GError **error)
{
	char text[WEFT_PREFIX_TEXT_SIZE] = "?";

	if (r->dst.addr.family != WEFT_FAMILY_NONE)
		(void) weft_prefix_format(&r->dst, text); /* it returns @text */
	g_prefix_error(error, "%s route %s: ", what, text);
	return false;
}

bool
weft_nl_route_add(WeftNlSocket *rt, const struct weft_nl_route *route, GError **error)
{
	return add(rt, route, NLM_F_CREATE | NLM_F_EXCL, error) || failed(route, "add", error);
}

bool
weft_nl_route_replace(WeftNlSocket *rt, const struct weft_nl_route *route, GError **error)
{
	return add(rt, route, NLM_F_CREATE | NLM_F_REPLACE, error) ||
	       failed(route, "replace", error);
}

static bool
delete_route(WeftNlSocket *rt, const struct weft_nl_route *route, GError **error)
{
	struct weft_nl_route r;
	g_autoptr(WeftNlLibRoute) lib = NULL;
	g_autoptr(WeftNlMsg) msg = NULL;

	if (!complete(route, &r, error))
		return false;
	lib = lib_route(&r);
	weft_nl_lib_check(rtnl_route_build_del_request(lib, 0, &msg));
	return weft_nl_rtnl_send(rt, msg, error);
}

bool
weft_nl_route_delete(WeftNlSocket *rt, const struct weft_nl_route *route, GError **error)
{
	return delete_route(rt, route, error) || failed(route, "delete", error);
}

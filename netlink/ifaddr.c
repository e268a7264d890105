/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/ifaddr.h"

#include "netlink/attrs.h"
#include "netlink/error.h"
#include "netlink/limits.h"
#include "netlink/rtnl.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

/* Kernel 5.18; older headers do not name it. */
enum { ATTR_PROTO = 11, ATTR_COUNT };

int
weft_nl_addr_compare(const struct weft_nl_addr *a, const struct weft_nl_addr *b)
{
	int c = weft_address_compare(&a->prefix.addr, &b->prefix.addr);

	if (c == 0)
		c = (a->prefix.bits > b->prefix.bits) - (a->prefix.bits < b->prefix.bits);
	return c != 0 ? c : (a->ifindex > b->ifindex) - (a->ifindex < b->ifindex);
}

static const struct weft_nl_attr_policy addr_policy[ATTR_COUNT] = {
	[IFA_ADDRESS] = { WEFT_NL_ATTR_MIN, 4 },
	[IFA_LOCAL] = { WEFT_NL_ATTR_MIN, 4 },
	[IFA_FLAGS] = { WEFT_NL_ATTR_U32 },
	[ATTR_PROTO] = { WEFT_NL_ATTR_U8 },
};

bool
weft_nl_addr_parse(struct weft_nl_addr *ret, const struct nlmsghdr *msg)
{
	struct weft_nl_attr a[ATTR_COUNT];
	struct ifaddrmsg header;
	struct weft_nl_addr addr = { 0 };
	enum weft_family family;
	/* Point-to-point addresses have the peer in IFA_ADDRESS and our own in IFA_LOCAL. */
	const struct weft_nl_attr *own;

	if (!weft_nl_msg_header(msg, &header, sizeof header) || header.ifa_index == 0 ||
	    !weft_nl_attrs_read(weft_nl_msg_attrs(msg, sizeof header), addr_policy, a,
				G_N_ELEMENTS(a)))
		return false;
	family = weft_nl_family_from_af(header.ifa_family);
	own = a[IFA_LOCAL].p != NULL ? &a[IFA_LOCAL] : &a[IFA_ADDRESS];
	if (family == WEFT_FAMILY_NONE || own->p == NULL ||
	    !weft_nl_attr_address(own, family, &addr.prefix.addr) ||
	    header.ifa_prefixlen > 8 * weft_nl_family_octets(family))
		return false;
	addr.prefix.bits = header.ifa_prefixlen;
	addr.ifindex = header.ifa_index;
	addr.scope = header.ifa_scope;
	addr.flags = a[IFA_FLAGS].p != NULL ? weft_nl_attr_u32(&a[IFA_FLAGS]) : header.ifa_flags;
	addr.protocol = weft_nl_attr_u8(&a[ATTR_PROTO]);
	*ret = addr;
	return true;
}

static bool
parse_element(void *ret, const struct nlmsghdr *msg)
{
	return weft_nl_addr_parse(ret, msg);
}

/* Kernels without strict checking send all addresses whatever was asked. */
static bool
keep_on_link(const void *element, const void *user)
{
	const struct weft_nl_addr *addr = element;
	const uint32_t *ifindex = user;

	return *ifindex == 0 || addr->ifindex == *ifindex;
}

GArray *
weft_nl_addr_dump(WeftNlSocket *rt, uint32_t ifindex, GError **error)
{
	const struct weft_nl_rtnl_dump dump = {
		.type = RTM_NEWADDR,
		.size = sizeof(struct weft_nl_addr),
		.limit = WEFT_NL_LIMIT_OBJECTS,
		.parse = parse_element,
		.keep = keep_on_link,
		.user = &ifindex,
	};
	uint8_t buf[256] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(msg, sizeof *header);
	GArray *addrs;

	msg->nlmsg_type = RTM_GETADDR;
	header->ifa_family = AF_UNSPEC;
	header->ifa_index = ifindex;
	addrs = weft_nl_rtnl_dump(rt, msg, &dump, error);
	if (addrs == NULL)
		g_prefix_error(error, "dump addresses: ");
	return addrs;
}

static WeftNlLibIfaddr *
lib_ifaddr(const struct weft_nl_addr *addr)
{
	WeftNlLibIfaddr *a = rtnl_addr_alloc();
	g_autoptr(WeftNlLibAddr) local = weft_nl_lib_prefix(&addr->prefix);

	weft_nl_lib_check(a == NULL ? -NLE_NOMEM : 0);
	rtnl_addr_set_ifindex(a, (int) addr->ifindex);
	weft_nl_lib_check(rtnl_addr_set_local(a, local));
	rtnl_addr_set_prefixlen(a, addr->prefix.bits);
	rtnl_addr_set_scope(a, addr->scope);
	return a;
}

static bool
addr_check(const struct weft_nl_addr *addr, const char *what, GError **error)
{
	uint8_t bits = weft_address_bits(&addr->prefix.addr);

	if (addr->ifindex != 0 && bits != 0 && addr->prefix.bits <= bits)
		return true;
	g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID,
		    "%s address: no link, no family or an impossible prefix length", what);
	return false;
}

static bool
failed(const struct weft_nl_addr *addr, const char *what, GError **error)
{
	char text[WEFT_PREFIX_TEXT_SIZE];

	g_prefix_error(error, "%s address %s: ", what, weft_prefix_format(&addr->prefix, text));
	return false;
}

bool
weft_nl_addr_add(WeftNlSocket *rt, const struct weft_nl_addr *addr, GError **error)
{
	g_autoptr(WeftNlLibIfaddr) a = NULL;
	g_autoptr(WeftNlMsg) msg = NULL;

	if (!addr_check(addr, "add", error))
		return false;
	a = lib_ifaddr(addr);
	rtnl_addr_set_flags(a, IFA_F_NODAD);
	weft_nl_lib_check(rtnl_addr_build_add_request(a, NLM_F_CREATE | NLM_F_EXCL, &msg));
	weft_nl_lib_check(nla_put_u8(msg, ATTR_PROTO,
				     addr->protocol != 0 ? addr->protocol : WEFT_NL_PROTOCOL));
	return weft_nl_rtnl_send(rt, msg, error) || failed(addr, "add", error);
}

bool
weft_nl_addr_delete(WeftNlSocket *rt, const struct weft_nl_addr *addr, GError **error)
{
	g_autoptr(WeftNlLibIfaddr) a = NULL;
	g_autoptr(WeftNlMsg) msg = NULL;

	if (!addr_check(addr, "delete", error))
		return false;
	a = lib_ifaddr(addr);
	weft_nl_lib_check(rtnl_addr_build_delete_request(a, 0, &msg));
	return weft_nl_rtnl_send(rt, msg, error) || failed(addr, "delete", error);
}

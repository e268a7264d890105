/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/link.h"

#include "netlink/attrs.h"
#include "netlink/error.h"
#include "netlink/limits.h"
#include "netlink/rtnl.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

/* @name is not "": the caller knows. */
static const char *
name_defect(const char *name)
{
	if (strlen(name) >= WEFT_NL_LINK_NAME_SIZE)
		return "longer than 15 characters";
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "a directory name";
	if (strcmp(name, "all") == 0 || strcmp(name, "default") == 0)
		return "reserved for settings of all links";
	for (const char *p = name; *p != '\0'; p++) {
		if (!g_ascii_isgraph(*p) || *p == '/' || *p == ':' || *p == '%')
			return "an impossible character in it";
	}
	return NULL;
}

bool
weft_nl_link_name_check(const char *name, GError **error)
{
	const char *defect = name[0] == '\0' ? "empty" : name_defect(name);

	if (defect == NULL)
		return true;
	g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID, "interface name '%.*s': %s",
		    4 * WEFT_NL_LINK_NAME_SIZE, name, defect);
	return false;
}

bool
weft_nl_link_name_ok(const char *name)
{
	return name[0] != '\0' && name_defect(name) == NULL;
}

bool
weft_nl_link_is_up(const struct weft_nl_link *link)
{
	return (link->flags & IFF_UP) != 0;
}

bool
weft_nl_link_is_ours(const struct weft_nl_link *link)
{
	return strcmp(link->alias, WEFT_NL_LINK_MARK) == 0;
}

/* --- reading */

static const struct weft_nl_attr_policy link_policy[IFLA_MAX + 1] = {
	[IFLA_IFNAME] = { WEFT_NL_ATTR_STRING, WEFT_NL_LINK_NAME_SIZE },
	[IFLA_MTU] = { WEFT_NL_ATTR_U32 },
	[IFLA_MASTER] = { WEFT_NL_ATTR_U32 },
	[IFLA_OPERSTATE] = { WEFT_NL_ATTR_U8 },
	[IFLA_IFALIAS] = { WEFT_NL_ATTR_STRING, WEFT_NL_LINK_ALIAS_SIZE },
	[IFLA_LINKINFO] = { WEFT_NL_ATTR_NEST },
};

static const struct weft_nl_attr_policy info_policy[IFLA_INFO_MAX + 1] = {
	[IFLA_INFO_KIND] = { WEFT_NL_ATTR_STRING, UINT16_MAX },
};

bool
weft_nl_link_parse(struct weft_nl_link *ret, const struct nlmsghdr *msg)
{
	struct weft_nl_attr a[IFLA_MAX + 1];
	struct weft_nl_attr info[IFLA_INFO_MAX + 1] = { 0 };
	struct ifinfomsg header;
	struct weft_nl_link link = { 0 };

	if (!weft_nl_msg_header(msg, &header, sizeof header) || header.ifi_index <= 0 ||
	    !weft_nl_attrs_read(weft_nl_msg_attrs(msg, sizeof header), link_policy, a,
				G_N_ELEMENTS(a)))
		return false;
	if (a[IFLA_LINKINFO].p != NULL &&
	    !weft_nl_attrs_read(weft_nl_attr_cursor(&a[IFLA_LINKINFO]), info_policy, info,
				G_N_ELEMENTS(info)))
		return false;
	link.ifindex = (uint32_t) header.ifi_index;
	link.flags = header.ifi_flags;
	link.type = header.ifi_type;
	link.mtu = weft_nl_attr_u32(&a[IFLA_MTU]);
	link.master = weft_nl_attr_u32(&a[IFLA_MASTER]);
	link.oper_state = weft_nl_attr_u8(&a[IFLA_OPERSTATE]);
	weft_nl_attr_copy(&a[IFLA_IFNAME], link.name, sizeof link.name);
	weft_nl_attr_copy(&a[IFLA_IFALIAS], link.alias, sizeof link.alias);
	weft_nl_attr_copy(&info[IFLA_INFO_KIND], link.kind, sizeof link.kind);
	*ret = link;
	return true;
}

static bool
on_link(const struct nlmsghdr *msg, void *user, GError **error)
{
	/* A malformed one is reported by the caller of this. */
	return msg->nlmsg_type == RTM_NEWLINK && weft_nl_link_parse(user, msg);
}

/* Statistics are a third of an answer and nobody here reads them. */
static void
put_link_request(struct nlmsghdr *msg, size_t size, uint32_t ifindex, const char *name)
{
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(msg, sizeof *header);

	header->ifi_family = AF_UNSPEC;
	header->ifi_index = (int) ifindex;
	(void) mnl_attr_put_u32_check(msg, size, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (name != NULL)
		(void) mnl_attr_put_strz_check(msg, size, IFLA_IFNAME, name); /* 16 octets fit */
}

static bool
get_link(WeftNlSocket *rt,
	 uint32_t ifindex,
	 const char *name,
	 struct weft_nl_link *ret,
	 GError **error)
{
	uint8_t buf[256] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct weft_nl_link link = { 0 };

	msg->nlmsg_type = RTM_GETLINK;
	put_link_request(msg, sizeof buf, ifindex, name);
	if (!weft_nl_socket_request(rt, msg, on_link, &link, error))
		return false;
	if (link.ifindex == 0) {
		weft_nl_error_set(error, "RTNETLINK", EBADMSG, "an empty answer");
		return false;
	}
	*ret = link;
	return true;
}

bool
weft_nl_link_get(WeftNlSocket *rt, const char *name, struct weft_nl_link *ret, GError **error)
{
	if (!weft_nl_link_name_check(name, error))
		return false;
	if (get_link(rt, 0, name, ret, error))
		return true;
	g_prefix_error(error, "link %s: ", name);
	return false;
}

bool
weft_nl_link_get_by_index(WeftNlSocket *rt,
			  uint32_t ifindex,
			  struct weft_nl_link *ret,
			  GError **error)
{
	if (get_link(rt, ifindex, NULL, ret, error))
		return true;
	g_prefix_error(error, "link number %u: ", ifindex);
	return false;
}

static bool
parse_element(void *ret, const struct nlmsghdr *msg)
{
	return weft_nl_link_parse(ret, msg);
}

static int
compare_links(const void *a, const void *b)
{
	const struct weft_nl_link *x = a;
	const struct weft_nl_link *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

GArray *
weft_nl_link_dump(WeftNlSocket *rt, GError **error)
{
	static const struct weft_nl_rtnl_dump dump = {
		.type = RTM_NEWLINK,
		.any_family = true,
		.size = sizeof(struct weft_nl_link),
		.limit = WEFT_NL_LIMIT_OBJECTS,
		.parse = parse_element,
	};
	uint8_t buf[256] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	GArray *links;

	msg->nlmsg_type = RTM_GETLINK;
	put_link_request(msg, sizeof buf, 0, NULL);
	links = weft_nl_rtnl_dump(rt, msg, &dump, error);
	if (links == NULL)
		g_prefix_error(error, "dump links: ");
	else
		g_array_sort(links, compare_links);
	return links;
}

/* --- changing */

static WeftNlLibLink *
lib_link(uint32_t ifindex)
{
	WeftNlLibLink *link = rtnl_link_alloc();

	weft_nl_lib_check(link == NULL ? -NLE_NOMEM : 0);
	rtnl_link_set_ifindex(link, (int) ifindex);
	return link;
}

bool
weft_nl_link_create(WeftNlSocket *rt, const char *name, const char *kind, GError **error)
{
	g_autoptr(WeftNlLibLink) link = NULL;
	g_autoptr(WeftNlMsg) msg = NULL;

	if (!weft_nl_link_name_check(name, error))
		return false;
	link = lib_link(0);
	rtnl_link_set_name(link, name);
	weft_nl_lib_check(rtnl_link_set_type(link, kind));
	weft_nl_lib_check(rtnl_link_build_add_request(link, NLM_F_CREATE | NLM_F_EXCL, &msg));
	if (weft_nl_rtnl_send(rt, msg, error))
		return true;
	g_prefix_error(error, "link %s: create of kind %s: ", name, kind);
	return false;
}

bool
weft_nl_link_delete(WeftNlSocket *rt, const struct weft_nl_link *link, GError **error)
{
	g_autoptr(WeftNlLibLink) target = lib_link(link->ifindex);
	g_autoptr(WeftNlMsg) msg = NULL;

	weft_nl_lib_check(rtnl_link_build_delete_request(target, &msg));
	if (weft_nl_rtnl_send(rt, msg, error))
		return true;
	g_prefix_error(error, "link %s: delete: ", link->name);
	return false;
}

/* Sends what @changes has set. @what: "set mtu 1280". */
static bool
change(WeftNlSocket *rt,
       const struct weft_nl_link *link,
       WeftNlLibLink *changes,
       const char *what,
       GError **error)
{
	g_autoptr(WeftNlLibLink) target = lib_link(link->ifindex);
	g_autoptr(WeftNlMsg) msg = NULL;

	weft_nl_lib_check(rtnl_link_build_change_request(target, changes, 0, &msg));
	if (weft_nl_rtnl_send(rt, msg, error))
		return true;
	g_prefix_error(error, "link %s: %s: ", link->name, what);
	return false;
}

bool
weft_nl_link_set_mtu(WeftNlSocket *rt,
		     const struct weft_nl_link *link,
		     uint32_t mtu,
		     GError **error)
{
	g_autoptr(WeftNlLibLink) changes = lib_link(0);
	g_autofree char *what = g_strdup_printf("set mtu %u", mtu);

	if (mtu < WEFT_NL_MTU_MIN || mtu > WEFT_NL_MTU_MAX) {
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID,
			    "link %s: mtu %u is not between %u and %u", link->name, mtu,
			    WEFT_NL_MTU_MIN, WEFT_NL_MTU_MAX);
		return false;
	}
	rtnl_link_set_mtu(changes, mtu);
	return change(rt, link, changes, what, error);
}

bool
weft_nl_link_set_up(WeftNlSocket *rt, const struct weft_nl_link *link, bool up, GError **error)
{
	g_autoptr(WeftNlLibLink) changes = lib_link(0);

	if (up)
		rtnl_link_set_flags(changes, IFF_UP);
	else
		rtnl_link_unset_flags(changes, IFF_UP);
	return change(rt, link, changes, up ? "set up" : "set down", error);
}

bool
weft_nl_link_set_alias(WeftNlSocket *rt,
		       const struct weft_nl_link *link,
		       const char *alias,
		       GError **error)
{
	/* libnl's change request leaves the alias out, so this one is built by hand. */
	uint8_t buf[512] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(msg, sizeof *header);

	msg->nlmsg_type = RTM_NEWLINK;
	header->ifi_index = (int) link->ifindex;
	if (strlen(alias) >= WEFT_NL_LINK_ALIAS_SIZE ||
	    !mnl_attr_put_strz_check(msg, sizeof buf, IFLA_IFALIAS, alias)) {
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID,
			    "link %s: the alias is too long", link->name);
		return false;
	}
	if (weft_nl_socket_request(rt, msg, NULL, NULL, error))
		return true;
	g_prefix_error(error, "link %s: set alias '%s': ", link->name, alias);
	return false;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/rule.h"

#include "netlink/attrs.h"
#include "netlink/error.h"
#include "netlink/ifaddr.h"
#include "netlink/limits.h"
#include "netlink/rtnl.h"

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct weft_nl_rule
weft_nl_rule_init(enum weft_family family, uint32_t priority, uint32_t table)
{
	return (struct weft_nl_rule){
		.family = (uint8_t) family,
		.priority = priority,
		.table = table,
		.action = FR_ACT_TO_TBL,
		.protocol = WEFT_NL_PROTOCOL,
		.suppress_prefix = -1,
	};
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

int
weft_nl_rule_compare(const struct weft_nl_rule *a, const struct weft_nl_rule *b)
{
	const int order[] = {
		COMPARE(a->priority, b->priority),
		COMPARE(a->family, b->family),
		COMPARE(a->table, b->table),
		COMPARE(a->fwmark, b->fwmark),
		COMPARE(a->fwmask, b->fwmask),
		COMPARE(a->suppress_prefix, b->suppress_prefix),
		COMPARE(a->action, b->action),
		COMPARE(a->invert, b->invert),
		COMPARE(a->other, b->other),
		weft_prefix_compare(&a->src, &b->src),
		weft_prefix_compare(&a->dst, &b->dst),
		strcmp(a->iif, b->iif),
		strcmp(a->oif, b->oif),
	};

	for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
		if (order[i] != 0)
			return order[i];
	}
	return 0;
}

static const struct weft_nl_attr_policy rule_policy[FRA_MAX + 1] = {
	[FRA_DST] = { WEFT_NL_ATTR_MIN, 4 },
	[FRA_SRC] = { WEFT_NL_ATTR_MIN, 4 },
	[FRA_IIFNAME] = { WEFT_NL_ATTR_STRING, WEFT_NL_RULE_NAME_SIZE },
	[FRA_GOTO] = { WEFT_NL_ATTR_U32 },
	[FRA_PRIORITY] = { WEFT_NL_ATTR_U32 },
	[FRA_FWMARK] = { WEFT_NL_ATTR_U32 },
	[FRA_FLOW] = { WEFT_NL_ATTR_U32 },
	[FRA_TUN_ID] = { WEFT_NL_ATTR_U64 },
	[FRA_SUPPRESS_IFGROUP] = { WEFT_NL_ATTR_U32 },
	[FRA_SUPPRESS_PREFIXLEN] = { WEFT_NL_ATTR_U32 },
	[FRA_TABLE] = { WEFT_NL_ATTR_U32 },
	[FRA_FWMASK] = { WEFT_NL_ATTR_U32 },
	[FRA_OIFNAME] = { WEFT_NL_ATTR_STRING, WEFT_NL_RULE_NAME_SIZE },
	[FRA_L3MDEV] = { WEFT_NL_ATTR_U8 },
	[FRA_UID_RANGE] = { WEFT_NL_ATTR_EXACT, 8 },
	[FRA_PROTOCOL] = { WEFT_NL_ATTR_U8 },
	[FRA_IP_PROTO] = { WEFT_NL_ATTR_U8 },
	[FRA_SPORT_RANGE] = { WEFT_NL_ATTR_EXACT, 4 },
	[FRA_DPORT_RANGE] = { WEFT_NL_ATTR_EXACT, 4 },
};

/* Whether a rule asks for something that struct weft_nl_rule does not hold. */
static bool
asks_for_more(const struct fib_rule_hdr *header, const struct weft_nl_attr *a)
{
	return header->tos != 0 || header->action != FR_ACT_TO_TBL || a[FRA_GOTO].p != NULL ||
	       weft_nl_attr_u32(&a[FRA_FLOW]) != 0 || weft_nl_attr_u64(&a[FRA_TUN_ID]) != 0 ||
	       (a[FRA_SUPPRESS_IFGROUP].p != NULL &&
		weft_nl_attr_u32(&a[FRA_SUPPRESS_IFGROUP]) != UINT32_MAX) ||
	       weft_nl_attr_u8(&a[FRA_L3MDEV]) != 0 || a[FRA_UID_RANGE].p != NULL ||
	       weft_nl_attr_u8(&a[FRA_IP_PROTO]) != 0 || a[FRA_SPORT_RANGE].p != NULL ||
	       a[FRA_DPORT_RANGE].p != NULL;
}

/* @bits from the header; an absent address with 0 bits is "any". */
static bool
read_prefix(struct weft_prefix *ret, const struct weft_nl_attr *a, uint8_t bits, uint8_t family)
{
	if (bits > 8 * weft_nl_family_octets((enum weft_family) family) ||
	    !weft_nl_attr_address(a, (enum weft_family) family, &ret->addr))
		return false;
	ret->bits = bits;
	return ret->addr.family != WEFT_FAMILY_NONE || bits == 0;
}

bool
weft_nl_rule_parse(struct weft_nl_rule *ret, const struct nlmsghdr *msg)
{
	struct weft_nl_attr a[FRA_MAX + 1];
	struct fib_rule_hdr header;
	struct weft_nl_rule rule;

	if (!weft_nl_msg_header(msg, &header, sizeof header) ||
	    !weft_nl_attrs_read(weft_nl_msg_attrs(msg, sizeof header), rule_policy, a,
				G_N_ELEMENTS(a)))
		return false;
	rule = weft_nl_rule_init(
		weft_nl_family_from_af(header.family), weft_nl_attr_u32(&a[FRA_PRIORITY]),
		a[FRA_TABLE].p != NULL ? weft_nl_attr_u32(&a[FRA_TABLE]) : header.table);
	if (rule.family == WEFT_FAMILY_NONE ||
	    !read_prefix(&rule.src, &a[FRA_SRC], header.src_len, rule.family) ||
	    !read_prefix(&rule.dst, &a[FRA_DST], header.dst_len, rule.family))
		return false;
	rule.fwmark = weft_nl_attr_u32(&a[FRA_FWMARK]);
	rule.fwmask = weft_nl_attr_u32(&a[FRA_FWMASK]);
	if (a[FRA_SUPPRESS_PREFIXLEN].p != NULL)
		rule.suppress_prefix = (int32_t) weft_nl_attr_u32(&a[FRA_SUPPRESS_PREFIXLEN]);
	rule.action = header.action;
	rule.protocol = weft_nl_attr_u8(&a[FRA_PROTOCOL]);
	rule.invert = (header.flags & FIB_RULE_INVERT) != 0;
	rule.other = asks_for_more(&header, a);
	weft_nl_attr_copy(&a[FRA_IIFNAME], rule.iif, sizeof rule.iif);
	weft_nl_attr_copy(&a[FRA_OIFNAME], rule.oif, sizeof rule.oif);
	*ret = rule;
	return true;
}

static bool
parse_element(void *ret, const struct nlmsghdr *msg)
{
	return weft_nl_rule_parse(ret, msg);
}

GArray *
weft_nl_rule_dump(WeftNlSocket *rt, GError **error)
{
	static const struct weft_nl_rtnl_dump dump = {
		.type = RTM_NEWRULE,
		.size = sizeof(struct weft_nl_rule),
		.limit = WEFT_NL_LIMIT_OBJECTS,
		.parse = parse_element,
	};
	uint8_t buf[256] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	GArray *rules;

	msg->nlmsg_type = RTM_GETRULE;
	(void) mnl_nlmsg_put_extra_header(msg, sizeof(struct fib_rule_hdr)); /* AF_UNSPEC */
	rules = weft_nl_rtnl_dump(rt, msg, &dump, error);
	if (rules == NULL)
		g_prefix_error(error, "dump rules: ");
	return rules;
}

static WeftNlLibRule *
lib_rule(const struct weft_nl_rule *rule)
{
	WeftNlLibRule *r = rtnl_rule_alloc();

	weft_nl_lib_check(r == NULL ? -NLE_NOMEM : 0);
	rtnl_rule_set_family(r, weft_nl_family_to_af((enum weft_family) rule->family));
	rtnl_rule_set_prio(r, rule->priority);
	rtnl_rule_set_table(r, rule->table);
	rtnl_rule_set_action(r, FR_ACT_TO_TBL);
	weft_nl_lib_check(
		rtnl_rule_set_protocol(r, rule->protocol != 0 ? rule->protocol : WEFT_NL_PROTOCOL));
	if (rule->fwmask != 0) {
		rtnl_rule_set_mark(r, rule->fwmark);
		rtnl_rule_set_mask(r, rule->fwmask);
	}
	if (rule->iif[0] != '\0')
		weft_nl_lib_check(rtnl_rule_set_iif(r, rule->iif));
	if (rule->oif[0] != '\0')
		weft_nl_lib_check(rtnl_rule_set_oif(r, rule->oif));
	if (rule->src.addr.family != WEFT_FAMILY_NONE) {
		g_autoptr(WeftNlLibAddr) src = weft_nl_lib_prefix(&rule->src);

		weft_nl_lib_check(rtnl_rule_set_src(r, src));
	}
	if (rule->dst.addr.family != WEFT_FAMILY_NONE) {
		g_autoptr(WeftNlLibAddr) dst = weft_nl_lib_prefix(&rule->dst);

		weft_nl_lib_check(rtnl_rule_set_dst(r, dst));
	}
	return r;
}

/* What libnl's rule cannot say. */
static void
complete_message(struct nl_msg *msg, const struct weft_nl_rule *rule)
{
	struct fib_rule_hdr *header = nlmsg_data(nlmsg_hdr(msg));

	if (rule->invert)
		header->flags |= FIB_RULE_INVERT;
	if (rule->suppress_prefix >= 0)
		weft_nl_lib_check(
			nla_put_u32(msg, FRA_SUPPRESS_PREFIXLEN, (uint32_t) rule->suppress_prefix));
}

static bool
prefix_fits(const struct weft_prefix *p, uint8_t family)
{
	return p->addr.family == WEFT_FAMILY_NONE ||
	       (p->addr.family == family && p->bits <= weft_address_bits(&p->addr));
}

static bool
rule_check(const struct weft_nl_rule *rule, const char *what, GError **error)
{
	if (rule->family != WEFT_FAMILY_NONE && !rule->other &&
	    prefix_fits(&rule->src, rule->family) && prefix_fits(&rule->dst, rule->family))
		return true;
	g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID,
		    "%s rule %u: no family or an impossible prefix", what, rule->priority);
	return false;
}

static bool
failed(const struct weft_nl_rule *rule, const char *what, GError **error)
{
	g_prefix_error(error, "%s rule %u (table %u): ", what, rule->priority, rule->table);
	return false;
}

bool
weft_nl_rule_add(WeftNlSocket *rt, const struct weft_nl_rule *rule, GError **error)
{
	g_autoptr(WeftNlLibRule) r = NULL;
	g_autoptr(WeftNlMsg) msg = NULL;

	if (!rule_check(rule, "add", error))
		return false;
	r = lib_rule(rule);
	weft_nl_lib_check(rtnl_rule_build_add_request(r, NLM_F_CREATE | NLM_F_EXCL, &msg));
	complete_message(msg, rule);
	return weft_nl_rtnl_send(rt, msg, error) || failed(rule, "add", error);
}

bool
weft_nl_rule_delete(WeftNlSocket *rt, const struct weft_nl_rule *rule, GError **error)
{
	g_autoptr(WeftNlLibRule) r = NULL;
	g_autoptr(WeftNlMsg) msg = NULL;

	if (!rule_check(rule, "delete", error))
		return false;
	r = lib_rule(rule);
	weft_nl_lib_check(rtnl_rule_build_delete_request(r, 0, &msg));
	complete_message(msg, rule);
	return weft_nl_rtnl_send(rt, msg, error) || failed(rule, "delete", error);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/attrs.h"
#include "netlink/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

static const struct weft_nl_attr_policy flow_policy[CTA_MAX + 1] = {
	[CTA_TUPLE_ORIG] = { WEFT_NL_ATTR_NEST },
	[CTA_TUPLE_REPLY] = { WEFT_NL_ATTR_NEST },
	[CTA_STATUS] = { WEFT_NL_ATTR_U32 },
	[CTA_TIMEOUT] = { WEFT_NL_ATTR_U32 },
	[CTA_MARK] = { WEFT_NL_ATTR_U32 },
	[CTA_COUNTERS_ORIG] = { WEFT_NL_ATTR_NEST },
	[CTA_COUNTERS_REPLY] = { WEFT_NL_ATTR_NEST },
	[CTA_ID] = { WEFT_NL_ATTR_U32 },
	[CTA_ZONE] = { WEFT_NL_ATTR_U16 },
};

static const struct weft_nl_attr_policy tuple_policy[CTA_TUPLE_MAX + 1] = {
	[CTA_TUPLE_IP] = { WEFT_NL_ATTR_NEST },
	[CTA_TUPLE_PROTO] = { WEFT_NL_ATTR_NEST },
};

static const struct weft_nl_attr_policy ip_policy[CTA_IP_MAX + 1] = {
	[CTA_IP_V4_SRC] = { WEFT_NL_ATTR_EXACT, 4 },
	[CTA_IP_V4_DST] = { WEFT_NL_ATTR_EXACT, 4 },
	[CTA_IP_V6_SRC] = { WEFT_NL_ATTR_EXACT, 16 },
	[CTA_IP_V6_DST] = { WEFT_NL_ATTR_EXACT, 16 },
};

static const struct weft_nl_attr_policy proto_policy[CTA_PROTO_MAX + 1] = {
	[CTA_PROTO_NUM] = { WEFT_NL_ATTR_U8 },
	[CTA_PROTO_SRC_PORT] = { WEFT_NL_ATTR_U16 },
	[CTA_PROTO_DST_PORT] = { WEFT_NL_ATTR_U16 },
	[CTA_PROTO_ICMP_ID] = { WEFT_NL_ATTR_U16 },
	[CTA_PROTO_ICMP_TYPE] = { WEFT_NL_ATTR_U8 },
	[CTA_PROTO_ICMP_CODE] = { WEFT_NL_ATTR_U8 },
	[CTA_PROTO_ICMPV6_ID] = { WEFT_NL_ATTR_U16 },
	[CTA_PROTO_ICMPV6_TYPE] = { WEFT_NL_ATTR_U8 },
	[CTA_PROTO_ICMPV6_CODE] = { WEFT_NL_ATTR_U8 },
};

static const struct weft_nl_attr_policy counters_policy[CTA_COUNTERS_MAX + 1] = {
	[CTA_COUNTERS_PACKETS] = { WEFT_NL_ATTR_U64 },
	[CTA_COUNTERS_BYTES] = { WEFT_NL_ATTR_U64 },
};

static bool
read_addresses(struct weft_nl_ct_tuple *t, const struct weft_nl_attr *nest, enum weft_family family)
{
	struct weft_nl_attr a[CTA_IP_MAX + 1];
	bool v4 = family == WEFT_FAMILY_IPV4;

	return weft_nl_attrs_read(weft_nl_attr_cursor(nest), ip_policy, a, CTA_IP_MAX + 1) &&
	       weft_nl_attr_address(&a[v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC], family, &t->src.addr) &&
	       weft_nl_attr_address(&a[v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST], family, &t->dst.addr) &&
	       t->src.addr.family == family && t->dst.addr.family == family;
}

static bool
read_proto(struct weft_nl_ct_tuple *t, const struct weft_nl_attr *nest)
{
	struct weft_nl_attr a[CTA_PROTO_MAX + 1];
	bool v6;

	if (!weft_nl_attrs_read(weft_nl_attr_cursor(nest), proto_policy, a, CTA_PROTO_MAX + 1) ||
	    a[CTA_PROTO_NUM].p == NULL)
		return false;
	t->protocol = weft_nl_attr_u8(&a[CTA_PROTO_NUM]);
	t->src.port = weft_nl_attr_be16(&a[CTA_PROTO_SRC_PORT]);
	t->dst.port = weft_nl_attr_be16(&a[CTA_PROTO_DST_PORT]);
	v6 = t->protocol == IPPROTO_ICMPV6;
	t->icmp_id = weft_nl_attr_be16(&a[v6 ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID]);
	t->icmp_type = weft_nl_attr_u8(&a[v6 ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE]);
	t->icmp_code = weft_nl_attr_u8(&a[v6 ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE]);
	return true;
}

static bool
read_tuple(struct weft_nl_ct_tuple *t, const struct weft_nl_attr *nest, enum weft_family family)
{
	struct weft_nl_attr a[CTA_TUPLE_MAX + 1];

	return nest->p != NULL &&
	       weft_nl_attrs_read(weft_nl_attr_cursor(nest), tuple_policy, a, CTA_TUPLE_MAX + 1) &&
	       a[CTA_TUPLE_IP].p != NULL && a[CTA_TUPLE_PROTO].p != NULL &&
	       read_addresses(t, &a[CTA_TUPLE_IP], family) && read_proto(t, &a[CTA_TUPLE_PROTO]);
}

static bool
read_counters(uint64_t *ret_packets, uint64_t *ret_bytes, const struct weft_nl_attr *nest)
{
	struct weft_nl_attr a[CTA_COUNTERS_MAX + 1];

	if (nest->p == NULL)
		return true; /* accounting is off */
	if (!weft_nl_attrs_read(weft_nl_attr_cursor(nest), counters_policy, a,
				CTA_COUNTERS_MAX + 1))
		return false;
	*ret_packets = weft_nl_attr_be64(&a[CTA_COUNTERS_PACKETS]);
	*ret_bytes = weft_nl_attr_be64(&a[CTA_COUNTERS_BYTES]);
	return true;
}

bool
weft_nl_ct_parse(struct weft_nl_ct_flow *ret, const struct nlmsghdr *msg)
{
	struct weft_nl_attr a[CTA_MAX + 1];
	struct weft_nl_ct_flow flow = { 0 };
	struct nfgenmsg header;
	enum weft_family family;

	if (!weft_nl_msg_header(msg, &header, sizeof header))
		return false;
	family = weft_nl_family_from_af(header.nfgen_family);
	if (family == WEFT_FAMILY_NONE ||
	    !weft_nl_attrs_read(weft_nl_msg_attrs(msg, sizeof header), flow_policy, a,
				CTA_MAX + 1) ||
	    !read_tuple(&flow.orig, &a[CTA_TUPLE_ORIG], family) ||
	    !read_tuple(&flow.reply, &a[CTA_TUPLE_REPLY], family) ||
	    !read_counters(&flow.orig_packets, &flow.orig_bytes, &a[CTA_COUNTERS_ORIG]) ||
	    !read_counters(&flow.reply_packets, &flow.reply_bytes, &a[CTA_COUNTERS_REPLY]))
		return false;
	flow.id = weft_nl_attr_be32(&a[CTA_ID]);
	flow.mark = weft_nl_attr_be32(&a[CTA_MARK]);
	flow.status = weft_nl_attr_be32(&a[CTA_STATUS]);
	flow.timeout_s = weft_nl_attr_be32(&a[CTA_TIMEOUT]);
	flow.zone = weft_nl_attr_be16(&a[CTA_ZONE]);
	*ret = flow;
	return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/conntrack.h"

#include "netlink/attrs.h"
#include "netlink/error.h"
#include "netlink/limits.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#define MESSAGE(type) (NFNL_SUBSYS_CTNETLINK << 8 | (type))

static bool
in_prefix(const struct weft_prefix *p, const struct weft_address *a)
{
	return p->addr.family == WEFT_FAMILY_NONE || weft_prefix_contains(p, a);
}

static bool
in_range(uint16_t first, uint16_t last, uint16_t port)
{
	return (first == 0 && last == 0) || (port >= first && port <= last);
}

bool
weft_nl_ct_match(const struct weft_nl_ct_match *m, const struct weft_nl_ct_flow *flow)
{
	const struct weft_nl_ct_tuple *t = &flow->orig;

	return (m->protocol == 0 || m->protocol == t->protocol) &&
	       in_prefix(&m->src, &t->src.addr) && in_prefix(&m->dst, &t->dst.addr) &&
	       in_range(m->dst_port_first, m->dst_port_last, t->dst.port) &&
	       in_range(m->src_port_first, m->src_port_last, t->src.port) &&
	       ((flow->mark ^ m->mark) & m->mark_mask) == 0 &&
	       (!m->has_zone || m->zone == flow->zone);
}

/* --- dump */

static bool
on_flow(const struct nlmsghdr *msg, void *user, GError **error)
{
	const struct weft_nl_ct_dump *dump = user;
	struct weft_nl_ct_flow flow;

	if (msg->nlmsg_type != MESSAGE(IPCTNL_MSG_CT_NEW))
		return true;
	if (!weft_nl_ct_parse(&flow, msg)) {
		weft_nl_error_set(error, "CONNTRACK", EBADMSG, "a malformed reply");
		return false;
	}
	if (dump->match == NULL || weft_nl_ct_match(dump->match, &flow))
		dump->func(&flow, dump->user);
	return true;
}

static void
put_header(struct nlmsghdr *msg, uint16_t type, enum weft_family family)
{
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(msg, sizeof *header);

	msg->nlmsg_type = MESSAGE(type);
	header->nfgen_family = (uint8_t) weft_nl_family_to_af(family);
	header->version = NFNETLINK_V0;
}

static void
on_restart(void *user)
{
	const struct weft_nl_ct_dump *dump = user;

	if (dump->restart != NULL)
		dump->restart(dump->user);
}

bool
weft_nl_ct_dump(WeftNlSocket *nf, const struct weft_nl_ct_dump *dump, GError **error)
{
	struct weft_nl_ct_dump copy = *dump;
	const struct weft_nl_dump ops = { .reply = on_flow, .restart = on_restart, .user = &copy };
	uint8_t buf[128] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	const struct weft_nl_ct_match *m = dump->match;

	put_header(msg, IPCTNL_MSG_CT_GET, dump->family);
	/* The kernel can leave out other marks; the rest is asked here. */
	if (m != NULL && m->mark_mask != 0) {
		(void) mnl_attr_put_u32_check(msg, sizeof buf, CTA_MARK,
					      htonl(m->mark & m->mark_mask));
		(void) mnl_attr_put_u32_check(msg, sizeof buf, CTA_MARK_MASK, htonl(m->mark_mask));
	}
	if (weft_nl_socket_dump(nf, msg, &ops, error))
		return true;
	g_prefix_error(error, "dump flows: ");
	return false;
}

/* --- delete */

static bool
put_proto(struct nlmsghdr *msg, size_t size, const struct weft_nl_ct_tuple *t)
{
	if (!mnl_attr_put_u8_check(msg, size, CTA_PROTO_NUM, t->protocol))
		return false;
	switch (t->protocol) {
	case IPPROTO_ICMP:
		return mnl_attr_put_u16_check(msg, size, CTA_PROTO_ICMP_ID, htons(t->icmp_id)) &&
		       mnl_attr_put_u8_check(msg, size, CTA_PROTO_ICMP_TYPE, t->icmp_type) &&
		       mnl_attr_put_u8_check(msg, size, CTA_PROTO_ICMP_CODE, t->icmp_code);
	case IPPROTO_ICMPV6:
		return mnl_attr_put_u16_check(msg, size, CTA_PROTO_ICMPV6_ID, htons(t->icmp_id)) &&
		       mnl_attr_put_u8_check(msg, size, CTA_PROTO_ICMPV6_TYPE, t->icmp_type) &&
		       mnl_attr_put_u8_check(msg, size, CTA_PROTO_ICMPV6_CODE, t->icmp_code);
	default:
		/* Protocols without ports have 0 here, and the kernel ignores them. */
		return mnl_attr_put_u16_check(msg, size, CTA_PROTO_SRC_PORT, htons(t->src.port)) &&
		       mnl_attr_put_u16_check(msg, size, CTA_PROTO_DST_PORT, htons(t->dst.port));
	}
}

static bool
put_tuple(struct nlmsghdr *msg, size_t size, const struct weft_nl_ct_tuple *t)
{
	bool v4 = t->src.addr.family == WEFT_FAMILY_IPV4;
	size_t octets = weft_nl_family_octets((enum weft_family) t->src.addr.family);
	struct nlattr *tuple = mnl_attr_nest_start_check(msg, size, CTA_TUPLE_ORIG);
	struct nlattr *nest =
		tuple != NULL ? mnl_attr_nest_start_check(msg, size, CTA_TUPLE_IP) : NULL;
	bool ok;

	if (nest == NULL ||
	    !mnl_attr_put_check(msg, size, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, octets,
				t->src.addr.b) ||
	    !mnl_attr_put_check(msg, size, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, octets,
				t->dst.addr.b))
		return false;
	mnl_attr_nest_end(msg, nest);
	nest = mnl_attr_nest_start_check(msg, size, CTA_TUPLE_PROTO);
	if (nest == NULL)
		return false;
	ok = put_proto(msg, size, t);
	mnl_attr_nest_end(msg, nest);
	mnl_attr_nest_end(msg, tuple);
	return ok;
}

static char *
describe(const struct weft_nl_ct_flow *flow)
{
	char src[WEFT_ENDPOINT_TEXT_SIZE];
	char dst[WEFT_ENDPOINT_TEXT_SIZE];

	return g_strdup_printf("delete flow of protocol %u from %s to %s", flow->orig.protocol,
			       weft_endpoint_format(&flow->orig.src, src),
			       weft_endpoint_format(&flow->orig.dst, dst));
}

bool
weft_nl_ct_delete_flow(WeftNlSocket *nf, const struct weft_nl_ct_flow *flow, GError **error)
{
	uint8_t buf[512] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	g_autofree char *what = NULL;

	put_header(msg, IPCTNL_MSG_CT_DELETE, (enum weft_family) flow->orig.src.addr.family);
	if (flow->orig.src.addr.family == WEFT_FAMILY_NONE ||
	    !put_tuple(msg, sizeof buf, &flow->orig) ||
	    (flow->zone != 0 &&
	     !mnl_attr_put_u16_check(msg, sizeof buf, CTA_ZONE, htons(flow->zone))) ||
	    !mnl_attr_put_u32_check(msg, sizeof buf, CTA_ID, htonl(flow->id))) {
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID,
			    "delete flow: it has no addresses");
		return false;
	}
	if (weft_nl_socket_request(nf, msg, NULL, NULL, error))
		return true;
	what = describe(flow);
	g_prefix_error(error, "%s: ", what);
	return false;
}

/* Predicates by source address where that is a single one. */
struct index {
	const struct weft_nl_ct_match *matches;
	GHashTable *by_source; /* struct weft_address -> GArray of size_t */
	GArray *others;        /* size_t */
	GArray *flows;         /* struct weft_nl_ct_flow: what matched */
	bool full;
};

static void
on_index_restart(void *user)
{
	struct index *x = user;

	g_array_set_size(x->flows, 0);
	x->full = false;
}

static guint
address_hash(const void *p)
{
	const struct weft_address *a = p;
	uint32_t words[4];
	uint32_t h = a->family;

	memcpy(words, a->b, sizeof words);
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		h = (h ^ words[i]) * 0x9e3779b1U;
	return h ^ h >> 15;
}

static gboolean
address_equal(const void *a, const void *b)
{
	return weft_address_equal(a, b);
}

static void
free_array(void *array)
{
	g_array_unref(array);
}

static void
index_add(struct index *x, size_t i)
{
	const struct weft_prefix *src = &x->matches[i].src;
	GArray *array = x->others;

	if (src->addr.family != WEFT_FAMILY_NONE && src->bits == weft_address_bits(&src->addr)) {
		array = g_hash_table_lookup(x->by_source, &src->addr);
		if (array == NULL) {
			array = g_array_new(FALSE, FALSE, sizeof(size_t));
			g_hash_table_insert(x->by_source, (void *) &src->addr, array);
		}
	}
	g_array_append_val(array, i);
}

static bool
any_matches(const struct index *x, const GArray *candidates, const struct weft_nl_ct_flow *flow)
{
	for (guint i = 0; candidates != NULL && i < candidates->len; i++) {
		if (weft_nl_ct_match(&x->matches[g_array_index(candidates, size_t, i)], flow))
			return true;
	}
	return false;
}

static void
on_candidate(const struct weft_nl_ct_flow *flow, void *user)
{
	struct index *x = user;

	if (!any_matches(x, g_hash_table_lookup(x->by_source, &flow->orig.src.addr), flow) &&
	    !any_matches(x, x->others, flow))
		return;
	if (x->flows->len >= WEFT_NL_LIMIT_FLOWS)
		x->full = true; /* these go, and the caller is told to come again */
	else
		g_array_append_vals(x->flows, flow, 1);
}

/* Deletes what was collected; the first failure is told, the rest goes on. */
static bool
delete_flows(WeftNlSocket *nf, const GArray *flows, size_t *deleted, GError **error)
{
	g_autoptr(GError) first = NULL;

	for (guint i = 0; i < flows->len; i++) {
		g_autoptr(GError) e = NULL;

		if (weft_nl_ct_delete_flow(nf, &g_array_index(flows, struct weft_nl_ct_flow, i),
					   &e)) {
			(*deleted)++;
		} else if (!g_error_matches(e, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND) &&
			   first == NULL) {
			first = g_steal_pointer(&e);
		}
	}
	if (first == NULL)
		return true;
	g_propagate_error(error, g_steal_pointer(&first));
	return false;
}

bool
weft_nl_ct_delete(WeftNlSocket *nf,
		  const struct weft_nl_ct_match *matches,
		  size_t n,
		  size_t *ret_deleted,
		  GError **error)
{
	g_autoptr(GHashTable) by_source =
		g_hash_table_new_full(address_hash, address_equal, NULL, free_array);
	g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(size_t));
	g_autoptr(GArray) flows = g_array_new(FALSE, FALSE, sizeof(struct weft_nl_ct_flow));
	struct index x = { matches, by_source, others, flows, false };
	const struct weft_nl_ct_dump dump = { .func = on_candidate,
					      .restart = on_index_restart,
					      .user = &x };
	size_t deleted = 0;
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		index_add(&x, i);
	if (n > 0)
		ok = weft_nl_ct_dump(nf, &dump, error) && delete_flows(nf, flows, &deleted, error);
	if (ret_deleted != NULL)
		*ret_deleted = deleted;
	if (ok && x.full) {
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_NO_BUFFERS,
			    "delete flows: more than %u match; these were deleted",
			    WEFT_NL_LIMIT_FLOWS);
		return false;
	}
	return ok;
}

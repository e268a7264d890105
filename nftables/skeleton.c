/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/skeleton.h"

#include "nftables/model-private.h"

#include <stdio.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>

const char *const weft_nft_skeleton_counters[] = {
	"dropped_forward", "dropped_in", "dropped_midstream", "dropped_out", NULL,
};

/* Registers as the kernel reports them back: a 16-octet register where a value begins on one, a
 * 4-octet one otherwise. */
#define REGISTER_AT(octets)                                                                        \
	((octets) % 16 == 0 ? NFT_REG_1 + (octets) / 16 : NFT_REG32_00 + (octets) / 4)

/* As nft numbers its types. */
enum { TYPE_IPADDR = 7, TYPE_IP6ADDR = 8, TYPE_INET_PROTO = 12, TYPE_INET_SERVICE = 13 };
#define TYPE_BITS 6

GArray *
weft_nft_skeleton_chains(const struct weft_nft_config *config)
{
	static const struct weft_nft_chain all[] = {
		{ "input", true, NF_INET_LOCAL_IN, 0, NF_ACCEPT },
		{ "forward", true, NF_INET_FORWARD, 0, NF_ACCEPT },
		{ "output", true, NF_INET_LOCAL_OUT, 0, NF_ACCEPT },
		{ .name = "midstream" },
		{ .name = "from_overlay" },
		{ .name = "forward_overlay" },
		{ .name = "to_overlay" },
		{ .name = "in4" },
		{ .name = "in6" },
		{ .name = "out4" },
		{ .name = "out6" },
	};
	GArray *chains = g_array_new(FALSE, FALSE, sizeof all[0]);

	for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
		bool forward = strcmp(all[i].name, "forward_overlay") == 0;
		bool output = strcmp(all[i].name, "to_overlay") == 0 ||
			      strcmp(all[i].name, "out4") == 0 || strcmp(all[i].name, "out6") == 0;

		if ((!forward || config->filter_forward) && (!output || config->filter_output))
			g_array_append_val(chains, all[i]);
	}
	return chains;
}

static struct nftnl_expr *
add(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	g_assert(e != NULL);
	nftnl_rule_add_expr(rule, e);
	return e;
}

static void
load_meta(struct nftnl_rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = add(rule, "meta");

	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
}

static void
load_payload(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct nftnl_expr *e = add(rule, "payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void
compare(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = add(rule, "cmp");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
}

/* Goes on if one of the bits of @mask is set, or with @op NFT_CMP_EQ if none is. */
static void
test_bits(struct nftnl_rule *rule, const void *mask, uint32_t len, uint32_t op)
{
	static const uint8_t zeros[4];
	struct nftnl_expr *e = add(rule, "bitwise");

	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zeros, len);
	compare(rule, op, zeros, len);
}

static void
match_interface(struct nftnl_rule *rule, uint32_t key, const char *name)
{
	char padded[IFNAMSIZ] = { 0 };

	memcpy(padded, name, strnlen(name, sizeof padded - 1));
	load_meta(rule, key, NFT_REG_1);
	compare(rule, NFT_CMP_EQ, padded, sizeof padded);
}

static void
match_meta_u8(struct nftnl_rule *rule, uint32_t key, uint8_t value)
{
	load_meta(rule, key, NFT_REG_1);
	compare(rule, NFT_CMP_EQ, &value, sizeof value);
}

static void
match_ct_state(struct nftnl_rule *rule, uint32_t states)
{
	struct nftnl_expr *e = add(rule, "ct");

	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	test_bits(rule, &states, sizeof states, NFT_CMP_NEQ);
}

static void
count(struct nftnl_rule *rule, const char *counter)
{
	struct nftnl_expr *e = add(rule, "objref");

	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, counter);
}

static void
verdict(struct nftnl_rule *rule, int code, const char *chain)
{
	struct nftnl_expr *e = add(rule, "immediate");

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t) code);
	if (chain != NULL)
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
}

/* Builder of one table's rules. */
struct skeleton {
	const struct weft_nft_config *config;
	GPtrArray *rules;
};

static struct nftnl_rule *
new_rule(struct skeleton *s, const char *chain)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	g_assert(rule != NULL);
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, s->config->table);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	g_ptr_array_add(s->rules, rule);
	return rule;
}

static void
jump_by_interface(struct skeleton *s, const char *chain, uint32_t key, const char *to)
{
	struct nftnl_rule *rule = new_rule(s, chain);

	match_interface(rule, key, s->config->interface);
	verdict(rule, NFT_JUMP, to);
}

static void
accept_known(struct skeleton *s, const char *chain)
{
	struct nftnl_rule *rule = new_rule(s, chain);

	match_ct_state(rule, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	verdict(rule, NF_ACCEPT, NULL);
}

static void
jump_by_family(struct skeleton *s, const char *chain, uint8_t family, const char *to)
{
	struct nftnl_rule *rule = new_rule(s, chain);

	match_meta_u8(rule, NFT_META_NFPROTO, family);
	verdict(rule, NFT_JUMP, to);
}

static void
drop_rest(struct skeleton *s, const char *chain, const char *counter)
{
	struct nftnl_rule *rule = new_rule(s, chain);

	count(rule, counter);
	verdict(rule, NF_DROP, NULL);
}

/* TCP that begins in the middle. When a revoked flow's conntrack entry is deleted, the server's
 * next segment would make a new one, in whose eyes the client's segments are answers: established.
 * A flow of this host's own that conntrack has forgotten is cut by it, too. */
static void
drop_midstream(struct skeleton *s)
{
	static const uint8_t opening = TH_SYN | TH_RST;
	struct nftnl_rule *rule = new_rule(s, "midstream");

	match_meta_u8(rule, NFT_META_L4PROTO, IPPROTO_TCP);
	match_ct_state(rule, NF_CT_STATE_BIT(IP_CT_NEW));
	load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, NFT_REG_1);
	test_bits(rule, &opening, sizeof opening, NFT_CMP_EQ);
	count(rule, "dropped_midstream");
	verdict(rule, NF_DROP, NULL);
}

/* "counter name (remote address . protocol . port) map @set  VERDICT": ends if the set has it not.
 */
static void
look_up(struct skeleton *s, const char *chain, unsigned set)
{
	struct weft_nft_set_id id = weft_nft_set_id(set);
	struct nftnl_rule *rule = new_rule(s, chain);
	unsigned len = WEFT_NFT_KEY_ADDRESS_LEN(id.family);
	bool ipv4 = id.family == WEFT_FAMILY_IPV4;
	uint32_t source = ipv4 ? 12 : 8;
	char name[WEFT_NFT_SET_NAME_SIZE];
	struct nftnl_expr *e;

	match_meta_u8(rule, NFT_META_NFPROTO, ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER,
		     id.direction == WEFT_NFT_IN ? source : source + len, len, NFT_REG_1);
	if (id.shape != WEFT_NFT_HOST)
		load_meta(rule, NFT_META_L4PROTO, REGISTER_AT(len));
	if (id.shape == WEFT_NFT_HOST_PORT || id.shape == WEFT_NFT_RANGE_PORT)
		load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, REGISTER_AT(len + 4));
	e = add(rule, "objref");
	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_SET_SREG, NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_SET_NAME, weft_nft_set_name(set, name));
	/* The set may be of the same transaction; see weft_nft_write_sets(). */
	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_SET_ID, set + 1);
	verdict(rule, id.action == WEFT_NFT_ACCEPT ? NF_ACCEPT : NF_DROP, NULL);
}

static void
look_up_all(struct skeleton *s,
	    const char *chain,
	    enum weft_nft_direction direction,
	    enum weft_family family)
{
	static const enum weft_nft_action order[] = { WEFT_NFT_DROP, WEFT_NFT_ACCEPT };
	struct weft_nft_set_id id = { .direction = direction, .family = family };

	for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
		id.action = order[i];
		for (id.shape = 0; id.shape < WEFT_NFT_SHAPE_COUNT_; id.shape++)
			look_up(s, chain, weft_nft_set_index(id));
	}
}

static void
free_rule(void *rule)
{
	nftnl_rule_free(rule);
}

GPtrArray *
weft_nft_skeleton_rules(const struct weft_nft_config *config)
{
	struct skeleton s = { .config = config,
			      .rules = g_ptr_array_new_with_free_func(free_rule) };

	jump_by_interface(&s, "input", NFT_META_IIFNAME, "from_overlay");
	jump_by_interface(&s, "forward", NFT_META_OIFNAME, "midstream");
	if (config->filter_forward)
		jump_by_interface(&s, "forward", NFT_META_IIFNAME, "forward_overlay");
	jump_by_interface(&s, "output", NFT_META_OIFNAME, "midstream");
	if (config->filter_output)
		jump_by_interface(&s, "output", NFT_META_OIFNAME, "to_overlay");

	drop_midstream(&s);
	accept_known(&s, "from_overlay");
	jump_by_family(&s, "from_overlay", NFPROTO_IPV4, "in4");
	jump_by_family(&s, "from_overlay", NFPROTO_IPV6, "in6");
	drop_rest(&s, "from_overlay", "dropped_in");
	look_up_all(&s, "in4", WEFT_NFT_IN, WEFT_FAMILY_IPV4);
	look_up_all(&s, "in6", WEFT_NFT_IN, WEFT_FAMILY_IPV6);
	if (config->filter_forward) {
		accept_known(&s, "forward_overlay");
		drop_rest(&s, "forward_overlay", "dropped_forward");
	}
	if (config->filter_output) {
		accept_known(&s, "to_overlay");
		jump_by_family(&s, "to_overlay", NFPROTO_IPV4, "out4");
		jump_by_family(&s, "to_overlay", NFPROTO_IPV6, "out6");
		drop_rest(&s, "to_overlay", "dropped_out");
		look_up_all(&s, "out4", WEFT_NFT_OUT, WEFT_FAMILY_IPV4);
		look_up_all(&s, "out6", WEFT_NFT_OUT, WEFT_FAMILY_IPV6);
	}
	return s.rules;
}

bool
weft_nft_skeleton_has_set(const struct weft_nft_config *config, unsigned set)
{
	return weft_nft_set_id(set).direction == WEFT_NFT_IN || config->filter_output;
}

struct weft_nft_set_form
weft_nft_skeleton_set(unsigned set)
{
	struct weft_nft_set_id id = weft_nft_set_id(set);
	struct weft_nft_set_form form = { .flags = NFT_SET_OBJECT,
					  .key_len = weft_nft_set_key_len(set) };

	form.key_type = id.family == WEFT_FAMILY_IPV4 ? TYPE_IPADDR : TYPE_IP6ADDR;
	form.fields[form.field_count++] = (uint8_t) WEFT_NFT_KEY_ADDRESS_LEN(id.family);
	if (id.shape != WEFT_NFT_HOST) {
		form.key_type = form.key_type << TYPE_BITS | TYPE_INET_PROTO;
		form.fields[form.field_count++] = 1;
	}
	if (id.shape == WEFT_NFT_HOST_PORT || id.shape == WEFT_NFT_RANGE_PORT) {
		form.key_type = form.key_type << TYPE_BITS | TYPE_INET_SERVICE;
		form.fields[form.field_count++] = 2;
	}
	if (weft_nft_set_is_range(set))
		form.flags |= NFT_SET_INTERVAL | NFT_SET_CONCAT;
	return form;
}

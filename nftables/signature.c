/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/signature.h"

#include "nftables/attrs.h"
#include "nftables/limits.h"

#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/rule.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

/* Attributes that hold a nft_data, by expression. */
static const struct {
	const char *expression;
	unsigned types[2];
} data_nests[] = {
	{ "bitwise", { NFTA_BITWISE_MASK, NFTA_BITWISE_XOR } },
	{ "cmp", { NFTA_CMP_DATA, NFTA_CMP_DATA } },
	{ "immediate", { NFTA_IMMEDIATE_DATA, NFTA_IMMEDIATE_DATA } },
};

static bool
holds_data(const char *expression, unsigned type)
{
	for (size_t i = 0; i < G_N_ELEMENTS(data_nests); i++) {
		if (strcmp(data_nests[i].expression, expression) == 0)
			return data_nests[i].types[0] == type || data_nests[i].types[1] == type;
	}
	return false;
}

/* What only one side of the kernel's door has: set numbers within a transaction. */
static bool
is_transient(const char *expression, unsigned type)
{
	return strcmp(expression, "objref") == 0 && type == NFTA_OBJREF_SET_ID;
}

/* libnftnl sends the names in objref without a NUL, the kernel reports them with it. */
static bool
is_string(const char *expression, unsigned type)
{
	return strcmp(expression, "objref") == 0 &&
	       (type == NFTA_OBJREF_IMM_NAME || type == NFTA_OBJREF_SET_NAME);
}

static void
put_hex(GString *text, const struct nlattr *attr, bool string)
{
	const uint8_t *bytes = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);

	if (string && len > 0 && bytes[len - 1] == 0)
		len--;
	for (size_t i = 0; i < len; i++)
		g_string_append_printf(text, "%02x", bytes[i]);
}

/* All attributes by type; the data of an expression goes down two nests. */
static void
put_attrs(GString *text, const char *expression, const struct nlattr *nest, unsigned depth)
{
	struct weft_nft_attrs attrs;

	weft_nft_attrs_of_nest(&attrs, nest);
	for (unsigned type = 0; type < WEFT_NFT_ATTRS_MAX; type++) {
		bool deeper = (depth == 0 && holds_data(expression, type)) ||
			      (depth == 1 && type == NFTA_DATA_VERDICT);

		if (attrs.at[type] == NULL || (depth == 0 && is_transient(expression, type)))
			continue;
		g_string_append_printf(text, " %u=", type);
		if (!deeper) {
			put_hex(text, attrs.at[type], depth == 0 && is_string(expression, type));
			continue;
		}
		g_string_append_c(text, '(');
		put_attrs(text, expression, attrs.at[type], depth + 1);
		g_string_append_c(text, ')');
	}
}

void
weft_nft_signature(GString *text, const struct nlattr *expressions)
{
	const struct nlattr *attr;

	g_string_append_c(text, '{');
	if (expressions != NULL) {
		mnl_attr_for_each_nested (attr, expressions) {
			struct weft_nft_attrs attrs;
			const char *name;

			weft_nft_attrs_of_nest(&attrs, attr);
			name = weft_nft_attr_string(&attrs, NFTA_EXPR_NAME);
			if (name == NULL)
				name = "?";
			g_string_append_printf(text, "[%s", name);
			put_attrs(text, name, attrs.at[NFTA_EXPR_DATA], 0);
			g_string_append_c(text, ']');
		}
	}
	g_string_append_c(text, '}');
}

void
weft_nft_signature_of_rule(GString *text, const struct nftnl_rule *rule)
{
	_Alignas(struct nlmsghdr) uint8_t buf[8192] = { 0 };
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct weft_nft_attrs attrs;

	(void) mnl_nlmsg_put_extra_header(msg, sizeof(struct nfgenmsg));
	nftnl_rule_nlmsg_build_payload(msg, (struct nftnl_rule *) rule);
	(void) weft_nft_attrs_of_message(&attrs, msg);
	weft_nft_signature(text, attrs.at[NFTA_RULE_EXPRESSIONS]);
}

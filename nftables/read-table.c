/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/read-table.h"

#include "base/cursor.h"
#include "nftables/attrs.h"
#include "nftables/error.h"
#include "nftables/read.h"

#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/udata.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

bool
weft_nft_malformed(GError **error, const char *what)
{
	g_set_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_PROTOCOL,
		    "NETFILTER: a malformed %s in the answer", what);
	return false;
}

bool
weft_nft_ask(WeftNftSocket *s,
	     struct weft_nft_request request,
	     uint16_t table_attr,
	     const char *table,
	     const char *set,
	     GError **error)
{
	_Alignas(struct nlmsghdr) uint8_t buf[256] = { 0 };
	struct nlmsghdr *attrs = mnl_nlmsg_put_header(buf);

	if (table_attr != 0)
		mnl_attr_put_strz(attrs, table_attr, table);
	if (set != NULL)
		mnl_attr_put_strz(attrs, NFTA_SET_ELEM_LIST_SET, set);
	request.family = NFPROTO_INET;
	request.payload = mnl_nlmsg_get_payload(attrs);
	request.payload_len = mnl_nlmsg_get_payload_len(attrs);
	return weft_nft_socket_get(s, &request, error);
}

/* The comment among a table's user data: type, length, value. */
static bool
is_marked(const struct nlattr *udata)
{
	struct weft_cursor c;

	if (udata == NULL)
		return false;
	c = weft_cursor(mnl_attr_get_payload(udata), mnl_attr_get_payload_len(udata));
	while (weft_cursor_left(&c) > 0) {
		uint8_t type = weft_cursor_u8(&c);
		uint8_t len = weft_cursor_u8(&c);
		const uint8_t *value = weft_cursor_bytes(&c, len);

		if (value != NULL && type == NFTNL_UDATA_TABLE_COMMENT &&
		    len == sizeof WEFT_NFT_OWNER &&
		    memcmp(value, WEFT_NFT_OWNER, sizeof WEFT_NFT_OWNER) == 0)
			return true;
	}
	return false;
}

static bool
on_table(const struct nlmsghdr *msg, void *user, GError **error)
{
	struct weft_nft_mark *mark = user;
	struct weft_nft_attrs attrs;

	if (!weft_nft_attrs_of_message(&attrs, msg))
		return weft_nft_malformed(error, "table");
	mark->found = true;
	mark->flags = weft_nft_attr_u32(&attrs, NFTA_TABLE_FLAGS, 0);
	mark->ours = is_marked(attrs.at[NFTA_TABLE_USERDATA]);
	return true;
}

bool
weft_nft_read_table(WeftNftSocket *s, const char *name, struct weft_nft_mark *mark, GError **error)
{
	struct weft_nft_request request = { .type = NFT_MSG_GETTABLE,
					    .reply = on_table,
					    .user = mark };
	GError *inner = NULL;

	if (weft_nft_ask(s, request, NFTA_TABLE_NAME, name, NULL, &inner)) {
		if (mark->found && !mark->ours) {
			g_set_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_FOREIGN,
				    "table inet %s: there is one that is not ours (no comment "
				    "\"%s\"); it is left alone",
				    name, WEFT_NFT_OWNER);
			return false;
		}
		return true;
	}
	if (g_error_matches(inner, WEFT_NFT_ERROR, WEFT_NFT_ERROR_NOT_FOUND)) {
		g_error_free(inner);
		mark->found = false;
		return true;
	}
	g_propagate_prefixed_error(error, inner, "table inet %s: read: ", name);
	return false;
}

bool
weft_nft_read_mark(WeftNftSocket *s, const char *table, enum weft_nft_found *ret, GError **error)
{
	struct weft_nft_mark mark = { 0 };

	if (!weft_nft_read_table(s, table, &mark, error))
		return false;
	*ret = mark.found ? WEFT_NFT_FOUND_INTACT : WEFT_NFT_FOUND_NOTHING;
	return true;
}

struct counting {
	const char *table;
	WeftNftCountFunc func;
	void *user;
};

static bool
on_count(const struct nlmsghdr *msg, void *user, GError **error)
{
	const struct counting *c = user;
	struct weft_nft_attrs attrs, data;
	struct weft_nft_count count = { 0 };
	const char *table;

	if (!weft_nft_attrs_of_message(&attrs, msg))
		return weft_nft_malformed(error, "counter");
	table = weft_nft_attr_string(&attrs, NFTA_OBJ_TABLE);
	count.name = weft_nft_attr_string(&attrs, NFTA_OBJ_NAME);
	if (attrs.family != NFPROTO_INET || table == NULL || strcmp(table, c->table) != 0 ||
	    count.name == NULL || weft_nft_attr_u32(&attrs, NFTA_OBJ_TYPE, 0) != NFT_OBJECT_COUNTER)
		return true;
	if (!weft_nft_policy_from_counter(&count.policy, count.name))
		count.policy = (struct weft_nft_policy){ 0 };
	weft_nft_attrs_of_nest(&data, attrs.at[NFTA_OBJ_DATA]);
	count.packets = weft_nft_attr_u64(&data, NFTA_COUNTER_PACKETS, 0);
	count.bytes = weft_nft_attr_u64(&data, NFTA_COUNTER_BYTES, 0);
	c->func(&count, c->user);
	return true;
}

bool
weft_nft_read_counters(
	WeftNftSocket *s, const char *table, WeftNftCountFunc func, void *user, GError **error)
{
	struct counting counting = { .table = table, .func = func, .user = user };
	struct weft_nft_request request = {
		.type = NFT_MSG_GETOBJ, .flags = NLM_F_DUMP, .reply = on_count, .user = &counting
	};

	if (weft_nft_ask(s, request, NFTA_OBJ_TABLE, table, NULL, error))
		return true;
	g_prefix_error(error, "table inet %s: read counters: ", table);
	return false;
}

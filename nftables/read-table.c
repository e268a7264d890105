/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/read-table.h"

#include "nftables/error.h"
#include "nftables/read.h"

#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
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

static int
on_udata(const struct nftnl_udata *attr, void *data)
{
	bool *ours = data;

	if (nftnl_udata_type(attr) == NFTNL_UDATA_TABLE_COMMENT &&
	    nftnl_udata_len(attr) == sizeof WEFT_NFT_OWNER &&
	    memcmp(nftnl_udata_get(attr), WEFT_NFT_OWNER, sizeof WEFT_NFT_OWNER) == 0)
		*ours = true;
	return 0;
}

static bool
on_table(const struct nlmsghdr *msg, void *user, GError **error)
{
	struct weft_nft_mark *mark = user;
	struct nftnl_table *table = nftnl_table_alloc();
	const void *udata;
	uint32_t len = 0;

	if (table == NULL || nftnl_table_nlmsg_parse(msg, table) < 0) {
		nftnl_table_free(table);
		return weft_nft_malformed(error, "table");
	}
	mark->found = true;
	mark->flags = nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS);
	udata = nftnl_table_get_data(table, NFTNL_TABLE_USERDATA, &len);
	if (udata != NULL)
		(void) nftnl_udata_parse(udata, len, on_udata, &mark->ours);
	nftnl_table_free(table);
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
	struct nftnl_obj *obj = nftnl_obj_alloc();
	struct weft_nft_count count = { 0 };
	const char *table;

	if (obj == NULL || nftnl_obj_nlmsg_parse(msg, obj) < 0) {
		nftnl_obj_free(obj);
		return weft_nft_malformed(error, "counter");
	}
	count.name = nftnl_obj_get_str(obj, NFTNL_OBJ_NAME);
	table = nftnl_obj_get_str(obj, NFTNL_OBJ_TABLE);
	if (nftnl_obj_get_u32(obj, NFTNL_OBJ_FAMILY) == NFPROTO_INET && table != NULL &&
	    strcmp(table, c->table) == 0 && count.name != NULL &&
	    nftnl_obj_get_u32(obj, NFTNL_OBJ_TYPE) == NFT_OBJECT_COUNTER) {
		if (!weft_nft_policy_from_counter(&count.policy, count.name))
			count.policy = (struct weft_nft_policy){ 0 };
		count.packets = nftnl_obj_get_u64(obj, NFTNL_OBJ_CTR_PKTS);
		count.bytes = nftnl_obj_get_u64(obj, NFTNL_OBJ_CTR_BYTES);
		c->func(&count, c->user);
	}
	nftnl_obj_free(obj);
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

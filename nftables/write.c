/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/write.h"

#include "nftables/limits.h"
#include "nftables/skeleton.h"
#include "nftables/table.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

/* An upper bound of one element's attributes. */
#define ELEMENT_SIZE         (3 * 8 + 2 * (WEFT_NFT_KEY_SIZE + 4) + WEFT_NFT_COUNTER_NAME_SIZE + 8)

#define BYTEORDER_BIG_ENDIAN 2 /* as nft numbers it */

static struct nftnl_table *
new_table(const char *name)
{
	struct nftnl_table *table = nftnl_table_alloc();

	g_assert(table != NULL);
	nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, NFPROTO_INET);
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, name);
	return table;
}

static void
write_table(WeftNftBatch *batch, struct nftnl_table *table, uint16_t type, uint16_t flags)
{
	const char *what = type == NFT_MSG_NEWTABLE ? "add table" : "delete table";

	nftnl_table_nlmsg_build_payload(weft_nft_batch_begin(batch, type, flags, what), table);
	weft_nft_batch_end(batch);
}

void
weft_nft_write_delete(WeftNftBatch *batch, const char *name, bool create)
{
	struct nftnl_table *table = new_table(name);

	if (create)
		write_table(batch, table, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	write_table(batch, table, NFT_MSG_DELTABLE, 0);
	nftnl_table_free(table);
}

/* A table of its own, marked as ours. */
static void
write_new_table(WeftNftBatch *batch, const char *name)
{
	struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nftnl_table *table = new_table(name);

	g_assert(udata != NULL);
	nftnl_udata_put_strz(udata, NFTNL_UDATA_TABLE_COMMENT, WEFT_NFT_OWNER);
	nftnl_table_set_data(table, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(udata),
			     nftnl_udata_buf_len(udata));
	write_table(batch, table, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	nftnl_table_free(table);
	nftnl_udata_buf_free(udata);
}

static void
write_chain(WeftNftBatch *batch, const char *table, const struct weft_nft_chain *c)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	char what[64];

	g_assert(chain != NULL);
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_FAMILY, NFPROTO_INET);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, table);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, c->name);
	if (c->base) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, c->hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, c->priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, c->policy);
	}
	snprintf(what, sizeof what, "add chain %s", c->name);
	nftnl_chain_nlmsg_build_payload(
		weft_nft_batch_begin(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, what),
		chain);
	weft_nft_batch_end(batch);
	nftnl_chain_free(chain);
}

static void
write_counter(WeftNftBatch *batch,
	      const char *table,
	      const char *name,
	      bool create,
	      const struct weft_nft_count *from)
{
	struct nftnl_obj *obj = nftnl_obj_alloc();
	char what[32 + WEFT_NFT_COUNTER_NAME_SIZE];

	g_assert(obj != NULL);
	nftnl_obj_set_u32(obj, NFTNL_OBJ_FAMILY, NFPROTO_INET);
	nftnl_obj_set_str(obj, NFTNL_OBJ_TABLE, table);
	nftnl_obj_set_str(obj, NFTNL_OBJ_NAME, name);
	nftnl_obj_set_u32(obj, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	if (create) {
		nftnl_obj_set_u64(obj, NFTNL_OBJ_CTR_PKTS, from == NULL ? 0 : from->packets);
		nftnl_obj_set_u64(obj, NFTNL_OBJ_CTR_BYTES, from == NULL ? 0 : from->bytes);
	}
	snprintf(what, sizeof what, "%s counter %s", create ? "add" : "delete", name);
	nftnl_obj_nlmsg_build_payload(
		weft_nft_batch_begin(batch, create ? NFT_MSG_NEWOBJ : NFT_MSG_DELOBJ,
				     create ? NLM_F_CREATE | NLM_F_EXCL : 0, what),
		obj);
	weft_nft_batch_end(batch);
	nftnl_obj_free(obj);
}

/* Room for twice as many elements, in powers of two. With a size the kernel takes a table of fixed
 * size, which unlike the growing one is read back consistently; one that is full is refused, and
 * the table is written anew with more room. */
static uint32_t
capacity_for(size_t n)
{
	uint32_t capacity = 256;

	while (capacity < 2 * n)
		capacity *= 2;
	return capacity;
}

static void
write_set(WeftNftBatch *batch, const char *table, unsigned number, size_t n_elements)
{
	struct weft_nft_set_form form = weft_nft_skeleton_set(number);
	struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nftnl_set *set = nftnl_set_alloc();
	char name[WEFT_NFT_SET_NAME_SIZE], what[16 + WEFT_NFT_SET_NAME_SIZE];

	g_assert(set != NULL && udata != NULL);
	weft_nft_set_name(number, name);
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_str(set, NFTNL_SET_TABLE, table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	nftnl_set_set_u32(set, NFTNL_SET_ID, number + 1);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, form.flags);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, form.key_type);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, form.key_len);
	nftnl_set_set_u32(set, NFTNL_SET_OBJ_TYPE, NFT_OBJECT_COUNTER);
	if (!weft_nft_set_is_range(number))
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, capacity_for(n_elements));
	if ((form.flags & NFT_SET_CONCAT) != 0)
		nftnl_set_set_data(set, NFTNL_SET_DESC_CONCAT, form.fields, form.field_count);
	/* Without it nft lists the keys as if they were in host byte order. */
	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_KEYBYTEORDER, BYTEORDER_BIG_ENDIAN);
	nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(udata),
			   nftnl_udata_buf_len(udata));
	snprintf(what, sizeof what, "add set %s", name);
	nftnl_set_nlmsg_build_payload(
		weft_nft_batch_begin(batch, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, what), set);
	weft_nft_batch_end(batch);
	nftnl_set_free(set);
	nftnl_udata_buf_free(udata);
}

/* Elements of one set, in messages as long as they may be. */
struct element_writer {
	WeftNftBatch *batch;
	const char *table;
	unsigned set;
	bool add;
	struct nlmsghdr *msg; /* NULL: none is begun */
	struct nlattr *list;
};

static void
end_elements(struct element_writer *w)
{
	if (w->msg == NULL)
		return;
	mnl_attr_nest_end(w->msg, w->list);
	weft_nft_batch_end(w->batch);
	w->msg = NULL;
}

static void
begin_elements(struct element_writer *w)
{
	char name[WEFT_NFT_SET_NAME_SIZE], what[40 + WEFT_NFT_SET_NAME_SIZE];

	weft_nft_set_name(w->set, name);
	snprintf(what, sizeof what, "%s elements of %s", w->add ? "add" : "delete", name);
	w->msg = weft_nft_batch_begin(w->batch, w->add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
				      w->add ? NLM_F_CREATE | NLM_F_EXCL : 0, what);
	mnl_attr_put_strz(w->msg, NFTA_SET_ELEM_LIST_TABLE, w->table);
	mnl_attr_put_strz(w->msg, NFTA_SET_ELEM_LIST_SET, name);
	/* Finds a set of the same transaction; one that is there already is found by its name. */
	mnl_attr_put_u32(w->msg, NFTA_SET_ELEM_LIST_SET_ID, htonl(w->set + 1));
	w->list = mnl_attr_nest_start(w->msg, NFTA_SET_ELEM_LIST_ELEMENTS);
}

static void
put_key(struct nlmsghdr *msg, uint16_t type, const uint8_t *key, unsigned len)
{
	struct nlattr *nest = mnl_attr_nest_start(msg, type);

	mnl_attr_put(msg, NFTA_DATA_VALUE, len, key);
	mnl_attr_nest_end(msg, nest);
}

static void
write_element(struct element_writer *w, const struct weft_nft_element *e, const char *counter)
{
	unsigned len = weft_nft_set_key_len(w->set);
	struct nlattr *nest;

	if (w->msg != NULL && w->msg->nlmsg_len + ELEMENT_SIZE > WEFT_NFT_MESSAGE_SIZE)
		end_elements(w);
	if (w->msg == NULL)
		begin_elements(w);
	nest = mnl_attr_nest_start(w->msg, NFTA_LIST_ELEM);
	put_key(w->msg, NFTA_SET_ELEM_KEY, e->key, len);
	if (weft_nft_set_is_range(w->set))
		put_key(w->msg, NFTA_SET_ELEM_KEY_END, e->end, len);
	if (w->add)
		mnl_attr_put_strz(w->msg, NFTA_SET_ELEM_OBJREF, counter);
	mnl_attr_nest_end(w->msg, nest);
}

static void
write_rules(WeftNftBatch *batch, const struct weft_nft_config *config)
{
	g_autoptr(GPtrArray) rules = weft_nft_skeleton_rules(config);

	for (size_t i = 0; i < rules->len; i++) {
		struct nftnl_rule *rule = rules->pdata[i];
		char what[64];

		snprintf(what, sizeof what, "add rule to %s",
			 nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN));
		nftnl_rule_nlmsg_build_payload(weft_nft_batch_begin(batch, NFT_MSG_NEWRULE,
								    NLM_F_CREATE | NLM_F_APPEND,
								    what),
					       rule);
		weft_nft_batch_end(batch);
	}
}

static void
write_all_elements(WeftNftBatch *batch, const WeftNftModel *model, unsigned set)
{
	struct element_writer w = { .batch = batch,
				    .table = weft_nft_model_config(model)->table,
				    .set = set,
				    .add = true };
	size_t n;
	const struct weft_nft_element *e = weft_nft_model_elements(model, set, &n);

	for (size_t i = 0; i < n; i++)
		write_element(&w, &e[i], weft_nft_model_counter(model, e[i].counter));
	end_elements(&w);
}

static void
write_counter_on(WeftNftBatch *batch, const char *table, const char *name, GHashTable *counts)
{
	write_counter(batch, table, name, true,
		      counts == NULL ? NULL : g_hash_table_lookup(counts, name));
}

void
weft_nft_write_model(WeftNftBatch *batch, const WeftNftModel *model, GHashTable *counts)
{
	const struct weft_nft_config *config = weft_nft_model_config(model);
	g_autoptr(GArray) chains = weft_nft_skeleton_chains(config);
	size_t n;

	weft_nft_write_delete(batch, config->table, true);
	write_new_table(batch, config->table);
	for (size_t i = 0; weft_nft_skeleton_counters[i] != NULL; i++)
		write_counter_on(batch, config->table, weft_nft_skeleton_counters[i], counts);
	for (uint32_t i = 0; i < weft_nft_model_counter_count(model); i++)
		write_counter_on(batch, config->table, weft_nft_model_counter(model, i), counts);
	for (size_t i = 0; i < chains->len; i++)
		write_chain(batch, config->table, &g_array_index(chains, struct weft_nft_chain, i));
	for (unsigned set = 0; set < WEFT_NFT_SET_COUNT; set++) {
		if (!weft_nft_skeleton_has_set(config, set))
			continue;
		(void) weft_nft_model_elements(model, set, &n);
		write_set(batch, config->table, set, n);
		write_all_elements(batch, model, set);
	}
	write_rules(batch, config);
}

void
weft_nft_write_diff(WeftNftBatch *batch, const char *table, const WeftNftDiff *diff)
{
	struct element_writer w = { .batch = batch, .table = table };
	size_t n, n_changes;
	const struct weft_nft_change *changes = weft_nft_diff_changes(diff, &n_changes);
	const char *const *counters = weft_nft_diff_counters(diff, true, &n);

	for (size_t i = 0; i < n; i++)
		write_counter(batch, table, counters[i], true, NULL);
	for (size_t i = 0; i < n_changes; i++) {
		if (changes[i].set != w.set || changes[i].add != w.add)
			end_elements(&w);
		w.set = changes[i].set;
		w.add = changes[i].add;
		write_element(&w, changes[i].element, changes[i].counter);
	}
	end_elements(&w);
	counters = weft_nft_diff_counters(diff, false, &n);
	for (size_t i = 0; i < n; i++)
		write_counter(batch, table, counters[i], false, NULL);
}

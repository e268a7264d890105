/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/model/model.h"

#include "base/env.h"
#include "mgmtd/model/internal.h"

#include <gio/gio.h>
#include <string.h>

static guint
key_hash(gconstpointer p)
{
	return (guint) weft_key_hash(p);
}

static gboolean
key_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct weft_key)) == 0;
}

guint
mgmt_address_hash(gconstpointer p)
{
	const struct weft_address *a = p;
	uint64_t high;
	uint64_t low;

	/* Overlay addresses are ours, not a stranger's choice: mixing is enough. */
	memcpy(&high, a->b, sizeof high);
	memcpy(&low, a->b + 8, sizeof low);
	high = (high ^ low * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
	return (guint) (high >> 32);
}

gboolean
mgmt_address_key_equal(gconstpointer a, gconstpointer b)
{
	return weft_address_equal(a, b);
}

static void
index_free(struct mgmt_account_index *index)
{
	g_hash_table_unref(index->peers_by_id);
	g_hash_table_unref(index->peers_by_label);
	g_hash_table_unref(index->peers_by_ip);
	g_hash_table_unref(index->groups_by_id);
	g_hash_table_unref(index->policies_by_id);
	g_hash_table_unref(index->setup_keys_by_id);
	g_hash_table_unref(index->reserved_labels);
	g_hash_table_unref(index->reserved_ip6);
	mgmt_bitset_clear(&index->taken_ip);
	g_free(index);
}

static void
account_free(void *p)
{
	MgmtAccount *a = p;

	mgmt_rules_clear(a);
	index_free(a->index);
	g_ptr_array_unref(a->policies);
	g_ptr_array_unref(a->setup_keys);
	g_ptr_array_unref(a->tokens);
	g_ptr_array_unref(a->peers);
	g_ptr_array_unref(a->groups);
	mgmt_account_row_clear(&a->row);
	g_free(a);
}

MgmtModel *
mgmt_model_new(const struct weft_env *env)
{
	MgmtModel *m = g_new0(MgmtModel, 1);

	m->env = env;
	m->accounts = g_ptr_array_new_with_free_func(account_free);
	m->accounts_by_id = g_hash_table_new(g_str_hash, g_str_equal);
	m->peers_by_key = g_hash_table_new(key_hash, key_equal);
	m->setup_keys_by_hash = g_hash_table_new(g_str_hash, g_str_equal);
	return m;
}

void
mgmt_model_free(MgmtModel *m)
{
	if (m == NULL)
		return;
	g_hash_table_unref(m->setup_keys_by_hash);
	g_hash_table_unref(m->peers_by_key);
	g_hash_table_unref(m->accounts_by_id);
	g_ptr_array_unref(m->accounts);
	g_free(m);
}

static void
free_peer(void *p)
{
	mgmt_peer_free(p);
}

static void
free_group(void *p)
{
	mgmt_group_free(p);
}

MgmtAccount *
mgmt_model_add_account(MgmtModel *m, const struct mgmt_account_row *row, GError **error)
{
	MgmtAccount *a;

	if (g_hash_table_contains(m->accounts_by_id, row->id.s)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS, "account %s exists twice",
			    row->id.s);
		return NULL;
	}
	a = g_new0(MgmtAccount, 1);
	mgmt_account_row_copy(&a->row, row);
	a->peers = g_ptr_array_new_with_free_func(free_peer);
	a->groups = g_ptr_array_new_with_free_func(free_group);
	a->policies = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_policy_free);
	a->setup_keys = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_setup_key_free);
	a->tokens = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_token_free);
	a->index = g_new0(struct mgmt_account_index, 1);
	a->index->model = m;
	a->index->peers_by_id = g_hash_table_new(g_str_hash, g_str_equal);
	a->index->peers_by_label = g_hash_table_new(g_str_hash, g_str_equal);
	a->index->peers_by_ip = g_hash_table_new(mgmt_address_hash, mgmt_address_key_equal);
	a->index->groups_by_id = g_hash_table_new(g_str_hash, g_str_equal);
	a->index->policies_by_id = g_hash_table_new(g_str_hash, g_str_equal);
	a->index->setup_keys_by_id = g_hash_table_new(g_str_hash, g_str_equal);
	a->index->reserved_labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	a->index->reserved_ip6 =
		g_hash_table_new_full(mgmt_address_hash, mgmt_address_key_equal, g_free, NULL);
	mgmt_rules_rebuild(a);
	g_ptr_array_add(m->accounts, a);
	g_hash_table_insert(m->accounts_by_id, a->row.id.s, a);
	return a;
}

MgmtAccount *
mgmt_model_account(const MgmtModel *m, const struct mgmt_id *id)
{
	return g_hash_table_lookup(m->accounts_by_id, id->s);
}

const GPtrArray *
mgmt_model_accounts(const MgmtModel *m)
{
	return m->accounts;
}

struct mgmt_peer *
mgmt_model_peer_by_key(const MgmtModel *m, const struct weft_key *key)
{
	return g_hash_table_lookup(m->peers_by_key, key);
}

struct mgmt_setup_key *
mgmt_model_setup_key_by_hash(const MgmtModel *m, const char *hash)
{
	return g_hash_table_lookup(m->setup_keys_by_hash, hash);
}

struct mgmt_peer *
mgmt_account_peer(const MgmtAccount *a, const struct mgmt_id *id)
{
	return g_hash_table_lookup(a->index->peers_by_id, id->s);
}

struct mgmt_peer *
mgmt_account_peer_by_label(const MgmtAccount *a, const char *label)
{
	return g_hash_table_lookup(a->index->peers_by_label, label);
}

struct mgmt_peer *
mgmt_account_peer_by_ip(const MgmtAccount *a, const struct weft_address *ip)
{
	return g_hash_table_lookup(a->index->peers_by_ip, ip);
}

struct mgmt_group *
mgmt_account_group(const MgmtAccount *a, const struct mgmt_id *id)
{
	return g_hash_table_lookup(a->index->groups_by_id, id->s);
}

struct mgmt_group *
mgmt_account_group_by_name(const MgmtAccount *a, const char *name)
{
	for (guint i = 0; i < a->groups->len; i++) {
		struct mgmt_group *g = g_ptr_array_index(a->groups, i);

		if (g != NULL && strcmp(g->name, name) == 0)
			return g;
	}
	return NULL;
}

struct mgmt_policy *
mgmt_account_policy(const MgmtAccount *a, const struct mgmt_id *id)
{
	return g_hash_table_lookup(a->index->policies_by_id, id->s);
}

struct mgmt_setup_key *
mgmt_account_setup_key(const MgmtAccount *a, const struct mgmt_id *id)
{
	return g_hash_table_lookup(a->index->setup_keys_by_id, id->s);
}

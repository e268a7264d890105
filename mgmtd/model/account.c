/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes of an account in memory, and whose network map each of them may alter. */
#include "mgmtd/model/internal.h"
#include "mgmtd/model/version.h"

#include <string.h>

#define CAPABILITY_SOURCE_PREFIXES 1
#define CAPABILITY_IPV6            2
#define CAPABILITY_DELTAS          15001 /* ours: architecture, "Names and numbers" */

/* A number for a new object: the first gap, or the end. @used of the array's places are taken. */
static uint32_t
place(GPtrArray *array, guint used, void *object)
{
	for (guint i = 0; used < array->len && i < array->len; i++) {
		if (g_ptr_array_index(array, i) == NULL) {
			g_ptr_array_index(array, i) = object;
			return i;
		}
	}
	g_ptr_array_add(array, object);
	return array->len - 1;
}

static void
derive(struct mgmt_peer *peer)
{
	peer->has_source_prefixes =
		mgmt_meta_has_capability(&peer->meta, CAPABILITY_SOURCE_PREFIXES);
	peer->has_v6_capability =
		mgmt_meta_has_capability(&peer->meta, CAPABILITY_IPV6) && !peer->meta.disable_ipv6;
	peer->has_deltas = mgmt_meta_has_capability(&peer->meta, CAPABILITY_DELTAS);
}

static bool
is_old_dns(const struct mgmt_peer *peer)
{
	return !mgmt_version_at_least(peer->meta.version, 0, 59, 0);
}

static void
add_all_peers(const MgmtAccount *a, struct mgmt_bitset *affected)
{
	for (guint i = 0; affected != NULL && i < a->peers->len; i++)
		if (g_ptr_array_index(a->peers, i) != NULL)
			mgmt_bitset_add(affected, i);
}

/* The forwarder port is one for the whole account: everybody learns when it flips. */
static void
count_old_dns(MgmtAccount *a, int change, struct mgmt_bitset *affected)
{
	uint32_t before = a->index->n_old_dns;

	a->index->n_old_dns = (uint32_t) ((int64_t) before + change);
	if ((before == 0) != (a->index->n_old_dns == 0))
		add_all_peers(a, affected);
}

static void
index_peer(MgmtAccount *a, struct mgmt_peer *peer)
{
	struct mgmt_account_index *x = a->index;

	g_hash_table_insert(x->model->peers_by_key, &peer->key, peer);
	g_hash_table_insert(x->peers_by_id, peer->id.s, peer);
	g_hash_table_insert(x->peers_by_label, peer->dns_label, peer);
	g_hash_table_insert(x->peers_by_ip, &peer->ip, peer);
	mgmt_pool_take(a, &peer->ip);
	g_hash_table_remove(x->reserved_labels, peer->dns_label);
	if (peer->ip6.family == WEFT_FAMILY_IPV6) {
		g_hash_table_insert(x->peers_by_ip, &peer->ip6, peer);
		g_hash_table_remove(x->reserved_ip6, &peer->ip6);
	}
}

static void
unindex_peer(MgmtAccount *a, struct mgmt_peer *peer)
{
	struct mgmt_account_index *x = a->index;

	g_hash_table_remove(x->model->peers_by_key, &peer->key);
	g_hash_table_remove(x->peers_by_id, peer->id.s);
	g_hash_table_remove(x->peers_by_label, peer->dns_label);
	g_hash_table_remove(x->peers_by_ip, &peer->ip);
	mgmt_account_release_ip(a, &peer->ip);
	if (peer->ip6.family == WEFT_FAMILY_IPV6)
		g_hash_table_remove(x->peers_by_ip, &peer->ip6);
}

static void
join(struct mgmt_peer *peer, struct mgmt_group *group)
{
	mgmt_bitset_add(&group->members, peer->index);
	mgmt_bitset_add(&peer->groups, group->index);
}

static void
affect_with_acl(MgmtAccount *a, const struct mgmt_peer *peer, struct mgmt_bitset *affected)
{
	if (affected == NULL)
		return;
	mgmt_account_acl_peers(a, peer, affected);
	mgmt_bitset_add(affected, peer->index);
}

void
mgmt_account_add_peer(MgmtAccount *a,
		      struct mgmt_peer *peer,
		      const GArray *groups,
		      struct mgmt_bitset *affected)
{
	mgmt_bitset_zero(&peer->groups);
	peer->index = place(a->peers, a->n_peers, peer);
	a->n_peers++;
	derive(peer);
	index_peer(a, peer);
	if (a->all != NULL)
		join(peer, a->all);
	for (guint i = 0; groups != NULL && i < groups->len; i++) {
		struct mgmt_group *g =
			mgmt_account_group(a, &g_array_index(groups, struct mgmt_id, i));

		if (g != NULL)
			join(peer, g);
	}
	mgmt_rules_peer_added(a, peer);
	affect_with_acl(a, peer, affected);
	if (is_old_dns(peer))
		count_old_dns(a, 1, affected);
}

void
mgmt_account_remove_peer(MgmtAccount *a, struct mgmt_peer *peer, struct mgmt_bitset *affected)
{
	affect_with_acl(a, peer, affected);
	if (is_old_dns(peer))
		count_old_dns(a, -1, affected);
	for (int64_t i = mgmt_bitset_next(&peer->groups, 0); i >= 0;
	     i = mgmt_bitset_next(&peer->groups, i + 1)) {
		struct mgmt_group *g = g_ptr_array_index(a->groups, (guint) i);

		mgmt_bitset_remove(&g->members, peer->index);
	}
	mgmt_rules_peer_removed(a, peer);
	unindex_peer(a, peer);
	if (affected != NULL)
		mgmt_bitset_remove(affected, peer->index);
	g_ptr_array_index(a->peers, peer->index) = NULL;
	a->n_peers--;
	mgmt_peer_free(peer);
}

/* A login brings a peer back that the others have as offline, even before it was marked expired. */
static bool
login_is_renewed(const struct mgmt_peer *a, const struct mgmt_peer *b)
{
	return b->user_id[0] != '\0' && b->login_expiration_enabled &&
	       a->last_login_us != b->last_login_us;
}

/* Fields that other peers see in their maps. */
static bool
others_see_a_change(const struct mgmt_peer *a, const struct mgmt_peer *b)
{
	return !weft_key_equal(&a->key, &b->key) || !weft_address_equal(&a->ip, &b->ip) ||
	       !weft_address_equal(&a->ip6, &b->ip6) || strcmp(a->dns_label, b->dns_label) != 0 ||
	       strcmp(a->ssh_key, b->ssh_key) != 0 ||
	       strcmp(a->meta.version, b->meta.version) != 0 ||
	       a->approval_required != b->approval_required ||
	       a->login_expired != b->login_expired || login_is_renewed(a, b) ||
	       a->login_expiration_enabled != b->login_expiration_enabled ||
	       a->has_v6_capability != b->has_v6_capability;
}

static bool
own_map_changes(const struct mgmt_peer *a, const struct mgmt_peer *b)
{
	return a->has_source_prefixes != b->has_source_prefixes || a->has_deltas != b->has_deltas ||
	       a->ssh_enabled != b->ssh_enabled ||
	       a->meta.server_ssh_allowed != b->meta.server_ssh_allowed ||
	       a->last_login_us != b->last_login_us;
}

void
mgmt_account_update_peer(MgmtAccount *a, struct mgmt_peer *peer, struct mgmt_bitset *affected)
{
	struct mgmt_peer *old = mgmt_account_peer(a, &peer->id);
	int old_dns_change;
	bool seen_by_others;

	g_return_if_fail(old != NULL && old != peer);
	derive(peer);
	seen_by_others = others_see_a_change(old, peer);
	peer->index = old->index;
	mgmt_bitset_copy(&peer->groups, &old->groups);
	old_dns_change = (int) is_old_dns(peer) - (int) is_old_dns(old);
	if (affected != NULL && own_map_changes(old, peer))
		mgmt_bitset_add(affected, peer->index);
	if (seen_by_others) {
		affect_with_acl(a, old, affected);
		mgmt_rules_peer_removed(a, old);
	}
	unindex_peer(a, old);
	g_ptr_array_index(a->peers, peer->index) = peer;
	index_peer(a, peer);
	if (seen_by_others) {
		mgmt_rules_peer_added(a, peer);
		affect_with_acl(a, peer, affected);
	}
	if (old_dns_change != 0)
		count_old_dns(a, old_dns_change, affected);
	mgmt_peer_free(old);
}

static void
set_members(MgmtAccount *a, struct mgmt_group *group, const GArray *peer_ids)
{
	for (int64_t i = mgmt_bitset_next(&group->members, 0); i >= 0;
	     i = mgmt_bitset_next(&group->members, i + 1)) {
		struct mgmt_peer *p = g_ptr_array_index(a->peers, (guint) i);

		mgmt_bitset_remove(&p->groups, group->index);
	}
	mgmt_bitset_zero(&group->members);
	for (guint i = 0; group->is_all && i < a->peers->len; i++)
		if (g_ptr_array_index(a->peers, i) != NULL)
			join(g_ptr_array_index(a->peers, i), group);
	for (guint i = 0; peer_ids != NULL && i < peer_ids->len; i++) {
		struct mgmt_peer *p =
			mgmt_account_peer(a, &g_array_index(peer_ids, struct mgmt_id, i));

		if (p != NULL)
			join(p, group);
	}
}

static bool
gives_v6(const MgmtAccount *a, const struct mgmt_group *group)
{
	const GArray *ids = a->row.settings.ipv6_groups;

	for (guint i = 0; ids != NULL && i < ids->len; i++)
		if (mgmt_id_equal(&g_array_index(ids, struct mgmt_id, i), &group->id))
			return true;
	return false;
}

/* The peers on which two sets differ, with everybody they are connected to: for a group that gives
 * IPv6 to its members. */
static void
affect_difference(MgmtAccount *a,
		  const struct mgmt_bitset *before,
		  const struct mgmt_bitset *now,
		  struct mgmt_bitset *affected)
{
	for (guint i = 0; affected != NULL && i < a->peers->len; i++) {
		const struct mgmt_peer *p = g_ptr_array_index(a->peers, i);

		if (p != NULL && mgmt_bitset_has(before, i) != mgmt_bitset_has(now, i))
			affect_with_acl(a, p, affected);
	}
}

/* Whose map differs when the members of a group go from @before to what they are now: if nobody
 * came or went, nobody; else the two sides of the rules that name the group. */
static void
affect_membership(MgmtAccount *a,
		  struct mgmt_group *group,
		  const struct mgmt_bitset *before,
		  struct mgmt_bitset *affected)
{
	if (mgmt_bitset_equal(before, &group->members))
		return;
	if (affected != NULL)
		mgmt_rules_group_peers(a, group, affected);
	mgmt_rules_group_changed(a, group);
	if (affected != NULL)
		mgmt_rules_group_peers(a, group, affected);
	if (gives_v6(a, group))
		affect_difference(a, before, &group->members, affected);
}

void
mgmt_account_put_group(MgmtAccount *a,
		       struct mgmt_group *group,
		       const GArray *peer_ids,
		       struct mgmt_bitset *affected)
{
	struct mgmt_group *old = mgmt_account_group(a, &group->id);
	struct mgmt_bitset before = { 0 };

	if (old != NULL) {
		g_hash_table_remove(a->index->groups_by_id, old->id.s);
		group->index = old->index;
		group->is_all = old->is_all;
		group->members = old->members;
		old->members = (struct mgmt_bitset){ 0 };
		g_ptr_array_index(a->groups, group->index) = group;
		mgmt_group_free(old);
		mgmt_bitset_copy(&before, &group->members);
	} else {
		mgmt_bitset_zero(&group->members);
		group->index = place(a->groups, g_hash_table_size(a->index->groups_by_id), group);
	}
	g_hash_table_insert(a->index->groups_by_id, group->id.s, group);
	if (group->is_all)
		a->all = group;
	set_members(a, group, peer_ids);
	if (old == NULL)
		mgmt_rules_rebuild(a); /* a rule may have named it before it was there (loading) */
	else
		affect_membership(a, group, &before, affected);
	mgmt_bitset_clear(&before);
}

void
mgmt_account_set_member(MgmtAccount *a,
			struct mgmt_group *group,
			struct mgmt_peer *peer,
			bool member,
			struct mgmt_bitset *affected)
{
	struct mgmt_bitset before = { 0 };

	mgmt_bitset_copy(&before, &group->members);
	if (member) {
		join(peer, group);
	} else {
		mgmt_bitset_remove(&group->members, peer->index);
		mgmt_bitset_remove(&peer->groups, group->index);
	}
	affect_membership(a, group, &before, affected);
	mgmt_bitset_clear(&before);
}

void
mgmt_account_remove_group(MgmtAccount *a, struct mgmt_group *group, struct mgmt_bitset *affected)
{
	if (affected != NULL)
		mgmt_rules_group_peers(a, group, affected);
	set_members(a, group, NULL);
	g_hash_table_remove(a->index->groups_by_id, group->id.s);
	g_ptr_array_index(a->groups, group->index) = NULL;
	mgmt_group_free(group);
	mgmt_rules_rebuild(a);
}

void
mgmt_account_put_policy(MgmtAccount *a, struct mgmt_policy *policy, struct mgmt_bitset *affected)
{
	struct mgmt_policy *old = mgmt_account_policy(a, &policy->id);
	guint at;

	if (old == NULL) {
		g_ptr_array_add(a->policies, policy);
	} else {
		if (affected != NULL)
			mgmt_rules_policy_peers(a, old, affected);
		g_hash_table_remove(a->index->policies_by_id, old->id.s);
		if (g_ptr_array_find(a->policies, old, &at))
			g_ptr_array_index(a->policies, at) = policy;
		mgmt_policy_free(old);
	}
	g_hash_table_insert(a->index->policies_by_id, policy->id.s, policy);
	mgmt_rules_rebuild(a);
	if (affected != NULL)
		mgmt_rules_policy_peers(a, policy, affected);
}

void
mgmt_account_remove_policy(MgmtAccount *a, struct mgmt_policy *policy, struct mgmt_bitset *affected)
{
	if (affected != NULL)
		mgmt_rules_policy_peers(a, policy, affected);
	g_hash_table_remove(a->index->policies_by_id, policy->id.s);
	mgmt_rules_clear(a);
	g_ptr_array_remove(a->policies, policy);
	mgmt_rules_rebuild(a);
}

void
mgmt_account_put_setup_key(MgmtAccount *a, struct mgmt_setup_key *key)
{
	struct mgmt_setup_key *old = mgmt_account_setup_key(a, &key->id);

	if (old != NULL) {
		g_hash_table_remove(a->index->setup_keys_by_id, old->id.s);
		g_hash_table_remove(a->index->model->setup_keys_by_hash, old->hash);
		g_ptr_array_remove(a->setup_keys, old);
	}
	g_ptr_array_add(a->setup_keys, key);
	g_hash_table_insert(a->index->setup_keys_by_id, key->id.s, key);
	g_hash_table_insert(a->index->model->setup_keys_by_hash, key->hash, key);
}

void
mgmt_account_put_token(MgmtAccount *a, struct mgmt_token *token)
{
	for (guint i = 0; i < a->tokens->len; i++) {
		struct mgmt_token *old = g_ptr_array_index(a->tokens, i);

		if (mgmt_id_equal(&old->id, &token->id)) {
			g_ptr_array_remove_index(a->tokens, i);
			break;
		}
	}
	g_ptr_array_add(a->tokens, token);
}

void
mgmt_account_remove_token(MgmtAccount *a, struct mgmt_token *token)
{
	g_ptr_array_remove(a->tokens, token);
}

static bool
ids_equal(const GArray *a, const GArray *b)
{
	guint n = a == NULL ? 0 : a->len;

	if (n != (b == NULL ? 0 : b->len))
		return false;
	for (guint i = 0; i < n; i++)
		if (!mgmt_id_equal(&g_array_index(a, struct mgmt_id, i),
				   &g_array_index(b, struct mgmt_id, i)))
			return false;
	return true;
}

/* The serial is part of the row but of nobody's map content. */
static bool
row_changes_maps(const struct mgmt_account_row *a, const struct mgmt_account_row *b)
{
	const struct mgmt_settings *x = &a->settings;
	const struct mgmt_settings *y = &b->settings;

	return !weft_prefix_equal(&a->net, &b->net) || !weft_prefix_equal(&a->net6, &b->net6) ||
	       strcmp(x->dns_domain, y->dns_domain) != 0 ||
	       x->lazy_connections != y->lazy_connections ||
	       x->login_expiration_enabled != y->login_expiration_enabled ||
	       x->login_expiration_us != y->login_expiration_us ||
	       x->ipv6_enabled != y->ipv6_enabled || !ids_equal(x->ipv6_groups, y->ipv6_groups) ||
	       x->routing_peer_dns != y->routing_peer_dns;
}

void
mgmt_account_set_row(MgmtAccount *a,
		     const struct mgmt_account_row *row,
		     struct mgmt_bitset *affected)
{
	bool changes = row_changes_maps(&a->row, row);
	bool new_net = !weft_prefix_equal(&a->row.net, &row->net);
	struct mgmt_account_row old = a->row;

	g_hash_table_remove(a->index->model->accounts_by_id, a->row.id.s);
	mgmt_account_row_copy(&a->row, row);
	mgmt_account_row_clear(&old);
	g_hash_table_insert(a->index->model->accounts_by_id, a->row.id.s, a);
	if (new_net) {
		mgmt_bitset_zero(&a->index->taken_ip);
		a->index->n_taken_ip = 0;
		for (guint i = 0; i < a->peers->len; i++) {
			const struct mgmt_peer *p = g_ptr_array_index(a->peers, i);

			if (p != NULL)
				mgmt_pool_take(a, &p->ip);
		}
	}
	if (changes)
		add_all_peers(a, affected);
}

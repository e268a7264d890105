/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules resolved to sets of peers, kept up to date by the smallest change. */
#include "mgmtd/model/internal.h"

static void
entry_free(void *p)
{
	struct mgmt_rule_entry *e = p;

	mgmt_bitset_clear(&e->compiled.sources);
	mgmt_bitset_clear(&e->compiled.destinations);
	mgmt_bitset_clear(&e->source_groups);
	mgmt_bitset_clear(&e->destination_groups);
	g_free(e);
}

/* Lists per peer are rebuilt when they are next asked for. */
static void
forget_lists(MgmtAccount *a)
{
	if (a->index->rules_of != NULL)
		g_ptr_array_set_size(a->index->rules_of, 0);
}

static void
list_free(void *p)
{
	if (p != NULL)
		g_ptr_array_unref(p);
}

void
mgmt_rules_clear(MgmtAccount *a)
{
	g_clear_pointer(&a->index->entries, g_ptr_array_unref);
	g_clear_pointer(&a->index->rules_of, g_ptr_array_unref);
}

static void
resolve_groups(const MgmtAccount *a, const GArray *ids, struct mgmt_bitset *ret)
{
	for (guint i = 0; ids != NULL && i < ids->len; i++) {
		struct mgmt_group *g =
			mgmt_account_group(a, &g_array_index(ids, struct mgmt_id, i));

		if (g != NULL)
			mgmt_bitset_add(ret, g->index);
	}
}

/* Peers of one side of a rule. */
static void
resolve_side(const MgmtAccount *a,
	     const struct mgmt_resource *resource,
	     const struct mgmt_bitset *groups,
	     struct mgmt_bitset *ret)
{
	mgmt_bitset_zero(ret);
	if (resource->type == MGMT_RESOURCE_PEER) {
		const struct mgmt_peer *p = mgmt_account_peer(a, &resource->id);

		if (p != NULL && !p->approval_required)
			mgmt_bitset_add(ret, p->index);
		return;
	}
	for (int64_t i = mgmt_bitset_next(groups, 0); i >= 0; i = mgmt_bitset_next(groups, i + 1)) {
		const struct mgmt_group *g = g_ptr_array_index(a->groups, (guint) i);

		mgmt_bitset_or(ret, &g->members);
	}
	for (int64_t i = mgmt_bitset_next(ret, 0); i >= 0; i = mgmt_bitset_next(ret, i + 1)) {
		const struct mgmt_peer *p = g_ptr_array_index(a->peers, (guint) i);

		if (p->approval_required)
			mgmt_bitset_remove(ret, (uint32_t) i);
	}
}

static void
resolve(MgmtAccount *a, struct mgmt_rule_entry *e)
{
	const struct mgmt_rule *r = e->compiled.rule;

	resolve_side(a, &r->source_resource, &e->source_groups, &e->compiled.sources);
	resolve_side(a, &r->destination_resource, &e->destination_groups,
		     &e->compiled.destinations);
}

static void
add_policy(MgmtAccount *a, const struct mgmt_policy *policy)
{
	for (guint i = 0; policy->enabled && i < policy->rules->len; i++) {
		const struct mgmt_rule *r = g_ptr_array_index(policy->rules, i);
		struct mgmt_rule_entry *e;

		if (!r->enabled)
			continue;
		e = g_new0(struct mgmt_rule_entry, 1);
		e->compiled.policy = policy;
		e->compiled.rule = r;
		if (r->source_resource.type == MGMT_RESOURCE_NONE)
			resolve_groups(a, r->sources, &e->source_groups);
		if (r->destination_resource.type == MGMT_RESOURCE_NONE)
			resolve_groups(a, r->destinations, &e->destination_groups);
		resolve(a, e);
		g_ptr_array_add(a->index->entries, e);
	}
}

void
mgmt_rules_rebuild(MgmtAccount *a)
{
	mgmt_rules_clear(a);
	a->index->entries = g_ptr_array_new_with_free_func(entry_free);
	a->index->rules_of = g_ptr_array_new_with_free_func(list_free);
	for (guint i = 0; i < a->policies->len; i++)
		add_policy(a, g_ptr_array_index(a->policies, i));
}

void
mgmt_rules_group_changed(MgmtAccount *a, const struct mgmt_group *group)
{
	for (guint i = 0; i < a->index->entries->len; i++) {
		struct mgmt_rule_entry *e = g_ptr_array_index(a->index->entries, i);

		if (mgmt_bitset_has(&e->source_groups, group->index) ||
		    mgmt_bitset_has(&e->destination_groups, group->index))
			resolve(a, e);
	}
	forget_lists(a);
}

static bool
side_names(const struct mgmt_resource *resource,
	   const struct mgmt_bitset *groups,
	   const struct mgmt_peer *peer)
{
	if (resource->type == MGMT_RESOURCE_PEER)
		return mgmt_id_equal(&resource->id, &peer->id);
	return mgmt_bitset_intersects(groups, &peer->groups);
}

void
mgmt_rules_peer_added(MgmtAccount *a, const struct mgmt_peer *peer)
{
	if (peer->approval_required)
		return;
	for (guint i = 0; i < a->index->entries->len; i++) {
		struct mgmt_rule_entry *e = g_ptr_array_index(a->index->entries, i);
		const struct mgmt_rule *r = e->compiled.rule;

		if (side_names(&r->source_resource, &e->source_groups, peer))
			mgmt_bitset_add(&e->compiled.sources, peer->index);
		if (side_names(&r->destination_resource, &e->destination_groups, peer))
			mgmt_bitset_add(&e->compiled.destinations, peer->index);
	}
	if (peer->index < a->index->rules_of->len)
		g_clear_pointer(&g_ptr_array_index(a->index->rules_of, peer->index), list_free);
}

void
mgmt_rules_peer_removed(MgmtAccount *a, const struct mgmt_peer *peer)
{
	for (guint i = 0; i < a->index->entries->len; i++) {
		struct mgmt_rule_entry *e = g_ptr_array_index(a->index->entries, i);

		mgmt_bitset_remove(&e->compiled.sources, peer->index);
		mgmt_bitset_remove(&e->compiled.destinations, peer->index);
	}
	if (peer->index < a->index->rules_of->len)
		g_clear_pointer(&g_ptr_array_index(a->index->rules_of, peer->index), list_free);
}

/* Adds the peers whose maps a rule shapes. One with an empty side connects nobody; but an SSH rule
 * also switches the server of its destinations on. */
static void
add_sides(const struct mgmt_rule_entry *e, struct mgmt_bitset *ret)
{
	const struct mgmt_compiled_rule *c = &e->compiled;
	bool connects =
		!mgmt_bitset_is_empty(&c->sources) && !mgmt_bitset_is_empty(&c->destinations);

	if (connects)
		mgmt_bitset_or(ret, &c->sources);
	if (connects || c->rule->protocol == MGMT_PROTOCOL_NETBIRD_SSH)
		mgmt_bitset_or(ret, &c->destinations);
}

void
mgmt_rules_policy_peers(MgmtAccount *a, const struct mgmt_policy *policy, struct mgmt_bitset *ret)
{
	for (guint i = 0; i < a->index->entries->len; i++) {
		const struct mgmt_rule_entry *e = g_ptr_array_index(a->index->entries, i);

		if (e->compiled.policy == policy)
			add_sides(e, ret);
	}
}

void
mgmt_rules_group_peers(MgmtAccount *a, const struct mgmt_group *group, struct mgmt_bitset *ret)
{
	for (guint i = 0; i < a->index->entries->len; i++) {
		const struct mgmt_rule_entry *e = g_ptr_array_index(a->index->entries, i);

		if (mgmt_bitset_has(&e->source_groups, group->index) ||
		    mgmt_bitset_has(&e->destination_groups, group->index))
			add_sides(e, ret);
	}
}

const GPtrArray *
mgmt_account_rules_of(MgmtAccount *a, const struct mgmt_peer *peer)
{
	GPtrArray *lists = a->index->rules_of;
	GPtrArray *list;

	if (peer->index >= lists->len)
		g_ptr_array_set_size(lists, (gint) MAX(a->peers->len, peer->index + 1));
	list = g_ptr_array_index(lists, peer->index);
	if (list != NULL)
		return list;
	list = g_ptr_array_new();
	for (guint i = 0; i < a->index->entries->len; i++) {
		struct mgmt_rule_entry *e = g_ptr_array_index(a->index->entries, i);

		if (mgmt_bitset_has(&e->compiled.sources, peer->index) ||
		    mgmt_bitset_has(&e->compiled.destinations, peer->index))
			g_ptr_array_add(list, &e->compiled);
	}
	g_ptr_array_index(lists, peer->index) = list;
	return list;
}

void
mgmt_account_acl_peers(MgmtAccount *a, const struct mgmt_peer *peer, struct mgmt_bitset *ret)
{
	const GPtrArray *rules = mgmt_account_rules_of(a, peer);
	bool had_self = mgmt_bitset_has(ret, peer->index);

	for (guint i = 0; i < rules->len; i++) {
		const struct mgmt_compiled_rule *r = g_ptr_array_index(rules, i);

		if (mgmt_bitset_has(&r->sources, peer->index))
			mgmt_bitset_or(ret, &r->destinations);
		if (mgmt_bitset_has(&r->destinations, peer->index))
			mgmt_bitset_or(ret, &r->sources);
	}
	if (!had_self)
		mgmt_bitset_remove(ret, peer->index);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/env.h"
#include "mgmtd/admin/limits.h"
#include "mgmtd/admin/op.h"

#include <string.h>

struct group_op {
	struct mgmt_op op;
	struct mgmt_id id;
	bool create;
	char *name;    /* NULL = keep */
	GArray *peers; /* of struct mgmt_id: wanted members; NULL = keep */
	GArray *added, *removed;
	struct mgmt_group *group; /* the row to be written */
};

static bool
contains(const GArray *ids, const struct mgmt_id *id)
{
	for (guint i = 0; i < ids->len; i++)
		if (mgmt_id_equal(&g_array_index(ids, struct mgmt_id, i), id))
			return true;
	return false;
}

static GArray *
ids_new(void)
{
	return g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
}

static GArray *
member_ids(const MgmtAccount *a, const struct mgmt_group *group)
{
	GArray *ids = ids_new();

	for (int64_t i = mgmt_bitset_next(&group->members, 0); i >= 0;
	     i = mgmt_bitset_next(&group->members, i + 1)) {
		const struct mgmt_peer *p = g_ptr_array_index(a->peers, (guint) i);

		g_array_append_val(ids, p->id);
	}
	return ids;
}

static bool
check_members(const MgmtAccount *a, const GArray *peers, GError **error)
{
	for (guint i = 0; i < peers->len; i++) {
		const struct mgmt_id *id = &g_array_index(peers, struct mgmt_id, i);

		if (mgmt_account_peer(a, id) == NULL) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no peer '%s'", id->s);
			return false;
		}
	}
	return true;
}

static bool
check_name(const MgmtAccount *a, const struct group_op *g, GError **error)
{
	const struct mgmt_group *other;

	if (g->name == NULL)
		return true;
	if (!mgmt_check_text("group name", g->name, MGMT_LIMIT_NAME, false, error))
		return false;
	other = mgmt_account_group_by_name(a, g->name);
	if (other != NULL && (g->create || !mgmt_id_equal(&other->id, &g->id))) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_EXISTS, "group '%s' exists already",
			    g->name);
		return false;
	}
	return true;
}

static struct mgmt_group *
find_changeable(const MgmtAccount *a, const struct mgmt_id *id, GError **error)
{
	struct mgmt_group *group = mgmt_account_group(a, id);

	if (group == NULL)
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no group '%s'", id->s);
	else if (group->is_all)
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_PRECONDITION,
			    "the group All holds every peer and cannot be changed");
	else
		return group;
	return NULL;
}

static void
compare_members(struct group_op *g, const GArray *before)
{
	for (guint i = 0; i < g->peers->len; i++) {
		const struct mgmt_id *id = &g_array_index(g->peers, struct mgmt_id, i);

		if (!contains(before, id) && !contains(g->added, id))
			g_array_append_val(g->added, *id);
	}
	for (guint i = 0; i < before->len; i++) {
		const struct mgmt_id *id = &g_array_index(before, struct mgmt_id, i);

		if (!contains(g->peers, id))
			g_array_append_val(g->removed, *id);
	}
}

static void
add_events(struct group_op *g)
{
	mgmt_op_event(&g->op, g->create ? MGMT_ACTIVITY_GROUP_CREATED : MGMT_ACTIVITY_GROUP_UPDATED,
		      &g->id, "name", g->group->name, NULL);
	for (guint i = 0; i < g->added->len; i++)
		mgmt_op_event(&g->op, MGMT_ACTIVITY_GROUP_ADDED_TO_PEER,
			      &g_array_index(g->added, struct mgmt_id, i), "group", g->group->name,
			      NULL);
	for (guint i = 0; i < g->removed->len; i++)
		mgmt_op_event(&g->op, MGMT_ACTIVITY_GROUP_REMOVED_FROM_PEER,
			      &g_array_index(g->removed, struct mgmt_id, i), "group",
			      g->group->name, NULL);
}

static bool
put_check(struct mgmt_op *op, GError **error)
{
	struct group_op *g = (struct group_op *) op;
	MgmtAccount *a = mgmt_op_account(op, error);
	struct mgmt_group *old = NULL;
	g_autoptr(GArray) before = NULL;

	if (a == NULL || !check_name(a, g, error))
		return false;
	if (!g->create && (old = find_changeable(a, &g->id, error)) == NULL)
		return false;
	if (g->create && a->groups->len >= MGMT_LIMIT_GROUPS) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_EXHAUSTED, "more than %u groups",
			    MGMT_LIMIT_GROUPS);
		return false;
	}
	before = old == NULL ? ids_new() : member_ids(a, old);
	if (g->peers == NULL)
		g->peers = g_array_ref(before);
	if (!check_members(a, g->peers, error))
		return false;
	compare_members(g, before);
	g->group = g_new0(struct mgmt_group, 1);
	g->group->id = g->id;
	g->group->account_id = a->row.id;
	g->group->created_us = old != NULL ? old->created_us : weft_env_wall_us(op->admin->env);
	g->group->name = g_strdup(g->name != NULL ? g->name : old->name);
	add_events(g);
	return true;
}

static bool
put_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	struct group_op *g = (struct group_op *) op;

	if (!mgmt_tx_put_group(tx, g->group, error))
		return false;
	for (guint i = 0; i < g->added->len; i++)
		if (!mgmt_tx_add_member(tx, &g->id, &g_array_index(g->added, struct mgmt_id, i),
					error))
			return false;
	for (guint i = 0; i < g->removed->len; i++)
		if (!mgmt_tx_remove_member(tx, &g->id,
					   &g_array_index(g->removed, struct mgmt_id, i), error))
			return false;
	return true;
}

static void
put_apply(struct mgmt_op *op)
{
	struct group_op *g = (struct group_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);
	struct mgmt_group *group = g_steal_pointer(&g->group);

	mgmt_account_put_group(a, group, g->peers, &op->affected);
	op->object = group;
	if (contains(a->row.settings.ipv6_groups, &g->id))
		op->admin->hooks.account_changed(op->admin->hooks.user, a);
}

static void
group_clear(struct mgmt_op *op)
{
	struct group_op *g = (struct group_op *) op;

	g_free(g->name);
	g_clear_pointer(&g->peers, g_array_unref);
	g_clear_pointer(&g->added, g_array_unref);
	g_clear_pointer(&g->removed, g_array_unref);
	mgmt_group_free(g->group);
}

static const struct mgmt_op_type put_type = {
	.name = "change group",
	.exclusive = true,
	.changes_maps = true,
	.check = put_check,
	.run = put_run,
	.apply = put_apply,
	.clear = group_clear,
};

void
mgmt_admin_put_group(MgmtAdmin *admin,
		     const struct mgmt_actor *actor,
		     const struct mgmt_id *account,
		     const struct mgmt_id *id,
		     const char *name,
		     const GArray *peers,
		     struct mgmt_reply reply)
{
	struct group_op *g = mgmt_op_new(admin, &put_type, sizeof *g, actor, account, reply);

	g->create = id == NULL;
	g->id = id == NULL ? mgmt_id_new(admin->env) : *id;
	g->name = g_strdup(id == NULL && name == NULL ? "" : name);
	if (peers != NULL) {
		g->peers = ids_new();
		g_array_append_vals(g->peers, peers->data, peers->len);
	}
	g->added = ids_new();
	g->removed = ids_new();
	mgmt_op_start(&g->op);
}

static bool
rule_names_group(const struct mgmt_rule *r, const struct mgmt_id *id)
{
	return contains(r->sources, id) || contains(r->destinations, id);
}

/* What still uses the group, as text for the refusal; NULL if nothing does. */
static char *
user_of_group(const MgmtAccount *a, const struct mgmt_id *id)
{
	for (guint i = 0; i < a->policies->len; i++) {
		const struct mgmt_policy *p = g_ptr_array_index(a->policies, i);

		for (guint j = 0; j < p->rules->len; j++)
			if (rule_names_group(g_ptr_array_index(p->rules, j), id))
				return g_strdup_printf("policy '%s'", p->name);
	}
	for (guint i = 0; i < a->setup_keys->len; i++) {
		const struct mgmt_setup_key *k = g_ptr_array_index(a->setup_keys, i);

		if (!k->revoked && contains(k->auto_groups, id))
			return g_strdup_printf("setup key '%s'", k->name);
	}
	if (contains(a->row.settings.ipv6_groups, id))
		return g_strdup("the IPv6 setting of the account");
	return NULL;
}

static bool
delete_check(struct mgmt_op *op, GError **error)
{
	struct group_op *g = (struct group_op *) op;
	MgmtAccount *a = mgmt_op_account(op, error);
	struct mgmt_group *group = a == NULL ? NULL : find_changeable(a, &g->id, error);
	g_autofree char *user = NULL;

	if (group == NULL)
		return false;
	user = user_of_group(a, &g->id);
	if (user != NULL) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_PRECONDITION, "group '%s' is used by %s",
			    group->name, user);
		return false;
	}
	mgmt_op_event(op, MGMT_ACTIVITY_GROUP_DELETED, &g->id, "name", group->name, NULL);
	return true;
}

static bool
delete_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	return mgmt_tx_delete_group(tx, &((struct group_op *) op)->id, error);
}

static void
delete_apply(struct mgmt_op *op)
{
	struct group_op *g = (struct group_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	mgmt_account_remove_group(a, mgmt_account_group(a, &g->id), &op->affected);
}

static const struct mgmt_op_type delete_type = {
	.name = "delete group",
	.exclusive = true,
	.changes_maps = true,
	.check = delete_check,
	.run = delete_run,
	.apply = delete_apply,
	.clear = group_clear,
};

void
mgmt_admin_delete_group(MgmtAdmin *admin,
			const struct mgmt_actor *actor,
			const struct mgmt_id *account,
			const struct mgmt_id *id,
			struct mgmt_reply reply)
{
	struct group_op *g = mgmt_op_new(admin, &delete_type, sizeof *g, actor, account, reply);

	g->id = *id;
	mgmt_op_start(&g->op);
}

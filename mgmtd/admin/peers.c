/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/env.h"
#include "mgmtd/admin/limits.h"
#include "mgmtd/admin/op.h"

#include <string.h>

struct peer_op {
	struct mgmt_op op;
	struct mgmt_id id;
	struct mgmt_peer *peer; /* a copy with the changes */
	unsigned fields;        /* enum mgmt_peer_field: what of it counts */
	/* Input of the operation, by type. */
	struct mgmt_meta meta;
	bool has_meta, login;
	char *ssh_key, *connection_ip, *name;
	GArray *groups; /* of struct mgmt_id: wanted besides All */
	GArray *added, *removed;
	char *reserved_label;
	struct weft_address reserved_ip6;
};

static void
peer_clear(struct mgmt_op *op)
{
	struct peer_op *p = (struct peer_op *) op;

	mgmt_peer_free(p->peer);
	if (p->has_meta)
		mgmt_meta_clear(&p->meta);
	g_free(p->ssh_key);
	g_free(p->connection_ip);
	g_free(p->name);
	g_free(p->reserved_label);
	g_clear_pointer(&p->groups, g_array_unref);
	g_clear_pointer(&p->added, g_array_unref);
	g_clear_pointer(&p->removed, g_array_unref);
}

/* The peer in the model, and the account through @ret_account. */
static struct mgmt_peer *
find_peer(struct peer_op *p, MgmtAccount **ret_account, GError **error)
{
	MgmtAccount *a = mgmt_op_account(&p->op, error);
	struct mgmt_peer *peer = a == NULL ? NULL : mgmt_account_peer(a, &p->id);

	if (a != NULL && peer == NULL)
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no peer '%s'", p->id.s);
	*ret_account = a;
	return peer;
}

static bool
update_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	const struct peer_op *p = (const struct peer_op *) op;

	return mgmt_tx_update_peer(tx, p->peer, p->fields, error);
}

static void
replace_text(char **text, const char *with)
{
	char *copy = g_strdup(with);

	g_free(*text);
	*text = copy;
}

/* Carries the changed fields over to @to: it may have changed otherwise since the copy was made. */
static void
merge(struct mgmt_peer *to, const struct mgmt_peer *from, unsigned fields)
{
	if (fields & MGMT_PEER_NAME) {
		replace_text(&to->name, from->name);
		replace_text(&to->dns_label, from->dns_label);
	}
	if (fields & MGMT_PEER_APPROVAL)
		to->approval_required = from->approval_required;
	if (fields & MGMT_PEER_REPORT) {
		mgmt_meta_clear(&to->meta);
		mgmt_meta_copy(&to->meta, &from->meta);
		replace_text(&to->ssh_key, from->ssh_key);
		replace_text(&to->connection_ip, from->connection_ip);
		to->last_login_us = from->last_login_us;
		to->ip6 = from->ip6;
	}
}

static void
update_apply(struct mgmt_op *op)
{
	struct peer_op *p = (struct peer_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);
	const struct mgmt_peer *now = a == NULL ? NULL : mgmt_account_peer(a, &p->id);
	struct mgmt_peer *peer;

	if (now == NULL)
		return; /* deleted while the report was on its way */
	peer = mgmt_peer_copy(now);
	merge(peer, p->peer, p->fields);
	mgmt_account_update_peer(a, peer, &op->affected);
	op->object = peer;
	op->admin->hooks.peer_changed(op->admin->hooks.user, a, peer);
}

static void
release_reservations(struct mgmt_op *op)
{
	struct peer_op *p = (struct peer_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	if (a != NULL && p->reserved_label != NULL)
		mgmt_account_release_label(a, p->reserved_label);
	if (a != NULL && p->reserved_ip6.family == WEFT_FAMILY_IPV6)
		mgmt_account_release_ip6(a, &p->reserved_ip6);
}

static bool
report_check(struct mgmt_op *op, GError **error)
{
	struct peer_op *p = (struct peer_op *) op;
	MgmtAccount *a;
	struct mgmt_peer *peer = find_peer(p, &a, error);
	bool same;

	if (peer == NULL)
		return false;
	same = (!p->has_meta || mgmt_meta_equal(&peer->meta, &p->meta)) &&
	       (p->ssh_key == NULL || strcmp(peer->ssh_key, p->ssh_key) == 0) &&
	       (p->connection_ip == NULL || strcmp(peer->connection_ip, p->connection_ip) == 0);
	/* The first login after a while is worth a write for its time; each of a storm is not. */
	if (same && (!p->login || weft_env_wall_us(op->admin->env) - peer->last_login_us <
					  60 * G_USEC_PER_SEC)) {
		op->nothing_to_do = true;
		op->object = peer;
		return true;
	}
	p->peer = mgmt_peer_copy(peer);
	p->fields = MGMT_PEER_REPORT;
	if (p->has_meta) {
		mgmt_meta_clear(&p->peer->meta);
		mgmt_meta_copy(&p->peer->meta, &p->meta);
	}
	if (p->ssh_key != NULL)
		replace_text(&p->peer->ssh_key, p->ssh_key);
	if (p->connection_ip != NULL)
		replace_text(&p->peer->connection_ip, p->connection_ip);
	if (p->login && peer->user_id[0] == '\0')
		p->peer->last_login_us = weft_env_wall_us(op->admin->env);
	/* A client that learns IPv6 by an upgrade gets its address now. */
	if (p->peer->ip6.family == WEFT_FAMILY_NONE &&
	    mgmt_meta_has_capability(&p->peer->meta, 2) &&
	    mgmt_account_reserve_ip6(a, op->admin->env, &p->reserved_ip6)) {
		p->peer->ip6 = p->reserved_ip6;
		op->reserved = true;
	}
	return true;
}

static const struct mgmt_op_type report_type = {
	.name = "update peer",
	.changes_maps = true,
	.check = report_check,
	.run = update_run,
	.apply = update_apply,
	.release = release_reservations,
	.clear = peer_clear,
};

void
mgmt_admin_peer_report(MgmtAdmin *admin,
		       const struct mgmt_id *account,
		       const struct mgmt_id *peer,
		       const struct mgmt_meta *meta,
		       const char *ssh_key,
		       const char *connection_ip,
		       bool login,
		       struct mgmt_reply reply)
{
	static const struct mgmt_actor self = { .kind = MGMT_INITIATOR_SYSTEM,
						.may_write = true,
						.id = "sys" };
	struct peer_op *p = mgmt_op_new(admin, &report_type, sizeof *p, &self, account, reply);

	p->id = *peer;
	if (meta != NULL) {
		mgmt_meta_copy(&p->meta, meta);
		p->has_meta = true;
	}
	p->ssh_key = g_strdup(ssh_key);
	p->connection_ip = g_strdup(connection_ip);
	p->login = login;
	mgmt_op_start(&p->op);
}

static bool
rename_check(struct mgmt_op *op, GError **error)
{
	struct peer_op *p = (struct peer_op *) op;
	MgmtAccount *a;
	struct mgmt_peer *peer = find_peer(p, &a, error);

	if (peer == NULL || !mgmt_check_text("peer name", p->name, MGMT_LIMIT_NAME, false, error))
		return false;
	if (strcmp(peer->name, p->name) == 0) {
		op->nothing_to_do = true;
		op->object = peer;
		return true;
	}
	p->peer = mgmt_peer_copy(peer);
	p->fields = MGMT_PEER_NAME;
	replace_text(&p->peer->name, p->name);
	p->reserved_label = mgmt_account_reserve_new_label(a, peer, p->name);
	if (p->reserved_label != NULL) {
		replace_text(&p->peer->dns_label, p->reserved_label);
		op->reserved = true;
	}
	mgmt_op_event(op, MGMT_ACTIVITY_PEER_RENAMED, &p->id, "old_name", peer->name, "name",
		      p->name, NULL);
	return true;
}

static const struct mgmt_op_type rename_type = {
	.name = "rename peer",
	.exclusive = true,
	.changes_maps = true,
	.check = rename_check,
	.run = update_run,
	.apply = update_apply,
	.release = release_reservations,
	.clear = peer_clear,
};

void
mgmt_admin_rename_peer(MgmtAdmin *admin,
		       const struct mgmt_actor *actor,
		       const struct mgmt_id *account,
		       const struct mgmt_id *peer,
		       const char *name,
		       struct mgmt_reply reply)
{
	struct peer_op *p = mgmt_op_new(admin, &rename_type, sizeof *p, actor, account, reply);

	p->id = *peer;
	p->name = g_strdup(name);
	mgmt_op_start(&p->op);
}

static bool
approve_check(struct mgmt_op *op, GError **error)
{
	struct peer_op *p = (struct peer_op *) op;
	MgmtAccount *a;
	struct mgmt_peer *peer = find_peer(p, &a, error);

	if (peer == NULL)
		return false;
	if (!peer->approval_required) {
		op->nothing_to_do = true;
		op->object = peer;
		return true;
	}
	p->peer = mgmt_peer_copy(peer);
	p->fields = MGMT_PEER_APPROVAL;
	p->peer->approval_required = false;
	mgmt_op_event(op, MGMT_ACTIVITY_PEER_APPROVED, &p->id, "name", peer->name, NULL);
	return true;
}

static const struct mgmt_op_type approve_type = {
	.name = "approve peer",
	.exclusive = true,
	.changes_maps = true,
	.check = approve_check,
	.run = update_run,
	.apply = update_apply,
	.clear = peer_clear,
};

void
mgmt_admin_approve_peer(MgmtAdmin *admin,
			const struct mgmt_actor *actor,
			const struct mgmt_id *account,
			const struct mgmt_id *peer,
			struct mgmt_reply reply)
{
	struct peer_op *p = mgmt_op_new(admin, &approve_type, sizeof *p, actor, account, reply);

	p->id = *peer;
	mgmt_op_start(&p->op);
}

static bool
has_id(const GArray *ids, const struct mgmt_id *id)
{
	for (guint i = 0; i < ids->len; i++)
		if (mgmt_id_equal(&g_array_index(ids, struct mgmt_id, i), id))
			return true;
	return false;
}

static bool
move_check(struct mgmt_op *op, GError **error)
{
	struct peer_op *p = (struct peer_op *) op;
	MgmtAccount *a;
	struct mgmt_peer *peer = find_peer(p, &a, error);

	if (peer == NULL)
		return false;
	for (guint i = 0; i < p->groups->len; i++) {
		const struct mgmt_id *id = &g_array_index(p->groups, struct mgmt_id, i);
		const struct mgmt_group *g = mgmt_account_group(a, id);

		if (g == NULL) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no group '%s'",
				    id->s);
			return false;
		}
		if (!g->is_all && !mgmt_bitset_has(&peer->groups, g->index) &&
		    !has_id(p->added, id)) {
			g_array_append_val(p->added, *id);
			mgmt_op_event(op, MGMT_ACTIVITY_GROUP_ADDED_TO_PEER, &p->id, "group",
				      g->name, NULL);
		}
	}
	for (guint i = 0; i < a->groups->len; i++) {
		const struct mgmt_group *g = g_ptr_array_index(a->groups, i);

		if (g == NULL || g->is_all || !mgmt_bitset_has(&peer->groups, i) ||
		    has_id(p->groups, &g->id))
			continue;
		g_array_append_val(p->removed, g->id);
		mgmt_op_event(op, MGMT_ACTIVITY_GROUP_REMOVED_FROM_PEER, &p->id, "group", g->name,
			      NULL);
	}
	op->object = peer;
	op->nothing_to_do = p->added->len == 0 && p->removed->len == 0;
	return true;
}

static bool
move_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	struct peer_op *p = (struct peer_op *) op;

	for (guint i = 0; i < p->added->len; i++)
		if (!mgmt_tx_add_member(tx, &g_array_index(p->added, struct mgmt_id, i), &p->id,
					error))
			return false;
	for (guint i = 0; i < p->removed->len; i++)
		if (!mgmt_tx_remove_member(tx, &g_array_index(p->removed, struct mgmt_id, i),
					   &p->id, error))
			return false;
	return true;
}

/* Gives @group the members it has, with or without one peer. */
static void
change_membership(struct peer_op *p, const struct mgmt_id *group_id, bool member)
{
	MgmtAccount *a = mgmt_model_account(p->op.admin->model, &p->op.account_id);
	struct mgmt_group *g = mgmt_account_group(a, group_id);
	struct mgmt_peer *peer = mgmt_account_peer(a, &p->id);

	if (g != NULL && peer != NULL)
		mgmt_account_set_member(a, g, peer, member, &p->op.affected);
}

static void
move_apply(struct mgmt_op *op)
{
	struct peer_op *p = (struct peer_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	for (guint i = 0; i < p->added->len; i++)
		change_membership(p, &g_array_index(p->added, struct mgmt_id, i), true);
	for (guint i = 0; i < p->removed->len; i++)
		change_membership(p, &g_array_index(p->removed, struct mgmt_id, i), false);
	op->object = mgmt_account_peer(a, &p->id);
	if (op->object != NULL)
		op->admin->hooks.peer_changed(op->admin->hooks.user, a, op->object);
}

static const struct mgmt_op_type move_type = {
	.name = "move peer",
	.exclusive = true,
	.changes_maps = true,
	.check = move_check,
	.run = move_run,
	.apply = move_apply,
	.clear = peer_clear,
};

void
mgmt_admin_move_peer(MgmtAdmin *admin,
		     const struct mgmt_actor *actor,
		     const struct mgmt_id *account,
		     const struct mgmt_id *peer,
		     const GArray *groups,
		     struct mgmt_reply reply)
{
	struct peer_op *p = mgmt_op_new(admin, &move_type, sizeof *p, actor, account, reply);

	p->id = *peer;
	p->groups = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	p->added = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	p->removed = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	g_array_append_vals(p->groups, groups->data, groups->len);
	mgmt_op_start(&p->op);
}

/* Policies whose rules name the peer itself go with it (management.md 4 "Deletion"). */
static bool
policy_names_peer(const struct mgmt_policy *policy, const struct mgmt_id *peer)
{
	for (guint i = 0; i < policy->rules->len; i++) {
		const struct mgmt_rule *r = g_ptr_array_index(policy->rules, i);

		if ((r->source_resource.type == MGMT_RESOURCE_PEER &&
		     mgmt_id_equal(&r->source_resource.id, peer)) ||
		    (r->destination_resource.type == MGMT_RESOURCE_PEER &&
		     mgmt_id_equal(&r->destination_resource.id, peer)))
			return true;
	}
	return false;
}

static bool
delete_check(struct mgmt_op *op, GError **error)
{
	struct peer_op *p = (struct peer_op *) op;
	char text[WEFT_ADDRESS_TEXT_SIZE];
	MgmtAccount *a;
	struct mgmt_peer *peer = find_peer(p, &a, error);

	if (peer == NULL)
		return false;
	for (guint i = 0; i < a->policies->len; i++) {
		const struct mgmt_policy *policy = g_ptr_array_index(a->policies, i);

		if (!policy_names_peer(policy, &p->id))
			continue;
		g_array_append_val(p->removed, policy->id);
		mgmt_op_event(op, MGMT_ACTIVITY_POLICY_REMOVED, &policy->id, "name", policy->name,
			      NULL);
	}
	mgmt_op_event(op, MGMT_ACTIVITY_PEER_REMOVED, &p->id, "name", peer->name, "fqdn",
		      peer->dns_label, "ip", weft_address_format(&peer->ip, text), NULL);
	return true;
}

static bool
delete_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	struct peer_op *p = (struct peer_op *) op;

	for (guint i = 0; i < p->removed->len; i++)
		if (!mgmt_tx_delete_policy(tx, &g_array_index(p->removed, struct mgmt_id, i),
					   error))
			return false;
	return mgmt_tx_delete_peer(tx, &p->id, error);
}

static void
delete_apply(struct mgmt_op *op)
{
	struct peer_op *p = (struct peer_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);
	struct mgmt_peer *peer = mgmt_account_peer(a, &p->id);

	for (guint i = 0; i < p->removed->len; i++) {
		struct mgmt_policy *policy =
			mgmt_account_policy(a, &g_array_index(p->removed, struct mgmt_id, i));

		if (policy != NULL)
			mgmt_account_remove_policy(a, policy, &op->affected);
	}
	if (peer == NULL)
		return;
	a->row.serial = MAX(a->row.serial, op->serial);
	g_hash_table_remove(op->admin->status, peer->id.s);
	op->admin->hooks.peer_leaving(op->admin->hooks.user, a, peer);
	mgmt_account_remove_peer(a, peer, &op->affected);
}

static const struct mgmt_op_type delete_type = {
	.name = "delete peer",
	.exclusive = true,
	.changes_maps = true,
	.check = delete_check,
	.run = delete_run,
	.apply = delete_apply,
	.clear = peer_clear,
};

void
mgmt_admin_delete_peer(MgmtAdmin *admin,
		       const struct mgmt_actor *actor,
		       const struct mgmt_id *account,
		       const struct mgmt_id *peer,
		       struct mgmt_reply reply)
{
	struct peer_op *p = mgmt_op_new(admin, &delete_type, sizeof *p, actor, account, reply);

	p->id = *peer;
	p->removed = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	mgmt_op_start(&p->op);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/env.h"
#include "mgmtd/admin/limits.h"
#include "mgmtd/admin/op.h"

#include <string.h>

struct policy_op {
	struct mgmt_op op;
	struct mgmt_policy *policy; /* to be written; NULL at deletion */
	struct mgmt_id id;
	bool create;
};

static bool
check_side(const MgmtAccount *a,
	   const char *side,
	   const struct mgmt_resource *resource,
	   const GArray *groups,
	   GError **error)
{
	if (resource->type != MGMT_RESOURCE_NONE) {
		if (resource->type == MGMT_RESOURCE_PEER && mgmt_account_peer(a, &resource->id))
			return true;
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "%s: no %s '%s'", side,
			    mgmt_resource_type_name(resource->type), resource->id.s);
		return false;
	}
	if (groups->len == 0 || groups->len > MGMT_LIMIT_RULE_GROUPS) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
			    "%s: a rule needs 1 to %u groups, or a peer, not %u groups", side,
			    MGMT_LIMIT_RULE_GROUPS, groups->len);
		return false;
	}
	for (guint i = 0; i < groups->len; i++) {
		const struct mgmt_id *id = &g_array_index(groups, struct mgmt_id, i);

		if (mgmt_account_group(a, id) == NULL) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "%s: no group '%s'",
				    side, id->s);
			return false;
		}
	}
	return true;
}

static bool
check_ports(const struct mgmt_rule *r, GError **error)
{
	bool has_ports = r->protocol == MGMT_PROTOCOL_TCP || r->protocol == MGMT_PROTOCOL_UDP ||
			 r->protocol == MGMT_PROTOCOL_NETBIRD_SSH;

	if (r->ports->len + r->port_ranges->len > MGMT_LIMIT_PORTS) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID, "more than %u ports and ranges",
			    MGMT_LIMIT_PORTS);
		return false;
	}
	if (!has_ports && r->ports->len + r->port_ranges->len > 0) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
			    "protocol '%s' has no ports: use tcp or udp",
			    mgmt_protocol_name(r->protocol));
		return false;
	}
	for (guint i = 0; i < r->ports->len; i++) {
		if (g_array_index(r->ports, uint16_t, i) == 0) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID, "port 0 does not exist");
			return false;
		}
	}
	for (guint i = 0; i < r->port_ranges->len; i++) {
		struct mgmt_port_range range =
			g_array_index(r->port_ranges, struct mgmt_port_range, i);

		if (range.start == 0 || range.start > range.end) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
				    "port range %u-%u is empty or begins at 0", range.start,
				    range.end);
			return false;
		}
	}
	return true;
}

static bool
check_rule(const MgmtAccount *a, const struct mgmt_rule *r, GError **error)
{
	return mgmt_check_text("rule name", r->name, MGMT_LIMIT_NAME, true, error) &&
	       mgmt_check_text("rule description", r->description, MGMT_LIMIT_DESCRIPTION, true,
			       error) &&
	       check_side(a, "sources", &r->source_resource, r->sources, error) &&
	       check_side(a, "destinations", &r->destination_resource, r->destinations, error) &&
	       check_ports(r, error);
}

static bool
check_policy(const MgmtAccount *a, const struct policy_op *p, GError **error)
{
	const struct mgmt_policy *policy = p->policy;

	if (!mgmt_check_text("policy name", policy->name, MGMT_LIMIT_NAME, false, error) ||
	    !mgmt_check_text("policy description", policy->description, MGMT_LIMIT_DESCRIPTION,
			     true, error))
		return false;
	if (policy->rules->len == 0 || policy->rules->len > MGMT_LIMIT_RULES) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
			    "a policy has 1 to %u rules, not %u", MGMT_LIMIT_RULES,
			    policy->rules->len);
		return false;
	}
	for (guint i = 0; i < policy->rules->len; i++) {
		if (!check_rule(a, g_ptr_array_index(policy->rules, i), error)) {
			g_prefix_error(error, "rule %u: ", i + 1);
			return false;
		}
	}
	for (guint i = 0; i < a->policies->len; i++) {
		const struct mgmt_policy *other = g_ptr_array_index(a->policies, i);

		if (strcmp(other->name, policy->name) == 0 &&
		    !mgmt_id_equal(&other->id, &policy->id)) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_EXISTS,
				    "policy '%s' exists already", policy->name);
			return false;
		}
	}
	return true;
}

static bool
put_check(struct mgmt_op *op, GError **error)
{
	struct policy_op *p = (struct policy_op *) op;
	MgmtAccount *a = mgmt_op_account(op, error);
	const struct mgmt_policy *old;

	if (a == NULL || !check_policy(a, p, error))
		return false;
	old = mgmt_account_policy(a, &p->id);
	if (!p->create && old == NULL) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no policy '%s'", p->id.s);
		return false;
	}
	if (p->create && a->policies->len >= MGMT_LIMIT_POLICIES) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_EXHAUSTED, "more than %u policies",
			    MGMT_LIMIT_POLICIES);
		return false;
	}
	p->policy->account_id = a->row.id;
	p->policy->created_us = old != NULL ? old->created_us : weft_env_wall_us(op->admin->env);
	mgmt_op_event(op, p->create ? MGMT_ACTIVITY_POLICY_ADDED : MGMT_ACTIVITY_POLICY_UPDATED,
		      &p->id, "name", p->policy->name, NULL);
	return true;
}

static bool
put_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	return mgmt_tx_put_policy(tx, ((struct policy_op *) op)->policy, error);
}

static void
put_apply(struct mgmt_op *op)
{
	struct policy_op *p = (struct policy_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);
	struct mgmt_policy *policy = g_steal_pointer(&p->policy);

	mgmt_account_put_policy(a, policy, &op->affected);
	op->object = policy;
}

static void
policy_clear(struct mgmt_op *op)
{
	mgmt_policy_free(((struct policy_op *) op)->policy);
}

static const struct mgmt_op_type put_type = {
	.name = "change policy",
	.exclusive = true,
	.changes_maps = true,
	.check = put_check,
	.run = put_run,
	.apply = put_apply,
	.clear = policy_clear,
};

void
mgmt_admin_put_policy(MgmtAdmin *admin,
		      const struct mgmt_actor *actor,
		      const struct mgmt_id *account,
		      const struct mgmt_policy *policy,
		      struct mgmt_reply reply)
{
	struct policy_op *p = mgmt_op_new(admin, &put_type, sizeof *p, actor, account, reply);

	p->policy = mgmt_policy_copy(policy);
	p->create = mgmt_id_is_none(&policy->id);
	if (p->create)
		p->policy->id = mgmt_id_new(admin->env);
	p->id = p->policy->id;
	for (guint i = 0; i < p->policy->rules->len; i++) {
		struct mgmt_rule *r = g_ptr_array_index(p->policy->rules, i);

		if (mgmt_id_is_none(&r->id))
			r->id = mgmt_id_new(admin->env);
		r->policy_id = p->id;
	}
	mgmt_op_start(&p->op);
}

static bool
delete_check(struct mgmt_op *op, GError **error)
{
	struct policy_op *p = (struct policy_op *) op;
	MgmtAccount *a = mgmt_op_account(op, error);
	const struct mgmt_policy *policy = a == NULL ? NULL : mgmt_account_policy(a, &p->id);

	if (a != NULL && policy == NULL)
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no policy '%s'", p->id.s);
	if (policy == NULL)
		return false;
	mgmt_op_event(op, MGMT_ACTIVITY_POLICY_REMOVED, &p->id, "name", policy->name, NULL);
	return true;
}

static bool
delete_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	return mgmt_tx_delete_policy(tx, &((struct policy_op *) op)->id, error);
}

static void
delete_apply(struct mgmt_op *op)
{
	struct policy_op *p = (struct policy_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	mgmt_account_remove_policy(a, mgmt_account_policy(a, &p->id), &op->affected);
}

static const struct mgmt_op_type delete_type = {
	.name = "delete policy",
	.exclusive = true,
	.changes_maps = true,
	.check = delete_check,
	.run = delete_run,
	.apply = delete_apply,
	.clear = policy_clear,
};

void
mgmt_admin_delete_policy(MgmtAdmin *admin,
			 const struct mgmt_actor *actor,
			 const struct mgmt_id *account,
			 const struct mgmt_id *id,
			 struct mgmt_reply reply)
{
	struct policy_op *p = mgmt_op_new(admin, &delete_type, sizeof *p, actor, account, reply);

	p->id = *id;
	mgmt_op_start(&p->op);
}

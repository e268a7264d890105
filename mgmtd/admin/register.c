/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine joins with a setup key. */
#include "base/env.h"
#include "mgmtd/admin/op.h"

#include <string.h>

struct register_op {
	struct mgmt_op op;
	char *setup_key_hash;
	struct mgmt_peer *peer;
	struct mgmt_id setup_key_id;
	GArray *groups; /* of struct mgmt_id */
	unsigned n_dns_labels;
	int64_t used; /* of the key, afterwards */
};

static bool
refuse_key(GError **error)
{
	/* One answer for unknown, revoked, expired and used-up keys. */
	g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND,
		    "couldn't add peer: setup key is invalid");
	return false;
}

static bool
key_is_valid(const struct mgmt_setup_key *key, int64_t now_us)
{
	return !key->revoked && (key->expires_us == 0 || key->expires_us > now_us) &&
	       (key->usage_limit == 0 || key->used_times < key->usage_limit);
}

static bool
check(struct mgmt_op *op, GError **error)
{
	struct register_op *r = (struct register_op *) op;
	struct mgmt_peer *peer = r->peer;
	struct mgmt_setup_key *key =
		mgmt_model_setup_key_by_hash(op->admin->model, r->setup_key_hash);
	int64_t now_us = weft_env_wall_us(op->admin->env);
	MgmtAccount *a;

	if (mgmt_model_peer_by_key(op->admin->model, &peer->key) != NULL ||
	    g_hash_table_contains(op->admin->registering, &peer->key)) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_PRECONDITION,
			    "couldn't add peer: peer has been already registered");
		return false;
	}
	if (key == NULL || !key_is_valid(key, now_us))
		return refuse_key(error);
	op->account_id = peer->account_id = key->account_id;
	a = mgmt_op_account(op, error);
	if (a == NULL)
		return false;
	if (r->n_dns_labels > 0 && !key->allow_extra_dns_labels) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_PRECONDITION,
			    "couldn't add peer: setup key doesn't allow extra DNS labels");
		return false;
	}
	g_strlcpy(op->actor.id, key->id.s, sizeof op->actor.id);
	op->actor.kind = MGMT_INITIATOR_SETUP_KEY;
	r->setup_key_id = key->id;
	g_array_append_vals(r->groups, key->auto_groups->data, key->auto_groups->len);
	peer->ephemeral = key->ephemeral;
	peer->allow_extra_dns_labels = key->allow_extra_dns_labels;
	peer->approval_required = a->row.settings.peer_approval;
	peer->created_us = peer->last_login_us = peer->last_seen_us = now_us;
	if (!mgmt_account_reserve_ip(a, op->admin->env, &peer->ip)) {
		char text[WEFT_PREFIX_TEXT_SIZE];

		g_set_error(error, MGMT_ERROR, MGMT_ERROR_EXHAUSTED,
			    "couldn't add peer: every address of %s is taken",
			    weft_prefix_format(&a->row.net, text));
		return false;
	}
	op->reserved = true;
	peer->dns_label = mgmt_account_reserve_label(a, peer->meta.hostname, &peer->ip);
	/* Every peer that can holds one; settings and groups decide whether it is used. */
	if (mgmt_meta_has_capability(&peer->meta, 2))
		(void) mgmt_account_reserve_ip6(a, op->admin->env, &peer->ip6); /* or none */
	g_hash_table_add(op->admin->registering, g_memdup2(&peer->key, sizeof peer->key));
	mgmt_op_event(op, MGMT_ACTIVITY_PEER_ADDED_BY_SETUP_KEY, &peer->id, "name", peer->name,
		      "fqdn", peer->dns_label, "setup_key_name", key->name, NULL);
	return true;
}

static bool
run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	struct register_op *r = (struct register_op *) op;

	if (!mgmt_tx_use_setup_key(tx, &r->setup_key_id, r->peer->created_us, &r->used, error)) {
		if (error != NULL &&
		    g_error_matches(*error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_REFUSED)) {
			g_clear_error(error);
			return refuse_key(error);
		}
		return false;
	}
	if (!mgmt_tx_insert_peer(tx, r->peer, error))
		return false;
	for (guint i = 0; i < r->groups->len; i++)
		if (!mgmt_tx_add_member(tx, &g_array_index(r->groups, struct mgmt_id, i),
					&r->peer->id, error))
			return false;
	return true;
}

static void
apply(struct mgmt_op *op)
{
	struct register_op *r = (struct register_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);
	struct mgmt_setup_key *key = mgmt_account_setup_key(a, &r->setup_key_id);
	struct mgmt_peer *peer = g_steal_pointer(&r->peer);

	g_hash_table_remove(op->admin->registering, &peer->key);
	if (key != NULL) {
		key->used_times = MAX(key->used_times, r->used);
		key->last_used_us = peer->created_us;
	}
	mgmt_account_add_peer(a, peer, r->groups, &op->affected);
	op->object = peer;
	op->admin->hooks.peer_changed(op->admin->hooks.user, a, peer);
}

static void
release(struct mgmt_op *op)
{
	struct register_op *r = (struct register_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	g_hash_table_remove(op->admin->registering, &r->peer->key);
	if (a == NULL)
		return;
	mgmt_account_release_ip(a, &r->peer->ip);
	mgmt_account_release_label(a, r->peer->dns_label);
	if (r->peer->ip6.family == WEFT_FAMILY_IPV6)
		mgmt_account_release_ip6(a, &r->peer->ip6);
}

static void
clear(struct mgmt_op *op)
{
	struct register_op *r = (struct register_op *) op;

	g_free(r->setup_key_hash);
	mgmt_peer_free(r->peer);
	g_array_unref(r->groups);
}

static const struct mgmt_op_type register_type = {
	.name = "register peer",
	.changes_maps = true,
	.check = check,
	.run = run,
	.apply = apply,
	.release = release,
	.clear = clear,
};

void
mgmt_admin_register(MgmtAdmin *admin,
		    const struct mgmt_register_request *request,
		    struct mgmt_reply reply)
{
	static const struct mgmt_actor joiner = { .kind = MGMT_INITIATOR_SETUP_KEY,
						  .may_write = true };
	struct register_op *r = mgmt_op_new(admin, &register_type, sizeof *r, &joiner, NULL, reply);
	struct mgmt_peer *peer = g_new0(struct mgmt_peer, 1);

	peer->id = mgmt_id_new(admin->env);
	peer->key = request->key;
	peer->key_text = weft_key_to_text(&request->key);
	peer->name =
		g_strdup(request->meta->hostname[0] == '\0' ? "peer" : request->meta->hostname);
	peer->user_id = g_strdup("");
	peer->ssh_key = g_strdup(request->ssh_key);
	peer->connection_ip = g_strdup(request->connection_ip);
	mgmt_meta_copy(&peer->meta, request->meta);
	r->peer = peer;
	r->setup_key_hash = mgmt_setup_key_hash(request->setup_key);
	r->n_dns_labels = request->n_dns_labels;
	r->groups = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	mgmt_op_start(&r->op);
}

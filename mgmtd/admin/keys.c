/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Setup keys and administrators' tokens. */
#include "base/env.h"
#include "mgmtd/admin/limits.h"
#include "mgmtd/admin/op.h"
#include "mgmtd/admin/secret.h"

#include <string.h>

struct key_op {
	struct mgmt_op op;
	struct mgmt_id id;
	struct mgmt_setup_key *key; /* to be written, or NULL */
	struct mgmt_token *token;   /* likewise */
	char *name;
	char secret[MAX(MGMT_SETUP_KEY_SIZE, MGMT_TOKEN_SIZE)];
	struct mgmt_secret_result result;
};

static void
key_clear(struct mgmt_op *op)
{
	struct key_op *k = (struct key_op *) op;

	mgmt_setup_key_free(k->key);
	mgmt_token_free(k->token);
	g_free(k->name);
	explicit_bzero(k->secret, sizeof k->secret);
}

static bool
check_auto_groups(const MgmtAccount *a, const GArray *groups, GError **error)
{
	for (guint i = 0; i < groups->len; i++) {
		const struct mgmt_id *id = &g_array_index(groups, struct mgmt_id, i);
		const struct mgmt_group *g = mgmt_account_group(a, id);

		if (g == NULL) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no group '%s'",
				    id->s);
			return false;
		}
		if (g->is_all) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
				    "every peer is in All: it cannot be an automatic group");
			return false;
		}
	}
	return true;
}

static bool
create_check(struct mgmt_op *op, GError **error)
{
	struct key_op *k = (struct key_op *) op;
	MgmtAccount *a = mgmt_op_account(op, error);

	if (a == NULL ||
	    !mgmt_check_text("setup key name", k->key->name, MGMT_LIMIT_NAME, false, error) ||
	    !check_auto_groups(a, k->key->auto_groups, error))
		return false;
	if (k->key->usage_limit < 0 || k->key->expires_us < 0) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
			    "usage limit and expiry cannot be negative");
		return false;
	}
	if (a->setup_keys->len >= MGMT_LIMIT_SETUP_KEYS) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_EXHAUSTED, "more than %u setup keys",
			    MGMT_LIMIT_SETUP_KEYS);
		return false;
	}
	mgmt_op_event(op, MGMT_ACTIVITY_SETUP_KEY_CREATED, &k->key->id, "name", k->key->name, "key",
		      k->key->masked, NULL);
	return true;
}

static bool
put_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	return mgmt_tx_put_setup_key(tx, ((struct key_op *) op)->key, error);
}

static void
create_apply(struct mgmt_op *op)
{
	struct key_op *k = (struct key_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	k->result.setup_key = k->key;
	k->result.secret = k->secret;
	mgmt_account_put_setup_key(a, g_steal_pointer(&k->key));
	op->object = &k->result;
}

static const struct mgmt_op_type create_type = {
	.name = "create setup key",
	.exclusive = true,
	.check = create_check,
	.run = put_run,
	.apply = create_apply,
	.clear = key_clear,
};

void
mgmt_admin_create_setup_key(MgmtAdmin *admin,
			    const struct mgmt_actor *actor,
			    const struct mgmt_id *account,
			    const struct mgmt_setup_key_request *request,
			    struct mgmt_reply reply)
{
	struct key_op *k = mgmt_op_new(admin, &create_type, sizeof *k, actor, account, reply);

	k->key = mgmt_setup_key_new(admin->env, account, request->name, request->type, k->secret);
	if (request->type == MGMT_SETUP_KEY_REUSABLE)
		k->key->usage_limit = request->usage_limit;
	k->key->ephemeral = request->ephemeral;
	k->key->allow_extra_dns_labels = request->allow_extra_dns_labels;
	if (request->expires_in_us != 0)
		k->key->expires_us = k->key->created_us + request->expires_in_us;
	if (request->auto_groups != NULL)
		g_array_append_vals(k->key->auto_groups, request->auto_groups->data,
				    request->auto_groups->len);
	mgmt_op_start(&k->op);
}

static bool
revoke_check(struct mgmt_op *op, GError **error)
{
	struct key_op *k = (struct key_op *) op;
	MgmtAccount *a = mgmt_op_account(op, error);
	const struct mgmt_setup_key *key = a == NULL ? NULL : mgmt_account_setup_key(a, &k->id);

	if (a != NULL && key == NULL)
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no setup key '%s'", k->id.s);
	if (key == NULL)
		return false;
	op->nothing_to_do = key->revoked;
	op->object = key;
	k->key = mgmt_setup_key_copy(key);
	k->key->revoked = true;
	k->key->updated_us = weft_env_wall_us(op->admin->env);
	mgmt_op_event(op, MGMT_ACTIVITY_SETUP_KEY_REVOKED, &k->id, "name", key->name, "key",
		      key->masked, NULL);
	return true;
}

static bool
revoke_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	const struct key_op *k = (const struct key_op *) op;

	/* Not the whole row: registrations count uses meanwhile. */
	return mgmt_tx_revoke_setup_key(tx, &k->id, k->key->updated_us, error);
}

static void
revoke_apply(struct mgmt_op *op)
{
	struct key_op *k = (struct key_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);
	struct mgmt_setup_key *key = mgmt_account_setup_key(a, &k->id);

	key->revoked = true;
	key->updated_us = k->key->updated_us;
	op->object = key;
}

static const struct mgmt_op_type revoke_type = {
	.name = "revoke setup key",
	.exclusive = true,
	.check = revoke_check,
	.run = revoke_run,
	.apply = revoke_apply,
	.clear = key_clear,
};

void
mgmt_admin_revoke_setup_key(MgmtAdmin *admin,
			    const struct mgmt_actor *actor,
			    const struct mgmt_id *account,
			    const struct mgmt_id *id,
			    struct mgmt_reply reply)
{
	struct key_op *k = mgmt_op_new(admin, &revoke_type, sizeof *k, actor, account, reply);

	k->id = *id;
	mgmt_op_start(&k->op);
}

static bool
token_check(struct mgmt_op *op, GError **error)
{
	struct key_op *k = (struct key_op *) op;
	MgmtAccount *a = mgmt_op_account(op, error);

	if (a == NULL ||
	    !mgmt_check_text("token name", k->token->name, MGMT_LIMIT_NAME, false, error))
		return false;
	if (a->tokens->len >= MGMT_LIMIT_TOKENS) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_EXHAUSTED, "more than %u tokens",
			    MGMT_LIMIT_TOKENS);
		return false;
	}
	mgmt_op_event(op, MGMT_ACTIVITY_TOKEN_CREATED, &k->token->id, "name", k->token->name, NULL);
	return true;
}

static bool
token_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	return mgmt_tx_put_token(tx, ((struct key_op *) op)->token, error);
}

static void
token_apply(struct mgmt_op *op)
{
	struct key_op *k = (struct key_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	k->result.token = k->token;
	k->result.secret = k->secret;
	mgmt_account_put_token(a, g_steal_pointer(&k->token));
	op->object = &k->result;
}

static const struct mgmt_op_type token_type = {
	.name = "create token",
	.exclusive = true,
	.check = token_check,
	.run = token_run,
	.apply = token_apply,
	.clear = key_clear,
};

void
mgmt_admin_create_token(MgmtAdmin *admin,
			const struct mgmt_actor *actor,
			const struct mgmt_id *account,
			const char *name,
			int64_t expires_in_us,
			struct mgmt_reply reply)
{
	struct key_op *k = mgmt_op_new(admin, &token_type, sizeof *k, actor, account, reply);

	k->token = mgmt_token_new(admin->env, account, name, k->secret);
	if (expires_in_us > 0)
		k->token->expires_us = k->token->created_us + expires_in_us;
	mgmt_op_start(&k->op);
}

static struct mgmt_token *
find_token(const MgmtAccount *a, const struct mgmt_id *id)
{
	for (guint i = 0; i < a->tokens->len; i++) {
		struct mgmt_token *t = g_ptr_array_index(a->tokens, i);

		if (mgmt_id_equal(&t->id, id))
			return t;
	}
	return NULL;
}

static bool
revoke_token_check(struct mgmt_op *op, GError **error)
{
	struct key_op *k = (struct key_op *) op;
	MgmtAccount *a = mgmt_op_account(op, error);
	const struct mgmt_token *token = a == NULL ? NULL : find_token(a, &k->id);

	if (a != NULL && token == NULL)
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no token '%s'", k->id.s);
	if (token == NULL)
		return false;
	mgmt_op_event(op, MGMT_ACTIVITY_TOKEN_REVOKED, &k->id, "name", token->name, NULL);
	return true;
}

static bool
revoke_token_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	return mgmt_tx_delete_token(tx, &((struct key_op *) op)->id, error);
}

static void
revoke_token_apply(struct mgmt_op *op)
{
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	mgmt_account_remove_token(a, find_token(a, &((struct key_op *) op)->id));
}

static const struct mgmt_op_type revoke_token_type = {
	.name = "revoke token",
	.exclusive = true,
	.check = revoke_token_check,
	.run = revoke_token_run,
	.apply = revoke_token_apply,
	.clear = key_clear,
};

void
mgmt_admin_revoke_token(MgmtAdmin *admin,
			const struct mgmt_actor *actor,
			const struct mgmt_id *account,
			const struct mgmt_id *id,
			struct mgmt_reply reply)
{
	struct key_op *k = mgmt_op_new(admin, &revoke_token_type, sizeof *k, actor, account, reply);

	k->id = *id;
	mgmt_op_start(&k->op);
}

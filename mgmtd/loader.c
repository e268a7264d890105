/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/loader.h"

static MgmtAccount *
account_of(MgmtModel *model, const struct mgmt_id *id, const char *what, GError **error)
{
	MgmtAccount *a = mgmt_model_account(model, id);

	if (a == NULL)
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED,
			    "%s of an account '%s' that is not there", what, id->s);
	return a;
}

static bool
on_account(void *user, struct mgmt_account_row *row, GError **error)
{
	return mgmt_model_add_account(user, row, error) != NULL;
}

static bool
on_peer(void *user, struct mgmt_peer *peer, GError **error)
{
	MgmtAccount *a = account_of(user, &peer->account_id, "peer", error);

	if (a == NULL)
		mgmt_peer_free(peer);
	else
		mgmt_account_add_peer(a, peer, NULL, NULL);
	return a != NULL;
}

static bool
on_group(void *user, struct mgmt_group *group, GArray *peer_ids, GError **error)
{
	MgmtAccount *a = account_of(user, &group->account_id, "group", error);

	if (a == NULL)
		mgmt_group_free(group);
	else
		mgmt_account_put_group(a, group, peer_ids, NULL);
	return a != NULL;
}

static bool
on_policy(void *user, struct mgmt_policy *policy, GError **error)
{
	MgmtAccount *a = account_of(user, &policy->account_id, "policy", error);

	if (a == NULL)
		mgmt_policy_free(policy);
	else
		mgmt_account_put_policy(a, policy, NULL);
	return a != NULL;
}

static bool
on_setup_key(void *user, struct mgmt_setup_key *key, GError **error)
{
	MgmtAccount *a = account_of(user, &key->account_id, "setup key", error);

	if (a == NULL)
		mgmt_setup_key_free(key);
	else
		mgmt_account_put_setup_key(a, key);
	return a != NULL;
}

static bool
on_token(void *user, struct mgmt_token *token, GError **error)
{
	MgmtAccount *a = account_of(user, &token->account_id, "token", error);

	if (a == NULL)
		mgmt_token_free(token);
	else
		mgmt_account_put_token(a, token);
	return a != NULL;
}

bool
mgmt_loader_load(MgmtStore *store, MgmtModel *model, GError **error)
{
	const struct mgmt_store_loader loader = { on_account,   on_group, on_peer, on_policy,
						  on_setup_key, on_token, model };

	return mgmt_store_load(store, &loader, error);
}

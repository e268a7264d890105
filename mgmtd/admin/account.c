/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making the account, and its settings. */
#include "base/env.h"
#include "mgmtd/admin/limits.h"
#include "mgmtd/admin/op.h"
#include "mgmtd/admin/secret.h"

#include <string.h>

#define DEFAULT_DOMAIN "weft.internal"
#define DOMAIN_MAX     192 /* management.md 4: leaves room for a label */
#define DAY_US         (INT64_C(86400) * G_USEC_PER_SEC)

struct init_op {
	struct mgmt_op op;
	struct mgmt_account_row row;
	struct mgmt_group *all;
	struct mgmt_policy *policy; /* NULL: default deny */
	struct mgmt_setup_key *keys[2];
	struct mgmt_token *token;
	char secrets[2][MGMT_SETUP_KEY_SIZE];
	char token_secret[MGMT_TOKEN_SIZE];
	struct mgmt_init_result result;
};

static struct weft_prefix
random_network(const struct weft_env *env)
{
	struct weft_prefix net = { weft_address_v4(0), 16 };
	uint32_t block = (uint32_t) weft_env_random_below(env, 64);

	net.addr = weft_address_v4(UINT32_C(0x64400000) + (block << 16)); /* 100.64.0.0 + block */
	return net;
}

static struct weft_prefix
random_network6(const struct weft_env *env)
{
	uint8_t b[16] = { 0xfd };

	weft_env_random(env, b + 1, 7);
	return (struct weft_prefix){ weft_address_v6(b), 64 };
}

static bool
check_network(const struct weft_prefix *net, GError **error)
{
	static const uint32_t cgnat = UINT32_C(0x64400000);
	uint32_t ip = weft_address_v4_host_order(&net->addr);
	struct weft_prefix masked = weft_prefix_mask(net);

	if (net->addr.family == WEFT_FAMILY_IPV4 && (ip & 0xffc00000) == cgnat && net->bits >= 10 &&
	    net->bits <= 28 && weft_prefix_equal(net, &masked))
		return true;
	g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
		    "the network must lie in 100.64.0.0/10, with a prefix of 10 to 28 bits and "
		    "without host bits, e.g. 100.90.0.0/16");
	return false;
}

static bool
check_domain(const char *domain, GError **error)
{
	g_auto(GStrv) labels = g_strsplit(domain, ".", -1);
	bool ok = domain[0] != '\0' && strlen(domain) <= DOMAIN_MAX;

	for (char **label = labels; ok && *label != NULL; label++) {
		size_t len = strlen(*label);

		ok = len >= 1 && len <= 63 && (*label)[0] != '-' && (*label)[len - 1] != '-';
		for (const char *p = *label; ok && *p != '\0'; p++)
			ok = g_ascii_islower(*p) || g_ascii_isdigit(*p) || *p == '-';
	}
	if (!ok)
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
			    "'%s' is no DNS domain (lower-case letters, digits and '-', at most "
			    "%u characters)",
			    domain, DOMAIN_MAX);
	return ok;
}

static bool
init_check(struct mgmt_op *op, GError **error)
{
	struct init_op *i = (struct init_op *) op;

	if (mgmt_model_accounts(op->admin->model)->len > 0) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_EXISTS,
			    "there is an account already: nothing was changed");
		return false;
	}
	if (!mgmt_check_text("account name", i->row.name, MGMT_LIMIT_NAME, false, error) ||
	    !check_network(&i->row.net, error) || !check_domain(i->row.settings.dns_domain, error))
		return false;
	mgmt_op_event(op, MGMT_ACTIVITY_ACCOUNT_CREATED, &i->row.id, "name", i->row.name, NULL);
	for (unsigned k = 0; k < 2; k++)
		mgmt_op_event(op, MGMT_ACTIVITY_SETUP_KEY_CREATED, &i->keys[k]->id, "name",
			      i->keys[k]->name, "key", i->keys[k]->masked, NULL);
	mgmt_op_event(op, MGMT_ACTIVITY_TOKEN_CREATED, &i->token->id, "name", i->token->name, NULL);
	return true;
}

static bool
init_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	struct init_op *i = (struct init_op *) op;

	return mgmt_tx_put_account(tx, &i->row, error) && mgmt_tx_put_group(tx, i->all, error) &&
	       (i->policy == NULL || mgmt_tx_put_policy(tx, i->policy, error)) &&
	       mgmt_tx_put_setup_key(tx, i->keys[0], error) &&
	       mgmt_tx_put_setup_key(tx, i->keys[1], error) &&
	       mgmt_tx_put_token(tx, i->token, error);
}

static void
init_apply(struct mgmt_op *op)
{
	struct init_op *i = (struct init_op *) op;
	MgmtAccount *a = mgmt_model_add_account(op->admin->model, &i->row, NULL);

	mgmt_account_put_group(a, g_steal_pointer(&i->all), NULL, NULL);
	if (i->policy != NULL)
		mgmt_account_put_policy(a, g_steal_pointer(&i->policy), NULL);
	for (unsigned k = 0; k < 2; k++)
		mgmt_account_put_setup_key(a, g_steal_pointer(&i->keys[k]));
	mgmt_account_put_token(a, g_steal_pointer(&i->token));
	op->admin->hooks.account_changed(op->admin->hooks.user, a);
	i->result.account = a;
	i->result.default_key = i->secrets[0];
	i->result.one_off_key = i->secrets[1];
	i->result.admin_token = i->token_secret;
	op->object = &i->result;
}

static void
init_clear(struct mgmt_op *op)
{
	struct init_op *i = (struct init_op *) op;

	mgmt_account_row_clear(&i->row);
	mgmt_group_free(i->all);
	mgmt_policy_free(i->policy);
	for (unsigned k = 0; k < 2; k++)
		mgmt_setup_key_free(i->keys[k]);
	mgmt_token_free(i->token);
	explicit_bzero(i->secrets, sizeof i->secrets);
	explicit_bzero(i->token_secret, sizeof i->token_secret);
}

static const struct mgmt_op_type init_type = {
	.name = "init",
	.exclusive = true,
	.check = init_check,
	.run = init_run,
	.apply = init_apply,
	.clear = init_clear,
};

/* The policy "Default": All <-> All, everything accepted (management.md 2). */
static struct mgmt_policy *
default_policy(const struct weft_env *env, const struct mgmt_id *account, const struct mgmt_id *all)
{
	struct mgmt_policy *p = g_new0(struct mgmt_policy, 1);
	struct mgmt_rule *r = g_new0(struct mgmt_rule, 1);

	p->id = mgmt_id_new(env);
	p->account_id = *account;
	p->name = g_strdup("Default");
	p->description = g_strdup("Lets every peer talk to every other.");
	p->enabled = true;
	p->created_us = weft_env_wall_us(env);
	p->rules = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_rule_free);
	r->id = mgmt_id_new(env);
	r->policy_id = p->id;
	r->name = g_strdup("Default");
	r->description = g_strdup("");
	r->enabled = r->bidirectional = true;
	r->sources = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	r->destinations = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	r->ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));
	r->port_ranges = g_array_new(FALSE, FALSE, sizeof(struct mgmt_port_range));
	g_array_append_vals(r->sources, all, 1);
	g_array_append_vals(r->destinations, all, 1);
	g_ptr_array_add(p->rules, r);
	return p;
}

void
mgmt_admin_init(MgmtAdmin *admin,
		const struct mgmt_actor *actor,
		const struct mgmt_init_request *request,
		struct mgmt_reply reply)
{
	const struct weft_env *env = admin->env;
	struct mgmt_id id = mgmt_id_new(env);
	struct init_op *i = mgmt_op_new(admin, &init_type, sizeof *i, actor, &id, reply);
	struct mgmt_settings *s = &i->row.settings;

	i->row.id = id;
	i->row.name =
		g_strdup(request->account_name[0] == '\0' ? "default" : request->account_name);
	i->row.created_us = weft_env_wall_us(env);
	i->row.net = request->network != NULL ? *request->network : random_network(env);
	i->row.net6 = random_network6(env);
	i->all = g_new0(struct mgmt_group, 1);
	i->all->id = mgmt_id_new(env);
	i->all->account_id = id;
	i->all->name = g_strdup("All");
	i->all->is_all = true;
	i->all->created_us = i->row.created_us;
	s->dns_domain =
		g_strdup(request->dns_domain[0] == '\0' ? DEFAULT_DOMAIN : request->dns_domain);
	s->login_expiration_enabled = true;
	s->login_expiration_us = DAY_US;
	s->ipv6_enabled = true;
	s->routing_peer_dns = true;
	s->ipv6_groups = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	g_array_append_val(s->ipv6_groups, i->all->id);
	if (!request->default_deny)
		i->policy = default_policy(env, &id, &i->all->id);
	i->keys[0] =
		mgmt_setup_key_new(env, &id, "Default key", MGMT_SETUP_KEY_REUSABLE, i->secrets[0]);
	i->keys[1] =
		mgmt_setup_key_new(env, &id, "One-off key", MGMT_SETUP_KEY_ONE_OFF, i->secrets[1]);
	i->token = mgmt_token_new(env, &id, "init", i->token_secret);
	mgmt_op_start(&i->op);
}

struct set_op {
	struct mgmt_op op;
	struct mgmt_account_change change; /* strings and array owned */
	char *name, *dns_domain;
	GArray *ipv6_groups;
	struct mgmt_account_row row;
};

/* One switch of the settings with the events of both directions. */
static void
set_switch(struct mgmt_op *op, bool *value, int change, int on_activity, int off_activity)
{
	if (change < 0 || *value == (change != 0))
		return;
	*value = change != 0;
	mgmt_op_event(op, *value ? on_activity : off_activity, &op->account_id, NULL);
}

static bool
check_groups(const MgmtAccount *a, const GArray *ids, GError **error)
{
	for (guint i = 0; i < ids->len; i++) {
		const struct mgmt_id *id = &g_array_index(ids, struct mgmt_id, i);

		if (mgmt_account_group(a, id) == NULL) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no group '%s'",
				    id->s);
			return false;
		}
	}
	return true;
}

static bool
set_texts(struct set_op *s, GError **error)
{
	if (s->name != NULL && strcmp(s->name, s->row.name) != 0) {
		if (!mgmt_check_text("account name", s->name, MGMT_LIMIT_NAME, false, error))
			return false;
		mgmt_op_event(&s->op, MGMT_ACTIVITY_ACCOUNT_RENAMED, &s->op.account_id, "old_name",
			      s->row.name, "name", s->name, NULL);
		g_free(s->row.name);
		s->row.name = g_strdup(s->name);
	}
	if (s->dns_domain != NULL && strcmp(s->dns_domain, s->row.settings.dns_domain) != 0) {
		if (!check_domain(s->dns_domain, error))
			return false;
		mgmt_op_event(&s->op, MGMT_ACTIVITY_DNS_DOMAIN, &s->op.account_id, "old_name",
			      s->row.settings.dns_domain, "name", s->dns_domain, NULL);
		g_free(s->row.settings.dns_domain);
		s->row.settings.dns_domain = g_strdup(s->dns_domain);
	}
	return true;
}

static bool
set_check(struct mgmt_op *op, GError **error)
{
	struct set_op *s = (struct set_op *) op;
	const struct mgmt_account_change *c = &s->change;
	struct mgmt_settings *to = &s->row.settings;
	MgmtAccount *a = mgmt_op_account(op, error);

	if (a == NULL || (s->ipv6_groups != NULL && !check_groups(a, s->ipv6_groups, error)))
		return false;
	mgmt_account_row_copy(&s->row, &a->row);
	if (!set_texts(s, error))
		return false;
	set_switch(op, &to->lazy_connections, c->lazy_connections, MGMT_ACTIVITY_LAZY_ON,
		   MGMT_ACTIVITY_LAZY_OFF);
	set_switch(op, &to->peer_approval, c->peer_approval, MGMT_ACTIVITY_PEER_APPROVAL_ON,
		   MGMT_ACTIVITY_PEER_APPROVAL_OFF);
	set_switch(op, &to->ipv6_enabled, c->ipv6, MGMT_ACTIVITY_IPV6_ON, MGMT_ACTIVITY_IPV6_OFF);
	set_switch(op, &to->routing_peer_dns, c->routing_peer_dns,
		   MGMT_ACTIVITY_ROUTING_PEER_DNS_ON, MGMT_ACTIVITY_ROUTING_PEER_DNS_OFF);
	set_switch(op, &to->login_expiration_enabled, c->login_expiration,
		   MGMT_ACTIVITY_LOGIN_EXPIRATION_ON, MGMT_ACTIVITY_LOGIN_EXPIRATION_OFF);
	if (c->login_expiration_us != 0) {
		if (c->login_expiration_us < DAY_US / 24 || c->login_expiration_us > 180 * DAY_US) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
				    "login expiration must be between 1h and 180d");
			return false;
		}
		to->login_expiration_us = c->login_expiration_us;
		mgmt_op_event(op, MGMT_ACTIVITY_LOGIN_EXPIRATION_PERIOD, &op->account_id, NULL);
	}
	if (s->ipv6_groups != NULL) {
		g_array_set_size(to->ipv6_groups, 0);
		g_array_append_vals(to->ipv6_groups, s->ipv6_groups->data, s->ipv6_groups->len);
	}
	return true;
}

static bool
set_run(MgmtTx *tx, struct mgmt_op *op, GError **error)
{
	return mgmt_tx_put_account(tx, &((struct set_op *) op)->row, error);
}

static void
set_apply(struct mgmt_op *op)
{
	struct set_op *s = (struct set_op *) op;
	MgmtAccount *a = mgmt_model_account(op->admin->model, &op->account_id);

	s->row.serial = MAX(a->row.serial, op->serial);
	mgmt_account_set_row(a, &s->row, &op->affected);
	op->object = a;
	op->admin->hooks.account_changed(op->admin->hooks.user, a);
}

static void
set_clear(struct mgmt_op *op)
{
	struct set_op *s = (struct set_op *) op;

	g_free(s->name);
	g_free(s->dns_domain);
	g_clear_pointer(&s->ipv6_groups, g_array_unref);
	mgmt_account_row_clear(&s->row);
}

static const struct mgmt_op_type set_type = {
	.name = "change account",
	.exclusive = true,
	.changes_maps = true,
	.check = set_check,
	.run = set_run,
	.apply = set_apply,
	.clear = set_clear,
};

void
mgmt_admin_set_account(MgmtAdmin *admin,
		       const struct mgmt_actor *actor,
		       const struct mgmt_id *account,
		       const struct mgmt_account_change *change,
		       struct mgmt_reply reply)
{
	struct set_op *s = mgmt_op_new(admin, &set_type, sizeof *s, actor, account, reply);

	s->change = *change;
	s->name = g_strdup(change->name);
	s->dns_domain = g_strdup(change->dns_domain);
	if (change->ipv6_groups != NULL) {
		s->ipv6_groups = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
		g_array_append_vals(s->ipv6_groups, change->ipv6_groups->data,
				    change->ipv6_groups->len);
	}
	mgmt_op_start(&s->op);
}

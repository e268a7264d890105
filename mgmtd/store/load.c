/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading everything back at start. */
#include "mgmtd/store/tx.h"

#include <string.h>

struct load {
	const struct mgmt_store_loader *to;
	GHashTable *members;  /* group id -> GArray of struct mgmt_id */
	GHashTable *policies; /* policy id -> struct mgmt_policy *, until handed over */
	GPtrArray *policy_order;
};

static bool
bad_row(const char *table, const char *id, const char *what, GError **error)
{
	g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED, "%s '%s': invalid %s", table,
		    id, what);
	return false;
}

static bool
get_id(const struct mgmt_row *row, int column, struct mgmt_id *ret)
{
	const char *text = mgmt_row_text(row, column);

	return mgmt_id_parse(ret, text, strlen(text));
}

static bool
get_prefix(const struct mgmt_row *row, int column, struct weft_prefix *ret)
{
	const char *text = mgmt_row_text(row, column);

	return weft_prefix_parse(ret, text, strlen(text), false);
}

static bool
on_account(const struct mgmt_row *row, void *user, GError **error)
{
	struct load *load = user;
	struct mgmt_account_row a = { 0 };
	struct mgmt_settings *s = &a.settings;
	bool ok;

	if (!get_id(row, 0, &a.id) || !get_prefix(row, 3, &a.net) || !get_prefix(row, 4, &a.net6))
		return bad_row("account", mgmt_row_text(row, 0), "id or network", error);
	a.name = g_strdup(mgmt_row_text(row, 1));
	a.created_us = mgmt_row_int(row, 2);
	a.serial = (uint64_t) mgmt_row_int(row, 5);
	s->dns_domain = g_strdup(mgmt_row_text(row, 6));
	s->lazy_connections = mgmt_row_int(row, 7) != 0;
	s->peer_approval = mgmt_row_int(row, 8) != 0;
	s->login_expiration_enabled = mgmt_row_int(row, 9) != 0;
	s->login_expiration_us = mgmt_row_int(row, 10);
	s->ipv6_enabled = mgmt_row_int(row, 11) != 0;
	s->ipv6_groups = mgmt_list_parse_ids(mgmt_row_text(row, 12));
	s->routing_peer_dns = mgmt_row_int(row, 13) != 0;
	ok = load->to->account(load->to->user, &a, error);
	mgmt_account_row_clear(&a);
	return ok;
}

static void
load_meta(const struct mgmt_row *row, int c, struct mgmt_meta *m)
{
	char **const texts[] = { &m->hostname,       &m->goos,          &m->kernel,
				 &m->core,           &m->platform,      &m->os,
				 &m->os_version,     &m->version,       &m->ui_version,
				 &m->kernel_version, &m->serial_number, &m->product_name,
				 &m->manufacturer,   &m->cloud,         &m->environment };

	mgmt_meta_init(m);
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_free(*texts[i]);
		*texts[i] = g_strdup(mgmt_row_text(row, c++));
	}
	mgmt_list_parse_addresses(m->network_addresses, mgmt_row_text(row, c++));
	mgmt_list_parse_ints(m->capabilities, mgmt_row_text(row, c++));
	m->sync_message_version = (int32_t) mgmt_row_int(row, c++);
	mgmt_meta_set_flags(m, mgmt_row_int(row, c));
}

static bool
on_peer(const struct mgmt_row *row, void *user, GError **error)
{
	struct load *load = user;
	struct mgmt_peer *p = g_new0(struct mgmt_peer, 1);
	const char *key = mgmt_row_text(row, 2);
	const char *ip = mgmt_row_text(row, 3);
	const char *ip6 = mgmt_row_text(row, 4);

	if (!get_id(row, 0, &p->id) || !get_id(row, 1, &p->account_id) ||
	    !weft_key_from_text(&p->key, key, strlen(key)) ||
	    !weft_address_parse(&p->ip, ip, strlen(ip)) ||
	    (ip6[0] != '\0' && !weft_address_parse(&p->ip6, ip6, strlen(ip6)))) {
		g_free(p);
		return bad_row("peer", mgmt_row_text(row, 0), "id, key or address", error);
	}
	p->key_text = weft_key_to_text(&p->key);
	p->name = g_strdup(mgmt_row_text(row, 5));
	p->dns_label = g_strdup(mgmt_row_text(row, 6));
	p->user_id = g_strdup(mgmt_row_text(row, 7));
	p->ssh_key = g_strdup(mgmt_row_text(row, 8));
	p->connection_ip = g_strdup(mgmt_row_text(row, 9));
	p->ssh_enabled = mgmt_row_int(row, 10) != 0;
	p->login_expiration_enabled = mgmt_row_int(row, 11) != 0;
	p->login_expired = mgmt_row_int(row, 12) != 0;
	p->approval_required = mgmt_row_int(row, 13) != 0;
	p->ephemeral = mgmt_row_int(row, 14) != 0;
	p->allow_extra_dns_labels = mgmt_row_int(row, 15) != 0;
	p->created_us = mgmt_row_int(row, 16);
	p->last_login_us = mgmt_row_int(row, 17);
	p->last_seen_us = mgmt_row_int(row, 18);
	load_meta(row, 19, &p->meta);
	return load->to->peer(load->to->user, p, error);
}

static bool
on_member(const struct mgmt_row *row, void *user, GError **error)
{
	struct load *load = user;
	GArray *ids = g_hash_table_lookup(load->members, mgmt_row_text(row, 0));
	struct mgmt_id peer;

	if (!get_id(row, 1, &peer))
		return bad_row("member of group", mgmt_row_text(row, 0), "peer", error);
	if (ids == NULL) {
		ids = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
		g_hash_table_insert(load->members, g_strdup(mgmt_row_text(row, 0)), ids);
	}
	g_array_append_val(ids, peer);
	return true;
}

static bool
on_group(const struct mgmt_row *row, void *user, GError **error)
{
	struct load *load = user;
	struct mgmt_group *g = g_new0(struct mgmt_group, 1);

	if (!get_id(row, 0, &g->id) || !get_id(row, 1, &g->account_id)) {
		g_free(g);
		return bad_row("group", mgmt_row_text(row, 0), "id", error);
	}
	g->name = g_strdup(mgmt_row_text(row, 2));
	g->is_all = mgmt_row_int(row, 3) != 0;
	g->created_us = mgmt_row_int(row, 4);
	return load->to->group(load->to->user, g, g_hash_table_lookup(load->members, g->id.s),
			       error);
}

static bool
on_policy(const struct mgmt_row *row, void *user, GError **error)
{
	struct load *load = user;
	struct mgmt_policy *p = g_new0(struct mgmt_policy, 1);

	if (!get_id(row, 0, &p->id) || !get_id(row, 1, &p->account_id)) {
		g_free(p);
		return bad_row("policy", mgmt_row_text(row, 0), "id", error);
	}
	p->name = g_strdup(mgmt_row_text(row, 2));
	p->description = g_strdup(mgmt_row_text(row, 3));
	p->enabled = mgmt_row_int(row, 4) != 0;
	p->created_us = mgmt_row_int(row, 5);
	p->rules = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_rule_free);
	g_hash_table_insert(load->policies, p->id.s, p);
	g_ptr_array_add(load->policy_order, p);
	return true;
}

static bool
get_resource(const struct mgmt_row *row, int column, struct mgmt_resource *ret)
{
	if (!mgmt_resource_type_from_name(&ret->type, mgmt_row_text(row, column)))
		return false;
	return ret->type == MGMT_RESOURCE_NONE || get_id(row, column + 1, &ret->id);
}

static bool
on_rule(const struct mgmt_row *row, void *user, GError **error)
{
	struct load *load = user;
	struct mgmt_policy *p = g_hash_table_lookup(load->policies, mgmt_row_text(row, 1));
	struct mgmt_rule *r;

	if (p == NULL)
		return true;
	r = g_new0(struct mgmt_rule, 1);
	g_ptr_array_add(p->rules, r);
	r->policy_id = p->id;
	r->name = g_strdup(mgmt_row_text(row, 2));
	r->description = g_strdup(mgmt_row_text(row, 3));
	r->enabled = mgmt_row_int(row, 4) != 0;
	r->bidirectional = mgmt_row_int(row, 7) != 0;
	r->sources = mgmt_list_parse_ids(mgmt_row_text(row, 12));
	r->destinations = mgmt_list_parse_ids(mgmt_row_text(row, 13));
	r->ports = mgmt_list_parse_ports(mgmt_row_text(row, 14));
	r->port_ranges = mgmt_list_parse_ranges(mgmt_row_text(row, 15));
	if (!get_id(row, 0, &r->id) || !mgmt_action_from_name(&r->action, mgmt_row_text(row, 5)) ||
	    !mgmt_protocol_from_name(&r->protocol, mgmt_row_text(row, 6)) ||
	    !get_resource(row, 8, &r->source_resource) ||
	    !get_resource(row, 10, &r->destination_resource))
		return bad_row("rule", mgmt_row_text(row, 0), "action, protocol or resource",
			       error);
	return true;
}

static bool
on_setup_key(const struct mgmt_row *row, void *user, GError **error)
{
	struct load *load = user;
	struct mgmt_setup_key *k = g_new0(struct mgmt_setup_key, 1);

	if (!get_id(row, 0, &k->id) || !get_id(row, 1, &k->account_id)) {
		g_free(k);
		return bad_row("setup key", mgmt_row_text(row, 0), "id", error);
	}
	k->name = g_strdup(mgmt_row_text(row, 2));
	k->hash = g_strdup(mgmt_row_text(row, 3));
	k->masked = g_strdup(mgmt_row_text(row, 4));
	k->type = strcmp(mgmt_row_text(row, 5), "one-off") == 0 ? MGMT_SETUP_KEY_ONE_OFF
								: MGMT_SETUP_KEY_REUSABLE;
	k->revoked = mgmt_row_int(row, 6) != 0;
	k->ephemeral = mgmt_row_int(row, 7) != 0;
	k->allow_extra_dns_labels = mgmt_row_int(row, 8) != 0;
	k->created_us = mgmt_row_int(row, 9);
	k->expires_us = mgmt_row_int(row, 10);
	k->updated_us = mgmt_row_int(row, 11);
	k->last_used_us = mgmt_row_int(row, 12);
	k->used_times = mgmt_row_int(row, 13);
	k->usage_limit = mgmt_row_int(row, 14);
	k->auto_groups = mgmt_list_parse_ids(mgmt_row_text(row, 15));
	return load->to->setup_key(load->to->user, k, error);
}

static bool
on_token(const struct mgmt_row *row, void *user, GError **error)
{
	struct load *load = user;
	struct mgmt_token *t = g_new0(struct mgmt_token, 1);

	if (!get_id(row, 0, &t->id) || !get_id(row, 1, &t->account_id)) {
		g_free(t);
		return bad_row("token", mgmt_row_text(row, 0), "id", error);
	}
	t->name = g_strdup(mgmt_row_text(row, 2));
	t->hash = g_strdup(mgmt_row_text(row, 3));
	t->created_us = mgmt_row_int(row, 4);
	t->expires_us = mgmt_row_int(row, 5);
	t->last_used_us = mgmt_row_int(row, 6);
	return load->to->token(load->to->user, t, error);
}

static bool
hand_over_policies(struct load *load, GError **error)
{
	for (guint i = 0; i < load->policy_order->len; i++) {
		struct mgmt_policy *p = g_ptr_array_index(load->policy_order, i);

		g_ptr_array_index(load->policy_order, i) = NULL;
		if (!load->to->policy(load->to->user, p, error))
			return false;
	}
	return true;
}

static const struct {
	const char *sql;
	mgmt_row_fn fn;
} queries[] = {
	{ "SELECT id, name, created_at, net, net6, serial, dns_domain, lazy_connections,"
	  " peer_approval, login_expiration_enabled, login_expiration_us, ipv6_enabled, "
	  "ipv6_groups,"
	  " routing_peer_dns FROM accounts ORDER BY id",
	  on_account },
	{ "SELECT id, account_id, wg_key, ip, ip6, name, dns_label, user_id, ssh_key,"
	  " connection_ip, ssh_enabled, login_expiration_enabled, login_expired,"
	  " approval_required, ephemeral, allow_extra_dns_labels, created_at, last_login,"
	  " last_seen, meta_hostname, meta_goos, meta_kernel, meta_core, meta_platform, meta_os,"
	  " meta_os_version, meta_version, meta_ui_version, meta_kernel_version,"
	  " meta_serial_number, meta_product_name, meta_manufacturer, meta_cloud,"
	  " meta_environment, meta_addresses, meta_capabilities, meta_sync_version, meta_flags"
	  " FROM peers ORDER BY id",
	  on_peer },
	{ "SELECT group_id, peer_id FROM group_peers", on_member },
	{ "SELECT id, account_id, name, is_all, created_at FROM groups ORDER BY id", on_group },
	{ "SELECT id, account_id, name, description, enabled, created_at FROM policies"
	  " ORDER BY created_at, id",
	  on_policy },
	{ "SELECT id, policy_id, name, description, enabled, action, protocol, bidirectional,"
	  " source_type, source_id, destination_type, destination_id, sources, destinations, ports,"
	  " port_ranges FROM policy_rules ORDER BY policy_id, position",
	  on_rule },
	{ "SELECT id, account_id, name, hash, masked, type, revoked, ephemeral,"
	  " allow_extra_dns_labels, created_at, expires_at, updated_at, last_used, used_times,"
	  " usage_limit, auto_groups FROM setup_keys ORDER BY id",
	  on_setup_key },
	{ "SELECT id, account_id, name, hash, created_at, expires_at, last_used FROM tokens"
	  " ORDER BY id",
	  on_token },
};

static void
policy_free(void *p)
{
	mgmt_policy_free(p);
}

bool
mgmt_load_all(MgmtEngine *e, const struct mgmt_store_loader *loader, GError **error)
{
	bool sqlite = strcmp(e->ops->name, "sqlite") == 0;
	struct load load = { .to = loader };
	bool ok;

	load.members = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
					     (GDestroyNotify) g_array_unref);
	load.policies = g_hash_table_new(g_str_hash, g_str_equal);
	load.policy_order = g_ptr_array_new_with_free_func(policy_free);
	ok = mgmt_exec(e, sqlite ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		       error);
	for (size_t i = 0; ok && i < G_N_ELEMENTS(queries); i++)
		ok = mgmt_query(e, queries[i].sql, NULL, 0, queries[i].fn, &load, error);
	ok = ok && hand_over_policies(&load, error);
	mgmt_exec(e, "ROLLBACK", NULL); /* only read */
	g_hash_table_unref(load.members);
	g_hash_table_unref(load.policies);
	g_ptr_array_unref(load.policy_order);
	return ok;
}

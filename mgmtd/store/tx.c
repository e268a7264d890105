/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The statements of operations. */
#include "mgmtd/store/tx.h"

#include <string.h>

#define RUN(tx, sql, params, error)                                                                \
	mgmt_query((tx)->engine, (sql), (params), G_N_ELEMENTS(params), NULL, NULL, (error))

bool
mgmt_tx_put_account(MgmtTx *tx, const struct mgmt_account_row *row, GError **error)
{
	static const char sql[] =
		"INSERT INTO accounts (id, name, created_at, net, net6, serial, dns_domain,"
		" lazy_connections, peer_approval, login_expiration_enabled, login_expiration_us,"
		" ipv6_enabled, ipv6_groups, routing_peer_dns)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
		" ON CONFLICT (id) DO UPDATE SET name = excluded.name, net = excluded.net,"
		" net6 = excluded.net6, dns_domain = excluded.dns_domain,"
		" lazy_connections = excluded.lazy_connections,"
		" peer_approval = excluded.peer_approval,"
		" login_expiration_enabled = excluded.login_expiration_enabled,"
		" login_expiration_us = excluded.login_expiration_us,"
		" ipv6_enabled = excluded.ipv6_enabled, ipv6_groups = excluded.ipv6_groups,"
		" routing_peer_dns = excluded.routing_peer_dns";
	const struct mgmt_settings *s = &row->settings;
	char net[WEFT_PREFIX_TEXT_SIZE];
	char net6[WEFT_PREFIX_TEXT_SIZE];
	g_autofree char *groups = mgmt_list_ids(s->ipv6_groups);
	const struct mgmt_value params[] = {
		MGMT_TEXT(row->id.s),
		MGMT_TEXT(row->name),
		MGMT_INT(row->created_us),
		MGMT_TEXT(weft_prefix_format(&row->net, net)),
		MGMT_TEXT(weft_prefix_format(&row->net6, net6)),
		MGMT_INT((int64_t) row->serial),
		MGMT_TEXT(s->dns_domain),
		MGMT_INT(s->lazy_connections),
		MGMT_INT(s->peer_approval),
		MGMT_INT(s->login_expiration_enabled),
		MGMT_INT(s->login_expiration_us),
		MGMT_INT(s->ipv6_enabled),
		MGMT_TEXT(groups),
		MGMT_INT(s->routing_peer_dns),
	};

	return RUN(tx, sql, params, error);
}

bool
mgmt_tx_bump_serial(MgmtTx *tx, const struct mgmt_id *account, uint64_t *ret_serial, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(account->s) };
	int64_t serial = 0;
	bool found = false;

	if (!mgmt_query_int(
		    tx->engine,
		    "UPDATE accounts SET serial = serial + 1 WHERE id = $1 RETURNING serial",
		    params, 1, &serial, &found, error))
		return false;
	if (!found) {
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_REFUSED, "no account '%s'",
			    account->s);
		return false;
	}
	*ret_serial = (uint64_t) serial;
	return true;
}

/* "" for a peer without IPv6; stored as NULL so that the unique index allows many of them. */
static const char *
ip6_text(const struct mgmt_peer *peer, char buf[WEFT_ADDRESS_TEXT_SIZE])
{
	return peer->ip6.family == WEFT_FAMILY_IPV6 ? weft_address_format(&peer->ip6, buf) : "";
}

bool
mgmt_tx_insert_peer(MgmtTx *tx, const struct mgmt_peer *p, GError **error)
{
	static const char sql[] =
		"INSERT INTO peers (id, account_id, wg_key, ip, ip6, name, dns_label, user_id,"
		" ssh_key, connection_ip, ssh_enabled, login_expiration_enabled, login_expired,"
		" approval_required, ephemeral, allow_extra_dns_labels, created_at, last_login,"
		" last_seen, connected, meta_hostname, meta_goos, meta_kernel, meta_core,"
		" meta_platform, meta_os, meta_os_version, meta_version, meta_ui_version,"
		" meta_kernel_version, meta_serial_number, meta_product_name, meta_manufacturer,"
		" meta_cloud, meta_environment, meta_addresses, meta_capabilities,"
		" meta_sync_version, meta_flags)"
		" VALUES ($1, $2, $3, $4, NULLIF($5, ''), $6, $7, $8, $9, $10, $11, $12, $13, $14,"
		" $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30,"
		" $31, $32, $33, $34, $35, $36, $37, $38, $39)";
	const struct mgmt_meta *m = &p->meta;
	char ip[WEFT_ADDRESS_TEXT_SIZE];
	char ip6[WEFT_ADDRESS_TEXT_SIZE];
	g_autofree char *addresses = mgmt_list_addresses(m->network_addresses);
	g_autofree char *capabilities = mgmt_list_ints(m->capabilities);
	const struct mgmt_value params[] = {
		MGMT_TEXT(p->id.s),           MGMT_TEXT(p->account_id.s),
		MGMT_TEXT(p->key_text.s),     MGMT_TEXT(weft_address_format(&p->ip, ip)),
		MGMT_TEXT(ip6_text(p, ip6)),  MGMT_TEXT(p->name),
		MGMT_TEXT(p->dns_label),      MGMT_TEXT(p->user_id),
		MGMT_TEXT(p->ssh_key),        MGMT_TEXT(p->connection_ip),
		MGMT_INT(p->ssh_enabled),     MGMT_INT(p->login_expiration_enabled),
		MGMT_INT(p->login_expired),   MGMT_INT(p->approval_required),
		MGMT_INT(p->ephemeral),       MGMT_INT(p->allow_extra_dns_labels),
		MGMT_INT(p->created_us),      MGMT_INT(p->last_login_us),
		MGMT_INT(p->last_seen_us),    MGMT_INT(p->connected),
		MGMT_TEXT(m->hostname),       MGMT_TEXT(m->goos),
		MGMT_TEXT(m->kernel),         MGMT_TEXT(m->core),
		MGMT_TEXT(m->platform),       MGMT_TEXT(m->os),
		MGMT_TEXT(m->os_version),     MGMT_TEXT(m->version),
		MGMT_TEXT(m->ui_version),     MGMT_TEXT(m->kernel_version),
		MGMT_TEXT(m->serial_number),  MGMT_TEXT(m->product_name),
		MGMT_TEXT(m->manufacturer),   MGMT_TEXT(m->cloud),
		MGMT_TEXT(m->environment),    MGMT_TEXT(addresses),
		MGMT_TEXT(capabilities),      MGMT_INT(m->sync_message_version),
		MGMT_INT(mgmt_meta_flags(m)),
	};

	return RUN(tx, sql, params, error);
}

static bool
update_report(MgmtTx *tx, const struct mgmt_peer *p, GError **error)
{
	static const char sql[] =
		"UPDATE peers SET ssh_key = $2, connection_ip = $3, last_login = $4,"
		" ip6 = NULLIF($5, ''), meta_hostname = $6, meta_goos = $7, meta_kernel = $8,"
		" meta_core = $9, meta_platform = $10, meta_os = $11, meta_os_version = $12,"
		" meta_version = $13, meta_ui_version = $14, meta_kernel_version = $15,"
		" meta_serial_number = $16, meta_product_name = $17, meta_manufacturer = $18,"
		" meta_cloud = $19, meta_environment = $20, meta_addresses = $21,"
		" meta_capabilities = $22, meta_sync_version = $23, meta_flags = $24"
		" WHERE id = $1";
	const struct mgmt_meta *m = &p->meta;
	char ip6[WEFT_ADDRESS_TEXT_SIZE];
	g_autofree char *addresses = mgmt_list_addresses(m->network_addresses);
	g_autofree char *capabilities = mgmt_list_ints(m->capabilities);
	const struct mgmt_value params[] = {
		MGMT_TEXT(p->id.s),
		MGMT_TEXT(p->ssh_key),
		MGMT_TEXT(p->connection_ip),
		MGMT_INT(p->last_login_us),
		MGMT_TEXT(ip6_text(p, ip6)),
		MGMT_TEXT(m->hostname),
		MGMT_TEXT(m->goos),
		MGMT_TEXT(m->kernel),
		MGMT_TEXT(m->core),
		MGMT_TEXT(m->platform),
		MGMT_TEXT(m->os),
		MGMT_TEXT(m->os_version),
		MGMT_TEXT(m->version),
		MGMT_TEXT(m->ui_version),
		MGMT_TEXT(m->kernel_version),
		MGMT_TEXT(m->serial_number),
		MGMT_TEXT(m->product_name),
		MGMT_TEXT(m->manufacturer),
		MGMT_TEXT(m->cloud),
		MGMT_TEXT(m->environment),
		MGMT_TEXT(addresses),
		MGMT_TEXT(capabilities),
		MGMT_INT(m->sync_message_version),
		MGMT_INT(mgmt_meta_flags(m)),
	};

	return RUN(tx, sql, params, error);
}

bool
mgmt_tx_update_peer(MgmtTx *tx, const struct mgmt_peer *p, unsigned fields, GError **error)
{
	const struct mgmt_value name[] = { MGMT_TEXT(p->id.s), MGMT_TEXT(p->name),
					   MGMT_TEXT(p->dns_label) };
	const struct mgmt_value approval[] = { MGMT_TEXT(p->id.s), MGMT_INT(p->approval_required) };
	const struct mgmt_value expiry[] = { MGMT_TEXT(p->id.s), MGMT_INT(p->login_expired),
					     MGMT_INT(p->login_expiration_enabled),
					     MGMT_INT(p->ssh_enabled) };

	if ((fields & MGMT_PEER_NAME) &&
	    !RUN(tx, "UPDATE peers SET name = $2, dns_label = $3 WHERE id = $1", name, error))
		return false;
	if ((fields & MGMT_PEER_APPROVAL) &&
	    !RUN(tx, "UPDATE peers SET approval_required = $2 WHERE id = $1", approval, error))
		return false;
	if ((fields & MGMT_PEER_EXPIRY) &&
	    !RUN(tx,
		 "UPDATE peers SET login_expired = $2, login_expiration_enabled = $3,"
		 " ssh_enabled = $4 WHERE id = $1",
		 expiry, error))
		return false;
	return !(fields & MGMT_PEER_REPORT) || update_report(tx, p, error);
}

bool
mgmt_tx_delete_peer(MgmtTx *tx, const struct mgmt_id *peer, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(peer->s) };

	return RUN(tx, "DELETE FROM peers WHERE id = $1", params, error);
}

bool
mgmt_tx_put_group(MgmtTx *tx, const struct mgmt_group *g, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(g->id.s), MGMT_TEXT(g->account_id.s),
					     MGMT_TEXT(g->name), MGMT_INT(g->is_all),
					     MGMT_INT(g->created_us) };

	return RUN(tx,
		   "INSERT INTO groups (id, account_id, name, is_all, created_at)"
		   " VALUES ($1, $2, $3, $4, $5)"
		   " ON CONFLICT (id) DO UPDATE SET name = excluded.name",
		   params, error);
}

bool
mgmt_tx_delete_group(MgmtTx *tx, const struct mgmt_id *group, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(group->s) };

	return RUN(tx, "DELETE FROM groups WHERE id = $1", params, error);
}

bool
mgmt_tx_add_member(MgmtTx *tx,
		   const struct mgmt_id *group,
		   const struct mgmt_id *peer,
		   GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(group->s), MGMT_TEXT(peer->s) };

	/* A group or peer that was deleted meanwhile has no members: not an error. */
	return RUN(tx,
		   "INSERT INTO group_peers (group_id, peer_id)"
		   " SELECT g.id, p.id FROM groups g, peers p WHERE g.id = $1 AND p.id = $2"
		   " ON CONFLICT DO NOTHING",
		   params, error);
}

bool
mgmt_tx_remove_member(MgmtTx *tx,
		      const struct mgmt_id *group,
		      const struct mgmt_id *peer,
		      GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(group->s), MGMT_TEXT(peer->s) };

	return RUN(tx, "DELETE FROM group_peers WHERE group_id = $1 AND peer_id = $2", params,
		   error);
}

static bool
put_rule(MgmtTx *tx, const struct mgmt_rule *r, unsigned position, GError **error)
{
	static const char sql[] =
		"INSERT INTO policy_rules (id, policy_id, position, name, description, enabled,"
		" action, protocol, bidirectional, source_type, source_id, destination_type,"
		" destination_id, sources, destinations, ports, port_ranges)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
		" $17)";
	g_autofree char *sources = mgmt_list_ids(r->sources);
	g_autofree char *destinations = mgmt_list_ids(r->destinations);
	g_autofree char *ports = mgmt_list_ports(r->ports);
	g_autofree char *ranges = mgmt_list_ranges(r->port_ranges);
	const struct mgmt_value params[] = {
		MGMT_TEXT(r->id.s),
		MGMT_TEXT(r->policy_id.s),
		MGMT_INT(position),
		MGMT_TEXT(r->name),
		MGMT_TEXT(r->description),
		MGMT_INT(r->enabled),
		MGMT_TEXT(mgmt_action_name(r->action)),
		MGMT_TEXT(mgmt_protocol_name(r->protocol)),
		MGMT_INT(r->bidirectional),
		MGMT_TEXT(mgmt_resource_type_name(r->source_resource.type)),
		MGMT_TEXT(r->source_resource.id.s),
		MGMT_TEXT(mgmt_resource_type_name(r->destination_resource.type)),
		MGMT_TEXT(r->destination_resource.id.s),
		MGMT_TEXT(sources),
		MGMT_TEXT(destinations),
		MGMT_TEXT(ports),
		MGMT_TEXT(ranges),
	};

	return RUN(tx, sql, params, error);
}

bool
mgmt_tx_put_policy(MgmtTx *tx, const struct mgmt_policy *p, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(p->id.s),   MGMT_TEXT(p->account_id.s),
					     MGMT_TEXT(p->name),   MGMT_TEXT(p->description),
					     MGMT_INT(p->enabled), MGMT_INT(p->created_us) };
	const struct mgmt_value id[] = { MGMT_TEXT(p->id.s) };

	if (!RUN(tx,
		 "INSERT INTO policies (id, account_id, name, description, enabled, created_at)"
		 " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET"
		 " name = excluded.name, description = excluded.description,"
		 " enabled = excluded.enabled",
		 params, error) ||
	    !RUN(tx, "DELETE FROM policy_rules WHERE policy_id = $1", id, error))
		return false;
	for (guint i = 0; i < p->rules->len; i++)
		if (!put_rule(tx, g_ptr_array_index(p->rules, i), i, error))
			return false;
	return true;
}

bool
mgmt_tx_delete_policy(MgmtTx *tx, const struct mgmt_id *policy, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(policy->s) };

	return RUN(tx, "DELETE FROM policies WHERE id = $1", params, error);
}

bool
mgmt_tx_put_setup_key(MgmtTx *tx, const struct mgmt_setup_key *k, GError **error)
{
	static const char sql[] =
		"INSERT INTO setup_keys (id, account_id, name, hash, masked, type, revoked,"
		" ephemeral, allow_extra_dns_labels, created_at, expires_at, updated_at, last_used,"
		" used_times, usage_limit, auto_groups)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
	g_autofree char *groups = mgmt_list_ids(k->auto_groups);
	const struct mgmt_value params[] = {
		MGMT_TEXT(k->id.s),
		MGMT_TEXT(k->account_id.s),
		MGMT_TEXT(k->name),
		MGMT_TEXT(k->hash),
		MGMT_TEXT(k->masked),
		MGMT_TEXT(k->type == MGMT_SETUP_KEY_ONE_OFF ? "one-off" : "reusable"),
		MGMT_INT(k->revoked),
		MGMT_INT(k->ephemeral),
		MGMT_INT(k->allow_extra_dns_labels),
		MGMT_INT(k->created_us),
		MGMT_INT(k->expires_us),
		MGMT_INT(k->updated_us),
		MGMT_INT(k->last_used_us),
		MGMT_INT(k->used_times),
		MGMT_INT(k->usage_limit),
		MGMT_TEXT(groups),
	};

	return RUN(tx, sql, params, error);
}

bool
mgmt_tx_revoke_setup_key(MgmtTx *tx, const struct mgmt_id *key, int64_t now_us, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(key->s), MGMT_INT(now_us) };

	return RUN(tx, "UPDATE setup_keys SET revoked = 1, updated_at = $2 WHERE id = $1", params,
		   error);
}

bool
mgmt_tx_use_setup_key(
	MgmtTx *tx, const struct mgmt_id *key, int64_t now_us, int64_t *ret_used, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(key->s), MGMT_INT(now_us) };
	bool found = false;

	if (!mgmt_query_int(tx->engine,
			    "UPDATE setup_keys SET used_times = used_times + 1, last_used = $2"
			    " WHERE id = $1 AND revoked = 0 AND (expires_at = 0 OR expires_at > $2)"
			    " AND (usage_limit = 0 OR used_times < usage_limit)"
			    " RETURNING used_times",
			    params, 2, ret_used, &found, error))
		return false;
	if (!found)
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_REFUSED,
			    "the setup key is revoked, expired or used up");
	return found;
}

bool
mgmt_tx_put_token(MgmtTx *tx, const struct mgmt_token *t, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(t->id.s),       MGMT_TEXT(t->account_id.s),
					     MGMT_TEXT(t->name),       MGMT_TEXT(t->hash),
					     MGMT_INT(t->created_us),  MGMT_INT(t->expires_us),
					     MGMT_INT(t->last_used_us) };

	return RUN(tx,
		   "INSERT INTO tokens (id, account_id, name, hash, created_at, expires_at,"
		   " last_used) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		   params, error);
}

bool
mgmt_tx_delete_token(MgmtTx *tx, const struct mgmt_id *token, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(token->s) };

	return RUN(tx, "DELETE FROM tokens WHERE id = $1", params, error);
}

bool
mgmt_tx_put_status(MgmtTx *tx, const struct mgmt_peer_status *rows, size_t n, GError **error)
{
	for (size_t i = 0; i < n; i++) {
		const struct mgmt_value params[] = { MGMT_TEXT(rows[i].peer.s),
						     MGMT_INT(rows[i].last_seen_us),
						     MGMT_INT(rows[i].connected) };

		if (!RUN(tx, "UPDATE peers SET last_seen = $2, connected = $3 WHERE id = $1",
			 params, error))
			return false;
	}
	return true;
}

bool
mgmt_tx_add_event(MgmtTx *tx, const struct mgmt_event *e, GError **error)
{
	const struct mgmt_value params[] = { MGMT_TEXT(e->account_id.s), MGMT_INT(e->time_us),
					     MGMT_INT(e->activity),      MGMT_TEXT(e->initiator),
					     MGMT_TEXT(e->target),       MGMT_TEXT(e->meta) };

	return RUN(tx,
		   "INSERT INTO events (account_id, time, activity, initiator, target, meta)"
		   " VALUES ($1, $2, $3, $4, $5, $6)",
		   params, error);
}

static void
event_free(void *p)
{
	mgmt_event_clear(p);
	g_free(p);
}

static bool
on_event(const struct mgmt_row *row, void *user, GError **error)
{
	struct mgmt_event *e = g_new0(struct mgmt_event, 1);
	const char *account = mgmt_row_text(row, 1);

	e->id = mgmt_row_int(row, 0);
	(void) mgmt_id_parse(&e->account_id, account, strlen(account)); /* stays none */
	e->time_us = mgmt_row_int(row, 2);
	e->activity = (int) mgmt_row_int(row, 3);
	e->initiator = g_strdup(mgmt_row_text(row, 4));
	e->target = g_strdup(mgmt_row_text(row, 5));
	e->meta = g_strdup(mgmt_row_text(row, 6));
	g_ptr_array_add(user, e);
	return true;
}

bool
mgmt_tx_list_events(MgmtTx *tx,
		    const struct mgmt_id *account,
		    int64_t after,
		    unsigned limit,
		    GPtrArray **ret,
		    GError **error)
{
	g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(event_free);
	const struct mgmt_value params[] = { MGMT_TEXT(account->s), MGMT_INT(after),
					     MGMT_INT(limit) };

	if (!mgmt_query(tx->engine,
			after < 0
				? "SELECT * FROM (SELECT id, account_id, time, activity, initiator,"
				  " target, meta FROM events WHERE account_id = $1 AND id > $2"
				  " ORDER BY id DESC LIMIT $3) AS newest ORDER BY id"
				: "SELECT id, account_id, time, activity, initiator, target, meta"
				  " FROM events WHERE account_id = $1 AND id > $2 ORDER BY id"
				  " LIMIT $3",
			params, 3, on_event, events, error))
		return false;
	*ret = g_steal_pointer(&events);
	return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/status.h"

#include "proto/control.pb-c.h"

#include <string.h>

void
agent_scope_init(AgentScope *scope)
{
	scope->blocks = g_ptr_array_new_with_free_func(g_free);
}

void
agent_scope_clear(AgentScope *scope)
{
	g_clear_pointer(&scope->blocks, g_ptr_array_unref);
}

void *
agent_scope_take(AgentScope *scope, gsize size)
{
	void *block = g_malloc0(MAX(size, 1));

	g_ptr_array_add(scope->blocks, block);
	return block;
}

char *
agent_scope_text(AgentScope *scope, char *text)
{
	g_ptr_array_add(scope->blocks, text);
	return text;
}

static char *
borrow(const char *text)
{
	return (char *) (uintptr_t) text;
}

static char *
endpoint_text(AgentScope *scope, const struct weft_endpoint *e)
{
	char *text;

	if (e->addr.family == WEFT_FAMILY_NONE)
		return borrow("");
	text = agent_scope_take(scope, WEFT_ENDPOINT_TEXT_SIZE);
	return weft_endpoint_format(e, text);
}

static char *
prefix_text(AgentScope *scope, const struct weft_prefix *p)
{
	char *text;

	if (p->addr.family == WEFT_FAMILY_NONE)
		return borrow("");
	text = agent_scope_take(scope, WEFT_PREFIX_TEXT_SIZE);
	return weft_prefix_format(p, text);
}

static Weft__Control__Peer *
show_peer(AgentScope *scope, const struct agent_map_peer *entry, const AgentPeer *p)
{
	Weft__Control__Peer *out = agent_scope_take(scope, sizeof *out);
	struct weft_key_text *key = agent_scope_take(scope, sizeof *key);

	weft__control__peer__init(out);
	*key = weft_key_to_text(&entry->key);
	out->public_key = key->s;
	out->name = entry->fqdn;
	out->version = entry->version;
	out->n_allowed = entry->n_allowed;
	out->allowed = agent_scope_take(scope, entry->n_allowed * sizeof(char *));
	for (size_t i = 0; i < entry->n_allowed; i++)
		out->allowed[i] = prefix_text(scope, &entry->allowed[i]);
	out->path = borrow(agent_path_kind_name(AGENT_PATH_KIND_NONE));
	if (p == NULL)
		return out;
	out->path = borrow(agent_path_kind_name(agent_path_kind(p->path)));
	out->since = p->since_us;
	out->why = borrow(agent_peer_why(p));
	out->ice = borrow(p->ice != NULL ? ice_state_name(ice_session_state(p->ice)) : "");
	if (p->has_pair) {
		out->local_type = borrow(ice_type_name(p->pair.local_type));
		out->remote_type = borrow(ice_type_name(p->pair.remote_type));
		out->mapped = endpoint_text(scope, &p->pair.mapped);
		out->rtt_us = p->pair.rtt_us;
	}
	out->endpoint = endpoint_text(scope, &p->endpoint);
	out->last_handshake = p->handshake_us;
	out->rx_bytes = p->rx;
	out->tx_bytes = p->tx;
	out->offers_sent = p->offers_out;
	out->offers_received = p->offers_in;
	out->candidates_sent = p->candidates_out;
	out->candidates_received = p->candidates_in;
	out->relay = p->relay_url;
	return out;
}

static Weft__Control__Server *
show_server(
	AgentScope *scope, const char *url, const char *state, const char *reason, int64_t since)
{
	Weft__Control__Server *out = agent_scope_take(scope, sizeof *out);

	weft__control__server__init(out);
	out->url = borrow(url);
	out->state = borrow(state);
	out->reason = agent_scope_text(scope, g_strdup(reason));
	out->since = since;
	return out;
}

static void
show_servers(AgentMesh *m, AgentScope *scope, Weft__Control__Status *out)
{
	struct agent_relay_info info[8];
	size_t n = m->relay != NULL ? agent_relay_servers(m->relay, info, G_N_ELEMENTS(info)) : 0;

	if (m->mgmt != NULL)
		out->management =
			show_server(scope, m->state.management_url,
				    agent_mgmt_state_name(agent_mgmt_state(m->mgmt)),
				    agent_mgmt_reason(m->mgmt), agent_mgmt_since_us(m->mgmt));
	if (m->signal != NULL)
		out->signal = show_server(scope, m->signal_url,
					  agent_signal_state_name(agent_signal_state(m->signal)),
					  agent_signal_reason(m->signal),
					  agent_signal_since_us(m->signal));
	for (size_t i = 0; i < n; i++)
		if (info[i].home || n == 1)
			out->relay = show_server(
				scope, agent_scope_text(scope, g_strdup(info[i].url)),
				info[i].connected ? "connected" : "connecting", info[i].problem, 0);
	if (m->stuns != NULL) {
		out->n_servers = g_strv_length(m->stuns);
		out->servers = m->stuns;
	}
}

static void
show_map(AgentMesh *m, AgentScope *scope, Weft__Control__Status *out)
{
	const struct agent_map_self *self = agent_map_self(m->map);
	const GPtrArray *peers = agent_map_peers(m->map);
	g_autoptr(GArray) rules = agent_map_rules(m->map);
	char **unsupported = agent_map_unsupported(m->map);

	out->address = prefix_text(scope, &self->address);
	out->address6 = prefix_text(scope, &self->address6);
	out->fqdn = self->fqdn;
	out->serial = agent_map_serial(m->map);
	out->cached = m->cached;
	out->rules = rules->len;
	out->peers = agent_scope_take(scope, peers->len * sizeof *out->peers);
	for (guint i = 0; i < peers->len; i++) {
		const struct agent_map_peer *entry = peers->pdata[i];

		out->peers[out->n_peers++] =
			show_peer(scope, entry, g_hash_table_lookup(m->peers, &entry->key));
	}
	out->n_unsupported = g_strv_length(unsupported);
	out->unsupported = unsupported;
	for (size_t i = 0; i < out->n_unsupported; i++)
		agent_scope_text(scope, unsupported[i]);
	g_ptr_array_add(scope->blocks, unsupported);
}

Weft__Control__Status *
agent_status(AgentMesh *m, AgentScope *scope)
{
	Weft__Control__Status *out = agent_scope_take(scope, sizeof *out);
	struct weft_key_text *key = agent_scope_take(scope, sizeof *key);

	agent_mesh_poll(m);
	weft__control__status__init(out);
	*key = weft_key_to_text(&m->state.public);
	out->state = borrow(agent_mesh_state_name(agent_mesh_state(m)));
	out->reason = agent_scope_text(scope, g_strdup(agent_mesh_reason(m)));
	out->version = borrow(PACKAGE_VERSION);
	out->public_key = key->s;
	if (m->interface != NULL)
		out->interface = m->interface;
	if (m->reconcile != NULL)
		out->wireguard = borrow(agent_reconcile_wireguard(m->reconcile));
	out->listen_port = m->state.port;
	show_servers(m, scope, out);
	if (m->map != NULL)
		show_map(m, scope, out);
	out->n_problems = m->problems->len;
	out->problems = (char **) m->problems->pdata;
	return out;
}

AgentPeer *
agent_status_find(AgentMesh *m, const char *name)
{
	const GPtrArray *entries = m->map != NULL ? agent_map_peers(m->map) : NULL;
	struct weft_address a;
	bool is_address = weft_address_parse(&a, name, strlen(name));
	size_t len = strlen(name);

	for (guint i = 0; entries != NULL && i < entries->len; i++) {
		const struct agent_map_peer *e = entries->pdata[i];
		struct weft_key_text key = weft_key_to_text(&e->key);
		bool match = strcmp(key.s, name) == 0 || strcmp(e->fqdn, name) == 0 ||
			     (g_str_has_prefix(e->fqdn, name) && e->fqdn[len] == '.');

		for (size_t k = 0; is_address && k < e->n_allowed; k++)
			match = match || weft_address_equal(&e->allowed[k].addr, &a);
		if (match)
			return g_hash_table_lookup(m->peers, &e->key);
	}
	return NULL;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deltas: docs/protocol/management.md. */
#include "agent/map.h"

#include "agent/map_private.h"
#include "proto/management.pb-c.h"

#include <string.h>

static void
share(AgentMap *m, const AgentMap *old)
{
	GHashTableIter it;
	gpointer key, value;

	agent_map_copy_self(m, old);
	m->serial = old->serial;
	m->odd_peers = old->odd_peers;
	m->forwardings = old->forwardings;
	m->dns = old->dns;
	m->ssh = old->ssh;
	g_hash_table_iter_init(&it, old->peers);
	while (g_hash_table_iter_next(&it, &key, &value))
		g_hash_table_insert(m->peers, key, g_rc_box_acquire(value));
	g_hash_table_iter_init(&it, old->rules);
	while (g_hash_table_iter_next(&it, &key, &value))
		g_hash_table_insert(m->rules, key, g_rc_box_acquire(value));
	g_hash_table_iter_init(&it, old->offline);
	while (g_hash_table_iter_next(&it, &key, NULL))
		g_hash_table_add(m->offline, g_strdup(key));
	g_hash_table_iter_init(&it, old->routes);
	while (g_hash_table_iter_next(&it, &key, NULL))
		g_hash_table_add(m->routes, g_strdup(key));
	g_hash_table_iter_init(&it, old->route_rules);
	while (g_hash_table_iter_next(&it, &key, NULL))
		g_hash_table_add(m->route_rules, g_memdup2(key, sizeof(uint64_t)));
}

static bool
apply_peers(AgentMap *m,
	    const Management__WeftNetworkMapDelta *msg,
	    const struct weft_key *own,
	    GPtrArray *problems)
{
	for (size_t i = 0; i < msg->n_removedpeers; i++) {
		const ProtobufCBinaryData *d = &msg->removedpeers[i];
		struct weft_key key;
		struct weft_key_text text;

		if (d->len != WEFT_KEY_LEN)
			return false;
		memcpy(key.b, d->data, WEFT_KEY_LEN);
		text = weft_key_to_text(&key);
		g_hash_table_remove(m->peers, &key);
		g_hash_table_remove(m->offline, text.s);
	}
	for (size_t i = 0; i < msg->n_offlinepeers; i++) {
		const char *text = msg->offlinepeers[i]->wgpubkey;
		struct weft_key key;

		if (!weft_key_from_text(&key, text, strlen(text)))
			return false;
		g_hash_table_remove(m->peers, &key);
		g_hash_table_add(m->offline, g_strdup(text));
	}
	for (size_t i = 0; i < msg->n_remotepeers; i++)
		if (!agent_map_read_peer(m, msg->remotepeers[i], own, problems)) {
			if (!msg->resync)
				return false;
			m->odd_peers++;
		}
	return true;
}

static void
remove_prefix(struct agent_map_rule *rule, const struct weft_prefix *p)
{
	for (guint i = 0; i < rule->prefixes->len; i++)
		if (weft_prefix_equal(&g_array_index(rule->prefixes, struct weft_prefix, i), p)) {
			g_array_remove_index_fast(rule->prefixes, i);
			return;
		}
}

/* A rule that the new map may change: the old map keeps its own. */
static struct agent_map_rule *
own_rule(AgentMap *m, const struct agent_map_rule *old)
{
	struct agent_map_rule *rule = g_rc_box_new0(struct agent_map_rule);

	*rule = *old;
	rule->prefixes = g_array_copy(old->prefixes);
	g_hash_table_replace(m->rules, &rule->id, rule);
	return rule;
}

static bool
apply_rule(AgentMap *m, const Management__WeftFirewallRule *f, GPtrArray *problems)
{
	struct agent_map_rule *rule = g_hash_table_lookup(m->rules, &f->id);

	if (f->id == 0)
		return false;
	if (f->rule != NULL) {
		rule = agent_map_read_rule(f->id, f->rule, problems);
		g_hash_table_replace(m->rules, &rule->id, rule);
	} else if (rule == NULL) {
		return false;
	} else {
		rule = own_rule(m, rule);
	}
	for (size_t i = 0; i < f->n_removedprefixes; i++) {
		struct weft_prefix p;

		if (!weft_prefix_from_compact(&p, f->removedprefixes[i].data,
					      f->removedprefixes[i].len))
			return false;
		remove_prefix(rule, &p);
	}
	for (size_t i = 0; i < f->n_addedprefixes; i++)
		if (!agent_map_rule_add(rule, &f->addedprefixes[i]))
			return false;
	return true;
}

static bool
apply_rules(AgentMap *m, const Management__WeftNetworkMapDelta *msg, GPtrArray *problems)
{
	for (size_t i = 0; i < msg->n_removedfirewallrules; i++)
		g_hash_table_remove(m->rules, &msg->removedfirewallrules[i]);
	for (size_t i = 0; i < msg->n_firewallrules; i++)
		if (!apply_rule(m, msg->firewallrules[i], problems))
			return false;
	return true;
}

static bool
apply_routes(AgentMap *m, const Management__WeftNetworkMapDelta *msg)
{
	for (size_t i = 0; i < msg->n_removedroutes; i++)
		g_hash_table_remove(m->routes, msg->removedroutes[i]);
	for (size_t i = 0; i < msg->n_routes; i++)
		g_hash_table_add(m->routes, g_strdup(msg->routes[i]->id));
	for (size_t i = 0; i < msg->n_removedroutefirewallrules; i++)
		g_hash_table_remove(m->route_rules, &msg->removedroutefirewallrules[i]);
	for (size_t i = 0; i < msg->n_routefirewallrules; i++) {
		if (msg->routefirewallrules[i]->id == 0)
			return false;
		g_hash_table_add(m->route_rules,
				 g_memdup2(&msg->routefirewallrules[i]->id, sizeof(uint64_t)));
	}
	return true;
}

static bool
counts_fit(const AgentMap *m, const Management__WeftNetworkMapDelta *msg)
{
	GHashTableIter it;
	gpointer value;
	size_t prefixes = 0;

	g_hash_table_iter_init(&it, m->rules);
	while (g_hash_table_iter_next(&it, NULL, &value))
		prefixes += ((const struct agent_map_rule *) value)->prefixes->len;
	return g_hash_table_size(m->peers) + m->odd_peers == msg->remotepeercount &&
	       g_hash_table_size(m->offline) == msg->offlinepeercount &&
	       g_hash_table_size(m->rules) == msg->firewallrulecount &&
	       prefixes == msg->firewallprefixcount &&
	       g_hash_table_size(m->routes) == msg->routecount &&
	       g_hash_table_size(m->route_rules) == msg->routefirewallrulecount;
}

enum agent_map_result
agent_map_from_delta(AgentMap **ret,
		     AgentMap *old,
		     const Management__WeftNetworkMapDelta *msg,
		     const struct weft_key *own,
		     GPtrArray *problems)
{
	g_autoptr(AgentMap) m = NULL;

	if (!msg->resync &&
	    (old == NULL || msg->baseserial != old->serial || msg->serial < old->serial))
		return AGENT_MAP_RESYNC;
	m = agent_map_new();
	if (!msg->resync)
		share(m, old);
	else if (old != NULL)
		agent_map_copy_self(m, old);
	m->serial = msg->serial;
	if (msg->peerconfig != NULL && !agent_map_read_self(m, msg->peerconfig, problems) &&
	    !msg->resync)
		return AGENT_MAP_RESYNC;
	if (msg->dnsconfig != NULL)
		m->dns = msg->dnsconfig->serviceenable;
	if (msg->sshauth != NULL)
		m->ssh = true;
	if (msg->forwardingrules != NULL)
		m->forwardings = (unsigned) msg->forwardingrules->n_rules;
	if (!apply_peers(m, msg, own, problems) || !apply_rules(m, msg, problems) ||
	    !apply_routes(m, msg) || !counts_fit(m, msg))
		return AGENT_MAP_RESYNC;
	*ret = g_steal_pointer(&m);
	return AGENT_MAP_OK;
}

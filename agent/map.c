/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/map.h"

#include "agent/map_private.h"
#include "base/decimal.h"
#include "proto/management.pb-c.h"

#include <netinet/in.h>
#include <string.h>

void
agent_map_problem(GPtrArray *problems, const char *format, ...)
{
	va_list ap;

	if (problems == NULL || problems->len >= AGENT_MAP_PROBLEMS_MAX)
		return;
	va_start(ap, format);
	g_ptr_array_add(problems, g_strdup_vprintf(format, ap));
	va_end(ap);
}

static guint
hash_key(gconstpointer p)
{
	return (guint) weft_key_hash(p);
}

static gboolean
equal_key(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, WEFT_KEY_LEN) == 0;
}

static void
clear_peer(gpointer p)
{
	struct agent_map_peer *peer = p;

	g_free(peer->allowed);
	g_free(peer->fqdn);
	g_free(peer->version);
}

void
agent_map_peer_unref(gpointer p)
{
	g_rc_box_release_full(p, clear_peer);
}

static void
clear_rule(gpointer p)
{
	struct agent_map_rule *rule = p;

	g_array_unref(rule->prefixes);
}

void
agent_map_rule_unref(gpointer p)
{
	g_rc_box_release_full(p, clear_rule);
}

AgentMap *
agent_map_new(void)
{
	AgentMap *m = g_rc_box_new0(AgentMap);

	m->self.fqdn = g_strdup("");
	m->peers = g_hash_table_new_full(hash_key, equal_key, NULL, agent_map_peer_unref);
	m->rules = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, agent_map_rule_unref);
	m->offline = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	m->routes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	m->route_rules = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	return m;
}

static void
clear_map(gpointer p)
{
	AgentMap *m = p;

	g_free(m->self.fqdn);
	g_hash_table_unref(m->peers);
	g_hash_table_unref(m->rules);
	g_hash_table_unref(m->offline);
	g_hash_table_unref(m->routes);
	g_hash_table_unref(m->route_rules);
	g_clear_pointer(&m->sorted, g_ptr_array_unref);
}

AgentMap *
agent_map_ref(AgentMap *m)
{
	return g_rc_box_acquire(m);
}

void
agent_map_unref(AgentMap *m)
{
	if (m != NULL)
		g_rc_box_release_full(m, clear_map);
}

void
agent_map_copy_self(AgentMap *m, const AgentMap *old)
{
	g_free(m->self.fqdn);
	m->self = old->self;
	m->self.fqdn = g_strdup(old->self.fqdn);
}

/* --- Reading entries --- */

bool
agent_map_read_self(AgentMap *m, const Management__PeerConfig *msg, GPtrArray *problems)
{
	struct weft_prefix p;

	if (!weft_prefix_parse(&p, msg->address, strlen(msg->address), true) ||
	    p.addr.family != WEFT_FAMILY_IPV4 || p.bits == 0) {
		agent_map_problem(problems, "own address '%.64s' is none", msg->address);
		return false;
	}
	m->self.address = p;
	m->self.address6 = (struct weft_prefix){ 0 };
	if (msg->address_v6.len > 0) {
		if (weft_prefix_from_compact(&p, msg->address_v6.data, msg->address_v6.len) &&
		    p.addr.family == WEFT_FAMILY_IPV6 && p.bits > 0)
			m->self.address6 = p;
		else
			agent_map_problem(problems, "own IPv6 address is none");
	}
	g_free(m->self.fqdn);
	m->self.fqdn = g_strndup(msg->fqdn, 255);
	m->self.mtu = msg->mtu >= 1280 && msg->mtu <= 65535 ? (uint32_t) msg->mtu : 0;
	m->self.lazy = msg->lazyconnectionenabled;
	return true;
}

static bool
in_overlay(const AgentMap *m, const struct weft_prefix *p)
{
	const struct weft_prefix *net =
		p->addr.family == WEFT_FAMILY_IPV4 ? &m->self.address : &m->self.address6;

	return p->bits == weft_address_bits(&p->addr) && net->addr.family == p->addr.family &&
	       weft_prefix_contains(net, &p->addr) && !weft_address_equal(&net->addr, &p->addr);
}

bool
agent_map_read_peer(AgentMap *m,
		    const Management__RemotePeerConfig *msg,
		    const struct weft_key *own,
		    GPtrArray *problems)
{
	struct agent_map_peer *peer;
	struct weft_key key;
	size_t n = MIN(msg->n_allowedips, AGENT_MAP_ALLOWED_MAX);

	if (!weft_key_from_text(&key, msg->wgpubkey, strlen(msg->wgpubkey)) ||
	    weft_key_is_zero(&key)) {
		agent_map_problem(problems, "peer with the malformed key '%.44s'", msg->wgpubkey);
		return false;
	}
	if (weft_key_equal(&key, own)) {
		agent_map_problem(problems, "our own key as a peer");
		m->odd_peers++;
		return true;
	}
	peer = g_rc_box_new0(struct agent_map_peer);
	peer->key = key;
	peer->fqdn = g_strndup(msg->fqdn, 255);
	peer->version = g_strndup(msg->agentversion, 64);
	peer->allowed = g_new(struct weft_prefix, MAX(n, 1));
	for (size_t i = 0; i < n; i++) {
		const char *text = msg->allowedips[i];
		struct weft_prefix *p = &peer->allowed[peer->n_allowed];

		if (weft_prefix_parse(p, text, strlen(text), false) && in_overlay(m, p))
			peer->n_allowed++;
		else if (strchr(text, ':') == NULL || m->self.address6.addr.family != 0)
			agent_map_problem(problems,
					  "peer %.255s: address %.64s is not one of the "
					  "overlay's hosts",
					  msg->fqdn, text);
	}
	g_hash_table_replace(m->peers, &peer->key, peer);
	g_hash_table_remove(m->offline, msg->wgpubkey);
	return true;
}

static bool
read_ports(struct weft_nft_rule *r, const Management__FirewallRule *msg)
{
	const Management__PortInfo *info = msg->portinfo;
	uint64_t port;

	if (msg->port[0] != '\0') {
		if (!weft_decimal_parse(&port, msg->port, strlen(msg->port), UINT16_MAX))
			return false;
		r->has_ports = port != 0;
		r->port_first = r->port_last = (uint16_t) port;
		return true;
	}
	if (info == NULL ||
	    info->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION__NOT_SET)
		return true;
	r->has_ports = true;
	if (info->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_PORT) {
		r->port_first = r->port_last = (uint16_t) info->port;
		return info->port > 0 && info->port <= UINT16_MAX;
	}
	if (info->range == NULL || info->range->start == 0 || info->range->end > UINT16_MAX ||
	    info->range->start > info->range->end)
		return false;
	r->port_first = (uint16_t) info->range->start;
	r->port_last = (uint16_t) info->range->end;
	return true;
}

static bool
read_protocol(struct weft_nft_rule *r, const Management__FirewallRule *msg)
{
	switch (msg->protocol) {
	case MANAGEMENT__RULE_PROTOCOL__ALL:
		r->protocol = WEFT_NFT_PROTOCOL_ALL;
		return true;
	case MANAGEMENT__RULE_PROTOCOL__TCP:
		r->protocol = IPPROTO_TCP;
		return read_ports(r, msg);
	case MANAGEMENT__RULE_PROTOCOL__UDP:
		r->protocol = IPPROTO_UDP;
		return read_ports(r, msg);
	case MANAGEMENT__RULE_PROTOCOL__ICMP:
		r->protocol = WEFT_NFT_PROTOCOL_ICMP;
		return true;
	case MANAGEMENT__RULE_PROTOCOL__CUSTOM:
		r->protocol = (int) msg->customprotocol;
		return msg->customprotocol > 0 && msg->customprotocol <= UINT8_MAX;
	case MANAGEMENT__RULE_PROTOCOL__UNKNOWN:
	case MANAGEMENT__RULE_PROTOCOL__NETBIRD_SSH:
	case _MANAGEMENT__RULE_PROTOCOL_IS_INT_SIZE:
		break;
	}
	return false;
}

/* An unspecified address is anybody; else only the address counts (protocol.md 2.9). */
static struct weft_prefix
wildcard(const struct weft_prefix *p)
{
	struct weft_prefix any = *p;

	if (weft_address_classify(&p->addr) == WEFT_ADDRESS_UNSPECIFIED) {
		any.bits = 0;
		return weft_prefix_mask(&any);
	}
	return weft_prefix_mask(p);
}

struct agent_map_rule *
agent_map_read_rule(uint64_t id, const Management__FirewallRule *msg, GPtrArray *problems)
{
	struct agent_map_rule *rule = g_rc_box_new0(struct agent_map_rule);
	struct weft_nft_rule *r = &rule->rule;

	rule->id = id;
	rule->prefixes = g_array_new(FALSE, FALSE, sizeof(struct weft_prefix));
	r->direction =
		msg->direction == MANAGEMENT__RULE_DIRECTION__OUT ? WEFT_NFT_OUT : WEFT_NFT_IN;
	r->action =
		msg->action == MANAGEMENT__RULE_ACTION__ACCEPT ? WEFT_NFT_ACCEPT : WEFT_NFT_DROP;
	r->policy = weft_nft_policy(msg->policyid.data,
				    MIN(msg->policyid.len, (size_t) WEFT_NFT_LIMIT_POLICY_ID));
	rule->usable = (unsigned) msg->direction <= MANAGEMENT__RULE_DIRECTION__OUT &&
		       (unsigned) msg->action <= MANAGEMENT__RULE_ACTION__DROP &&
		       read_protocol(r, msg);
	if (!rule->usable)
		agent_map_problem(problems, "a firewall rule of protocol %d is not understood",
				  (int) msg->protocol);
	return rule;
}

bool
agent_map_rule_add(struct agent_map_rule *rule, const ProtobufCBinaryData *data)
{
	struct weft_prefix p;

	if (!weft_prefix_from_compact(&p, data->data, data->len))
		return false;
	for (guint i = 0; i < rule->prefixes->len; i++)
		if (weft_prefix_equal(&g_array_index(rule->prefixes, struct weft_prefix, i), &p))
			return true;
	g_array_append_val(rule->prefixes, p);
	return true;
}

/* --- A whole map --- */

static void
read_rules(AgentMap *m, const Management__NetworkMap *msg, GPtrArray *problems)
{
	static const uint8_t any4[5], any6[17];
	uint64_t id = 1;

	for (size_t i = 0; i < msg->n_firewallrules; i++, id++) {
		const Management__FirewallRule *f = msg->firewallrules[i];
		struct agent_map_rule *rule = agent_map_read_rule(id, f, problems);
		struct weft_address a;

		for (size_t k = 0; k < f->n_sourceprefixes; k++)
			if (!agent_map_rule_add(rule, &f->sourceprefixes[k]))
				agent_map_problem(problems, "a firewall rule's prefix is none");
		G_GNUC_BEGIN_IGNORE_DEPRECATIONS
		if (f->n_sourceprefixes == 0 &&
		    weft_address_parse(&a, f->peerip, strlen(f->peerip))) {
			struct weft_prefix p = weft_prefix_host(&a);

			g_array_append_val(rule->prefixes, p);
		}
		G_GNUC_END_IGNORE_DEPRECATIONS
		if (rule->prefixes->len == 0) {
			agent_map_problem(problems, "a firewall rule without an address");
			rule->usable = false;
		}
		g_hash_table_replace(m->rules, &rule->id, rule);
	}
	if (msg->n_firewallrules == 0 && !msg->firewallrulesisempty) {
		/* A server from before firewall rules: everything is allowed (protocol.md 2.8). */
		Management__FirewallRule all = MANAGEMENT__FIREWALL_RULE__INIT;
		struct agent_map_rule *rule;

		all.protocol = MANAGEMENT__RULE_PROTOCOL__ALL;
		rule = agent_map_read_rule(id, &all, problems);
		agent_map_rule_add(rule, &(ProtobufCBinaryData){ 5, (uint8_t *) (uintptr_t) any4 });
		agent_map_rule_add(rule,
				   &(ProtobufCBinaryData){ 17, (uint8_t *) (uintptr_t) any6 });
		g_hash_table_replace(m->rules, &rule->id, rule);
	}
}

AgentMap *
agent_map_from_network_map(const AgentMap *old,
			   const Management__NetworkMap *msg,
			   const struct weft_key *own,
			   GPtrArray *problems)
{
	AgentMap *m = agent_map_new();

	m->serial = msg->serial;
	if (old != NULL)
		agent_map_copy_self(m, old);
	if (msg->peerconfig != NULL)
		(void) agent_map_read_self(m, msg->peerconfig, problems); /* the old one stays */
	for (size_t i = 0; !msg->remotepeersisempty && i < msg->n_remotepeers; i++)
		if (!agent_map_read_peer(m, msg->remotepeers[i], own, problems))
			m->odd_peers++;
	for (size_t i = 0; i < msg->n_offlinepeers; i++)
		g_hash_table_add(m->offline, g_strdup(msg->offlinepeers[i]->wgpubkey));
	read_rules(m, msg, problems);
	for (size_t i = 0; i < msg->n_routes; i++)
		g_hash_table_add(m->routes, g_strdup(msg->routes[i]->id));
	for (size_t i = 0; i < msg->n_routesfirewallrules; i++) {
		uint64_t id = i + 1;

		g_hash_table_add(m->route_rules, g_memdup2(&id, sizeof id));
	}
	m->dns = msg->dnsconfig != NULL && msg->dnsconfig->serviceenable;
	m->ssh = msg->sshauth != NULL;
	m->forwardings = (unsigned) msg->n_forwardingrules;
	return m;
}

AgentMap *
agent_map_from_peer_config(const Management__PeerConfig *config, GPtrArray *problems)
{
	AgentMap *m = agent_map_new();

	if (agent_map_read_self(m, config, problems))
		return m;
	agent_map_unref(m);
	return NULL;
}

/* --- Asking --- */

uint64_t
agent_map_serial(const AgentMap *m)
{
	return m->serial;
}

const struct agent_map_self *
agent_map_self(const AgentMap *m)
{
	return &m->self;
}

static int
by_key(gconstpointer a, gconstpointer b)
{
	const struct agent_map_peer *const *pa = a, *const *pb = b;

	return memcmp((*pa)->key.b, (*pb)->key.b, WEFT_KEY_LEN);
}

const GPtrArray *
agent_map_peers(const AgentMap *m)
{
	GHashTableIter it;
	gpointer value;

	if (m->sorted != NULL)
		return m->sorted;
	((AgentMap *) (uintptr_t) m)->sorted = g_ptr_array_sized_new(g_hash_table_size(m->peers));
	g_hash_table_iter_init(&it, m->peers);
	while (g_hash_table_iter_next(&it, NULL, &value))
		g_ptr_array_add(m->sorted, value);
	g_ptr_array_sort(m->sorted, by_key);
	return m->sorted;
}

const struct agent_map_peer *
agent_map_find(const AgentMap *m, const struct weft_key *key)
{
	return g_hash_table_lookup(m->peers, key);
}

GArray *
agent_map_rules(const AgentMap *m)
{
	GArray *out = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_rule));
	GHashTableIter it;
	gpointer value;

	g_hash_table_iter_init(&it, m->rules);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		const struct agent_map_rule *rule = value;

		for (guint i = 0; rule->usable && i < rule->prefixes->len; i++) {
			struct weft_nft_rule r = rule->rule;

			r.remote = wildcard(&g_array_index(rule->prefixes, struct weft_prefix, i));
			g_array_append_val(out, r);
		}
	}
	return out;
}

char **
agent_map_unsupported(const AgentMap *m)
{
	GPtrArray *out = g_ptr_array_new();
	guint routes = g_hash_table_size(m->routes);

	if (routes > 0)
		g_ptr_array_add(out, g_strdup_printf("routes: %u", routes));
	if (m->dns)
		g_ptr_array_add(out, g_strdup("dns"));
	if (m->ssh)
		g_ptr_array_add(out, g_strdup("ssh"));
	if (m->forwardings > 0)
		g_ptr_array_add(out, g_strdup_printf("forwarding rules: %u", m->forwardings));
	g_ptr_array_add(out, NULL);
	return (char **) g_ptr_array_free(out, FALSE);
}

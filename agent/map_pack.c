/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The map as a NetworkMap again: what the cache holds. */
#include "agent/map.h"

#include "agent/map_private.h"
#include "proto/management.pb-c.h"

#include <netinet/in.h>

/* Everything of one packing lives here and goes at its end. */
struct pack {
	GPtrArray *blocks;
};

static void *
take(struct pack *p, gsize size)
{
	void *block = g_malloc0(MAX(size, 1));

	g_ptr_array_add(p->blocks, block);
	return block;
}

static char *
borrow(const char *text)
{
	return (char *) (uintptr_t) text;
}

static Management__RemotePeerConfig *
pack_peer(struct pack *p, const struct agent_map_peer *peer)
{
	Management__RemotePeerConfig *out = take(p, sizeof *out);
	struct weft_key_text *key = take(p, sizeof *key);

	management__remote_peer_config__init(out);
	*key = weft_key_to_text(&peer->key);
	out->wgpubkey = key->s;
	out->fqdn = peer->fqdn;
	out->agentversion = peer->version;
	out->n_allowedips = peer->n_allowed;
	out->allowedips = take(p, peer->n_allowed * sizeof(char *));
	for (size_t i = 0; i < peer->n_allowed; i++) {
		out->allowedips[i] = take(p, WEFT_PREFIX_TEXT_SIZE);
		weft_prefix_format(&peer->allowed[i], out->allowedips[i]);
	}
	return out;
}

static void
pack_protocol(struct pack *p, Management__FirewallRule *out, const struct weft_nft_rule *r)
{
	Management__PortInfo *info;

	if (r->protocol == WEFT_NFT_PROTOCOL_ALL)
		out->protocol = MANAGEMENT__RULE_PROTOCOL__ALL;
	else if (r->protocol == WEFT_NFT_PROTOCOL_ICMP)
		out->protocol = MANAGEMENT__RULE_PROTOCOL__ICMP;
	else if (r->protocol == IPPROTO_TCP)
		out->protocol = MANAGEMENT__RULE_PROTOCOL__TCP;
	else if (r->protocol == IPPROTO_UDP)
		out->protocol = MANAGEMENT__RULE_PROTOCOL__UDP;
	else
		out->protocol = MANAGEMENT__RULE_PROTOCOL__CUSTOM;
	out->customprotocol =
		out->protocol == MANAGEMENT__RULE_PROTOCOL__CUSTOM ? (uint32_t) r->protocol : 0;
	if (!r->has_ports)
		return;
	info = take(p, sizeof *info);
	management__port_info__init(info);
	info->port_selection_case = MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE;
	info->range = take(p, sizeof *info->range);
	management__port_info__range__init(info->range);
	info->range->start = r->port_first;
	info->range->end = r->port_last;
	out->portinfo = info;
}

static Management__FirewallRule *
pack_rule(struct pack *p, const struct agent_map_rule *rule)
{
	Management__FirewallRule *out = take(p, sizeof *out);
	const struct weft_nft_rule *r = &rule->rule;

	management__firewall_rule__init(out);
	out->direction = r->direction == WEFT_NFT_OUT ? MANAGEMENT__RULE_DIRECTION__OUT
						      : MANAGEMENT__RULE_DIRECTION__IN;
	out->action = r->action == WEFT_NFT_ACCEPT ? MANAGEMENT__RULE_ACTION__ACCEPT
						   : MANAGEMENT__RULE_ACTION__DROP;
	out->policyid = (ProtobufCBinaryData){ r->policy.len, (uint8_t *) (uintptr_t) r->policy.b };
	pack_protocol(p, out, r);
	out->n_sourceprefixes = rule->prefixes->len;
	out->sourceprefixes = take(p, rule->prefixes->len * sizeof *out->sourceprefixes);
	for (guint i = 0; i < rule->prefixes->len; i++) {
		uint8_t *b = take(p, WEFT_PREFIX_COMPACT_MAX);

		out->sourceprefixes[i].data = b;
		out->sourceprefixes[i].len = weft_prefix_to_compact(
			&g_array_index(rule->prefixes, struct weft_prefix, i), b);
	}
	return out;
}

static void
pack_self(struct pack *p, Management__PeerConfig *out, const struct agent_map_self *self)
{
	management__peer_config__init(out);
	out->address = take(p, WEFT_PREFIX_TEXT_SIZE);
	weft_prefix_format(&self->address, out->address);
	if (self->address6.addr.family != WEFT_FAMILY_NONE) {
		out->address_v6.data = take(p, WEFT_PREFIX_COMPACT_MAX);
		out->address_v6.len = weft_prefix_to_compact(&self->address6, out->address_v6.data);
	}
	out->fqdn = borrow(self->fqdn);
	out->mtu = (int32_t) self->mtu;
	out->lazyconnectionenabled = self->lazy;
}

GByteArray *
agent_map_pack(const AgentMap *m)
{
	struct pack p = { g_ptr_array_new_with_free_func(g_free) };
	const GPtrArray *peers = agent_map_peers(m);
	Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
	Management__PeerConfig config;
	GByteArray *out = g_byte_array_new();
	GHashTableIter it;
	gpointer value;

	map.serial = m->serial;
	if (m->self.address.addr.family != WEFT_FAMILY_NONE) {
		pack_self(&p, &config, &m->self);
		map.peerconfig = &config;
	}
	map.remotepeersisempty = peers->len == 0;
	map.remotepeers = take(&p, peers->len * sizeof *map.remotepeers);
	for (guint i = 0; i < peers->len; i++)
		map.remotepeers[map.n_remotepeers++] = pack_peer(&p, peers->pdata[i]);
	map.firewallrules = take(&p, g_hash_table_size(m->rules) * sizeof *map.firewallrules);
	g_hash_table_iter_init(&it, m->rules);
	while (g_hash_table_iter_next(&it, NULL, &value))
		if (((struct agent_map_rule *) value)->usable)
			map.firewallrules[map.n_firewallrules++] = pack_rule(&p, value);
	map.firewallrulesisempty = map.n_firewallrules == 0;
	g_byte_array_set_size(out, (guint) management__network_map__get_packed_size(&map));
	management__network_map__pack(&map, out->data);
	g_ptr_array_unref(p.blocks);
	return out;
}

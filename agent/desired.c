/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/desired.h"

WeftNlState *
agent_desired_state(const AgentMap *map,
		    const struct agent_desired_config *config,
		    GPtrArray *problems)
{
	const struct agent_map_self *self = agent_map_self(map);
	const GPtrArray *peers = agent_map_peers(map);
	WeftNlState *state = weft_nl_state_new(config->interface);

	state->link.mtu = self->mtu != 0 ? self->mtu : AGENT_DESIRED_MTU;
	state->wg.private_key = config->private;
	state->wg.listen_port = config->port;
	state->wg.fwmark = config->fwmark;
	if (self->address.addr.family != WEFT_FAMILY_NONE)
		weft_nl_state_add_addr(state, &self->address);
	if (config->ipv6 && self->address6.addr.family != WEFT_FAMILY_NONE)
		weft_nl_state_add_addr(state, &self->address6);
	for (guint i = 0; i < peers->len; i++) {
		const struct agent_map_peer *p = peers->pdata[i];
		struct weft_nl_wg_peer *out = weft_nl_wg_device_add_peer(&state->wg, &p->key);
		struct agent_desired_peer path = { 0 };

		for (size_t k = 0; k < p->n_allowed; k++)
			if (config->ipv6 || p->allowed[k].addr.family == WEFT_FAMILY_IPV4)
				weft_nl_wg_peer_allow(out, &p->allowed[k]);
		if (!config->peer(config->user, &p->key, &path))
			continue;
		out->keepalive_s = path.keepalive_s;
		if (path.endpoint.addr.family == WEFT_FAMILY_NONE)
			continue;
		out->endpoint = path.endpoint;
		out->endpoint_mode =
			path.exact ? WEFT_NL_WG_ENDPOINT_EXACT : WEFT_NL_WG_ENDPOINT_INITIAL;
	}
	weft_nl_state_normalise(state, problems);
	return state;
}

WeftNftModel *
agent_desired_rules(const AgentMap *map,
		    const struct weft_nft_config *config,
		    GPtrArray *problems,
		    GError **error)
{
	g_autoptr(GArray) rules = agent_map_rules(map);
	g_autoptr(GArray) refused = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_refusal));
	WeftNftModel *model =
		weft_nft_compile(config, (const struct weft_nft_rule *) (const void *) rules->data,
				 rules->len, refused, error);

	for (guint i = 0; i < refused->len && problems != NULL && problems->len < 64; i++) {
		const struct weft_nft_refusal *r =
			&g_array_index(refused, struct weft_nft_refusal, i);
		char text[WEFT_NFT_RULE_TEXT_SIZE];

		weft_nft_rule_format(&g_array_index(rules, struct weft_nft_rule, r->rule), text);
		g_ptr_array_add(problems, g_strdup_printf("rule %s: %s", text,
							  weft_nft_defect_text(r->defect)));
	}
	return model;
}

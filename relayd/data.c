/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Indications (RFC 8656 section 11) and the bandwidth limit. */
#include "base/env.h"
#include "relayd/core_private.h"
#include "relayd/settings.h"

#include <string.h>

enum relay_route
relay_core_send(struct relay_core *core,
		const struct relay_flow *flow,
		const struct weft_stun_message *m,
		struct relay_hop *ret,
		bool *ret_df)
{
	uint32_t index;
	struct relay_end peer;
	const struct relay_alloc *a;
	unsigned family;

	if (m->n_peers != 1 || !weft_stun_has(m, WEFT_STUN_HAS_DATA) || m->n_unknown > 0)
		return RELAY_ROUTE_MALFORMED;
	index = relay_alloc_find(core->tables, flow);
	if (index == RELAY_NONE)
		return RELAY_ROUTE_NO_ALLOCATION;
	a = relay_alloc_at_const(core->tables, index);
	peer = relay_end_from(&m->peers[0]);
	family = m->peers[0].addr.family == WEFT_FAMILY_IPV4 ? RELAY_V4 : RELAY_V6;
	if (a->fd[family] < 0 || !relay_permission_has(core->tables, index, peer.addr))
		return RELAY_ROUTE_NO_PERMISSION;
	*ret = (struct relay_hop){
		.alloc = index,
		.family = (uint8_t) family,
		.offset = (uint16_t) (m->data.p - m->buf),
		.len = m->data.len,
		.peer = peer,
	};
	*ret_df = weft_stun_has(m, WEFT_STUN_HAS_DONT_FRAGMENT);
	return RELAY_ROUTE_OK;
}

bool
relay_core_bandwidth(struct relay_core *core, struct relay_alloc *a, uint32_t bytes)
{
	uint64_t rate = core->settings->bytes_per_second, added, tokens;

	if (rate == 0)
		return true;
	/* One second's worth may come at once. Less than a byte's time waits for more. */
	added = rate * (core->now_ms - a->tokens_ms) / 1000;
	if (added > 0)
		a->tokens_ms = core->now_ms;
	tokens = a->tokens + added;
	if (tokens > rate)
		tokens = rate;
	if (tokens > UINT32_MAX)
		tokens = UINT32_MAX;
	if (tokens < bytes) {
		a->tokens = (uint32_t) tokens;
		relay_count(&core->counters->drop_bandwidth, 1);
		return false;
	}
	a->tokens = (uint32_t) (tokens - bytes);
	return true;
}

size_t
relay_data_header(uint8_t out[RELAY_DATA_HEADER_MAX],
		  const uint8_t transaction[12],
		  const struct relay_end *peer,
		  uint16_t payload_len)
{
	struct weft_endpoint e = relay_end_to(peer);
	struct weft_stun_builder b = weft_stun_begin(
		out, RELAY_DATA_HEADER_MAX, WEFT_STUN_INDICATION, WEFT_STUN_DATA, transaction);
	size_t len, total;

	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &e);
	weft_builder_u16(&b.out, WEFT_STUN_ATTR_DATA);
	weft_builder_u16(&b.out, payload_len);
	len = weft_builder_len(&b.out);
	total = len - WEFT_STUN_HEADER_LEN + ((payload_len + 3u) & ~3u);
	out[2] = (uint8_t) (total >> 8);
	out[3] = (uint8_t) total;
	return len;
}

size_t
relay_core_icmp(struct relay_core *core,
		uint32_t alloc,
		const struct relay_end *peer,
		uint8_t type,
		uint8_t code,
		uint32_t data,
		uint8_t out[RELAY_ANSWER_MAX])
{
	struct weft_endpoint e = relay_end_to(peer);
	uint8_t transaction[WEFT_STUN_TRANSACTION_LEN];
	struct weft_stun_builder b;

	if (!relay_permission_has(core->tables, alloc, peer->addr))
		return 0;
	weft_env_random(core->env, transaction, sizeof(transaction));
	b = weft_stun_begin(out, RELAY_ANSWER_MAX, WEFT_STUN_INDICATION, WEFT_STUN_DATA,
			    transaction);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &e);
	weft_stun_put_icmp(&b, type, code, data);
	relay_count(&core->counters->icmp, 1);
	return weft_stun_finish(&b);
}

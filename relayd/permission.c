/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CreatePermission and ChannelBind (RFC 8656 sections 10 and 12). */
#include "relayd/core_private.h"
#include "relayd/settings.h"
#include "stun/frame.h"

unsigned
relay_peer_check(const struct relay_request *r, const struct weft_endpoint *peer)
{
	const struct relay_alloc *a = relay_alloc_at_const(r->core->tables, r->alloc);
	unsigned family = peer->addr.family == WEFT_FAMILY_IPV4 ? RELAY_V4 : RELAY_V6;

	if (a->fd[family] < 0)
		return WEFT_STUN_ERROR_PEER_FAMILY;
	if (relay_policy_check(&r->core->settings->policy, &peer->addr) != RELAY_PEER_ALLOWED)
		return WEFT_STUN_ERROR_FORBIDDEN;
	return 0;
}

size_t
relay_create_permission(struct relay_request *r)
{
	struct relay_core *core = r->core;
	struct weft_stun_builder b;

	if (r->m.n_peers == 0)
		return relay_answer_error(r, WEFT_STUN_ERROR_BAD_REQUEST);
	if (r->m.n_peers > WEFT_STUN_PEERS_MAX)
		return relay_answer_error(r, WEFT_STUN_ERROR_CAPACITY);
	/* All or none. */
	for (unsigned i = 0; i < r->m.n_peers; i++) {
		unsigned code = relay_peer_check(r, &r->m.peers[i]);

		if (code != 0)
			return relay_answer_error(r, code);
	}
	for (unsigned i = 0; i < r->m.n_peers; i++) {
		struct relay_end peer = relay_end_from(&r->m.peers[i]);

		if (!relay_permission_add(core->tables, r->alloc, peer.addr))
			return relay_answer_error(r, WEFT_STUN_ERROR_CAPACITY);
	}
	b = relay_answer_begin(r);
	return relay_answer_finish(r, &b);
}

size_t
relay_channel_bind_request(struct relay_request *r)
{
	struct relay_core *core = r->core;
	struct weft_stun_builder b;
	struct relay_end peer;
	unsigned code;

	if (!weft_stun_has(&r->m, WEFT_STUN_HAS_CHANNEL_NUMBER) || r->m.n_peers != 1 ||
	    !weft_stun_is_channel(r->m.channel))
		return relay_answer_error(r, WEFT_STUN_ERROR_BAD_REQUEST);
	code = relay_peer_check(r, &r->m.peers[0]);
	if (code != 0)
		return relay_answer_error(r, code);
	peer = relay_end_from(&r->m.peers[0]);
	switch (relay_channel_bind(core->tables, r->alloc, r->m.channel, &peer)) {
	case RELAY_BIND_OK:
		break;
	case RELAY_BIND_CONFLICT:
		return relay_answer_error(r, WEFT_STUN_ERROR_BAD_REQUEST);
	case RELAY_BIND_FULL:
		return relay_answer_error(r, WEFT_STUN_ERROR_CAPACITY);
	}
	/* Binding installs or refreshes the permission too (section 12.2). */
	if (!relay_permission_add(core->tables, r->alloc, peer.addr))
		return relay_answer_error(r, WEFT_STUN_ERROR_CAPACITY);
	b = relay_answer_begin(r);
	return relay_answer_finish(r, &b);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The packet entry of the ICE engine: datagrams, candidate lines and time in any order. Messages
 * can be signed on the way in, or nothing behind the integrity check would ever be reached.
 *
 * Input: records of op (1), argument (1), length (1), bytes. */
#include "agent/ice/agent.h"
#include "base/cursor.h"
#include "base/env.h"
#include "stun/build.h"
#include "stun/message.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const struct ice_credentials own = { "aaaaaaaaaaaaaaaa",
					    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" };
static const struct ice_credentials remote = { "cccccccccccccccc",
					       "dddddddddddddddddddddddddddddddd" };

struct peer {
	uint8_t last[512];
	size_t last_len;
	struct ice_path last_to;
};

static void
on_send(void *user, const struct ice_path *to, const uint8_t *buf, size_t len)
{
	struct peer *peer = user;

	if (len > sizeof(peer->last))
		abort();
	memcpy(peer->last, buf, len);
	peer->last_len = len;
	peer->last_to = *to;
}

static void
on_candidate(void *user, IceSession *session, const char *line, size_t len)
{
	(void) user;
	(void) session;
	if (strlen(line) != len)
		abort();
}

static void
on_event(void *user, IceSession *session, const struct ice_event *event)
{
	struct ice_pair_info info;

	(void) user;
	if (event->type == ICE_EVENT_SELECTED && !ice_session_pair(session, &info))
		abort();
}

static void
on_permit(void *user, uint32_t relay, const struct weft_address *address)
{
	(void) user;
	(void) address;
	if (relay != 1)
		abort();
}

static const struct ice_ops ops = { on_send, on_candidate, on_event, on_permit };

static struct ice_path
path_of(uint8_t argument)
{
	return (struct ice_path){ .remote = { weft_address_v4(0x0a000000u + (argument & 15)),
					      1000 },
				  .relay = argument >> 7 };
}

/* Signs the attributes at hand as the peer would. */
static void
signed_request(IceAgent *agent, uint8_t argument, const uint8_t *attributes, size_t len)
{
	static const char user[] = "aaaaaaaaaaaaaaaa:cccccccccccccccc";
	uint8_t buf[1024], txid[12] = { argument };
	struct weft_stun_builder b =
		weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST, WEFT_STUN_BINDING, txid);
	struct weft_cursor c = weft_cursor(attributes, len);
	struct ice_path from = path_of(argument);

	(void) weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, user, sizeof(user) - 1);
	while (weft_cursor_left(&c) >= 3) {
		uint16_t type = weft_cursor_u16(&c);
		size_t n = weft_cursor_u8(&c);

		n = MIN(n, weft_cursor_left(&c));
		(void) weft_stun_put(&b, type, weft_cursor_bytes(&c, n), n);
	}
	(void) weft_stun_put_integrity(&b, (struct weft_bytes){ own.pwd, 32 });
	(void) ice_agent_receive(agent, &from, buf, weft_stun_finish(&b));
}

static void
answer_last(IceAgent *agent, struct peer *peer, uint8_t argument)
{
	struct ice_path from = peer->last_to;
	struct weft_stun_message m;
	struct weft_stun_builder b;
	uint8_t buf[512];

	if (peer->last_len == 0 ||
	    weft_stun_parse(&m, peer->last, peer->last_len) != WEFT_STUN_OK ||
	    m.class != WEFT_STUN_REQUEST)
		return;
	b = weft_stun_begin_answer(buf, sizeof(buf),
				   argument & 1 ? WEFT_STUN_ERROR : WEFT_STUN_SUCCESS, &m);
	if (argument & 1)
		(void) weft_stun_put_error(&b, 487);
	else
		(void) weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS,
						 &from.remote);
	(void) weft_stun_put_integrity(&b, (struct weft_bytes){ remote.pwd, 32 });
	(void) ice_agent_receive(agent, &from, buf, weft_stun_finish(&b));
}

static void
local_change(IceAgent *agent, uint8_t argument)
{
	struct weft_address hosts[2] = { weft_address_v4(0xc0000201u),
					 weft_address_v4(0xc0000202u) };
	struct ice_relay_candidate relay = { 1, { weft_address_v4(0xc0000203u), 5000 } };

	ice_agent_set_hosts(agent, hosts, (argument & 3) % 3);
	ice_agent_set_relays(agent, &relay, argument >> 2 & 1);
	if (argument & 8)
		ice_agent_network_changed(agent);
}

static void
one(IceAgent *agent,
    IceSession *session,
    struct weft_env_fake *env,
    struct peer *peer,
    struct weft_cursor *c)
{
	uint8_t op = weft_cursor_u8(c), argument = weft_cursor_u8(c);
	struct ice_path from = path_of(argument);
	size_t len = weft_cursor_u8(c);
	const uint8_t *bytes;

	len = MIN(len, weft_cursor_left(c));
	bytes = weft_cursor_bytes(c, len);
	switch (op % 8) {
	case 0:
		(void) ice_agent_receive(agent, &from, bytes, len);
		break;
	case 1:
		signed_request(agent, argument, bytes, len);
		break;
	case 2:
		answer_last(agent, peer, argument);
		break;
	case 3:
		(void) ice_session_add_remote(session, (const char *) bytes, len);
		break;
	case 4:
		weft_env_fake_advance(env, (int64_t) argument * 20000);
		ice_agent_timer(agent);
		break;
	case 5:
		ice_session_set_remote(session, argument & 1 ? &remote : &own);
		break;
	case 6:
		(void) ice_session_restart(session, argument & 1 ? &own : NULL);
		ice_session_gather(session);
		break;
	default:
		local_change(agent, argument & 7 ? argument : 5);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ice_agent_config config = { .ops = &ops, .port = 51820 };
	struct ice_session_config session_config = { .own = own, .relay = true };
	struct weft_cursor c = weft_cursor(data, size);
	struct peer peer = { .last_len = 0 };
	struct weft_env_fake env;
	IceSession *session;
	IceAgent *agent;

	weft_env_fake_init(&env, 1);
	config.env = &env.env;
	config.user = &peer;
	agent = ice_agent_new(&config);
	local_change(agent, 5);
	session_config.controlling = size % 2 != 0;
	session_config.weft = size % 3 != 0;
	session = ice_session_new(agent, &session_config);
	ice_session_set_remote(session, &remote);
	while (weft_cursor_left(&c) >= 3)
		one(agent, session, &env, &peer, &c);
	ice_session_free(session);
	ice_agent_free(agent);
	return 0;
}

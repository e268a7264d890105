/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The TURN client fed by a hostile server, as datagrams and as a stream. Answers to its requests
 * can be signed, or nothing behind the integrity check would be reached.
 *
 * Input: one byte of kind, then records of op (1), argument (1), length (1), bytes. */
#include "agent/ice/turn.h"
#include "base/address.h"
#include "base/cursor.h"
#include "base/env.h"
#include "stun/build.h"
#include "stun/message.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

struct server {
	IceTurn *turn;
	uint8_t last[4096];
	size_t last_len;
};

static void
on_connect(void *user)
{
	struct server *s = user;

	ice_turn_connected(s->turn);
}

static void
on_disconnect(void *user)
{
	struct server *s = user;

	s->last_len = 0;
}

static bool
on_send(void *user, const uint8_t *buf, size_t len)
{
	struct server *s = user;

	if (len <= sizeof(s->last)) {
		memcpy(s->last, buf, len);
		s->last_len = len;
	}
	return true;
}

static void
on_state(void *user, enum ice_turn_state state, const struct weft_endpoint *relayed)
{
	(void) user;
	if ((relayed != NULL) != (state == ICE_TURN_READY))
		abort();
}

static void
on_receive(void *user, const struct weft_endpoint *peer, const uint8_t *buf, size_t len)
{
	volatile uint8_t sum = 0;
	size_t i;

	(void) user;
	if (peer->addr.family == WEFT_FAMILY_NONE)
		abort();
	for (i = 0; i < len; i++)
		sum = (uint8_t) (sum + buf[i]);
}

static const struct ice_turn_ops ops = { on_connect, on_disconnect, on_send, on_state, on_receive };

/* Answers the last request: success, or the error that @argument chooses. */
static void
answer(struct server *s, uint8_t argument)
{
	static const unsigned codes[] = { 401, 437, 438, 486, 508, 300, 403, 400 };
	static const struct weft_endpoint relayed = { { { 192, 0, 2, 1 }, WEFT_FAMILY_IPV4 }, 9 };
	uint8_t buf[512], key[WEFT_STUN_KEY_MAX];
	struct weft_stun_message m;
	struct weft_stun_builder b;

	if (weft_stun_parse(&m, s->last, s->last_len) != WEFT_STUN_OK ||
	    m.class != WEFT_STUN_REQUEST)
		return;
	b = weft_stun_begin_answer(buf, sizeof(buf),
				   argument < 128 ? WEFT_STUN_ERROR : WEFT_STUN_SUCCESS, &m);
	if (argument < 128) {
		(void) weft_stun_put_error(&b, codes[argument % 8]);
		(void) weft_stun_put(&b, WEFT_STUN_ATTR_REALM, "r", 1);
		(void) weft_stun_put(&b, WEFT_STUN_ATTR_NONCE, "nonce", argument / 8 % 6);
	} else {
		(void) weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_RELAYED_ADDRESS, &relayed);
		(void) weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, &relayed);
		(void) weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, argument);
		if (weft_stun_long_term_key(key, WEFT_STUN_MD5, (struct weft_bytes){ "u", 1 },
					    (struct weft_bytes){ "r", 1 },
					    (struct weft_bytes){ "p", 1 }) > 0)
			(void) weft_stun_put_integrity(&b, (struct weft_bytes){ key, 16 });
	}
	(void) ice_turn_input(s->turn, buf, weft_stun_finish(&b));
}

static void
one(struct server *s, struct weft_env_fake *env, struct weft_cursor *c)
{
	uint8_t op = weft_cursor_u8(c), argument = weft_cursor_u8(c);
	struct weft_endpoint peer = { weft_address_v4(0x0a000000u + (argument & 7)), 1000 };
	size_t len = weft_cursor_u8(c);
	const uint8_t *bytes;

	len = MIN(len, weft_cursor_left(c));
	bytes = weft_cursor_bytes(c, len);
	switch (op % 6) {
	case 0:
		(void) ice_turn_input(s->turn, bytes, len);
		break;
	case 1:
		answer(s, argument);
		break;
	case 2:
		(void) ice_turn_send(s->turn, &peer, bytes, len);
		break;
	case 3:
		ice_turn_permit(s->turn, &peer.addr);
		break;
	case 4:
		weft_env_fake_advance(env, (int64_t) argument * 500000);
		ice_turn_timer(s->turn);
		break;
	default:
		if (argument & 1)
			ice_turn_disconnected(s->turn);
		else
			(void) ice_turn_set_credentials(s->turn, "u", "p");
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ice_turn_config config = { .ops = &ops, .username = "u", .password = "p" };
	struct weft_cursor c = weft_cursor(data, size);
	struct server server = { .last_len = 0 };
	struct weft_env_fake env;

	weft_env_fake_init(&env, 1);
	config.env = &env.env;
	config.user = &server;
	config.stream = (weft_cursor_u8(&c) & 1) != 0;
	server.turn = ice_turn_new(&config);
	ice_turn_start(server.turn);
	while (weft_cursor_left(&c) >= 3)
		one(&server, &env, &c);
	ice_turn_free(server.turn);
	return 0;
}

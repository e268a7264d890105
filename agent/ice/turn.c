/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The allocation: transport, Allocate, Refresh, recovery. */
#include "agent/ice/turn.h"

#include "agent/ice/turn_private.h"
#include "base/env.h"
#include "base/key.h"
#include "stun/message.h"

#include <string.h>

/* 0.3, 0.6, 1.2, 2.4, 2.4 s: a server that is silent for 7 s is gone. RFC 8489's 39.5 s would keep
 * a mesh waiting. */
static const struct weft_stun_timer_config timer_datagram = {
	.rto_us = 300 * TURN_MS,
	.requests = 5,
	.last_factor = 8,
	.rto_cap_us = 2400 * TURN_MS,
};

static const struct weft_stun_timer_config timer_stream = {
	.rto_us = 8 * TURN_S,
	.requests = 1,
	.last_factor = 1,
};

static const struct weft_backoff_config backoff = {
	.first_us = 500 * TURN_MS,
	.cap_us = 60 * TURN_S,
	.factor_pct = 200,
	.jitter_pct = 30,
};

/* Keeps the NAT's mapping and finds out that the server was restarted. */
#define REFRESH_US (25 * TURN_S)
/* Traffic that goes out and nothing that comes in: asks earlier. */
#define SILENCE_US (3 * TURN_S)
#define LIFETIME_S 600

const char *
ice_turn_state_name(enum ice_turn_state state)
{
	static const char *const names[ICE_TURN_STATE_COUNT_] = {
		[ICE_TURN_IDLE] = "idle",
		[ICE_TURN_ALLOCATING] = "allocating",
		[ICE_TURN_READY] = "ready",
		[ICE_TURN_STOPPED] = "stopped",
	};

	return (unsigned) state < ICE_TURN_STATE_COUNT_ ? names[state] : "?";
}

IceTurn *
ice_turn_new(const struct ice_turn_config *config)
{
	IceTurn *turn = g_new0(IceTurn, 1);

	turn->env = config->env;
	turn->ops = config->ops;
	turn->user = config->user;
	turn->stream = config->stream;
	turn->family = config->family;
	turn->state = ICE_TURN_STOPPED;
	turn->connect_us = turn->refresh_us = turn->next_us = INT64_MAX;
	turn->permissions = g_ptr_array_new_with_free_func(g_free);
	weft_backoff_init(&turn->backoff, &backoff);
	if (config->stream) {
		turn->in_buf = g_malloc(WEFT_STUN_FRAME_MAX);
		weft_stun_stream_init(&turn->in, turn->in_buf, WEFT_STUN_FRAME_MAX);
	}
	if (!weft_stun_auth_init(&turn->auth, config->username, config->password)) {
		ice_turn_free(turn);
		return NULL;
	}
	return turn;
}

void
ice_turn_free(IceTurn *turn)
{
	if (turn == NULL)
		return;
	turn_peer_clear(turn);
	if (turn->by_endpoint != NULL)
		g_hash_table_unref(turn->by_endpoint);
	g_ptr_array_unref(turn->permissions);
	weft_stun_auth_clear(&turn->auth);
	weft_stun_auth_clear(&turn->next_auth);
	g_free(turn->in_buf);
	g_free(turn);
}

int64_t
turn_now(const IceTurn *turn)
{
	return weft_env_now_us(turn->env);
}

void
turn_wake(IceTurn *turn, int64_t at_us)
{
	turn->next_us = MIN(turn->next_us, at_us);
}

static void
enter(IceTurn *turn, enum ice_turn_state state)
{
	if (turn->state == state)
		return;
	turn->state = state;
	turn->ops->state(turn->user, state, state == ICE_TURN_READY ? &turn->relayed : NULL);
}

static size_t
write_request(IceTurn *turn, const struct turn_request *request, void *buf, size_t size)
{
	struct weft_stun_allocate what = { .lifetime_s = LIFETIME_S };

	switch ((enum turn_kind) request->kind) {
	case TURN_ALLOCATE:
		/* Only IPv6 is asked for by name: IPv4 is the default, and old servers refuse what
		 * they do not know. */
		if (turn->family == WEFT_FAMILY_IPV6)
			what.family = WEFT_STUN_IPV6;
		return weft_stun_client_allocate(buf, size, request->txid, &turn->auth, &what);
	case TURN_REFRESH:
		return weft_stun_client_refresh(buf, size, request->txid, &turn->auth, LIFETIME_S);
	case TURN_RELEASE:
		return weft_stun_client_refresh(buf, size, request->txid, &turn->auth, 0);
	case TURN_PERMIT:
	case TURN_BIND:
		return turn_peer_write(turn, request, buf, size);
	case TURN_NONE:
		break;
	}
	return 0;
}

void
turn_transmit(IceTurn *turn, struct turn_request *request)
{
	uint8_t buf[TURN_REQUEST_MAX];
	size_t len = write_request(turn, request, buf, sizeof(buf));

	request->challenge = turn->challenges;
	if (len > 0)
		(void) turn->ops->send(turn->user, buf, len); /* repeated if it is lost */
}

/* A new transaction. False without a transport. */
bool
turn_begin(IceTurn *turn, struct turn_request *request, enum turn_kind kind)
{
	if (!turn->connected)
		return false;
	request->kind = (uint8_t) kind;
	weft_env_random(turn->env, request->txid, sizeof(request->txid));
	weft_stun_timer_start(&request->timer, turn->stream ? &timer_stream : &timer_datagram,
			      turn_now(turn));
	turn_wake(turn, request->timer.due_us);
	turn_transmit(turn, request);
	return true;
}

static void
allocate(IceTurn *turn)
{
	if (turn->has_next_auth) {
		weft_stun_auth_clear(&turn->auth);
		turn->auth = turn->next_auth;
		turn->has_next_auth = false;
	}
	turn->refresh_us = INT64_MAX;
	if (turn_begin(turn, &turn->request, TURN_ALLOCATE))
		enter(turn, ICE_TURN_ALLOCATING);
}

/* Another transport, at once or after a pause. */
static void
reconnect(IceTurn *turn, bool pause)
{
	turn->request.kind = TURN_NONE;
	turn->connected = turn->connecting = false;
	turn->refresh_us = INT64_MAX;
	turn->connect_us =
		turn_now(turn) + (pause ? weft_backoff_next_us(&turn->backoff, turn->env) : 0);
	turn_wake(turn, turn->connect_us);
	turn_peer_reset(turn);
	turn->ops->disconnect(turn->user);
	enter(turn, ICE_TURN_IDLE);
}

/* @server: it is silent, so that the transport goes as well. */
void
turn_lost(IceTurn *turn, bool server)
{
	if (server || !turn->connected) {
		reconnect(turn, true);
		return;
	}
	turn_peer_reset(turn);
	allocate(turn);
}

void
ice_turn_start(IceTurn *turn)
{
	if (turn->state != ICE_TURN_STOPPED)
		return;
	weft_backoff_reset(&turn->backoff);
	turn->mismatches = 0;
	turn->connect_us = turn_now(turn);
	turn_wake(turn, turn->connect_us);
	enter(turn, ICE_TURN_IDLE);
	ice_turn_timer(turn);
}

void
ice_turn_stop(IceTurn *turn)
{
	bool disconnect = turn->connected || turn->connecting;

	if (turn->state == ICE_TURN_STOPPED)
		return;
	/* Once, without waiting: it expires by itself if this is lost. */
	if (turn->state == ICE_TURN_READY)
		(void) turn_begin(turn, &turn->request, TURN_RELEASE);
	turn->request.kind = TURN_NONE;
	turn->connected = turn->connecting = false;
	turn->connect_us = turn->refresh_us = turn->next_us = INT64_MAX;
	turn_peer_clear(turn);
	enter(turn, ICE_TURN_STOPPED);
	if (disconnect)
		turn->ops->disconnect(turn->user);
}

bool
ice_turn_set_credentials(IceTurn *turn, const char *username, const char *password)
{
	struct weft_stun_auth auth;

	if (!weft_stun_auth_init(&auth, username, password))
		return false;
	/* An allocation belongs to the user who made it (RFC 8656 section 7.2). */
	weft_stun_auth_clear(&turn->next_auth);
	turn->next_auth = auth;
	turn->has_next_auth = true;
	if (turn->state == ICE_TURN_ALLOCATING) {
		allocate(turn);
	} else if (turn->state == ICE_TURN_IDLE && !turn->connected && !turn->connecting) {
		weft_backoff_reset(&turn->backoff);
		turn->connect_us = turn_now(turn);
		turn_wake(turn, turn->connect_us);
	}
	return true;
}

void
ice_turn_connected(IceTurn *turn)
{
	if (turn->state == ICE_TURN_STOPPED)
		return;
	turn->connected = true;
	turn->connecting = false;
	turn->connect_us = INT64_MAX;
	turn->heard_us = turn_now(turn);
	if (turn->stream)
		weft_stun_stream_init(&turn->in, turn->in_buf, WEFT_STUN_FRAME_MAX);
	allocate(turn);
}

void
ice_turn_disconnected(IceTurn *turn)
{
	if (turn->state == ICE_TURN_STOPPED || (!turn->connected && !turn->connecting))
		return;
	reconnect(turn, true);
}

/* Concurrent requests are all refused when the nonce expires: the first answer brings the new one,
 * the others say nothing new. */
enum weft_stun_verdict
turn_judge(IceTurn *turn, const struct turn_request *request, const struct weft_stun_message *m)
{
	enum weft_stun_verdict verdict;

	if (m->class == WEFT_STUN_ERROR && request->challenge != turn->challenges &&
	    (m->error_code == WEFT_STUN_ERROR_STALE_NONCE ||
	     m->error_code == WEFT_STUN_ERROR_UNAUTHENTICATED))
		return WEFT_STUN_VERDICT_RETRY;
	verdict = weft_stun_auth_judge(&turn->auth, m);
	if (verdict == WEFT_STUN_VERDICT_RETRY)
		turn->challenges++;
	return verdict;
}

static void
allocated(IceTurn *turn, const struct weft_stun_message *m)
{
	if (!weft_stun_has(m, WEFT_STUN_HAS_RELAYED) || m->relayed.port == 0) {
		reconnect(turn, true);
		return;
	}
	turn->relayed = m->relayed;
	turn->mapped = m->mapped;
	turn->mismatches = 0;
	weft_backoff_reset(&turn->backoff);
	turn->refresh_us = turn_now(turn) + REFRESH_US;
	turn_wake(turn, turn->refresh_us);
	turn_peer_reset(turn);
	/* READY also if it was: the address is another one. */
	turn->state = ICE_TURN_ALLOCATING;
	enter(turn, ICE_TURN_READY);
	turn_wake(turn, turn_now(turn));
}

/* The answer to Allocate. */
static void
on_allocate(IceTurn *turn, const struct weft_stun_message *m, enum weft_stun_verdict verdict)
{
	switch (verdict) {
	case WEFT_STUN_VERDICT_OK:
		allocated(turn, m);
		break;
	case WEFT_STUN_VERDICT_RETRY:
		(void) turn_begin(turn, &turn->request, TURN_ALLOCATE);
		break;
	case WEFT_STUN_VERDICT_MISMATCH:
		/* Somebody's allocation on this 5-tuple: another local port, the first time at once
		 * (RFC 8656 section 7.4). */
		reconnect(turn, turn->mismatches++ > 0);
		break;
	case WEFT_STUN_VERDICT_REDIRECT:
	case WEFT_STUN_VERDICT_REFUSED:
		/* 401 with these credentials, 486, 508 and the like: later, perhaps. */
		reconnect(turn, true);
		break;
	case WEFT_STUN_VERDICT_FORGED:
		break;
	}
}

static void
on_refresh(IceTurn *turn, const struct weft_stun_message *m, enum weft_stun_verdict verdict)
{
	int64_t pause = REFRESH_US;

	switch (verdict) {
	case WEFT_STUN_VERDICT_OK:
		if (weft_stun_has(m, WEFT_STUN_HAS_LIFETIME))
			pause = CLAMP((int64_t) m->lifetime_s * TURN_S / 2, TURN_S, REFRESH_US);
		turn->refresh_us = turn_now(turn) + pause;
		turn_wake(turn, turn->refresh_us);
		break;
	case WEFT_STUN_VERDICT_RETRY:
		(void) turn_begin(turn, &turn->request, TURN_REFRESH);
		break;
	case WEFT_STUN_VERDICT_MISMATCH:
		turn_lost(turn, false);
		break;
	case WEFT_STUN_VERDICT_REDIRECT:
	case WEFT_STUN_VERDICT_REFUSED:
		/* Expired REST credentials among others: a new allocation needs a new 5-tuple, for
		 * the old one lives on. */
		reconnect(turn, false);
		break;
	case WEFT_STUN_VERDICT_FORGED:
		break;
	}
}

static void
on_message(IceTurn *turn, const uint8_t *buf, size_t len)
{
	struct turn_request *request = &turn->request;
	enum weft_stun_verdict verdict;
	struct weft_stun_message m;
	enum turn_kind kind = (enum turn_kind) request->kind;

	if (weft_stun_parse(&m, buf, len) != WEFT_STUN_OK ||
	    (weft_stun_has(&m, WEFT_STUN_HAS_FINGERPRINT) && !weft_stun_check_fingerprint(&m)))
		return;
	if (m.class == WEFT_STUN_INDICATION) {
		turn_peer_indication(turn, &m);
		return;
	}
	if (m.class == WEFT_STUN_REQUEST)
		return;
	if (kind == TURN_NONE || memcmp(request->txid, m.transaction, sizeof(m.transaction)) != 0) {
		if (turn_peer_response(turn, &m))
			turn->heard_us = turn_now(turn);
		return;
	}
	verdict = turn_judge(turn, request, &m);
	if (verdict == WEFT_STUN_VERDICT_FORGED)
		return;
	turn->heard_us = turn_now(turn);
	request->kind = TURN_NONE;
	if (kind == TURN_ALLOCATE)
		on_allocate(turn, &m, verdict);
	else
		on_refresh(turn, &m, verdict);
}

static bool
input_stream(IceTurn *turn, const uint8_t *buf, size_t len)
{
	while (len > 0) {
		size_t room;
		uint8_t *to = weft_stun_stream_room(&turn->in, &room);
		size_t n = MIN(room, len);
		struct weft_stun_frame frame;
		const uint8_t *start;

		if (n == 0)
			return false;
		memcpy(to, buf, n);
		weft_stun_stream_filled(&turn->in, n);
		buf += n;
		len -= n;
		for (;;) {
			frame = weft_stun_stream_take(&turn->in, &start);
			if (frame.kind == WEFT_STUN_FRAME_MORE)
				break;
			if (frame.kind == WEFT_STUN_FRAME_BAD)
				return false;
			if (frame.kind == WEFT_STUN_FRAME_CHANNEL)
				turn_peer_channel_data(turn, start, frame.len);
			else
				on_message(turn, start, frame.len);
			if (!turn->connected)
				return true; /* given up meanwhile */
		}
	}
	return true;
}

bool
ice_turn_input(IceTurn *turn, const uint8_t *buf, size_t len)
{
	if (!turn->connected)
		return true;
	if (turn->stream) {
		if (input_stream(turn, buf, len))
			return true;
		reconnect(turn, true);
		return false;
	}
	if (len > 0 && buf[0] >= 0x40 && buf[0] < 0x80)
		turn_peer_channel_data(turn, buf, len);
	else
		on_message(turn, buf, len);
	return true;
}

/* Asks whether the allocation is still there, if that is not being asked already. */
void
turn_refresh_now(IceTurn *turn)
{
	int64_t now = turn_now(turn);

	if (turn->state != ICE_TURN_READY || turn->request.kind != TURN_NONE ||
	    now - turn->heard_us < SILENCE_US || now - turn->probed_us < SILENCE_US)
		return;
	turn->probed_us = now;
	turn->refresh_us = now;
	turn_wake(turn, now);
}

static void
request_timer(IceTurn *turn, int64_t now_us)
{
	if (turn->request.kind == TURN_NONE)
		return;
	switch (weft_stun_timer_poll(&turn->request.timer, now_us)) {
	case WEFT_STUN_TIMER_WAIT:
		break;
	case WEFT_STUN_TIMER_RESEND:
		turn_transmit(turn, &turn->request);
		break;
	case WEFT_STUN_TIMER_EXPIRED:
		turn_lost(turn, true);
		break;
	}
}

static int64_t
compute_next_us(const IceTurn *turn)
{
	int64_t next = turn->connect_us;

	if (turn->request.kind != TURN_NONE)
		next = MIN(next, turn->request.timer.due_us);
	else if (turn->state == ICE_TURN_READY)
		next = MIN(next, turn->refresh_us);
	return turn->state == ICE_TURN_READY ? MIN(next, turn_peer_next_us(turn)) : next;
}

void
ice_turn_timer(IceTurn *turn)
{
	int64_t now = turn_now(turn);

	if (turn->state == ICE_TURN_STOPPED || now < turn->next_us)
		return;
	request_timer(turn, now);
	if (turn->state == ICE_TURN_READY && turn->request.kind == TURN_NONE &&
	    turn->refresh_us <= now)
		(void) turn_begin(turn, &turn->request, TURN_REFRESH);
	if (turn->state == ICE_TURN_READY)
		turn_peer_timer(turn, now);
	if (turn->connect_us <= now) {
		turn->connect_us = INT64_MAX;
		turn->connecting = true;
		turn->ops->connect(turn->user);
	}
	turn->next_us = compute_next_us(turn);
}

int64_t
ice_turn_next_us(const IceTurn *turn)
{
	return turn->state == ICE_TURN_STOPPED ? INT64_MAX : turn->next_us;
}

enum ice_turn_state
ice_turn_state(const IceTurn *turn)
{
	return turn->state;
}

bool
ice_turn_relayed(const IceTurn *turn, struct weft_endpoint *ret)
{
	if (turn->state != ICE_TURN_READY)
		return false;
	*ret = turn->relayed;
	return true;
}

bool
ice_turn_mapped(const IceTurn *turn, struct weft_endpoint *ret)
{
	if (turn->state != ICE_TURN_READY || turn->mapped.addr.family == WEFT_FAMILY_NONE)
		return false;
	*ret = turn->mapped;
	return true;
}

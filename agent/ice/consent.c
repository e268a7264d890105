/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keepalive and consent on the pair in use (RFC 7675 with NetBird's timing, protocol.md 4.1). */
#include "agent/ice/private.h"

#include "base/env.h"

#include <string.h>

/* A repetition every half second, and a new transaction when NetBird would begin one. */
#define REPEATS ((int) (CONSENT_US / CONSENT_RETRY_US))

static int64_t
interval_us(const IceSession *s)
{
	/* RFC 7675 section 5.1: spread, so that a mesh does not beat in time. */
	if (s->weft)
		return CONSENT_SLOW_US * 9 / 10 +
		       (int64_t) weft_env_random_below(s->agent->env, CONSENT_SLOW_US / 5);
	return CONSENT_US;
}

static void
begin(const IceSession *s, struct consent *c)
{
	memset(c, 0, sizeof(*c));
	c->heard_us = c->answered_us = s->agent->now_us;
	c->due_us = s->agent->now_us + (s->weft ? CONSENT_US : interval_us(s));
}

void
consent_start(IceSession *s)
{
	begin(s, &s->consent);
}

static int64_t
lost_at_us(const IceSession *s, const struct consent *c)
{
	int64_t at = INT64_MAX;

	if (!s->weft)
		at = c->heard_us + CONSENT_LOST_US;
	else if (c->asking)
		at = MAX(c->heard_us, c->asked_us) + CONSENT_LOST_US;
	if (c->asking)
		at = MIN(at, MAX(c->answered_us, c->asked_us) + CONSENT_EXPIRY_US);
	return at;
}

static void
ask(IceSession *s, struct consent *c, bool old)
{
	IceAgent *agent = s->agent;
	struct ice_path to = old ? s->old->pair.path : pair_path(s, &s->pairs[s->current]);
	uint8_t buf[MESSAGE_MAX];
	struct request r = {
		.own = old ? &s->old->own : &s->own,
		.remote = old ? &s->old->remote : &s->remote,
		.txid = c->txid,
		.tie_breaker = s->tie_breaker,
		.priority = ice_priority(ICE_PRFLX, ICE_LOCAL_PREFERENCE),
		.controlling = s->controlling,
	};

	if (c->sent == 0 || c->sent >= REPEATS) {
		if (c->sent > 0)
			memcpy(c->former, c->txid, TXID);
		agent_new_txid(agent, s->slot, c->txid);
		c->sent_us = agent->now_us;
		c->sent = 0;
	}
	if (!c->asking) {
		c->asking = true;
		c->asked_us = agent->now_us;
	}
	c->sent++;
	c->due_us = agent->now_us + CONSENT_RETRY_US;
	agent->stats.consents++;
	agent_send(agent, &to, buf, message_request(buf, &r));
}

/* The pair in use is dead: all of them get another chance. */
static void
lost(IceSession *s)
{
	struct ice_pair_info info = pair_info(s, s->current);
	uint8_t family;

	s->state = ICE_DISCONNECTED;
	s->checking_us = s->agent->now_us;
	pairs_revive(s);
	if (info.path.relay != 0 && !locals_relay_family(s->agent, info.path.relay, &family))
		pairs_drop_relay(s, info.path.relay);
	agent_note(s, ICE_EVENT_DISCONNECTED, &info);
}

static void
old_timer(IceSession *s)
{
	struct old *old = s->old;
	int64_t now = s->agent->now_us;

	if (old->end_us <= now) {
		session_drop_old(s);
	} else if (lost_at_us(s, &old->consent) <= now) {
		if (s->current == NO_PAIR)
			agent_note(s, ICE_EVENT_DISCONNECTED, &old->pair);
		session_drop_old(s);
	} else if (old->consent.due_us <= now && s->current == NO_PAIR) {
		ask(s, &old->consent, true);
	}
}

void
consent_timer(IceSession *s)
{
	if (s->old != NULL)
		old_timer(s);
	if (s->current == NO_PAIR)
		return;
	if (lost_at_us(s, &s->consent) <= s->agent->now_us)
		lost(s);
	else if (s->consent.due_us <= s->agent->now_us)
		ask(s, &s->consent, false);
}

int64_t
consent_next_us(const IceSession *s)
{
	int64_t next = INT64_MAX;

	if (s->current != NO_PAIR)
		next = MIN(s->consent.due_us, lost_at_us(s, &s->consent));
	if (s->old != NULL) {
		next = MIN(next, MIN(s->old->end_us, lost_at_us(s, &s->old->consent)));
		if (s->current == NO_PAIR)
			next = MIN(next, s->old->consent.due_us);
	}
	return next;
}

void
consent_probe(IceSession *s)
{
	if (s->current != NO_PAIR && s->consent.sent == 0)
		s->consent.due_us = s->agent->now_us;
	if (s->old != NULL && s->old->consent.sent == 0)
		s->old->consent.due_us = s->agent->now_us;
	session_update(s);
}

void
consent_heard(IceSession *s, const struct ice_path *from)
{
	if (s->current != NO_PAIR) {
		struct ice_path path = pair_path(s, &s->pairs[s->current]);

		if (ice_path_equal(&path, from))
			s->consent.heard_us = s->agent->now_us;
	}
	if (s->old != NULL && ice_path_equal(&s->old->pair.path, from))
		s->old->consent.heard_us = s->agent->now_us;
}

static bool
answers(const IceSession *s,
	struct consent *c,
	const struct ice_path *path,
	const struct ice_credentials *remote,
	const struct ice_path *from,
	const struct weft_stun_message *m)
{
	static const uint8_t none[TXID] = { 0 };
	bool present = c->sent > 0 && memcmp(m->transaction, c->txid, TXID) == 0;
	bool former =
		memcmp(m->transaction, c->former, TXID) == 0 && memcmp(c->former, none, TXID) != 0;

	if ((!present && !former) || m->class != WEFT_STUN_SUCCESS || !ice_path_equal(path, from) ||
	    !message_signed_by(m, remote->pwd))
		return false;
	c->heard_us = c->answered_us = s->agent->now_us;
	c->asking = false;
	/* Neither counts twice: a replayed answer is no sign of life. */
	memset(c->former, 0, TXID);
	if (present) {
		c->due_us = c->sent_us + interval_us(s);
		c->sent = 0;
	}
	return true;
}

bool
consent_response(IceSession *s, const struct ice_path *from, const struct weft_stun_message *m)
{
	bool taken = false;

	if (s->current != NO_PAIR) {
		struct ice_path path = pair_path(s, &s->pairs[s->current]);

		taken = answers(s, &s->consent, &path, &s->remote, from, m);
		if (taken && s->consent.answered_us - s->consent.sent_us < CONSENT_RETRY_US)
			s->pairs[s->current].rtt_us =
				(uint32_t) (s->consent.answered_us - s->consent.sent_us);
	}
	if (!taken && s->old != NULL)
		taken = answers(s, &s->old->consent, &s->old->pair.path, &s->old->remote, from, m);
	return taken;
}

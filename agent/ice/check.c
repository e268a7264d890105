/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checks, nomination, and the states of a session (RFC 8445 sections 7 and 8). */
#include "agent/ice/private.h"

#include <string.h>

static int64_t
interval_us(const IceAgent *agent)
{
	/* RFC 8445 section 14.3: the more checks are under way, the slower each is repeated. */
	return CLAMP(PACE_US * (int64_t) agent->n_in_flight, CHECK_US, CHECK_MAX_US);
}

static void
transmit(IceSession *s, int index)
{
	IceAgent *agent = s->agent;
	struct pair *p = &s->pairs[index];
	struct ice_path to = pair_path(s, p);
	uint8_t buf[MESSAGE_MAX];
	struct request r = {
		.own = &s->own,
		.remote = &s->remote,
		.txid = p->txid,
		.tie_breaker = s->tie_breaker,
		.priority = ice_priority(ICE_PRFLX, ICE_LOCAL_PREFERENCE),
		.controlling = p->as_controlling,
		.use_candidate = p->use_candidate,
		.nomination = p->use_candidate && s->weft ? s->nomination : 0,
	};

	p->sent++;
	p->due_us = agent->now_us + interval_us(agent) +
		    (p->sent >= CHECK_REQUESTS ? CHECK_LAST_US : 0);
	agent_send(agent, &to, buf, message_request(buf, &r));
}

/* One new check, or a repetition that was triggered. */
void
check_send_one(IceSession *s)
{
	int index = pairs_next_check(s);
	struct pair *p;
	bool nominate;

	if (index == NO_PAIR || !s->has_remote)
		return;
	p = &s->pairs[index];
	p->triggered = false;
	nominate = s->controlling && index == s->nominee;
	if (!p->in_flight || p->use_candidate != nominate || p->as_controlling != s->controlling) {
		agent_new_txid(s->agent, s->slot, p->txid);
		p->has_txid = true;
		p->use_candidate = nominate;
		p->as_controlling = s->controlling;
		p->sent_us = s->agent->now_us;
	}
	p->sent = 0;
	pairs_set_in_flight(s, p, true);
	if (p->state != PAIR_SUCCEEDED)
		p->state = PAIR_IN_PROGRESS;
	s->agent->stats.checks++;
	transmit(s, index);
}

static void
gave_up(IceSession *s, int index)
{
	struct pair *p = &s->pairs[index];

	pairs_set_in_flight(s, p, false);
	if (index == s->nominee)
		s->nominee = NO_PAIR;
	/* A pair in use is left to its consent. */
	if (index != s->current)
		p->state = PAIR_FAILED;
}

static bool
is_failed(const IceSession *s)
{
	int64_t age = s->agent->now_us - s->checking_us;
	int i;

	if ((s->state != ICE_CHECKING && s->state != ICE_DISCONNECTED) || age < CHECKING_US)
		return false;
	for (i = 0; i < s->n_pairs && age < CHECKING_MAX_US; i++) {
		if (s->pairs[i].state != PAIR_FAILED || s->pairs[i].triggered)
			return false;
	}
	return true;
}

void
check_timer(IceSession *s)
{
	int i;

	for (i = 0; i < s->n_pairs; i++) {
		struct pair *p = &s->pairs[i];

		if (!p->in_flight || p->due_us > s->agent->now_us)
			continue;
		if (p->sent >= CHECK_REQUESTS) {
			gave_up(s, i);
		} else {
			s->agent->stats.repeats++;
			transmit(s, i);
		}
	}
	check_nominate(s);
	if (is_failed(s)) {
		s->state = ICE_FAILED;
		agent_note(s, ICE_EVENT_FAILED, NULL);
	}
}

static int64_t
nomination_wait_us(const IceSession *s, const struct pair *p)
{
	enum ice_type remote = (enum ice_type) s->remotes[p->remote].type;

	if (p->relay != 0 || remote == ICE_RELAY)
		return NOMINATE_RELAY_US;
	return remote == ICE_HOST ? NOMINATE_HOST_US : NOMINATE_DIRECT_US;
}

static bool
is_relayed(const IceSession *s, int index)
{
	const struct pair *p = &s->pairs[index];

	return p->relay != 0 || s->remotes[p->remote].type == ICE_RELAY;
}

/* The pair that should be nominated, now (@ret_at_us is past) or later. */
static int
candidate_for_nomination(const IceSession *s, int64_t *ret_at_us)
{
	int best = pairs_best_valid(s);
	const struct pair *p;

	if (!s->controlling || s->nominee != NO_PAIR || best == NO_PAIR || best == s->selected)
		return NO_PAIR;
	p = &s->pairs[best];
	*ret_at_us = INT64_MIN;
	if (s->selected != NO_PAIR) {
		/* A better one later: Weft peers follow in any case, others surely only from a
		 * relayed pair to a direct one, where both sides see the same order. */
		if (p->priority <= s->pairs[s->selected].priority ||
		    (!s->weft && !(is_relayed(s, s->selected) && !is_relayed(s, best))))
			return NO_PAIR;
		return best;
	}
	if (pairs_pending_above(s, p->priority))
		*ret_at_us = p->valid_us + nomination_wait_us(s, p);
	return best;
}

void
check_nominate(IceSession *s)
{
	int64_t at_us;
	int best = candidate_for_nomination(s, &at_us);

	if (best == NO_PAIR || at_us > s->agent->now_us)
		return;
	s->nominee = (int16_t) best;
	s->nomination++;
	s->pairs[best].triggered = true;
}

int64_t
check_next_us(const IceSession *s)
{
	int64_t next = INT64_MAX, at_us;
	int i;

	for (i = 0; i < s->n_pairs; i++) {
		if (s->pairs[i].in_flight)
			next = MIN(next, s->pairs[i].due_us);
	}
	if (candidate_for_nomination(s, &at_us) != NO_PAIR)
		next = MIN(next, at_us);
	if (s->state == ICE_CHECKING || s->state == ICE_DISCONNECTED) {
		at_us = s->checking_us + CHECKING_US;
		if (at_us <= s->agent->now_us)
			at_us = s->agent->now_us + CHECK_US;
		next = MIN(next, at_us);
	}
	return next;
}

/* Makes @index the pair in use. */
static void
use(IceSession *s, int index, enum ice_event_type type)
{
	struct ice_pair_info info;

	if (s->current != index) {
		s->current = (int16_t) index;
		consent_start(s);
	}
	s->state = type == ICE_EVENT_SELECTED ? ICE_CONNECTED : ICE_USABLE;
	info = pair_info(s, index);
	agent_note(s, type, &info);
	if (s->old != NULL)
		s->old->end_us = s->agent->now_us + OLD_KEEP_US;
}

/* Checks of pairs that are no better than the selected one fall silent. */
static void
silence(IceSession *s)
{
	int i;

	for (i = 0; i < s->n_pairs; i++) {
		struct pair *p = &s->pairs[i];

		if (i == s->selected || p->priority > s->pairs[s->selected].priority)
			continue;
		if (p->state == PAIR_IN_PROGRESS)
			p->state = PAIR_FROZEN;
		pairs_set_in_flight(s, p, false);
		p->triggered = p->nominate_on_valid = p->renomination = false;
	}
}

/* The valid pair @index is nominated, by us or by the peer. */
void
check_nominated(IceSession *s, int index)
{
	struct pair *p = &s->pairs[index];
	bool renomination = p->renomination;

	p->nominate_on_valid = p->renomination = false;
	if (index == s->selected && s->state == ICE_CONNECTED)
		return;
	/* Several nominations without an order among them: aggressive nomination, where the
	 * highest priority wins (RFC 5245 section 8.1.1.2). */
	if (!s->controlling && !renomination && s->selected != NO_PAIR &&
	    p->priority < s->pairs[s->selected].priority)
		return;
	s->selected = (int16_t) index;
	use(s, index, ICE_EVENT_SELECTED);
	silence(s);
}

void
check_succeeded(IceSession *s, int index, const struct weft_stun_message *m)
{
	struct pair *p = &s->pairs[index];
	bool nominated = p->use_candidate && p->as_controlling && s->controlling;
	int best;

	p->has_txid = false;
	p->mapped = m->mapped;
	if (p->in_flight && p->sent == 1)
		p->rtt_us = (uint32_t) MIN(s->agent->now_us - p->sent_us, UINT32_MAX);
	pairs_set_in_flight(s, p, false);
	if (p->state != PAIR_SUCCEEDED) {
		p->state = PAIR_SUCCEEDED;
		p->valid_us = s->agent->now_us;
		pairs_unfreeze(s, p);
	}
	if (nominated && index == s->nominee) {
		s->nominee = NO_PAIR;
		check_nominated(s, index);
	} else if (!s->controlling && p->nominate_on_valid) {
		check_nominated(s, index);
	}
	best = pairs_best_valid(s);
	if (s->selected == NO_PAIR && best != s->current)
		use(s, best, ICE_EVENT_USABLE);
	check_nominate(s);
}

/* After a conflict (RFC 8445 section 7.3.1.1). */
void
check_switch_role(IceSession *s, bool controlling)
{
	if (s->controlling == controlling)
		return;
	s->controlling = controlling;
	s->nominee = NO_PAIR;
	pairs_reprioritise(s);
	check_nominate(s);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Remote candidates and the check list of one session (RFC 8445 section 6.1.2). */
#include "agent/ice/private.h"

#include "stun/build.h"

#include <string.h>

static uint64_t
priority_of(const IceSession *s, const struct pair *p)
{
	uint32_t mine = ice_priority(p->relay != 0 ? ICE_RELAY : ICE_HOST, ICE_LOCAL_PREFERENCE);
	uint32_t theirs = s->remotes[p->remote].priority;

	return s->controlling ? ice_pair_priority(mine, theirs) : ice_pair_priority(theirs, mine);
}

void
pairs_reprioritise(IceSession *s)
{
	int i;

	for (i = 0; i < s->n_pairs; i++)
		s->pairs[i].priority = priority_of(s, &s->pairs[i]);
}

void
pairs_set_in_flight(IceSession *s, struct pair *p, bool in_flight)
{
	if (p->in_flight == in_flight)
		return;
	p->in_flight = in_flight;
	s->agent->n_in_flight += in_flight ? 1u : UINT32_MAX;
}

int
pairs_find_remote(const IceSession *s, const struct weft_endpoint *e)
{
	int i;

	for (i = 0; i < s->n_remotes; i++) {
		if (weft_endpoint_equal(&s->remotes[i].endpoint, e))
			return i;
	}
	return -1;
}

int
pairs_find(const IceSession *s, int remote, uint32_t relay)
{
	int i;

	for (i = 0; i < s->n_pairs; i++) {
		if (s->pairs[i].remote == remote && s->pairs[i].relay == relay)
			return i;
	}
	return NO_PAIR;
}

/* The pair with that remote candidate from our port (@relay 0) or from a relay. */
int
pairs_add(IceSession *s, int remote, uint32_t relay)
{
	struct pair p = { .remote = (uint8_t) remote, .relay = relay, .state = PAIR_FROZEN };
	int found = pairs_find(s, remote, relay);

	if (found != NO_PAIR || s->n_pairs >= ICE_PAIRS_MAX)
		return found;
	if (s->n_pairs == s->cap_pairs) {
		s->cap_pairs = (uint8_t) MAX(4, s->cap_pairs * 2);
		s->pairs = g_renew(struct pair, s->pairs, s->cap_pairs);
	}
	p.priority = priority_of(s, &p);
	s->pairs[s->n_pairs] = p;
	return s->n_pairs++;
}

/* Adds the pairs that local and remote candidates make possible now. */
static void
complete_remote(IceSession *s, int remote)
{
	IceAgent *agent = s->agent;
	const struct remote *r = &s->remotes[remote];
	unsigned i;

	if (locals_is_host(agent, &r->endpoint))
		return; /* the same private network elsewhere: the kernel would talk to itself */
	if (locals_family_ok(agent, r->endpoint.addr.family))
		(void) pairs_add(s, remote, 0);
	for (i = 0; i < agent->n_relays && s->relay; i++) {
		const struct ice_relay_candidate *relay = &agent->relays[i];

		if (relay->relayed.addr.family != r->endpoint.addr.family ||
		    weft_endpoint_equal(&relay->relayed, &r->endpoint) ||
		    pairs_find(s, remote, relay->id) != NO_PAIR ||
		    pairs_add(s, remote, relay->id) == NO_PAIR)
			continue;
		if (agent->ops->permit != NULL)
			agent->ops->permit(agent->user, relay->id, &r->endpoint.addr);
	}
}

void
pairs_complete(IceSession *s)
{
	int i;

	for (i = 0; i < s->n_remotes; i++)
		complete_remote(s, i);
}

/* A peer-reflexive candidate whose pairs lead nowhere gives its place to a new one. */
static int
reuse_peer_reflexive(IceSession *s)
{
	int i, k, n = 0, reusable = -1;

	for (i = 0; i < s->n_remotes; i++) {
		bool idle = true;

		if (s->remotes[i].type != ICE_PRFLX)
			continue;
		n++;
		for (k = 0; k < s->n_pairs; k++) {
			if (s->pairs[k].remote == i && s->pairs[k].state != PAIR_FAILED)
				idle = false;
		}
		if (idle && reusable < 0)
			reusable = i;
	}
	return n >= ICE_PEER_REFLEXIVE_MAX ? reusable : -2;
}

/* A signalled candidate that was guessed or learnt from a request before. */
static int
upgrade(IceSession *s, int found, const struct remote *r)
{
	struct remote *have = &s->remotes[found];

	if (r->type == ICE_PRFLX || r->guess ||
	    (have->type != ICE_PRFLX && !have->guess && have->priority >= r->priority))
		return found;
	*have = *r;
	pairs_reprioritise(s);
	return found;
}

/* Index of the candidate, old or new; -1 if there are too many. */
int
pairs_add_remote(IceSession *s, const struct remote *r)
{
	int found = pairs_find_remote(s, &r->endpoint);
	int k;

	if (found >= 0)
		return upgrade(s, found, r);
	if (r->type == ICE_PRFLX) {
		found = reuse_peer_reflexive(s);
		if (found == -1)
			return -1;
	}
	if (found < 0) {
		if (s->n_remotes >= ICE_REMOTES_MAX)
			return -1;
		if (s->n_remotes == s->cap_remotes) {
			s->cap_remotes = (uint8_t) MAX(4, s->cap_remotes * 2);
			s->remotes = g_renew(struct remote, s->remotes, s->cap_remotes);
		}
		found = s->n_remotes++;
	}
	s->remotes[found] = *r;
	for (k = 0; k < s->n_pairs; k++) {
		/* Of the one that gave way. */
		if (s->pairs[k].remote == found) {
			struct pair fresh = { .remote = (uint8_t) found,
					      .relay = s->pairs[k].relay };

			pairs_set_in_flight(s, &s->pairs[k], false);
			fresh.priority = priority_of(s, &fresh);
			s->pairs[k] = fresh;
		}
	}
	complete_remote(s, found);
	return found;
}

static bool
same_foundation(const IceSession *s, const struct pair *a, const struct pair *b)
{
	const struct remote *x = &s->remotes[a->remote], *y = &s->remotes[b->remote];

	return a->relay == b->relay && x->foundation == y->foundation && x->type == y->type &&
	       x->guess == y->guess && x->endpoint.addr.family == y->endpoint.addr.family;
}

/* RFC 8445 section 6.1.4.2, but a check that was not answered at once does not hold the others of
 * its foundation back any longer. */
static bool
may_unfreeze(const IceSession *s, const struct pair *p)
{
	int i;

	for (i = 0; i < s->n_pairs; i++) {
		const struct pair *q = &s->pairs[i];

		if (q != p && same_foundation(s, p, q) &&
		    (q->state == PAIR_WAITING || (q->state == PAIR_IN_PROGRESS && q->sent < 2)))
			return false;
	}
	return true;
}

void
pairs_unfreeze(IceSession *s, const struct pair *like)
{
	int i;

	for (i = 0; i < s->n_pairs; i++) {
		if (s->pairs[i].state == PAIR_FROZEN && same_foundation(s, like, &s->pairs[i]))
			s->pairs[i].state = PAIR_WAITING;
	}
}

/* Once a pair is selected only better ones are of interest. */
static bool
of_interest(const IceSession *s, const struct pair *p)
{
	return s->selected == NO_PAIR || p->priority > s->pairs[s->selected].priority;
}

static bool
precedes(const IceSession *s, int a, int b)
{
	const struct pair *x = &s->pairs[a], *y = &s->pairs[b];

	if (x->triggered != y->triggered)
		return x->triggered;
	if ((a == s->nominee) != (b == s->nominee))
		return a == s->nominee;
	if ((x->state == PAIR_FROZEN) != (y->state == PAIR_FROZEN))
		return y->state == PAIR_FROZEN;
	return x->priority > y->priority;
}

/* The pair to be checked next, NO_PAIR if there is none. */
int
pairs_next_check(const IceSession *s)
{
	int best = NO_PAIR, i;

	for (i = 0; i < s->n_pairs; i++) {
		const struct pair *p = &s->pairs[i];

		if (!p->triggered &&
		    ((p->state != PAIR_WAITING && p->state != PAIR_FROZEN) || !of_interest(s, p)))
			continue;
		if ((best == NO_PAIR || precedes(s, i, best)) &&
		    (p->triggered || p->state == PAIR_WAITING || may_unfreeze(s, p)))
			best = i;
	}
	return best;
}

/* Is a better pair still being looked at? */
bool
pairs_pending_above(const IceSession *s, uint64_t priority)
{
	int i;

	for (i = 0; i < s->n_pairs; i++) {
		const struct pair *p = &s->pairs[i];

		if (p->priority > priority && p->state != PAIR_SUCCEEDED &&
		    (p->state != PAIR_FAILED || p->triggered))
			return true;
	}
	return false;
}

int
pairs_best_valid(const IceSession *s)
{
	int best = NO_PAIR, i;

	for (i = 0; i < s->n_pairs; i++) {
		if (s->pairs[i].state == PAIR_SUCCEEDED &&
		    (best == NO_PAIR || s->pairs[i].priority > s->pairs[best].priority))
			best = i;
	}
	return best;
}

void
pairs_clear(IceSession *s)
{
	int i;

	for (i = 0; i < s->n_pairs; i++)
		pairs_set_in_flight(s, &s->pairs[i], false);
	s->n_pairs = 0;
	s->current = s->selected = s->nominee = NO_PAIR;
}

/* Only while there are no pairs, which hold indices. */
void
pairs_drop_peer_reflexive(IceSession *s)
{
	int i, n = 0;

	for (i = 0; i < s->n_remotes; i++) {
		if (s->remotes[i].type != ICE_PRFLX)
			s->remotes[n++] = s->remotes[i];
	}
	s->n_remotes = (uint8_t) n;
}

/* Every pair gets another chance. */
void
pairs_revive(IceSession *s)
{
	int i;

	s->current = s->selected = s->nominee = NO_PAIR;
	for (i = 0; i < s->n_pairs; i++) {
		struct pair *p = &s->pairs[i];

		pairs_set_in_flight(s, p, false);
		p->state = PAIR_WAITING;
		p->has_txid = p->nominate_on_valid = p->renomination = p->triggered = false;
	}
}

static int16_t
moved(int16_t index, int removed)
{
	return index == removed ? NO_PAIR : index > removed ? (int16_t) (index - 1) : index;
}

/* The allocation is gone. A session that used it is told by its consent. */
void
pairs_drop_relay(IceSession *s, uint32_t relay)
{
	int i;

	for (i = s->n_pairs - 1; i >= 0; i--) {
		if (s->pairs[i].relay != relay)
			continue;
		if (i == s->current) {
			/* Lost at once. */
			s->consent.heard_us = s->consent.answered_us = INT64_MIN / 2;
			s->consent.asked_us = INT64_MIN / 2;
			s->consent.asking = true;
			continue;
		}
		pairs_set_in_flight(s, &s->pairs[i], false);
		memmove(&s->pairs[i], &s->pairs[i + 1],
			(size_t) (s->n_pairs - i - 1) * sizeof(struct pair));
		s->n_pairs--;
		s->current = moved(s->current, i);
		s->selected = moved(s->selected, i);
		s->nominee = moved(s->nominee, i);
	}
	session_update(s);
}

struct ice_path
pair_path(const IceSession *s, const struct pair *p)
{
	return (struct ice_path){ .remote = s->remotes[p->remote].endpoint, .relay = p->relay };
}

struct ice_pair_info
pair_info(const IceSession *s, int index)
{
	const struct pair *p = &s->pairs[index];
	struct ice_pair_info info = {
		.path = pair_path(s, p),
		.local_type = ICE_RELAY,
		.remote_type = (enum ice_type) s->remotes[p->remote].type,
		.mapped = p->mapped,
		.priority = p->priority,
		.rtt_us = p->rtt_us,
	};

	if (p->relay == 0)
		info.local_type = p->mapped.addr.family == WEFT_FAMILY_NONE
					  ? ICE_HOST
					  : locals_type_of(s->agent, &p->mapped);
	return info;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Life of a session: credentials, candidates, restart. */
#include "agent/ice/private.h"

#include "base/env.h"
#include "base/key.h"
#include "stun/build.h"

#include <string.h>

/* Candidates that came before the credentials that they belong to. */
#define EARLY_MAX 16

static void
on_timer(struct weft_wheel_timer *timer, int64_t now_us, void *user)
{
	IceSession *s = weft_container_of(timer, struct ice_session, timer);

	(void) now_us;
	(void) user;
	consent_timer(s);
	check_timer(s);
	session_update(s);
}

/* Puts the session where the agent's pace finds it, and sets its timer. To be called after any
 * change. */
void
session_update(IceSession *s)
{
	IceAgent *agent = s->agent;
	int next = s->has_remote && !s->dead ? pairs_next_check(s) : NO_PAIR;
	bool urgent = next != NO_PAIR && s->pairs[next].triggered;
	int64_t at_us;

	if (next == NO_PAIR || urgent != s->urgent)
		weft_list_remove(&s->queue);
	s->urgent = urgent;
	if (next != NO_PAIR && weft_list_is_empty(&s->queue))
		weft_list_append(urgent ? &agent->urgent : &agent->checks, &s->queue);
	at_us = s->dead ? INT64_MAX : MIN(check_next_us(s), consent_next_us(s));
	if (at_us == INT64_MAX)
		weft_wheel_cancel(&agent->wheel, &s->timer);
	else
		weft_wheel_set(&agent->wheel, &s->timer, at_us);
}

static uint32_t
take_slot(IceAgent *agent, IceSession *s)
{
	uint32_t slot;

	if (agent->free_slots->len > 0) {
		slot = g_array_index(agent->free_slots, uint32_t, agent->free_slots->len - 1);
		g_array_set_size(agent->free_slots, agent->free_slots->len - 1);
		g_ptr_array_index(agent->slots, slot) = s;
	} else {
		slot = agent->slots->len;
		g_ptr_array_add(agent->slots, s);
	}
	return slot;
}

static bool
credentials_ok(const struct ice_credentials *c)
{
	size_t ufrag = strnlen(c->ufrag, sizeof(c->ufrag)), pwd = strnlen(c->pwd, sizeof(c->pwd));

	return ufrag >= ICE_UFRAG_MIN && ufrag <= ICE_UFRAG_MAX && pwd >= ICE_PWD_MIN &&
	       pwd <= ICE_PWD_MAX && strchr(c->ufrag, ':') == NULL;
}

IceSession *
ice_session_new(IceAgent *agent, const struct ice_session_config *config)
{
	IceSession *s;

	if (!credentials_ok(&config->own) || agent->stats.sessions >= ICE_SESSIONS_MAX ||
	    g_hash_table_contains(agent->by_ufrag, config->own.ufrag))
		return NULL;
	agent_enter(agent);
	s = g_new0(IceSession, 1);
	s->agent = agent;
	s->user = config->user;
	s->own = config->own;
	s->controlling = config->controlling;
	s->relay = config->relay;
	s->weft = config->weft;
	s->current = s->selected = s->nominee = NO_PAIR;
	s->tie_breaker = weft_env_random_u64(agent->env);
	s->slot = take_slot(agent, s);
	weft_wheel_timer_init(&s->timer, on_timer);
	weft_list_init(&s->queue);
	weft_list_init(&s->signal);
	weft_list_init(&s->all);
	weft_list_append(&agent->sessions, &s->all);
	g_hash_table_insert(agent->by_ufrag, s->own.ufrag, s);
	agent->stats.sessions++;
	agent_leave(agent);
	return s;
}

void
session_drop_old(IceSession *s)
{
	if (s->old == NULL)
		return;
	if (s->old->own_ufrag)
		g_hash_table_remove(s->agent->by_ufrag, s->old->own.ufrag);
	weft_wipe(s->old, sizeof(*s->old));
	g_clear_pointer(&s->old, g_free);
}

/* The memory; everything else has been undone by ice_session_free(). */
void
session_destroy(IceSession *s)
{
	weft_list_remove(&s->all);
	g_free(s->remotes);
	g_free(s->pairs);
	if (s->early != NULL)
		g_array_unref(s->early);
	weft_wipe(s, sizeof(*s));
	g_free(s);
}

void
ice_session_free(IceSession *s)
{
	IceAgent *agent;
	guint i;

	if (s == NULL || s->dead)
		return;
	agent = s->agent;
	agent_enter(agent);
	s->dead = true;
	pairs_clear(s);
	session_drop_old(s);
	g_hash_table_remove(agent->by_ufrag, s->own.ufrag);
	g_ptr_array_index(agent->slots, s->slot) = NULL;
	g_array_append_val(agent->free_slots, s->slot);
	weft_wheel_cancel(&agent->wheel, &s->timer);
	weft_list_remove(&s->queue);
	weft_list_remove(&s->signal);
	weft_list_remove(&s->all);
	for (i = agent->noted->len; i > 0; i--) {
		if (g_array_index(agent->noted, struct noted, i - 1).session == s)
			g_array_remove_index(agent->noted, i - 1);
	}
	agent->stats.sessions--;
	weft_list_append(&agent->graves, &s->all);
	agent_leave(agent);
}

void *
ice_session_user(const IceSession *session)
{
	return session->user;
}

const struct ice_credentials *
ice_session_credentials(const IceSession *session)
{
	return &session->own;
}

enum ice_state
ice_session_state(const IceSession *session)
{
	return (enum ice_state) session->state;
}

bool
ice_session_controlling(const IceSession *session)
{
	return session->controlling;
}

bool
ice_session_pair(const IceSession *s, struct ice_pair_info *ret)
{
	if (s->current != NO_PAIR)
		*ret = pair_info(s, s->current);
	else if (s->old != NULL)
		*ret = s->old->pair;
	else
		return false;
	return true;
}

void
ice_session_gather(IceSession *s)
{
	if (s->gathering)
		return;
	agent_enter(s->agent);
	s->gathering = true;
	if (weft_list_is_empty(&s->signal))
		weft_list_append(&s->agent->signal, &s->signal);
	gather_start(s->agent, false);
	agent_leave(s->agent);
}

void
ice_session_set_relay(IceSession *s, bool relay)
{
	if (s->relay == relay)
		return;
	agent_enter(s->agent);
	s->relay = relay;
	pairs_complete(s);
	if (s->gathering && weft_list_is_empty(&s->signal))
		weft_list_append(&s->agent->signal, &s->signal);
	session_update(s);
	agent_leave(s->agent);
}

void
ice_session_set_weft(IceSession *s, bool weft)
{
	agent_enter(s->agent);
	s->weft = weft;
	session_update(s);
	agent_leave(s->agent);
}

static void
add_early(IceSession *s, const struct early *early)
{
	if (early->remote.endpoint.addr.family != WEFT_FAMILY_NONE)
		(void) pairs_add_remote(s, &early->remote);
	if (early->guess.endpoint.addr.family != WEFT_FAMILY_NONE)
		(void) pairs_add_remote(s, &early->guess);
}

static void
take_early(IceSession *s)
{
	guint i;

	for (i = 0; s->early != NULL && i < s->early->len; i++) {
		const struct early *early = &g_array_index(s->early, struct early, i);

		if (strcmp(early->ufrag, s->remote.ufrag) == 0)
			add_early(s, early);
	}
	g_clear_pointer(&s->early, g_array_unref);
}

void
ice_session_set_remote(IceSession *s, const struct ice_credentials *remote)
{
	if (!credentials_ok(remote) || (s->has_remote && ice_credentials_equal(&s->remote, remote)))
		return;
	agent_enter(s->agent);
	if (s->has_remote) {
		bool gathering = s->gathering;
		uint32_t signalled = s->signalled;

		(void) ice_session_restart(s, NULL);
		/* Our own candidates were signalled with the credentials that stay. */
		s->gathering = gathering;
		s->signalled = signalled;
	}
	if (s->remote.ufrag[0] != '\0' && strcmp(s->remote.ufrag, remote->ufrag) != 0) {
		/* Candidates of another generation. */
		pairs_clear(s);
		s->n_remotes = 0;
	}
	s->remote = *remote;
	s->has_remote = true;
	s->state = ICE_CHECKING;
	s->checking_us = s->agent->now_us;
	take_early(s);
	pairs_complete(s);
	session_update(s);
	agent_leave(s->agent);
}

static struct remote
remote_of(const struct ice_candidate *c)
{
	return (struct remote){
		.endpoint = c->endpoint,
		.priority = c->priority,
		.foundation = weft_stun_crc32(c->foundation, strlen(c->foundation)),
		.type = (uint8_t) c->type,
	};
}

/* NetBird's guess: the same address with the peer's WireGuard port, in case its router forwards it
 * (protocol.md 4.3). */
static bool
guess_of(struct remote *ret, const struct ice_candidate *c)
{
	if (c->type != ICE_SRFLX || !c->has_cid || c->related.port == 0 ||
	    c->related.port == c->endpoint.port)
		return false;
	*ret = remote_of(c);
	ret->endpoint.port = c->related.port;
	ret->guess = 1;
	return true;
}

static void
keep_early(IceSession *s, const struct early *early)
{
	if (s->early == NULL)
		s->early = g_array_new(FALSE, FALSE, sizeof(struct early));
	if (s->early->len >= EARLY_MAX)
		g_array_remove_index(s->early, 0);
	g_array_append_vals(s->early, early, 1);
}

enum ice_line_status
ice_session_add_remote(IceSession *s, const char *line, size_t len)
{
	struct early early = { 0 };
	struct ice_candidate c;
	enum ice_line_status status = ice_candidate_parse(&c, line, len);

	if (status != ICE_LINE_OK)
		return status;
	if (agent_is_overlay(s->agent, &c.endpoint.addr) ||
	    (c.endpoint.addr.family == WEFT_FAMILY_IPV6 && s->agent->no_ipv6))
		return ICE_LINE_UNUSABLE;
	early.remote = remote_of(&c);
	(void) guess_of(&early.guess, &c);
	memcpy(early.ufrag, c.ufrag, sizeof(early.ufrag));
	agent_enter(s->agent);
	if (c.ufrag[0] != '\0' && s->remote.ufrag[0] != '\0' &&
	    strcmp(c.ufrag, s->remote.ufrag) != 0) {
		keep_early(s, &early);
	} else if (pairs_add_remote(s, &early.remote) < 0) {
		status = ICE_LINE_UNUSABLE;
	} else {
		if (early.guess.endpoint.addr.family != WEFT_FAMILY_NONE)
			(void) pairs_add_remote(s, &early.guess);
		session_update(s);
	}
	agent_leave(s->agent);
	return status;
}

/* Moves what is in use into the old generation. False if nothing is: then an older one, if there
 * still is one, goes on. */
static bool
keep_old(IceSession *s)
{
	struct old *old;

	if (s->current == NO_PAIR)
		return false;
	session_drop_old(s);
	old = g_new0(struct old, 1);
	old->own = s->own;
	old->remote = s->remote;
	old->pair = pair_info(s, s->current);
	old->consent = s->consent;
	old->end_us = INT64_MAX;
	s->old = old;
	return true;
}

/* Replaces our credentials; the former ones stay known if the old generation needs them. */
static void
set_own(IceSession *s, const struct ice_credentials *own, bool keep)
{
	GHashTable *table = s->agent->by_ufrag;

	g_hash_table_remove(table, s->own.ufrag);
	if (keep) {
		s->old->own_ufrag = true;
		g_hash_table_insert(table, s->old->own.ufrag, s);
	}
	s->own = *own;
	g_hash_table_insert(table, s->own.ufrag, s);
}

bool
ice_session_restart(IceSession *s, const struct ice_credentials *own)
{
	bool changes = own != NULL && strcmp(own->ufrag, s->own.ufrag) != 0;
	bool kept;

	if (own != NULL && (!credentials_ok(own) ||
			    (changes && g_hash_table_contains(s->agent->by_ufrag, own->ufrag))))
		return false;
	agent_enter(s->agent);
	kept = keep_old(s);
	if (changes)
		set_own(s, own, kept || (s->old != NULL && !s->old->own_ufrag));
	else if (own != NULL)
		s->own = *own;
	pairs_clear(s);
	pairs_drop_peer_reflexive(s);
	s->has_remote = false;
	s->gathering = false;
	s->signalled = 0;
	s->nomination = 0;
	s->tie_breaker = weft_env_random_u64(s->agent->env);
	s->state = ICE_NEW;
	session_update(s);
	agent_leave(s->agent);
	return true;
}

void
ice_session_probe(IceSession *s)
{
	agent_enter(s->agent);
	consent_probe(s);
	agent_leave(s->agent);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host's side of the engine: brackets, callbacks, the shared pace of checks, time. */
#include "agent/ice/private.h"

#include "base/address.h"
#include "base/env.h"
#include "base/key.h"

#include <string.h>

static void
on_pace(struct weft_wheel_timer *timer, int64_t now_us, void *user)
{
	(void) timer;
	(void) now_us;
	agent_pace(user);
}

IceAgent *
ice_agent_new(const struct ice_agent_config *config)
{
	IceAgent *agent;

	if (!weft_crypto_init())
		return NULL;
	agent = g_new0(IceAgent, 1);
	agent->env = config->env;
	agent->ops = config->ops;
	agent->user = config->user;
	agent->port = config->port;
	agent->no_ipv6 = config->no_ipv6;
	agent->now_us = weft_env_now_us(agent->env);
	agent->pace_us = INT64_MIN;
	agent->asked_us = INT64_MIN;
	weft_wheel_init(&agent->wheel, agent->now_us, MS, agent);
	weft_wheel_timer_init(&agent->pace, on_pace);
	weft_wheel_timer_init(&agent->gather, on_gather_timer);
	weft_list_init(&agent->urgent);
	weft_list_init(&agent->checks);
	weft_list_init(&agent->signal);
	weft_list_init(&agent->sessions);
	weft_list_init(&agent->graves);
	agent->by_ufrag = g_hash_table_new(g_str_hash, g_str_equal);
	agent->slots = g_ptr_array_new();
	agent->free_slots = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	agent->noted = g_array_new(FALSE, FALSE, sizeof(struct noted));
	weft_env_random(agent->env, agent->secret, sizeof(agent->secret));
	return agent;
}

void
ice_agent_free(IceAgent *agent)
{
	if (agent == NULL)
		return;
	g_return_if_fail(agent->depth == 0 && weft_list_is_empty(&agent->sessions));
	g_hash_table_unref(agent->by_ufrag);
	g_ptr_array_unref(agent->slots);
	g_array_unref(agent->free_slots);
	g_array_unref(agent->noted);
	weft_wipe(agent->secret, sizeof(agent->secret));
	g_free(agent);
}

void
agent_enter(IceAgent *agent)
{
	if (agent->depth++ == 0)
		agent->now_us = weft_env_now_us(agent->env);
}

/* Hands out one event or the candidates of one session; false if there is nothing. */
static bool
deliver(IceAgent *agent)
{
	if (!weft_list_is_empty(&agent->signal)) {
		IceSession *s = weft_container_of(agent->signal.next, struct ice_session, signal);

		weft_list_remove(&s->signal);
		locals_signal(s);
		return true;
	}
	if (agent->noted->len > 0) {
		struct noted noted = g_array_index(agent->noted, struct noted, 0);

		g_array_remove_index(agent->noted, 0);
		agent->ops->event(agent->user, noted.session, &noted.event);
		return true;
	}
	return false;
}

void
agent_leave(IceAgent *agent)
{
	if (agent->depth == 1) {
		do {
			agent_pace(agent);
		} while (deliver(agent));
		weft_list_each_safe (link, &agent->graves)
			session_destroy(weft_container_of(link, struct ice_session, all));
	}
	agent->depth--;
}

void
agent_note(IceSession *session, enum ice_event_type type, const struct ice_pair_info *pair)
{
	struct noted noted = { session, { .type = type } };

	if (pair != NULL)
		noted.event.pair = *pair;
	g_array_append_val(session->agent->noted, noted);
}

void
agent_send(IceAgent *agent, const struct ice_path *to, const uint8_t *buf, size_t len)
{
	if (len > 0)
		agent->ops->send(agent->user, to, buf, len);
}

/* Lets the next check leave if it is time, and otherwise sets the timer for it. */
void
agent_pace(IceAgent *agent)
{
	bool urgent = !weft_list_is_empty(&agent->urgent);
	struct weft_list *queue = urgent ? &agent->urgent : &agent->checks;
	IceSession *s;

	if (weft_list_is_empty(queue)) {
		weft_wheel_cancel(&agent->wheel, &agent->pace);
		return;
	}
	if (agent->pace_us <= agent->now_us) {
		s = weft_container_of(queue->next, struct ice_session, queue);
		weft_list_remove(&s->queue);
		agent->pace_us = agent->now_us + PACE_US;
		check_send_one(s);
		session_update(s);
		urgent = !weft_list_is_empty(&agent->urgent);
		if (!urgent && weft_list_is_empty(&agent->checks))
			return;
	}
	weft_wheel_set(&agent->wheel, &agent->pace, agent->pace_us);
}

bool
agent_is_overlay(const IceAgent *agent, const struct weft_address *a)
{
	unsigned i;

	for (i = 0; i < agent->n_overlay; i++) {
		if (weft_prefix_contains(&agent->overlay[i], a))
			return true;
	}
	return false;
}

void
ice_agent_set_overlay(IceAgent *agent, const struct weft_prefix *prefixes, size_t n)
{
	agent->n_overlay = (uint8_t) MIN(n, G_N_ELEMENTS(agent->overlay));
	if (agent->n_overlay > 0)
		memcpy(agent->overlay, prefixes, agent->n_overlay * sizeof(*prefixes));
}

/* A transaction id leads back to its session without a table: eight random octets, and the slot
 * hidden under a keyed hash of them. */
static uint32_t
slot_mask(const IceAgent *agent, const uint8_t txid[TXID])
{
	struct weft_key k;

	memcpy(k.b, txid, 8);
	memcpy(k.b + 8, agent->secret, sizeof(agent->secret));
	return (uint32_t) weft_key_hash(&k);
}

void
agent_new_txid(IceAgent *agent, uint32_t slot, uint8_t txid[TXID])
{
	uint32_t hidden;

	weft_env_random(agent->env, txid, 8);
	hidden = slot ^ slot_mask(agent, txid);
	memcpy(txid + 8, &hidden, 4);
}

IceSession *
agent_find_txid(const IceAgent *agent, const uint8_t txid[TXID])
{
	uint32_t hidden, slot;

	memcpy(&hidden, txid + 8, 4);
	slot = hidden ^ slot_mask(agent, txid);
	return slot < agent->slots->len ? g_ptr_array_index(agent->slots, slot) : NULL;
}

void
ice_agent_timer(IceAgent *agent)
{
	agent_enter(agent);
	(void) weft_wheel_advance(&agent->wheel, agent->now_us);
	agent_leave(agent);
}

int64_t
ice_agent_next_us(const IceAgent *agent)
{
	return weft_wheel_next_us(&agent->wheel);
}

void
ice_agent_network_changed(IceAgent *agent)
{
	agent_enter(agent);
	gather_start(agent, true);
	weft_list_each (link, &agent->sessions)
		consent_probe(weft_container_of(link, struct ice_session, all));
	agent_leave(agent);
}

struct ice_stats
ice_agent_stats(const IceAgent *agent)
{
	return agent->stats;
}

bool
ice_path_equal(const struct ice_path *a, const struct ice_path *b)
{
	return a->relay == b->relay && weft_endpoint_equal(&a->remote, &b->remote);
}

const char *
ice_state_name(enum ice_state state)
{
	static const char *const names[ICE_STATE_COUNT_] = {
		[ICE_NEW] = "new",
		[ICE_CHECKING] = "checking",
		[ICE_USABLE] = "usable",
		[ICE_CONNECTED] = "connected",
		[ICE_DISCONNECTED] = "disconnected",
		[ICE_FAILED] = "failed",
	};

	return (unsigned) state < ICE_STATE_COUNT_ ? names[state] : "?";
}

const char *
ice_event_name(enum ice_event_type type)
{
	static const char *const names[ICE_EVENT_TYPE_COUNT_] = {
		[ICE_EVENT_USABLE] = "usable",
		[ICE_EVENT_SELECTED] = "selected",
		[ICE_EVENT_DISCONNECTED] = "disconnected",
		[ICE_EVENT_FAILED] = "failed",
	};

	return (unsigned) type < ICE_EVENT_TYPE_COUNT_ ? names[type] : "?";
}

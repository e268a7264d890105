/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local candidates that all sessions share. All of them but the relayed ones have the same base
 * for us, the raw socket: the kernel's route chooses the address. Pairs are therefore pruned to one
 * per remote address (RFC 8445 section 6.1.2.4), and this table is for signalling, and for telling
 * what a mapped address is. */
#include "agent/ice/private.h"

#include "base/env.h"

#include <string.h>

static struct local *
find(IceAgent *agent, const struct ice_candidate *c, uint32_t relay)
{
	unsigned i;

	for (i = 0; i < ICE_LOCALS_MAX; i++) {
		struct local *l = &agent->locals[i];

		if (l->used && l->relay == relay && l->c.type == c->type &&
		    weft_endpoint_equal(&l->c.endpoint, &c->endpoint))
			return l;
	}
	return NULL;
}

static struct local *
vacant(IceAgent *agent)
{
	unsigned i;

	for (i = 0; i < ICE_LOCALS_MAX; i++) {
		if (!agent->locals[i].used)
			return &agent->locals[i];
	}
	return NULL;
}

/* Keeps the candidate if it is there, adds it otherwise. */
static void
want(IceAgent *agent,
     enum ice_type type,
     const struct weft_endpoint *e,
     const struct weft_address *internal,
     uint32_t relay,
     uint32_t bonus)
{
	struct ice_candidate c = { .endpoint = *e, .type = type };
	struct local *l;

	if (type != ICE_HOST) {
		/* NetBird's form; it also makes the peer guess our port (protocol.md 4.3). */
		c.related.addr.family = e->addr.family;
		c.related.port = agent->port;
	}
	l = find(agent, &c, relay);
	if (l == NULL)
		l = vacant(agent);
	if (l == NULL)
		return;
	if (!l->used) {
		c.priority = ice_priority(type, ICE_LOCAL_PREFERENCE) + bonus;
		ice_candidate_set_foundation(&c);
		ice_candidate_set_cid(&c, agent->env);
		l->c = c;
		l->relay = relay;
		l->used = true;
	}
	if (internal != NULL)
		l->internal = *internal;
	l->keep = true;
}

static void
want_hosts(IceAgent *agent)
{
	unsigned i, k;

	for (i = 0; i < agent->n_hosts; i++) {
		struct weft_endpoint e = { agent->hosts[i], agent->port };

		for (k = 0; k < agent->n_mappings; k++) {
			if (weft_address_equal(&agent->mappings[k].internal, &e.addr)) {
				e.addr = agent->mappings[k].external;
				break;
			}
		}
		want(agent, ICE_HOST, &e, &agent->hosts[i], 0, 0);
	}
}

static void
want_reflexive(IceAgent *agent)
{
	unsigned n[WEFT_FAMILY_COUNT_] = { 0 }, i;

	for (i = 0; i < agent->n_servers; i++) {
		const struct weft_endpoint *e = &agent->servers[i].mapped;
		struct ice_candidate same = { .endpoint = *e, .type = ICE_HOST };

		if (e->addr.family == WEFT_FAMILY_NONE || n[e->addr.family] >= ICE_REFLEXIVE_MAX ||
		    find(agent, &same, 0) != NULL)
			continue;
		n[e->addr.family]++;
		want(agent, ICE_SRFLX, e, NULL, 0, 0);
	}
	if (agent->forwarded.addr.family != WEFT_FAMILY_NONE)
		want(agent, ICE_SRFLX, &agent->forwarded, NULL, 0, 1000);
}

void
locals_rebuild(IceAgent *agent)
{
	uint32_t gone = 0;
	unsigned i;

	for (i = 0; i < ICE_LOCALS_MAX; i++)
		agent->locals[i].keep = false;
	want_hosts(agent);
	want_reflexive(agent);
	for (i = 0; i < agent->n_relays; i++)
		want(agent, ICE_RELAY, &agent->relays[i].relayed, NULL, agent->relays[i].id, 0);
	for (i = 0; i < ICE_LOCALS_MAX; i++) {
		struct local *l = &agent->locals[i];

		if (l->used && !l->keep) {
			memset(l, 0, sizeof(*l));
			gone |= UINT32_C(1) << i;
		}
	}
	weft_list_each (link, &agent->sessions) {
		IceSession *s = weft_container_of(link, struct ice_session, all);

		s->signalled &= ~gone;
		pairs_complete(s);
		if (s->gathering && weft_list_is_empty(&s->signal))
			weft_list_append(&agent->signal, &s->signal);
		session_update(s);
	}
}

bool
locals_family_ok(const IceAgent *agent, uint8_t family)
{
	unsigned i;

	for (i = 0; i < agent->n_hosts; i++) {
		if (agent->hosts[i].family == family)
			return true;
	}
	return false;
}

bool
locals_is_host(const IceAgent *agent, const struct weft_endpoint *e)
{
	unsigned i;

	if (e->port != agent->port)
		return false;
	for (i = 0; i < agent->n_hosts; i++) {
		if (weft_address_equal(&agent->hosts[i], &e->addr))
			return true;
	}
	return false;
}

enum ice_type
locals_type_of(const IceAgent *agent, const struct weft_endpoint *mapped)
{
	unsigned i;

	if (locals_is_host(agent, mapped))
		return ICE_HOST;
	for (i = 0; i < ICE_LOCALS_MAX; i++) {
		const struct local *l = &agent->locals[i];

		if (l->used && weft_endpoint_equal(&l->c.endpoint, mapped))
			return l->c.type;
	}
	return ICE_PRFLX;
}

bool
locals_relay_family(const IceAgent *agent, uint32_t relay, uint8_t *ret_family)
{
	unsigned i;

	for (i = 0; i < agent->n_relays; i++) {
		if (agent->relays[i].id == relay) {
			*ret_family = agent->relays[i].relayed.addr.family;
			return true;
		}
	}
	return false;
}

/* Hands out what the peer has not been told yet. */
void
locals_signal(IceSession *session)
{
	IceAgent *agent = session->agent;
	char line[ICE_LINE_MAX];
	unsigned i;

	for (i = 0; i < ICE_LOCALS_MAX && session->gathering && !session->dead; i++) {
		struct ice_candidate c = agent->locals[i].c;
		size_t len;

		if (!agent->locals[i].used || (session->signalled & UINT32_C(1) << i) != 0 ||
		    (agent->locals[i].relay != 0 && !session->relay))
			continue;
		session->signalled |= UINT32_C(1) << i;
		g_strlcpy(c.ufrag, session->own.ufrag, sizeof(c.ufrag));
		len = ice_candidate_format(&c, line, sizeof(line));
		if (len > 0)
			agent->ops->candidate(agent->user, session, line, len);
	}
}

static bool
usable_host(const IceAgent *agent, const struct weft_address *a)
{
	return a->family == WEFT_FAMILY_IPV4 || (a->family == WEFT_FAMILY_IPV6 && !agent->no_ipv6);
}

void
ice_agent_set_hosts(IceAgent *agent, const struct weft_address *hosts, size_t n)
{
	struct weft_address taken[ICE_HOSTS_MAX] = { 0 };
	size_t n_taken = 0, i;
	bool changed;

	for (i = 0; i < n && n_taken < ICE_HOSTS_MAX; i++) {
		if (usable_host(agent, &hosts[i]) && !agent_is_overlay(agent, &hosts[i]))
			taken[n_taken++] = hosts[i];
	}
	changed = n_taken != agent->n_hosts;
	for (i = 0; i < n_taken && !changed; i++)
		changed = !weft_address_equal(&taken[i], &agent->hosts[i]);
	if (!changed)
		return;
	agent_enter(agent);
	memcpy(agent->hosts, taken, sizeof(taken));
	agent->n_hosts = (uint8_t) n_taken;
	locals_rebuild(agent);
	gather_start(agent, true);
	weft_list_each (link, &agent->sessions)
		consent_probe(weft_container_of(link, struct ice_session, all));
	agent_leave(agent);
}

void
ice_agent_set_port(IceAgent *agent, uint16_t port)
{
	unsigned i;

	if (port == agent->port)
		return;
	agent_enter(agent);
	agent->port = port;
	for (i = 0; i < agent->n_servers; i++)
		memset(&agent->servers[i].mapped, 0, sizeof(agent->servers[i].mapped));
	locals_rebuild(agent);
	gather_start(agent, true);
	agent_leave(agent);
}

void
ice_agent_set_mappings(IceAgent *agent, const struct ice_mapping *mappings, size_t n)
{
	agent_enter(agent);
	agent->n_mappings = (uint8_t) MIN(n, ICE_HOSTS_MAX);
	if (agent->n_mappings > 0)
		memcpy(agent->mappings, mappings, agent->n_mappings * sizeof(*mappings));
	locals_rebuild(agent);
	agent_leave(agent);
}

void
ice_agent_set_forwarded(IceAgent *agent, const struct weft_endpoint *external)
{
	agent_enter(agent);
	agent->forwarded = external != NULL ? *external : (struct weft_endpoint){ 0 };
	locals_rebuild(agent);
	agent_leave(agent);
}

void
ice_agent_set_relays(IceAgent *agent, const struct ice_relay_candidate *relays, size_t n)
{
	struct ice_relay_candidate former[ICE_RELAYS_MAX];
	unsigned n_former = agent->n_relays, i;
	uint8_t family;

	agent_enter(agent);
	memcpy(former, agent->relays, sizeof(former));
	agent->n_relays = (uint8_t) MIN(n, ICE_RELAYS_MAX);
	if (agent->n_relays > 0)
		memcpy(agent->relays, relays, agent->n_relays * sizeof(*relays));
	for (i = 0; i < n_former; i++) {
		if (locals_relay_family(agent, former[i].id, &family))
			continue;
		weft_list_each (link, &agent->sessions)
			pairs_drop_relay(weft_container_of(link, struct ice_session, all),
					 former[i].id);
	}
	locals_rebuild(agent);
	agent_leave(agent);
}

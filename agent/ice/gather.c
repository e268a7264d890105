/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Server reflexive candidates: Binding requests to several servers from WireGuard's port, one
 * result for all sessions. */
#include "agent/ice/private.h"

#include "base/env.h"
#include "stun/client.h"

#include <string.h>

/* First pause and its growth: 0, 0.2, 0.6, 1.4, 3.0 s; given up after 5 s as NetBird does. */
#define GATHER_RTO_US   (200 * MS)
#define GATHER_REQUESTS 5
#define GATHER_LAST_US  (2 * S)
/* How long an answer is good for new sessions (protocol.md 4.3). */
#define GATHER_FRESH_US (25 * S)

/* Not a session's slot: answers are found by comparison. */
#define GATHER_SLOT UINT32_MAX

static void
set_timer(IceAgent *agent)
{
	int64_t next = INT64_MAX;
	unsigned i;

	for (i = 0; i < agent->n_servers; i++) {
		if (agent->servers[i].asking)
			next = MIN(next, agent->servers[i].due_us);
	}
	if (next == INT64_MAX)
		weft_wheel_cancel(&agent->wheel, &agent->gather);
	else
		weft_wheel_set(&agent->wheel, &agent->gather, next);
}

/* A server that does not answer any more leaves its candidate to the others. */
static void
give_up(IceAgent *agent, struct stun_server *server)
{
	server->asking = false;
	if (server->mapped.addr.family == WEFT_FAMILY_NONE)
		return;
	memset(&server->mapped, 0, sizeof(server->mapped));
	locals_rebuild(agent);
}

static void
ask(IceAgent *agent, struct stun_server *server)
{
	struct ice_path to = { .remote = server->endpoint };
	uint8_t buf[64];
	size_t len = weft_stun_client_binding(buf, sizeof(buf), server->txid, false);

	server->due_us = agent->now_us + (server->sent + 1 == GATHER_REQUESTS
						  ? GATHER_LAST_US
						  : GATHER_RTO_US << server->sent);
	server->sent++;
	agent->stats.gathers++;
	agent_send(agent, &to, buf, len);
}

void
on_gather_timer(struct weft_wheel_timer *timer, int64_t now_us, void *user)
{
	IceAgent *agent = user;
	unsigned i;

	(void) timer;
	for (i = 0; i < agent->n_servers; i++) {
		struct stun_server *server = &agent->servers[i];

		if (!server->asking || server->due_us > now_us)
			continue;
		if (server->sent >= GATHER_REQUESTS)
			give_up(agent, server);
		else
			ask(agent, server);
	}
	set_timer(agent);
}

void
gather_start(IceAgent *agent, bool force)
{
	unsigned i;

	if (agent->n_servers == 0 || agent->n_hosts == 0 ||
	    (!force && agent->asked_us != INT64_MIN &&
	     agent->now_us - agent->asked_us < GATHER_FRESH_US))
		return;
	agent->asked_us = agent->now_us;
	for (i = 0; i < agent->n_servers; i++) {
		struct stun_server *server = &agent->servers[i];

		if (!locals_family_ok(agent, server->endpoint.addr.family)) {
			give_up(agent, server);
			continue;
		}
		agent_new_txid(agent, GATHER_SLOT, server->txid);
		server->asking = true;
		server->sent = 0;
		ask(agent, server);
	}
	set_timer(agent);
}

static bool
mapped_plausible(const struct stun_server *server, const struct weft_endpoint *mapped)
{
	switch (weft_address_classify(&mapped->addr)) {
	case WEFT_ADDRESS_UNSPECIFIED:
	case WEFT_ADDRESS_LOOPBACK:
	case WEFT_ADDRESS_LINK_LOCAL:
	case WEFT_ADDRESS_MULTICAST:
		return false;
	case WEFT_ADDRESS_PRIVATE:
	case WEFT_ADDRESS_CGNAT:
	case WEFT_ADDRESS_DOCUMENTATION:
	case WEFT_ADDRESS_RESERVED:
	case WEFT_ADDRESS_GLOBAL:
	case WEFT_ADDRESS_CLASS_COUNT_:
		break;
	}
	return mapped->port != 0 && mapped->addr.family == server->endpoint.addr.family;
}

/* True if it answers one of our requests. A server needs no credentials here, so an answer counts
 * only from the address that was asked and with the transaction's 96 bits. */
bool
gather_response(IceAgent *agent, const struct ice_path *from, const struct weft_stun_message *m)
{
	unsigned i;

	for (i = 0; i < agent->n_servers; i++) {
		struct stun_server *server = &agent->servers[i];

		if (!server->asking || memcmp(server->txid, m->transaction, TXID) != 0)
			continue;
		if (from->relay != 0 || !weft_endpoint_equal(&from->remote, &server->endpoint))
			return false;
		server->asking = false;
		set_timer(agent);
		if (m->class == WEFT_STUN_SUCCESS &&
		    (weft_stun_has(m, WEFT_STUN_HAS_XOR_MAPPED) ||
		     weft_stun_has(m, WEFT_STUN_HAS_MAPPED_ADDRESS)) &&
		    mapped_plausible(server, &m->mapped) &&
		    !agent_is_overlay(agent, &m->mapped.addr)) {
			server->mapped = m->mapped;
			locals_rebuild(agent);
		}
		return true;
	}
	return false;
}

void
ice_agent_set_stun_servers(IceAgent *agent, const struct weft_endpoint *servers, size_t n)
{
	struct stun_server former[ICE_STUN_SERVERS_MAX];
	unsigned n_former = agent->n_servers, i, k;
	bool added = false;

	agent_enter(agent);
	memcpy(former, agent->servers, sizeof(former));
	memset(agent->servers, 0, sizeof(agent->servers));
	agent->n_servers = (uint8_t) MIN(n, ICE_STUN_SERVERS_MAX);
	for (i = 0; i < agent->n_servers; i++) {
		for (k = 0; k < n_former; k++) {
			if (weft_endpoint_equal(&former[k].endpoint, &servers[i]))
				break;
		}
		if (k < n_former)
			agent->servers[i] = former[k];
		else
			added = true;
		agent->servers[i].endpoint = servers[i];
	}
	locals_rebuild(agent);
	if (added)
		gather_start(agent, true);
	set_timer(agent);
	agent_leave(agent);
}

bool
ice_agent_gathered(const IceAgent *agent)
{
	unsigned i;

	for (i = 0; i < agent->n_servers; i++) {
		if (agent->servers[i].asking)
			return false;
	}
	return true;
}

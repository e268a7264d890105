/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One remote peer: offers, answers, candidates and sessions (protocol.md 3.6), its ICE session, its
 * way through the relay, its path. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/ice/agent.h"
#include "agent/map.h"
#include "agent/path.h"
#include "agent/relay/proxy.h"
#include "agent/relay/relay.h"
#include "base/backoff.h"
#include "base/box.h"
#include "base/key.h"

struct Signalexchange__Body;
struct weft_env;

#define AGENT_PEER_SESSION_LEN 5
#define AGENT_PEER_EARLY_MAX   32 /* candidates that are kept for a restart */

typedef struct agent_peer AgentPeer;

/* What a peer needs of the rest. */
struct agent_peer_ops {
	void (*send)(void *user, AgentPeer *peer, const struct Signalexchange__Body *body);
	/* Endpoint or keepalive changed: WireGuard is to be told. */
	void (*apply)(void *user, AgentPeer *peer);
	void (*changed)(void *user, AgentPeer *peer); /* for status */
};

struct agent_peer_config {
	const struct weft_env *env;
	IceAgent *ice;
	AgentRelay *relay; /* or NULL */
	const struct weft_key *own_public, *own_private;
	uint16_t port;
	const struct agent_peer_ops *ops;
	void *user;
};

struct agent_early {
	int64_t at_us;
	char *line;
};

struct agent_peer {
	struct agent_peer_config config;
	struct weft_key key;
	struct weft_box_key box;
	char *fqdn;
	bool controlling;

	IceSession *ice;
	struct ice_credentials own;
	uint8_t session[AGENT_PEER_SESSION_LEN];
	uint8_t remote_session[AGENT_PEER_SESSION_LEN];
	bool has_remote, has_remote_session;
	bool failed; /* the session found nothing: begin anew with the next offer */
	bool no_ice; /* the peer told that it has none */
	GSource *guard, *settle;
	struct weft_backoff pause;
	GArray *early; /* struct agent_early */

	enum agent_path path;
	int64_t since_us; /* wall clock, of the kind of path */
	struct ice_pair_info pair;
	bool has_pair;
	struct weft_endpoint endpoint; /* that WireGuard was told; family NONE: none */
	uint16_t keepalive_s;
	bool exact;

	char *relay_url; /* of the peer, "" if it has none */
	struct weft_address relay_ip;
	enum agent_relay_state relay_state;
	AgentProxy *proxy;

	/* WireGuard's view, as of the last dump. */
	int64_t handshake_us; /* wall clock */
	uint64_t rx, tx;
	int64_t rx_at_us; /* when rx grew */

	uint32_t offers_out, offers_in, candidates_out, candidates_in;
};

/* NULL: the key is none. */
AgentPeer *agent_peer_new(const struct agent_peer_config *config, const struct agent_map_peer *map);
void agent_peer_free(AgentPeer *peer); /* takes NULL */

/* WireGuard had this peer before we started: its way stays in use until it is dead. */
void agent_peer_adopt(AgentPeer *peer, const struct weft_endpoint *endpoint, uint16_t keepalive_s);

/* The first offer, or again after @why: the signal server is there, the network changed. */
void agent_peer_offer(AgentPeer *peer);

/* An opened message of the peer. */
void agent_peer_receive(AgentPeer *peer, const struct Signalexchange__Body *body);

void agent_peer_ice_event(AgentPeer *peer, const struct ice_event *event);
void agent_peer_candidate(AgentPeer *peer, const char *line);

/* The relay's news. */
void agent_peer_relay_home(AgentPeer *peer);
void agent_peer_relay_state(AgentPeer *peer, enum agent_relay_state state);
void agent_peer_relay_packet(AgentPeer *peer, const uint8_t *buf, size_t len);

/* WireGuard's news. */
void agent_peer_wireguard(AgentPeer *peer, int64_t handshake_us, uint64_t rx, uint64_t tx);

/* Why the path is not better: for people. */
const char *agent_peer_why(const AgentPeer *peer);

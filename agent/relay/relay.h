/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The relay as a way to peers (NetBird's relay protocol over WebSocket, protocol.md 5): one home
 * server, chosen by who answers first, and foreign ones opened when a peer is reached through them
 * and closed when nobody is. Everything on one GMainContext; callbacks never run inside a call of
 * this header except where said. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"

struct weft_env;
struct ssl_ctx_st;

typedef struct agent_relay AgentRelay;

enum agent_relay_state {
	AGENT_RELAY_OPENING, /* server being connected, or peer not there yet */
	AGENT_RELAY_OPEN,    /* packets flow */
	AGENT_RELAY_CLOSED,  /* peer went offline, server lost, or it did not come within 30 s */
	AGENT_RELAY_STATE_COUNT_
};

const char *agent_relay_state_name(enum agent_relay_state state);

struct agent_relay_ops {
	/* The home server is connected (@url: its instance URL, to be told in offers, @ip: where it
	 * was reached) or lost (@url NULL). */
	void (*home)(void *user, const char *url, const struct weft_address *ip);
	/* A peer's way changed. After CLOSED the peer is no longer opened; open it again. */
	void (*peer)(void *user, const struct weft_key *peer, enum agent_relay_state state);
	/* One packet of a peer; @buf is borrowed. */
	void (*packet)(void *user, const struct weft_key *peer, const uint8_t *buf, size_t len);
};

struct agent_relay_config {
	GMainContext *context;
	const struct weft_env *env;
	const struct agent_relay_ops *ops;
	void *user;
	struct weft_key own; /* public */
	const char *ca_file; /* NULL: the system's roots */
	uint32_t fwmark;     /* of the sockets, 0: none */
};

AgentRelay *agent_relay_new(const struct agent_relay_config *config, GError **error);
void agent_relay_free(AgentRelay *relay); /* takes NULL; no callbacks afterwards */

/* URLs ("rel://host[:port]", "rels://...") and token of the management server; NULL-terminated,
 * copied. An unchanged list keeps its connections; a new token is used for the next ones. An empty
 * list closes everything. */
void agent_relay_set_servers(AgentRelay *relay,
			     const char *const *urls,
			     const char *token_payload,
			     const char *token_signature);

/* Instance URL of the home server, NULL while there is none. Borrowed until the next home(). */
const char *agent_relay_home(const AgentRelay *relay);

/* Opens the way to a peer through the server with this instance URL (protocol.md 5.6: the
 * controller's home; our own one or a foreign one, tried at @ip first if that is set). A peer that
 * is open through another server moves over. Reports through peer(). */
void agent_relay_open_peer(AgentRelay *relay,
			   const struct weft_key *peer,
			   const char *url,
			   const struct weft_address *ip);
void agent_relay_close_peer(AgentRelay *relay, const struct weft_key *peer);
enum agent_relay_state agent_relay_peer_state(const AgentRelay *relay, const struct weft_key *peer);

/* One packet to a peer; false if there is no way or the server's queue is full (the packet is lost,
 * as on any network). */
bool agent_relay_send(AgentRelay *relay,
		      const struct weft_key *peer,
		      const uint8_t *buf,
		      size_t len);

/* The network changed: lost servers are tried at once. */
void agent_relay_network_changed(AgentRelay *relay);

/* Longest packet that a message holds. */
#define AGENT_RELAY_PACKET_MAX (8820 - 2 - 36)

/* For status. */
struct agent_relay_info {
	char url[256];
	bool home, connected;
	unsigned peers;
	char problem[128]; /* why it is not connected; "" if unknown */
};
size_t agent_relay_servers(const AgentRelay *relay, struct agent_relay_info *out, size_t max);

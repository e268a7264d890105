/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Map and paths -> what the kernel should hold. Pure. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "agent/map.h"
#include "netlink/desired.h"
#include "nftables/model.h"

/* What a path says about the WireGuard peer. */
struct agent_desired_peer {
	struct weft_endpoint endpoint; /* family NONE: WireGuard's own business */
	uint16_t keepalive_s;
	bool exact; /* the endpoint has changed: put it there even if WireGuard has roamed */
};

struct agent_desired_config {
	const char *interface;
	struct weft_key private;
	uint16_t port;
	uint32_t fwmark;
	bool ipv6;
	/* Looks a peer up; false: nothing is known. */
	bool (*peer)(void *user, const struct weft_key *key, struct agent_desired_peer *ret);
	void *user;
};

#define AGENT_DESIRED_MTU 1280 /* where the map says nothing, as NetBird's */

/* Normalised. @problems: array of GError. */
WeftNlState *agent_desired_state(const AgentMap *map,
				 const struct agent_desired_config *config,
				 GPtrArray *problems);

/* The rules of the map; @problems: array of char *. NULL: there are too many. */
WeftNftModel *agent_desired_rules(const AgentMap *map,
				  const struct weft_nft_config *config,
				  GPtrArray *problems,
				  GError **error);

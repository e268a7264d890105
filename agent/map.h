/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The network map as a value: made of a NetworkMap, or of a map and a delta. Maps do not change;
 * a delta makes a new one that shares its entries. Whatever stands in a message that is wrong costs
 * that entry and is told in @problems (array of char *, or NULL). Pure. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"
#include "nftables/rule.h"

struct Management__NetworkMap;
struct Management__PeerConfig;
struct Management__SyncResponse;
struct Management__WeftNetworkMapDelta;

struct agent_map_peer {
	struct weft_key key;
	struct weft_prefix *allowed; /* host prefixes inside the overlay, each owned by one peer */
	size_t n_allowed;
	char *fqdn, *version; /* never NULL */
};

struct agent_map_rule {
	uint64_t id;
	bool usable;               /* false: kept for the count alone */
	struct weft_nft_rule rule; /* without @remote */
	GArray *prefixes;          /* struct weft_prefix, as sent */
};

/* Ourselves. */
struct agent_map_self {
	struct weft_prefix address, address6; /* family NONE: none */
	char *fqdn;                           /* never NULL */
	uint32_t mtu;                         /* 0: the default */
	bool lazy;
};

typedef struct agent_map AgentMap;

enum agent_map_result {
	AGENT_MAP_OK,
	AGENT_MAP_STALE,  /* an older serial: leave it */
	AGENT_MAP_RESYNC, /* the delta does not fit: ask for everything */
};

AgentMap *agent_map_ref(AgentMap *map);
void agent_map_unref(AgentMap *map); /* takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AgentMap, agent_map_unref)

/* @old (or NULL) gives the own configuration where the message has none. */
AgentMap *agent_map_from_network_map(const AgentMap *old,
				     const struct Management__NetworkMap *msg,
				     const struct weft_key *own,
				     GPtrArray *problems);

/* *ret is set with OK only. @old NULL takes a resync alone. */
enum agent_map_result agent_map_from_delta(AgentMap **ret,
					   AgentMap *old,
					   const struct Management__WeftNetworkMapDelta *msg,
					   const struct weft_key *own,
					   GPtrArray *problems);

/* A map of nobody but ourselves: after Login. */
AgentMap *agent_map_from_peer_config(const struct Management__PeerConfig *config,
				     GPtrArray *problems);

uint64_t agent_map_serial(const AgentMap *map);
const struct agent_map_self *agent_map_self(const AgentMap *map);

/* Array of struct agent_map_peer *, sorted by key. Borrowed. */
const GPtrArray *agent_map_peers(const AgentMap *map);
const struct agent_map_peer *agent_map_find(const AgentMap *map, const struct weft_key *key);

/* Array of struct weft_nft_rule: every rule with every address. g_array_unref. */
GArray *agent_map_rules(const AgentMap *map);

/* Names of parts that were received and are not used yet ("routes: 3"). NULL-terminated,
 * g_strfreev.
 */
char **agent_map_unsupported(const AgentMap *map);

/* As a NetworkMap for the cache; it reads back as the same map. g_byte_array_unref. */
GByteArray *agent_map_pack(const AgentMap *map);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the map, for its three files. */
#pragma once

#include <glib.h>

#include "agent/map.h"

#define AGENT_MAP_PROBLEMS_MAX 64 /* that are told; a hostile map could have millions */
#define AGENT_MAP_ALLOWED_MAX  64 /* addresses of one peer */

struct Management__FirewallRule;
struct Management__RemotePeerConfig;
struct ProtobufCBinaryData;

struct agent_map {
	uint64_t serial;
	struct agent_map_self self;
	GHashTable *peers;       /* struct weft_key -> struct agent_map_peer */
	GHashTable *rules;       /* id -> struct agent_map_rule */
	GHashTable *offline;     /* keys as text */
	GHashTable *routes;      /* IDs */
	GHashTable *route_rules; /* ids */
	GPtrArray *sorted;       /* of peers, made when asked for */
	unsigned odd_peers;      /* that count though they cannot be kept: our own key */
	unsigned forwardings;
	bool dns, ssh;
};

AgentMap *agent_map_new(void);
void agent_map_copy_self(AgentMap *m, const AgentMap *old);
void agent_map_peer_unref(gpointer p);
void agent_map_rule_unref(gpointer p);
void agent_map_problem(GPtrArray *problems, const char *format, ...) G_GNUC_PRINTF(2, 3);

bool agent_map_read_self(AgentMap *m,
			 const struct Management__PeerConfig *msg,
			 GPtrArray *problems);
/* False: malformed as a whole. */
bool agent_map_read_peer(AgentMap *m,
			 const struct Management__RemotePeerConfig *msg,
			 const struct weft_key *own,
			 GPtrArray *problems);
struct agent_map_rule *agent_map_read_rule(uint64_t id,
					   const struct Management__FirewallRule *msg,
					   GPtrArray *problems);
bool agent_map_rule_add(struct agent_map_rule *rule, const struct ProtobufCBinaryData *data);

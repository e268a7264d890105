/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which way leads to a peer: one table of transitions. Pure. */
#pragma once

#include <stdbool.h>

/* What is known of the direct way, with and without a relay behind it. STALE: ICE hears nothing any
 * more, but WireGuard still does; the peer's agent may be restarting, so the way stays in use. */
enum agent_path {
	AGENT_PATH_NONE,
	AGENT_PATH_RELAYED,
	AGENT_PATH_DIRECT,
	AGENT_PATH_DIRECT_RELAY,
	AGENT_PATH_STALE,
	AGENT_PATH_STALE_RELAY,
	AGENT_PATH_COUNT_
};

enum agent_path_event {
	AGENT_PATH_RELAY_UP,   /* both ends know a relay and ours is connected */
	AGENT_PATH_RELAY_DOWN, /* it is not any more */
	AGENT_PATH_PAIR,       /* ICE has a pair, or another one */
	AGENT_PATH_ICE_LOST,   /* ICE hears nothing any more, or failed */
	AGENT_PATH_WG_DEAD,    /* neither does WireGuard */
	AGENT_PATH_EVENT_COUNT_
};

enum agent_path_kind {
	AGENT_PATH_KIND_NONE,
	AGENT_PATH_KIND_RELAYED,
	AGENT_PATH_KIND_DIRECT,
	AGENT_PATH_KIND_COUNT_
};

enum agent_path agent_path_next(enum agent_path path, enum agent_path_event event);

/* Where traffic goes in that state. */
enum agent_path_kind agent_path_kind(enum agent_path path);
bool agent_path_has_relay(enum agent_path path);

/* True if ICE has no pair: offers are due. */
bool agent_path_wants_ice(enum agent_path path);

const char *agent_path_name(enum agent_path path);           /* "stale-relay" */
const char *agent_path_kind_name(enum agent_path_kind kind); /* "none", "relayed", "direct" */
const char *agent_path_event_name(enum agent_path_event event);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/path.h"

#define N  AGENT_PATH_NONE
#define R  AGENT_PATH_RELAYED
#define D  AGENT_PATH_DIRECT
#define DR AGENT_PATH_DIRECT_RELAY
#define S  AGENT_PATH_STALE
#define SR AGENT_PATH_STALE_RELAY

/* A stale way is left for the relay only when WireGuard is silent too: with a relay at hand that
 * costs nothing, because both ends can use it at any time. */
/* clang-format off */
static const unsigned char table[AGENT_PATH_COUNT_][AGENT_PATH_EVENT_COUNT_] = {
	/*                           RELAY_UP  RELAY_DOWN  PAIR  ICE_LOST  WG_DEAD */
	[AGENT_PATH_NONE] =         { R,       N,          D,    N,        N },
	[AGENT_PATH_RELAYED] =      { R,       N,          DR,   R,        R },
	[AGENT_PATH_DIRECT] =       { DR,      D,          D,    S,        D },
	[AGENT_PATH_DIRECT_RELAY] = { DR,      D,          DR,   SR,       DR },
	[AGENT_PATH_STALE] =        { SR,      S,          D,    S,        N },
	[AGENT_PATH_STALE_RELAY] =  { SR,      S,          DR,   SR,       R },
};
/* clang-format on */

enum agent_path
agent_path_next(enum agent_path path, enum agent_path_event event)
{
	return (enum agent_path) table[path][event];
}

enum agent_path_kind
agent_path_kind(enum agent_path path)
{
	switch (path) {
	case AGENT_PATH_RELAYED:
		return AGENT_PATH_KIND_RELAYED;
	case AGENT_PATH_DIRECT:
	case AGENT_PATH_DIRECT_RELAY:
	case AGENT_PATH_STALE:
	case AGENT_PATH_STALE_RELAY:
		return AGENT_PATH_KIND_DIRECT;
	case AGENT_PATH_NONE:
	case AGENT_PATH_COUNT_:
		break;
	}
	return AGENT_PATH_KIND_NONE;
}

bool
agent_path_has_relay(enum agent_path path)
{
	return path == AGENT_PATH_RELAYED || path == AGENT_PATH_DIRECT_RELAY ||
	       path == AGENT_PATH_STALE_RELAY;
}

bool
agent_path_wants_ice(enum agent_path path)
{
	return path != AGENT_PATH_DIRECT && path != AGENT_PATH_DIRECT_RELAY;
}

const char *
agent_path_name(enum agent_path path)
{
	static const char *const names[AGENT_PATH_COUNT_] = {
		[AGENT_PATH_NONE] = "none",     [AGENT_PATH_RELAYED] = "relayed",
		[AGENT_PATH_DIRECT] = "direct", [AGENT_PATH_DIRECT_RELAY] = "direct-relay",
		[AGENT_PATH_STALE] = "stale",   [AGENT_PATH_STALE_RELAY] = "stale-relay",
	};

	return names[path];
}

const char *
agent_path_kind_name(enum agent_path_kind kind)
{
	static const char *const names[AGENT_PATH_KIND_COUNT_] = {
		[AGENT_PATH_KIND_NONE] = "none",
		[AGENT_PATH_KIND_RELAYED] = "relayed",
		[AGENT_PATH_KIND_DIRECT] = "direct",
	};

	return names[kind];
}

const char *
agent_path_event_name(enum agent_path_event event)
{
	static const char *const names[AGENT_PATH_EVENT_COUNT_] = {
		[AGENT_PATH_RELAY_UP] = "relay-up", [AGENT_PATH_RELAY_DOWN] = "relay-down",
		[AGENT_PATH_PAIR] = "pair",         [AGENT_PATH_ICE_LOST] = "ice-lost",
		[AGENT_PATH_WG_DEAD] = "wg-dead",
	};

	return names[event];
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ICE's raw sockets and its timer on the main loop. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "agent/ice/agent.h"

typedef struct agent_sockets AgentSockets;

/* IPv6 may be missing. @agent is set by agent_sockets_attach(). */
AgentSockets *agent_sockets_open(uint16_t port, uint32_t fwmark, bool ipv6, GError **error);
void agent_sockets_free(AgentSockets *sockets); /* takes NULL */
void agent_sockets_attach(AgentSockets *sockets, IceAgent *agent);

void agent_sockets_send(AgentSockets *sockets,
			const struct ice_path *to,
			const uint8_t *buf,
			size_t len);

/* After every call into the engine. */
void agent_sockets_rearm(AgentSockets *sockets);

/* Addresses or routes changed. */
void agent_sockets_flush(AgentSockets *sockets);

/* First UDP port from @first on that nobody has; 0: none. */
uint16_t agent_sockets_free_port(uint16_t first);

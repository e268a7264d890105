/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WireGuard's end of a relayed way: a loopback UDP socket per peer. WireGuard's endpoint for the
 * peer is the proxy's address; what WireGuard sends there is handed over, and what is given to the
 * proxy reaches WireGuard as if it came from there. At most one copy of a packet on each path. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

typedef struct agent_proxy AgentProxy;

/* @packet gets what WireGuard sends; @buf is borrowed. @wireguard_port: on 127.0.0.1. */
AgentProxy *agent_proxy_new(GMainContext *context,
			    uint16_t wireguard_port,
			    void (*packet)(void *user, const uint8_t *buf, size_t len),
			    void *user,
			    GError **error);
void agent_proxy_free(AgentProxy *proxy); /* takes NULL */

/* Where WireGuard has to send to: 127.0.0.1 and the proxy's port. */
struct weft_endpoint agent_proxy_endpoint(const AgentProxy *proxy);

/* Hands a packet of the peer to WireGuard. False if the socket is full: the packet is lost. */
bool agent_proxy_deliver(AgentProxy *proxy, const uint8_t *buf, size_t len);

/* WireGuard listens elsewhere now. */
void agent_proxy_set_port(AgentProxy *proxy, uint16_t wireguard_port);

struct agent_proxy_stats {
	uint64_t from_wireguard, to_wireguard, lost;
};
struct agent_proxy_stats agent_proxy_stats(const AgentProxy *proxy);

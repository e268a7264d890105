/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's state: dump, difference, apply; and the watch for changes by others. Nothing is torn
 * down but by agent_reconcile_down(). */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/desired.h"
#include "netlink/wg.h"

struct weft_env;

typedef struct agent_reconcile AgentReconcile;

struct agent_reconcile_ops {
	void (*ours_changed)(void *user);    /* something of ours may differ: reconcile soon */
	void (*network_changed)(void *user); /* addresses, links or routes of the host */
};

struct agent_reconcile_config {
	const struct weft_env *env;
	const char *interface, *table, *wireguard_go;
	bool firewall, ipv6;
	const struct agent_reconcile_ops *ops;
	void *user;
};

AgentReconcile *agent_reconcile_new(const struct agent_reconcile_config *config, GError **error);
void agent_reconcile_free(AgentReconcile *r); /* the kernel's state stays; takes NULL */

/* The rules first, then the link and its peers. False if something could not be done; @problems
 * (array of char *) says what. */
bool agent_reconcile_apply(AgentReconcile *r,
			   const AgentMap *map,
			   const struct agent_desired_config *desired,
			   GPtrArray *problems);

/* One peer's endpoint and keepalive, at once; nothing happens if the kernel lacks the peer. */
bool agent_reconcile_set_peer(AgentReconcile *r,
			      const struct weft_key *key,
			      const struct weft_endpoint *endpoint,
			      uint16_t keepalive_s,
			      GError **error);

/* The device as it is; NULL: there is none. */
WeftNlWgDevice *agent_reconcile_dump(AgentReconcile *r);

/* Removes all that is ours. */
bool agent_reconcile_down(AgentReconcile *r, GError **error);

/* Addresses that may be offered: array of struct weft_nl_addr. NULL on failure. */
GArray *agent_reconcile_hosts(AgentReconcile *r);

const char *agent_reconcile_wireguard(const AgentReconcile *r); /* "kernel", "wireguard-go" */

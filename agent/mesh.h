/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The agent as a whole: what `weft up` said, the servers, the map, the peers and the kernel, put
 * together. One way: servers -> map -> peers and kernel. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "agent/map.h"
#include "agent/mgmt.h"
#include "agent/peer.h"
#include "agent/reconcile.h"
#include "agent/resolve.h"
#include "agent/signal.h"
#include "agent/sockets.h"
#include "agent/state.h"
#include "base/glib/conf.h"
#include "rpc/runtime.h"

typedef struct agent_mesh AgentMesh;

struct agent_mesh_ops {
	void (*changed)(void *user); /* status differs; may come often */
};

/* For the files of this room that show or extend it: mesh.c alone changes it. */
struct agent_mesh {
	const struct weft_env *env;
	const WeftConf *conf;
	WeftRpcRuntime *runtime;
	const struct agent_mesh_ops *ops;
	void *user;

	struct agent_state state;
	char *interface;
	AgentReconcile *reconcile; /* NULL while down */
	AgentMgmt *mgmt;
	AgentSignal *signal;
	char *signal_url;
	AgentRelay *relay;
	IceAgent *ice;
	AgentSockets *sockets;
	AgentResolve *resolve;
	char **stuns; /* as told */

	AgentMap *map;
	bool partial;   /* the map holds nothing but ourselves: Login's */
	bool cached;    /* it is of the last run */
	bool confirmed; /* a server sent it on this stream: deltas may follow */
	GPtrArray *problems;
	bool applied; /* the kernel is as the map says */

	GHashTable *peers; /* struct weft_key -> AgentPeer */
	GQueue early;      /* messages of keys that are not in the map yet */
	GSource *tick, *soon, *network, *poll, *save;
};

AgentMesh *agent_mesh_new(const WeftConf *conf,
			  WeftRpcRuntime *runtime,
			  const struct agent_mesh_ops *ops,
			  void *user,
			  GError **error);
void agent_mesh_free(AgentMesh *mesh); /* the kernel's state stays; takes NULL */

struct agent_mesh_up {
	const char *management_url, *setup_key, *hostname, *interface; /* NULL: as before */
	uint16_t port;
};

/* `weft up` and `weft login`. */
bool agent_mesh_up(AgentMesh *mesh, const struct agent_mesh_up *up, GError **error);
bool agent_mesh_down(AgentMesh *mesh, GError **error);

/* Forgets the enrolment, here and on the server; @done in the end. */
void agent_mesh_logout(AgentMesh *mesh, void (*done)(void *user, const char *error), void *user);

enum agent_mesh_state {
	AGENT_MESH_DOWN,
	AGENT_MESH_CONNECTING,
	AGENT_MESH_NEEDS_LOGIN,
	AGENT_MESH_UP,
	AGENT_MESH_STATE_COUNT_
};
enum agent_mesh_state agent_mesh_state(const AgentMesh *mesh);
const char *agent_mesh_state_name(enum agent_mesh_state state);
const char *agent_mesh_reason(const AgentMesh *mesh); /* what is missing, or "" */

/* Reads handshakes and counters out of WireGuard. */
void agent_mesh_poll(AgentMesh *mesh);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the room: a server. It is made of one core server for its TCP listeners and one for
 * each user of its unix listener: core shows no peer credentials, and an address like "fd:7" may
 * belong to somebody else by the time it is looked up, but a call never changes its core server. */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "rpc/call.h"
#include "rpc/limits.h"
#include "rpc/queue.h"
#include "rpc/server.h"

#define WEFT_RPC_DURATION_BUCKETS 15 /* those of base/glib/metrics and +Inf */

struct weft_rpc_entry {
	WeftRpcServer *server;
	const struct weft_rpc_method *method;
	const struct weft_rpc_handler *handler;
	void *user;
	unsigned index;

	atomic_uint_fast64_t live;
	atomic_uint_fast64_t done[WEFT_RPC_CODE_COUNT_];
	atomic_uint_fast64_t ended[WEFT_RPC_END_COUNT_];
	atomic_uint_fast64_t received, received_bytes;
	atomic_uint_fast64_t duration_us;
	atomic_uint_fast64_t duration[WEFT_RPC_DURATION_BUCKETS];
};

struct weft_rpc_core {
	struct weft_rpc_core *next;
	WeftRpcServer *server;
	grpc_server *core;
	void **registered; /* core's handle of each entry */
	struct weft_rpc_tag stopped_tag;
	bool is_unix;
	struct weft_rpc_credentials credentials;
	int64_t used_us; /* unix: last connection */
};

enum weft_rpc_server_state {
	WEFT_RPC_SERVER_NEW,
	WEFT_RPC_SERVER_RUNNING,
	WEFT_RPC_SERVER_STOPPING, /* calls have their grace */
	WEFT_RPC_SERVER_ENDING,   /* calls got their status */
	WEFT_RPC_SERVER_CUTTING,  /* and what is left then is cancelled */
	WEFT_RPC_SERVER_STOPPED,
};

struct weft_rpc_server {
	WeftRpcRuntime *rt;
	struct weft_rpc_server_config config;
	GPtrArray *entries;           /* struct weft_rpc_entry; fixed from start on */
	struct weft_rpc_entry *other; /* calls of paths that nobody added */
	struct weft_rpc_link link;    /* in rt->servers */
	struct weft_rpc_admissions *admissions;
	struct weft_rpc_census *census;
	struct weft_rpc_unix *unix_listener;
	GArray *ports;  /* uint16_t, bound TCP ports */
	GPtrArray *tls; /* what TLS listeners look at */

	pthread_mutex_t lock;
	struct weft_rpc_core *cores; /* the first is that of TCP */
	unsigned n_cores;
	enum weft_rpc_server_state state;
	int64_t next_step_us;
	void (*on_stopped)(void *user);
	void *on_stopped_user;
	bool is_fast; /* counted in rt->fast_ticks */

	/* One for itself until shutdown, one for each armed request, live call and shutdown tag. */
	atomic_uint pending;
	atomic_bool is_stopped;
	atomic_uint_fast64_t calls_live, calls_total, connections_cut;
};

/* server.c */
struct weft_rpc_core *weft_rpc_core_new(WeftRpcServer *server);
void weft_rpc_core_free(struct weft_rpc_core *core);
/* Arms the requests of a core that was started. */
void weft_rpc_core_arm(struct weft_rpc_core *core);
/* Something that keeps the server from being stopped begins or ends. */
void weft_rpc_server_pending_begins(WeftRpcServer *server);
void weft_rpc_server_pending_ends(WeftRpcServer *server);

/* listen_unix.c */
void weft_rpc_unix_close(struct weft_rpc_unix *listener);
void weft_rpc_unix_free(struct weft_rpc_unix *listener);
void weft_rpc_unix_start(struct weft_rpc_unix *listener);

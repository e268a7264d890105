/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The completion queues and the threads that wait on them; where callbacks run.
 *
 * Never fork() after weft_rpc_runtime_new(): gRPC does not survive it. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct weft_rpc_runtime WeftRpcRuntime;

/* The API is the same for all three; a handler that keeps to its call works under each. */
enum weft_rpc_delivery {
	/* Callbacks run in @context, handed over from a thread that waits for gRPC. For programs
	 * whose own descriptors are the busier side (the agent). */
	WEFT_RPC_DELIVER_CONTEXT,

	/* Callbacks run in @context, whose thread itself waits for gRPC: a poll function is put
	 * into the context, and a helper thread watches the other descriptors. No hand-over per
	 * event. For servers (mgmtd). The context must be iterated by one thread only, and while
	 * that thread is busy nobody reads from the network. */
	WEFT_RPC_DELIVER_LOOP,

	/* Callbacks run on the queue's thread, in parallel for calls of different queues (one
	 * queue: never in parallel). They must not block (signald). */
	WEFT_RPC_DELIVER_INLINE,
};

struct weft_rpc_runtime_config {
	enum weft_rpc_delivery delivery;
	GMainContext *context; /* NULL: the global default context. Unused for INLINE */
	unsigned queues;       /* 0 means 1. Only INLINE may have more */
};

/* Initialises gRPC (counted) and starts the threads. Core's log goes to ours from here on. NULL
 * with
 * @error if the system refuses a thread or descriptor. */
WeftRpcRuntime *weft_rpc_runtime_new(const struct weft_rpc_runtime_config *config, GError **error);

/* Every server and channel of the runtime must be freed before. To be called on the thread of the
 * context (INLINE: not on a queue's thread). Waits for outstanding events, joins the threads. Takes
 * NULL. */
void weft_rpc_runtime_free(WeftRpcRuntime *rt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRpcRuntime, weft_rpc_runtime_free)

/* Runs @fn(@data) once where callbacks run (INLINE: on the first queue's thread), after what is
 * already waiting there. Any thread. This is how a worker thread comes back. */
void weft_rpc_runtime_invoke(WeftRpcRuntime *rt, void (*fn)(void *data), void *data);

/* Events delivered and turns taken since the start; for tests and metrics. */
struct weft_rpc_runtime_stats {
	uint64_t events;
	uint64_t turns;
	uint64_t calls_live;
};

struct weft_rpc_runtime_stats weft_rpc_runtime_stats(const WeftRpcRuntime *rt);

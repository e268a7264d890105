/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Listening: methods, listeners, limits, shutdown. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rpc/method.h"
#include "rpc/runtime.h"
#include "rpc/tls.h"

typedef struct weft_rpc_server WeftRpcServer;

/* Every number 0 means its default of rpc/limits.h; the limits of the second block are off at 0. */
struct weft_rpc_server_config {
	size_t max_receive_bytes;
	size_t max_send_bytes;
	unsigned max_metadata_bytes;
	unsigned max_streams_per_connection;
	unsigned keepalive_time_ms;    /* PING a silent client after so long */
	unsigned keepalive_timeout_ms; /* and drop it if it does not answer */
	unsigned min_ping_interval_ms; /* what clients may do */
	unsigned handshake_timeout_ms;
	unsigned idle_timeout_ms; /* connection without a call: GOAWAY. UINT_MAX: never */

	unsigned max_calls;                   /* live calls in total */
	unsigned max_calls_per_address;       /* live calls of one address (IPv6: one /64) */
	unsigned max_connections_per_address; /* connections of one address; those beyond it are
						 shut down within seconds */
	unsigned calls_per_second;            /* new calls of one address: sustained rate */
	unsigned calls_burst;                 /* and how many may come at once; 0: twice the rate */
};

/* @config may be NULL. Not started yet. */
WeftRpcServer *weft_rpc_server_new(WeftRpcRuntime *rt, const struct weft_rpc_server_config *config);

/* After weft_rpc_server_shutdown() has reported, or if the server was never started. Takes NULL. */
void weft_rpc_server_free(WeftRpcServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRpcServer, weft_rpc_server_free)

/* Before start. @method and @handler are borrowed and must outlive the server. The path must not be
 * there yet (our bug). Calls of other paths are answered with UNIMPLEMENTED. */
void weft_rpc_server_add_method(WeftRpcServer *server,
				const struct weft_rpc_method *method,
				const struct weft_rpc_handler *handler,
				void *user);

/* Before start. @address is "host:port", "[::]:33073", "127.0.0.1:0" ...; @tls NULL for plaintext
 * HTTP/2. The port that was bound goes to @ret_port (may be NULL). A port in use is an error: ports
 * are never shared. */
bool weft_rpc_server_listen(WeftRpcServer *server,
			    const char *address,
			    WeftRpcServerTls *tls,
			    uint16_t *ret_port,
			    GError **error);

/* Before start. Binds a unix socket at @path with mode @mode and group @gid ((gid_t) -1:
 * unchanged), replacing a socket that nobody listens on any more (another live one is an error).
 * Callers see SO_PEERCRED through weft_rpc_call_credentials(). The path is removed when the server
 * shuts down. Accepting happens in the runtime's context; with INLINE delivery in the default
 * context. */
bool weft_rpc_server_listen_unix(
	WeftRpcServer *server, const char *path, mode_t mode, gid_t gid, GError **error);

/* From here on calls arrive. */
void weft_rpc_server_start(WeftRpcServer *server);

/* Changes the limits of the second block of the configuration while running (SIGHUP): live calls
 * stay. Any thread. */
void weft_rpc_server_set_limits(WeftRpcServer *server, const struct weft_rpc_server_config *config);

/* GOAWAY to every client, no new connections or calls; live calls have @grace_ms to end, then they
 * are ended with UNAVAILABLE. @on_stopped (may be NULL) runs where callbacks run, after the last
 * on_done; the server may be freed in it. Once per server. */
void weft_rpc_server_shutdown(WeftRpcServer *server,
			      unsigned grace_ms,
			      void (*on_stopped)(void *user),
			      void *user);

/* The same, and returns when it is done; only on the context's thread (iterates it) or, with INLINE
 * delivery, on a thread that is not a queue's. For the end of main(). */
void weft_rpc_server_shutdown_sync(WeftRpcServer *server, unsigned grace_ms);

/* Counters since the start; any thread. */
struct weft_rpc_server_stats {
	uint64_t calls_live;
	uint64_t calls_total;
	uint64_t calls_ended[WEFT_RPC_END_COUNT_]; /* by reason */
	uint64_t connections_cut;                  /* beyond max_connections_per_address */
};

void weft_rpc_server_stats(WeftRpcServer *server, struct weft_rpc_server_stats *ret);

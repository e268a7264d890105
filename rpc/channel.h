/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calling: a connection to one server that restores itself, and calls on it. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/call.h"
#include "rpc/method.h"
#include "rpc/runtime.h"
#include "rpc/tls.h"

typedef struct weft_rpc_channel WeftRpcChannel;

enum weft_rpc_channel_state {
	WEFT_RPC_CHANNEL_IDLE,
	WEFT_RPC_CHANNEL_CONNECTING,
	WEFT_RPC_CHANNEL_READY,
	WEFT_RPC_CHANNEL_FAILED, /* the last attempt failed; the next follows after a pause */
	WEFT_RPC_CHANNEL_CLOSED,
	WEFT_RPC_CHANNEL_STATE_COUNT_
};

const char *weft_rpc_channel_state_name(enum weft_rpc_channel_state state);

/* Every number 0 means its default of rpc/limits.h. */
struct weft_rpc_channel_config {
	const char *target; /* "host:port", "[::1]:443", "unix:/run/weft/agent.sock" */
	const struct weft_rpc_channel_tls *tls; /* NULL: plaintext HTTP/2 */
	const char *user_agent;                 /* put before gRPC's own; NULL for none */
	size_t max_receive_bytes;
	size_t max_send_bytes;
	unsigned keepalive_time_ms;
	unsigned keepalive_timeout_ms;
	unsigned reconnect_first_ms; /* pause after the first failed attempt, default 200 */
	unsigned reconnect_max_ms;   /* longest pause, default 30000 */
	unsigned connect_timeout_ms; /* of one attempt, default 20000 */
};

/* Does not connect yet. No proxy of the environment is used. NULL with @error if the TLS files
 * cannot be used. */
WeftRpcChannel *weft_rpc_channel_new(WeftRpcRuntime *rt,
				     const struct weft_rpc_channel_config *config,
				     GError **error);

/* Cancels the calls that are left; they still get their on_done. Takes NULL. */
void weft_rpc_channel_free(WeftRpcChannel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRpcChannel, weft_rpc_channel_free)

/* Tells every change of state, where callbacks run, until the channel is freed. One watch. */
void weft_rpc_channel_watch(WeftRpcChannel *channel,
			    void (*on_state)(enum weft_rpc_channel_state state, void *user),
			    void *user);

enum weft_rpc_channel_state weft_rpc_channel_state(WeftRpcChannel *channel);

/* Starts connecting if idle, without a call. */
void weft_rpc_channel_connect(WeftRpcChannel *channel);

/* Ends the pause between attempts: connect at once (network came back, redial timer fired). */
void weft_rpc_channel_retry_now(WeftRpcChannel *channel);

struct weft_rpc_call_options {
	unsigned timeout_ms; /* 0: no deadline */
	bool wait_ready;     /* wait for a connection instead of failing with UNAVAILABLE */
};

/* A call that is not started: headers may be added and messages queued before
 * weft_rpc_call_start(), and travel in one write with it. @method and @handler are borrowed and
 * must outlive the call; @options may be NULL. The returned reference is the caller's; the runtime
 * holds its own between start and on_done. */
WeftRpcCall *weft_rpc_call_new(WeftRpcChannel *channel,
			       const struct weft_rpc_method *method,
			       const struct weft_rpc_handler *handler,
			       void *user,
			       const struct weft_rpc_call_options *options);
void weft_rpc_call_start(WeftRpcCall *call);

/* The usual unary call in one step: @on_reply comes exactly once, where callbacks run. @reply is
 * NULL unless the status is OK, and lives in the arena of on_message. */
typedef void (*weft_rpc_reply_fn)(const struct weft_rpc_status *status,
				  const struct ProtobufCMessage *reply,
				  void *user);

/* The returned reference serves to cancel and must be dropped by the caller. */
WeftRpcCall *weft_rpc_channel_unary(WeftRpcChannel *channel,
				    const struct weft_rpc_method *method,
				    const struct ProtobufCMessage *request,
				    const struct weft_rpc_call_options *options,
				    weft_rpc_reply_fn on_reply,
				    void *user);

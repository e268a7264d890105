/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is known about a method beforehand, and what a program does with its calls. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/bytes.h"
#include "rpc/status.h"

struct ProtobufCMessage;
struct weft_proto_method;

typedef struct weft_rpc_call WeftRpcCall;

/* What happens to a message that does not fit into the send queue of its stream. */
enum weft_rpc_queue_policy {
	WEFT_RPC_QUEUE_REFUSE,   /* not queued; on_drain tells when there is room again */
	WEFT_RPC_QUEUE_DROP,     /* the stream ends with RESOURCE_EXHAUSTED */
	WEFT_RPC_QUEUE_COALESCE, /* one slot: a newer message replaces the one that waits */
};

/* Static and constant; every number 0 means its default of rpc/limits.h. */
struct weft_rpc_method {
	/* &weft_proto_methods[WEFT_METHOD_...] of "proto/methods.h": path, streaming kind, types.
	 */
	const struct weft_proto_method *proto;

	/* The raw route: received messages come undecoded to on_bytes instead of on_message. */
	bool raw;

	enum weft_rpc_queue_policy policy;
	size_t queue_max_bytes;      /* waiting bytes; the message in flight is not counted */
	unsigned queue_max_messages; /* waiting messages */
	unsigned send_timeout_ms;    /* no message left for so long: slow reader, stream dropped.
					UINT_MAX: never */
	size_t decode_budget_bytes;  /* memory for decoding one message; 0: by its length */
	unsigned backlog;            /* server: calls that core may hold ready per queue */
};

/* Callbacks of one call, in this order, never two at once for one call, on the thread of the
 * runtime's delivery. Each may be NULL. @user is what was given with the handler. The call is valid
 * during each callback and longer for who holds a reference. */
struct weft_rpc_handler {
	/* Server only: a call has arrived, its request headers are readable. A handler that knows
	 * enough already may finish the call here; nothing but on_done follows then. */
	void (*on_start)(WeftRpcCall *call, void *user);

	/* Client only: the server's response headers are readable. Not called when the answer has
	 * only trailers. */
	void (*on_headers)(WeftRpcCall *call, void *user);

	/* One decoded message; strings are checked UTF-8 without NUL. @msg and all it points to
	 * live in an arena that is reused when the callback returns: copy what is kept. */
	void (*on_message)(WeftRpcCall *call, const struct ProtobufCMessage *msg, void *user);

	/* The same on the raw route; take a reference to keep or forward @bytes. */
	void (*on_bytes)(WeftRpcCall *call, WeftRpcBytes *bytes, void *user);

	/* Server: the client will send no more messages. Methods whose client does not stream need
	 * not care: exactly one request has come before this, or the call ended without it. */
	void (*on_half_close)(WeftRpcCall *call, void *user);

	/* After WEFT_RPC_SEND_FULL: the queue is at half of its limits or below. */
	void (*on_drain)(WeftRpcCall *call, void *user);

	/* Exactly once per call, last: nothing can be sent any more. */
	void (*on_done)(WeftRpcCall *call, const struct weft_rpc_status *status, void *user);
};

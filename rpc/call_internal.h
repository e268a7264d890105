/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the room: one call. Batches complete on the queue's thread, change the state under the
 * call's lock, and leave bits of enum weft_rpc_due; those are turned into callbacks where callbacks
 * run. At most one batch that sends and one that receives is on its way at a time. */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "rpc/call.h"
#include "rpc/channel.h"
#include "rpc/queue.h"
#include "rpc/server.h"

struct weft_rpc_admission;
struct weft_rpc_core;
struct weft_rpc_entry;

/* What is to be told, in the order in which it is told. */
enum weft_rpc_due {
	WEFT_RPC_DUE_START = 1 << 0,
	WEFT_RPC_DUE_HEADERS = 1 << 1,
	WEFT_RPC_DUE_MESSAGE = 1 << 2,
	WEFT_RPC_DUE_HALF_CLOSE = 1 << 3,
	WEFT_RPC_DUE_DRAIN = 1 << 4,
	WEFT_RPC_DUE_DONE = 1 << 5,
};

struct weft_rpc_send_item {
	struct weft_rpc_send_item *next;
	WeftRpcBytes *bytes;
};

struct weft_rpc_headers {
	grpc_metadata *v;
	unsigned n;
};

struct weft_rpc_call {
	atomic_uint refs;
	bool is_server;
	struct weft_rpc_queue *queue;
	struct weft_rpc_link link; /* in queue->calls, under queue->lock */
	struct weft_rpc_note note;
	struct weft_rpc_tag recv_tag, send_tag, headers_tag, end_tag;

	const struct weft_rpc_method *method;
	const struct weft_rpc_handler *handler;
	void *user;
	void *data; /* of the handler */
	GDestroyNotify data_destroy;
	struct weft_rpc_entry *entry;         /* server */
	struct weft_rpc_core *core;           /* server */
	struct weft_rpc_admission *admission; /* server: what was counted, NULL for nothing */
	WeftRpcChannel *channel;              /* client, referenced */
	weft_rpc_reply_fn reply;              /* client: told in place of the handler */
	gpr_timespec deadline;
	int64_t start_us;
	unsigned start_flags; /* client: of the initial metadata */

	pthread_mutex_t lock; /* everything below */
	bool is_unix;         /* server: by a unix listener, core->credentials hold */
	grpc_call *call;      /* NULL before start and after the end */

	unsigned due; /* enum weft_rpc_due */
	bool noted;   /* the note is on its way or being delivered */
	bool started;
	bool is_done; /* DONE was or is being told */

	/* Receiving. */
	grpc_metadata_array headers, trailers;
	grpc_byte_buffer *message; /* received, not yet told */
	unsigned n_received;
	bool receiving, paused, received_all, headers_received;

	/* Sending. */
	struct weft_rpc_send_item *first, *last;
	size_t queued_bytes;
	unsigned queued_messages;
	grpc_byte_buffer *sending_buffer;
	struct weft_rpc_headers own_headers, own_trailers;
	bool sending, headers_wanted, headers_sent, want_drain;
	bool finish_wanted, finish_sent; /* status (server) or half-close (client) */
	bool end_with_send;              /* server: the batch that sends also waits for the end */
	bool single_batch;               /* client: one batch for everything, by end_tag */
	int64_t sending_since_us;        /* 0: nothing in flight */

	/* The end. */
	unsigned in_flight; /* batches */
	bool end_armed, end_seen;
	int cancelled; /* server: by RECV_CLOSE_ON_SERVER */
	bool has_local_end;
	enum weft_rpc_end local_end;
	grpc_status_code code; /* sent or received */
	grpc_slice details;
};

/* call.c */
WeftRpcCall *weft_rpc_call_alloc(struct weft_rpc_queue *queue,
				 const struct weft_rpc_method *method,
				 const struct weft_rpc_handler *handler,
				 void *user);
/* The call has a grpc_call now: the runtime holds a reference until the end. */
void weft_rpc_call_live(WeftRpcCall *call);
/* Lock held, on the queue's thread: something is due. */
void weft_rpc_call_due(WeftRpcCall *call, unsigned due);
/* The end of each complete(): lets go of the lock and sees whether all is over. */
void weft_rpc_call_event_over(WeftRpcCall *call);
/* Lock held: ends the call from this side for reason @end. */
void weft_rpc_call_kill(WeftRpcCall *call,
			enum weft_rpc_end end,
			enum weft_rpc_code code,
			const char *message);
/* Lock held: starts a batch of this call; it cannot fail unless we have a bug. */
void weft_rpc_call_batch(WeftRpcCall *call,
			 const grpc_op *ops,
			 size_t n_ops,
			 struct weft_rpc_tag *tag);

/* Nobody's handler (server_call.c). */
extern const struct weft_rpc_handler weft_rpc_no_handler;

/* call_headers.c */
void weft_rpc_headers_clear(struct weft_rpc_headers *headers);

/* call_send.c; lock held */
void weft_rpc_call_pump(WeftRpcCall *call);
void weft_rpc_call_drop_queue(WeftRpcCall *call);
void weft_rpc_call_enqueue(WeftRpcCall *call, WeftRpcBytes *bytes);
/* Up to three operations: headers, the next message, the end. */
size_t weft_rpc_call_collect_sends(WeftRpcCall *call, grpc_op *ops);
void weft_rpc_call_sends_begin(WeftRpcCall *call);
void weft_rpc_call_sends_over(WeftRpcCall *call);
void weft_rpc_call_on_sent(struct weft_rpc_tag *tag, bool ok);

/* call_receive.c */
void weft_rpc_call_receive(WeftRpcCall *call); /* lock held */
void weft_rpc_call_arm_end(WeftRpcCall *call); /* lock held */
void weft_rpc_call_on_received(struct weft_rpc_tag *tag, bool ok);
void weft_rpc_call_on_headers(struct weft_rpc_tag *tag, bool ok);
void weft_rpc_call_on_end(struct weft_rpc_tag *tag, bool ok);
void weft_rpc_call_tell_message(WeftRpcCall *call);
void weft_rpc_call_tell_reply(WeftRpcCall *call, const struct weft_rpc_status *status);

/* server_call.c: accounting of a server's call, outside of the lock */
void weft_rpc_core_call_ended(WeftRpcCall *call, const struct weft_rpc_status *status);
void weft_rpc_entry_received(WeftRpcCall *call, size_t len);

/* channel.c */
void weft_rpc_channel_unref(WeftRpcChannel *channel);

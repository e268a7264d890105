/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The receiving half of a call: headers, messages, the end. */
#include "proto/decode.h"
#include "proto/method.h"
#include "rpc/bytes_internal.h"
#include "rpc/call_internal.h"
#include "rpc/server_internal.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <stdio.h>

/* What the arena keeps between two messages. */
#define ARENA_KEEP_BYTES (64 * 1024)

static WeftRpcCall *
call_of(struct weft_rpc_tag *tag, size_t offset)
{
	return (WeftRpcCall *) (void *) ((char *) tag - offset);
}

/* The peer may send any number of messages. */
static bool
peer_streams(const WeftRpcCall *call)
{
	return call->is_server ? call->method->proto->client_streaming
			       : call->method->proto->server_streaming;
}

void
weft_rpc_call_receive(WeftRpcCall *call)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };

	if (call->call == NULL || call->receiving || call->received_all || call->end_seen ||
	    call->message != NULL || call->paused || call->has_local_end ||
	    (call->is_server && call->finish_wanted))
		return;
	op.data.recv_message.recv_message = &call->message;
	call->receiving = true;
	weft_rpc_call_batch(call, &op, 1, &call->recv_tag);
}

void
weft_rpc_call_on_received(struct weft_rpc_tag *tag, bool ok)
{
	WeftRpcCall *call = call_of(tag, offsetof(WeftRpcCall, recv_tag));

	pthread_mutex_lock(&call->lock);
	call->in_flight--;
	call->receiving = false;
	if (!ok && call->message != NULL)
		grpc_byte_buffer_destroy(g_steal_pointer(&call->message));
	if (call->message != NULL) {
		call->n_received++;
		weft_rpc_call_due(call, WEFT_RPC_DUE_MESSAGE);
	} else {
		call->received_all = true;
		if (call->is_server && ok && !call->end_seen)
			weft_rpc_call_due(call, WEFT_RPC_DUE_HALF_CLOSE);
	}
	weft_rpc_call_event_over(call);
}

void
weft_rpc_call_on_headers(struct weft_rpc_tag *tag, bool ok)
{
	WeftRpcCall *call = call_of(tag, offsetof(WeftRpcCall, headers_tag));

	pthread_mutex_lock(&call->lock);
	call->in_flight--;
	if (ok) {
		call->headers_received = true;
		weft_rpc_call_due(call, WEFT_RPC_DUE_HEADERS);
	}
	weft_rpc_call_event_over(call);
}

void
weft_rpc_call_arm_end(WeftRpcCall *call)
{
	grpc_op op = { 0 };

	if (call->call == NULL || call->end_armed)
		return;
	call->end_armed = true;
	if (call->is_server) {
		op.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
		op.data.recv_close_on_server.cancelled = &call->cancelled;
	} else {
		op.op = GRPC_OP_RECV_STATUS_ON_CLIENT;
		op.data.recv_status_on_client.trailing_metadata = &call->trailers;
		op.data.recv_status_on_client.status = &call->code;
		op.data.recv_status_on_client.status_details = &call->details;
	}
	weft_rpc_call_batch(call, &op, 1, &call->end_tag);
}

/* Headers, message and status of a client's unary call came at once. Lock held. */
static void
single_batch_over(WeftRpcCall *call)
{
	weft_rpc_call_sends_over(call);
	call->received_all = true;
	if (call->code != GRPC_STATUS_OK && call->message != NULL)
		grpc_byte_buffer_destroy(g_steal_pointer(&call->message));
	if (call->reply != NULL)
		return;
	if (call->headers.count > 0)
		weft_rpc_call_due(call, WEFT_RPC_DUE_HEADERS);
	if (call->message != NULL) {
		call->n_received++;
		weft_rpc_call_due(call, WEFT_RPC_DUE_MESSAGE);
	}
}

void
weft_rpc_call_on_end(struct weft_rpc_tag *tag, bool ok)
{
	WeftRpcCall *call = call_of(tag, offsetof(WeftRpcCall, end_tag));

	pthread_mutex_lock(&call->lock);
	call->in_flight--;
	call->end_seen = true;
	weft_rpc_call_drop_queue(call);
	if (call->single_batch)
		single_batch_over(call);
	weft_rpc_call_event_over(call);
}

/* --- Messages --- */

struct decoded {
	ProtobufCMessage *msg;
	WeftArena *arena;
	bool own_arena;
};

/* The queue's arena, or another one if a callback below us is using that. */
static void
take_arena(WeftRpcCall *call, struct decoded *d)
{
	d->own_arena = call->queue->arena_busy;
	d->arena = d->own_arena ? weft_arena_new() : call->queue->arena;
	if (!d->own_arena)
		call->queue->arena_busy = true;
}

static void
give_arena(WeftRpcCall *call, struct decoded *d)
{
	if (d->own_arena) {
		weft_arena_free(d->arena);
		return;
	}
	weft_arena_reset(d->arena, ARENA_KEEP_BYTES);
	call->queue->arena_busy = false;
}

static enum weft_proto_status
decode(WeftRpcCall *call, grpc_byte_buffer *buffer, struct decoded *d)
{
	const struct weft_proto_method *proto = call->method->proto;
	grpc_slice_buffer *slices = &buffer->data.raw.slice_buffer;
	grpc_byte_buffer_reader reader;
	grpc_slice slice = grpc_empty_slice();
	enum weft_proto_status status;
	size_t len, budget;

	if (slices->count == 1) {
		slice = grpc_slice_ref(slices->slices[0]);
	} else if (slices->count > 1 && grpc_byte_buffer_reader_init(&reader, buffer)) {
		slice = grpc_byte_buffer_reader_readall(&reader);
		grpc_byte_buffer_reader_destroy(&reader);
	}
	len = GRPC_SLICE_LENGTH(slice);
	budget = call->method->decode_budget_bytes != 0 ? call->method->decode_budget_bytes
							: WEFT_PROTO_BUDGET_FOR(len);
	status = weft_proto_decode(&d->msg, call->is_server ? proto->request : proto->response,
				   GRPC_SLICE_START_PTR(slice), len, budget, d->arena);
	grpc_slice_unref(slice);
	return status;
}

/* A peer that does not keep to the protocol. */
static void
refuse(WeftRpcCall *call, enum weft_rpc_code code, const char *text)
{
	pthread_mutex_lock(&call->lock);
	weft_rpc_call_drop_queue(call);
	weft_rpc_call_kill(call, WEFT_RPC_END_BAD_INPUT, code, text);
	pthread_mutex_unlock(&call->lock);
}

static void
refuse_undecodable(WeftRpcCall *call, enum weft_proto_status status)
{
	char text[64];

	(void) snprintf(text, sizeof text, "message cannot be decoded: %s",
			weft_proto_status_name(status)); /* fits */
	refuse(call, status == WEFT_PROTO_BUDGET ? WEFT_RPC_RESOURCE_EXHAUSTED : WEFT_RPC_INTERNAL,
	       text);
}

static void
tell_decoded(WeftRpcCall *call, grpc_byte_buffer *buffer)
{
	struct decoded d = { 0 };
	enum weft_proto_status status;

	take_arena(call, &d);
	status = decode(call, buffer, &d);
	if (status != WEFT_PROTO_OK)
		refuse_undecodable(call, status);
	else if (call->handler->on_message != NULL)
		call->handler->on_message(call, d.msg, call->user);
	give_arena(call, &d);
}

void
weft_rpc_call_tell_message(WeftRpcCall *call)
{
	grpc_byte_buffer *buffer;

	if (!peer_streams(call) && call->n_received > 1) {
		refuse(call, WEFT_RPC_INTERNAL, "more than one message");
		return;
	}
	pthread_mutex_lock(&call->lock);
	buffer = call->message;
	call->message = NULL;
	if (call->has_local_end || (call->is_server && call->finish_wanted)) {
		/* Decided already, in on_start perhaps. */
		if (buffer != NULL)
			grpc_byte_buffer_destroy(g_steal_pointer(&buffer));
	}
	pthread_mutex_unlock(&call->lock);
	if (buffer == NULL)
		return;
	weft_rpc_entry_received(call, grpc_byte_buffer_length(buffer));
	if (call->method->raw) {
		WeftRpcBytes *bytes = weft_rpc_bytes_from_buffer(buffer);

		if (call->handler->on_bytes != NULL)
			call->handler->on_bytes(call, bytes, call->user);
		weft_rpc_bytes_unref(bytes);
		return;
	}
	tell_decoded(call, buffer);
	grpc_byte_buffer_destroy(buffer);
}

void
weft_rpc_call_tell_reply(WeftRpcCall *call, const struct weft_rpc_status *status)
{
	struct weft_rpc_status bad = { .code = WEFT_RPC_INTERNAL, .end = WEFT_RPC_END_BAD_INPUT };
	struct decoded d = { 0 };
	enum weft_proto_status result;

	if (status->code != WEFT_RPC_OK || call->message == NULL) {
		bad.message = "no message in the answer";
		call->reply(status->code == WEFT_RPC_OK ? &bad : status, NULL, call->user);
		return;
	}
	take_arena(call, &d);
	result = decode(call, call->message, &d);
	bad.message = "the answer cannot be decoded";
	if (result == WEFT_PROTO_OK)
		call->reply(status, d.msg, call->user);
	else
		call->reply(&bad, NULL, call->user);
	give_arena(call, &d);
}

void
weft_rpc_call_pause(WeftRpcCall *call)
{
	pthread_mutex_lock(&call->lock);
	call->paused = true;
	pthread_mutex_unlock(&call->lock);
}

void
weft_rpc_call_resume(WeftRpcCall *call)
{
	pthread_mutex_lock(&call->lock);
	call->paused = false;
	if (call->started)
		weft_rpc_call_receive(call);
	pthread_mutex_unlock(&call->lock);
}

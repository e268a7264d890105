/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sending half of a call: its queue, and the one batch that is on its way. */
#include "rpc/bytes_internal.h"
#include "rpc/call_internal.h"
#include "rpc/limits.h"

#include <grpc/slice.h>
#include <string.h>

static size_t
max_bytes(const WeftRpcCall *call)
{
	return call->method->queue_max_bytes != 0 ? call->method->queue_max_bytes
						  : WEFT_RPC_DEFAULT_QUEUE_BYTES;
}

static unsigned
max_messages(const WeftRpcCall *call)
{
	return call->method->queue_max_messages != 0 ? call->method->queue_max_messages
						     : WEFT_RPC_DEFAULT_QUEUE_MESSAGES;
}

static WeftRpcBytes *
pop(WeftRpcCall *call)
{
	struct weft_rpc_send_item *item = call->first;
	WeftRpcBytes *bytes;

	if (item == NULL)
		return NULL;
	bytes = item->bytes;
	call->first = item->next;
	if (call->first == NULL)
		call->last = NULL;
	call->queued_bytes -= weft_rpc_bytes_len(bytes);
	call->queued_messages--;
	g_free(item);
	return bytes;
}

void
weft_rpc_call_drop_queue(WeftRpcCall *call)
{
	WeftRpcBytes *bytes;

	while ((bytes = pop(call)) != NULL)
		weft_rpc_bytes_unref(bytes);
}

/* --- The batch --- */

static void
add_headers(WeftRpcCall *call, grpc_op *op)
{
	op->op = GRPC_OP_SEND_INITIAL_METADATA;
	op->flags = call->start_flags;
	op->data.send_initial_metadata.count = call->own_headers.n;
	op->data.send_initial_metadata.metadata = call->own_headers.v;
	call->headers_sent = true;
}

static void
add_end(WeftRpcCall *call, grpc_op *op)
{
	if (call->is_server) {
		op->op = GRPC_OP_SEND_STATUS_FROM_SERVER;
		op->data.send_status_from_server.status = call->code;
		op->data.send_status_from_server.status_details = &call->details;
		op->data.send_status_from_server.trailing_metadata_count = call->own_trailers.n;
		op->data.send_status_from_server.trailing_metadata = call->own_trailers.v;
	} else {
		op->op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	}
	call->finish_sent = true;
}

static bool
has_time_limit(const WeftRpcCall *call)
{
	return call->method->send_timeout_ms != UINT_MAX;
}

size_t
weft_rpc_call_collect_sends(WeftRpcCall *call, grpc_op *ops)
{
	size_t n = 0;
	WeftRpcBytes *bytes;

	if (!call->headers_sent)
		add_headers(call, &ops[n++]);
	bytes = pop(call);
	if (bytes != NULL) {
		call->sending_buffer = weft_rpc_bytes_to_buffer(bytes);
		weft_rpc_bytes_unref(bytes);
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n].flags = call->first != NULL ? GRPC_WRITE_BUFFER_HINT : 0;
		ops[n].data.send_message.send_message = call->sending_buffer;
		n++;
	}
	if (call->finish_wanted && !call->finish_sent && call->first == NULL)
		add_end(call, &ops[n++]);
	return n;
}

void
weft_rpc_call_sends_begin(WeftRpcCall *call)
{
	call->sending = true;
	if (has_time_limit(call)) {
		call->sending_since_us = g_get_monotonic_time();
		weft_rpc_queue_send_begins(call->queue);
	}
}

void
weft_rpc_call_pump(WeftRpcCall *call)
{
	grpc_op ops[4] = { 0 };
	size_t n;
	bool anything = call->first != NULL || (call->finish_wanted && !call->finish_sent) ||
			(call->headers_wanted && !call->headers_sent);

	if (!anything || call->sending || call->call == NULL || call->end_seen ||
	    call->has_local_end)
		return;
	n = weft_rpc_call_collect_sends(call, ops);
	weft_rpc_call_sends_begin(call);
	if (call->is_server && call->finish_sent && !call->end_armed) {
		/* An answer given at once: its end is seen in the same batch. */
		call->end_armed = true;
		ops[n].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
		ops[n].data.recv_close_on_server.cancelled = &call->cancelled;
		n++;
		call->end_with_send = true;
	}
	weft_rpc_call_batch(call, ops, n, &call->send_tag);
}

void
weft_rpc_call_sends_over(WeftRpcCall *call)
{
	call->sending = false;
	if (call->sending_buffer != NULL)
		grpc_byte_buffer_destroy(g_steal_pointer(&call->sending_buffer));
	if (call->sending_since_us != 0) {
		call->sending_since_us = 0;
		weft_rpc_queue_send_ends(call->queue);
	}
	weft_rpc_headers_clear(&call->own_headers);
}

void
weft_rpc_call_on_sent(struct weft_rpc_tag *tag, bool ok)
{
	WeftRpcCall *call = WEFT_RPC_CONTAINER(tag, WeftRpcCall, send_tag);

	pthread_mutex_lock(&call->lock);
	call->in_flight--;
	weft_rpc_call_sends_over(call);
	if (call->end_with_send) {
		call->end_with_send = false;
		call->end_seen = true;
	}
	/* Not ok: the stream is gone, and its end is on the way. */
	if (!ok || call->end_seen)
		weft_rpc_call_drop_queue(call);
	weft_rpc_call_pump(call);
	if (call->want_drain && call->queued_bytes <= max_bytes(call) / 2 &&
	    call->queued_messages <= max_messages(call) / 2 && !call->end_seen) {
		call->want_drain = false;
		weft_rpc_call_due(call, WEFT_RPC_DUE_DRAIN);
	}
	weft_rpc_call_event_over(call);
}

/* --- The queue --- */

void
weft_rpc_call_enqueue(WeftRpcCall *call, WeftRpcBytes *bytes)
{
	struct weft_rpc_send_item *item = g_new(struct weft_rpc_send_item, 1);

	item->next = NULL;
	item->bytes = weft_rpc_bytes_ref(bytes);
	if (call->last == NULL)
		call->first = item;
	else
		call->last->next = item;
	call->last = item;
	call->queued_bytes += weft_rpc_bytes_len(bytes);
	call->queued_messages++;
}

static bool
fits(const WeftRpcCall *call, size_t len)
{
	if (call->first == NULL)
		return true; /* one may always wait, whatever its size */
	return call->queued_messages < max_messages(call) &&
	       call->queued_bytes <= max_bytes(call) && len <= max_bytes(call) - call->queued_bytes;
}

/* Lock held; @bytes does not fit. */
static enum weft_rpc_send
overflow(WeftRpcCall *call)
{
	if (call->method->policy == WEFT_RPC_QUEUE_DROP) {
		weft_rpc_call_kill(call, WEFT_RPC_END_OVERFLOW, WEFT_RPC_RESOURCE_EXHAUSTED,
				   "the reader is too slow: send queue overflow");
		return WEFT_RPC_SEND_CLOSED;
	}
	call->want_drain = true;
	return WEFT_RPC_SEND_FULL;
}

static void
replace_waiting(WeftRpcCall *call, WeftRpcBytes *bytes)
{
	WeftRpcBytes *old = call->last->bytes;

	call->queued_bytes += weft_rpc_bytes_len(bytes);
	call->queued_bytes -= weft_rpc_bytes_len(old);
	call->last->bytes = weft_rpc_bytes_ref(bytes);
	weft_rpc_bytes_unref(old);
}

enum weft_rpc_send
weft_rpc_call_send_bytes(WeftRpcCall *call, WeftRpcBytes *bytes)
{
	enum weft_rpc_send result = WEFT_RPC_SEND_OK;

	pthread_mutex_lock(&call->lock);
	if (call->finish_wanted || call->end_seen || call->has_local_end) {
		result = WEFT_RPC_SEND_CLOSED;
	} else if (call->method->policy == WEFT_RPC_QUEUE_COALESCE && call->first != NULL) {
		replace_waiting(call, bytes);
		result = WEFT_RPC_SEND_REPLACED;
	} else if (!fits(call, weft_rpc_bytes_len(bytes))) {
		result = overflow(call);
	} else {
		weft_rpc_call_enqueue(call, bytes);
		weft_rpc_call_pump(call);
	}
	pthread_mutex_unlock(&call->lock);
	return result;
}

enum weft_rpc_send
weft_rpc_call_send(WeftRpcCall *call, const struct ProtobufCMessage *msg)
{
	g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_pack(msg);

	return weft_rpc_call_send_bytes(call, bytes);
}

size_t
weft_rpc_call_queued_bytes(WeftRpcCall *call)
{
	size_t n;

	pthread_mutex_lock(&call->lock);
	n = call->queued_bytes;
	pthread_mutex_unlock(&call->lock);
	return n;
}

unsigned
weft_rpc_call_queued_messages(WeftRpcCall *call)
{
	unsigned n;

	pthread_mutex_lock(&call->lock);
	n = call->queued_messages;
	pthread_mutex_unlock(&call->lock);
	return n;
}

void
weft_rpc_call_send_headers(WeftRpcCall *call)
{
	pthread_mutex_lock(&call->lock);
	call->headers_wanted = true;
	weft_rpc_call_pump(call);
	pthread_mutex_unlock(&call->lock);
}

void
weft_rpc_call_half_close(WeftRpcCall *call)
{
	pthread_mutex_lock(&call->lock);
	if (!call->is_server && !call->finish_wanted) {
		call->finish_wanted = true;
		weft_rpc_call_pump(call);
	}
	pthread_mutex_unlock(&call->lock);
}

/* A message that nobody took for its time: the reader is gone, whatever TCP says. */
void
weft_rpc_queue_tick_calls(struct weft_rpc_queue *q, int64_t now_us)
{
	if (atomic_load(&q->sends_busy) == 0)
		return;
	pthread_mutex_lock(&q->lock);
	for (struct weft_rpc_link *link = q->calls.next; link != &q->calls; link = link->next) {
		WeftRpcCall *call = WEFT_RPC_CONTAINER(link, WeftRpcCall, link);
		int64_t limit_us = 1000 * (int64_t) (call->method->send_timeout_ms != 0
							     ? call->method->send_timeout_ms
							     : WEFT_RPC_DEFAULT_SEND_TIMEOUT_MS);

		pthread_mutex_lock(&call->lock);
		if (call->sending_since_us != 0 && now_us - call->sending_since_us > limit_us &&
		    (call->is_server || call->headers_received))
			weft_rpc_call_kill(call, WEFT_RPC_END_SLOW, WEFT_RPC_UNAVAILABLE,
					   "the reader takes no messages");
		pthread_mutex_unlock(&call->lock);
	}
	pthread_mutex_unlock(&q->lock);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A call's life: references, what is due to be told, and its end. */
#include "rpc/call.h"

#include "proto/method.h"
#include "rpc/call_internal.h"
#include "rpc/limits.h"

#include <grpc/slice.h>
#include <grpc/support/time.h>
#include <string.h>

struct call_invocation {
	WeftRpcCall *call;
	void (*fn)(WeftRpcCall *call, void *data);
	void *data;
};

struct call_posted {
	struct weft_rpc_tag tag;
	struct weft_rpc_note note;
	struct call_invocation inv;
};

static void deliver(struct weft_rpc_note *note);

WeftRpcCall *
weft_rpc_call_alloc(struct weft_rpc_queue *queue,
		    const struct weft_rpc_method *method,
		    const struct weft_rpc_handler *handler,
		    void *user)
{
	WeftRpcCall *call = g_new0(WeftRpcCall, 1);

	atomic_init(&call->refs, 1);
	call->queue = queue;
	call->method = method;
	call->handler = handler;
	call->user = user;
	call->note.deliver = deliver;
	call->recv_tag.complete = weft_rpc_call_on_received;
	call->send_tag.complete = weft_rpc_call_on_sent;
	call->headers_tag.complete = weft_rpc_call_on_headers;
	call->end_tag.complete = weft_rpc_call_on_end;
	call->details = grpc_empty_slice();
	pthread_mutex_init(&call->lock, NULL);
	weft_rpc_link_init(&call->link);
	return call;
}

WeftRpcCall *
weft_rpc_call_ref(WeftRpcCall *call)
{
	atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
	return call;
}

static void
set_data(WeftRpcCall *call, void *data, GDestroyNotify destroy)
{
	void *old = call->data;
	GDestroyNotify old_destroy = call->data_destroy;

	call->data = data;
	call->data_destroy = destroy;
	if (old != NULL && old_destroy != NULL && old != data)
		old_destroy(old);
}

void
weft_rpc_call_unref(WeftRpcCall *call)
{
	if (call == NULL || atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) > 1)
		return;
	set_data(call, NULL, NULL); /* of a call that was never started */
	weft_rpc_call_drop_queue(call);
	weft_rpc_headers_clear(&call->own_headers);
	weft_rpc_headers_clear(&call->own_trailers);
	if (call->channel != NULL)
		weft_rpc_channel_unref(call->channel);
	grpc_slice_unref(call->details);
	pthread_mutex_destroy(&call->lock);
	g_free(call);
}

void
weft_rpc_call_live(WeftRpcCall *call)
{
	weft_rpc_call_ref(call);
	atomic_fetch_add(&call->queue->rt->calls_live, 1);
	pthread_mutex_lock(&call->queue->lock);
	weft_rpc_link_append(&call->queue->calls, &call->link);
	pthread_mutex_unlock(&call->queue->lock);
}

void
weft_rpc_call_batch(WeftRpcCall *call, const grpc_op *ops, size_t n_ops, struct weft_rpc_tag *tag)
{
	grpc_call_error result;

	call->in_flight++;
	weft_rpc_tag_arm(tag);
	result = grpc_call_start_batch(call->call, ops, n_ops, tag, NULL);
	if (G_UNLIKELY(result != GRPC_CALL_OK))
		g_error("rpc: %s: grpc_call_start_batch: %s", call->method->proto->path,
			grpc_call_error_to_string(result));
}

/* --- Telling --- */

void
weft_rpc_call_due(WeftRpcCall *call, unsigned due)
{
	call->due |= due;
	if (!call->noted) {
		call->noted = true;
		weft_rpc_call_ref(call);
		weft_rpc_queue_note(call->queue, &call->note);
	}
}

static bool
somebody_cares(const WeftRpcCall *call)
{
	return call->noted || call->handler->on_done != NULL || call->reply != NULL ||
	       call->data_destroy != NULL;
}

/* The words of a status, as a string that can be shown. */
static char *
text_of(grpc_slice details)
{
	size_t len = GRPC_SLICE_LENGTH(details);

	return len == 0 ? NULL
			: g_utf8_make_valid((const char *) GRPC_SLICE_START_PTR(details),
					    (gssize) len);
}

static struct weft_rpc_status
final_status(const WeftRpcCall *call, const char *text)
{
	struct weft_rpc_status status = {
		.code = (enum weft_rpc_code) call->code,
		.end = WEFT_RPC_END_STATUS,
		.message = text != NULL ? text : "",
	};

	if (call->has_local_end) {
		status.end = call->local_end;
	} else if (call->is_server && call->cancelled) {
		bool late = gpr_time_cmp(gpr_now(call->deadline.clock_type), call->deadline) >= 0;

		status.end = WEFT_RPC_END_PEER_GONE;
		status.code = late ? WEFT_RPC_DEADLINE_EXCEEDED : WEFT_RPC_CANCELLED;
		status.message = late ? "deadline exceeded" : "cancelled by the client";
	}
	if ((unsigned) status.code >= WEFT_RPC_CODE_COUNT_)
		status.code = WEFT_RPC_UNKNOWN;
	if (!call->is_server && call->reply == NULL && status.code == WEFT_RPC_OK &&
	    !call->method->proto->server_streaming && call->n_received == 0) {
		status.code = WEFT_RPC_INTERNAL;
		status.end = WEFT_RPC_END_BAD_INPUT;
		status.message = "no message in the answer";
	}
	return status;
}

/* The runtime lets go of the call. */
static void
finalize(WeftRpcCall *call, const struct weft_rpc_status *status)
{
	struct weft_rpc_queue *q = call->queue;
	grpc_call *core_call;
	grpc_byte_buffer *message;

	pthread_mutex_lock(&q->lock);
	weft_rpc_link_remove(&call->link);
	pthread_mutex_unlock(&q->lock);

	pthread_mutex_lock(&call->lock);
	core_call = call->call;
	call->call = NULL;
	message = call->message;
	call->message = NULL;
	call->is_unix = false; /* the core server may go before the last reference */
	pthread_mutex_unlock(&call->lock);

	if (message != NULL)
		grpc_byte_buffer_destroy(message);
	grpc_metadata_array_destroy(&call->headers);
	grpc_metadata_array_destroy(&call->trailers);
	grpc_metadata_array_init(&call->headers);
	grpc_metadata_array_init(&call->trailers);
	grpc_call_unref(core_call);
	if (call->is_server)
		weft_rpc_core_call_ended(call, status);
	if (call->channel != NULL)
		weft_rpc_channel_unref(g_steal_pointer(&call->channel));
	atomic_fetch_sub(&q->rt->calls_live, 1);
	weft_rpc_call_unref(call);
}

void
weft_rpc_call_event_over(WeftRpcCall *call)
{
	bool over = call->end_seen && call->in_flight == 0 && !call->is_done;
	bool silent = over && !somebody_cares(call);

	if (over)
		call->is_done = true;
	if (over && !silent)
		weft_rpc_call_due(call, WEFT_RPC_DUE_DONE);
	pthread_mutex_unlock(&call->lock);
	if (silent) {
		struct weft_rpc_status status = final_status(call, NULL);

		finalize(call, &status);
	}
}

static void
tell_done(WeftRpcCall *call)
{
	g_autofree char *text = text_of(call->details);
	struct weft_rpc_status status = final_status(call, text);

	if (call->reply != NULL)
		weft_rpc_call_tell_reply(call, &status);
	else if (call->handler->on_done != NULL)
		call->handler->on_done(call, &status, call->user);
	set_data(call, NULL, NULL);
	finalize(call, &status);
}

static void
tell(WeftRpcCall *call, unsigned due)
{
	const struct weft_rpc_handler *h = call->handler;

	if ((due & WEFT_RPC_DUE_START) && h->on_start != NULL)
		h->on_start(call, call->user);
	if ((due & WEFT_RPC_DUE_HEADERS) && h->on_headers != NULL)
		h->on_headers(call, call->user);
	if (due & WEFT_RPC_DUE_MESSAGE)
		weft_rpc_call_tell_message(call);
	if ((due & WEFT_RPC_DUE_HALF_CLOSE) && h->on_half_close != NULL &&
	    !weft_rpc_call_is_closed(call))
		h->on_half_close(call, call->user);
	if ((due & WEFT_RPC_DUE_DRAIN) && h->on_drain != NULL && !(due & WEFT_RPC_DUE_DONE))
		h->on_drain(call, call->user);
	if (due & WEFT_RPC_DUE_DONE) {
		tell_done(call);
		return;
	}
	/* What the handler did not decide at once is waited for. */
	pthread_mutex_lock(&call->lock);
	if (call->is_server && !call->end_armed)
		weft_rpc_call_arm_end(call);
	weft_rpc_call_receive(call);
	pthread_mutex_unlock(&call->lock);
}

static void
deliver(struct weft_rpc_note *note)
{
	WeftRpcCall *call = WEFT_RPC_CONTAINER(note, WeftRpcCall, note);

	for (;;) {
		unsigned due;

		pthread_mutex_lock(&call->lock);
		due = call->due;
		call->due = 0;
		if (due == 0)
			call->noted = false;
		pthread_mutex_unlock(&call->lock);
		if (due == 0)
			break;
		tell(call, due);
	}
	weft_rpc_call_unref(call);
}

/* --- Ending --- */

static grpc_slice
details_of(const char *message)
{
	size_t len = message == NULL ? 0 : strlen(message);

	if (len > WEFT_RPC_MAX_STATUS_MESSAGE) {
		const char *cut = message + WEFT_RPC_MAX_STATUS_MESSAGE;

		/* Not in the middle of a character. */
		while (cut > message && ((unsigned char) *cut & 0xc0) == 0x80)
			cut--;
		len = (size_t) (cut - message);
	}
	return len == 0 ? grpc_empty_slice() : grpc_slice_from_copied_buffer(message, len);
}

/* Lock held. */
static void
finish(WeftRpcCall *call, enum weft_rpc_code code, const char *message)
{
	if (!call->is_server || call->finish_wanted || call->has_local_end || call->end_seen)
		return;
	call->finish_wanted = true;
	call->code = (grpc_status_code) code;
	grpc_slice_unref(call->details);
	call->details = details_of(message);
	weft_rpc_call_pump(call);
}

/* Lock held: what a server wants to say still can be said, unless a message is stuck. */
static void
kill_server_call(WeftRpcCall *call, enum weft_rpc_code code, const char *message)
{
	if (!call->sending && !call->finish_wanted) {
		finish(call, code, message);
		return;
	}
	call->code = (grpc_status_code) code;
	if (!call->finish_sent) {
		grpc_slice_unref(call->details);
		call->details = details_of(message);
	}
	(void) grpc_call_cancel_with_status(call->call, call->code, message,
					    NULL); /* never fails */
}

void
weft_rpc_call_kill(WeftRpcCall *call,
		   enum weft_rpc_end end,
		   enum weft_rpc_code code,
		   const char *message)
{
	if (call->is_done || call->end_seen)
		return;
	if (call->has_local_end) {
		/* Killed before, and even the status does not leave. */
		if (call->call != NULL && end == WEFT_RPC_END_SLOW)
			(void) grpc_call_cancel(call->call, NULL); /* never fails */
		return;
	}
	weft_rpc_call_drop_queue(call);
	if (call->call != NULL && call->is_server)
		kill_server_call(call, code, message);
	else if (call->call != NULL)
		(void) grpc_call_cancel_with_status(call->call, (grpc_status_code) code, message,
						    NULL); /* never fails */
	call->has_local_end = true;
	call->local_end = end;
}

void
weft_rpc_call_cancel(WeftRpcCall *call)
{
	pthread_mutex_lock(&call->lock);
	weft_rpc_call_kill(call, WEFT_RPC_END_CANCELLED, WEFT_RPC_CANCELLED, "cancelled");
	pthread_mutex_unlock(&call->lock);
}

void
weft_rpc_call_finish(WeftRpcCall *call, enum weft_rpc_code code, const char *message)
{
	pthread_mutex_lock(&call->lock);
	finish(call, code, message);
	pthread_mutex_unlock(&call->lock);
}

void
weft_rpc_call_abort(WeftRpcCall *call, enum weft_rpc_code code, const char *message)
{
	pthread_mutex_lock(&call->lock);
	weft_rpc_call_drop_queue(call);
	if (call->sending)
		weft_rpc_call_kill(call, WEFT_RPC_END_CANCELLED, code, message);
	else
		finish(call, code, message);
	pthread_mutex_unlock(&call->lock);
}

void
weft_rpc_call_reply_bytes(WeftRpcCall *call, WeftRpcBytes *bytes)
{
	pthread_mutex_lock(&call->lock);
	if (call->is_server && !call->finish_wanted && !call->has_local_end && !call->end_seen) {
		weft_rpc_call_enqueue(call, bytes);
		finish(call, WEFT_RPC_OK, NULL);
	}
	pthread_mutex_unlock(&call->lock);
}

void
weft_rpc_call_reply(WeftRpcCall *call, const struct ProtobufCMessage *msg)
{
	g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_pack(msg);

	weft_rpc_call_reply_bytes(call, bytes);
}

/* --- Small things --- */

void
weft_rpc_call_set_data(WeftRpcCall *call, void *data, GDestroyNotify destroy)
{
	set_data(call, data, destroy);
}

void *
weft_rpc_call_data(const WeftRpcCall *call)
{
	return call->data;
}

const char *
weft_rpc_call_path(const WeftRpcCall *call)
{
	return call->method->proto->path;
}

bool
weft_rpc_call_is_closed(WeftRpcCall *call)
{
	bool closed;

	pthread_mutex_lock(&call->lock);
	closed = call->has_local_end || call->end_seen || (call->is_server && call->finish_wanted);
	pthread_mutex_unlock(&call->lock);
	return closed;
}

int64_t
weft_rpc_call_remaining_ms(const WeftRpcCall *call)
{
	gpr_timespec left;

	if (gpr_time_cmp(call->deadline, gpr_inf_future(call->deadline.clock_type)) == 0)
		return -1;
	left = gpr_time_sub(call->deadline, gpr_now(call->deadline.clock_type));
	return MAX(gpr_time_to_millis(left), 0);
}

/* --- Visits --- */

static void
run_invocation(void *data)
{
	struct call_invocation *inv = data;

	inv->fn(inv->call, inv->data);
	weft_rpc_call_unref(inv->call);
	g_free(inv);
}

static void
deliver_posted(struct weft_rpc_note *note)
{
	struct call_posted *posted = WEFT_RPC_CONTAINER(note, struct call_posted, note);

	posted->inv.fn(posted->inv.call, posted->inv.data);
	weft_rpc_call_unref(posted->inv.call);
	g_free(posted);
}

static void
on_posted(struct weft_rpc_tag *tag, bool ok)
{
	struct call_posted *posted = WEFT_RPC_CONTAINER(tag, struct call_posted, tag);

	weft_rpc_queue_note(posted->inv.call->queue, &posted->note);
}

void
weft_rpc_call_invoke(WeftRpcCall *call, void (*fn)(WeftRpcCall *call, void *data), void *data)
{
	struct call_invocation inv = { .call = weft_rpc_call_ref(call), .fn = fn, .data = data };
	struct call_posted *posted;
	bool posted_on_call = false;

	if (call->queue == &call->queue->rt->queues[0]) {
		weft_rpc_runtime_invoke(call->queue->rt, run_invocation,
					g_memdup2(&inv, sizeof inv));
		return;
	}
	/* Another queue's thread is reached through a call of that queue: this one. */
	posted = g_new0(struct call_posted, 1);
	posted->tag.complete = on_posted;
	posted->note.deliver = deliver_posted;
	posted->inv = inv;
	weft_rpc_tag_arm(&posted->tag);
	pthread_mutex_lock(&call->lock);
	if (call->call != NULL)
		posted_on_call = grpc_call_start_batch(call->call, NULL, 0, &posted->tag, NULL) ==
				 GRPC_CALL_OK;
	pthread_mutex_unlock(&call->lock);
	if (!posted_on_call) {
		/* The call is over: nothing of it runs in parallel any more. */
		weft_rpc_runtime_invoke(call->queue->rt, run_invocation,
					g_memdup2(&inv, sizeof inv));
		g_free(posted);
	}
}

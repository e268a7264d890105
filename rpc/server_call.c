/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How calls come into being on a server: requests that are armed with core, one per method, queue
 * and place in the backlog. */
#include "base/address.h"
#include "base/glib/metrics.h"
#include "proto/method.h"
#include "rpc/admission.h"
#include "rpc/call_internal.h"
#include "rpc/server_internal.h"

#include <grpc/slice.h>
#include <string.h>

struct arm {
	struct weft_rpc_tag tag;
	struct weft_rpc_core *core;
	struct weft_rpc_entry *entry;
	struct weft_rpc_queue *queue;
	grpc_call *call;
	grpc_metadata_array headers;
	gpr_timespec deadline;
	grpc_byte_buffer *payload;
	grpc_call_details details; /* of other paths */
};

static void on_request(struct weft_rpc_tag *tag, bool ok);

static bool
is_other(const struct weft_rpc_entry *entry)
{
	return entry == entry->server->other;
}

static void
arm_free(struct arm *arm)
{
	grpc_metadata_array_destroy(&arm->headers);
	if (is_other(arm->entry))
		grpc_call_details_destroy(&arm->details);
	g_free(arm);
}

static bool
request(struct arm *arm)
{
	grpc_server *core = arm->core->core;
	grpc_completion_queue *cq = arm->queue->cq;
	bool single = !arm->entry->method->proto->client_streaming;
	void *handle = is_other(arm->entry) ? NULL : arm->core->registered[arm->entry->index];
	grpc_call_error result;

	arm->call = NULL;
	arm->payload = NULL;
	/* From here on another thread may have it. */
	weft_rpc_tag_arm(&arm->tag);
	if (handle == NULL)
		result = grpc_server_request_call(core, &arm->call, &arm->details, &arm->headers,
						  cq, cq, &arm->tag);
	else
		result = grpc_server_request_registered_call(
			core, handle, &arm->call, &arm->deadline, &arm->headers,
			single ? &arm->payload : NULL, cq, cq, &arm->tag);
	return result == GRPC_CALL_OK;
}

static void
arm_new(struct weft_rpc_core *core, struct weft_rpc_entry *entry, struct weft_rpc_queue *queue)
{
	struct arm *arm = g_new0(struct arm, 1);

	arm->tag.complete = on_request;
	arm->core = core;
	arm->entry = entry;
	arm->queue = queue;
	grpc_metadata_array_init(&arm->headers);
	if (is_other(entry))
		grpc_call_details_init(&arm->details);
	weft_rpc_server_pending_begins(core->server);
	if (!request(arm)) {
		arm_free(arm);
		weft_rpc_server_pending_ends(core->server);
	}
}

void
weft_rpc_core_arm(struct weft_rpc_core *core)
{
	WeftRpcServer *server = core->server;

	for (unsigned q = 0; q < server->rt->n_queues; q++) {
		struct weft_rpc_queue *queue = &server->rt->queues[q];

		for (unsigned e = 0; e < server->entries->len; e++) {
			struct weft_rpc_entry *entry = g_ptr_array_index(server->entries, e);
			unsigned n = entry->method->backlog != 0 ? entry->method->backlog
								 : WEFT_RPC_DEFAULT_BACKLOG;

			for (unsigned i = 0; i < (core->is_unix ? 1 : n); i++)
				arm_new(core, entry, queue);
		}
		arm_new(core, server->other, queue);
	}
}

/* --- A call is there --- */

const struct weft_rpc_handler weft_rpc_no_handler = { 0 };

static WeftRpcCall *
call_from(struct arm *arm)
{
	WeftRpcCall *call = weft_rpc_call_alloc(arm->queue, arm->entry->method, arm->entry->handler,
						arm->entry->user);

	call->is_server = true;
	call->started = true;
	call->core = arm->core;
	call->is_unix = arm->core->is_unix;
	call->entry = arm->entry;
	call->call = arm->call;
	call->headers = arm->headers;
	grpc_metadata_array_init(&arm->headers);
	grpc_metadata_array_init(&call->trailers);
	call->deadline = is_other(arm->entry) ? arm->details.deadline : arm->deadline;
	call->start_us = g_get_monotonic_time();
	call->message = arm->payload;
	if (!call->method->proto->client_streaming)
		call->received_all = true;
	return call;
}

static void
answer_other(WeftRpcCall *call, const grpc_call_details *details)
{
	g_autofree char *path =
		g_utf8_make_valid((const char *) GRPC_SLICE_START_PTR(details->method),
				  (gssize) MIN(GRPC_SLICE_LENGTH(details->method), 200));
	g_autofree char *text = g_strdup_printf("unknown method %s", path);

	weft_rpc_call_finish(call, WEFT_RPC_UNIMPLEMENTED, text);
}

static void
refuse(WeftRpcCall *call, enum weft_rpc_end end, enum weft_rpc_code code, const char *text)
{
	pthread_mutex_lock(&call->lock);
	weft_rpc_call_kill(call, end, code, text);
	pthread_mutex_unlock(&call->lock);
}

/* True if the call may go on to its handler. */
static bool
admit(WeftRpcCall *call)
{
	WeftRpcServer *server = call->core->server;
	uint64_t live = atomic_fetch_add(&server->calls_live, 1) + 1;
	const char *refused = NULL;
	struct weft_endpoint peer;

	weft_rpc_server_pending_begins(server);
	atomic_fetch_add_explicit(&server->calls_total, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&call->entry->live, 1, memory_order_relaxed);
	if (weft_rpc_admissions_wanted(server->admissions) && weft_rpc_call_peer(call, &peer))
		call->admission =
			weft_rpc_admissions_enter(server->admissions, &peer, live, &refused);
	else
		refused = weft_rpc_admissions_total(server->admissions, live);
	if (refused != NULL)
		refuse(call, WEFT_RPC_END_LIMIT, WEFT_RPC_RESOURCE_EXHAUSTED, refused);
	return refused == NULL;
}

static void
arrive(struct arm *arm)
{
	WeftRpcCall *call = call_from(arm);
	bool single = !call->method->proto->client_streaming;

	weft_rpc_call_live(call);
	if (!admit(call)) {
		/* Told nothing: the handler never knew it. */
		call->handler = &weft_rpc_no_handler;
	} else if (is_other(arm->entry)) {
		answer_other(call, &arm->details);
	} else if (single && call->message == NULL) {
		call->handler = &weft_rpc_no_handler;
		refuse(call, WEFT_RPC_END_BAD_INPUT, WEFT_RPC_INTERNAL, "no request message");
	} else {
		pthread_mutex_lock(&call->lock);
		if (single)
			call->n_received = 1;
		weft_rpc_call_due(call, single ? WEFT_RPC_DUE_START | WEFT_RPC_DUE_MESSAGE |
							 WEFT_RPC_DUE_HALF_CLOSE
					       : WEFT_RPC_DUE_START);
		pthread_mutex_unlock(&call->lock);
	}
	weft_rpc_call_unref(call);
}

static void
on_request(struct weft_rpc_tag *tag, bool ok)
{
	struct arm *arm = WEFT_RPC_CONTAINER(tag, struct arm, tag);
	WeftRpcServer *server = arm->core->server;

	if (!ok) {
		arm_free(arm);
		weft_rpc_server_pending_ends(server);
		return;
	}
	arrive(arm);
	if (is_other(arm->entry)) {
		grpc_call_details_destroy(&arm->details);
		grpc_call_details_init(&arm->details);
	}
	if (!request(arm)) {
		arm_free(arm);
		weft_rpc_server_pending_ends(server);
	}
}

/* --- Accounting --- */

static void
count_duration(struct weft_rpc_entry *entry, int64_t us)
{
	unsigned i = 0;

	while (i < WEFT_METRIC_DURATION_BUCKETS && (uint64_t) us > weft_metric_duration_buckets[i])
		i++;
	atomic_fetch_add_explicit(&entry->duration[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&entry->duration_us, (uint64_t) us, memory_order_relaxed);
}

void
weft_rpc_core_call_ended(WeftRpcCall *call, const struct weft_rpc_status *status)
{
	struct weft_rpc_entry *entry = call->entry;
	WeftRpcServer *server = call->core->server;

	weft_rpc_admissions_leave(server->admissions, call->admission);
	atomic_fetch_sub_explicit(&entry->live, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&entry->done[status->code], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&entry->ended[status->end], 1, memory_order_relaxed);
	if (!entry->method->proto->client_streaming && !entry->method->proto->server_streaming)
		count_duration(entry, g_get_monotonic_time() - call->start_us);
	atomic_fetch_sub(&server->calls_live, 1);
	weft_rpc_server_pending_ends(server);
}

void
weft_rpc_entry_received(WeftRpcCall *call, size_t len)
{
	if (call->entry == NULL)
		return;
	atomic_fetch_add_explicit(&call->entry->received, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&call->entry->received_bytes, len, memory_order_relaxed);
}

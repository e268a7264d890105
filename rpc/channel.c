/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/channel.h"

#include "proto/method.h"
#include "rpc/args.h"
#include "rpc/bytes_internal.h"
#include "rpc/call_internal.h"
#include "rpc/limits.h"
#include "rpc/tls_internal.h"

#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>
#include <string.h>

#define DEFAULT_RECONNECT_FIRST_MS 200U
#define DEFAULT_RECONNECT_MAX_MS   30000U
#define DEFAULT_CONNECT_TIMEOUT_MS 20000U

/* Addresses of a name are asked for again at most once a second. */
#define MIN_RESOLUTION_MS 1000U

struct registered {
	struct registered *next;
	const struct weft_proto_method *proto;
	void *handle;
};

struct weft_rpc_channel {
	atomic_uint refs;
	WeftRpcRuntime *rt;
	grpc_channel *core;
	pthread_mutex_t lock;
	struct registered *registered;
	bool freed;

	struct weft_rpc_tag watch_tag;
	struct weft_rpc_note watch_note;
	grpc_connectivity_state watched; /* the last state seen */
	void (*on_state)(enum weft_rpc_channel_state state, void *user);
	void *on_state_user;
};

static const char *const state_names[WEFT_RPC_CHANNEL_STATE_COUNT_] = {
	"idle", "connecting", "ready", "failed", "closed",
};

const char *
weft_rpc_channel_state_name(enum weft_rpc_channel_state state)
{
	return (unsigned) state < WEFT_RPC_CHANNEL_STATE_COUNT_ ? state_names[state] : "unknown";
}

static enum weft_rpc_channel_state
from_core(grpc_connectivity_state state)
{
	switch (state) {
	case GRPC_CHANNEL_CONNECTING:
		return WEFT_RPC_CHANNEL_CONNECTING;
	case GRPC_CHANNEL_READY:
		return WEFT_RPC_CHANNEL_READY;
	case GRPC_CHANNEL_TRANSIENT_FAILURE:
		return WEFT_RPC_CHANNEL_FAILED;
	case GRPC_CHANNEL_SHUTDOWN:
		return WEFT_RPC_CHANNEL_CLOSED;
	case GRPC_CHANNEL_IDLE:
	default:
		return WEFT_RPC_CHANNEL_IDLE;
	}
}

/* --- Making --- */

static unsigned
or_default(size_t value, unsigned fallback)
{
	return value == 0 ? fallback : value > INT_MAX ? INT_MAX : (unsigned) value;
}

static void
channel_args(struct weft_rpc_args *args, const struct weft_rpc_channel_config *c)
{
	unsigned first_ms = or_default(c->reconnect_first_ms, DEFAULT_RECONNECT_FIRST_MS);

	weft_rpc_args_init(args);
	weft_rpc_args_int(args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
			  or_default(c->max_receive_bytes, WEFT_RPC_DEFAULT_RECEIVE_BYTES));
	weft_rpc_args_int(args, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
			  or_default(c->max_send_bytes, WEFT_RPC_DEFAULT_SEND_BYTES));
	weft_rpc_args_int(args, GRPC_ARG_MAX_METADATA_SIZE, WEFT_RPC_DEFAULT_METADATA_BYTES);
	weft_rpc_args_int(args, GRPC_ARG_KEEPALIVE_TIME_MS,
			  or_default(c->keepalive_time_ms, WEFT_RPC_DEFAULT_KEEPALIVE_TIME_MS));
	weft_rpc_args_int(
		args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
		or_default(c->keepalive_timeout_ms, WEFT_RPC_DEFAULT_KEEPALIVE_TIMEOUT_MS));
	/* Core holds back its own pings on a quiet stream otherwise. */
	weft_rpc_args_int(args, GRPC_ARG_HTTP2_MIN_SENT_PING_INTERVAL_WITHOUT_DATA_MS,
			  WEFT_RPC_DEFAULT_MIN_PING_INTERVAL_MS);
	weft_rpc_args_int(args, GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, first_ms);
	weft_rpc_args_int(args, GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
			  or_default(c->reconnect_max_ms, DEFAULT_RECONNECT_MAX_MS));
	weft_rpc_args_int(args, GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
			  or_default(c->connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT_MS));
	weft_rpc_args_int(args, GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, MIN_RESOLUTION_MS);
	/* One channel is one connection; no proxy of the environment, no configuration by DNS, no
	 * hidden second attempt of a call. */
	weft_rpc_args_int(args, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
	weft_rpc_args_int(args, GRPC_ARG_ENABLE_HTTP_PROXY, 0);
	weft_rpc_args_int(args, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
	weft_rpc_args_int(args, GRPC_ARG_ENABLE_RETRIES, 0);
	if (c->user_agent != NULL)
		weft_rpc_args_string(args, GRPC_ARG_PRIMARY_USER_AGENT_STRING, c->user_agent);
	if (c->tls != NULL && c->tls->server_name != NULL)
		weft_rpc_args_string(args, GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, c->tls->server_name);
}

/* Core's name of the target; NULL with @error for what is neither a path nor host:port. */
static char *
target_uri(const char *target, GError **error)
{
	const char *colon = strrchr(target, ':');

	if (g_str_has_prefix(target, "unix:") && target[5] == '/')
		return g_strdup(target);
	if (colon == NULL || colon == target || colon[1] == '\0' ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strpbrk(target, "/?#@ ") != NULL) {
		g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_TARGET,
			    "'%s' is neither host:port nor unix:/path", target);
		return NULL;
	}
	return g_strconcat("dns:///", target, NULL);
}

static void on_watch(struct weft_rpc_tag *tag, bool ok);
static void deliver_watch(struct weft_rpc_note *note);

WeftRpcChannel *
weft_rpc_channel_new(WeftRpcRuntime *rt,
		     const struct weft_rpc_channel_config *config,
		     GError **error)
{
	g_autofree char *uri = target_uri(config->target, error);
	grpc_channel_credentials *creds;
	struct weft_rpc_args args;
	WeftRpcChannel *channel;

	if (uri == NULL)
		return NULL;
	creds = config->tls != NULL ? weft_rpc_channel_tls_credentials(config->tls, error)
				    : grpc_insecure_credentials_create();
	if (creds == NULL)
		return NULL;
	channel_args(&args, config);
	channel = g_new0(WeftRpcChannel, 1);
	atomic_init(&channel->refs, 1);
	pthread_mutex_init(&channel->lock, NULL);
	channel->rt = rt;
	channel->watch_tag.complete = on_watch;
	channel->watch_note.deliver = deliver_watch;
	channel->core = grpc_channel_create(uri, creds, &args.list);
	grpc_channel_credentials_release(creds);
	return channel;
}

static WeftRpcChannel *
channel_ref(WeftRpcChannel *channel)
{
	atomic_fetch_add_explicit(&channel->refs, 1, memory_order_relaxed);
	return channel;
}

void
weft_rpc_channel_unref(WeftRpcChannel *channel)
{
	struct registered *r;

	if (atomic_fetch_sub_explicit(&channel->refs, 1, memory_order_acq_rel) > 1)
		return;
	while ((r = channel->registered) != NULL) {
		channel->registered = r->next;
		g_free(r);
	}
	pthread_mutex_destroy(&channel->lock);
	g_free(channel);
}

static void
cancel_calls(struct weft_rpc_queue *q, const WeftRpcChannel *channel)
{
	pthread_mutex_lock(&q->lock);
	for (struct weft_rpc_link *link = q->calls.next; link != &q->calls; link = link->next) {
		WeftRpcCall *call = WEFT_RPC_CONTAINER(link, WeftRpcCall, link);

		if (call->channel == channel)
			weft_rpc_call_cancel(call);
	}
	pthread_mutex_unlock(&q->lock);
}

void
weft_rpc_channel_free(WeftRpcChannel *channel)
{
	grpc_channel *core;

	if (channel == NULL)
		return;
	for (unsigned i = 0; i < channel->rt->n_queues; i++)
		cancel_calls(&channel->rt->queues[i], channel);
	pthread_mutex_lock(&channel->lock);
	channel->freed = true;
	core = channel->core;
	pthread_mutex_unlock(&channel->lock);
	grpc_channel_destroy(core); /* ends the watch */
	weft_rpc_channel_unref(channel);
}

/* --- State --- */

static void
watch_again(WeftRpcChannel *channel)
{
	weft_rpc_tag_arm(&channel->watch_tag);
	grpc_channel_watch_connectivity_state(channel->core, channel->watched,
					      gpr_inf_future(GPR_CLOCK_REALTIME),
					      channel->rt->queues[0].cq, &channel->watch_tag);
}

static void
on_watch(struct weft_rpc_tag *tag, bool ok)
{
	WeftRpcChannel *channel = WEFT_RPC_CONTAINER(tag, WeftRpcChannel, watch_tag);

	weft_rpc_queue_note(&channel->rt->queues[0], &channel->watch_note);
}

static void
deliver_watch(struct weft_rpc_note *note)
{
	WeftRpcChannel *channel = WEFT_RPC_CONTAINER(note, WeftRpcChannel, watch_note);
	grpc_connectivity_state state = GRPC_CHANNEL_SHUTDOWN;
	bool over;

	pthread_mutex_lock(&channel->lock);
	over = channel->freed;
	if (!over) {
		state = grpc_channel_check_connectivity_state(channel->core, 0);
		over = state == GRPC_CHANNEL_SHUTDOWN;
	}
	if (!over && state == channel->watched) {
		/* Changed and changed back. */
		watch_again(channel);
		pthread_mutex_unlock(&channel->lock);
		return;
	}
	channel->watched = state;
	if (!over)
		watch_again(channel);
	pthread_mutex_unlock(&channel->lock);
	if (!over) {
		channel->on_state(from_core(state), channel->on_state_user);
		return;
	}
	atomic_fetch_sub(&channel->rt->calls_live, 1);
	weft_rpc_channel_unref(channel);
}

void
weft_rpc_channel_watch(WeftRpcChannel *channel,
		       void (*on_state)(enum weft_rpc_channel_state state, void *user),
		       void *user)
{
	g_return_if_fail(channel->on_state == NULL);
	channel_ref(channel);
	atomic_fetch_add(&channel->rt->calls_live, 1); /* the runtime outlives the watch */
	channel->on_state = on_state;
	channel->on_state_user = user;
	pthread_mutex_lock(&channel->lock);
	channel->watched = grpc_channel_check_connectivity_state(channel->core, 0);
	watch_again(channel);
	pthread_mutex_unlock(&channel->lock);
}

enum weft_rpc_channel_state
weft_rpc_channel_state(WeftRpcChannel *channel)
{
	return from_core(grpc_channel_check_connectivity_state(channel->core, 0));
}

void
weft_rpc_channel_connect(WeftRpcChannel *channel)
{
	(void) grpc_channel_check_connectivity_state(channel->core, 1); /* for its effect */
}

void
weft_rpc_channel_retry_now(WeftRpcChannel *channel)
{
	grpc_channel_reset_connect_backoff(channel->core);
	weft_rpc_channel_connect(channel);
}

/* --- Calls --- */

static void *
registered_handle(WeftRpcChannel *channel, const struct weft_proto_method *proto)
{
	struct registered *r;

	pthread_mutex_lock(&channel->lock);
	for (r = channel->registered; r != NULL && r->proto != proto; r = r->next)
		;
	if (r == NULL) {
		r = g_new0(struct registered, 1);
		r->proto = proto;
		r->handle = grpc_channel_register_call(channel->core, proto->path, NULL, NULL);
		r->next = channel->registered;
		channel->registered = r;
	}
	pthread_mutex_unlock(&channel->lock);
	return r->handle;
}

WeftRpcCall *
weft_rpc_call_new(WeftRpcChannel *channel,
		  const struct weft_rpc_method *method,
		  const struct weft_rpc_handler *handler,
		  void *user,
		  const struct weft_rpc_call_options *options)
{
	WeftRpcRuntime *rt = channel->rt;
	unsigned i = atomic_fetch_add_explicit(&rt->next_queue, 1, memory_order_relaxed);
	WeftRpcCall *call =
		weft_rpc_call_alloc(&rt->queues[i % rt->n_queues], method, handler, user);

	call->channel = channel_ref(channel);
	grpc_metadata_array_init(&call->headers);
	grpc_metadata_array_init(&call->trailers);
	call->deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
	if (options != NULL && options->timeout_ms > 0)
		call->deadline =
			gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
				     gpr_time_from_millis(options->timeout_ms, GPR_TIMESPAN));
	if (options != NULL && options->wait_ready)
		call->start_flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY |
				    GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
	return call;
}

static void
start_single(WeftRpcCall *call)
{
	grpc_op ops[6] = { 0 };
	size_t n;

	call->single_batch = true;
	call->receiving = true;
	call->end_armed = true;
	n = weft_rpc_call_collect_sends(call, ops);
	weft_rpc_call_sends_begin(call);
	ops[n].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[n++].data.recv_initial_metadata.recv_initial_metadata = &call->headers;
	ops[n].op = GRPC_OP_RECV_MESSAGE;
	ops[n++].data.recv_message.recv_message = &call->message;
	ops[n].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
	ops[n].data.recv_status_on_client.trailing_metadata = &call->trailers;
	ops[n].data.recv_status_on_client.status = &call->code;
	ops[n++].data.recv_status_on_client.status_details = &call->details;
	weft_rpc_call_batch(call, ops, n, &call->end_tag);
}

static void
start_separate(WeftRpcCall *call)
{
	grpc_op op = { .op = GRPC_OP_RECV_INITIAL_METADATA };

	/* Without this one core would keep the status to itself until the deadline. */
	op.data.recv_initial_metadata.recv_initial_metadata = &call->headers;
	weft_rpc_call_arm_end(call);
	call->headers_wanted = true;
	weft_rpc_call_pump(call);
	weft_rpc_call_batch(call, &op, 1, &call->headers_tag);
	weft_rpc_call_receive(call);
}

void
weft_rpc_call_start(WeftRpcCall *call)
{
	const struct weft_proto_method *proto = call->method->proto;
	void *handle = registered_handle(call->channel, proto);

	g_return_if_fail(!call->is_server && !call->started);
	pthread_mutex_lock(&call->lock);
	call->started = true;
	call->start_us = g_get_monotonic_time();
	call->call = grpc_channel_create_registered_call(call->channel->core, NULL,
							 GRPC_PROPAGATE_DEFAULTS, call->queue->cq,
							 handle, call->deadline, NULL);
	pthread_mutex_unlock(&call->lock);
	weft_rpc_call_live(call);
	pthread_mutex_lock(&call->lock);
	if (call->has_local_end)
		(void) grpc_call_cancel(call->call, NULL); /* cancelled before its start */
	if (!proto->client_streaming && !proto->server_streaming && call->finish_wanted &&
	    call->queued_messages == 1 && !call->has_local_end)
		start_single(call);
	else
		start_separate(call);
	pthread_mutex_unlock(&call->lock);
}

WeftRpcCall *
weft_rpc_channel_unary(WeftRpcChannel *channel,
		       const struct weft_rpc_method *method,
		       const struct ProtobufCMessage *request,
		       const struct weft_rpc_call_options *options,
		       weft_rpc_reply_fn on_reply,
		       void *user)
{
	WeftRpcCall *call = weft_rpc_call_new(channel, method, &weft_rpc_no_handler, user, options);

	call->reply = on_reply;
	(void) weft_rpc_call_send(call, request); /* queued: nothing can be in the way */
	weft_rpc_call_half_close(call);
	weft_rpc_call_start(call);
	return call;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A server's life: methods, listeners, start, and the steps of its shutdown. */
#include "rpc/server.h"

#include "base/env.h"
#include "proto/method.h"
#include "rpc/admission.h"
#include "rpc/args.h"
#include "rpc/call_internal.h"
#include "rpc/census.h"
#include "rpc/server_internal.h"
#include "rpc/tls_internal.h"

#include <grpc/grpc_security.h>
#include <string.h>

/* Clients that take neither the status nor the reset of their stream. */
#define CUT_AFTER_US (500 * 1000)

static const struct weft_proto_method other_proto = {
	.path = "(other)",
	.service = "",
	.name = "(other)",
	.client_streaming = true,
	.server_streaming = true,
};
static const struct weft_rpc_method other_method = { .proto = &other_proto, .raw = true };

static unsigned
or_default(size_t value, size_t fallback)
{
	size_t v = value != 0 ? value : fallback;

	return v > INT_MAX ? INT_MAX : (unsigned) v;
}

static void
server_args(struct weft_rpc_args *args, const struct weft_rpc_server_config *c)
{
	weft_rpc_args_init(args);
	/* Two servers on one port would share it silently. */
	weft_rpc_args_int(args, GRPC_ARG_ALLOW_REUSEPORT, 0);
	weft_rpc_args_int(args, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
			  or_default(c->max_receive_bytes, WEFT_RPC_DEFAULT_RECEIVE_BYTES));
	weft_rpc_args_int(args, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
			  or_default(c->max_send_bytes, WEFT_RPC_DEFAULT_SEND_BYTES));
	weft_rpc_args_int(args, GRPC_ARG_MAX_METADATA_SIZE,
			  or_default(c->max_metadata_bytes, WEFT_RPC_DEFAULT_METADATA_BYTES));
	weft_rpc_args_int(
		args, GRPC_ARG_MAX_CONCURRENT_STREAMS,
		or_default(c->max_streams_per_connection, WEFT_RPC_DEFAULT_STREAMS_PER_CONNECTION));
	weft_rpc_args_int(args, GRPC_ARG_KEEPALIVE_TIME_MS,
			  or_default(c->keepalive_time_ms, WEFT_RPC_DEFAULT_KEEPALIVE_TIME_MS));
	weft_rpc_args_int(
		args, GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
		or_default(c->keepalive_timeout_ms, WEFT_RPC_DEFAULT_KEEPALIVE_TIMEOUT_MS));
	weft_rpc_args_int(
		args, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
		or_default(c->min_ping_interval_ms, WEFT_RPC_DEFAULT_MIN_PING_INTERVAL_MS));
	weft_rpc_args_int(
		args, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
		or_default(c->handshake_timeout_ms, WEFT_RPC_DEFAULT_HANDSHAKE_TIMEOUT_MS));
	weft_rpc_args_int(args, GRPC_ARG_MAX_CONNECTION_IDLE_MS,
			  or_default(c->idle_timeout_ms, WEFT_RPC_DEFAULT_IDLE_TIMEOUT_MS));
}

/* --- Core servers --- */

static void
on_core_stopped(struct weft_rpc_tag *tag, bool ok)
{
	struct weft_rpc_core *core = WEFT_RPC_CONTAINER(tag, struct weft_rpc_core, stopped_tag);

	weft_rpc_server_pending_ends(core->server);
}

static void
register_method(struct weft_rpc_core *core, const struct weft_rpc_entry *entry)
{
	grpc_server_register_method_payload_handling handling =
		entry->method->proto->client_streaming ? GRPC_SRM_PAYLOAD_NONE
						       : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER;

	core->registered = g_renew(void *, core->registered, entry->index + 1);
	core->registered[entry->index] = grpc_server_register_method(
		core->core, entry->method->proto->path, NULL, handling, 0);
	g_assert(core->registered[entry->index] != NULL);
}

struct weft_rpc_core *
weft_rpc_core_new(WeftRpcServer *server)
{
	struct weft_rpc_core *core = g_new0(struct weft_rpc_core, 1);
	struct weft_rpc_args args;

	server_args(&args, &server->config);
	core->server = server;
	core->stopped_tag.complete = on_core_stopped;
	core->core = grpc_server_create(&args.list, NULL);
	for (unsigned i = 0; i < server->rt->n_queues; i++)
		grpc_server_register_completion_queue(core->core, server->rt->queues[i].cq, NULL);
	for (unsigned i = 0; i < server->entries->len; i++)
		register_method(core, g_ptr_array_index(server->entries, i));
	return core;
}

void
weft_rpc_core_free(struct weft_rpc_core *core)
{
	grpc_server_destroy(core->core);
	g_free(core->registered);
	g_free(core);
}

/* --- Before the start --- */

static struct weft_rpc_entry *
entry_new(WeftRpcServer *server,
	  const struct weft_rpc_method *method,
	  const struct weft_rpc_handler *handler,
	  void *user)
{
	struct weft_rpc_entry *entry = g_new0(struct weft_rpc_entry, 1);

	entry->server = server;
	entry->method = method;
	entry->handler = handler;
	entry->user = user;
	return entry;
}

WeftRpcServer *
weft_rpc_server_new(WeftRpcRuntime *rt, const struct weft_rpc_server_config *config)
{
	WeftRpcServer *server = g_new0(WeftRpcServer, 1);

	server->rt = rt;
	if (config != NULL)
		server->config = *config;
	server->entries = g_ptr_array_new_with_free_func(g_free);
	server->other = entry_new(server, &other_method, &weft_rpc_no_handler, NULL);
	server->ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));
	server->tls = g_ptr_array_new_with_free_func(weft_rpc_server_tls_listener_free);
	server->admissions = weft_rpc_admissions_new(&server->config, weft_env_system());
	pthread_mutex_init(&server->lock, NULL);
	atomic_init(&server->pending, 1);
	server->cores = weft_rpc_core_new(server);
	server->n_cores = 1;
	pthread_mutex_lock(&rt->servers_lock);
	weft_rpc_link_append(&rt->servers, &server->link);
	pthread_mutex_unlock(&rt->servers_lock);
	return server;
}

void
weft_rpc_server_add_method(WeftRpcServer *server,
			   const struct weft_rpc_method *method,
			   const struct weft_rpc_handler *handler,
			   void *user)
{
	struct weft_rpc_entry *entry = entry_new(server, method, handler, user);

	g_return_if_fail(server->state == WEFT_RPC_SERVER_NEW);
	entry->index = server->entries->len;
	g_ptr_array_add(server->entries, entry);
	register_method(server->cores, entry);
}

/* "host:port": core would guess a port that is missing, and cut one that is too large. */
static bool
is_host_and_port(const char *address)
{
	const char *colon = strrchr(address, ':');
	guint64 port;

	return colon != NULL && colon != address && strchr(address, '/') == NULL &&
	       (strchr(address, ':') == colon || (address[0] == '[' && colon[-1] == ']')) &&
	       g_ascii_string_to_unsigned(colon + 1, 10, 0, 65535, &port, NULL);
}

bool
weft_rpc_server_listen(WeftRpcServer *server,
		       const char *address,
		       WeftRpcServerTls *tls,
		       uint16_t *ret_port,
		       GError **error)
{
	grpc_server_credentials *creds;
	uint16_t port16;
	void *listener = NULL;
	int port;

	g_return_val_if_fail(server->state == WEFT_RPC_SERVER_NEW, false);
	creds = tls != NULL ? weft_rpc_server_tls_credentials(tls, &listener)
			    : grpc_insecure_server_credentials_create();
	port = is_host_and_port(address)
		       ? grpc_server_add_http2_port(server->cores->core, address, creds)
		       : 0;
	grpc_server_credentials_release(creds);
	if (listener != NULL)
		g_ptr_array_add(server->tls, listener);
	if (port <= 0 || port > 65535) {
		g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_LISTEN,
			    "cannot listen on %s: bad address, in use, or not permitted", address);
		return false;
	}
	port16 = (uint16_t) port;
	g_array_append_val(server->ports, port16);
	if (ret_port != NULL)
		*ret_port = port16;
	return true;
}

void
weft_rpc_server_start(WeftRpcServer *server)
{
	g_return_if_fail(server->state == WEFT_RPC_SERVER_NEW);
	server->state = WEFT_RPC_SERVER_RUNNING;
	grpc_server_start(server->cores->core);
	weft_rpc_core_arm(server->cores);
	if (server->unix_listener != NULL)
		weft_rpc_unix_start(server->unix_listener);
	pthread_mutex_lock(&server->lock);
	server->census = weft_rpc_census_new(server);
	pthread_mutex_unlock(&server->lock);
}

void
weft_rpc_server_set_limits(WeftRpcServer *server, const struct weft_rpc_server_config *config)
{
	weft_rpc_admissions_set(server->admissions, config);
	pthread_mutex_lock(&server->lock);
	server->config.max_connections_per_address = config->max_connections_per_address;
	weft_rpc_census_set(server->census, config->max_connections_per_address);
	pthread_mutex_unlock(&server->lock);
}

/* --- The end --- */

static void
tell_stopped(void *data)
{
	WeftRpcServer *server = data;
	void (*on_stopped)(void *user) = server->on_stopped;
	void *user = server->on_stopped_user;

	if (server->is_fast) {
		server->is_fast = false;
		atomic_fetch_sub(&server->rt->fast_ticks, 1);
	}
	atomic_store(&server->is_stopped, true);
	if (on_stopped != NULL)
		on_stopped(user);
}

void
weft_rpc_server_pending_begins(WeftRpcServer *server)
{
	atomic_fetch_add(&server->pending, 1);
}

void
weft_rpc_server_pending_ends(WeftRpcServer *server)
{
	if (atomic_fetch_sub(&server->pending, 1) == 1)
		weft_rpc_runtime_invoke(server->rt, tell_stopped, server);
}

void
weft_rpc_server_shutdown(WeftRpcServer *server,
			 unsigned grace_ms,
			 void (*on_stopped)(void *user),
			 void *user)
{
	struct weft_rpc_queue *first = &server->rt->queues[0];
	struct weft_rpc_census *census;

	g_return_if_fail(server->state < WEFT_RPC_SERVER_STOPPING);
	weft_rpc_unix_close(server->unix_listener);
	pthread_mutex_lock(&server->lock);
	census = g_steal_pointer(&server->census);
	pthread_mutex_unlock(&server->lock);
	weft_rpc_census_free(census);
	pthread_mutex_lock(&server->lock);
	server->state = WEFT_RPC_SERVER_STOPPING;
	server->on_stopped = on_stopped;
	server->on_stopped_user = user;
	server->next_step_us = g_get_monotonic_time() + 1000 * (int64_t) grace_ms;
	server->is_fast = true;
	for (struct weft_rpc_core *core = server->cores; core != NULL; core = core->next) {
		weft_rpc_server_pending_begins(server);
		weft_rpc_tag_arm(&core->stopped_tag);
		grpc_server_shutdown_and_notify(core->core, first->cq, &core->stopped_tag);
	}
	pthread_mutex_unlock(&server->lock);
	atomic_fetch_add(&server->rt->fast_ticks, 1);
	weft_rpc_queue_wake(first);
	weft_rpc_server_pending_ends(server);
}

void
weft_rpc_server_shutdown_sync(WeftRpcServer *server, unsigned grace_ms)
{
	weft_rpc_server_shutdown(server, grace_ms, NULL, NULL);
	while (!atomic_load(&server->is_stopped)) {
		if (server->rt->delivery == WEFT_RPC_DELIVER_INLINE)
			g_usleep(1000);
		else
			g_main_context_iteration(server->rt->context, TRUE);
	}
}

static void
end_calls(struct weft_rpc_queue *q, const WeftRpcServer *server)
{
	pthread_mutex_lock(&q->lock);
	for (struct weft_rpc_link *link = q->calls.next; link != &q->calls; link = link->next) {
		WeftRpcCall *call = WEFT_RPC_CONTAINER(link, WeftRpcCall, link);

		if (call->core == NULL || call->core->server != server)
			continue;
		pthread_mutex_lock(&call->lock);
		weft_rpc_call_kill(call, WEFT_RPC_END_SHUTDOWN, WEFT_RPC_UNAVAILABLE,
				   "the server is shutting down");
		pthread_mutex_unlock(&call->lock);
	}
	pthread_mutex_unlock(&q->lock);
}

static void
step_shutdown(WeftRpcServer *server, int64_t now_us)
{
	pthread_mutex_lock(&server->lock);
	if (now_us >= server->next_step_us && server->state == WEFT_RPC_SERVER_STOPPING) {
		server->state = WEFT_RPC_SERVER_ENDING;
		server->next_step_us = now_us + CUT_AFTER_US;
		for (unsigned i = 0; i < server->rt->n_queues; i++)
			end_calls(&server->rt->queues[i], server);
	} else if (now_us >= server->next_step_us && server->state == WEFT_RPC_SERVER_ENDING) {
		server->state = WEFT_RPC_SERVER_CUTTING;
		for (struct weft_rpc_core *core = server->cores; core != NULL; core = core->next)
			grpc_server_cancel_all_calls(core->core);
	}
	pthread_mutex_unlock(&server->lock);
}

void
weft_rpc_runtime_tick_servers(WeftRpcRuntime *rt, int64_t now_us)
{
	if (atomic_load(&rt->fast_ticks) == 0)
		return;
	pthread_mutex_lock(&rt->servers_lock);
	for (struct weft_rpc_link *link = rt->servers.next; link != &rt->servers; link = link->next)
		step_shutdown(WEFT_RPC_CONTAINER(link, WeftRpcServer, link), now_us);
	pthread_mutex_unlock(&rt->servers_lock);
}

void
weft_rpc_server_free(WeftRpcServer *server)
{
	struct weft_rpc_core *core;

	if (server == NULL)
		return;
	if (server->state == WEFT_RPC_SERVER_NEW)
		weft_rpc_server_shutdown_sync(server, 0);
	g_return_if_fail(atomic_load(&server->is_stopped));
	pthread_mutex_lock(&server->rt->servers_lock);
	weft_rpc_link_remove(&server->link);
	pthread_mutex_unlock(&server->rt->servers_lock);
	weft_rpc_unix_free(server->unix_listener);
	while ((core = server->cores) != NULL) {
		server->cores = core->next;
		weft_rpc_core_free(core);
	}
	weft_rpc_admissions_free(server->admissions);
	g_ptr_array_unref(server->entries);
	g_ptr_array_unref(server->tls);
	g_array_unref(server->ports);
	g_free(server->other);
	pthread_mutex_destroy(&server->lock);
	g_free(server);
}

void
weft_rpc_server_stats(WeftRpcServer *server, struct weft_rpc_server_stats *ret)
{
	struct weft_rpc_server_stats stats = {
		.calls_live = atomic_load(&server->calls_live),
		.calls_total = atomic_load(&server->calls_total),
		.connections_cut = atomic_load(&server->connections_cut),
	};

	for (unsigned i = 0; i < server->entries->len; i++) {
		const struct weft_rpc_entry *entry = g_ptr_array_index(server->entries, i);

		for (unsigned end = 0; end < WEFT_RPC_END_COUNT_; end++)
			stats.calls_ended[end] += atomic_load(&entry->ended[end]);
	}
	*ret = stats;
}

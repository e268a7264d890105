/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/health.h"

#include "proto/health.pb-c.h"
#include "proto/methods.h"
#include "rpc/call.h"

#include <pthread.h>
#include <string.h>

/* Names of services are ours; a longer one is none of them. */
#define MAX_NAME 256

typedef Grpc__Health__V1__HealthCheckRequest Request;
typedef Grpc__Health__V1__HealthCheckResponse Response;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus Serving;

struct weft_rpc_health {
	pthread_mutex_t lock;
	GHashTable *services; /* name -> bool */
	GPtrArray *watchers;  /* WeftRpcCall, referenced; the name is its data */
};

/* Watchers want the last state, not the history. */
static const struct weft_rpc_method check_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_HEALTH_CHECK],
	.backlog = 1,
};
static const struct weft_rpc_method watch_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_HEALTH_WATCH],
	.backlog = 1,
	.policy = WEFT_RPC_QUEUE_COALESCE,
};

/* Lock held. */
static bool
lookup(WeftRpcHealth *health, const char *name, Serving *ret)
{
	gpointer value;

	if (!g_hash_table_lookup_extended(health->services, name, NULL, &value))
		return false;
	*ret = GPOINTER_TO_INT(value)
		       ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
		       : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
	return true;
}

static void
on_check(WeftRpcCall *call, const struct ProtobufCMessage *msg, void *user)
{
	WeftRpcHealth *health = user;
	const Request *request = (const Request *) msg;
	Response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	bool known;

	pthread_mutex_lock(&health->lock);
	known = lookup(health, request->service, &response.status);
	pthread_mutex_unlock(&health->lock);
	if (known)
		weft_rpc_call_reply(call, &response.base);
	else
		weft_rpc_call_finish(call, WEFT_RPC_NOT_FOUND, "unknown service");
}

/* Lock held. */
static void
tell_watcher(WeftRpcHealth *health, WeftRpcCall *call)
{
	Response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	if (!lookup(health, weft_rpc_call_data(call), &response.status))
		response.status =
			GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
	(void) weft_rpc_call_send(call,
				  &response.base); /* a newer one replaces it, or it is over */
}

static void
on_watch(WeftRpcCall *call, const struct ProtobufCMessage *msg, void *user)
{
	WeftRpcHealth *health = user;
	const Request *request = (const Request *) msg;

	if (strlen(request->service) > MAX_NAME) {
		weft_rpc_call_finish(call, WEFT_RPC_INVALID_ARGUMENT, "name too long");
		return;
	}
	weft_rpc_call_set_data(call, g_strdup(request->service), g_free);
	pthread_mutex_lock(&health->lock);
	g_ptr_array_add(health->watchers, weft_rpc_call_ref(call));
	tell_watcher(health, call);
	pthread_mutex_unlock(&health->lock);
}

static void
on_watch_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	WeftRpcHealth *health = user;

	pthread_mutex_lock(&health->lock);
	g_ptr_array_remove_fast(health->watchers, call); /* false if it never began */
	pthread_mutex_unlock(&health->lock);
}

static const struct weft_rpc_handler check_handler = { .on_message = on_check };
static const struct weft_rpc_handler watch_handler = {
	.on_message = on_watch,
	.on_done = on_watch_done,
};

WeftRpcHealth *
weft_rpc_health_new(WeftRpcServer *server)
{
	WeftRpcHealth *health = g_new0(WeftRpcHealth, 1);

	pthread_mutex_init(&health->lock, NULL);
	health->services = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	health->watchers = g_ptr_array_new_with_free_func((GDestroyNotify) weft_rpc_call_unref);
	g_hash_table_insert(health->services, g_strdup(""), GINT_TO_POINTER(false));
	weft_rpc_server_add_method(server, &check_method, &check_handler, health);
	weft_rpc_server_add_method(server, &watch_method, &watch_handler, health);
	return health;
}

void
weft_rpc_health_free(WeftRpcHealth *health)
{
	if (health == NULL)
		return;
	g_ptr_array_unref(health->watchers);
	g_hash_table_unref(health->services);
	pthread_mutex_destroy(&health->lock);
	g_free(health);
}

void
weft_rpc_health_set(WeftRpcHealth *health, const char *service, bool serving)
{
	pthread_mutex_lock(&health->lock);
	g_hash_table_insert(health->services, g_strdup(service), GINT_TO_POINTER(serving));
	for (unsigned i = 0; i < health->watchers->len; i++) {
		WeftRpcCall *call = g_ptr_array_index(health->watchers, i);

		if (strcmp(weft_rpc_call_data(call), service) == 0)
			tell_watcher(health, call);
	}
	pthread_mutex_unlock(&health->lock);
}

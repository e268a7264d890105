/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A server on rpc/ for the tests of tests/interop/test_rpc_*.py. Prints "port N" when it serves.
 * SIGHUP reloads certificates, SIGTERM stops gracefully, SIGUSR1 turns health to not serving. */
#include "base/glib/log.h"
#include "rpc/health.h"
#include "rpc/runtime.h"
#include "rpc/server.h"
#include "rpc/tls.h"
#include "tests/interop/rpc-test-methods.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct testd {
	GMainLoop *loop;
	WeftRpcRuntime *rt;
	WeftRpcServer *server;
	WeftRpcServerTls *tls;
	WeftRpcHealth *health;
	struct test_service *service;
	int grace_ms;
};

struct options {
	char *listen, *cert, *key, *client_ca, *unix_path, *delivery;
	int queues, grace_ms, max_calls, per_address, connections, rate, idle_ms, ping_ms;
	gboolean debug;
};

static void
options_clear(struct options *o)
{
	g_free(o->listen);
	g_free(o->cert);
	g_free(o->key);
	g_free(o->client_ca);
	g_free(o->unix_path);
	g_free(o->delivery);
}

static gboolean
on_reload(gpointer user)
{
	struct testd *d = user;
	g_autoptr(GError) error = NULL;

	if (d->tls == NULL || weft_rpc_server_tls_reload(d->tls, &error))
		printf("reloaded\n");
	else
		printf("refused: %s\n", error->message);
	fflush(stdout);
	return G_SOURCE_CONTINUE;
}

static gboolean
on_not_serving(gpointer user)
{
	struct testd *d = user;

	weft_rpc_health_set(d->health, "", false);
	return G_SOURCE_CONTINUE;
}

static gboolean
quit_loop(gpointer user)
{
	g_main_loop_quit(user);
	return G_SOURCE_REMOVE;
}

static void
on_stopped(void *user)
{
	struct testd *d = user;

	printf("stopped\n");
	fflush(stdout);
	/* With inline delivery this is a queue's thread. */
	g_idle_add(quit_loop, d->loop);
}

static gboolean
on_term(gpointer user)
{
	struct testd *d = user;

	weft_rpc_server_shutdown(d->server, (unsigned) d->grace_ms, on_stopped, d);
	return G_SOURCE_REMOVE;
}

static enum weft_rpc_delivery
delivery_of(const char *name)
{
	if (name != NULL && strcmp(name, "inline") == 0)
		return WEFT_RPC_DELIVER_INLINE;
	if (name != NULL && strcmp(name, "loop") == 0)
		return WEFT_RPC_DELIVER_LOOP;
	return WEFT_RPC_DELIVER_CONTEXT;
}

static bool
serve(struct testd *d, const struct options *o, GError **error)
{
	const struct weft_rpc_runtime_config rt_config = {
		.delivery = delivery_of(o->delivery),
		.queues = (unsigned) o->queues,
	};
	const struct weft_rpc_server_config config = {
		.max_calls = (unsigned) o->max_calls,
		.max_calls_per_address = (unsigned) o->per_address,
		.max_connections_per_address = (unsigned) o->connections,
		.calls_per_second = (unsigned) o->rate,
		.idle_timeout_ms = (unsigned) o->idle_ms,
		.min_ping_interval_ms = (unsigned) o->ping_ms,
		.max_streams_per_connection = 10000,
	};
	const struct weft_rpc_server_tls_config tls_config = {
		.cert_file = o->cert,
		.key_file = o->key,
		.client_ca_file = o->client_ca,
		.client_certificate = o->client_ca != NULL ? WEFT_RPC_CLIENT_CERT_REQUIRED
							   : WEFT_RPC_CLIENT_CERT_NONE,
	};
	uint16_t port = 0;

	d->rt = weft_rpc_runtime_new(&rt_config, error);
	if (d->rt == NULL)
		return false;
	if (o->cert != NULL && (d->tls = weft_rpc_server_tls_new(&tls_config, error)) == NULL)
		return false;
	d->server = weft_rpc_server_new(d->rt, &config);
	d->health = weft_rpc_health_new(d->server);
	d->service = test_service_new(d->rt, d->server);
	if (!weft_rpc_server_listen(d->server, o->listen != NULL ? o->listen : "127.0.0.1:0",
				    d->tls, &port, error))
		return false;
	if (o->unix_path != NULL &&
	    !weft_rpc_server_listen_unix(d->server, o->unix_path, 0660, (gid_t) -1, error))
		return false;
	weft_rpc_server_start(d->server);
	weft_rpc_health_set(d->health, "", true);
	printf("port %u\n", port);
	fflush(stdout);
	return true;
}

static void
clear(struct testd *d)
{
	weft_rpc_server_free(d->server);
	weft_rpc_health_free(d->health);
	if (d->service != NULL)
		test_service_free(d->service);
	weft_rpc_server_tls_unref(d->tls);
	weft_rpc_runtime_free(d->rt);
	g_main_loop_unref(d->loop);
}

int
main(int argc, char **argv)
{
	struct options o = { .grace_ms = 500 };
	const GOptionEntry entries[] = {
		{ "listen", 0, 0, G_OPTION_ARG_STRING, &o.listen, NULL, NULL },
		{ "cert", 0, 0, G_OPTION_ARG_STRING, &o.cert, NULL, NULL },
		{ "key", 0, 0, G_OPTION_ARG_STRING, &o.key, NULL, NULL },
		{ "client-ca", 0, 0, G_OPTION_ARG_STRING, &o.client_ca, NULL, NULL },
		{ "unix", 0, 0, G_OPTION_ARG_STRING, &o.unix_path, NULL, NULL },
		{ "delivery", 0, 0, G_OPTION_ARG_STRING, &o.delivery, NULL, NULL },
		{ "queues", 0, 0, G_OPTION_ARG_INT, &o.queues, NULL, NULL },
		{ "grace-ms", 0, 0, G_OPTION_ARG_INT, &o.grace_ms, NULL, NULL },
		{ "max-calls", 0, 0, G_OPTION_ARG_INT, &o.max_calls, NULL, NULL },
		{ "per-address", 0, 0, G_OPTION_ARG_INT, &o.per_address, NULL, NULL },
		{ "connections", 0, 0, G_OPTION_ARG_INT, &o.connections, NULL, NULL },
		{ "rate", 0, 0, G_OPTION_ARG_INT, &o.rate, NULL, NULL },
		{ "idle-ms", 0, 0, G_OPTION_ARG_INT, &o.idle_ms, NULL, NULL },
		{ "ping-ms", 0, 0, G_OPTION_ARG_INT, &o.ping_ms, NULL, NULL },
		{ "debug", 0, 0, G_OPTION_ARG_NONE, &o.debug, NULL, NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	struct testd d = { 0 };
	const struct weft_log_config log = {
		.identifier = "rpc-testd",
		.target = WEFT_LOG_TEXT,
	};

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		fprintf(stderr, "rpc-testd: %s\n", error->message);
		return 2;
	}
	weft_log_init(&log);
	weft_log_set_level(o.debug ? WEFT_LOG_DEBUG : WEFT_LOG_WARNING);
	d.grace_ms = o.grace_ms;
	d.loop = g_main_loop_new(NULL, FALSE);
	g_unix_signal_add(SIGHUP, on_reload, &d);
	g_unix_signal_add(SIGUSR1, on_not_serving, &d);
	g_unix_signal_add(SIGTERM, on_term, &d);
	if (!serve(&d, &o, &error)) {
		fprintf(stderr, "rpc-testd: %s\n", error->message);
		clear(&d);
		options_clear(&o);
		return 1;
	}
	g_main_loop_run(d.loop);
	clear(&d);
	options_clear(&o);
	return 0;
}

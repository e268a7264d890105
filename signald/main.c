/* SPDX-License-Identifier: GPL-3.0-or-later */
/* weft-signald: configuration, listeners, service. */
#include "base/glib/main.h"
#include "base/env.h"
#include "base/glib/source.h"
#include "base/key.h"
#include "rpc/health.h"
#include "rpc/server.h"
#include "signald/conf.h"
#include "signald/service.h"

#define GRACE_MS 500 /* streams do not end by themselves; Sends in flight do */

struct signald {
	WeftMain *frame;
	WeftRpcRuntime *runtime;
	WeftRpcServer *server;
	WeftRpcServerTls *tls;
	WeftRpcHealth *health;
	SigService *service;
	GSource *tick;
};

static void
get_config(const WeftConf *conf, struct weft_rpc_server_config *ret)
{
	unsigned rate = (unsigned) weft_conf_int(conf, SIG_CONF_REGISTRATIONS_PER_ADDRESS);

	*ret = (struct weft_rpc_server_config){
		.max_receive_bytes = (size_t) weft_conf_int(conf, SIG_CONF_MESSAGE_SIZE),
		.max_calls = (unsigned) weft_conf_int(conf, SIG_CONF_MAX_STREAMS),
		.max_calls_per_address =
			(unsigned) weft_conf_int(conf, SIG_CONF_STREAMS_PER_ADDRESS),
		/* Sends are calls too: they have limits of their own, so theirs is added. */
		.calls_per_second = rate == 0 ? 0
					      : rate + (unsigned) weft_conf_int(
							       conf, SIG_CONF_MESSAGES_PER_SENDER),
		.calls_burst = rate == 0 ? 0
					 : 10 * rate + (unsigned) weft_conf_int(
							       conf, SIG_CONF_SENDER_BURST),
	};
}

static bool
listen_all(struct signald *d, const WeftConf *conf, GError **error)
{
	size_t n;
	const struct weft_endpoint *endpoints = weft_conf_endpoints(conf, SIG_CONF_LISTEN, &n);

	if (weft_conf_is_set(conf, SIG_CONF_TLS_CERT)) {
		const struct weft_rpc_server_tls_config tls = {
			.cert_file = weft_conf_string(conf, SIG_CONF_TLS_CERT),
			.key_file = weft_conf_string(conf, SIG_CONF_TLS_KEY),
		};

		d->tls = weft_rpc_server_tls_new(&tls, error);
		if (d->tls == NULL)
			return false;
	}
	for (size_t i = 0; i < n; i++) {
		char text[WEFT_ENDPOINT_TEXT_SIZE];
		uint16_t port;

		weft_endpoint_format(&endpoints[i], text);
		if (!weft_rpc_server_listen(d->server, text, d->tls, &port, error))
			return false;
		weft_log_info("listening on %s (port %u%s)", text, port,
			      d->tls != NULL ? ", TLS" : "");
	}
	return true;
}

static void
do_tick(void *user)
{
	sig_service_tick(((struct signald *) user)->service);
}

/* The service lives on the queue's thread: the main loop's timer only knocks there. */
static gboolean
on_tick(gpointer user)
{
	struct signald *d = user;

	weft_rpc_runtime_invoke(d->runtime, do_tick, d);
	return G_SOURCE_CONTINUE;
}

static bool
on_start(WeftMain *m, void *user, GError **error)
{
	static const struct weft_rpc_runtime_config runtime = { .delivery =
									WEFT_RPC_DELIVER_INLINE };
	struct signald *d = user;
	const WeftConf *conf = weft_main_conf(m);
	struct weft_rpc_server_config config;

	d->frame = m;
	if (!weft_crypto_init()) {
		g_set_error(error, WEFT_MAIN_ERROR, WEFT_MAIN_ERROR_CONFIG,
			    "the system has no usable source of randomness");
		return false;
	}
	d->runtime = weft_rpc_runtime_new(&runtime, error);
	if (d->runtime == NULL)
		return false;
	get_config(conf, &config);
	d->server = weft_rpc_server_new(d->runtime, &config);
	d->service = sig_service_new(conf, weft_env_system(), weft_main_metrics(m), d->server);
	d->health = weft_rpc_health_new(d->server);
	if (!listen_all(d, conf, error))
		return false;
	weft_rpc_server_start(d->server);
	weft_rpc_health_set(d->health, "", true);
	weft_rpc_health_set(d->health, "signalexchange.SignalExchange", true);
	d->tick = weft_source_timeout_us(weft_main_context(m), G_USEC_PER_SEC, on_tick, d);
	return true;
}

struct new_conf {
	SigService *service;
	const WeftConf *conf;
	GMutex lock;
	GCond done;
	bool taken;
};

static void
take_conf(void *user)
{
	struct new_conf *n = user;

	sig_service_set_conf(n->service, n->conf);
	g_mutex_lock(&n->lock);
	n->taken = true;
	g_cond_signal(&n->done);
	g_mutex_unlock(&n->lock);
}

static bool
on_reload(WeftMain *m, const WeftConf *old, const WeftConf *now, void *user, GError **error)
{
	struct signald *d = user;
	struct new_conf n = { .service = d->service, .conf = now };
	struct weft_rpc_server_config config;

	if (d->tls != NULL && !weft_rpc_server_tls_reload(d->tls, error))
		return false;
	get_config(now, &config);
	weft_rpc_server_set_limits(d->server, &config);
	g_mutex_init(&n.lock);
	g_cond_init(&n.done);
	weft_rpc_runtime_invoke(d->runtime, take_conf, &n);
	g_mutex_lock(&n.lock);
	while (!n.taken)
		g_cond_wait(&n.done, &n.lock);
	g_mutex_unlock(&n.lock);
	g_mutex_clear(&n.lock);
	g_cond_clear(&n.done);
	return true;
}

static bool
on_stop(WeftMain *m, void *user)
{
	struct signald *d = user;

	weft_source_cancel(&d->tick);
	weft_rpc_health_set(d->health, "", false);
	weft_rpc_server_shutdown_sync(d->server, GRACE_MS);
	return true;
}

static void
on_clear(void *user)
{
	struct signald *d = user;

	weft_source_cancel(&d->tick);
	weft_rpc_server_free(d->server);
	weft_rpc_health_free(d->health);
	sig_service_free(d->service);
	weft_rpc_runtime_free(d->runtime);
	weft_rpc_server_tls_unref(d->tls);
}

int
main(int argc, char **argv)
{
	static const struct weft_main_daemon daemon = {
		.name = "weft-signald",
		.metrics_name = "signald",
		.summary = "the rendezvous of a Weft network",
		.schema = &sig_conf_schema,
		.start = on_start,
		.reload = on_reload,
		.stop = on_stop,
		.clear = on_clear,
	};
	struct signald d = { 0 };

	return weft_main_run(&daemon, argc, argv, &d);
}

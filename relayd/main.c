/* SPDX-License-Identifier: GPL-3.0-or-later */
/* weft-relayd: the control thread. It makes the workers' settings, starts and stops them, reads
 * their counters; it never touches a packet. */
#include "base/glib/main.h"
#include "base/env.h"
#include "base/glib/source.h"
#include "base/key.h"
#include "relayd/conf.h"
#include "relayd/control.h"
#include "relayd/relay_ws.h"
#include "relayd/shared.h"
#include "relayd/worker.h"

#include <gio/gio.h>
#include <string.h>

struct relayd {
	WeftMain *frame;
	const struct weft_env *env;
	struct relay_shared *shared;
	struct relay_settings *settings; /* in force */
	GPtrArray *retired;              /* settings that a worker may still read */
	RelayWorker *workers[RELAY_WORKERS_MAX];
	unsigned n_workers;
	bool started;
	uint64_t generation;
	uint64_t heartbeats[RELAY_WORKERS_MAX];
	RelayControl *control;
	GSource *tick, *stop_timer, *drain_timer;
};

static bool
fail(GError **error, const char *text)
{
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", text);
	return false;
}

static void
add_listeners(GArray *list,
	      const WeftConf *conf,
	      unsigned key,
	      enum relay_transport transport,
	      enum relay_service service)
{
	size_t n;
	const struct weft_endpoint *endpoints = weft_conf_endpoints(conf, key, &n);

	for (size_t i = 0; i < n; i++) {
		struct relay_listen l = { .at = endpoints[i],
					  .transport = transport,
					  .service = service,
					  .inherited_fd = -1 };

		g_array_append_val(list, l);
	}
}

static GArray *
get_listeners(const WeftConf *conf)
{
	GArray *list = g_array_new(FALSE, FALSE, sizeof(struct relay_listen));
	const char *url = weft_conf_string(conf, RELAY_CONF_RELAY_URL);
	bool relay_tls = url != NULL && g_str_has_prefix(url, "rels:");

	add_listeners(list, conf, RELAY_CONF_LISTEN_UDP, RELAY_UDP, RELAY_SERVICE_TURN);
	add_listeners(list, conf, RELAY_CONF_LISTEN_TCP, RELAY_TCP, RELAY_SERVICE_TURN);
	add_listeners(list, conf, RELAY_CONF_LISTEN_TLS, RELAY_TLS, RELAY_SERVICE_TURN);
	add_listeners(list, conf, RELAY_CONF_RELAY_LISTEN, relay_tls ? RELAY_TLS : RELAY_TCP,
		      RELAY_SERVICE_RELAY);
	add_listeners(list, conf, RELAY_CONF_RELAY_LISTEN_TLS, RELAY_TLS, RELAY_SERVICE_RELAY);
	return list;
}

static unsigned
worker_count(const WeftConf *conf)
{
	int64_t n = weft_conf_int(conf, RELAY_CONF_WORKERS);

	return (unsigned) CLAMP(n != 0 ? n : g_get_num_processors(), 1, RELAY_WORKERS_MAX);
}

static bool
make_workers(struct relayd *d, const WeftConf *conf, GError **error)
{
	g_autoptr(GArray) listeners = get_listeners(conf);
	char why[256] = "";
	struct relay_worker_config config = {
		.env = d->env,
		.shared = d->shared,
		.settings = d->settings,
		.all = d->workers,
		.count = worker_count(conf),
		.relay = &relay_ws_ops,
	};

	for (unsigned i = 0; i < config.count; i++) {
		config.index = i;
		config.allocations_max = (uint32_t) weft_conf_int(conf, RELAY_CONF_MAX_ALLOCATIONS);
		config.listen = (const struct relay_listen *) (void *) listeners->data;
		config.n_listen = listeners->len;
		d->workers[i] = relay_worker_new(&config, why, sizeof why);
		if (d->workers[i] == NULL)
			return fail(error, why);
		d->n_workers++;
		/* The other workers share the ports that the first one was given. */
		for (guint l = 0; i == 0 && l < listeners->len; l++)
			g_array_index(listeners, struct relay_listen, l).at =
				relay_worker_listen_at(d->workers[0], l);
	}
	for (guint l = 0; l < listeners->len; l++) {
		static const char *const transports[] = {
			[RELAY_UDP] = "UDP", [RELAY_TCP] = "TCP", [RELAY_TLS] = "TLS"
		};
		const struct relay_listen *listen =
			&g_array_index(listeners, struct relay_listen, l);
		char text[WEFT_ENDPOINT_TEXT_SIZE];

		weft_log_info("listening on %s (%s, %s)", weft_endpoint_format(&listen->at, text),
			      transports[listen->transport],
			      listen->service == RELAY_SERVICE_TURN ? "STUN and TURN" : "relay");
	}
	return true;
}

static bool
start_workers(struct relayd *d, GError **error)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		int rc = relay_worker_start(d->workers[i]);

		if (rc < 0)
			return fail(error, g_strerror(-rc));
		d->started = true;
	}
	return true;
}

static void
settings_free(void *p)
{
	relay_settings_free(p);
}

/* Frees settings that no worker reads any more. */
static void
free_retired(struct relayd *d)
{
	uint64_t oldest = UINT64_MAX;

	for (unsigned i = 0; i < d->n_workers; i++)
		oldest = MIN(oldest, relay_worker_generation(d->workers[i]));
	for (guint i = d->retired->len; i-- > 0;) {
		const struct relay_settings *s = g_ptr_array_index(d->retired, i);

		if (s->generation < oldest)
			g_ptr_array_remove_index_fast(d->retired, i);
	}
}

static gboolean
on_tick(gpointer user)
{
	struct relayd *d = user;

	free_retired(d);
	weft_main_status(d->frame, "%u allocations",
			 (unsigned) atomic_load(&d->shared->allocations));
	return G_SOURCE_CONTINUE;
}

/* For the watchdog: every worker has turned since it was last asked. */
static bool
is_alive(void *user)
{
	struct relayd *d = user;
	bool alive = true;

	for (unsigned i = 0; i < d->n_workers; i++) {
		uint64_t now = relay_counter_read(&relay_worker_counters(d->workers[i])->heartbeat);

		relay_worker_wake(d->workers[i]); /* an idle one turns for the next time */
		if (now == d->heartbeats[i])
			alive = false;
		d->heartbeats[i] = now;
	}
	return alive;
}

static bool
on_start(WeftMain *m, void *user, GError **error)
{
	struct relayd *d = user;
	const WeftConf *conf = weft_main_conf(m);
	const struct relay_control_config control = {
		.runtime_dir = weft_conf_string(conf, WEFT_MAIN_CONF_RUNTIME_DIR),
		.workers = d->workers,
		.n_workers = &d->n_workers,
		.context = weft_main_context(m),
		.env = weft_env_system(),
	};

	d->frame = m;
	d->env = weft_env_system();
	d->retired = g_ptr_array_new_with_free_func(settings_free);
	if (!weft_crypto_init())
		return fail(error, "the system has no usable source of randomness");
	d->settings = relay_conf_settings(conf, error);
	if (d->settings == NULL)
		return false;
	d->settings->generation = ++d->generation;
	d->shared = relay_shared_new(d->env, d->settings->allocations_max);
	if (d->shared == NULL)
		return fail(error, "out of memory");
	if (!make_workers(d, conf, error) || !start_workers(d, error))
		return false;
	relay_control_add_metrics(weft_main_metrics(m), d->workers, &d->n_workers);
	d->control = relay_control_new(&control, error);
	if (d->control == NULL)
		return false;
	d->tick = weft_source_timeout_us(weft_main_context(m), G_USEC_PER_SEC, on_tick, d);
	return true;
}

static bool
on_reload(WeftMain *m, const WeftConf *old, const WeftConf *now, void *user, GError **error)
{
	struct relayd *d = user;
	struct relay_settings *settings = relay_conf_settings(now, error);

	if (settings == NULL)
		return false;
	settings->generation = ++d->generation;
	for (unsigned i = 0; i < d->n_workers; i++)
		relay_worker_publish(d->workers[i], settings);
	g_ptr_array_add(d->retired, d->settings);
	d->settings = settings;
	return true;
}

static gboolean
on_stop_timer(gpointer user)
{
	struct relayd *d = user;

	weft_main_stopped(d->frame);
	return G_SOURCE_REMOVE;
}

/* Nothing is left: no need to wait for the end of the time. */
static gboolean
on_drain_timer(gpointer user)
{
	struct relayd *d = user;
	uint64_t left = atomic_load(&d->shared->allocations);

	for (unsigned i = 0; i < d->n_workers; i++)
		left += relay_counter_read(
			&relay_worker_counters(d->workers[i])->relay_connections);
	if (left > 0)
		return G_SOURCE_CONTINUE;
	weft_main_stopped(d->frame);
	return G_SOURCE_REMOVE;
}

static bool
on_stop(WeftMain *m, void *user)
{
	struct relayd *d = user;
	int64_t after_us = weft_conf_int(weft_main_conf(m), RELAY_CONF_STOP_AFTER);

	atomic_store(&d->shared->draining, true);
	for (unsigned i = 0; i < d->n_workers; i++)
		relay_worker_wake(d->workers[i]);
	if (after_us == 0)
		return true;
	d->stop_timer = weft_source_timeout_us(weft_main_context(m), after_us, on_stop_timer, d);
	d->drain_timer = weft_source_timeout_us(weft_main_context(m), 100000, on_drain_timer, d);
	return false;
}

static void
on_clear(void *user)
{
	struct relayd *d = user;

	weft_source_cancel(&d->tick);
	weft_source_cancel(&d->stop_timer);
	weft_source_cancel(&d->drain_timer);
	relay_control_free(d->control);
	for (unsigned i = 0; d->started && i < d->n_workers; i++)
		relay_worker_stop(d->workers[i]);
	for (unsigned i = 0; i < d->n_workers; i++)
		relay_worker_free(d->workers[i]);
	relay_shared_free(d->shared);
	g_clear_pointer(&d->retired, g_ptr_array_unref);
	relay_settings_free(d->settings);
}

int
main(int argc, char **argv)
{
	static const struct weft_main_daemon daemon = {
		.name = "weft-relayd",
		.metrics_name = "relayd",
		.summary = "STUN, TURN and relay server of a Weft network",
		.schema = &relay_conf_schema,
		.start = on_start,
		.reload = on_reload,
		.stop = on_stop,
		.stop_timeout_us = 3700 * (int64_t) G_USEC_PER_SEC,
		.alive = is_alive,
		.clear = on_clear,
	};
	struct relayd d = { 0 };

	return weft_main_run(&daemon, argc, argv, &d);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* weft-mgmtd: configuration, store, model, service; who is told of what. */
#include "base/glib/main.h"
#include "base/env.h"
#include "base/glib/source.h"
#include "base/key.h"
#include "mgmtd/admin/admin.h"
#include "mgmtd/adminsock/adminsock.h"
#include "mgmtd/conf.h"
#include "mgmtd/loader.h"
#include "mgmtd/service/push.h"
#include "mgmtd/service/service.h"
#include "mgmtd/store/engine.h"
#include "mgmtd/store/store.h"
#include "rpc/health.h"
#include "rpc/server.h"

#include <errno.h>
#include <string.h>

#define GRACE_MS 2000 /* for calls under way at SIGTERM; streams are ended then */

struct mgmtd {
	WeftMain *frame;
	const struct weft_env *env;
	MgmtStore *store;
	MgmtModel *model;
	MgmtAdmin *admin;
	MgmtPush *push;
	MgmtService *service;
	MgmtAdminSock *adminsock;
	WeftRpcRuntime *runtime;
	WeftRpcServer *server;
	WeftRpcServerTls *tls;
	WeftRpcHealth *health;
	GSource *status_timer, *sweep_timer;
	int64_t started_us; /* wall clock */
};

static void
on_dirty(void *user, MgmtAccount *account, const struct mgmt_bitset *peers)
{
	mgmt_push_dirty(((struct mgmtd *) user)->push, account, peers);
}

static void
on_peer_leaving(void *user, MgmtAccount *account, const struct mgmt_peer *peer)
{
	mgmt_push_farewell(((struct mgmtd *) user)->push, account, peer);
}

static void
on_peer_changed(void *user, MgmtAccount *account, const struct mgmt_peer *peer)
{
	mgmt_push_peer_changed(((struct mgmtd *) user)->push, account, peer);
}

static void
on_account_changed(void *user, MgmtAccount *account)
{
	mgmt_push_account_changed(((struct mgmtd *) user)->push, account);
}

static void
on_event(void *user, const struct mgmt_event *event)
{
	mgmt_adminsock_event(((struct mgmtd *) user)->adminsock, event);
}

static void
on_status(void *user, const struct mgmt_id *account, const struct mgmt_id *peer, bool connected)
{
	mgmt_admin_peer_status(((struct mgmtd *) user)->admin, account, peer, connected);
}

static gboolean
on_status_timer(gpointer user)
{
	struct mgmtd *d = user;

	mgmt_admin_flush_status(d->admin);
	weft_main_status(d->frame, "%s%u streams",
			 mgmt_store_is_up(d->store) ? "" : "database away, ",
			 mgmt_push_stream_count(d->push));
	return G_SOURCE_CONTINUE;
}

static void
on_swept(void *user, const void *object, const GError *error)
{
	if (error != NULL)
		weft_log_debug("an ephemeral peer stays for now: %s", error->message);
}

/* Ephemeral peers that have been away for long enough; after a start they get their full time. */
static gboolean
on_sweep_timer(gpointer user)
{
	static const struct mgmt_actor sweeper = { .kind = MGMT_INITIATOR_SYSTEM,
						   .may_write = true,
						   .id = "sys" };
	struct mgmtd *d = user;
	int64_t away_us = weft_conf_int(weft_main_conf(d->frame), MGMT_CONF_EPHEMERAL_AFTER);
	int64_t now_us = weft_env_wall_us(d->env);
	const GPtrArray *accounts = mgmt_model_accounts(d->model);

	for (guint i = 0; i < accounts->len; i++) {
		MgmtAccount *a = g_ptr_array_index(accounts, i);

		for (guint j = 0; j < a->peers->len; j++) {
			const struct mgmt_peer *p = g_ptr_array_index(a->peers, j);

			if (p == NULL || !p->ephemeral || mgmt_push_is_connected(d->push, &p->id) ||
			    MAX(p->last_seen_us, d->started_us) + away_us > now_us)
				continue;
			mgmt_admin_delete_peer(d->admin, &sweeper, &a->row.id, &p->id,
					       (struct mgmt_reply){ on_swept, NULL });
		}
	}
	return G_SOURCE_CONTINUE;
}

static void
get_limits(const WeftConf *conf, struct weft_rpc_server_config *ret)
{
	*ret = (struct weft_rpc_server_config){
		.max_calls = (unsigned) weft_conf_int(conf, MGMT_CONF_MAX_STREAMS),
		.max_calls_per_address =
			(unsigned) weft_conf_int(conf, MGMT_CONF_MAX_CALLS_PER_ADDRESS),
		.calls_per_second = (unsigned) weft_conf_int(conf, MGMT_CONF_CALLS_PER_SECOND),
	};
}

static bool
open_store(struct mgmtd *d, const WeftConf *conf, GError **error)
{
	const struct mgmt_store_config config = {
		.url = weft_conf_string(conf, MGMT_CONF_STORE_URL),
		.context = weft_main_context(d->frame),
		.env = d->env,
	};

	d->store = mgmt_store_open(&config, error);
	if (d->store == NULL) {
		g_autofree char *shown = weft_conf_redact_url(config.url);

		g_prefix_error(error, "store %s: ", shown);
		if (error != NULL &&
		    (g_error_matches(*error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_SCHEMA) ||
		     g_error_matches(*error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_IN_USE))) {
			GError *config_error = g_error_new_literal(
				WEFT_MAIN_ERROR, WEFT_MAIN_ERROR_CONFIG, (*error)->message);

			g_clear_error(error);
			g_propagate_error(error, config_error);
		}
		return false;
	}
	d->model = mgmt_model_new(d->env);
	return mgmt_loader_load(d->store, d->model, error);
}

static bool
listen_all(struct mgmtd *d, const WeftConf *conf, GError **error)
{
	size_t n;
	const struct weft_endpoint *endpoints = weft_conf_endpoints(conf, MGMT_CONF_LISTEN, &n);

	if (weft_conf_is_set(conf, MGMT_CONF_TLS_CERT)) {
		const struct weft_rpc_server_tls_config tls = {
			.cert_file = weft_conf_string(conf, MGMT_CONF_TLS_CERT),
			.key_file = weft_conf_string(conf, MGMT_CONF_TLS_KEY),
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

static bool
start_service(struct mgmtd *d, const WeftConf *conf, GError **error)
{
	const struct weft_rpc_runtime_config runtime = { .delivery = WEFT_RPC_DELIVER_LOOP,
							 .context = weft_main_context(d->frame) };
	const struct mgmt_admin_hooks hooks = { on_dirty,        on_peer_leaving,
						on_peer_changed, on_account_changed,
						on_event,        d };
	struct weft_rpc_server_config limits;
	struct mgmt_service_config service = { .env = d->env,
					       .conf = conf,
					       .metrics = weft_main_metrics(d->frame) };
	struct mgmt_push_config push = { .context = weft_main_context(d->frame),
					 .env = d->env,
					 .model = d->model,
					 .conf = conf,
					 .metrics = weft_main_metrics(d->frame),
					 .on_status = on_status,
					 .user = d };
	struct weft_key public;

	if (!mgmt_store_box_key(d->store, &service.server_private, error))
		return false;
	weft_key_public(&public, &service.server_private);
	push.server_public = service.server_public = weft_key_to_text(&public);
	d->runtime = weft_rpc_runtime_new(&runtime, error);
	if (d->runtime == NULL)
		return false;
	get_limits(conf, &limits);
	d->server = weft_rpc_server_new(d->runtime, &limits);
	d->admin = mgmt_admin_new(d->model, d->store, d->env, &hooks);
	push.runtime = d->runtime;
	d->push = mgmt_push_new(&push);
	service.admin = d->admin;
	service.push = d->push;
	d->service = mgmt_service_new(&service, d->server);
	weft_key_wipe(&service.server_private);
	d->health = weft_rpc_health_new(d->server);
	return listen_all(d, conf, error);
}

static bool
on_start(WeftMain *m, void *user, GError **error)
{
	struct mgmtd *d = user;
	const WeftConf *conf = weft_main_conf(m);
	const struct mgmt_adminsock_config sock = {
		.runtime_dir = weft_conf_string(conf, WEFT_MAIN_CONF_RUNTIME_DIR),
		.group = weft_conf_string(conf, MGMT_CONF_ADMIN_GROUP),
		.env = weft_env_system(),
	};

	d->frame = m;
	d->env = weft_env_system();
	d->started_us = weft_env_wall_us(d->env);
	if (!weft_crypto_init()) {
		g_set_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_FAILED,
			    "the system has no usable source of randomness");
		return false;
	}
	if (!open_store(d, conf, error) || !start_service(d, conf, error))
		return false;
	d->adminsock = mgmt_adminsock_new(&sock, d->runtime, d->admin, d->push, d->store, error);
	if (d->adminsock == NULL)
		return false;
	d->status_timer =
		weft_source_timeout_us(weft_main_context(m), G_USEC_PER_SEC, on_status_timer, d);
	d->sweep_timer =
		weft_source_timeout_us(weft_main_context(m), 5 * G_USEC_PER_SEC, on_sweep_timer, d);
	weft_rpc_server_start(d->server);
	weft_rpc_health_set(d->health, "", true);
	weft_rpc_health_set(d->health, "management.ManagementService", true);
	if (mgmt_model_accounts(d->model)->len == 0)
		weft_log_notice("there is no account yet: run weft-admin init");
	return true;
}

static bool
on_reload(WeftMain *m, const WeftConf *old, const WeftConf *now, void *user, GError **error)
{
	struct mgmtd *d = user;
	struct weft_rpc_server_config limits;

	if (d->tls != NULL && !weft_rpc_server_tls_reload(d->tls, error))
		return false;
	get_limits(now, &limits);
	weft_rpc_server_set_limits(d->server, &limits);
	mgmt_push_set_conf(d->push, now);
	mgmt_service_set_conf(d->service, now);
	return true;
}

static void
on_server_stopped(void *user)
{
	weft_main_stopped(((struct mgmtd *) user)->frame);
}

static bool
on_stop(WeftMain *m, void *user)
{
	struct mgmtd *d = user;

	weft_rpc_health_set(d->health, "", false);
	weft_source_cancel(&d->sweep_timer);
	weft_source_cancel(&d->status_timer);
	mgmt_adminsock_free(g_steal_pointer(&d->adminsock));
	weft_rpc_server_shutdown(d->server, GRACE_MS, on_server_stopped, d);
	return false;
}

static void
on_clear(void *user)
{
	struct mgmtd *d = user;

	weft_source_cancel(&d->sweep_timer);
	weft_source_cancel(&d->status_timer);
	mgmt_adminsock_free(d->adminsock);
	weft_rpc_server_free(d->server);
	weft_rpc_health_free(d->health);
	mgmt_push_free(d->push);
	mgmt_store_close(d->store);
	mgmt_service_free(d->service);
	mgmt_admin_free(d->admin);
	weft_rpc_runtime_free(d->runtime);
	weft_rpc_server_tls_unref(d->tls);
	mgmt_model_free(d->model);
}

int
main(int argc, char **argv)
{
	static const struct weft_main_daemon daemon = {
		.name = "weft-mgmtd",
		.metrics_name = "mgmtd",
		.summary = "the management server of a Weft network",
		.schema = &mgmt_conf_schema,
		.start = on_start,
		.reload = on_reload,
		.stop = on_stop,
		.clear = on_clear,
	};
	struct mgmtd d = { 0 };

	return weft_main_run(&daemon, argc, argv, &d);
}

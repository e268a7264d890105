/* SPDX-License-Identifier: GPL-3.0-or-later */
/* weftd: configuration, control socket, mesh. */
#include "base/glib/main.h"
#include "agent/conf.h"
#include "agent/control.h"
#include "agent/mesh.h"
#include "base/key.h"

struct weftd {
	WeftRpcRuntime *runtime;
	AgentControl *control;
	AgentMesh *mesh;
};

static void
on_changed(void *user)
{
	struct weftd *d = user;

	if (d->control != NULL)
		agent_control_changed(d->control);
}

static bool
on_start(WeftMain *m, void *user, GError **error)
{
	static const struct weft_rpc_runtime_config runtime = { .delivery =
									WEFT_RPC_DELIVER_CONTEXT };
	static const struct agent_mesh_ops ops = { .changed = on_changed };
	struct weftd *d = user;
	const WeftConf *conf = weft_main_conf(m);

	if (!weft_crypto_init()) {
		g_set_error(error, WEFT_MAIN_ERROR, WEFT_MAIN_ERROR_CONFIG,
			    "the system has no usable source of randomness");
		return false;
	}
	d->runtime = weft_rpc_runtime_new(&runtime, error);
	if (d->runtime == NULL)
		return false;
	d->control = agent_control_new(conf, d->runtime, error);
	if (d->control == NULL)
		return false;
	d->mesh = agent_mesh_new(conf, d->runtime, &ops, d, error);
	if (d->mesh == NULL)
		return false;
	agent_control_attach(d->control, d->mesh);
	return true;
}

static bool
on_stop(WeftMain *m, void *user)
{
	return true; /* the tunnels stay: `weft down` removes them */
}

static void
on_clear(void *user)
{
	struct weftd *d = user;

	agent_control_free(d->control);
	agent_mesh_free(d->mesh);
	weft_rpc_runtime_free(d->runtime);
}

int
main(int argc, char **argv)
{
	static const struct weft_main_daemon daemon = {
		.name = "weftd",
		.metrics_name = "agent",
		.summary = "the agent of a Weft network",
		.schema = &agent_conf_schema,
		.start = on_start,
		.stop = on_stop,
		.clear = on_clear,
	};
	struct weftd d = { 0 };

	return weft_main_run(&daemon, argc, argv, &d);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/control.h"

#include "agent/conf.h"
#include "agent/status.h"
#include "base/glib/file.h"
#include "base/glib/log.h"
#include "base/glib/source.h"
#include "proto/control.pb-c.h"
#include "proto/methods.h"
#include "rpc/call.h"
#include "rpc/server.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_NAME "agent.sock"
#define GRACE_MS    300
#define TELL_US     20000 /* changes are told together */

struct agent_control {
	const WeftConf *conf;
	WeftRpcServer *server;
	AgentMesh *mesh;
	gid_t group;
	bool group_may_change;
	GPtrArray *watchers; /* struct watcher */
	GSource *tell;
};

struct watcher {
	WeftRpcCall *call;
	bool until_up; /* `weft up`: ends with the mesh up, or a refusal */
};

static void
free_watcher(gpointer p)
{
	struct watcher *w = p;

	weft_rpc_call_unref(w->call);
	g_free(w);
}

static void
send_status(AgentControl *c, WeftRpcCall *call)
{
	AgentScope scope;

	agent_scope_init(&scope);
	weft_rpc_call_send(call, &agent_status(c->mesh, &scope)->base);
	agent_scope_clear(&scope);
}

/* True if the watcher has seen all that it waits for. */
static bool
serve(AgentControl *c, struct watcher *w)
{
	enum agent_mesh_state state = agent_mesh_state(c->mesh);

	send_status(c, w->call);
	if (!w->until_up || (state != AGENT_MESH_UP && state != AGENT_MESH_NEEDS_LOGIN))
		return false;
	weft_rpc_call_finish(w->call, WEFT_RPC_OK, NULL);
	return true;
}

static gboolean
on_tell(gpointer user)
{
	AgentControl *c = user;

	for (guint i = c->watchers->len; i > 0; i--)
		if (serve(c, c->watchers->pdata[i - 1]))
			g_ptr_array_remove_index(c->watchers, i - 1);
	return G_SOURCE_CONTINUE;
}

void
agent_control_changed(AgentControl *c)
{
	if (c->mesh != NULL && c->watchers->len > 0)
		weft_source_arm_us(c->tell, TELL_US);
}

static void
watch(AgentControl *c, WeftRpcCall *call, bool until_up)
{
	struct watcher *w = g_new0(struct watcher, 1);

	w->call = weft_rpc_call_ref(call);
	w->until_up = until_up;
	if (serve(c, w))
		free_watcher(w);
	else
		g_ptr_array_add(c->watchers, w);
}

/* --- Methods --- */

static void
fail(WeftRpcCall *call, const GError *error)
{
	bool ours = error->domain == WEFT_CONF_ERROR || error->domain == WEFT_RPC_ERROR;

	weft_rpc_call_finish(call, ours ? WEFT_RPC_INVALID_ARGUMENT : WEFT_RPC_INTERNAL,
			     error->message);
}

static void
reply_nothing(WeftRpcCall *call)
{
	static const Weft__Control__Nothing nothing = WEFT__CONTROL__NOTHING__INIT;

	weft_rpc_call_reply(call, &nothing.base);
}

static void
do_up(AgentControl *c, WeftRpcCall *call, const ProtobufCMessage *msg)
{
	const Weft__Control__UpRequest *r = (const void *) msg;
	const struct agent_mesh_up up = {
		.management_url = r->management_url,
		.setup_key = r->setup_key,
		.hostname = r->hostname,
		.interface = r->interface,
		.port = (uint16_t) r->listen_port,
	};
	g_autoptr(GError) error = NULL;

	if (r->listen_port > UINT16_MAX ||
	    (r->interface[0] != '\0' && !weft_nl_link_name_ok(r->interface))) {
		weft_rpc_call_finish(call, WEFT_RPC_INVALID_ARGUMENT,
				     "no such port or interface name");
		return;
	}
	if (!agent_mesh_up(c->mesh, &up, &error))
		fail(call, error);
	else
		watch(c, call, true);
}

static void
do_down(AgentControl *c, WeftRpcCall *call, const ProtobufCMessage *msg)
{
	g_autoptr(GError) error = NULL;

	if (agent_mesh_down(c->mesh, &error))
		reply_nothing(call);
	else
		fail(call, error);
}

static void
on_logged_out(void *user, const char *error)
{
	WeftRpcCall *call = user;

	if (error == NULL)
		reply_nothing(call);
	else
		weft_rpc_call_finish(call, WEFT_RPC_UNKNOWN, error);
	weft_rpc_call_unref(call);
}

static void
do_logout(AgentControl *c, WeftRpcCall *call, const ProtobufCMessage *msg)
{
	agent_mesh_logout(c->mesh, on_logged_out, weft_rpc_call_ref(call));
}

static void
do_status(AgentControl *c, WeftRpcCall *call, const ProtobufCMessage *msg)
{
	AgentScope scope;

	agent_scope_init(&scope);
	weft_rpc_call_reply(call, &agent_status(c->mesh, &scope)->base);
	agent_scope_clear(&scope);
}

static void
do_watch(AgentControl *c, WeftRpcCall *call, const ProtobufCMessage *msg)
{
	watch(c, call, false);
}

static void
do_config(AgentControl *c, WeftRpcCall *call, const ProtobufCMessage *msg)
{
	const Weft__Control__ConfigRequest *r = (const void *) msg;
	g_autoptr(GString) out = g_string_new(NULL);
	Weft__Control__Text reply = WEFT__CONTROL__TEXT__INIT;

	weft_conf_dump(c->conf, out, r->origin, r->only_set);
	reply.text = out->str;
	weft_rpc_call_reply(call, &reply.base);
}

static void
do_diagnose(AgentControl *c, WeftRpcCall *call, const ProtobufCMessage *msg)
{
	const Weft__Control__DiagnoseRequest *r = (const void *) msg;
	const AgentPeer *peer = r->peer[0] != '\0' ? agent_status_find(c->mesh, r->peer) : NULL;
	AgentScope scope;

	if (r->peer[0] != '\0' && peer == NULL) {
		weft_rpc_call_finish(call, WEFT_RPC_NOT_FOUND,
				     "that peer is not in the network "
				     "map (see: weft peer list)");
		return;
	}
	agent_scope_init(&scope);
	weft_rpc_call_reply(call, &agent_doctor(c->mesh, peer, &scope)->base);
	agent_scope_clear(&scope);
}

struct route {
	struct weft_rpc_method method;
	void (*fn)(AgentControl *c, WeftRpcCall *call, const ProtobufCMessage *msg);
	bool changes;
};

#define ROUTE(id, fn, changes)                                                                     \
	{                                                                                          \
		{ .proto = &weft_proto_methods[WEFT_METHOD_AGENT_##id] }, fn, changes              \
	}

static const struct route routes[] = {
	ROUTE(UP, do_up, true),
	ROUTE(LOGIN, do_up, true),
	ROUTE(DOWN, do_down, true),
	ROUTE(LOGOUT, do_logout, true),
	ROUTE(GET_STATUS, do_status, false),
	ROUTE(WATCH_STATUS, do_watch, false),
	ROUTE(GET_CONFIG, do_config, false),
	ROUTE(DIAGNOSE, do_diagnose, false),
};

/* Whoever could open the socket may read. */
static bool
may(const AgentControl *c, WeftRpcCall *call, const struct route *route)
{
	struct weft_rpc_credentials peer;

	if (!weft_rpc_call_credentials(call, &peer))
		return false;
	return !route->changes || peer.uid == 0 || peer.uid == geteuid() || c->group_may_change;
}

static void
on_message(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	AgentControl *c = user;
	const char *path = weft_rpc_call_path(call);

	for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
		if (strcmp(routes[i].method.proto->path, path) != 0)
			continue;
		if (c->mesh == NULL)
			weft_rpc_call_finish(call, WEFT_RPC_UNAVAILABLE, "weftd is starting");
		else if (!may(c, call, &routes[i]))
			weft_rpc_call_finish(call, WEFT_RPC_PERMISSION_DENIED,
					     "only root may change that");
		else
			routes[i].fn(c, call, msg);
		return;
	}
}

static void
on_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	AgentControl *c = user;

	for (guint i = 0; i < c->watchers->len; i++)
		if (((struct watcher *) c->watchers->pdata[i])->call == call) {
			g_ptr_array_remove_index_fast(c->watchers, i);
			return;
		}
}

static const struct weft_rpc_handler handler = { .on_message = on_message, .on_done = on_done };

static bool
find_group(AgentControl *c, GError **error)
{
	const char *name = weft_conf_string(c->conf, AGENT_CONF_CONTROL_GROUP);
	const struct group *g;

	c->group = (gid_t) -1;
	if (name[0] == '\0')
		return true;
	g = getgrnam(name); /* at start, before threads that could call it too */
	if (g == NULL) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "[agent] control-group: there is no group '%s'", name);
		return false;
	}
	c->group = g->gr_gid;
	return true;
}

AgentControl *
agent_control_new(const WeftConf *conf, WeftRpcRuntime *runtime, GError **error)
{
	AgentControl *c = g_new0(AgentControl, 1);
	const char *dir = weft_conf_string(conf, WEFT_MAIN_CONF_RUNTIME_DIR);
	g_autofree char *path = g_build_filename(dir, SOCKET_NAME, NULL);

	c->conf = conf;
	c->group_may_change = weft_conf_bool(conf, AGENT_CONF_CONTROL_CHANGE);
	c->watchers = g_ptr_array_new_with_free_func(free_watcher);
	c->tell = weft_source_timer(NULL, on_tell, c);
	c->server = weft_rpc_server_new(runtime, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(routes); i++)
		weft_rpc_server_add_method(c->server, &routes[i].method, &handler, c);
	if (!find_group(c, error) || !weft_file_make_dir(dir, 0755, error) ||
	    !weft_rpc_server_listen_unix(c->server, path, 0660, c->group, error)) {
		weft_rpc_server_free(g_steal_pointer(&c->server));
		agent_control_free(c);
		return NULL;
	}
	return c;
}

void
agent_control_attach(AgentControl *c, AgentMesh *mesh)
{
	c->mesh = mesh;
	weft_rpc_server_start(c->server);
}

void
agent_control_free(AgentControl *c)
{
	if (c == NULL)
		return;
	weft_source_cancel(&c->tell);
	if (c->server != NULL) {
		if (c->mesh != NULL)
			weft_rpc_server_shutdown_sync(c->server, GRACE_MS);
		weft_rpc_server_free(c->server);
	}
	g_ptr_array_unref(c->watchers);
	g_free(c);
}

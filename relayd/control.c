/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/control.h"

#include "base/env.h"
#include "base/glib/source.h"
#include "proto/admin.pb-c.h"
#include "proto/methods.h"
#include "relayd/counters.h"
#include "rpc/call.h"
#include "rpc/server.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_NAME "admin.sock"
#define LIST_MAX    4096 /* of one worker: more is not read by people */
#define GRACE_MS    200

/* ---- metrics ---- */

struct counter_row {
	const char *name, *label, *value, *help;
	size_t offset;
	enum weft_metric_type type;
};

static const struct counter_row rows[] = {
#define X(field, name_, label_, value_, help_)                                                     \
	{ "weft_relayd_" name_, label_, value_, help_, offsetof(struct relay_counters, field),     \
	  WEFT_METRIC_COUNTER },
	RELAY_COUNTERS(X)
#undef X
#define X(field, name_, label_, value_, help_)                                                     \
	{ "weft_relayd_" name_, label_, value_, help_, offsetof(struct relay_counters, field),     \
	  WEFT_METRIC_GAUGE },
		RELAY_GAUGES(X)
#undef X
};

static uint64_t
sum(RelayWorker *const *workers, unsigned n, size_t offset)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < n; i++) {
		const char *base = (const char *) relay_worker_counters(workers[i]);

		total += relay_counter_read(
			(const _Atomic uint64_t *) (const void *) (base + offset));
	}
	return total;
}

struct collector {
	RelayWorker *const *workers;
	const unsigned *n_workers;
};

static void
collect(WeftMetricsOut *out, void *user)
{
	const struct collector *c = user;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		const struct counter_row *r = &rows[i];
		const char *labels[] = { r->label, r->value, NULL };

		/* Rows of one family stand together; the first has the help. */
		if (r->help != NULL)
			weft_metrics_out_family(out, r->name, r->help, r->type);
		weft_metrics_out_sample(out, r->label == NULL ? NULL : labels,
					(double) sum(c->workers, *c->n_workers, r->offset));
	}
}

void
relay_control_add_metrics(WeftMetrics *metrics,
			  RelayWorker *const *workers,
			  const unsigned *n_workers)
{
	/* Lives as long as the process, like the metrics. */
	static struct collector collector;

	collector = (struct collector){ workers, n_workers };
	weft_metrics_add_collector(metrics, collect, &collector);
}

/* ---- the socket ---- */

struct relay_control {
	struct relay_control_config config;
	WeftRpcRuntime *runtime;
	WeftRpcServer *server;
	int event_fd;
	GSource *event;
	GQueue running; /* of struct question * */
};

/* One request, put to every worker. */
struct question {
	RelayControl *control;
	WeftRpcCall *call;
	struct relay_command *commands; /* one per worker */
	unsigned n;
	gint open; /* commands that are not done; atomic */
	void (*answer)(struct question *q);
};

/* A worker's thread: only knocks. */
static void
on_command_done(struct relay_command *command, void *user)
{
	struct question *q = user;
	uint64_t one = 1;

	if (g_atomic_int_dec_and_test(&q->open) &&
	    write(q->control->event_fd, &one, sizeof one) != sizeof one) {
		/* The counter of an eventfd is full only if it was not read for ages. */
	}
}

static void
question_free(struct question *q)
{
	for (unsigned i = 0; i < q->n; i++) {
		g_free(q->commands[i].list);
		g_free(q->commands[i].peers);
	}
	g_free(q->commands);
	weft_rpc_call_unref(q->call);
	g_free(q);
}

static gboolean
on_event(int fd, GIOCondition condition, gpointer user)
{
	RelayControl *c = user;
	uint64_t n;

	if (read(fd, &n, sizeof n) != sizeof n)
		return G_SOURCE_CONTINUE;
	for (GList *l = c->running.head, *next; l != NULL; l = next) {
		struct question *q = l->data;

		next = l->next;
		if (g_atomic_int_get(&q->open) > 0)
			continue;
		g_queue_delete_link(&c->running, l);
		q->answer(q);
		question_free(q);
	}
	return G_SOURCE_CONTINUE;
}

static void
ask(RelayControl *c,
    WeftRpcCall *call,
    const struct relay_command *template,
    void (*answer)(struct question *q))
{
	struct question *q = g_new0(struct question, 1);

	q->control = c;
	q->call = weft_rpc_call_ref(call);
	q->n = *c->config.n_workers;
	q->commands = g_new0(struct relay_command, q->n);
	q->open = (gint) q->n;
	q->answer = answer;
	g_queue_push_tail(&c->running, q);
	for (unsigned i = 0; i < q->n; i++) {
		struct relay_command *command = &q->commands[i];

		*command = *template;
		command->done = on_command_done;
		command->user_data = q;
		if (command->kind == RELAY_COMMAND_LIST)
			command->list = g_new0(struct relay_allocation_info, LIST_MAX);
		if (command->kind == RELAY_COMMAND_RELAY_LIST)
			command->peers = g_new0(struct relay_peer_info, LIST_MAX);
		command->list_max = LIST_MAX;
		relay_worker_post(c->config.workers[i], command);
	}
}

/* "192.0.2.1:1234" of an end; "" for none. */
static char *
end_text(GPtrArray *owned, const struct relay_end *end)
{
	struct weft_endpoint e = relay_end_to(end);
	char text[WEFT_ENDPOINT_TEXT_SIZE];
	char *copy =
		g_strdup(e.addr.family == WEFT_FAMILY_NONE ? "" : weft_endpoint_format(&e, text));

	g_ptr_array_add(owned, copy);
	return copy;
}

static void
show_allocation(GPtrArray *owned,
		struct relay_allocation_info *info,
		Weft__Admin__RelayAllocation *ret)
{
	static const char *const transports[] = {
		[RELAY_UDP] = "udp", [RELAY_TCP] = "tcp", [RELAY_TLS] = "tls"
	};
	char **relayed = g_new0(char *, RELAY_FAMILIES);

	g_ptr_array_add(owned, relayed);
	weft__admin__relay_allocation__init(ret);
	ret->id = info->id;
	ret->client = end_text(owned, &info->flow.client);
	ret->transport = (char *) (uintptr_t) transports[info->flow.transport];
	ret->relayed = relayed;
	for (unsigned i = 0; i < RELAY_FAMILIES; i++) {
		char *text = end_text(owned, &info->relayed[i]);

		if (text[0] != '\0')
			relayed[ret->n_relayed++] = text;
	}
	ret->user = info->user;
	ret->expires_in_s = info->expires_in_s;
	ret->permissions = info->permissions;
	ret->channels = info->channels;
	ret->to_peer_bytes = info->to_peer_bytes;
	ret->to_client_bytes = info->to_client_bytes;
}

static size_t
total(const struct question *q)
{
	size_t n = 0;

	for (unsigned i = 0; i < q->n; i++)
		n += q->commands[i].n_list;
	return n;
}

static void
answer_allocations(struct question *q)
{
	g_autoptr(GPtrArray) owned = g_ptr_array_new_with_free_func(g_free);
	Weft__Admin__RelayAllocationList reply = WEFT__ADMIN__RELAY_ALLOCATION_LIST__INIT;
	g_autofree Weft__Admin__RelayAllocation *all =
		g_new0(Weft__Admin__RelayAllocation, total(q) + 1);
	g_autofree Weft__Admin__RelayAllocation **list =
		g_new0(Weft__Admin__RelayAllocation *, total(q) + 1);

	for (unsigned i = 0; i < q->n; i++) {
		for (size_t j = 0; j < q->commands[i].n_list; j++) {
			list[reply.n_allocations] = &all[reply.n_allocations];
			show_allocation(owned, &q->commands[i].list[j],
					&all[reply.n_allocations++]);
		}
	}
	reply.allocations = list;
	weft_rpc_call_reply(q->call, &reply.base);
}

static void
answer_peers(struct question *q)
{
	g_autoptr(GPtrArray) owned = g_ptr_array_new_with_free_func(g_free);
	Weft__Admin__RelayPeerList reply = WEFT__ADMIN__RELAY_PEER_LIST__INIT;
	g_autofree Weft__Admin__RelayPeer *all = g_new0(Weft__Admin__RelayPeer, total(q) + 1);
	g_autofree Weft__Admin__RelayPeer **list = g_new0(Weft__Admin__RelayPeer *, total(q) + 1);

	for (unsigned i = 0; i < q->n; i++) {
		for (size_t j = 0; j < q->commands[i].n_list; j++) {
			struct relay_peer_info *info = &q->commands[i].peers[j];
			Weft__Admin__RelayPeer *p = &all[reply.n_peers];

			weft__admin__relay_peer__init(p);
			p->id = info->id;
			p->client = end_text(owned, &info->client);
			p->connected_s = info->connected_s;
			p->messages_in = info->messages_in;
			p->messages_out = info->messages_out;
			p->dropped = info->dropped;
			list[reply.n_peers++] = p;
		}
	}
	reply.peers = list;
	weft_rpc_call_reply(q->call, &reply.base);
}

static void
answer_drop(struct question *q)
{
	Weft__Admin__RelayDropReply reply = WEFT__ADMIN__RELAY_DROP_REPLY__INIT;

	reply.dropped = (uint32_t) total(q);
	weft_rpc_call_reply(q->call, &reply.base);
}

static void
on_list(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	const struct relay_command command = { .kind = RELAY_COMMAND_LIST };

	ask(user, call, &command, answer_allocations);
}

static void
on_list_peers(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	const struct relay_command command = { .kind = RELAY_COMMAND_RELAY_LIST };

	ask(user, call, &command, answer_peers);
}

static void
on_drop(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	const Weft__Admin__RelayDropRequest *m = (const void *) msg;
	struct relay_command command = { .kind = RELAY_COMMAND_DROP, .id = m->id };

	if (m->id == 0 && m->user[0] == '\0') {
		weft_rpc_call_finish(call, WEFT_RPC_INVALID_ARGUMENT, "name an id or a user");
		return;
	}
	g_strlcpy(command.user, m->user, sizeof command.user);
	ask(user, call, &command, answer_drop);
}

static void
on_stats(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	RelayControl *c = user;
	Weft__Admin__RelayStats reply = WEFT__ADMIN__RELAY_STATS__INIT;
	Weft__Admin__RelayCounter all[G_N_ELEMENTS(rows)];
	Weft__Admin__RelayCounter *list[G_N_ELEMENTS(rows)];

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		weft__admin__relay_counter__init(&all[i]);
		all[i].name = (char *) (uintptr_t) rows[i].name;
		all[i].label = (char *) (uintptr_t) (rows[i].value == NULL ? "" : rows[i].value);
		all[i].value = sum(c->config.workers, *c->config.n_workers, rows[i].offset);
		list[i] = &all[i];
	}
	reply.version = (char *) (uintptr_t) PACKAGE_VERSION;
	reply.workers = *c->config.n_workers;
	reply.counters = list;
	reply.n_counters = G_N_ELEMENTS(rows);
	weft_rpc_call_reply(call, &reply.base);
}

#define METHOD(name) &weft_proto_methods[WEFT_METHOD_RELAY_ADMIN_##name]

static const struct {
	struct weft_rpc_method method;
	struct weft_rpc_handler handler;
} methods[] = {
	{ { METHOD(LIST_ALLOCATIONS) }, { .on_message = on_list } },
	{ { METHOD(LIST_RELAY_PEERS) }, { .on_message = on_list_peers } },
	{ { METHOD(DROP_ALLOCATIONS) }, { .on_message = on_drop } },
	{ { METHOD(GET_STATS) }, { .on_message = on_stats } },
};

RelayControl *
relay_control_new(const struct relay_control_config *config, GError **error)
{
	const struct weft_rpc_runtime_config runtime = { .delivery = WEFT_RPC_DELIVER_CONTEXT,
							 .context = config->context };
	g_autofree char *path = g_build_filename(config->runtime_dir, SOCKET_NAME, NULL);
	RelayControl *c = g_new0(RelayControl, 1);

	c->config = *config;
	g_queue_init(&c->running);
	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->event_fd < 0 || (mkdir(config->runtime_dir, 0755) != 0 && errno != EEXIST)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", config->runtime_dir,
			    g_strerror(errno));
		relay_control_free(c);
		return NULL;
	}
	c->event = weft_source_fd(config->context, c->event_fd, G_IO_IN, on_event, c);
	c->runtime = weft_rpc_runtime_new(&runtime, error);
	if (c->runtime == NULL) {
		relay_control_free(c);
		return NULL;
	}
	c->server = weft_rpc_server_new(c->runtime, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
		weft_rpc_server_add_method(c->server, &methods[i].method, &methods[i].handler, c);
	if (!weft_rpc_server_listen_unix(c->server, path, 0600, (gid_t) -1, error)) {
		weft_rpc_server_free(g_steal_pointer(&c->server));
		relay_control_free(c);
		return NULL;
	}
	weft_rpc_server_start(c->server);
	return c;
}

void
relay_control_free(RelayControl *c)
{
	if (c == NULL)
		return;
	while (c->running.length > 0)
		g_main_context_iteration(c->config.context, TRUE);
	if (c->server != NULL) {
		weft_rpc_server_shutdown_sync(c->server, GRACE_MS);
		weft_rpc_server_free(c->server);
	}
	weft_rpc_runtime_free(c->runtime);
	weft_source_cancel(&c->event);
	if (c->event_fd >= 0)
		close(c->event_fd);
	g_free(c);
}

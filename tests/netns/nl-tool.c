/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Drives the room netlink/ for the tests: reads one JSON object per line, {"do": COMMAND, ...},
 * and answers each with one: {"ok": true, ...} or {"ok": false, "code": NAME, "error": TEXT}. */
#include "base/env.h"
#include "netlink/apply.h"
#include "netlink/candidate.h"
#include "netlink/conntrack.h"
#include "netlink/error.h"
#include "netlink/monitor.h"
#include "netlink/wg-kernel.h"
#include "netlink/wg-uapi.h"
#include "nl-state.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct tool {
	WeftNlSocket *rt;
	WeftNlSocket *nf;
	WeftNlWg *wg;
	WeftNlMonitor *monitor;
	GMainContext *context;
	JsonArray *events;
};

typedef bool (*Command)(struct tool *t, JsonObject *in, JsonObject *out, GError **error);

static void
set_problems(JsonObject *out, const GPtrArray *problems)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < problems->len; i++)
		json_array_add_string_element(
			array, ((const GError *) g_ptr_array_index(problems, i))->message);
	json_object_set_array_member(out, "problems", array);
}

static GPtrArray *
problems_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify) g_error_free);
}

/* --- WireGuard */

static bool
do_open(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	const struct weft_nl_wg_config config = {
		.env = weft_env_system(),
		.uapi_dir = tool_string(in, "dir", NULL),
		.uapi_program = tool_string(in, "program", NULL),
		.uapi_only = tool_bool(in, "uapi_only"),
		.uapi_start_timeout_ms = (unsigned) tool_number(in, "timeout_ms", 0),
	};
	WeftNlWg *wg = weft_nl_wg_open(&config, error);

	if (wg == NULL)
		return false;
	weft_nl_wg_free(t->wg);
	t->wg = wg;
	json_object_set_string_member(out, "backend", weft_nl_wg_name(wg));
	return true;
}

static bool
do_create(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	enum weft_nl_wg_created created;

	if (!weft_nl_wg_create(t->wg, tool_string(in, "name", "weft0"), &created, error))
		return false;
	json_object_set_boolean_member(out, "adopted", created == WEFT_NL_WG_ADOPTED);
	return true;
}

static bool
do_destroy(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	return weft_nl_wg_destroy(t->wg, tool_string(in, "name", "weft0"), error);
}

static bool
do_get(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	g_autoptr(WeftNlWgDevice) dev =
		weft_nl_wg_get(t->wg, tool_string(in, "name", "weft0"), error);

	if (dev == NULL)
		return false;
	json_object_set_member(out, "device", tool_device_to_json(dev));
	return true;
}

static bool
do_list(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	g_auto(GStrv) names = weft_nl_wg_list(t->wg, error);
	JsonArray *array = json_array_new();

	for (char **p = names; p != NULL && *p != NULL; p++)
		json_array_add_string_element(array, *p);
	json_object_set_array_member(out, "names", array);
	return names != NULL;
}

/* --- states */

static void
set_ops(JsonObject *out, const WeftNlOps *ops)
{
	JsonArray *array = json_array_new();

	for (size_t i = 0; i < weft_nl_ops_count(ops); i++) {
		g_autofree char *text = weft_nl_op_describe(weft_nl_ops_get(ops, i));

		json_array_add_string_element(array, text);
	}
	json_object_set_array_member(out, "ops", array);
}

/* {"state": {...}, "dry": bool}: normalise, dump, diff, apply. */
static bool
do_reconcile(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	g_autoptr(WeftNlState) desired = tool_state(json_object_get_object_member(in, "state"));
	g_autoptr(WeftNlState) dumped = NULL;
	g_autoptr(WeftNlOps) ops = NULL;
	g_autoptr(GPtrArray) problems = problems_new();
	bool ok = true;

	weft_nl_state_normalise(desired, problems);
	dumped = weft_nl_state_dump(t->rt, t->wg, desired, error);
	if (dumped == NULL)
		return false;
	ops = weft_nl_diff(desired, dumped, problems);
	set_ops(out, ops);
	if (!tool_bool(in, "dry"))
		ok = weft_nl_apply(t->rt, t->wg, ops, problems, error);
	set_problems(out, problems);
	return ok;
}

static bool
do_teardown(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	return weft_nl_teardown(t->rt, t->wg, tool_string(in, "name", "weft0"), WEFT_NL_PROTOCOL,
				error);
}

/* --- questions */

static bool
do_links(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	g_autoptr(GArray) links = weft_nl_link_dump(t->rt, error);
	JsonArray *array = json_array_new();

	for (guint i = 0; links != NULL && i < links->len; i++)
		json_array_add_element(
			array, tool_link_to_json(&g_array_index(links, struct weft_nl_link, i)));
	json_object_set_array_member(out, "links", array);
	return links != NULL;
}

static void
set_address(JsonObject *out, const char *name, const struct weft_address *a)
{
	char text[WEFT_ADDRESS_TEXT_SIZE];

	if (a->family != WEFT_FAMILY_NONE)
		json_object_set_string_member(out, name, weft_address_format(a, text));
}

static bool
do_ask(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	const struct weft_nl_route_query q = {
		.dst = tool_address(in, "dst"),
		.src = tool_address(in, "src"),
		.fwmark = (uint32_t) tool_number(in, "fwmark", 0),
		.ifindex = (uint32_t) tool_number(in, "ifindex", 0),
	};
	struct weft_nl_route_answer a;

	if (!weft_nl_route_ask(t->rt, &q, &a, error))
		return false;
	set_address(out, "src", &a.src);
	set_address(out, "gateway", &a.gateway);
	json_object_set_int_member(out, "ifindex", a.ifindex);
	json_object_set_int_member(out, "table", a.table);
	return true;
}

static bool
do_default(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	bool v6 = tool_number(in, "family", 4) == 6;
	struct weft_nl_route r;

	if (!weft_nl_route_default(t->rt, v6 ? WEFT_FAMILY_IPV6 : WEFT_FAMILY_IPV4,
				   (uint32_t) tool_number(in, "except", 0), &r, error))
		return false;
	set_address(out, "gateway", &r.gateway);
	json_object_set_int_member(out, "ifindex", r.ifindex);
	json_object_set_int_member(out, "metric", r.metric);
	return true;
}

static bool
do_candidates(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	const struct weft_nl_candidate_config config = {
		.own_link = tool_string(in, "own_link", "weft0"),
		.no_ipv6 = tool_bool(in, "no_ipv6"),
	};
	g_autoptr(GArray) addrs = weft_nl_candidate_list(t->rt, &config, error);
	JsonArray *array = json_array_new();

	for (guint i = 0; addrs != NULL && i < addrs->len; i++) {
		char text[WEFT_ADDRESS_TEXT_SIZE];

		json_array_add_string_element(
			array,
			weft_address_format(
				&g_array_index(addrs, struct weft_nl_addr, i).prefix.addr, text));
	}
	json_object_set_array_member(out, "addresses", array);
	return addrs != NULL;
}

/* {"op": "add|replace|delete", "route": {...}} */
static bool
do_route(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	const struct weft_nl_route r = tool_route(json_object_get_object_member(in, "route"));
	const char *op = tool_string(in, "op", "add");

	if (strcmp(op, "add") == 0)
		return weft_nl_route_add(t->rt, &r, error);
	return strcmp(op, "delete") == 0 ? weft_nl_route_delete(t->rt, &r, error)
					 : weft_nl_route_replace(t->rt, &r, error);
}

/* {"name": NAME, "mtu": N, "up": bool, "kind": create, "delete": bool} */
static bool
do_link(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	const char *name = tool_string(in, "name", "");
	const char *kind = tool_string(in, "kind", NULL);
	int64_t mtu = tool_number(in, "mtu", 0);
	struct weft_nl_link link;

	if (kind != NULL && !weft_nl_link_create(t->rt, name, kind, error))
		return false;
	if (!weft_nl_link_get(t->rt, name, &link, error))
		return false;
	if (tool_bool(in, "delete"))
		return weft_nl_link_delete(t->rt, &link, error);
	if (mtu != 0 && !weft_nl_link_set_mtu(t->rt, &link, (uint32_t) mtu, error))
		return false;
	return !json_object_has_member(in, "up") ||
	       weft_nl_link_set_up(t->rt, &link, tool_bool(in, "up"), error);
}

/* --- monitor */

static void
on_event(const struct weft_nl_event *event, void *user)
{
	struct tool *t = user;

	json_array_add_element(t->events, tool_event_to_json(event));
}

static bool
do_monitor(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	weft_nl_monitor_free(t->monitor);
	t->monitor = weft_nl_monitor_open(on_event, t, error);
	if (t->monitor == NULL)
		return false;
	weft_nl_monitor_attach(t->monitor, t->context, NULL, NULL);
	return true;
}

/* Everything that has come so far. */
static bool
do_events(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	while (g_main_context_iteration(t->context, FALSE))
		;
	json_object_set_array_member(out, "events", t->events);
	t->events = json_array_new();
	return true;
}

/* --- conntrack */

static void
on_flow(const struct weft_nl_ct_flow *flow, void *user)
{
	json_array_add_element(user, tool_flow_to_json(flow));
}

static void
on_flows_restart(void *user)
{
	JsonArray *array = user;

	while (json_array_get_length(array) > 0)
		json_array_remove_element(array, 0);
}

static bool
open_nf(struct tool *t, GError **error)
{
	if (t->nf == NULL)
		t->nf = weft_nl_socket_open(WEFT_NL_BUS_NETFILTER, weft_env_system(), error);
	return t->nf != NULL;
}

static bool
do_ct_dump(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	const struct weft_nl_ct_match match = tool_match(in);
	JsonArray *array = json_array_new();
	const struct weft_nl_ct_dump dump = {
		.match = &match, .func = on_flow, .restart = on_flows_restart, .user = array
	};
	bool ok = open_nf(t, error) && weft_nl_ct_dump(t->nf, &dump, error);

	json_object_set_array_member(out, "flows", array);
	return ok;
}

static bool
do_ct_delete(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	JsonArray *array = json_object_get_array_member(in, "matches");
	g_autoptr(GArray) matches = g_array_new(FALSE, FALSE, sizeof(struct weft_nl_ct_match));
	size_t deleted = 0;
	bool ok;

	for (guint i = 0; i < json_array_get_length(array); i++) {
		struct weft_nl_ct_match m = tool_match(json_array_get_object_element(array, i));

		g_array_append_val(matches, m);
	}
	ok = open_nf(t, error) &&
	     weft_nl_ct_delete(t->nf, (const void *) matches->data, matches->len, &deleted, error);
	json_object_set_int_member(out, "deleted", (gint64) deleted);
	return ok;
}

/* --- */

static const struct {
	const char *name;
	Command run;
} commands[] = {
	{ "open", do_open },
	{ "create", do_create },
	{ "destroy", do_destroy },
	{ "get", do_get },
	{ "list", do_list },
	{ "reconcile", do_reconcile },
	{ "teardown", do_teardown },
	{ "links", do_links },
	{ "ask", do_ask },
	{ "default", do_default },
	{ "candidates", do_candidates },
	{ "route", do_route },
	{ "link", do_link },
	{ "monitor", do_monitor },
	{ "events", do_events },
	{ "ct-dump", do_ct_dump },
	{ "ct-delete", do_ct_delete },
};

static bool
run(struct tool *t, JsonObject *in, JsonObject *out, GError **error)
{
	const char *name = tool_string(in, "do", "");

	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(t, in, out, error);
	}
	g_error("no such command: %s", name);
}

static void
handle_line(struct tool *t, const char *line)
{
	g_autoptr(JsonNode) node = json_from_string(line, NULL);
	g_autoptr(JsonObject) out = json_object_new();
	g_autoptr(JsonNode) answer = json_node_alloc();
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;

	if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node))
		g_error("not an object: %s", line);
	json_object_set_boolean_member(out, "ok", run(t, json_node_get_object(node), out, &error));
	if (error != NULL) {
		json_object_set_string_member(out, "code",
					      weft_nl_error_name((enum weft_nl_error) error->code));
		json_object_set_string_member(out, "error", error->message);
	}
	json_node_init_object(answer, out);
	text = json_to_string(answer, FALSE);
	puts(text);
	fflush(stdout);
}

int
main(void)
{
	g_autofree char *line = NULL;
	size_t size = 0;
	struct tool t = { .context = g_main_context_new(), .events = json_array_new() };
	g_autoptr(GError) error = NULL;

	if (!weft_crypto_init())
		return 1;
	t.rt = weft_nl_socket_open(WEFT_NL_BUS_ROUTE, weft_env_system(), &error);
	if (t.rt == NULL)
		g_error("%s", error->message);
	while (getline(&line, &size, stdin) > 0)
		handle_line(&t, line);
	weft_nl_monitor_free(t.monitor);
	weft_nl_wg_free(t.wg);
	weft_nl_socket_free(t.rt);
	weft_nl_socket_free(t.nf);
	json_array_unref(t.events);
	g_main_context_unref(t.context);
	return 0;
}

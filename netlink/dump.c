/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/desired.h"
#include "netlink/error.h"

static bool
dump_link(struct weft_nl_state *state, WeftNlSocket *rt, GError **error)
{
	g_autoptr(GError) e = NULL;
	struct weft_nl_link link;

	if (weft_nl_link_get(rt, state->link.name, &link, &e)) {
		state->link = link;
		return true;
	}
	if (g_error_matches(e, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND))
		return true;
	g_propagate_error(error, g_steal_pointer(&e));
	return false;
}

/* A link that is no WireGuard device leaves wg.ifindex 0. */
static bool
dump_wg(struct weft_nl_state *state, WeftNlWg *wg, GError **error)
{
	g_autoptr(GError) e = NULL;
	struct weft_nl_wg_device *dev;

	if (state->link.ifindex == 0)
		return true;
	dev = weft_nl_wg_get(wg, state->link.name, &e);
	if (dev == NULL && g_error_matches(e, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND))
		return true;
	if (dev == NULL) {
		g_propagate_error(error, g_steal_pointer(&e));
		return false;
	}
	state->wg = *dev; /* peers and all change hands */
	weft_wipe(dev, sizeof *dev);
	weft_nl_wg_device_free(dev);
	return true;
}

static void
take(GArray **target, GArray *array)
{
	g_array_unref(*target);
	*target = array;
}

static bool
table_is_private(uint32_t table)
{
	return table != WEFT_NL_TABLE_MAIN && table != WEFT_NL_TABLE_LOCAL;
}

/* Foreign routes of a table, which a wanted one may collide with. */
static bool
dump_table(struct weft_nl_state *state, WeftNlSocket *rt, uint32_t table, GError **error)
{
	const struct weft_nl_route_filter f = { .table = table };
	g_autoptr(GArray) routes = weft_nl_route_dump(rt, &f, error);

	if (routes == NULL)
		return false;
	for (guint i = 0; i < routes->len; i++) {
		const struct weft_nl_route *r = &g_array_index(routes, struct weft_nl_route, i);

		if (r->protocol != state->protocol)
			g_array_append_vals(state->routes, r, 1);
	}
	return true;
}

static int
compare_routes(const void *a, const void *b)
{
	return weft_nl_route_compare_key(a, b);
}

static bool
dump_routes(struct weft_nl_state *state,
	    WeftNlSocket *rt,
	    const struct weft_nl_state *desired,
	    GError **error)
{
	const struct weft_nl_route_filter ours = { .protocol = state->protocol };
	GArray *routes = weft_nl_route_dump(rt, &ours, error);
	uint32_t last = 0;

	if (routes == NULL)
		return false;
	take(&state->routes, routes);
	for (guint i = 0; i < desired->routes->len; i++) {
		uint32_t table = g_array_index(desired->routes, struct weft_nl_route, i).table;

		/* Sorted by table. */
		if (table == last || !table_is_private(table))
			continue;
		if (!dump_table(state, rt, table, error))
			return false;
		last = table;
	}
	g_array_sort(state->routes, compare_routes);
	return true;
}

static int
compare_addrs(const void *a, const void *b)
{
	return weft_nl_addr_compare(a, b);
}

static int
compare_rules(const void *a, const void *b)
{
	return weft_nl_rule_compare(a, b);
}

struct weft_nl_state *
weft_nl_state_dump(WeftNlSocket *rt,
		   WeftNlWg *wg,
		   const struct weft_nl_state *desired,
		   GError **error)
{
	g_autoptr(WeftNlState) state = weft_nl_state_new(desired->link.name);
	GArray *array;

	state->protocol = desired->protocol;
	if (!dump_link(state, rt, error) || !dump_wg(state, wg, error))
		return NULL;
	if (state->link.ifindex != 0) {
		array = weft_nl_addr_dump(rt, state->link.ifindex, error);
		if (array == NULL)
			return NULL;
		take(&state->addrs, array);
		g_array_sort(state->addrs, compare_addrs);
	}
	array = weft_nl_rule_dump(rt, error);
	if (array == NULL)
		return NULL;
	take(&state->rules, array);
	g_array_sort(state->rules, compare_rules);
	if (!dump_routes(state, rt, desired, error))
		return NULL;
	state->wg.normalised = true;
	state->normalised = true;
	return g_steal_pointer(&state);
}

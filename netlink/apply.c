/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/apply.h"

#include "netlink/error.h"
#include "netlink/link.h"

struct run {
	WeftNlSocket *rt;
	WeftNlWg *wg;
	const WeftNlOps *ops;
	GPtrArray *problems;
	GError *first;
	struct weft_nl_link link; /* ifindex 0: not known yet */
	bool stop;
};

/* Takes over @e; NULL is success. */
static void
note(struct run *r, GError *e)
{
	if (e == NULL)
		return;
	/* Without the link nothing can be done, without permission neither. */
	if (g_error_matches(e, WEFT_NL_ERROR, WEFT_NL_ERROR_PERMISSION))
		r->stop = true;
	if (r->first == NULL)
		r->first = g_error_copy(e);
	if (r->problems != NULL)
		g_ptr_array_add(r->problems, e);
	else
		g_error_free(e);
}

static bool
is_code(const GError *e, enum weft_nl_error code)
{
	return g_error_matches(e, WEFT_NL_ERROR, (gint) code);
}

static bool
find_link(struct run *r, GError **error)
{
	return r->link.ifindex != 0 ||
	       weft_nl_link_get(r->rt, weft_nl_ops_link(r->ops), &r->link, error);
}

static void
apply_link(struct run *r, const struct weft_nl_op *op)
{
	const char *name = weft_nl_ops_link(r->ops);
	const struct weft_nl_wg_set *device = &op->device;
	GError *e = NULL;
	bool ok = true;

	if (op->kind == WEFT_NL_OP_LINK_CREATE)
		ok = weft_nl_wg_create(r->wg, name, NULL, &e) && find_link(r, &e);
	else if (op->kind == WEFT_NL_OP_WG_DEVICE)
		ok = weft_nl_wg_set(r->wg, name, device, &e);
	else if (op->kind == WEFT_NL_OP_LINK_MTU)
		ok = weft_nl_link_set_mtu(r->rt, &r->link, op->mtu, &e);
	else
		ok = weft_nl_link_set_up(r->rt, &r->link, true, &e);
	if (!ok && op->kind == WEFT_NL_OP_LINK_CREATE)
		r->stop = true;
	note(r, e);
}

/* Addresses, routes, rules: errors get the link's name in front. */
static bool
change_object(struct run *r, const struct weft_nl_op *op, GError **error)
{
	struct weft_nl_addr addr = op->addr;
	struct weft_nl_route route;

	switch (op->kind) {
	case WEFT_NL_OP_ADDR_ADD_FIRST:
	case WEFT_NL_OP_ADDR_ADD:
		addr.ifindex = r->link.ifindex;
		return weft_nl_addr_add(r->rt, &addr, error);
	case WEFT_NL_OP_ADDR_DELETE_FIRST:
	case WEFT_NL_OP_ADDR_DELETE:
		addr.ifindex = r->link.ifindex;
		return weft_nl_addr_delete(r->rt, &addr, error);
	case WEFT_NL_OP_ROUTE_ADD:
	case WEFT_NL_OP_ROUTE_REPLACE:
	case WEFT_NL_OP_ROUTE_DELETE:
		route = op->route;
		if (route.ifindex == 0)
			route.ifindex = r->link.ifindex;
		if (op->kind == WEFT_NL_OP_ROUTE_ADD)
			return weft_nl_route_add(r->rt, &route, error);
		return op->kind == WEFT_NL_OP_ROUTE_DELETE
			       ? weft_nl_route_delete(r->rt, &route, error)
			       : weft_nl_route_replace(r->rt, &route, error);
	case WEFT_NL_OP_RULE_ADD:
		return weft_nl_rule_add(r->rt, &op->rule, error);
	case WEFT_NL_OP_RULE_DELETE:
		return weft_nl_rule_delete(r->rt, &op->rule, error);
	case WEFT_NL_OP_LINK_CREATE:
	case WEFT_NL_OP_WG_DEVICE:
	case WEFT_NL_OP_LINK_MTU:
	case WEFT_NL_OP_LINK_UP:
	case WEFT_NL_OP_WG_PEER:
	case WEFT_NL_OP_WG_PEER_SHRINK:
	case WEFT_NL_OP_WG_PEER_REMOVE:
	case WEFT_NL_OP_COUNT_:
		break;
	}
	g_return_val_if_reached(false);
}

static bool
is_deletion(enum weft_nl_op_kind kind)
{
	return kind == WEFT_NL_OP_ADDR_DELETE_FIRST || kind == WEFT_NL_OP_ADDR_DELETE ||
	       kind == WEFT_NL_OP_ROUTE_DELETE || kind == WEFT_NL_OP_RULE_DELETE;
}

static void
apply_object(struct run *r, const struct weft_nl_op *op)
{
	g_autoptr(GError) e = NULL;

	if (change_object(r, op, &e))
		return;
	if (is_deletion(op->kind) && is_code(e, WEFT_NL_ERROR_NOT_FOUND))
		return;
	/* A secondary address that is added again may have been promoted instead of deleted. */
	if (op->kind == WEFT_NL_OP_ADDR_ADD && is_code(e, WEFT_NL_ERROR_EXISTS) &&
	    op->addr.prefix.addr.family == WEFT_FAMILY_IPV4)
		return;
	g_prefix_error(&e, "link %s: ", weft_nl_ops_link(r->ops));
	note(r, g_steal_pointer(&e));
}

static bool
is_peer_op(enum weft_nl_op_kind kind)
{
	return kind == WEFT_NL_OP_WG_PEER || kind == WEFT_NL_OP_WG_PEER_SHRINK ||
	       kind == WEFT_NL_OP_WG_PEER_REMOVE;
}

static bool
set_peers(struct run *r, const struct weft_nl_wg_change *changes, size_t n, GError **error)
{
	const struct weft_nl_wg_set set = { .changes = changes, .n_changes = n };

	return weft_nl_wg_set(r->wg, weft_nl_ops_link(r->ops), &set, error);
}

/* The peer operations from @i on, in one request; one by one if something is refused, because the
 * kernel stops at the first. Returns how many there were. */
static size_t
apply_peers(struct run *r, size_t i)
{
	g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(struct weft_nl_wg_change));
	g_autoptr(GError) all = NULL;
	size_t n = 0;

	while (i + n < weft_nl_ops_count(r->ops) &&
	       is_peer_op(weft_nl_ops_get(r->ops, i + n)->kind))
		n++;
	g_array_set_size(changes, (guint) n); /* at once: growing would leave keys behind */
	for (size_t k = 0; k < n; k++)
		g_array_index(changes, struct weft_nl_wg_change, k) =
			weft_nl_ops_get(r->ops, i + k)->change;
	if (!set_peers(r, (const void *) changes->data, n, &all) &&
	    is_code(all, WEFT_NL_ERROR_PERMISSION)) {
		note(r, g_steal_pointer(&all));
	} else if (all != NULL) {
		for (size_t k = 0; k < n && !r->stop; k++) {
			const struct weft_nl_op *op = weft_nl_ops_get(r->ops, i + k);
			g_autofree char *what = weft_nl_op_describe(op);
			GError *e = NULL;

			if (!set_peers(r, &op->change, 1, &e))
				g_prefix_error(&e, "%s: ", what);
			note(r, e);
		}
	}
	weft_wipe(changes->data, n * sizeof(struct weft_nl_wg_change));
	return n;
}

static bool
needs_create(const WeftNlOps *ops)
{
	return weft_nl_ops_get(ops, 0)->kind == WEFT_NL_OP_LINK_CREATE;
}

static bool
is_link_op(enum weft_nl_op_kind kind)
{
	return kind == WEFT_NL_OP_LINK_CREATE || kind == WEFT_NL_OP_WG_DEVICE ||
	       kind == WEFT_NL_OP_LINK_MTU || kind == WEFT_NL_OP_LINK_UP;
}

bool
weft_nl_apply(
	WeftNlSocket *rt, WeftNlWg *wg, const WeftNlOps *ops, GPtrArray *problems, GError **error)
{
	struct run r = { .rt = rt, .wg = wg, .ops = ops, .problems = problems };
	size_t n = weft_nl_ops_count(ops);
	GError *e = NULL;

	if (n > 0 && !needs_create(ops) && !find_link(&r, &e)) {
		r.stop = true;
		note(&r, e);
	}
	for (size_t i = 0; i < n && !r.stop;) {
		const struct weft_nl_op *op = weft_nl_ops_get(ops, i);

		if (is_peer_op(op->kind)) {
			i += apply_peers(&r, i);
			continue;
		}
		if (is_link_op(op->kind))
			apply_link(&r, op);
		else
			apply_object(&r, op);
		i++;
	}
	if (r.first == NULL)
		return true;
	g_propagate_error(error, r.first);
	return false;
}

/* --- teardown */

static bool
forgive_missing(GError *e, GError **error)
{
	if (e == NULL)
		return true;
	if (is_code(e, WEFT_NL_ERROR_NOT_FOUND)) {
		g_error_free(e);
		return true;
	}
	g_propagate_error(error, e);
	return false;
}

static bool
delete_rules(WeftNlSocket *rt, uint8_t protocol, GError **error)
{
	g_autoptr(GArray) rules = weft_nl_rule_dump(rt, error);
	bool ok = rules != NULL;

	for (guint i = rules != NULL ? rules->len : 0; ok && i-- > 0;) {
		const struct weft_nl_rule *rule = &g_array_index(rules, struct weft_nl_rule, i);
		GError *e = NULL;

		if (rule->protocol != protocol || rule->other)
			continue;
		if (!weft_nl_rule_delete(rt, rule, &e))
			ok = forgive_missing(e, error);
	}
	return ok;
}

static bool
delete_routes(WeftNlSocket *rt, uint8_t protocol, GError **error)
{
	const struct weft_nl_route_filter f = { .protocol = protocol };
	g_autoptr(GArray) routes = weft_nl_route_dump(rt, &f, error);
	bool ok = routes != NULL;

	for (guint i = 0; ok && i < routes->len; i++) {
		GError *e = NULL;

		if (!weft_nl_route_delete(rt, &g_array_index(routes, struct weft_nl_route, i), &e))
			ok = forgive_missing(e, error);
	}
	return ok;
}

bool
weft_nl_teardown(WeftNlSocket *rt, WeftNlWg *wg, const char *name, uint8_t protocol, GError **error)
{
	GError *e = NULL;

	if (!delete_rules(rt, protocol, error) || !delete_routes(rt, protocol, error))
		return false;
	return weft_nl_wg_destroy(wg, name, &e) || forgive_missing(e, error);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/diff.h"

#include "netlink/diff-private.h"

#include <string.h>

/* clang-format off */
static const char *const op_names[WEFT_NL_OP_COUNT_] = {
	[WEFT_NL_OP_LINK_CREATE] = "create link",
	[WEFT_NL_OP_WG_DEVICE] = "set device",
	[WEFT_NL_OP_LINK_MTU] = "set mtu",
	[WEFT_NL_OP_ADDR_ADD_FIRST] = "add address",
	[WEFT_NL_OP_ADDR_DELETE_FIRST] = "delete address",
	[WEFT_NL_OP_ADDR_ADD] = "add address",
	[WEFT_NL_OP_LINK_UP] = "set up",
	[WEFT_NL_OP_WG_PEER] = "set peer",
	[WEFT_NL_OP_ROUTE_ADD] = "add route",
	[WEFT_NL_OP_ROUTE_REPLACE] = "replace route",
	[WEFT_NL_OP_RULE_ADD] = "add rule",
	[WEFT_NL_OP_RULE_DELETE] = "delete rule",
	[WEFT_NL_OP_ROUTE_DELETE] = "delete route",
	[WEFT_NL_OP_ADDR_DELETE] = "delete address",
	[WEFT_NL_OP_WG_PEER_SHRINK] = "set allowed ips of peer",
	[WEFT_NL_OP_WG_PEER_REMOVE] = "remove peer",
};
/* clang-format on */

const char *
weft_nl_op_name(enum weft_nl_op_kind kind)
{
	return (unsigned) kind < WEFT_NL_OP_COUNT_ ? op_names[kind] : "unknown";
}

/* --- the list */

static WeftNlOps *
ops_new(const char *link)
{
	WeftNlOps *ops = g_new0(WeftNlOps, 1);

	g_strlcpy(ops->link, link, sizeof ops->link);
	ops->ops = g_array_new(FALSE, TRUE, sizeof(struct weft_nl_op));
	ops->pool = g_ptr_array_new_with_free_func(g_free);
	return ops;
}

void
weft_nl_ops_free(WeftNlOps *ops)
{
	if (ops == NULL)
		return;
	if (ops->ops->len > 0)
		weft_wipe(ops->ops->data, ops->ops->len * sizeof(struct weft_nl_op));
	g_array_unref(ops->ops);
	g_ptr_array_unref(ops->pool);
	g_free(ops);
}

const char *
weft_nl_ops_link(const WeftNlOps *ops)
{
	return ops->link;
}

size_t
weft_nl_ops_count(const WeftNlOps *ops)
{
	return ops->ops->len;
}

const struct weft_nl_op *
weft_nl_ops_get(const WeftNlOps *ops, size_t i)
{
	return &g_array_index(ops->ops, struct weft_nl_op, i);
}

struct weft_nl_op *
weft_nl_ops_append(WeftNlOps *ops, enum weft_nl_op_kind kind)
{
	GArray *array = ops->ops;

	g_array_set_size(array, array->len + 1);
	g_array_index(array, struct weft_nl_op, array->len - 1).kind = kind;
	return &g_array_index(array, struct weft_nl_op, array->len - 1);
}

void
weft_nl_ops_order(WeftNlOps *ops)
{
	GArray *ordered = g_array_sized_new(FALSE, TRUE, sizeof(struct weft_nl_op), ops->ops->len);

	for (unsigned kind = 0; kind < WEFT_NL_OP_COUNT_; kind++) {
		for (guint i = 0; i < ops->ops->len; i++) {
			const struct weft_nl_op *op =
				&g_array_index(ops->ops, struct weft_nl_op, i);

			if (op->kind == kind)
				g_array_append_vals(ordered, op, 1);
		}
	}
	if (ops->ops->len > 0)
		weft_wipe(ops->ops->data, ops->ops->len * sizeof(struct weft_nl_op));
	g_array_unref(ops->ops);
	ops->ops = ordered;
}

static char *
describe_peer(const struct weft_nl_op *op)
{
	struct weft_key_text key = weft_key_to_text(&op->change.public_key);

	return g_strdup_printf("%s ...%s", op_names[op->kind], key.s + WEFT_KEY_TEXT_LEN - 8);
}

static char *
describe_prefix(const struct weft_nl_op *op, const struct weft_prefix *p)
{
	char text[WEFT_PREFIX_TEXT_SIZE];

	return g_strdup_printf("%s %s", op_names[op->kind], weft_prefix_format(p, text));
}

char *
weft_nl_op_describe(const struct weft_nl_op *op)
{
	switch (op->kind) {
	case WEFT_NL_OP_WG_PEER:
	case WEFT_NL_OP_WG_PEER_SHRINK:
	case WEFT_NL_OP_WG_PEER_REMOVE:
		return describe_peer(op);
	case WEFT_NL_OP_LINK_MTU:
		return g_strdup_printf("set mtu %u", op->mtu);
	case WEFT_NL_OP_ADDR_ADD_FIRST:
	case WEFT_NL_OP_ADDR_DELETE_FIRST:
	case WEFT_NL_OP_ADDR_ADD:
	case WEFT_NL_OP_ADDR_DELETE:
		return describe_prefix(op, &op->addr.prefix);
	case WEFT_NL_OP_ROUTE_ADD:
	case WEFT_NL_OP_ROUTE_REPLACE:
	case WEFT_NL_OP_ROUTE_DELETE:
		return describe_prefix(op, &op->route.dst);
	case WEFT_NL_OP_RULE_ADD:
	case WEFT_NL_OP_RULE_DELETE:
		return g_strdup_printf("%s %u (table %u)", op_names[op->kind], op->rule.priority,
				       op->rule.table);
	case WEFT_NL_OP_LINK_CREATE:
	case WEFT_NL_OP_WG_DEVICE:
	case WEFT_NL_OP_LINK_UP:
	case WEFT_NL_OP_COUNT_:
		break;
	}
	return g_strdup(weft_nl_op_name(op->kind));
}

/* --- the difference */

void
weft_nl_diff_report(struct weft_nl_diff *d, enum weft_nl_error code, const char *format, ...)
{
	va_list args;

	if (d->problems == NULL)
		return;
	va_start(args, format);
	g_ptr_array_add(d->problems, g_error_new_valist(WEFT_NL_ERROR, (gint) code, format, args));
	va_end(args);
}

/* The link is ours, or nobody's. */
static bool
link_may_be_used(const struct weft_nl_state *dumped)
{
	return dumped->link.ifindex == 0 || weft_nl_link_is_ours(&dumped->link) ||
	       (dumped->wg.ifindex != 0 && weft_nl_wg_device_is_blank(&dumped->wg));
}

static void
diff_link(struct weft_nl_diff *d)
{
	const struct weft_nl_link *link = &d->dumped->link;
	uint32_t mtu = d->desired->link.mtu;

	/* One without our mark is blank: creating adopts it. */
	if (link->ifindex == 0 || !weft_nl_link_is_ours(link))
		weft_nl_ops_append(d->ops, WEFT_NL_OP_LINK_CREATE);
	if (mtu != 0 && (link->ifindex == 0 || link->mtu != mtu))
		weft_nl_ops_append(d->ops, WEFT_NL_OP_LINK_MTU)->mtu = mtu;
	if (link->ifindex == 0 || !weft_nl_link_is_up(link))
		weft_nl_ops_append(d->ops, WEFT_NL_OP_LINK_UP);
}

static void
diff_device(struct weft_nl_diff *d)
{
	const struct weft_nl_wg_device *want = &d->desired->wg;
	const struct weft_nl_wg_device *have = &d->dumped->wg;
	struct weft_nl_wg_set set = { .private_key = want->private_key,
				      .listen_port = want->listen_port,
				      .fwmark = want->fwmark };

	if (!weft_key_is_zero(&want->private_key) &&
	    !weft_key_equal(&want->private_key, &have->private_key))
		set.flags |= WEFT_NL_WG_SET_PRIVATE_KEY;
	if (want->listen_port != 0 && want->listen_port != have->listen_port)
		set.flags |= WEFT_NL_WG_SET_LISTEN_PORT;
	if (want->fwmark != have->fwmark)
		set.flags |= WEFT_NL_WG_SET_FWMARK;
	if ((set.flags & WEFT_NL_WG_SET_PRIVATE_KEY) == 0)
		weft_key_wipe(&set.private_key);
	if (set.flags != 0)
		weft_nl_ops_append(d->ops, WEFT_NL_OP_WG_DEVICE)->device = set;
	weft_key_wipe(&set.private_key);
}

static guint
address_hash(const void *p)
{
	const struct weft_address *a = p;
	guint h = a->family;

	for (size_t i = 0; i < sizeof a->b; i++)
		h = h * 31 + a->b[i];
	return h;
}

static gboolean
address_equal(const void *a, const void *b)
{
	return weft_address_equal(a, b);
}

WeftNlOps *
weft_nl_diff(const struct weft_nl_state *desired,
	     const struct weft_nl_state *dumped,
	     GPtrArray *problems)
{
	g_autoptr(GHashTable) gone = g_hash_table_new(address_hash, address_equal);
	g_autoptr(WeftNlOps) ops = ops_new(desired->link.name);
	struct weft_nl_diff d = { .desired = desired,
				  .dumped = dumped,
				  .problems = problems,
				  .ops = ops,
				  .gone_sources = gone };

	g_return_val_if_fail(desired->normalised && dumped->normalised, NULL);
	if (!link_may_be_used(dumped)) {
		weft_nl_diff_report(&d, WEFT_NL_ERROR_FOREIGN,
				    "link %s: the name is taken by a link of someone else",
				    desired->link.name);
		return g_steal_pointer(&ops);
	}
	diff_link(&d);
	diff_device(&d);
	weft_nl_diff_peers(&d);
	weft_nl_diff_addrs(&d);
	weft_nl_diff_routes(&d);
	weft_nl_diff_rules(&d);
	weft_nl_ops_order(ops);
	return g_steal_pointer(&ops);
}

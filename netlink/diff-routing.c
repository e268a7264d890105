/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/diff-private.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

/* --- addresses
 *
 * IPv4 of the kernel: the first address of a subnet is its primary; deleting it deletes the others
 * (unless promote_secondaries is set), and deleting the last address of a link deletes all routes
 * into it, whoever made them. IPv6: an address is there once, whatever its prefix length. Hence
 * some deletions come first, what they take with them is added again, and where a link would be
 * without an address in between, a wanted one stands in as /32. */

#define ADDR(array, i) g_array_index(array, struct weft_nl_addr, i)

static bool
same_prefix(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return a->bits == b->bits && weft_address_equal(&a->addr, &b->addr);
}

static bool
contains_addr(const GArray *addrs, const struct weft_prefix *p)
{
	for (guint i = 0; i < addrs->len; i++) {
		if (same_prefix(&ADDR(addrs, i).prefix, p))
			return true;
	}
	return false;
}

static bool
same_subnet(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return a->addr.family == b->addr.family && a->bits == b->bits &&
	       weft_prefix_equal(a, b); /* it compares masked */
}

static bool
is_v4(const struct weft_nl_addr *a)
{
	return a->prefix.addr.family == WEFT_FAMILY_IPV4;
}

static bool
is_ours(const struct weft_nl_diff *d, const struct weft_nl_addr *have)
{
	return have->protocol == d->desired->protocol ||
	       contains_addr(d->desired->former_addrs, &have->prefix);
}

static bool
is_primary(const struct weft_nl_addr *a)
{
	return is_v4(a) && (a->flags & IFA_F_SECONDARY) == 0;
}

/* The kernel would delete someone else's address together with this one. */
static bool
carries_foreign(const struct weft_nl_diff *d, const struct weft_nl_addr *have)
{
	const GArray *all = d->dumped->addrs;

	for (guint i = 0; is_primary(have) && i < all->len; i++) {
		const struct weft_nl_addr *a = &ADDR(all, i);

		if (is_v4(a) && !is_primary(a) && same_subnet(&a->prefix, &have->prefix) &&
		    !is_ours(d, a) && !contains_addr(d->desired->addrs, &a->prefix))
			return true;
	}
	return false;
}

/* Ours, and wanted no longer. */
static bool
is_unwanted(const struct weft_nl_diff *d, const struct weft_nl_addr *have)
{
	return is_ours(d, have) && !contains_addr(d->desired->addrs, &have->prefix);
}

/* To be deleted. */
static bool
is_stale(const struct weft_nl_diff *d, const struct weft_nl_addr *have)
{
	return is_unwanted(d, have) && !carries_foreign(d, have);
}

static bool
wants_v4(const struct weft_nl_diff *d)
{
	for (guint i = 0; i < d->desired->addrs->len; i++) {
		if (is_v4(&ADDR(d->desired->addrs, i)))
			return true;
	}
	return false;
}

/* Whether IPv4 addresses stay that are not stale: then the link's routes stay, too. */
static bool
v4_stays(const struct weft_nl_diff *d)
{
	for (guint i = 0; i < d->dumped->addrs->len; i++) {
		const struct weft_nl_addr *a = &ADDR(d->dumped->addrs, i);

		if (is_v4(a) && !is_stale(d, a))
			return true;
	}
	return false;
}

/* A stale address that stands in the way of a wanted one, or takes some with it. */
static bool
goes_first(const struct weft_nl_diff *d, const struct weft_nl_addr *stale)
{
	const GArray *want = d->desired->addrs;

	if (is_v4(stale) && !is_primary(stale))
		return false;
	if (is_v4(stale) && !wants_v4(d) && !v4_stays(d))
		return true; /* the routes go with it, and are wanted again */
	for (guint i = 0; i < want->len; i++) {
		const struct weft_prefix *p = &ADDR(want, i).prefix;

		if (is_v4(stale) ? same_subnet(p, &stale->prefix)
				 : weft_address_equal(&p->addr, &stale->prefix.addr))
			return true;
	}
	return false;
}

/* A secondary address whose primary is deleted first. */
static bool
goes_along(const struct weft_nl_diff *d, const struct weft_nl_addr *have)
{
	const GArray *all = d->dumped->addrs;

	if (!is_v4(have) || is_primary(have))
		return false;
	for (guint i = 0; i < all->len; i++) {
		const struct weft_nl_addr *other = &ADDR(all, i);

		if (is_primary(other) && is_stale(d, other) &&
		    same_subnet(&other->prefix, &have->prefix) && goes_first(d, other))
			return true;
	}
	return false;
}

static void
append_addr(struct weft_nl_diff *d, enum weft_nl_op_kind kind, const struct weft_nl_addr *addr)
{
	weft_nl_ops_append(d->ops, kind)->addr = *addr;
}

/* Keeps the link from being without IPv4 while addresses are exchanged: a wanted /32 comes first,
 * or another wanted one is lent as /32. Returns the wanted address that was added so, or NULL. */
static const struct weft_nl_addr *
stand_in(struct weft_nl_diff *d)
{
	const GArray *want = d->desired->addrs;
	const struct weft_nl_addr *any = NULL;
	struct weft_nl_addr lent;

	for (guint i = 0; i < want->len; i++) {
		const struct weft_nl_addr *a = &ADDR(want, i);

		if (is_v4(a) && a->prefix.bits == 32) {
			append_addr(d, WEFT_NL_OP_ADDR_ADD_FIRST, a);
			return a;
		}
		if (is_v4(a))
			any = a;
	}
	if (any == NULL)
		return NULL;
	lent = *any;
	lent.prefix.bits = 32;
	append_addr(d, WEFT_NL_OP_ADDR_ADD_FIRST, &lent);
	append_addr(d, WEFT_NL_OP_ADDR_DELETE, &lent);
	return NULL;
}

/* Finds what the deletions that come first take with them. */
static const struct weft_nl_addr *
find_losses(struct weft_nl_diff *d)
{
	const GArray *have = d->dumped->addrs;
	guint before = 0;
	guint after = 0;

	for (guint i = 0; i < have->len; i++) {
		const struct weft_nl_addr *a = &ADDR(have, i);
		bool gone = (is_stale(d, a) && goes_first(d, a)) || goes_along(d, a);

		if (gone)
			g_hash_table_add(d->gone_sources, (void *) &a->prefix.addr);
		if (is_v4(a)) {
			before++;
			after += !gone;
		}
	}
	if (before == 0 || after > 0)
		return NULL;
	if (wants_v4(d))
		return stand_in(d);
	d->v4_flushed = true;
	return NULL;
}

/* A wanted IPv6 address that a foreign one of another length keeps out. */
static bool
is_kept_out(struct weft_nl_diff *d, const struct weft_nl_addr *want)
{
	const GArray *have = d->dumped->addrs;
	char text[WEFT_PREFIX_TEXT_SIZE];

	for (guint i = 0; i < have->len && !is_v4(want); i++) {
		const struct weft_nl_addr *a = &ADDR(have, i);

		if (!weft_address_equal(&a->prefix.addr, &want->prefix.addr) || is_stale(d, a))
			continue;
		weft_nl_diff_report(d, WEFT_NL_ERROR_FOREIGN,
				    "address %s: someone else set it with /%u",
				    weft_prefix_format(&want->prefix, text), a->prefix.bits);
		return true;
	}
	return false;
}

static void
settle_addr(struct weft_nl_diff *d, const struct weft_nl_addr *have)
{
	char text[WEFT_PREFIX_TEXT_SIZE];

	if (is_stale(d, have))
		append_addr(d,
			    goes_first(d, have) || goes_along(d, have)
				    ? WEFT_NL_OP_ADDR_DELETE_FIRST
				    : WEFT_NL_OP_ADDR_DELETE,
			    have);
	else if (is_unwanted(d, have))
		weft_nl_diff_report(d, WEFT_NL_ERROR_FOREIGN,
				    "address %s stays: someone else's depends on it",
				    weft_prefix_format(&have->prefix, text));
	else if (goes_along(d, have))
		append_addr(d, WEFT_NL_OP_ADDR_ADD, have); /* again */
}

void
weft_nl_diff_addrs(struct weft_nl_diff *d)
{
	const GArray *want = d->desired->addrs;
	const GArray *have = d->dumped->addrs;
	const struct weft_nl_addr *first = find_losses(d);

	/* Primary addresses last: they would take their secondaries with them, or promote them. */
	for (unsigned primary = 0; primary < 2; primary++) {
		for (guint i = 0; i < have->len; i++) {
			if (is_primary(&ADDR(have, i)) == primary)
				settle_addr(d, &ADDR(have, i));
		}
	}
	for (guint i = 0; i < want->len; i++) {
		const struct weft_nl_addr *a = &ADDR(want, i);

		if (a != first && !contains_addr(have, &a->prefix) && !is_kept_out(d, a))
			append_addr(d, WEFT_NL_OP_ADDR_ADD, a);
	}
}

/* --- routes */

#define ROUTE(array, i) g_array_index(array, struct weft_nl_route, i)

/* As it will stand in the kernel: "our link" has a number there. */
static struct weft_nl_route
resolve(const struct weft_nl_diff *d, const struct weft_nl_route *want)
{
	struct weft_nl_route r = *want;

	if (r.ifindex == 0 && r.type == RTN_UNICAST)
		r.ifindex = d->dumped->link.ifindex;
	return r;
}

static bool
is_flushed(const struct weft_nl_diff *d, const struct weft_nl_route *have)
{
	return d->v4_flushed && have->dst.addr.family == WEFT_FAMILY_IPV4 &&
	       have->type == RTN_UNICAST && have->ifindex == d->dumped->link.ifindex;
}

/* The address operations take it with them, or may: that depends on promote_secondaries. */
static bool
is_uncertain(const struct weft_nl_diff *d, const struct weft_nl_route *have)
{
	return is_flushed(d, have) ||
	       (have->dst.addr.family == WEFT_FAMILY_IPV4 && have->src.family != WEFT_FAMILY_NONE &&
		g_hash_table_contains(d->gone_sources, &have->src));
}

static void
append_route(struct weft_nl_diff *d, enum weft_nl_op_kind kind, const struct weft_nl_route *route)
{
	weft_nl_ops_append(d->ops, kind)->route = *route;
}

static void
settle_route(struct weft_nl_diff *d,
	     const struct weft_nl_route *want,
	     const struct weft_nl_route *ours,
	     bool foreign)
{
	const struct weft_nl_route r = resolve(d, want);
	char text[WEFT_PREFIX_TEXT_SIZE];

	if (ours != NULL && !is_uncertain(d, ours) && weft_nl_route_equal(&r, ours))
		return;
	if (foreign) {
		weft_nl_diff_report(d, WEFT_NL_ERROR_FOREIGN,
				    "route %s in table %u: someone else has one there",
				    weft_prefix_format(&r.dst, text), r.table);
		return;
	}
	append_route(d, ours != NULL ? WEFT_NL_OP_ROUTE_REPLACE : WEFT_NL_OP_ROUTE_ADD, want);
}

void
weft_nl_diff_routes(struct weft_nl_diff *d)
{
	const GArray *want = d->desired->routes;
	const GArray *have = d->dumped->routes;
	guint j = 0;

	for (guint i = 0; i <= want->len; i++) {
		const struct weft_nl_route *w = i < want->len ? &ROUTE(want, i) : NULL;
		const struct weft_nl_route *ours = NULL;
		bool foreign = false;

		/* All that are there up to the key of @w, or to the end. */
		for (; j < have->len; j++) {
			const struct weft_nl_route *h = &ROUTE(have, j);
			int c = w != NULL ? weft_nl_route_compare_key(h, w) : -1;

			if (c > 0)
				break;
			if (c == 0 && h->protocol != d->desired->protocol)
				foreign = true;
			else if (c == 0 && ours == NULL)
				ours = h;
			else if (h->protocol == d->desired->protocol && !is_flushed(d, h))
				append_route(d, WEFT_NL_OP_ROUTE_DELETE, h);
		}
		if (w != NULL)
			settle_route(d, w, ours, foreign);
	}
}

/* --- rules */

#define RULE(array, i) g_array_index(array, struct weft_nl_rule, i)

/* Additions in ascending priority, deletions in descending: the exceptions stand before the rule
 * that they are exceptions of. A foreign rule of the same content serves as well as ours. */
void
weft_nl_diff_rules(struct weft_nl_diff *d)
{
	const GArray *want = d->desired->rules;
	const GArray *have = d->dumped->rules;
	guint i = 0;
	guint j = 0;
	g_autoptr(GArray) stale = g_array_new(FALSE, FALSE, sizeof(guint));

	while (i < want->len || j < have->len) {
		int c = i == want->len   ? 1
			: j == have->len ? -1
					 : weft_nl_rule_compare(&RULE(want, i), &RULE(have, j));

		if (c == 0) {
			i++;
			/* Several of one content: someone else's stay, of ours one is enough. */
			while (++j < have->len &&
			       weft_nl_rule_compare(&RULE(want, i - 1), &RULE(have, j)) == 0)
				;
		} else if (c < 0) {
			weft_nl_ops_append(d->ops, WEFT_NL_OP_RULE_ADD)->rule = RULE(want, i++);
		} else {
			if (RULE(have, j).protocol == d->desired->protocol && !RULE(have, j).other)
				g_array_append_val(stale, j);
			j++;
		}
	}
	for (guint k = stale->len; k-- > 0;)
		weft_nl_ops_append(d->ops, WEFT_NL_OP_RULE_DELETE)->rule =
			RULE(have, g_array_index(stale, guint, k));
}

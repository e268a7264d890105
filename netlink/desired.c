/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/desired.h"

#include "netlink/error.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define IPV6_MIN_MTU        1280 /* RFC 8200 section 5 */
#define IPV6_DEFAULT_METRIC 1024 /* what the kernel makes of 0 */

struct weft_nl_state *
weft_nl_state_new(const char *name)
{
	struct weft_nl_state *state = g_new0(struct weft_nl_state, 1);

	g_strlcpy(state->link.name, name, sizeof state->link.name);
	g_strlcpy(state->wg.name, name, sizeof state->wg.name);
	state->addrs = g_array_new(FALSE, TRUE, sizeof(struct weft_nl_addr));
	state->routes = g_array_new(FALSE, TRUE, sizeof(struct weft_nl_route));
	state->rules = g_array_new(FALSE, TRUE, sizeof(struct weft_nl_rule));
	state->former_addrs = g_array_new(FALSE, TRUE, sizeof(struct weft_nl_addr));
	state->protocol = WEFT_NL_PROTOCOL;
	return state;
}

void
weft_nl_state_free(struct weft_nl_state *state)
{
	if (state == NULL)
		return;
	weft_nl_wg_device_clear(&state->wg);
	g_array_unref(state->addrs);
	g_array_unref(state->routes);
	g_array_unref(state->rules);
	g_array_unref(state->former_addrs);
	g_free(state);
}

void
weft_nl_state_add_addr(struct weft_nl_state *state, const struct weft_prefix *prefix)
{
	const struct weft_nl_addr addr = { .prefix = *prefix, .protocol = state->protocol };

	g_array_append_vals(state->addrs, &addr, 1);
	state->normalised = false;
}

void
weft_nl_state_add_route(struct weft_nl_state *state, const struct weft_nl_route *route)
{
	struct weft_nl_route copy = *route;

	copy.protocol = state->protocol;
	g_array_append_vals(state->routes, &copy, 1);
	state->normalised = false;
}

void
weft_nl_state_add_rule(struct weft_nl_state *state, const struct weft_nl_rule *rule)
{
	struct weft_nl_rule copy = *rule;

	copy.protocol = state->protocol;
	g_array_append_vals(state->rules, &copy, 1);
	state->normalised = false;
}

/* --- normalising */

static G_GNUC_PRINTF(3, 4) void report(GPtrArray *problems,
				       enum weft_nl_error code,
				       const char *format,
				       ...)
{
	va_list args;

	if (problems == NULL)
		return;
	va_start(args, format);
	g_ptr_array_add(problems, g_error_new_valist(WEFT_NL_ERROR, (gint) code, format, args));
	va_end(args);
}

static bool
prefix_possible(const struct weft_prefix *p)
{
	uint8_t bits = weft_address_bits(&p->addr);

	return bits != 0 && p->bits <= bits;
}

static const char *
prefix_text(const struct weft_prefix *p, char text[WEFT_PREFIX_TEXT_SIZE])
{
	return prefix_possible(p) ? weft_prefix_format(p, text) : "with an impossible prefix";
}

static int
compare_addrs(const void *a, const void *b)
{
	return weft_nl_addr_compare(a, b);
}

static int
compare_routes(const void *a, const void *b)
{
	return weft_nl_route_compare_key(a, b);
}

static int
compare_rules(const void *a, const void *b)
{
	return weft_nl_rule_compare(a, b);
}

static void
normalise_link(struct weft_nl_state *state, GPtrArray *problems)
{
	uint32_t *mtu = &state->link.mtu;
	bool v6 = false;

	for (guint i = 0; i < state->addrs->len; i++)
		v6 |= g_array_index(state->addrs, struct weft_nl_addr, i).prefix.addr.family ==
		      WEFT_FAMILY_IPV6;
	if (*mtu == 0)
		return;
	if (*mtu < WEFT_NL_MTU_MIN || *mtu > WEFT_NL_MTU_MAX) {
		report(problems, WEFT_NL_ERROR_INVALID, "mtu %u is not between %u and %u", *mtu,
		       WEFT_NL_MTU_MIN, WEFT_NL_MTU_MAX);
		*mtu = 0;
	} else if (v6 && *mtu < IPV6_MIN_MTU) {
		report(problems, WEFT_NL_ERROR_INVALID, "mtu %u is below the %u that IPv6 takes",
		       *mtu, IPV6_MIN_MTU);
		*mtu = IPV6_MIN_MTU;
	}
}

static void
normalise_addrs(struct weft_nl_state *state, GPtrArray *problems)
{
	GArray *addrs = state->addrs;
	guint n = 0;

	for (guint i = 0; i < addrs->len; i++) {
		struct weft_nl_addr *a = &g_array_index(addrs, struct weft_nl_addr, i);

		if (prefix_possible(&a->prefix))
			g_array_index(addrs, struct weft_nl_addr, n++) = *a;
		else
			report(problems, WEFT_NL_ERROR_INVALID, "address with the prefix length %u",
			       a->prefix.bits);
	}
	g_array_set_size(addrs, n);
	g_array_sort(addrs, compare_addrs);
	n = 0;
	for (guint i = 0; i < addrs->len; i++) {
		struct weft_nl_addr *a = &g_array_index(addrs, struct weft_nl_addr, i);

		if (n == 0 ||
		    compare_addrs(a, &g_array_index(addrs, struct weft_nl_addr, n - 1)) != 0)
			g_array_index(addrs, struct weft_nl_addr, n++) = *a;
	}
	g_array_set_size(addrs, n);
}

/* Fills in what the kernel would. False if it is impossible. */
static bool
complete_route(struct weft_nl_route *r)
{
	uint8_t family = r->dst.addr.family;

	if (!prefix_possible(&r->dst) ||
	    (r->gateway.family != WEFT_FAMILY_NONE && r->gateway.family != family) ||
	    (r->src.family != WEFT_FAMILY_NONE && r->src.family != family))
		return false;
	r->dst = weft_prefix_mask(&r->dst);
	if (r->type == RTN_UNSPEC)
		r->type = RTN_UNICAST;
	if (r->table == 0)
		r->table = WEFT_NL_TABLE_MAIN;
	if (r->metric == 0 && family == WEFT_FAMILY_IPV6)
		r->metric = IPV6_DEFAULT_METRIC;
	if (r->type != RTN_UNICAST) {
		r->ifindex = 0;
		r->gateway = (struct weft_address){ 0 };
	}
	return r->type == RTN_UNICAST || r->type == RTN_UNREACHABLE || r->type == RTN_BLACKHOLE ||
	       r->type == RTN_PROHIBIT || r->type == RTN_THROW;
}

static void
normalise_routes(struct weft_nl_state *state, GPtrArray *problems)
{
	GArray *routes = state->routes;
	char text[WEFT_PREFIX_TEXT_SIZE];
	guint n = 0;

	for (guint i = 0; i < routes->len; i++) {
		struct weft_nl_route *r = &g_array_index(routes, struct weft_nl_route, i);

		if (complete_route(r))
			g_array_index(routes, struct weft_nl_route, n++) = *r;
		else
			report(problems, WEFT_NL_ERROR_INVALID,
			       "route %s: impossible prefix, families or type",
			       prefix_text(&r->dst, text));
	}
	g_array_set_size(routes, n);
	g_array_sort(routes, compare_routes); /* stable: of one key the later stays behind */
	n = 0;
	for (guint i = 0; i < routes->len; i++) {
		struct weft_nl_route *r = &g_array_index(routes, struct weft_nl_route, i);
		struct weft_nl_route *last =
			n > 0 ? &g_array_index(routes, struct weft_nl_route, n - 1) : NULL;

		if (last == NULL || compare_routes(last, r) != 0) {
			g_array_index(routes, struct weft_nl_route, n++) = *r;
			continue;
		}
		if (!weft_nl_route_equal(last, r))
			report(problems, WEFT_NL_ERROR_CONFLICT,
			       "route %s in table %u: wanted twice; the later one is used",
			       prefix_text(&r->dst, text), r->table);
		*last = *r;
	}
	g_array_set_size(routes, n);
}

/* A prefix of no bits is "any". */
static bool
complete_rule_prefix(struct weft_prefix *p, uint8_t family)
{
	if (p->addr.family == WEFT_FAMILY_NONE)
		return p->bits == 0;
	if (p->addr.family != family || !prefix_possible(p))
		return false;
	*p = p->bits == 0 ? (struct weft_prefix){ 0 } : weft_prefix_mask(p);
	return true;
}

static bool
complete_rule(struct weft_nl_rule *r)
{
	if ((r->family != WEFT_FAMILY_IPV4 && r->family != WEFT_FAMILY_IPV6) || r->priority == 0 ||
	    r->table == 0 || r->other || r->suppress_prefix < -1 || r->suppress_prefix > 128)
		return false;
	if (r->action == FR_ACT_UNSPEC)
		r->action = FR_ACT_TO_TBL;
	if (r->fwmask == 0)
		r->fwmark = 0;
	return r->action == FR_ACT_TO_TBL && complete_rule_prefix(&r->src, r->family) &&
	       complete_rule_prefix(&r->dst, r->family);
}

static void
normalise_rules(struct weft_nl_state *state, GPtrArray *problems)
{
	GArray *rules = state->rules;
	guint n = 0;

	for (guint i = 0; i < rules->len; i++) {
		struct weft_nl_rule *r = &g_array_index(rules, struct weft_nl_rule, i);

		if (complete_rule(r))
			g_array_index(rules, struct weft_nl_rule, n++) = *r;
		else
			report(problems, WEFT_NL_ERROR_INVALID,
			       "rule %u: no family, priority or table, or an impossible prefix",
			       r->priority);
	}
	g_array_set_size(rules, n);
	g_array_sort(rules, compare_rules);
	n = 0;
	for (guint i = 0; i < rules->len; i++) {
		struct weft_nl_rule *r = &g_array_index(rules, struct weft_nl_rule, i);

		if (n == 0 ||
		    compare_rules(r, &g_array_index(rules, struct weft_nl_rule, n - 1)) != 0)
			g_array_index(rules, struct weft_nl_rule, n++) = *r;
	}
	g_array_set_size(rules, n);
}

void
weft_nl_state_normalise(struct weft_nl_state *state, GPtrArray *problems)
{
	normalise_addrs(state, problems);
	normalise_link(state, problems);
	normalise_routes(state, problems);
	normalise_rules(state, problems);
	weft_nl_wg_device_normalise(&state->wg, problems);
	state->normalised = true;
}

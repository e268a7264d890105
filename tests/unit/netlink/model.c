/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model.h"

#include "fake.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#define KEYS     12
#define PREFIXES 16

static unsigned
pick(unsigned n)
{
	return (unsigned) g_test_rand_int_range(0, (gint32) n);
}

/* --- random values out of few, so that they meet */

static struct weft_prefix
random_allowed(void)
{
	unsigned n = pick(PREFIXES);
	g_autofree char *text = n % 2 == 0 ? g_strdup_printf("10.%u.0.0/%u", n, 16 + n % 3 * 8)
					   : g_strdup_printf("fd09:%u::/48", n);

	return fake_prefix(text);
}

static struct weft_prefix
random_addr(bool v6)
{
	g_autofree char *text =
		v6 ? g_strdup_printf("fd09::%u/%u", 1 + pick(3), 48 + 16 * pick(2))
		   : g_strdup_printf("10.9.%u.%u/%u", pick(2), 1 + pick(4), pick(3) * 8 + 16);

	return fake_prefix(text);
}

static struct weft_nl_route
random_route(const GArray *addrs, uint32_t own_link)
{
	static const uint8_t types[] = { RTN_UNICAST, RTN_UNICAST, RTN_UNICAST, RTN_UNREACHABLE };
	bool v6 = pick(3) == 0;
	g_autofree char *text = v6 ? g_strdup_printf("fd0%u::/32", pick(6))
				   : g_strdup_printf("172.%u.0.0/16", 16 + pick(6));
	struct weft_nl_route r = {
		.dst = fake_prefix(text),
		.table = pick(3) == 0 ? WEFT_NL_TABLE_MAIN : 5745,
		.metric = pick(4) == 0 ? 50
			  : v6         ? 1024
				       : 0,
		.mtu = pick(3) == 0 ? 1300 : 0,
		.type = types[pick(G_N_ELEMENTS(types))],
	};

	if (r.type == RTN_UNICAST)
		r.ifindex = own_link;
	for (guint i = 0; i < addrs->len && pick(2) == 0; i++) {
		const struct weft_address *a =
			&g_array_index(addrs, struct weft_nl_addr, i).prefix.addr;

		if (a->family == r.dst.addr.family)
			r.src = *a;
	}
	return r;
}

static struct weft_nl_rule
random_rule(void)
{
	struct weft_nl_rule r =
		weft_nl_rule_init(pick(3) == 0 ? WEFT_FAMILY_IPV6 : WEFT_FAMILY_IPV4,
				  5740 + pick(4), pick(2) == 0 ? 254 : 5745);

	if (pick(2) == 0)
		r.suppress_prefix = 0;
	if (pick(2) == 0) {
		r.fwmark = 0x5745;
		r.fwmask = UINT32_MAX;
		r.invert = pick(2) == 0;
	}
	return r;
}

static void
random_peers(struct weft_nl_wg_device *dev)
{
	g_autoptr(GHashTable) used = g_hash_table_new(g_direct_hash, g_direct_equal);
	unsigned n = pick(KEYS);

	for (unsigned i = 0; i < n; i++) {
		unsigned number = pick(KEYS);
		const struct weft_key key = fake_key(number);
		struct weft_nl_wg_peer *peer;

		if (!g_hash_table_add(used, GUINT_TO_POINTER(number)))
			continue;
		peer = weft_nl_wg_device_add_peer(dev, &key);
		peer->keepalive_s = (uint16_t) (pick(2) * 25);
		if (pick(3) == 0)
			peer->preshared_key = fake_key(1000 + pick(2));
		if (pick(2) == 0) {
			peer->endpoint_mode = (uint8_t) pick(WEFT_NL_WG_ENDPOINT_MODE_COUNT_);
			peer->endpoint =
				fake_endpoint(pick(2) == 0 ? "192.0.2.1:1" : "[fd00::1]:2");
		}
		for (unsigned k = pick(5); k > 0; k--) {
			const struct weft_prefix p = random_allowed();

			weft_nl_wg_peer_allow(peer, &p);
		}
	}
}

struct weft_nl_state *
random_desired(void)
{
	struct weft_nl_state *s = weft_nl_state_new("weft0");

	s->link.mtu = pick(2) == 0 ? 0 : 1280 + pick(3) * 10;
	s->wg.listen_port = (uint16_t) pick(3);
	s->wg.fwmark = pick(2);
	if (pick(3) > 0)
		s->wg.private_key = fake_key(2000 + pick(2));
	random_peers(&s->wg);
	for (unsigned i = pick(5); i > 0; i--) {
		const struct weft_prefix p = random_addr(pick(3) == 0);

		weft_nl_state_add_addr(s, &p);
	}
	for (unsigned i = pick(8); i > 0; i--) {
		const struct weft_nl_route r = random_route(s->addrs, 0);

		weft_nl_state_add_route(s, &r);
	}
	for (unsigned i = pick(5); i > 0; i--) {
		const struct weft_nl_rule r = random_rule();

		weft_nl_state_add_rule(s, &r);
	}
	weft_nl_state_normalise(s, NULL);
	/* The kernel has an IPv6 address once. */
	for (guint i = 1; i < s->addrs->len;) {
		const struct weft_nl_addr *a = &g_array_index(s->addrs, struct weft_nl_addr, i);
		const struct weft_nl_addr *b = a - 1;

		if (a->prefix.addr.family == WEFT_FAMILY_IPV6 &&
		    weft_address_equal(&a->prefix.addr, &b->prefix.addr))
			g_array_remove_index(s->addrs, i);
		else
			i++;
	}
	return s;
}

/* --- the model */

static bool
is_v4(const struct weft_nl_addr *a)
{
	return a->prefix.addr.family == WEFT_FAMILY_IPV4;
}

bool
same_addr(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return a->bits == b->bits && weft_address_equal(&a->addr, &b->addr);
}

/* False if the kernel would say EEXIST. */
static bool
model_add_addr(struct model *m, const struct weft_nl_addr *addr)
{
	struct weft_nl_state *s = m->state;
	struct weft_nl_addr a = *addr;

	a.ifindex = LINK;
	a.flags = 0;
	for (guint i = 0; i < s->addrs->len; i++) {
		const struct weft_nl_addr *b = ADDR(s, i);

		if (is_v4(&a) ? same_addr(&a.prefix, &b->prefix)
			      : weft_address_equal(&a.prefix.addr, &b->prefix.addr))
			return false;
		if (is_v4(&a) && is_v4(b) && a.prefix.bits == b->prefix.bits &&
		    weft_prefix_equal(&a.prefix, &b->prefix))
			a.flags = IFA_F_SECONDARY;
	}
	g_array_append_val(s->addrs, a);
	return true;
}

bool
has_v4(const struct weft_nl_state *s, const struct weft_address *a)
{
	for (guint i = 0; i < s->addrs->len; i++) {
		if (is_v4(ADDR(s, i)) &&
		    (a == NULL || weft_address_equal(&ADDR(s, i)->prefix.addr, a)))
			return true;
	}
	return false;
}

/* What an IPv4 address takes with it when it goes. */
static void
model_forget_routes(struct model *m, const struct weft_address *gone)
{
	struct weft_nl_state *s = m->state;
	bool none = !has_v4(s, NULL);

	for (guint i = s->routes->len; i-- > 0;) {
		const struct weft_nl_route *r = ROUTE(s, i);
		bool v4 = r->dst.addr.family == WEFT_FAMILY_IPV4;

		if (v4 && ((none && r->type == RTN_UNICAST && r->ifindex == LINK) ||
			   (weft_address_equal(&r->src, gone) && !has_v4(s, gone))))
			g_array_remove_index(s->routes, i);
	}
}

static void
model_delete_addr(struct model *m, const struct weft_prefix *prefix)
{
	struct weft_nl_state *s = m->state;
	struct weft_nl_addr gone = { 0 };

	for (guint i = 0; i < s->addrs->len; i++) {
		if (!same_addr(&ADDR(s, i)->prefix, prefix))
			continue;
		gone = *ADDR(s, i);
		g_array_remove_index(s->addrs, i);
		break;
	}
	g_assert_cmpuint(gone.ifindex, ==, LINK);
	if (!is_v4(&gone))
		return;
	model_forget_routes(m, &gone.prefix.addr);
	if ((gone.flags & IFA_F_SECONDARY) != 0)
		return;
	for (guint i = 0; i < s->addrs->len; i++) {
		struct weft_nl_addr other = *ADDR(s, i);

		if (!is_v4(&other) || other.prefix.bits != gone.prefix.bits ||
		    !weft_prefix_equal(&other.prefix, &gone.prefix))
			continue;
		if (m->promote) {
			ADDR(s, i)->flags = 0;
			return;
		}
		g_array_remove_index(s->addrs, i--);
		model_forget_routes(m, &other.prefix.addr);
	}
}

/* Its index, or -1. */
int
model_find_route(const struct model *m, const struct weft_nl_route *key)
{
	for (guint i = 0; i < m->state->routes->len; i++) {
		if (weft_nl_route_compare_key(ROUTE(m->state, i), key) == 0)
			return (int) i;
	}
	return -1;
}

static void
model_route(struct model *m, const struct weft_nl_op *op)
{
	struct weft_nl_route r = op->route;
	int there;

	if (r.ifindex == 0 && r.type == RTN_UNICAST)
		r.ifindex = LINK;
	there = model_find_route(m, &r);
	if (op->kind == WEFT_NL_OP_ROUTE_DELETE) {
		if (there >= 0) { /* or ESRCH, which is forgiven */
			g_assert_cmpuint(ROUTE(m->state, there)->protocol, ==, OURS);
			g_array_remove_index(m->state->routes, (guint) there);
		}
		return;
	}
	g_assert_true(r.type != RTN_UNICAST || (m->state->link.flags & IFF_UP) != 0);
	if (r.src.family == WEFT_FAMILY_IPV4)
		g_assert_true(has_v4(m->state, &r.src));
	if (op->kind == WEFT_NL_OP_ROUTE_ADD)
		g_assert_cmpint(there, <, 0);
	if (there >= 0) {
		g_assert_cmpuint(ROUTE(m->state, there)->protocol, ==, OURS);
		*ROUTE(m->state, there) = r;
	} else {
		g_array_append_val(m->state->routes, r);
	}
}

static void
model_rule(struct model *m, const struct weft_nl_op *op)
{
	for (guint i = 0; i < m->state->rules->len; i++) {
		if (weft_nl_rule_compare(RULE(m->state, i), &op->rule) != 0)
			continue;
		g_assert_cmpint(op->kind, ==, WEFT_NL_OP_RULE_DELETE);
		g_assert_cmpuint(RULE(m->state, i)->protocol, ==, OURS);
		g_array_remove_index(m->state->rules, i);
		return;
	}
	g_assert_cmpint(op->kind, ==, WEFT_NL_OP_RULE_ADD);
	g_array_append_val(m->state->rules, op->rule);
}

void
model_apply(struct model *m, const struct weft_nl_op *op)
{
	const struct weft_nl_wg_set peers = { .changes = &op->change, .n_changes = 1 };
	struct weft_nl_state *s = m->state;

	switch (op->kind) {
	case WEFT_NL_OP_LINK_CREATE:
		s->link.ifindex = LINK;
		g_strlcpy(s->link.alias, WEFT_NL_LINK_MARK, sizeof s->link.alias);
		break;
	case WEFT_NL_OP_WG_DEVICE:
		fake_wg_apply(&s->wg, &op->device);
		break;
	case WEFT_NL_OP_LINK_MTU:
		s->link.mtu = op->mtu;
		break;
	case WEFT_NL_OP_LINK_UP:
		s->link.flags |= IFF_UP;
		break;
	case WEFT_NL_OP_ADDR_ADD_FIRST:
	case WEFT_NL_OP_ADDR_ADD:
		/* EEXIST of IPv4 is forgiven. */
		g_assert_true(model_add_addr(m, &op->addr) || is_v4(&op->addr));
		break;
	case WEFT_NL_OP_ADDR_DELETE_FIRST:
	case WEFT_NL_OP_ADDR_DELETE:
		model_delete_addr(m, &op->addr.prefix);
		break;
	case WEFT_NL_OP_WG_PEER:
	case WEFT_NL_OP_WG_PEER_SHRINK:
	case WEFT_NL_OP_WG_PEER_REMOVE:
		fake_wg_apply(&s->wg, &peers);
		break;
	case WEFT_NL_OP_ROUTE_ADD:
	case WEFT_NL_OP_ROUTE_REPLACE:
	case WEFT_NL_OP_ROUTE_DELETE:
		model_route(m, op);
		break;
	case WEFT_NL_OP_RULE_ADD:
	case WEFT_NL_OP_RULE_DELETE:
		model_rule(m, op);
		break;
	case WEFT_NL_OP_COUNT_:
		g_assert_not_reached();
	}
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

void
model_sort(struct model *m)
{
	g_array_sort(m->state->addrs, compare_addrs);
	g_array_sort(m->state->routes, compare_routes);
	g_array_sort(m->state->rules, compare_rules);
	m->state->wg.normalised = true;
	m->state->normalised = true;
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Everything that is not ours, as texts in order. */
GPtrArray *
foreign_of(const struct weft_nl_state *s)
{
	GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
	char text[WEFT_PREFIX_TEXT_SIZE];

	for (guint i = 0; i < s->addrs->len; i++) {
		const struct weft_nl_addr *a = ADDR(s, i);

		if (a->protocol != OURS)
			g_ptr_array_add(
				texts,
				g_strdup_printf("addr %s", weft_prefix_format(&a->prefix, text)));
	}
	for (guint i = 0; i < s->routes->len; i++) {
		const struct weft_nl_route *r = ROUTE(s, i);

		if (r->protocol != OURS)
			g_ptr_array_add(texts,
					g_strdup_printf("route %s table %u metric %u dev %u mtu %u",
							weft_prefix_format(&r->dst, text), r->table,
							r->metric, r->ifindex, r->mtu));
	}
	for (guint i = 0; i < s->rules->len; i++) {
		const struct weft_nl_rule *r = RULE(s, i);

		if (r->protocol != OURS)
			g_ptr_array_add(texts,
					g_strdup_printf("rule %u table %u %d %x %d", r->priority,
							r->table, r->suppress_prefix, r->fwmark,
							r->invert));
	}
	g_ptr_array_sort(texts, compare_texts);
	return texts;
}

static bool
model_has_rule(const struct model *m, const struct weft_nl_rule *rule)
{
	for (guint i = 0; i < m->state->rules->len; i++) {
		if (weft_nl_rule_compare(RULE(m->state, i), rule) == 0)
			return true;
	}
	return false;
}

/* A kernel with things of ours from an earlier state, and things of others. Routes of others into
 * our link only if @v4_stays: the kernel takes them with the link's last IPv4 address. */
void
model_init(struct model *m, bool link_exists, bool v4_stays)
{
	g_autoptr(WeftNlState) earlier = random_desired();
	struct weft_nl_state *s = weft_nl_state_new("weft0");

	*m = (struct model){ .state = s, .promote = pick(2) == 0 };
	for (unsigned i = pick(4); i > 0; i--) {
		struct weft_nl_rule r = random_rule();

		r.protocol = (uint8_t) pick(4);
		r.other = pick(4) == 0;
		if (!model_has_rule(m, &r))
			g_array_append_val(s->rules, r);
	}
	for (unsigned i = pick(5); i > 0; i--) {
		struct weft_nl_route r =
			random_route(s->addrs, link_exists && v4_stays && pick(3) == 0 ? LINK : 3);

		r.protocol = RTPROT_STATIC;
		if (r.type == RTN_UNICAST && model_find_route(m, &r) < 0)
			g_array_append_val(s->routes, r);
	}
	if (!link_exists)
		return;
	s->link.ifindex = LINK;
	s->link.mtu = 1420;
	s->link.flags = pick(4) == 0 ? 0 : IFF_UP;
	s->wg.ifindex = LINK;
	g_strlcpy(s->link.kind, "wireguard", sizeof s->link.kind);
	g_strlcpy(s->link.alias, WEFT_NL_LINK_MARK, sizeof s->link.alias);
	random_peers(&s->wg);
	weft_nl_wg_device_normalise(&s->wg, NULL);
	for (guint i = 0; i < earlier->addrs->len; i++)
		(void) model_add_addr(m, ADDR(earlier, i)); /* some collide */
	for (unsigned i = pick(3); i > 0; i--) {
		const struct weft_nl_addr a = { .prefix = random_addr(pick(3) == 0) };

		(void) model_add_addr(m, &a); /* foreign; some collide */
	}
	for (guint i = 0; i < earlier->routes->len; i++) {
		struct weft_nl_route r = *ROUTE(earlier, i);

		if (r.type == RTN_UNICAST)
			r.ifindex = LINK;
		if (model_find_route(m, &r) < 0 &&
		    (r.type != RTN_UNICAST || (s->link.flags & IFF_UP) != 0) &&
		    (r.src.family != WEFT_FAMILY_IPV4 || has_v4(s, &r.src)))
			g_array_append_val(s->routes, r);
	}
	for (guint i = 0; i < earlier->rules->len; i++) {
		if (!model_has_rule(m, RULE(earlier, i)))
			g_array_append_vals(s->rules, RULE(earlier, i), 1);
	}
}

void
model_clear(struct model *m)
{
	weft_nl_state_free(m->state);
	g_ptr_array_unref(m->foreign_before);
}

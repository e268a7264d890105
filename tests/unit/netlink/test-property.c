/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random pairs of states, one as the kernel has it with foreign objects in it, one as it should be:
 * the difference, applied to a model of the kernel, must yield exactly the desired one, leave
 * everything foreign as it was, and be empty the second time. */
#include "fake.h"
#include "model.h"

#include "netlink/diff.h"
#include "netlink/error.h"

#include <linux/rtnetlink.h>

/* --- the judgement */

static void
check_device(const struct weft_nl_wg_device *want, const struct weft_nl_wg_device *have)
{
	if (!weft_key_is_zero(&want->private_key))
		g_assert_true(weft_key_equal(&want->private_key, &have->private_key));
	if (want->listen_port != 0)
		g_assert_cmpuint(want->listen_port, ==, have->listen_port);
	g_assert_cmpuint(want->fwmark, ==, have->fwmark);
	g_assert_cmpuint(want->n_peers, ==, have->n_peers);
	for (size_t i = 0; i < want->n_peers; i++) {
		const struct weft_nl_wg_peer *w = &want->peers[i];
		const struct weft_nl_wg_peer *h = &have->peers[i];

		g_assert_true(weft_key_equal(&w->public_key, &h->public_key));
		g_assert_true(weft_key_equal(&w->preshared_key, &h->preshared_key));
		g_assert_cmpuint(w->keepalive_s, ==, h->keepalive_s);
		if (w->endpoint_mode == WEFT_NL_WG_ENDPOINT_EXACT)
			g_assert_true(weft_endpoint_equal(&w->endpoint, &h->endpoint));
		if (w->endpoint_mode == WEFT_NL_WG_ENDPOINT_INITIAL)
			g_assert_cmpuint(h->endpoint.port, !=, 0);
		g_assert_cmpuint(w->n_allowed, ==, h->n_allowed);
		for (size_t k = 0; k < w->n_allowed; k++)
			g_assert_true(weft_prefix_equal(&w->allowed[k], &h->allowed[k]));
	}
}

/* Every object of ours is wanted, and every wanted one is there, ours or not. What could not be
 * done was reported. */
static void
check_objects(const struct weft_nl_state *want, const struct model *m, guint reported)
{
	const struct weft_nl_state *have = m->state;
	guint missing = 0;
	guint surplus = 0;

	for (guint i = 0; i < want->addrs->len; i++) {
		bool found = false;

		for (guint k = 0; k < have->addrs->len; k++)
			found |= same_addr(&ADDR(want, i)->prefix, &ADDR(have, k)->prefix);
		missing += !found;
	}
	for (guint k = 0; k < have->addrs->len; k++) {
		bool found = ADDR(have, k)->protocol != OURS;

		for (guint i = 0; i < want->addrs->len; i++)
			found |= same_addr(&ADDR(want, i)->prefix, &ADDR(have, k)->prefix);
		surplus += !found;
	}
	for (guint i = 0; i < want->routes->len; i++) {
		struct weft_nl_route r = *ROUTE(want, i);
		int there;

		if (r.type == RTN_UNICAST)
			r.ifindex = LINK;
		there = model_find_route(m, &r);
		missing += there < 0 || ROUTE(have, there)->protocol != OURS ||
			   !weft_nl_route_equal(&r, ROUTE(have, there));
	}
	for (guint k = 0; k < have->routes->len; k++) {
		bool found = ROUTE(have, k)->protocol != OURS;

		for (guint i = 0; i < want->routes->len; i++)
			found |= weft_nl_route_compare_key(ROUTE(want, i), ROUTE(have, k)) == 0;
		surplus += !found;
	}
	for (guint i = 0; i < want->rules->len; i++) {
		bool found = false;

		for (guint k = 0; k < have->rules->len; k++)
			found |= weft_nl_rule_compare(RULE(want, i), RULE(have, k)) == 0;
		missing += !found;
	}
	for (guint k = 0; k < have->rules->len; k++) {
		bool found = RULE(have, k)->protocol != OURS || RULE(have, k)->other;

		for (guint i = 0; i < want->rules->len; i++)
			found |= weft_nl_rule_compare(RULE(want, i), RULE(have, k)) == 0;
		surplus += !found;
	}
	g_assert_cmpuint(missing + surplus, ==, reported);
}

static void
check_foreign(const struct model *m)
{
	g_autoptr(GPtrArray) after = foreign_of(m->state);
	guint k = 0;

	for (guint i = 0; i < m->foreign_before->len; i++) {
		const char *text = g_ptr_array_index(m->foreign_before, i);

		if (k < after->len && g_strcmp0(text, g_ptr_array_index(after, k)) == 0)
			k++;
		else
			g_error("a foreign object is gone: %s", text);
	}
	g_assert_cmpuint(k, ==, after->len);
}

static void
one_round(bool link_exists)
{
	struct model m;
	g_autoptr(WeftNlState) want = random_desired();
	g_autoptr(GPtrArray) problems =
		g_ptr_array_new_with_free_func((GDestroyNotify) g_error_free);
	g_autoptr(WeftNlOps) ops = NULL;
	g_autoptr(WeftNlOps) again = NULL;

	model_init(&m, link_exists, has_v4(want, NULL));
	model_sort(&m);
	m.foreign_before = foreign_of(m.state);
	ops = weft_nl_diff(want, m.state, problems);
	for (size_t i = 0; i < weft_nl_ops_count(ops); i++)
		model_apply(&m, weft_nl_ops_get(ops, i));
	model_sort(&m);
	check_device(&want->wg, &m.state->wg);
	check_objects(want, &m, problems->len);
	check_foreign(&m);
	if (want->link.mtu != 0)
		g_assert_cmpuint(m.state->link.mtu, ==, want->link.mtu);
	again = weft_nl_diff(want, m.state, NULL);
	if (weft_nl_ops_count(again) > 0) {
		g_autofree char *text = weft_nl_op_describe(weft_nl_ops_get(again, 0));

		g_error("applying twice does something: %s", text);
	}
	model_clear(&m);
}

static void
test_any_state_becomes_any_other(void)
{
	unsigned rounds = g_test_slow() ? 200000 : 10000;

	for (unsigned i = 0; i < rounds; i++)
		one_round(i % 8 != 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
	g_test_add_func("/netlink/property/any-state-becomes-any-other",
			test_any_state_becomes_any_other);
	return g_test_run();
}

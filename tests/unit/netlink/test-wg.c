/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fake.h"

#include "netlink/error.h"
#include "netlink/wg.h"

#include <errno.h>
#include <string.h>

static GPtrArray *
problems_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify) g_error_free);
}

static const GError *
problem(const GPtrArray *problems, guint i)
{
	g_assert_cmpuint(i, <, problems->len);
	return g_ptr_array_index(problems, i);
}

static void
allow(struct weft_nl_wg_peer *peer, const char *text)
{
	const struct weft_prefix p = fake_prefix(text);

	weft_nl_wg_peer_allow(peer, &p);
}

static void
test_peers_and_allowed_ips_get_sorted(void)
{
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
	g_autoptr(GPtrArray) problems = problems_new();

	for (uint32_t i = 0; i < 100; i++) {
		const struct weft_key key = fake_key(i);
		struct weft_nl_wg_peer *peer = weft_nl_wg_device_add_peer(dev, &key);
		g_autofree char *text = g_strdup_printf("10.9.%u.77/24", i);

		allow(peer, "fd09::/64");
		peer->n_allowed = 0;
		allow(peer, text);
	}
	weft_nl_wg_device_normalise(dev, problems);
	g_assert_cmpuint(problems->len, ==, 0);
	g_assert_cmpuint(dev->n_peers, ==, 100);
	for (uint32_t i = 0; i < 100; i++) {
		const struct weft_key key = fake_key(i);
		const struct weft_nl_wg_peer *peer = weft_nl_wg_device_find(dev, &key);
		g_autofree char *text = g_strdup_printf("10.9.%u.0/24", i);
		const struct weft_prefix p = fake_prefix(text);

		g_assert_nonnull(peer);
		g_assert_cmpuint(peer->n_allowed, ==, 1);
		g_assert_cmpmem(&peer->allowed[0], sizeof p, &p, sizeof p);
	}
	for (size_t i = 1; i < dev->n_peers; i++)
		g_assert_cmpint(memcmp(&dev->peers[i - 1].public_key, &dev->peers[i].public_key,
				       WEFT_KEY_LEN),
				<, 0);
	g_assert_null(weft_nl_wg_device_find(dev, &(struct weft_key){ .b = { 255 } }));
}

static void
test_a_zero_key_is_no_peer(void)
{
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
	g_autoptr(GPtrArray) problems = problems_new();
	const struct weft_key zero = { 0 };
	const struct weft_key good = fake_key(1);

	allow(weft_nl_wg_device_add_peer(dev, &zero), "10.9.0.1/32");
	allow(weft_nl_wg_device_add_peer(dev, &good), "10.9.0.1/32");
	weft_nl_wg_device_normalise(dev, problems);
	g_assert_cmpuint(dev->n_peers, ==, 1);
	g_assert_cmpuint(problems->len, ==, 1);
	g_assert_error(problem(problems, 0), WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID);
}

static void
test_our_own_key_is_no_peer(void)
{
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
	g_autoptr(GPtrArray) problems = problems_new();
	struct weft_key own;

	weft_key_generate(&dev->private_key, weft_env_system());
	weft_key_public(&own, &dev->private_key);
	(void) weft_nl_wg_device_add_peer(dev, &own);
	weft_nl_wg_device_normalise(dev, problems);
	g_assert_cmpuint(dev->n_peers, ==, 0);
	g_assert_error(problem(problems, 0), WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID);
	g_assert_nonnull(strstr(problem(problems, 0)->message, "our own key"));
}

static void
test_of_a_peer_listed_twice_the_later_counts(void)
{
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
	g_autoptr(GPtrArray) problems = problems_new();
	const struct weft_key key = fake_key(1);

	allow(weft_nl_wg_device_add_peer(dev, &key), "10.9.0.1/32");
	allow(weft_nl_wg_device_add_peer(dev, &key), "10.9.0.2/32");
	weft_nl_wg_device_normalise(dev, problems);
	g_assert_cmpuint(dev->n_peers, ==, 1);
	g_assert_cmpuint(dev->peers[0].allowed[0].addr.b[3], ==, 2);
	g_assert_error(problem(problems, 0), WEFT_NL_ERROR, WEFT_NL_ERROR_CONFLICT);
}

static void
test_of_two_claims_the_later_wins_and_is_reported(void)
{
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
	g_autoptr(GPtrArray) problems = problems_new();
	/* The order of listing counts, not that of the keys. */
	const struct weft_key first = { .b = { 9 } };
	const struct weft_key later = { .b = { 3 } };
	struct weft_nl_wg_peer *peer = weft_nl_wg_device_add_peer(dev, &first);

	allow(peer, "10.9.0.1/32");
	allow(peer, "10.0.0.0/8");
	allow(peer, "10.9.0.1/32"); /* the same peer twice is no conflict */
	peer = weft_nl_wg_device_add_peer(dev, &later);
	allow(peer, "10.1.0.0/8");
	allow(peer, "10.9.0.0/16"); /* within the other's is none either */
	weft_nl_wg_device_normalise(dev, problems);
	g_assert_cmpuint(problems->len, ==, 1);
	g_assert_error(problem(problems, 0), WEFT_NL_ERROR, WEFT_NL_ERROR_CONFLICT);
	g_assert_nonnull(strstr(problem(problems, 0)->message, "10.0.0.0/8"));
	g_assert_cmpuint(weft_nl_wg_device_find(dev, &first)->n_allowed, ==, 1);
	g_assert_cmpuint(weft_nl_wg_device_find(dev, &later)->n_allowed, ==, 2);
}

static void
test_impossible_prefixes_and_endpoints_are_taken_out(void)
{
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
	g_autoptr(GPtrArray) problems = problems_new();
	const struct weft_key key = fake_key(1);
	struct weft_nl_wg_peer *peer = weft_nl_wg_device_add_peer(dev, &key);
	struct weft_prefix p = fake_prefix("10.9.0.1/32");

	p.bits = 33;
	weft_nl_wg_peer_allow(peer, &p);
	p = (struct weft_prefix){ 0 };
	weft_nl_wg_peer_allow(peer, &p);
	p = fake_prefix("fd09::1/128");
	p.bits = 129;
	weft_nl_wg_peer_allow(peer, &p);
	allow(peer, "10.9.0.1/32");
	peer->endpoint_mode = WEFT_NL_WG_ENDPOINT_EXACT;
	peer->endpoint = (struct weft_endpoint){ .addr = fake_address("192.0.2.1"), .port = 0 };
	weft_nl_wg_device_normalise(dev, problems);
	g_assert_cmpuint(problems->len, ==, 4);
	for (guint i = 0; i < 4; i++)
		g_assert_error(problem(problems, i), WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID);
	g_assert_cmpuint(dev->peers[0].n_allowed, ==, 1);
	g_assert_cmpuint(dev->peers[0].endpoint_mode, ==, WEFT_NL_WG_ENDPOINT_KEEP);
}

static void
test_more_can_be_allowed_after_some_were_taken_out(void)
{
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
	const struct weft_key key = fake_key(1);
	struct weft_nl_wg_peer *peer = weft_nl_wg_device_add_peer(dev, &key);

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 37; i++)
			allow(peer, "10.9.0.1/32");
		weft_nl_wg_device_normalise(dev, NULL);
		g_assert_cmpuint(dev->peers[0].n_allowed, ==, 1);
	}
}

static void
test_impossible_changes_are_refused_before_anybody_is_asked(void)
{
	struct fake_wg *fake = fake_wg_new();
	WeftNlWg *wg = weft_nl_wg_new(&fake_wg_ops, fake);
	const struct weft_key key = fake_key(1);
	const struct weft_endpoint no_port = { .addr = fake_address("192.0.2.1") };
	struct weft_prefix bad = fake_prefix("10.0.0.0/8");
	const struct weft_nl_wg_change rows[] = {
		{ .flags = WEFT_NL_WG_CHANGE_REPLACE_ALLOWED },
		{ .public_key = key,
		  .flags = WEFT_NL_WG_CHANGE_REMOVE | WEFT_NL_WG_CHANGE_KEEPALIVE },
		{ .public_key = key, .flags = 1U << 31 },
		{ .public_key = key, .flags = WEFT_NL_WG_CHANGE_ENDPOINT },
		{ .public_key = key, .flags = WEFT_NL_WG_CHANGE_ENDPOINT, .endpoint = no_port },
		{ .public_key = key, .allowed = &bad, .n_allowed = 1 },
		{ .public_key = key,
		  .flags = WEFT_NL_WG_CHANGE_REMOVE,
		  .allowed = &bad,
		  .n_allowed = 1 },
	};

	bad.bits = 40;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		const struct weft_nl_wg_set set = { .changes = &rows[i], .n_changes = 1 };
		g_autoptr(GError) error = NULL;

		g_assert_false(weft_nl_wg_set(wg, "weft0", &set, &error));
		g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID);
		g_assert_true(g_str_has_prefix(error->message, "link weft0: set device: peer ..."));
	}
	g_assert_cmpuint(fake->sets, ==, 0);
	weft_nl_wg_free(wg);
}

static void
test_a_third_implementation_works_like_the_others(void)
{
	struct fake_wg *fake = fake_wg_new();
	WeftNlWg *wg = weft_nl_wg_new(&fake_wg_ops, fake);
	const struct weft_key key = fake_key(1);
	const struct weft_prefix p = fake_prefix("10.9.0.1/32");
	const struct weft_nl_wg_change change = { .public_key = key,
						  .allowed = &p,
						  .n_allowed = 1 };
	const struct weft_nl_wg_set set = {
		.flags = WEFT_NL_WG_SET_FWMARK, .fwmark = 7, .changes = &change, .n_changes = 1
	};
	enum weft_nl_wg_created created;
	g_autoptr(WeftNlWgDevice) dev = NULL;
	g_auto(GStrv) names = NULL;
	g_autoptr(GError) error = NULL;

	g_assert_cmpstr(weft_nl_wg_name(wg), ==, "fake");
	g_assert_false(weft_nl_wg_destroy(wg, "weft0", &error));
	g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND);
	g_assert_true(weft_nl_wg_create(wg, "weft0", &created, NULL));
	g_assert_cmpint(created, ==, WEFT_NL_WG_CREATED);
	g_assert_true(weft_nl_wg_create(wg, "weft0", &created, NULL));
	g_assert_cmpint(created, ==, WEFT_NL_WG_ADOPTED);
	g_assert_true(weft_nl_wg_set(wg, "weft0", &set, NULL));
	dev = weft_nl_wg_get(wg, "weft0", NULL);
	g_assert_nonnull(dev);
	g_assert_true(dev->normalised);
	g_assert_cmpuint(dev->fwmark, ==, 7);
	g_assert_cmpuint(weft_nl_wg_device_find(dev, &key)->n_allowed, ==, 1);
	names = weft_nl_wg_list(wg, NULL);
	g_assert_cmpstr(names[0], ==, "weft0");
	g_assert_true(weft_nl_wg_destroy(wg, "weft0", NULL));
	weft_nl_wg_free(wg);
}

static void
test_missing_permission_has_its_own_code(void)
{
	struct fake_wg *fake = fake_wg_new();
	WeftNlWg *wg = weft_nl_wg_new(&fake_wg_ops, fake);
	const struct weft_nl_wg_set set = { 0 };
	g_autoptr(GError) error = NULL;

	fake->exists = true;
	fake->fail = EPERM;
	g_assert_false(weft_nl_wg_set(wg, "weft0", &set, &error));
	g_assert_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_PERMISSION);
	g_assert_nonnull(strstr(error->message, "CAP_NET_ADMIN"));
	weft_nl_wg_free(wg);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
#define ADD(path, func) g_test_add_func("/netlink/wg/" path, func)
	ADD("peers-get-sorted", test_peers_and_allowed_ips_get_sorted);
	ADD("a-zero-key-is-no-peer", test_a_zero_key_is_no_peer);
	ADD("our-own-key-is-no-peer", test_our_own_key_is_no_peer);
	ADD("a-peer-listed-twice", test_of_a_peer_listed_twice_the_later_counts);
	ADD("of-two-claims-the-later-wins", test_of_two_claims_the_later_wins_and_is_reported);
	ADD("impossible-prefixes-and-endpoints",
	    test_impossible_prefixes_and_endpoints_are_taken_out);
	ADD("more-can-be-allowed-later", test_more_can_be_allowed_after_some_were_taken_out);
	ADD("impossible-changes", test_impossible_changes_are_refused_before_anybody_is_asked);
	ADD("a-third-implementation", test_a_third_implementation_works_like_the_others);
	ADD("missing-permission", test_missing_permission_has_its_own_code);
	return g_test_run();
}

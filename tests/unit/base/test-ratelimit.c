/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/ratelimit.h"

#include "base/address.h"
#include "base/env.h"
#include "base/key.h"

#include <glib.h>
#include <string.h>

#define S  1000000
#define T0 WEFT_ENV_FAKE_NOW_US

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRatelimit, weft_ratelimit_free)

static WeftRatelimit *
new_limit(uint32_t per_s, uint32_t burst, uint32_t sources)
{
	const struct weft_ratelimit_config config = { .per_s = per_s,
						      .burst = burst,
						      .sources = sources };
	struct weft_env_fake fake;
	WeftRatelimit *limit;

	weft_env_fake_init(&fake, 1);
	limit = weft_ratelimit_new(&config, &fake.env);
	g_assert_nonnull(limit);
	return limit;
}

static struct weft_address
address(const char *text)
{
	struct weft_address a;

	g_assert_true(weft_address_parse(&a, text, strlen(text)));
	return a;
}

/* How many single events are let through at once. */
static unsigned
drain(WeftRatelimit *limit, const struct weft_address *a, int64_t now_us)
{
	unsigned n = 0;

	while (weft_ratelimit_take(limit, a, 1, now_us))
		n++;
	return n;
}

static void
test_a_burst_and_then_the_rate(void)
{
	g_autoptr(WeftRatelimit) limit = new_limit(10, 25, 100);
	struct weft_address a = address("192.0.2.1");

	g_assert_cmpuint(drain(limit, &a, T0), ==, 25);
	g_assert_cmpuint(drain(limit, &a, T0 + S / 10 - 1), ==, 0);
	g_assert_cmpuint(drain(limit, &a, T0 + S / 10), ==, 1);
	g_assert_cmpuint(drain(limit, &a, T0 + S), ==, 9);
	g_assert_cmpuint(drain(limit, &a, T0 + 3 * S), ==, 20);
	g_assert_cmpuint(drain(limit, &a, T0 + 1000 * S), ==, 25); /* never more than that */
}

static void
test_slow_limits_count_per_minute(void)
{
	const struct weft_ratelimit_config config = { .per_min = 3, .burst = 1, .sources = 1 };
	g_autoptr(WeftRatelimit) limit = weft_ratelimit_new(&config, weft_env_system());
	struct weft_address a = address("192.0.2.1");

	g_assert_true(weft_ratelimit_take(limit, &a, 1, T0));
	g_assert_false(weft_ratelimit_take(limit, &a, 1, T0 + 20 * S - 1));
	g_assert_true(weft_ratelimit_take(limit, &a, 1, T0 + 20 * S));
}

/* Any pattern of tries: never more than burst + rate * time, and at least the rate if one tries. */
static void
test_no_pattern_gets_more_than_the_rate(void)
{
	g_autoptr(WeftRatelimit) limit = new_limit(7, 20, 8);
	struct weft_address a = address("2001:db8::1");
	struct weft_env_fake fake;
	uint64_t got = 0;
	int64_t us = 0;

	weft_env_fake_init(&fake, 2);
	for (int i = 0; i < 20000; i++) {
		uint32_t cost = 1 + (uint32_t) weft_env_random_below(&fake.env, 5);

		us += (int64_t) weft_env_random_below(&fake.env, 300000);
		if (weft_ratelimit_take(limit, &a, cost, T0 + us))
			got += cost;
		g_assert_cmpuint(got, <=, 20 + (uint64_t) us * 7 / S + 1);
	}
	g_assert_cmpuint(got, >, (uint64_t) us * 7 / S * 95 / 100);
}

static void
test_a_refusal_takes_nothing(void)
{
	g_autoptr(WeftRatelimit) limit = new_limit(1, 10, 8);
	struct weft_address a = address("192.0.2.1");

	g_assert_false(weft_ratelimit_take(limit, &a, 11, T0));
	g_assert_true(weft_ratelimit_take(limit, &a, 8, T0));
	g_assert_false(weft_ratelimit_take(limit, &a, 3, T0));
	g_assert_true(weft_ratelimit_take(limit, &a, 0, T0));
	g_assert_true(weft_ratelimit_take(limit, &a, 2, T0));
	g_assert_false(weft_ratelimit_take(limit, &a, UINT32_MAX, T0));
	g_assert_true(weft_ratelimit_take(limit, &a, 0, T0));
}

static const struct {
	const char *a, *b;
	bool same;
} groups[] = {
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "192.0.2.2", false },
	{ "192.0.2.1", "::ffff:192.0.2.1", true },
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
	{ "192.0.2.1", "64:ff9b::192.0.2.1", true },
	{ "192.0.2.1", "2002:c000:201::5", true },
	{ "2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true },
	{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
	{ "2001:db8:0:1::1", "2001:db9:0:1::1", false },
	{ "c000:201::", "192.0.2.1", false }, /* the same octets */
};

static void
test_sources_are_addresses_or_networks_of_64_bits(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
		g_autoptr(WeftRatelimit) limit = new_limit(1, 3, 1024);
		struct weft_address a = address(groups[i].a);
		struct weft_address b = address(groups[i].b);

		g_test_message("%s %s", groups[i].a, groups[i].b);
		g_assert_cmpuint(drain(limit, &a, T0), ==, 3);
		g_assert_cmpuint(drain(limit, &b, T0), ==, groups[i].same ? 0 : 3);
	}
}

static void
test_keys_are_sources_of_their_own(void)
{
	g_autoptr(WeftRatelimit) limit = new_limit(1, 1, 1024);
	const struct weft_key a = { { 1 } };
	const struct weft_key b = { { 2 } };

	g_assert_true(weft_ratelimit_take_bytes(limit, a.b, sizeof a.b, 1, T0));
	g_assert_false(weft_ratelimit_take_bytes(limit, a.b, sizeof a.b, 1, T0));
	g_assert_cmpint(weft_ratelimit_wait_bytes_us(limit, a.b, sizeof a.b, 1, T0), ==, S);
	g_assert_true(weft_ratelimit_take_bytes(limit, b.b, sizeof b.b, 1, T0));
	g_assert_true(weft_ratelimit_take_bytes(limit, a.b, sizeof a.b - 1, 1, T0));
	g_assert_true(weft_ratelimit_take_bytes(limit, "", 0, 1, T0));
	g_assert_false(weft_ratelimit_take_bytes(limit, "", 0, 1, T0));
}

static void
test_waiting_as_long_as_told_is_enough(void)
{
	g_autoptr(WeftRatelimit) limit = new_limit(3, 10, 8);
	struct weft_address a = address("192.0.2.1");
	int64_t now = T0;

	g_assert_cmpint(weft_ratelimit_wait_us(limit, &a, 10, now), ==, 0);
	g_assert_cmpint(weft_ratelimit_wait_us(limit, &a, 11, now), ==, INT64_MAX);
	drain(limit, &a, now);
	for (uint32_t cost = 1; cost <= 10; cost++) {
		int64_t wait = weft_ratelimit_wait_us(limit, &a, cost, now);

		g_assert_cmpint(wait, >, 0);
		g_assert_false(weft_ratelimit_take(limit, &a, cost, now + wait - 2));
		now += wait;
		g_assert_cmpint(weft_ratelimit_wait_us(limit, &a, cost, now), ==, 0);
		g_assert_true(weft_ratelimit_take(limit, &a, cost, now));
	}
}

static void
test_a_clock_that_goes_back_stands_still(void)
{
	g_autoptr(WeftRatelimit) limit = new_limit(1, 2, 8);
	struct weft_address a = address("192.0.2.1");

	g_assert_cmpuint(drain(limit, &a, T0), ==, 2);
	g_assert_cmpuint(drain(limit, &a, T0 - 100 * S), ==, 0);
	g_assert_cmpuint(drain(limit, &a, INT64_MIN), ==, 0);
	g_assert_cmpuint(drain(limit, &a, INT64_MAX), ==, 0); /* no clock shows that */
	g_assert_cmpuint(drain(limit, &a, T0 + S), ==, 1);
}

/* A flood from addresses that are seen once each does not free those at their limit. */
static void
test_a_flood_does_not_wipe_out_a_culprit(void)
{
	g_autoptr(WeftRatelimit) limit = new_limit(1, 50, 64);
	struct weft_address culprit = address("192.0.2.1");
	struct weft_ratelimit_stats stats;

	g_assert_cmpuint(drain(limit, &culprit, T0), ==, 50);
	for (uint32_t i = 0; i < 10000; i++) {
		struct weft_address a = weft_address_v4(0x0a000000 + i);

		g_assert_true(weft_ratelimit_take(limit, &a, 1, T0));
	}
	g_assert_cmpuint(drain(limit, &culprit, T0), ==, 0);
	stats = weft_ratelimit_stats(limit);
	g_assert_cmpuint(stats.taken, ==, 10050);
	g_assert_cmpuint(stats.refused, ==, 2);
	g_assert_cmpuint(stats.evicted, >, 9000);
	weft_ratelimit_clear(limit);
	g_assert_cmpuint(drain(limit, &culprit, T0), ==, 50);
}

/* Buckets that have filled up again make room without being missed. */
static void
test_full_buckets_are_given_up_first(void)
{
	g_autoptr(WeftRatelimit) limit = new_limit(10, 10, 64);

	for (int64_t second = 0; second < 100; second++)
		for (uint32_t i = 0; i < 8; i++) {
			struct weft_address a =
				weft_address_v4(0x0a000000 + (uint32_t) second * 8 + i);

			g_assert_cmpuint(drain(limit, &a, T0 + 2 * second * S), ==, 10);
		}
	g_assert_cmpuint(weft_ratelimit_stats(limit).evicted, ==, 0);
}

static void
test_configurations_without_sense_are_refused(void)
{
	static const struct weft_ratelimit_config bad[] = {
		{ 0, 0, 1, 1 },
		{ 1, 0, 0, 1 },
		{ 1, 0, 1, 0 },
		{ 0, 1, UINT32_MAX, 1 },
	};
	static const struct weft_ratelimit_config extreme = { UINT32_MAX, UINT32_MAX, 1, 1 };
	struct weft_address a = address("192.0.2.1");

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_null(weft_ratelimit_new(&bad[i], weft_env_system()));
	/* 4 events per nanosecond cannot be told from none. */
	g_assert_null(weft_ratelimit_new(&extreme, weft_env_system()));
	weft_ratelimit_free(NULL);
	{
		const struct weft_ratelimit_config fast = { 1000000000, 0, UINT32_MAX, 1 };
		g_autoptr(WeftRatelimit) limit = weft_ratelimit_new(&fast, weft_env_system());

		g_assert_nonnull(limit);
		g_assert_true(weft_ratelimit_take(limit, &a, UINT32_MAX, T0));
		g_assert_false(weft_ratelimit_take(limit, &a, 1, T0));
		g_assert_true(weft_ratelimit_take(limit, &a, 1000, T0 + 1));
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
	g_test_add_func("/base/ratelimit/a-burst-and-then-the-rate",
			test_a_burst_and_then_the_rate);
	g_test_add_func("/base/ratelimit/slow-limits-count-per-minute",
			test_slow_limits_count_per_minute);
	g_test_add_func("/base/ratelimit/no-pattern-gets-more-than-the-rate",
			test_no_pattern_gets_more_than_the_rate);
	g_test_add_func("/base/ratelimit/a-refusal-takes-nothing", test_a_refusal_takes_nothing);
	g_test_add_func("/base/ratelimit/sources-are-addresses-or-networks-of-64-bits",
			test_sources_are_addresses_or_networks_of_64_bits);
	g_test_add_func("/base/ratelimit/keys-are-sources-of-their-own",
			test_keys_are_sources_of_their_own);
	g_test_add_func("/base/ratelimit/waiting-as-long-as-told-is-enough",
			test_waiting_as_long_as_told_is_enough);
	g_test_add_func("/base/ratelimit/a-clock-that-goes-back-stands-still",
			test_a_clock_that_goes_back_stands_still);
	g_test_add_func("/base/ratelimit/a-flood-does-not-wipe-out-a-culprit",
			test_a_flood_does_not_wipe_out_a_culprit);
	g_test_add_func("/base/ratelimit/full-buckets-are-given-up-first",
			test_full_buckets_are_given_up_first);
	g_test_add_func("/base/ratelimit/configurations-without-sense-are-refused",
			test_configurations_without_sense_are_refused);
	return g_test_run();
}

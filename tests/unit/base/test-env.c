/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/env.h"

#include <glib.h>
#include <string.h>

static void
test_the_system_clock_does_not_go_back(void)
{
	const struct weft_env *env = weft_env_system();
	int64_t before = g_get_monotonic_time();
	int64_t now = weft_env_now_us(env);

	g_assert_cmpint(now, >=, before);
	g_assert_cmpint(weft_env_now_us(env), >=, now);
	g_assert_cmpint(g_get_monotonic_time(), >=, now);
	g_assert_cmpint(weft_env_wall_us(env), >, G_GINT64_CONSTANT(1700000000000000));
}

static void
test_system_randomness_fills_all_of_it(void)
{
	uint8_t a[1000] = { 0 };
	uint8_t seen[1000] = { 0 };

	/* A byte that stays zero in 16 rounds is one that is not written. */
	for (int round = 0; round < 16; round++) {
		weft_env_random(weft_env_system(), a, sizeof a);
		for (size_t i = 0; i < sizeof a; i++)
			seen[i] |= a[i];
	}
	g_assert_null(memchr(seen, 0, sizeof seen));
	weft_env_random(weft_env_system(), NULL, 0);
}

static void
test_the_fake_clock_stands_until_it_is_advanced(void)
{
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 0);
	g_assert_cmpint(weft_env_now_us(&fake.env), ==, WEFT_ENV_FAKE_NOW_US);
	g_assert_cmpint(weft_env_now_us(&fake.env), ==, WEFT_ENV_FAKE_NOW_US);
	weft_env_fake_advance(&fake, 5);
	g_assert_cmpint(weft_env_now_us(&fake.env), ==, WEFT_ENV_FAKE_NOW_US + 5);
	g_assert_cmpint(weft_env_wall_us(&fake.env), ==, WEFT_ENV_FAKE_WALL_US + 5);
	fake.wall_us -= 1000; /* jumps alone */
	g_assert_cmpint(weft_env_wall_us(&fake.env), ==, WEFT_ENV_FAKE_WALL_US - 995);
	g_assert_cmpint(weft_env_now_us(&fake.env), ==, WEFT_ENV_FAKE_NOW_US + 5);
}

/* The first values of the generator's published test. */
static void
test_the_fake_stream_is_xoshiro256starstar(void)
{
	static const uint64_t expected[] = { 11520, 0, 1509978240,
					     G_GUINT64_CONSTANT(1215971899390074240),
					     G_GUINT64_CONSTANT(1216172134540287360) };
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 0);
	memcpy(fake.state, (const uint64_t[]){ 1, 2, 3, 4 }, sizeof fake.state);
	for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
		g_assert_cmpuint(GUINT64_FROM_LE(weft_env_random_u64(&fake.env)), ==, expected[i]);
}

static void
test_a_seed_repeats_its_stream_and_another_does_not(void)
{
	struct weft_env_fake a, b, c;
	uint8_t ra[50], rb[50], rc[50];

	weft_env_fake_init(&a, 7);
	weft_env_fake_init(&b, 7);
	weft_env_fake_init(&c, 8);
	weft_env_random(&a.env, ra, sizeof ra);
	weft_env_random(&b.env, rb, sizeof rb);
	weft_env_random(&c.env, rc, sizeof rc);
	g_assert_cmpmem(ra, sizeof ra, rb, sizeof rb);
	g_assert_cmpint(memcmp(ra, rc, sizeof ra), !=, 0);
	g_assert_cmpuint(weft_env_random_u32(&a.env), ==, weft_env_random_u32(&b.env));
}

static void
test_below_reaches_every_value_and_no_other(void)
{
	struct weft_env_fake fake;
	unsigned hits[7] = { 0 };

	weft_env_fake_init(&fake, 3);
	for (int i = 0; i < 7000; i++) {
		uint64_t v = weft_env_random_below(&fake.env, G_N_ELEMENTS(hits));

		g_assert_cmpuint(v, <, G_N_ELEMENTS(hits));
		hits[v]++;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(hits); i++) {
		g_assert_cmpuint(hits[i], >, 850);
		g_assert_cmpuint(hits[i], <, 1150);
	}
	g_assert_cmpuint(weft_env_random_below(&fake.env, 1), ==, 0);
}

static void
fixed_random(void *user, void *buf, size_t len)
{
	const uint64_t **next = user;

	g_assert_cmpuint(len, ==, sizeof **next);
	memcpy(buf, (*next)++, len);
}

/* 2^64 is one more than a multiple of 3, so the single value 0 has to be drawn again. */
static void
test_below_is_without_bias(void)
{
	static const uint64_t draws[] = { 0, 5, 1, UINT64_MAX };
	const uint64_t *next = draws;
	const struct weft_env env = { .random = fixed_random, .user = &next };

	g_assert_cmpuint(weft_env_random_below(&env, 3), ==, 2);
	g_assert_cmpuint(weft_env_random_below(&env, 3), ==, 1);
	g_assert_cmpuint(weft_env_random_below(&env, 3), ==, 0);
	g_assert_true(next == draws + 4);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/env/the-system-clock-does-not-go-back",
			test_the_system_clock_does_not_go_back);
	g_test_add_func("/base/env/system-randomness-fills-all-of-it",
			test_system_randomness_fills_all_of_it);
	g_test_add_func("/base/env/the-fake-clock-stands-until-it-is-advanced",
			test_the_fake_clock_stands_until_it_is_advanced);
	g_test_add_func("/base/env/the-fake-stream-is-xoshiro256starstar",
			test_the_fake_stream_is_xoshiro256starstar);
	g_test_add_func("/base/env/a-seed-repeats-its-stream-and-another-does-not",
			test_a_seed_repeats_its_stream_and_another_does_not);
	g_test_add_func("/base/env/below-reaches-every-value-and-no-other",
			test_below_reaches_every_value_and_no_other);
	g_test_add_func("/base/env/below-is-without-bias", test_below_is_without_bias);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/backoff.h"

#include "base/env.h"

#include <glib.h>

static void
test_pauses_grow_to_the_cap(void)
{
	static const struct weft_backoff_config config = { .first_us = 800000,
							   .cap_us = 10000000,
							   .factor_pct = 200 };
	static const int64_t expected[] = { 800000, 1600000, 3200000, 6400000, 10000000, 10000000 };
	struct weft_backoff b;

	weft_backoff_init(&b, &config);
	for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
		/* No jitter, so no randomness is asked for. */
		g_assert_cmpint(weft_backoff_next_us(&b, NULL), ==, expected[i]);
		g_assert_cmpuint(b.failures, ==, i + 1);
	}
	weft_backoff_reset(&b);
	g_assert_cmpuint(b.failures, ==, 0);
	g_assert_cmpint(weft_backoff_next_us(&b, NULL), ==, expected[0]);
}

static void
test_jitter_keeps_its_range_and_uses_it(void)
{
	static const struct weft_backoff_config config = {
		.first_us = 1000, .cap_us = 1000, .factor_pct = 170, .jitter_pct = 30
	};
	struct weft_env_fake fake;
	struct weft_backoff b;
	int64_t least = INT64_MAX;
	int64_t most = 0;

	weft_env_fake_init(&fake, 5);
	weft_backoff_init(&b, &config);
	for (int i = 0; i < 10000; i++) {
		int64_t pause = weft_backoff_next_us(&b, &fake.env);

		least = MIN(least, pause);
		most = MAX(most, pause);
	}
	g_assert_cmpint(least, ==, 700);
	g_assert_cmpint(most, ==, 1000);
}

/* Jitter lowers what is waited, not what the next pause grows from. */
static void
test_growth_does_not_depend_on_jitter(void)
{
	static const struct weft_backoff_config config = {
		.first_us = 1000, .cap_us = 1000000, .factor_pct = 200, .jitter_pct = 100
	};
	struct weft_env_fake fake;
	struct weft_backoff b;

	weft_env_fake_init(&fake, 5);
	weft_backoff_init(&b, &config);
	for (int i = 0; i < 5; i++) {
		int64_t pause = weft_backoff_next_us(&b, &fake.env);

		g_assert_cmpint(pause, >, 0);
		g_assert_cmpint(pause, <=, 1000 << i);
	}
	g_assert_cmpint(b.base_us, ==, 1000 << 5);
}

static const struct {
	const char *what;
	struct weft_backoff_config config;
	int64_t first, hundredth;
} odd[] = {
	{ "first beyond the cap", { 5000, 1000, 200, 0 }, 1000, 1000 },
	{ "a factor that would shrink", { 1000, 5000, 50, 0 }, 1000, 1000 },
	{ "nothing", { 0, 0, 0, 0 }, 1, 1 },
	{ "huge", { INT64_MAX / 2, INT64_MAX, 4000000000u, 0 }, INT64_MAX / 2, INT64_MAX },
	{ "one microsecond", { 1, INT64_MAX, 150, 0 }, 1, 1 },
	{ "negative", { -5, -5, 200, 0 }, 1, 1 },
};

static void
test_odd_configurations_do_no_harm(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
		struct weft_backoff b;
		int64_t pause = 0;

		g_test_message("%s", odd[i].what);
		weft_backoff_init(&b, &odd[i].config);
		g_assert_cmpint(weft_backoff_next_us(&b, NULL), ==, odd[i].first);
		for (int n = 1; n < 100; n++)
			pause = weft_backoff_next_us(&b, NULL);
		g_assert_cmpint(pause, ==, odd[i].hundredth);
	}
}

static void
test_too_much_jitter_still_waits(void)
{
	static const struct weft_backoff_config config = {
		.first_us = 10, .cap_us = 10, .factor_pct = 100, .jitter_pct = 500
	};
	struct weft_env_fake fake;
	struct weft_backoff b;

	weft_env_fake_init(&fake, 1);
	weft_backoff_init(&b, &config);
	for (int i = 0; i < 1000; i++)
		g_assert_cmpint(weft_backoff_next_us(&b, &fake.env), >, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/backoff/pauses-grow-to-the-cap", test_pauses_grow_to_the_cap);
	g_test_add_func("/base/backoff/jitter-keeps-its-range-and-uses-it",
			test_jitter_keeps_its_range_and_uses_it);
	g_test_add_func("/base/backoff/growth-does-not-depend-on-jitter",
			test_growth_does_not_depend_on_jitter);
	g_test_add_func("/base/backoff/odd-configurations-do-no-harm",
			test_odd_configurations_do_no_harm);
	g_test_add_func("/base/backoff/too-much-jitter-still-waits",
			test_too_much_jitter_still_waits);
	return g_test_run();
}

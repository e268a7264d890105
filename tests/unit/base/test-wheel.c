/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/wheel.h"

#include "base/env.h"

#include <glib.h>
#include <string.h>

#define START G_GINT64_CONSTANT(1000000000)
#define TICK  1000

struct timer {
	struct weft_wheel_timer wheel;
	int64_t at_us;
	int64_t fired_us;
	unsigned fired;
};

static struct timer *
timer_of(struct weft_wheel_timer *timer)
{
	return weft_container_of(timer, struct timer, wheel);
}

static void
on_timer(struct weft_wheel_timer *timer, int64_t now_us, void *user)
{
	struct timer *t = timer_of(timer);

	g_assert_false(weft_wheel_timer_is_set(timer));
	t->fired_us = now_us;
	t->fired++;
}

static void
set(struct weft_wheel *wheel, struct timer *t, int64_t at_us)
{
	if (t->wheel.func == NULL)
		weft_wheel_timer_init(&t->wheel, on_timer);
	t->at_us = at_us;
	weft_wheel_set(wheel, &t->wheel, at_us);
}

/* Distances around every place where the level changes, and far beyond the last one. */
static const int64_t distances_ticks[] = {
	1,          2,          62,         63,         64,         65,
	66,         127,        128,        4094,       4095,       4096,
	4097,       4160,       8192,       262143,     262144,     262145,
	266240,     16777215,   16777216,   16777217,   1073741822, 1073741823,
	1073741824, 1073741825, 2147483648, 5000000000, 70000000000
};

/* Whatever tick the wheel stands at, a timer expires in its tick: not one before. */
static void
test_each_distance_from_each_phase(void)
{
	static const int64_t phases[] = {
		0, 1, 31, 62, 63, 64, 65, 4095, 4096, 262143, 1073741823
	};

	for (size_t p = 0; p < G_N_ELEMENTS(phases); p++)
		for (size_t d = 0; d < G_N_ELEMENTS(distances_ticks); d++) {
			struct weft_wheel wheel;
			struct timer t = { 0 };
			int64_t now = START + phases[p] * TICK;

			weft_wheel_init(&wheel, START, TICK, NULL);
			g_assert_cmpuint(weft_wheel_advance(&wheel, now), ==, 0);
			set(&wheel, &t, now + distances_ticks[d] * TICK);
			g_assert_cmpint(weft_wheel_next_us(&wheel), <=, t.at_us);
			g_assert_cmpuint(weft_wheel_advance(&wheel, t.at_us - 1), ==, 0);
			g_assert_true(weft_wheel_timer_is_set(&t.wheel));
			g_assert_cmpuint(weft_wheel_advance(&wheel, t.at_us), ==, 1);
			g_assert_cmpint(t.fired_us, ==, t.at_us);
			g_assert_cmpuint(wheel.count, ==, 0);
			g_assert_cmpint(weft_wheel_next_us(&wheel), ==, INT64_MAX);
		}
}

/* A loop that sleeps until weft_wheel_next_us() wakes up a few times at most, and never too late.
 */
static void
test_sleeping_until_next_is_enough(void)
{
	for (size_t d = 0; d < G_N_ELEMENTS(distances_ticks); d++) {
		struct weft_wheel wheel;
		struct timer t = { 0 };
		unsigned wakeups = 0;
		int64_t now = START + 12345;

		weft_wheel_init(&wheel, START, TICK, NULL);
		weft_wheel_advance(&wheel, now);
		set(&wheel, &t, START + (distances_ticks[d] + 100) * TICK);
		while (t.fired == 0) {
			int64_t next = weft_wheel_next_us(&wheel);

			g_assert_cmpint(next, >, now);
			now = next;
			weft_wheel_advance(&wheel, now);
			g_assert_cmpuint(++wakeups, <, 100);
		}
		g_assert_cmpint(t.fired_us, ==, t.at_us);
	}
}

static void
test_times_within_a_tick_round_up(void)
{
	struct weft_wheel wheel;
	struct timer t = { 0 };

	weft_wheel_init(&wheel, START, TICK, NULL);
	set(&wheel, &t, START + 5 * TICK + 1);
	weft_wheel_advance(&wheel, START + 5 * TICK + 999);
	g_assert_cmpuint(t.fired, ==, 0);
	weft_wheel_advance(&wheel, START + 6 * TICK);
	g_assert_cmpuint(t.fired, ==, 1);
}

static void
test_past_times_expire_at_the_next_tick(void)
{
	static const int64_t past[] = { INT64_MIN,        0, START - 1, START, START + 9 * TICK,
					START + 10 * TICK };

	for (size_t i = 0; i < G_N_ELEMENTS(past); i++) {
		struct weft_wheel wheel;
		struct timer t = { 0 };

		weft_wheel_init(&wheel, START, TICK, NULL);
		weft_wheel_advance(&wheel, START + 10 * TICK);
		set(&wheel, &t, past[i]);
		g_assert_cmpint(weft_wheel_next_us(&wheel), ==, START + 11 * TICK);
		weft_wheel_advance(&wheel, START + 10 * TICK + 999);
		g_assert_cmpuint(t.fired, ==, 0);
		weft_wheel_advance(&wheel, START + 11 * TICK);
		g_assert_cmpuint(t.fired, ==, 1);
	}
}

static void
test_the_end_of_time_never_comes(void)
{
	struct weft_wheel wheel;
	struct timer t = { 0 };

	weft_wheel_init(&wheel, -START, TICK, NULL);
	set(&wheel, &t, INT64_MAX);
	for (int i = 0; i < 40; i++) {
		int64_t next = weft_wheel_next_us(&wheel);

		g_assert_cmpint(next, <, INT64_MAX);
		g_assert_cmpuint(weft_wheel_advance(&wheel, next), ==, 0);
	}
	weft_wheel_cancel(&wheel, &t.wheel);
	g_assert_cmpint(weft_wheel_next_us(&wheel), ==, INT64_MAX);
}

static void
test_a_clock_that_goes_back_stands_still(void)
{
	struct weft_wheel wheel;
	struct timer t = { 0 };

	weft_wheel_init(&wheel, START, TICK, NULL);
	weft_wheel_advance(&wheel, START + 100 * TICK);
	g_assert_cmpuint(weft_wheel_advance(&wheel, START), ==, 0);
	g_assert_cmpuint(weft_wheel_advance(&wheel, 0), ==, 0);
	set(&wheel, &t, START + 50 * TICK);
	g_assert_cmpuint(weft_wheel_advance(&wheel, START + 60 * TICK), ==, 0);
	g_assert_cmpuint(weft_wheel_advance(&wheel, START + 101 * TICK), ==, 1);
}

/* What a callback does to the timers of its own tick and to itself. */
struct plot {
	struct timer timers[4];
	struct weft_wheel wheel;
	char order[16];
	size_t n;
};

static void
on_plot(struct weft_wheel_timer *timer, int64_t now_us, void *user)
{
	struct plot *plot = user;
	size_t i = (size_t) (timer_of(timer) - plot->timers);

	plot->order[plot->n++] = (char) ('0' + i);
	switch (i) {
	case 0: /* cancels one that is due, moves another, sets itself again */
		weft_wheel_cancel(&plot->wheel, &plot->timers[1].wheel);
		weft_wheel_set(&plot->wheel, &plot->timers[2].wheel, now_us + 3 * TICK);
		if (plot->n == 1)
			weft_wheel_set(&plot->wheel, timer, now_us - 500 * TICK);
		break;
	default:
		break;
	}
}

static void
test_callbacks_may_change_every_timer(void)
{
	struct plot plot = { .n = 0 };

	weft_wheel_init(&plot.wheel, START, TICK, &plot);
	for (size_t i = 0; i < G_N_ELEMENTS(plot.timers); i++) {
		weft_wheel_timer_init(&plot.timers[i].wheel, on_plot);
		weft_wheel_set(&plot.wheel, &plot.timers[i].wheel, START + 64 * TICK);
	}
	g_assert_cmpuint(weft_wheel_advance(&plot.wheel, START + 64 * TICK), ==, 2);
	g_assert_cmpstr(plot.order, ==, "03");
	g_assert_false(weft_wheel_timer_is_set(&plot.timers[1].wheel));
	g_assert_cmpuint(plot.wheel.count, ==, 2);
	g_assert_cmpuint(weft_wheel_advance(&plot.wheel, START + 65 * TICK), ==, 1);
	/* 0 moved 2 once more, now to three ticks from 65. */
	g_assert_cmpuint(weft_wheel_advance(&plot.wheel, START + 67 * TICK), ==, 0);
	g_assert_cmpuint(weft_wheel_advance(&plot.wheel, START + 68 * TICK), ==, 1);
	g_assert_cmpstr(plot.order, ==, "0302");
	g_assert_cmpuint(plot.wheel.count, ==, 0);
}

static void
on_free(struct weft_wheel_timer *timer, int64_t now_us, void *user)
{
	g_free(timer_of(timer));
}

static void
test_a_callback_may_free_its_timer(void)
{
	struct weft_wheel wheel;

	weft_wheel_init(&wheel, START, TICK, NULL);
	for (int i = 0; i < 100; i++) {
		struct timer *t = g_new0(struct timer, 1);

		weft_wheel_timer_init(&t->wheel, on_free);
		set(&wheel, t, START + (i % 7) * 1000 * TICK);
	}
	g_assert_cmpuint(weft_wheel_advance(&wheel, START + 10000 * TICK), ==, 100);
}

/* Against an array that is searched: thousands of timers, set, moved, cancelled and left. */
#define MANY 3000

struct model {
	struct weft_wheel wheel;
	struct timer timers[MANY];
	struct weft_env_fake fake;
	int64_t now;
	int64_t last_tick;
	size_t fired;
};

static int64_t
tick_of(int64_t at_us, int64_t first)
{
	int64_t tick = at_us <= START ? 0 : (at_us - START + TICK - 1) / TICK;

	return MAX(tick, first);
}

static void
on_model(struct weft_wheel_timer *timer, int64_t now_us, void *user)
{
	struct model *m = user;
	struct timer *t = timer_of(timer);

	g_assert_cmpint(t->at_us, <=, (now_us - START) / TICK);
	g_assert_cmpint(t->at_us, >=, m->last_tick); /* in order */
	m->last_tick = t->at_us;
	t->at_us = 0;
	m->fired++;
}

static void
change_one(struct model *m)
{
	struct timer *t = &m->timers[weft_env_random_below(&m->fake.env, MANY)];
	unsigned exponent = (unsigned) weft_env_random_below(&m->fake.env, 34);
	int64_t first = (m->now - START) / TICK + 1;
	int64_t at_us;

	if (weft_env_random_below(&m->fake.env, 5) == 0) {
		weft_wheel_cancel(&m->wheel, &t->wheel);
		t->at_us = 0;
		return;
	}
	at_us = m->now - 2 * TICK +
		(int64_t) weft_env_random_below(&m->fake.env, UINT64_C(1) << exponent);
	weft_wheel_set(&m->wheel, &t->wheel, at_us);
	t->at_us = tick_of(at_us, first); /* the model keeps ticks; 0: not set */
}

static void
test_many_timers_against_a_plain_array(void)
{
	struct model *m = g_new0(struct model, 1);

	m->now = START;
	weft_env_fake_init(&m->fake, 41);
	weft_wheel_init(&m->wheel, START, TICK, m);
	for (size_t i = 0; i < MANY; i++)
		weft_wheel_timer_init(&m->timers[i].wheel, on_model);
	for (int round = 0; round < 3000; round++) {
		unsigned exponent = (unsigned) weft_env_random_below(&m->fake.env, 30);
		size_t set_before = 0, due = 0, set_after = 0;
		int64_t earliest = INT64_MAX;

		for (int i = 0; i < 20; i++)
			change_one(m);
		m->now += (int64_t) weft_env_random_below(&m->fake.env, UINT64_C(1) << exponent);
		for (size_t i = 0; i < MANY; i++) {
			set_before += m->timers[i].at_us != 0;
			due += m->timers[i].at_us != 0 &&
			       m->timers[i].at_us <= (m->now - START) / TICK;
		}
		g_assert_cmpuint(m->wheel.count, ==, set_before);
		m->last_tick = 0;
		g_assert_cmpuint(weft_wheel_advance(&m->wheel, m->now), ==, due);
		for (size_t i = 0; i < MANY; i++) {
			const struct timer *t = &m->timers[i];

			g_assert_cmpint(weft_wheel_timer_is_set(&t->wheel), ==, t->at_us != 0);
			if (t->at_us != 0)
				earliest = MIN(earliest, START + t->at_us * TICK);
			set_after += t->at_us != 0;
		}
		g_assert_cmpuint(m->wheel.count, ==, set_after);
		g_assert_cmpint(weft_wheel_next_us(&m->wheel), <=, earliest);
		g_assert_cmpint(weft_wheel_next_us(&m->wheel), >, m->now);
	}
	g_assert_cmpuint(m->fired, >, 10000);
	g_free(m);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/wheel/each-distance-from-each-phase",
			test_each_distance_from_each_phase);
	g_test_add_func("/base/wheel/sleeping-until-next-is-enough",
			test_sleeping_until_next_is_enough);
	g_test_add_func("/base/wheel/times-within-a-tick-round-up",
			test_times_within_a_tick_round_up);
	g_test_add_func("/base/wheel/past-times-expire-at-the-next-tick",
			test_past_times_expire_at_the_next_tick);
	g_test_add_func("/base/wheel/the-end-of-time-never-comes",
			test_the_end_of_time_never_comes);
	g_test_add_func("/base/wheel/a-clock-that-goes-back-stands-still",
			test_a_clock_that_goes_back_stands_still);
	g_test_add_func("/base/wheel/callbacks-may-change-every-timer",
			test_callbacks_may_change_every_timer);
	g_test_add_func("/base/wheel/a-callback-may-free-its-timer",
			test_a_callback_may_free_its_timer);
	g_test_add_func("/base/wheel/many-timers-against-a-plain-array",
			test_many_timers_against_a_plain_array);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/timer.h"

#include <glib.h>

/* RFC 8489 section 6.2.1: at 0, 500, 1500, 3500, 7500, 15500, 31500 ms; given up at 39500. */
static void
test_schedule_of_the_rfc(void)
{
	static const int64_t at_ms[] = { 500, 1500, 3500, 7500, 15500, 31500 };
	struct weft_stun_timer t;

	weft_stun_timer_start(&t, &weft_stun_timer_udp, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(at_ms); i++) {
		g_assert_cmpint(t.due_us, ==, at_ms[i] * 1000);
		g_assert_cmpint(weft_stun_timer_poll(&t, t.due_us - 1), ==, WEFT_STUN_TIMER_WAIT);
		g_assert_cmpint(weft_stun_timer_poll(&t, t.due_us), ==, WEFT_STUN_TIMER_RESEND);
	}
	g_assert_cmpint(t.due_us, ==, 39500 * 1000);
	g_assert_cmpint(weft_stun_timer_poll(&t, t.due_us - 1), ==, WEFT_STUN_TIMER_WAIT);
	g_assert_cmpint(weft_stun_timer_poll(&t, t.due_us), ==, WEFT_STUN_TIMER_EXPIRED);
}

static void
test_stream_sends_once(void)
{
	struct weft_stun_timer t;

	weft_stun_timer_start(&t, &weft_stun_timer_stream, 1000);
	g_assert_cmpint(weft_stun_timer_poll(&t, 1000 + 39499999), ==, WEFT_STUN_TIMER_WAIT);
	g_assert_cmpint(weft_stun_timer_poll(&t, 1000 + 39500000), ==, WEFT_STUN_TIMER_EXPIRED);
}

static void
test_a_late_poll_makes_no_burst(void)
{
	struct weft_stun_timer t;

	weft_stun_timer_start(&t, &weft_stun_timer_udp, 0);
	g_assert_cmpint(weft_stun_timer_poll(&t, 20000000), ==, WEFT_STUN_TIMER_RESEND);
	g_assert_cmpint(weft_stun_timer_poll(&t, 20000000), ==, WEFT_STUN_TIMER_WAIT);
	g_assert_cmpint(t.due_us, ==, 21000000);
}

static void
test_cap(void)
{
	static const struct weft_stun_timer_config config = {
		.rto_us = 100, .requests = 5, .last_factor = 3, .rto_cap_us = 250
	};
	static const int64_t due[] = { 100, 300, 550, 800 };
	struct weft_stun_timer t;

	weft_stun_timer_start(&t, &config, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(due); i++) {
		g_assert_cmpint(t.due_us, ==, due[i]);
		g_assert_cmpint(weft_stun_timer_poll(&t, t.due_us), ==, WEFT_STUN_TIMER_RESEND);
	}
	g_assert_cmpint(t.due_us, ==, 1100);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stun/timer/schedule-of-the-rfc", test_schedule_of_the_rfc);
	g_test_add_func("/stun/timer/stream-sends-once", test_stream_sends_once);
	g_test_add_func("/stun/timer/a-late-poll-makes-no-burst", test_a_late_poll_makes_no_burst);
	g_test_add_func("/stun/timer/cap", test_cap);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/source.h"

#include <signal.h>
#include <unistd.h>

static GMainContext *context;

static void
run_until(const unsigned *count, unsigned wanted)
{
	while (*count < wanted)
		g_main_context_iteration(context, TRUE);
}

static void
spin(void)
{
	while (g_main_context_iteration(context, FALSE))
		;
}

static gboolean
on_count(gpointer user)
{
	++*(unsigned *) user;
	return G_SOURCE_CONTINUE;
}

static gboolean
on_once(gpointer user)
{
	++*(unsigned *) user;
	return G_SOURCE_REMOVE;
}

static void
test_timeout_repeats(void)
{
	unsigned n = 0;
	int64_t start = g_get_monotonic_time();
	GSource *source = weft_source_timeout_us(context, 2000, on_count, &n);

	run_until(&n, 3);
	g_assert_cmpint(g_get_monotonic_time() - start, >=, 6000);
	weft_source_cancel(&source);
	g_assert_null(source);
}

static void
test_timeout_can_end_itself(void)
{
	unsigned n = 0;
	GSource *source = weft_source_timeout_us(context, 0, on_once, &n);

	run_until(&n, 1);
	g_assert_true(g_source_is_destroyed(source));
	weft_source_cancel(&source);
}

static void
test_timer_fires_once_per_arming(void)
{
	unsigned n = 0;
	GSource *source = weft_source_timer(context, on_count, &n);

	spin();
	g_assert_cmpuint(n, ==, 0);
	weft_source_arm_us(source, 1000);
	run_until(&n, 1);
	spin();
	g_assert_cmpuint(n, ==, 1);
	weft_source_arm_at_us(source, g_get_monotonic_time());
	run_until(&n, 2);
	weft_source_arm_us(source, -5);
	run_until(&n, 3);
	weft_source_arm_us(source, 0);
	weft_source_disarm(source);
	spin();
	g_assert_cmpuint(n, ==, 3);
	weft_source_arm_us(source, G_MAXINT64);
	spin();
	g_assert_cmpuint(n, ==, 3);
	weft_source_cancel(&source);
}

struct rearm {
	GSource *source;
	unsigned n;
};

static gboolean
on_rearm(gpointer user)
{
	struct rearm *r = user;

	if (++r->n < 5)
		weft_source_arm_us(r->source, 0);
	return G_SOURCE_CONTINUE;
}

static void
test_timer_arms_itself(void)
{
	struct rearm r = { 0 };

	r.source = weft_source_timer(context, on_rearm, &r);
	weft_source_arm_us(r.source, 0);
	run_until(&r.n, 5);
	spin();
	g_assert_cmpuint(r.n, ==, 5);
	weft_source_cancel(&r.source);
}

static unsigned fd_calls;
static GIOCondition fd_seen;

static gboolean
on_fd(int fd, GIOCondition condition, gpointer user)
{
	char c;

	fd_calls++;
	fd_seen = condition;
	if ((condition & G_IO_IN) != 0 && user == NULL)
		g_assert_cmpint(read(fd, &c, 1), ==, 1);
	return G_SOURCE_CONTINUE;
}

static void
test_fd(void)
{
	int fds[2];
	GSource *source;

	g_assert_cmpint(pipe(fds), ==, 0);
	source = weft_source_fd(context, fds[0], G_IO_IN, on_fd, NULL);
	spin();
	g_assert_cmpuint(fd_calls, ==, 0);
	g_assert_cmpint(write(fds[1], "ab", 2), ==, 2);
	spin();
	g_assert_cmpuint(fd_calls, ==, 2);
	/* Not watched, then watched again. */
	weft_source_fd_set(source, 0);
	g_assert_cmpint(write(fds[1], "c", 1), ==, 1);
	spin();
	g_assert_cmpuint(fd_calls, ==, 2);
	weft_source_fd_set(source, G_IO_IN);
	spin();
	g_assert_cmpuint(fd_calls, ==, 3);
	/* The end is told even if nothing is asked for. */
	weft_source_fd_set(source, 0);
	close(fds[1]);
	run_until(&fd_calls, 4);
	g_assert_cmpint(fd_seen & G_IO_HUP, !=, 0);
	weft_source_cancel(&source);
	close(fds[0]);
}

static void
test_idle_comes_after_defer(void)
{
	unsigned idle = 0, defer = 0;
	GSource *a = weft_source_idle(context, on_once, &idle);
	GSource *b = weft_source_defer(context, on_once, &defer);

	g_main_context_iteration(context, FALSE);
	g_assert_cmpuint(defer, ==, 1);
	g_assert_cmpuint(idle, ==, 0);
	spin();
	g_assert_cmpuint(idle, ==, 1);
	weft_source_cancel(&a);
	weft_source_cancel(&b);
}

static void
test_cancelled_ones_are_silent(void)
{
	unsigned n = 0;
	GSource *source = weft_source_defer(context, on_count, &n);

	weft_source_cancel(&source);
	spin();
	g_assert_cmpuint(n, ==, 0);
	weft_source_cancel(&source);
}

static void
test_signal(void)
{
	unsigned n = 0;
	GSource *source = weft_source_signal(context, SIGUSR1, on_count, &n);

	raise(SIGUSR1);
	run_until(&n, 1);
	weft_source_cancel(&source);
}

int
main(int argc, char **argv)
{
	int code;

	g_test_init(&argc, &argv, NULL);
	context = g_main_context_new();
	g_test_add_func("/base-glib/source/timeout-repeats", test_timeout_repeats);
	g_test_add_func("/base-glib/source/timeout-can-end-itself", test_timeout_can_end_itself);
	g_test_add_func("/base-glib/source/timer-fires-once-per-arming",
			test_timer_fires_once_per_arming);
	g_test_add_func("/base-glib/source/timer-arms-itself", test_timer_arms_itself);
	g_test_add_func("/base-glib/source/fd", test_fd);
	g_test_add_func("/base-glib/source/idle-comes-after-defer", test_idle_comes_after_defer);
	g_test_add_func("/base-glib/source/cancelled-ones-are-silent",
			test_cancelled_ones_are_silent);
	g_test_add_func("/base-glib/source/signal", test_signal);
	code = g_test_run();
	g_main_context_unref(context);
	return code;
}

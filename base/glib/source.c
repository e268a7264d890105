/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/source.h"

#include <glib-unix.h>

struct timer_source {
	GSource source;
	int64_t period_us; /* 0: a timer that is armed by hand */
};

struct fd_source {
	GSource source;
	int fd;
	gpointer tag;
};

static gboolean
timer_dispatch(GSource *source, GSourceFunc func, gpointer user)
{
	struct timer_source *timer = (struct timer_source *) (void *) source;
	int64_t due = g_source_get_ready_time(source);

	if (timer->period_us == 0) {
		g_source_set_ready_time(source, -1);
		return func(user);
	}
	if (!func(user))
		return G_SOURCE_REMOVE;
	/* The callback may have asked for another time. */
	if (g_source_get_ready_time(source) == due) {
		int64_t now = g_source_get_time(source);

		due += timer->period_us;
		if (due <= now)
			due += (now - due) / timer->period_us * timer->period_us + timer->period_us;
		g_source_set_ready_time(source, due);
	}
	return G_SOURCE_CONTINUE;
}

static gboolean
fd_dispatch(GSource *source, GSourceFunc func, gpointer user)
{
	struct fd_source *fd = (struct fd_source *) (void *) source;
	GIOCondition condition = g_source_query_unix_fd(source, fd->tag);

	return ((WeftSourceFdFunc) (void (*)(void)) func)(fd->fd, condition, user);
}

static GSourceFuncs timer_funcs = { .dispatch = timer_dispatch };
static GSourceFuncs fd_funcs = { .dispatch = fd_dispatch };

/* Sets what all sources have and attaches. */
static GSource *
attach(GSource *source, GMainContext *context, const char *name, GSourceFunc func, gpointer user)
{
	g_source_set_static_name(source, name);
	g_source_set_callback(source, func, user, NULL);
	g_source_attach(source, context);
	return source;
}

GSource *
weft_source_timeout_us(GMainContext *context, int64_t delay_us, GSourceFunc func, gpointer user)
{
	GSource *source = g_source_new(&timer_funcs, sizeof(struct timer_source));
	struct timer_source *timer = (struct timer_source *) (void *) source;

	timer->period_us = MAX(delay_us, 1);
	weft_source_arm_us(source, delay_us);
	return attach(source, context, "weft timeout", func, user);
}

GSource *
weft_source_timer(GMainContext *context, GSourceFunc func, gpointer user)
{
	GSource *source = g_source_new(&timer_funcs, sizeof(struct timer_source));

	return attach(source, context, "weft timer", func, user);
}

void
weft_source_arm_at_us(GSource *timer, int64_t at_us)
{
	g_source_set_ready_time(timer, MAX(at_us, 0));
}

void
weft_source_arm_us(GSource *timer, int64_t delay_us)
{
	int64_t now = g_get_monotonic_time();

	if (delay_us <= 0)
		g_source_set_ready_time(timer, 0);
	else
		g_source_set_ready_time(timer,
					delay_us > G_MAXINT64 - now ? G_MAXINT64 : now + delay_us);
}

void
weft_source_disarm(GSource *timer)
{
	g_source_set_ready_time(timer, -1);
}

GSource *
weft_source_fd(
	GMainContext *context, int fd, GIOCondition condition, WeftSourceFdFunc func, gpointer user)
{
	GSource *source = g_source_new(&fd_funcs, sizeof(struct fd_source));
	struct fd_source *self = (struct fd_source *) (void *) source;

	self->fd = fd;
	self->tag = g_source_add_unix_fd(source, fd, condition | G_IO_ERR | G_IO_HUP);
	return attach(source, context, "weft fd", (GSourceFunc) (void (*)(void)) func, user);
}

void
weft_source_fd_set(GSource *source, GIOCondition condition)
{
	struct fd_source *self = (struct fd_source *) (void *) source;

	g_source_modify_unix_fd(source, self->tag, condition | G_IO_ERR | G_IO_HUP);
}

GSource *
weft_source_idle(GMainContext *context, GSourceFunc func, gpointer user)
{
	GSource *source = g_idle_source_new();

	return attach(source, context, "weft idle", func, user);
}

GSource *
weft_source_defer(GMainContext *context, GSourceFunc func, gpointer user)
{
	GSource *source = g_idle_source_new();

	g_source_set_priority(source, G_PRIORITY_DEFAULT);
	return attach(source, context, "weft defer", func, user);
}

GSource *
weft_source_signal(GMainContext *context, int signum, GSourceFunc func, gpointer user)
{
	return attach(g_unix_signal_source_new(signum), context, "weft signal", func, user);
}

void
weft_source_cancel(GSource **source)
{
	GSource *old = g_steal_pointer(source);

	if (old == NULL)
		return;
	g_source_destroy(old);
	g_source_unref(old);
}

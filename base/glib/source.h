/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Event sources on a given GMainContext.
 *
 * The caller holds the GSource and ends it by weft_source_cancel() before the callback's data dies.
 * @context NULL is the default context. Callbacks follow GLib: G_SOURCE_REMOVE ends the source, but
 * the caller's reference stays and is still to be cancelled. */
#pragma once

#include <gio/gio.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Fires @delay_us from now, again every @delay_us while the callback returns G_SOURCE_CONTINUE.
 * Times are microseconds; poll(2) rounds up to the next millisecond. Periods do not drift: the next
 * one counts from when this one was due, and missed ones are skipped. */
GSource *weft_source_timeout_us(GMainContext *context,
				int64_t delay_us,
				GSourceFunc func,
				gpointer user);

/* A timer that is not armed. It fires once per weft_timer_arm. */
GSource *weft_source_timer(GMainContext *context, GSourceFunc func, gpointer user);

/* Arms a timer of weft_source_timer() for a time of g_get_monotonic_time(), or for a delay; earlier
 * settings are replaced. Thread-safe. The timer's callback may call these; it must return
 * G_SOURCE_CONTINUE to be armed again later. */
void weft_source_arm_at_us(GSource *timer, int64_t at_us);
void weft_source_arm_us(GSource *timer, int64_t delay_us);
void weft_source_disarm(GSource *timer);

typedef gboolean (*WeftSourceFdFunc)(int fd, GIOCondition condition, gpointer user);

/* Watches @fd, which stays the caller's. G_IO_ERR and G_IO_HUP are always reported. */
GSource *weft_source_fd(GMainContext *context,
			int fd,
			GIOCondition condition,
			WeftSourceFdFunc func,
			gpointer user);

/* Changes what is watched; 0: errors only. */
void weft_source_fd_set(GSource *source, GIOCondition condition);

/* Runs when nothing of a higher priority is due, at G_PRIORITY_DEFAULT_IDLE. */
GSource *weft_source_idle(GMainContext *context, GSourceFunc func, gpointer user);

/* Runs at the next turn of the loop, at G_PRIORITY_DEFAULT. Wakes the loop from any thread. */
GSource *weft_source_defer(GMainContext *context, GSourceFunc func, gpointer user);

/* SIGTERM and the like (see g_unix_signal_source_new() for which). */
GSource *weft_source_signal(GMainContext *context, int signum, GSourceFunc func, gpointer user);

/* Destroys, gives up the reference and clears the variable. Takes a NULL variable. Afterwards the
 * callback is not called any more (from the context's own thread). */
void weft_source_cancel(GSource **source);

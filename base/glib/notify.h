/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The service manager's notification protocol (sd_notify(3)) without libsystemd.
 *
 * Every function takes NULL, and does nothing if the process was not started with a notification
 * socket. Nothing blocks and no failure is reported: the manager's loss is not ours. Daemons use
 * base/glib/main.h, which calls all this. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct weft_notify WeftNotify;
struct weft_env;

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that children do
 * not inherit them. Never NULL. Call before threads exist. */
WeftNotify *weft_notify_new(const struct weft_env *env);

/* Stops the watchdog. */
void weft_notify_free(WeftNotify *notify);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNotify, weft_notify_free)

/* True if a manager listens. */
bool weft_notify_active(const WeftNotify *notify);

void weft_notify_ready(WeftNotify *notify);     /* READY=1: also the end of a reload */
void weft_notify_reloading(WeftNotify *notify); /* RELOADING=1 with MONOTONIC_USEC */
void weft_notify_stopping(WeftNotify *notify);  /* STOPPING=1 */

/* One human sentence for `systemctl status`. Sent only if it changed. */
void weft_notify_status(WeftNotify *notify, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Asks for @us more before start, stop or run time limits strike; repeat during long work. */
void weft_notify_extend_timeout(WeftNotify *notify, int64_t us);

/* Interval that the manager wants to hear from us in, 0: no watchdog. */
int64_t weft_notify_watchdog_us(const WeftNotify *notify);

/* From now on sends WATCHDOG=1 at a third of the interval, if @alive (may be NULL) says so. A false
 * answer is not sent and asked again at the next third: after three of them the manager acts. */
void weft_notify_watchdog_start(WeftNotify *notify,
				GMainContext *context,
				bool (*alive)(void *user),
				void *user);

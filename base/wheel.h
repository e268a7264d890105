/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A hierarchical timer wheel: any number of timers, each set, changed and cancelled in constant
 * time without allocation. For loops with many timers of which most are cancelled or moved before
 * they expire, as those of relayd's workers.
 *
 * Time is the caller's (weft_env_now_us() or the fake clock): the wheel only knows what it is told.
 * It counts in ticks of the length chosen at init; a timer never expires before its time, and late
 * by less than a tick plus however long the caller waits with the next weft_wheel_advance(). One
 * wheel belongs to one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define WEFT_WHEEL_SLOT_BITS 6
#define WEFT_WHEEL_SLOTS     (1 << WEFT_WHEEL_SLOT_BITS)
/* 2^30 ticks ahead, 12 days of milliseconds; timers beyond go round again. */
#define WEFT_WHEEL_LEVELS 5

struct weft_wheel_timer;

/* @timer is no longer set; it may be set again, and any other timer set or cancelled, or their
 * memory freed. @now_us is what weft_wheel_advance() was given. */
typedef void (*weft_wheel_func)(struct weft_wheel_timer *timer, int64_t now_us, void *user);

/* Part of the caller's struct (weft_container_of() leads back). */
struct weft_wheel_timer {
	struct weft_list link;
	uint64_t tick; /* when to expire */
	weft_wheel_func func;
};

struct weft_wheel {
	int64_t start_us;
	int64_t tick_us;
	uint64_t next;                    /* the first tick that is not done */
	size_t count;                     /* timers that are set */
	void *user;                       /* passed to every callback */
	uint64_t busy[WEFT_WHEEL_LEVELS]; /* which slots have timers */
	struct weft_list slots[WEFT_WHEEL_LEVELS][WEFT_WHEEL_SLOTS];
	struct weft_list due; /* of the tick that is being done */
};

/* @tick_us > 0. The wheel points at itself, so it must stay where it is. Timers need no end:
 * whoever frees a wheel or a timer's memory cancels the timer first. */
void weft_wheel_init(struct weft_wheel *wheel, int64_t now_us, int64_t tick_us, void *user);

void weft_wheel_timer_init(struct weft_wheel_timer *timer, weft_wheel_func func);

/* Sets the timer, or moves it if it is set. A time that is past expires at the next tick. */
void weft_wheel_set(struct weft_wheel *wheel, struct weft_wheel_timer *timer, int64_t at_us);

/* Harmless if it is not set. */
void weft_wheel_cancel(struct weft_wheel *wheel, struct weft_wheel_timer *timer);

bool weft_wheel_timer_is_set(const struct weft_wheel_timer *timer);

/* Calls all timers that are due at @now_us, in the order of their ticks, and returns how many. Not
 * from within a callback. A clock that goes back is taken for one that stands still. */
size_t weft_wheel_advance(struct weft_wheel *wheel, int64_t now_us);

/* When weft_wheel_advance() should be called next: not after the earliest timer, and for timers
 * that are far away possibly before. INT64_MAX if none is set. */
int64_t weft_wheel_next_us(const struct weft_wheel *wheel);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Level 0 has a slot for each of the next 64 ticks, level 1 one for each 64 ticks of the next 64^2,
 * and so on. When the first tick of such a span comes, the timers of its slot move to lower levels.
 * A bit per slot tells which have timers, so that spans without any are skipped at once. */
#include "base/wheel.h"

#define SLOT_MASK (WEFT_WHEEL_SLOTS - 1)
#define HORIZON   (UINT64_C(1) << (WEFT_WHEEL_SLOT_BITS * WEFT_WHEEL_LEVELS))

_Static_assert(WEFT_WHEEL_SLOTS == 64, "one word of bits per level");

void
weft_wheel_init(struct weft_wheel *wheel, int64_t now_us, int64_t tick_us, void *user)
{
	*wheel = (struct weft_wheel){
		.start_us = now_us,
		.tick_us = tick_us,
		.next = 1,
		.user = user,
	};
	for (size_t level = 0; level < WEFT_WHEEL_LEVELS; level++)
		for (size_t slot = 0; slot < WEFT_WHEEL_SLOTS; slot++)
			weft_list_init(&wheel->slots[level][slot]);
	weft_list_init(&wheel->due);
}

void
weft_wheel_timer_init(struct weft_wheel_timer *timer, weft_wheel_func func)
{
	*timer = (struct weft_wheel_timer){ .func = func };
	weft_list_init(&timer->link);
}

bool
weft_wheel_timer_is_set(const struct weft_wheel_timer *timer)
{
	return !weft_list_is_empty(&timer->link);
}

/* Microseconds since the start, 0 before it. */
static uint64_t
since_start(const struct weft_wheel *wheel, int64_t at_us)
{
	return at_us <= wheel->start_us ? 0 : (uint64_t) at_us - (uint64_t) wheel->start_us;
}

/* The end of a tick as a time; INT64_MAX for one that has no time. */
static int64_t
tick_end_us(const struct weft_wheel *wheel, uint64_t tick)
{
	int64_t us;

	if (tick > INT64_MAX || __builtin_mul_overflow((int64_t) tick, wheel->tick_us, &us) ||
	    __builtin_add_overflow(us, wheel->start_us, &us))
		return INT64_MAX;
	return us;
}

static unsigned
shift_of(size_t level)
{
	return (unsigned) (WEFT_WHEEL_SLOT_BITS * level);
}

/* Puts a timer, whose tick is not done, into the slot of its distance. */
static void
place(struct weft_wheel *wheel, struct weft_wheel_timer *timer)
{
	uint64_t distance = timer->tick - wheel->next;
	uint64_t tick = timer->tick;
	size_t level = 0;
	size_t slot;

	if (distance >= HORIZON) {
		distance = HORIZON - 1;
		tick = wheel->next + distance;
	}
	while (distance >> shift_of(level + 1) > 0)
		level++;
	slot = tick >> shift_of(level) & SLOT_MASK;
	weft_list_append(&wheel->slots[level][slot], &timer->link);
	wheel->busy[level] |= UINT64_C(1) << slot;
}

/* Takes a timer out of its list and notes if that leaves a slot empty. */
static void
take(struct weft_wheel *wheel, struct weft_wheel_timer *timer)
{
	struct weft_list *next = timer->link.next;
	uintptr_t first = (uintptr_t) &wheel->slots[0][0];
	uintptr_t at = (uintptr_t) next;

	weft_list_remove(&timer->link);
	/* An entry that was alone leaves a head behind, either of a slot or of the due list. */
	if (weft_list_is_empty(next) && at >= first && at < first + sizeof wheel->slots) {
		size_t i = (at - first) / sizeof *next;

		wheel->busy[i / WEFT_WHEEL_SLOTS] &= ~(UINT64_C(1) << i % WEFT_WHEEL_SLOTS);
	}
}

void
weft_wheel_set(struct weft_wheel *wheel, struct weft_wheel_timer *timer, int64_t at_us)
{
	uint64_t us = since_start(wheel, at_us);
	uint64_t tick = us / (uint64_t) wheel->tick_us + (us % (uint64_t) wheel->tick_us > 0);

	if (weft_wheel_timer_is_set(timer))
		take(wheel, timer);
	else
		wheel->count++;
	timer->tick = tick < wheel->next ? wheel->next : tick;
	place(wheel, timer);
}

void
weft_wheel_cancel(struct weft_wheel *wheel, struct weft_wheel_timer *timer)
{
	if (!weft_wheel_timer_is_set(timer))
		return;
	take(wheel, timer);
	wheel->count--;
}

/* The first tick, done or begun, that has something to do: of level 0 the timers of the tick, of
 * the others a slot to be distributed. UINT64_MAX if nothing is set. */
static uint64_t
first_busy_tick(const struct weft_wheel *wheel)
{
	uint64_t first = UINT64_MAX;

	for (size_t level = 0; level < WEFT_WHEEL_LEVELS; level++) {
		unsigned shift = shift_of(level);
		uint64_t span = UINT64_C(1) << shift;
		/* Spans that have begun are distributed already. */
		uint64_t block = (wheel->next + span - 1) >> shift;
		unsigned slot = block & SLOT_MASK;
		uint64_t busy = wheel->busy[level];
		uint64_t tick;

		if (busy == 0)
			continue;
		busy = busy >> slot | busy << (-slot & SLOT_MASK);
		tick = (block + (unsigned) __builtin_ctzll(busy)) << shift;
		if (tick < first)
			first = tick;
	}
	return first;
}

static void
distribute(struct weft_wheel *wheel, size_t level)
{
	size_t slot = wheel->next >> shift_of(level) & SLOT_MASK;
	struct weft_list moving;
	struct weft_list *link;

	weft_list_init(&moving);
	weft_list_splice(&moving, &wheel->slots[level][slot]);
	wheel->busy[level] &= ~(UINT64_C(1) << slot);
	while ((link = weft_list_pop(&moving)) != NULL)
		place(wheel, weft_container_of(link, struct weft_wheel_timer, link));
}

/* Does the tick `next`. */
static size_t
do_tick(struct weft_wheel *wheel, int64_t now_us)
{
	size_t slot = wheel->next & SLOT_MASK;
	struct weft_list *link;
	size_t called = 0;

	for (size_t level = 1; level < WEFT_WHEEL_LEVELS; level++)
		if ((wheel->next & ((UINT64_C(1) << shift_of(level)) - 1)) == 0)
			distribute(wheel, level);
	weft_list_splice(&wheel->due, &wheel->slots[0][slot]);
	wheel->busy[0] &= ~(UINT64_C(1) << slot);
	wheel->next++;
	while ((link = weft_list_pop(&wheel->due)) != NULL) {
		struct weft_wheel_timer *timer =
			weft_container_of(link, struct weft_wheel_timer, link);

		wheel->count--;
		called++;
		timer->func(timer, now_us, wheel->user);
	}
	return called;
}

size_t
weft_wheel_advance(struct weft_wheel *wheel, int64_t now_us)
{
	uint64_t last = since_start(wheel, now_us) / (uint64_t) wheel->tick_us;
	size_t called = 0;

	while (wheel->next <= last) {
		uint64_t tick = first_busy_tick(wheel);

		if (tick > last) {
			wheel->next = last + 1;
			break;
		}
		wheel->next = tick;
		called += do_tick(wheel, now_us);
	}
	return called;
}

int64_t
weft_wheel_next_us(const struct weft_wheel *wheel)
{
	return wheel->count == 0 ? INT64_MAX : tick_end_us(wheel, first_busy_tick(wheel));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the room: one completion queue, what comes out of it, and the way to the callbacks. */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"
#include "rpc/runtime.h"

/* The object in which @ptr is @member. */
#define WEFT_RPC_CONTAINER(ptr, type, member)                                                      \
	((type *) (void *) ((char *) (ptr) -offsetof(type, member)))

/* Embedded in whatever waits for a batch. complete() runs on the thread that waits at the queue. */
struct weft_rpc_tag {
	void (*complete)(struct weft_rpc_tag *tag, bool ok);
	atomic_uchar armed;
};

/* To be called before a tag is given to core. Whoever takes the event sees what was written before:
 * core sees to that as well, but in a way that ThreadSanitizer does not know. */
static inline void
weft_rpc_tag_arm(struct weft_rpc_tag *tag)
{
	atomic_store_explicit(&tag->armed, 1, memory_order_release);
}

/* Embedded in whatever has something to tell. deliver() runs where callbacks run. */
struct weft_rpc_note {
	struct weft_rpc_note *next;
	void (*deliver)(struct weft_rpc_note *note);
};

struct weft_rpc_notes {
	struct weft_rpc_note *first, *last;
};

/* A ring in which the head is one of the links. */
struct weft_rpc_link {
	struct weft_rpc_link *prev, *next;
};

struct weft_rpc_queue {
	WeftRpcRuntime *rt;
	grpc_completion_queue *cq;
	pthread_t thread;
	bool has_thread;
	bool ended;                  /* GRPC_QUEUE_SHUTDOWN was seen */
	struct weft_rpc_notes notes; /* of this batch; only the waiting thread */
	struct weft_rpc_notes later; /* after the network had its turn; only the waiting thread */
	WeftArena *arena;            /* only where callbacks run */
	bool arena_busy;
	int64_t next_tick_us; /* only the waiting thread */
	unsigned quiet_ticks; /* ticks since the last send was in flight */

	atomic_uint sends_busy;       /* sends in flight that have a time limit */
	atomic_bool asleep;           /* waits without a tick */
	struct weft_rpc_tag wake_tag; /* ends that */

	pthread_mutex_t lock;
	struct weft_rpc_link calls; /* all that live, under lock */
};

struct weft_rpc_runtime {
	enum weft_rpc_delivery delivery;
	GMainContext *context;
	GSource *source;
	unsigned n_queues;
	struct weft_rpc_queue *queues;
	struct weft_rpc_loop *loop; /* DELIVER_LOOP */

	grpc_channel *spare_channel;
	grpc_call *spare; /* empty batches on it are events out of nothing, on the first queue */
	pthread_mutex_t spare_lock;

	pthread_mutex_t lock;
	struct weft_rpc_notes notes; /* handed over, under lock */
	bool sleeping;               /* the context may be asleep: wake it for the next note */

	struct weft_rpc_notes taken; /* only the context's thread */
	atomic_uint_fast64_t events, turns, calls_live;
	atomic_uint fast_ticks; /* something waits for time to pass: tick often */
	atomic_uint next_queue;
	pthread_mutex_t servers_lock;
	struct weft_rpc_link servers;
};

#define WEFT_RPC_TICK_US      G_USEC_PER_SEC
#define WEFT_RPC_FAST_TICK_US (20 * 1000)
#define WEFT_RPC_QUIET_TICKS  5

static inline void
weft_rpc_link_init(struct weft_rpc_link *head)
{
	head->prev = head->next = head;
}

static inline void
weft_rpc_link_append(struct weft_rpc_link *head, struct weft_rpc_link *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

static inline void
weft_rpc_link_remove(struct weft_rpc_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = link;
}

static inline void
weft_rpc_notes_append(struct weft_rpc_notes *notes, struct weft_rpc_note *note)
{
	note->next = NULL;
	if (notes->last == NULL)
		notes->first = note;
	else
		notes->last->next = note;
	notes->last = note;
}

static inline struct weft_rpc_note *
weft_rpc_notes_take(struct weft_rpc_notes *notes)
{
	struct weft_rpc_note *note = notes->first;

	if (note != NULL) {
		notes->first = note->next;
		if (notes->first == NULL)
			notes->last = NULL;
	}
	return note;
}

/* Only on the queue's waiting thread, during complete(). */
static inline void
weft_rpc_queue_note(struct weft_rpc_queue *q, struct weft_rpc_note *note)
{
	weft_rpc_notes_append(&q->notes, note);
}

/* Takes events until the queue is empty or the batch is full, waiting for the first until
 * @deadline_us of the monotonic clock (0: not at all, INT64_MAX: for ever). Returns how many; false
 * in q->ended once it is shut down. */
unsigned weft_rpc_queue_take(struct weft_rpc_queue *q, int64_t deadline_us);

/* Runs @fn(@data) where callbacks run, after the network had its turn: for long work in pieces.
 * Only where callbacks run (INLINE: on the first queue's thread). */
void weft_rpc_runtime_yield(WeftRpcRuntime *rt, void (*fn)(void *data), void *data);

/* If somebody yielded: gives the network its turn, and adds the first of them to q->notes. */
void weft_rpc_queue_take_later(struct weft_rpc_queue *q);

/* Until when the thread may wait. */
int64_t weft_rpc_queue_deadline_us(struct weft_rpc_queue *q);

/* Hands the notes of a batch to the context. */
void weft_rpc_runtime_hand_over(WeftRpcRuntime *rt, struct weft_rpc_notes *notes, bool wake);

/* Makes @tag complete on the first queue. Any thread. */
void weft_rpc_runtime_post(WeftRpcRuntime *rt, struct weft_rpc_tag *tag);

/* Wakes a thread that sleeps without ticks; to be called after what it is to see was counted. */
void weft_rpc_queue_wake(struct weft_rpc_queue *q);

/* Counts a send with a time limit. */
void weft_rpc_queue_send_begins(struct weft_rpc_queue *q);
void weft_rpc_queue_send_ends(struct weft_rpc_queue *q);

/* Called about once a second by the waiting thread (call_tick.c, server.c). */
void weft_rpc_queue_tick_calls(struct weft_rpc_queue *q, int64_t now_us);
void weft_rpc_runtime_tick_servers(WeftRpcRuntime *rt, int64_t now_us);

/* loop.c: the context's own thread waits. */
struct weft_rpc_loop *weft_rpc_loop_new(WeftRpcRuntime *rt, GError **error);
void weft_rpc_loop_free(struct weft_rpc_loop *loop);

/* log.c: core's messages become ours. */
void weft_rpc_log_route(void);

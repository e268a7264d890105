/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/runtime.h"

#include "rpc/limits.h"
#include "rpc/queue.h"
#include "rpc/status.h"

#include <errno.h>
#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <signal.h>

struct rt_source {
	GSource source;
	WeftRpcRuntime *rt;
};

struct invocation {
	struct weft_rpc_tag tag;
	struct weft_rpc_note note;
	WeftRpcRuntime *rt;
	void (*fn)(void *data);
	void *data;
};

/* --- The waiting side --- */

static gpr_timespec
to_timespec(int64_t deadline_us)
{
	if (deadline_us == 0)
		return gpr_inf_past(GPR_CLOCK_MONOTONIC);
	if (deadline_us == INT64_MAX)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_from_micros(deadline_us, GPR_CLOCK_MONOTONIC);
}

static void
run_notes_inline(struct weft_rpc_queue *q)
{
	struct weft_rpc_note *note;

	while ((note = weft_rpc_notes_take(&q->notes)) != NULL)
		note->deliver(note);
}

unsigned
weft_rpc_queue_take(struct weft_rpc_queue *q, int64_t deadline_us)
{
	bool is_inline = q->rt->delivery == WEFT_RPC_DELIVER_INLINE;
	unsigned n = 0;

	while (n < WEFT_RPC_EVENTS_PER_BATCH && !q->ended) {
		grpc_event event = grpc_completion_queue_next(
			q->cq, to_timespec(n == 0 ? deadline_us : 0), NULL);
		struct weft_rpc_tag *tag = event.tag;

		if (event.type == GRPC_QUEUE_SHUTDOWN)
			q->ended = true;
		if (event.type != GRPC_OP_COMPLETE)
			break;
		(void) atomic_load_explicit(&tag->armed, memory_order_acquire); /* see there */
		tag->complete(tag, event.success != 0);
		if (is_inline)
			run_notes_inline(q);
		n++;
	}
	atomic_fetch_add_explicit(&q->rt->events, n, memory_order_relaxed);
	atomic_fetch_add_explicit(&q->rt->turns, 1, memory_order_relaxed);
	return n;
}

static void
tick(struct weft_rpc_queue *q, int64_t now_us)
{
	bool fast = atomic_load(&q->rt->fast_ticks) > 0;

	if (now_us < q->next_tick_us)
		return;
	q->next_tick_us = now_us + (fast ? WEFT_RPC_FAST_TICK_US : WEFT_RPC_TICK_US);
	if (atomic_load(&q->sends_busy) > 0)
		q->quiet_ticks = 0;
	else if (q->quiet_ticks < WEFT_RPC_QUIET_TICKS)
		q->quiet_ticks++;
	weft_rpc_queue_tick_calls(q, now_us);
	if (q == &q->rt->queues[0])
		weft_rpc_runtime_tick_servers(q->rt, now_us);
}

int64_t
weft_rpc_queue_deadline_us(struct weft_rpc_queue *q)
{
	int64_t now_us = g_get_monotonic_time();
	bool fast = atomic_load(&q->rt->fast_ticks) > 0;

	if (fast && q->next_tick_us > now_us + WEFT_RPC_FAST_TICK_US)
		q->next_tick_us = now_us + WEFT_RPC_FAST_TICK_US;
	tick(q, now_us);
	/* Only the first queue can be woken from nothing. */
	if (fast || q->quiet_ticks < WEFT_RPC_QUIET_TICKS || q != &q->rt->queues[0])
		return q->next_tick_us;

	/* Who begins a send, or a fast tick, looks at asleep after counting; we count after setting
	 * it. One of both sees the other. */
	atomic_store(&q->asleep, true);
	if (atomic_load(&q->sends_busy) == 0 && atomic_load(&q->rt->fast_ticks) == 0)
		return INT64_MAX;
	atomic_store(&q->asleep, false);
	q->quiet_ticks = 0;
	return q->next_tick_us;
}

static void
on_wake(struct weft_rpc_tag *tag, bool ok)
{
	struct weft_rpc_queue *q = WEFT_RPC_CONTAINER(tag, struct weft_rpc_queue, wake_tag);

	q->quiet_ticks = 0;
	q->next_tick_us = 0;
}

void
weft_rpc_queue_wake(struct weft_rpc_queue *q)
{
	if (atomic_load(&q->asleep) && atomic_exchange(&q->asleep, false))
		weft_rpc_runtime_post(q->rt, &q->wake_tag);
}

void
weft_rpc_queue_send_begins(struct weft_rpc_queue *q)
{
	atomic_fetch_add(&q->sends_busy, 1);
	weft_rpc_queue_wake(q);
}

void
weft_rpc_queue_send_ends(struct weft_rpc_queue *q)
{
	atomic_fetch_sub(&q->sends_busy, 1);
}

void
weft_rpc_queue_take_later(struct weft_rpc_queue *q)
{
	if (q->later.first == NULL)
		return;
	/* Core looks at one descriptor at a time, and each message that was sent has made one of
	 * them ready. */
	for (unsigned i = 0; i < 2 * WEFT_RPC_BROADCAST_CHUNK; i++)
		(void) weft_rpc_queue_take(q, 0); /* a count */
	weft_rpc_queue_note(q, weft_rpc_notes_take(&q->later));
}

static void *
queue_thread(void *user)
{
	struct weft_rpc_queue *q = user;
	bool hand_over = q->rt->delivery == WEFT_RPC_DELIVER_CONTEXT;

	while (!q->ended) {
		int64_t deadline_us = weft_rpc_queue_deadline_us(q);

		(void) weft_rpc_queue_take(q, q->later.first != NULL ? 0 : deadline_us);
		atomic_store(&q->asleep, false);
		weft_rpc_queue_take_later(q);
		if (hand_over)
			weft_rpc_runtime_hand_over(q->rt, &q->notes, true);
		else
			run_notes_inline(q); /* of ticks */
	}
	return NULL;
}

/* --- The way to the context --- */

void
weft_rpc_runtime_hand_over(WeftRpcRuntime *rt, struct weft_rpc_notes *notes, bool wake)
{
	if (notes->first == NULL)
		return;
	pthread_mutex_lock(&rt->lock);
	if (rt->notes.last == NULL)
		rt->notes.first = notes->first;
	else
		rt->notes.last->next = notes->first;
	rt->notes.last = notes->last;
	wake = wake && rt->sleeping;
	rt->sleeping = false;
	pthread_mutex_unlock(&rt->lock);
	*notes = (struct weft_rpc_notes){ 0 };
	if (wake)
		g_main_context_wakeup(rt->context);
}

static bool
has_notes(WeftRpcRuntime *rt, bool going_to_sleep)
{
	bool ready = rt->taken.first != NULL;

	if (ready)
		return true;
	pthread_mutex_lock(&rt->lock);
	ready = rt->notes.first != NULL;
	if (going_to_sleep)
		rt->sleeping = !ready;
	pthread_mutex_unlock(&rt->lock);
	return ready;
}

static gboolean
source_prepare(GSource *source, gint *timeout_ms)
{
	*timeout_ms = -1;
	return has_notes(((struct rt_source *) (void *) source)->rt, true);
}

static gboolean
source_check(GSource *source)
{
	return has_notes(((struct rt_source *) (void *) source)->rt, false);
}

static gboolean
source_dispatch(GSource *source, GSourceFunc callback, gpointer user)
{
	WeftRpcRuntime *rt = ((struct rt_source *) (void *) source)->rt;

	for (unsigned n = 0; n < WEFT_RPC_EVENTS_PER_TURN; n++) {
		struct weft_rpc_note *note = weft_rpc_notes_take(&rt->taken);

		if (note == NULL) {
			pthread_mutex_lock(&rt->lock);
			rt->taken = rt->notes;
			rt->notes = (struct weft_rpc_notes){ 0 };
			pthread_mutex_unlock(&rt->lock);
			note = weft_rpc_notes_take(&rt->taken);
			if (note == NULL)
				break;
		}
		note->deliver(note);
	}
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = {
	.prepare = source_prepare,
	.check = source_check,
	.dispatch = source_dispatch,
};

/* --- Events out of nothing --- */

void
weft_rpc_runtime_post(WeftRpcRuntime *rt, struct weft_rpc_tag *tag)
{
	grpc_call_error result;

	weft_rpc_tag_arm(tag);
	pthread_mutex_lock(&rt->spare_lock);
	result = grpc_call_start_batch(rt->spare, NULL, 0, tag, NULL);
	pthread_mutex_unlock(&rt->spare_lock);
	g_assert(result == GRPC_CALL_OK);
}

static void
deliver_invocation(struct weft_rpc_note *note)
{
	struct invocation *inv = WEFT_RPC_CONTAINER(note, struct invocation, note);

	inv->fn(inv->data);
	g_free(inv);
}

static void
on_invocation(struct weft_rpc_tag *tag, bool ok)
{
	struct invocation *inv = WEFT_RPC_CONTAINER(tag, struct invocation, tag);

	weft_rpc_queue_note(&inv->rt->queues[0], &inv->note);
}

static struct invocation *
invocation_new(WeftRpcRuntime *rt, void (*fn)(void *data), void *data)
{
	struct invocation *inv = g_new0(struct invocation, 1);

	inv->tag.complete = on_invocation;
	inv->note.deliver = deliver_invocation;
	inv->rt = rt;
	inv->fn = fn;
	inv->data = data;
	return inv;
}

void
weft_rpc_runtime_invoke(WeftRpcRuntime *rt, void (*fn)(void *data), void *data)
{
	struct invocation *inv = invocation_new(rt, fn, data);

	if (rt->delivery == WEFT_RPC_DELIVER_CONTEXT) {
		struct weft_rpc_notes notes = { 0 };

		weft_rpc_notes_append(&notes, &inv->note);
		weft_rpc_runtime_hand_over(rt, &notes, true);
	} else {
		weft_rpc_runtime_post(rt, &inv->tag);
	}
}

void
weft_rpc_runtime_yield(WeftRpcRuntime *rt, void (*fn)(void *data), void *data)
{
	if (rt->delivery == WEFT_RPC_DELIVER_CONTEXT)
		weft_rpc_runtime_invoke(rt, fn, data); /* the network has its own thread */
	else
		weft_rpc_notes_append(&rt->queues[0].later, &invocation_new(rt, fn, data)->note);
}

/* --- Life --- */

static bool
start_thread(struct weft_rpc_queue *q, GError **error)
{
	sigset_t all, old;
	int err;

	/* Signals are for the program's own thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&q->thread, NULL, queue_thread, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err != 0) {
		g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_SYSTEM,
			    "cannot start a thread: %s", g_strerror(err));
		return false;
	}
	(void) pthread_setname_np(q->thread, "weft-rpc"); /* cosmetic */
	q->has_thread = true;
	return true;
}

static void
init_queue(WeftRpcRuntime *rt, struct weft_rpc_queue *q)
{
	q->rt = rt;
	q->cq = grpc_completion_queue_create_for_next(NULL);
	q->wake_tag.complete = on_wake;
	q->arena = weft_arena_new();
	pthread_mutex_init(&q->lock, NULL);
	weft_rpc_link_init(&q->calls);
}

static void
make_spare(WeftRpcRuntime *rt)
{
	grpc_slice path = grpc_slice_from_static_string("/weft/nothing");

	rt->spare_channel =
		grpc_lame_client_channel_create("weft", GRPC_STATUS_UNAVAILABLE, "lame");
	rt->spare = grpc_channel_create_call(rt->spare_channel, NULL, GRPC_PROPAGATE_DEFAULTS,
					     rt->queues[0].cq, path, NULL,
					     gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
}

static bool
start_delivery(WeftRpcRuntime *rt, GError **error)
{
	if (rt->delivery != WEFT_RPC_DELIVER_INLINE) {
		rt->source = g_source_new(&source_funcs, sizeof(struct rt_source));
		((struct rt_source *) (void *) rt->source)->rt = rt;
		g_source_set_static_name(rt->source, "weft rpc");
		g_source_attach(rt->source, rt->context);
	}
	if (rt->delivery == WEFT_RPC_DELIVER_LOOP) {
		rt->loop = weft_rpc_loop_new(rt, error);
		return rt->loop != NULL;
	}
	for (unsigned i = 0; i < rt->n_queues; i++) {
		if (!start_thread(&rt->queues[i], error))
			return false;
	}
	return true;
}

WeftRpcRuntime *
weft_rpc_runtime_new(const struct weft_rpc_runtime_config *config, GError **error)
{
	WeftRpcRuntime *rt = g_new0(WeftRpcRuntime, 1);

	g_return_val_if_fail(config->queues <= 1 || config->delivery == WEFT_RPC_DELIVER_INLINE,
			     NULL);
	weft_rpc_log_route();
	grpc_init();
	rt->delivery = config->delivery;
	rt->context = g_main_context_ref(config->context != NULL ? config->context
								 : g_main_context_default());
	rt->n_queues = MAX(config->queues, 1);
	rt->queues = g_new0(struct weft_rpc_queue, rt->n_queues);
	for (unsigned i = 0; i < rt->n_queues; i++)
		init_queue(rt, &rt->queues[i]);
	pthread_mutex_init(&rt->lock, NULL);
	pthread_mutex_init(&rt->spare_lock, NULL);
	pthread_mutex_init(&rt->servers_lock, NULL);
	weft_rpc_link_init(&rt->servers);
	make_spare(rt);
	if (!start_delivery(rt, error)) {
		weft_rpc_runtime_free(rt);
		return NULL;
	}
	return rt;
}

/* Events of calls that are being cancelled still arrive. */
static void
wait_for_calls(WeftRpcRuntime *rt)
{
	while (atomic_load(&rt->calls_live) > 0) {
		if (rt->delivery == WEFT_RPC_DELIVER_INLINE)
			g_usleep(1000);
		else
			g_main_context_iteration(rt->context, TRUE);
	}
}

static void
end_queue(struct weft_rpc_queue *q)
{
	grpc_completion_queue_shutdown(q->cq);
	if (q->has_thread)
		pthread_join(q->thread, NULL);
	while (!q->ended)
		(void) weft_rpc_queue_take(q, INT64_MAX); /* until it is ended */
	while (q->later.first != NULL) {
		weft_rpc_queue_note(q, weft_rpc_notes_take(&q->later));
		run_notes_inline(q);
	}
	run_notes_inline(q);
	grpc_completion_queue_destroy(q->cq);
	pthread_mutex_destroy(&q->lock);
	weft_arena_free(q->arena);
}

void
weft_rpc_runtime_free(WeftRpcRuntime *rt)
{
	struct weft_rpc_note *note;

	if (rt == NULL)
		return;
	wait_for_calls(rt);
	weft_rpc_loop_free(rt->loop);
	grpc_call_unref(rt->spare);
	grpc_channel_destroy(rt->spare_channel);
	for (unsigned i = 0; i < rt->n_queues; i++)
		end_queue(&rt->queues[i]);
	if (rt->source != NULL) {
		g_source_destroy(rt->source);
		g_source_unref(rt->source);
	}
	while ((note = weft_rpc_notes_take(&rt->taken)) != NULL ||
	       (note = weft_rpc_notes_take(&rt->notes)) != NULL)
		note->deliver(note);
	grpc_shutdown_blocking();
	pthread_mutex_destroy(&rt->lock);
	pthread_mutex_destroy(&rt->spare_lock);
	pthread_mutex_destroy(&rt->servers_lock);
	g_main_context_unref(rt->context);
	g_free(rt->queues);
	g_free(rt);
}

struct weft_rpc_runtime_stats
weft_rpc_runtime_stats(const WeftRpcRuntime *rt)
{
	return (struct weft_rpc_runtime_stats){
		.events = atomic_load_explicit(&rt->events, memory_order_relaxed),
		.turns = atomic_load_explicit(&rt->turns, memory_order_relaxed),
		.calls_live = atomic_load_explicit(&rt->calls_live, memory_order_relaxed),
	};
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WEFT_RPC_DELIVER_LOOP: the thread of the main context itself waits at the completion queue, from
 * inside the context's poll function. GLib's own descriptors are mirrored into an epoll set that a
 * helper thread watches; when one becomes ready the helper puts an event into the queue and rests
 * until the context has looked. So every iteration passes its own descriptors and its own timeout,
 * and no event of gRPC changes threads. */
#include "rpc/limits.h"
#include "rpc/queue.h"
#include "rpc/status.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* While gRPC is busy the other descriptors are looked at so often. */
#define LOOK_INTERVAL_US 1000

/* With a descriptor that epoll cannot watch nobody may sleep longer. */
#define UNWATCHABLE_US (10 * 1000)

/* So many wake-ups for nothing in a row mean that the set holds a file that was closed here but
 * lives on elsewhere: it is made anew. */
#define MAX_SPURIOUS 8

struct weft_rpc_loop {
	WeftRpcRuntime *rt;
	int epoll_fd;
	int quit_fd;
	pthread_t helper;
	bool has_helper;
	sem_t look_again; /* the helper may watch again */
	struct weft_rpc_tag tag;

	/* Only the context's thread. */
	bool fired; /* the helper saw something and rests */
	bool unwatchable;
	unsigned spurious;
	int64_t last_look_us;
	GPollFD *known; /* what is in the epoll set */
	guint n_known;
};

/* GLib's poll functions get no pointer; a context is iterated by one thread. */
static _Thread_local struct weft_rpc_loop *loop_of_thread;

/* --- The helper --- */

static void *
helper_thread(void *user)
{
	struct weft_rpc_loop *loop = user;

	for (;;) {
		struct epoll_event event = { 0 };
		int n = epoll_wait(loop->epoll_fd, &event, 1, -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0 && event.data.fd == loop->quit_fd)
			return NULL;
		weft_rpc_runtime_post(loop->rt, &loop->tag);
		while (sem_wait(&loop->look_again) < 0)
			;
	}
}

static void
on_fired(struct weft_rpc_tag *tag, bool ok)
{
	struct weft_rpc_loop *loop = WEFT_RPC_CONTAINER(tag, struct weft_rpc_loop, tag);

	loop->fired = true;
}

/* --- The set --- */

static uint32_t
epoll_events(gushort events)
{
	return (events & G_IO_IN ? EPOLLIN : 0U) | (events & G_IO_OUT ? EPOLLOUT : 0U) |
	       (events & G_IO_PRI ? EPOLLPRI : 0U);
}

static int
control(const struct weft_rpc_loop *loop, int op, int fd, gushort events)
{
	struct epoll_event event = { .events = epoll_events(events), .data.fd = fd };

	return epoll_ctl(loop->epoll_fd, op, fd, &event);
}

/* Makes the set what @fds say. A number alone says nothing: the file behind it may be another one
 * than at the last turn, which epoll has forgotten then, so each is set anew. */
static void
mirror(struct weft_rpc_loop *loop, const GPollFD *fds, guint n)
{
	bool same = n == loop->n_known;

	for (guint i = 0; same && i < n; i++)
		same = fds[i].fd == loop->known[i].fd;
	if (!same) {
		for (guint i = 0; i < loop->n_known; i++)
			(void) control(loop, EPOLL_CTL_DEL, loop->known[i].fd, 0); /* maybe gone */
	}
	loop->unwatchable = false;
	for (guint i = 0; i < n; i++) {
		if (control(loop, EPOLL_CTL_MOD, fds[i].fd, fds[i].events) == 0)
			continue;
		if (control(loop, EPOLL_CTL_ADD, fds[i].fd, fds[i].events) < 0)
			loop->unwatchable = true;
	}
	if (n > loop->n_known)
		loop->known = g_renew(GPollFD, loop->known, n);
	if (n > 0)
		memcpy(loop->known, fds, n * sizeof *fds);
	loop->n_known = n;
}

static bool
new_set(struct weft_rpc_loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->n_known = 0;
	return loop->epoll_fd >= 0 && control(loop, EPOLL_CTL_ADD, loop->quit_fd, G_IO_IN) == 0;
}

/* --- The poll function --- */

static gint
look(struct weft_rpc_loop *loop, GPollFD *fds, guint n, int64_t now_us)
{
	gint ready = g_poll(fds, n, 0);

	loop->last_look_us = now_us;
	return ready;
}

static void
wait_for_events(struct weft_rpc_loop *loop, GPollFD *fds, guint n, gint timeout_ms)
{
	struct weft_rpc_queue *q = &loop->rt->queues[0];
	int64_t deadline_us = weft_rpc_queue_deadline_us(q);
	int64_t now_us = g_get_monotonic_time();

	mirror(loop, fds, n);
	if (timeout_ms > 0)
		deadline_us = MIN(deadline_us, now_us + 1000 * (int64_t) timeout_ms);
	if (loop->unwatchable)
		deadline_us = MIN(deadline_us, now_us + UNWATCHABLE_US);
	(void) weft_rpc_queue_take(q, deadline_us); /* a count */
	atomic_store(&q->asleep, false);
}

/* The helper rests: it may go on, with a new set if this one is spoilt. */
static void
let_helper_watch(struct weft_rpc_loop *loop, gint ready)
{
	loop->fired = false;
	loop->spurious = ready > 0 ? 0 : loop->spurious + 1;
	if (loop->spurious >= MAX_SPURIOUS) {
		int old = loop->epoll_fd;

		loop->spurious = 0;
		if (new_set(loop))
			close(old);
		else
			loop->epoll_fd = old;
	}
	sem_post(&loop->look_again);
}

static gint
loop_poll(GPollFD *fds, guint n, gint timeout_ms)
{
	struct weft_rpc_loop *loop = loop_of_thread;
	struct weft_rpc_queue *q;
	int64_t now_us = g_get_monotonic_time();
	gint ready = 0;
	bool looked = true;

	if (loop == NULL)
		return g_poll(fds, n, timeout_ms); /* another thread's iteration */
	q = &loop->rt->queues[0];
	if (q->later.first != NULL) {
		weft_rpc_queue_take_later(q);
		timeout_ms = 0;
	}
	if (weft_rpc_queue_take(q, 0) > 0 || timeout_ms == 0) {
		looked = loop->fired || timeout_ms == 0 ||
			 now_us - loop->last_look_us >= LOOK_INTERVAL_US;
		if (looked)
			ready = look(loop, fds, n, now_us);
	} else {
		ready = look(loop, fds, n, now_us);
		if (ready == 0) {
			if (loop->fired)
				let_helper_watch(loop, ready);
			wait_for_events(loop, fds, n, timeout_ms);
			ready = look(loop, fds, n, g_get_monotonic_time());
		}
	}
	if (!looked) {
		for (guint i = 0; i < n; i++)
			fds[i].revents = 0;
	} else if (loop->fired) {
		let_helper_watch(loop, ready);
	}
	weft_rpc_runtime_hand_over(loop->rt, &q->notes, false);
	return ready;
}

/* --- Life --- */

static bool
start_helper(struct weft_rpc_loop *loop)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&loop->helper, NULL, helper_thread, loop);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	loop->has_helper = err == 0;
	if (loop->has_helper)
		(void) pthread_setname_np(loop->helper, "weft-rpc-fds"); /* cosmetic */
	return loop->has_helper;
}

struct weft_rpc_loop *
weft_rpc_loop_new(WeftRpcRuntime *rt, GError **error)
{
	struct weft_rpc_loop *loop = g_new0(struct weft_rpc_loop, 1);

	g_return_val_if_fail(loop_of_thread == NULL, NULL);
	loop->rt = rt;
	loop->tag.complete = on_fired;
	sem_init(&loop->look_again, 0, 0);
	loop->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->epoll_fd = -1;
	if (loop->quit_fd < 0 || !new_set(loop) || !start_helper(loop)) {
		g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_SYSTEM,
			    "cannot watch descriptors: %s", g_strerror(errno));
		weft_rpc_loop_free(loop);
		return NULL;
	}
	loop_of_thread = loop;
	g_main_context_set_poll_func(rt->context, loop_poll);
	return loop;
}

void
weft_rpc_loop_free(struct weft_rpc_loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->has_helper) {
		uint64_t one = 1;

		g_main_context_set_poll_func(loop->rt->context, NULL);
		loop_of_thread = NULL;
		/* Into the set as the only ready one. */
		mirror(loop, NULL, 0);
		if (write(loop->quit_fd, &one, sizeof one) < 0)
			g_error("rpc: eventfd: %s", g_strerror(errno));
		sem_post(&loop->look_again);
		pthread_join(loop->helper, NULL);
		/* Its last event must not outlive the tag. */
		while (weft_rpc_queue_take(&loop->rt->queues[0], 0) > 0)
			;
	}
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->quit_fd >= 0)
		close(loop->quit_fd);
	sem_destroy(&loop->look_again);
	g_free(loop->known);
	g_free(loop);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The loop of a worker, and what the control thread sees of it. */
#include "relayd/worker_private.h"

#include "base/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define EVENTS_MAX 256

/* Connections accepted from one listener at a time. */
#define ACCEPT_MAX 64

/* What epoll hands back: a source's address, or a relay socket by allocation. Addresses of user
 * space have the top bit clear. */
#define PEER_BIT 0x8000000000000000ull

static uint64_t
peer_event(uint32_t alloc, unsigned family, uint32_t generation)
{
	return PEER_BIT | (uint64_t) family << 62 | (uint64_t) (generation & 0x3fffffff) << 32 |
	       alloc;
}

/* --- What runs on the worker's thread --- */

static bool
control_epoll(RelayWorker *w, int op, struct relay_source *source, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u64 = (uint64_t) (uintptr_t) source };

	return epoll_ctl(w->epoll, op, source->fd, &e) == 0;
}

bool
relay_worker_watch(RelayWorker *w, struct relay_source *source, uint32_t events)
{
	return control_epoll(w, EPOLL_CTL_ADD, source, events);
}

bool
relay_worker_rewatch(RelayWorker *w, struct relay_source *source, uint32_t events)
{
	return control_epoll(w, EPOLL_CTL_MOD, source, events);
}

void
relay_worker_unwatch(RelayWorker *w, struct relay_source *source)
{
	(void) control_epoll(w, EPOLL_CTL_DEL, source, 0); /* closing does the same */
}

void
relay_worker_later(RelayWorker *w, struct relay_later *later)
{
	if (later->queued)
		return;
	later->queued = true;
	later->next = w->later;
	w->later = later;
}

void
relay_worker_each_second(RelayWorker *w, struct relay_tick *tick)
{
	tick->next = w->ticks;
	w->ticks = tick;
}

struct relay_core *
relay_worker_core(RelayWorker *w)
{
	return &w->core;
}

unsigned
relay_worker_index(const RelayWorker *w)
{
	return w->config.index;
}

unsigned
relay_worker_count(const RelayWorker *w)
{
	return w->config.count;
}

RelayWorker *
relay_worker_other(RelayWorker *w, unsigned index)
{
	return w->config.all[index];
}

void
relay_worker_on_wake(RelayWorker *w, void (*hook)(RelayWorker *w, void *user), void *user)
{
	w->on_wake = hook;
	w->on_wake_user = user;
}

uint8_t *
relay_worker_scratch(RelayWorker *w, size_t *ret_size)
{
	*ret_size = w->scratch_size;
	return w->scratch;
}

void *
relay_worker_slot(RelayWorker *w, enum relay_worker_slot slot)
{
	return w->slots[slot];
}

void
relay_worker_set_slot(RelayWorker *w, enum relay_worker_slot slot, void *p)
{
	w->slots[slot] = p;
}

/* --- What the core needs --- */

static int
open_port(void *user, const struct weft_endpoint *local)
{
	return relay_socket_open(user, local);
}

static bool
watch_port(void *user, uint32_t alloc, enum relay_family family)
{
	RelayWorker *w = user;
	const struct relay_alloc *a = relay_alloc_at_const(w->core.tables, alloc);
	struct epoll_event e = { .events = EPOLLIN,
				 .data.u64 = peer_event(alloc, family, a->generation) };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, a->fd[family], &e) == 0;
}

static void
close_port(void *user, int fd)
{
	(void) user;
	close(fd);
}

/* --- Accepting --- */

static void
on_accept_ready(struct relay_source *source, RelayWorker *w, uint32_t events)
{
	struct relay_listener *l = (struct relay_listener *) source;

	(void) events;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		struct sockaddr_in6 client = { 0 }, server = { 0 };
		socklen_t client_len = sizeof(client), server_len = sizeof(server);
		struct relay_flow flow = { 0 };
		int fd = accept4(l->source.fd, (struct sockaddr *) &client, &client_len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (getsockname(fd, (struct sockaddr *) &server, &server_len) != 0) {
			close(fd);
			continue;
		}
		flow.client = relay_end_of(&client);
		flow.server = relay_end_of(&server);
		flow.transport = (uint8_t) l->listen.transport;
		flow.listener = (uint8_t) (l - w->listeners);
		if (l->listen.service == RELAY_SERVICE_RELAY)
			w->config.relay->accept(w, fd, &flow);
		else
			relay_streams_accept(w, l, fd, &flow);
	}
}

/* --- Commands --- */

static uint64_t
alloc_id(const RelayWorker *w, uint32_t index, uint32_t generation)
{
	return (uint64_t) w->config.index << 56 | (uint64_t) (generation & 0xffffff) << 32 | index;
}

static void
describe(RelayWorker *w, uint32_t index, struct relay_allocation_info *ret)
{
	const struct relay_alloc *a = relay_alloc_at_const(w->core.tables, index);

	*ret = (struct relay_allocation_info){
		.id = alloc_id(w, index, a->generation),
		.flow = a->flow,
		.expires_in_s = a->expires > w->core.now_s ? a->expires - w->core.now_s : 0,
		.to_peer_bytes = a->to_peer_bytes,
		.to_client_bytes = a->to_client_bytes,
	};
	memcpy(ret->user, a->name, sizeof(ret->user));
	for (unsigned f = 0; f < RELAY_FAMILIES; f++)
		ret->relayed[f] = a->relayed[f];
	relay_alloc_count(w->core.tables, index, &ret->permissions, &ret->channels);
}

static void
list(RelayWorker *w, struct relay_command *c)
{
	const struct relay_tables *t = w->core.tables;

	c->n_list = 0;
	for (uint32_t i = 0; i < t->fresh_alloc && c->n_list < c->list_max; i++)
		if (relay_alloc_at_const(t, i)->expires > 0)
			describe(w, i, &c->list[c->n_list++]);
}

static void
drop(RelayWorker *w, struct relay_command *c)
{
	struct relay_tables *t = w->core.tables;

	c->n_list = 0;
	relay_to_peer_flush(w);
	relay_outbox_flush(w);
	for (uint32_t i = 0; i < t->fresh_alloc; i++) {
		const struct relay_alloc *a = relay_alloc_at_const(t, i);
		bool hit = c->user[0] != '\0' ? strncmp(a->name, c->user, sizeof(a->name)) == 0
					      : alloc_id(w, i, a->generation) == c->id;

		if (a->expires == 0 || !hit)
			continue;
		relay_core_end(&w->core, i, RELAY_END_DROPPED);
		c->n_list++;
	}
}

static void
run_commands(RelayWorker *w)
{
	struct relay_command *c =
		atomic_exchange_explicit(&w->commands, NULL, memory_order_acquire);

	while (c != NULL) {
		struct relay_command *next = c->next;

		switch (c->kind) {
		case RELAY_COMMAND_LIST:
			list(w, c);
			break;
		case RELAY_COMMAND_DROP:
			drop(w, c);
			break;
		case RELAY_COMMAND_RELAY_LIST:
			c->n_list = 0;
			if (w->config.relay != NULL)
				w->config.relay->list(w, c);
			break;
		}
		c->done(c, c->user_data);
		c = next;
	}
}

static void
on_event_ready(struct relay_source *source, RelayWorker *w, uint32_t events)
{
	uint64_t n;

	(void) events;
	/* What it counts does not matter, only that it is emptied. */
	(void) !read(source->fd, &n, sizeof(n));
	run_commands(w);
	if (w->on_wake != NULL)
		w->on_wake(w, w->on_wake_user);
}

/* --- The loop --- */

static void
take_settings(RelayWorker *w)
{
	const struct relay_settings *s = atomic_load_explicit(&w->published, memory_order_acquire);

	if (s == w->core.settings)
		return;
	w->core.settings = s;
	atomic_store_explicit(&w->generation, s->generation, memory_order_release);
}

static void
dispatch(RelayWorker *w, const struct epoll_event *e)
{
	uint64_t data = e->data.u64;

	if ((data & PEER_BIT) != 0) {
		uint32_t alloc = (uint32_t) data;
		unsigned family = data >> 62 & 1;
		const struct relay_alloc *a = relay_alloc_at_const(w->core.tables, alloc);

		/* An event of a socket that was closed within this batch is void. */
		if (a->expires > 0 && peer_event(alloc, family, a->generation) == data &&
		    a->fd[family] >= 0)
			relay_peer_ready(w, alloc, (enum relay_family) family, e->events);
		return;
	}
	((struct relay_source *) (uintptr_t) data)
		->ready((struct relay_source *) (uintptr_t) data, w, e->events);
}

static void
run_later(RelayWorker *w)
{
	while (w->later != NULL) {
		struct relay_later *later = w->later;

		w->later = later->next;
		later->queued = false;
		later->run(later, w);
	}
}

static void
each_second(RelayWorker *w)
{
	if (w->core.now_s == w->last_second)
		return;
	w->last_second = w->core.now_s;
	relay_core_expire(&w->core);
	for (struct relay_tick *t = w->ticks; t != NULL; t = t->next)
		t->tick(t, w);
}

/* Milliseconds until the clock shows the next second. */
static int
until_next_second(const struct relay_core *core)
{
	return (int) (1000 - core->now_ms % 1000);
}

static void *
worker_main(void *user)
{
	RelayWorker *w = user;
	struct epoll_event events[EVENTS_MAX];

	while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
		int n = epoll_wait(w->epoll, events, EVENTS_MAX, until_next_second(&w->core));

		relay_count(&w->counters.heartbeat, 1);
		relay_core_tick(&w->core);
		take_settings(w);
		for (int i = 0; i < n; i++)
			dispatch(w, &events[i]);
		relay_to_peer_flush(w);
		relay_outbox_flush(w);
		w->inbox.used = 0;
		each_second(w);
		run_later(w);
	}
	return NULL;
}

/* --- For the control thread --- */

static bool
explain(char *why, size_t why_size, const char *what, const struct weft_endpoint *e, int error)
{
	char text[WEFT_ENDPOINT_TEXT_SIZE];

	snprintf(why, why_size, "%s%s%s: %s", what, e != NULL ? " " : "",
		 e != NULL ? weft_endpoint_format(e, text) : "", strerror(error));
	return false;
}

static bool
open_listeners(RelayWorker *w, char *why, size_t why_size)
{
	for (size_t i = 0; i < w->config.n_listen; i++) {
		struct relay_listener *l = &w->listeners[i];
		const struct relay_listen *at = &w->config.listen[i];
		int fd = relay_socket_listen(&w->config, at, l);

		if (fd < 0)
			return explain(why, why_size, "cannot listen at", &at->at, -fd);
		w->n_listeners++;
		l->source.ready = at->transport == RELAY_UDP ? relay_udp_ready : on_accept_ready;
		if (!relay_worker_watch(w, &l->source, EPOLLIN))
			return explain(why, why_size, "epoll", NULL, errno);
	}
	return true;
}

static bool
open_loop(RelayWorker *w)
{
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->epoll < 0 || w->event < 0)
		return false;
	w->wake_source = (struct relay_source){ .fd = w->event, .ready = on_event_ready };
	return relay_worker_watch(w, &w->wake_source, EPOLLIN);
}

static bool
make_memory(RelayWorker *w)
{
	const struct relay_worker_config *config = &w->config;
	void *tables;

	w->scratch_size = 2 * (size_t) RELAY_STREAM_FRAME_MAX;
	w->scratch = malloc(w->scratch_size);
	w->tables_bytes = relay_tables_bytes(config->allocations_max);
	tables = mmap(NULL, w->tables_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (tables == MAP_FAILED || w->scratch == NULL || !relay_inbox_init(&w->inbox)) {
		if (tables != MAP_FAILED)
			munmap(tables, w->tables_bytes);
		return false;
	}
	w->core = (struct relay_core){
		.settings = config->settings,
		.shared = config->shared,
		.tables = relay_tables_init(tables, config->allocations_max,
					    config->shared->hash_seed),
		.counters = &w->counters,
		.env = config->env,
		.ports = { open_port, watch_port, close_port, w },
		.start_us = config->shared->start_us,
	};
	relay_core_tick(&w->core);
	w->core.tables->wheel_at = w->core.now_s;
	weft_env_random(config->env, w->transaction, sizeof(w->transaction));
	return true;
}

RelayWorker *
relay_worker_new(const struct relay_worker_config *config, char *why, size_t why_size)
{
	RelayWorker *w = calloc(1, sizeof(*w));
	bool good;

	if (w == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	w->config = *config;
	w->epoll = w->event = -1;
	atomic_init(&w->published, config->settings);
	atomic_init(&w->generation, config->settings->generation);
	good = config->n_listen <= RELAY_LISTENERS_MAX && make_memory(w) && open_loop(w) &&
	       relay_streams_init(w) && (config->relay == NULL || config->relay->init(w));
	if (!good)
		snprintf(why, why_size, "cannot set a worker up: %s", strerror(errno));
	if (!good || !open_listeners(w, why, why_size)) {
		relay_worker_free(w);
		return NULL;
	}
	return w;
}

struct weft_endpoint
relay_worker_listen_at(const RelayWorker *w, size_t i)
{
	return relay_end_to(&w->listeners[i].local);
}

int
relay_worker_start(RelayWorker *w)
{
	int error = pthread_create(&w->thread, NULL, worker_main, w);

	w->started = error == 0;
	return -error;
}

void
relay_worker_wake(RelayWorker *w)
{
	const uint64_t one = 1;

	/* It can fail only when it is full, and then the worker is awake. */
	(void) !write(w->event, &one, sizeof(one));
}

void
relay_worker_stop(RelayWorker *w)
{
	if (!w->started)
		return;
	atomic_store_explicit(&w->stop, true, memory_order_release);
	relay_worker_wake(w);
	pthread_join(w->thread, NULL);
	w->started = false;
}

void
relay_worker_free(RelayWorker *w)
{
	if (w == NULL)
		return;
	relay_worker_stop(w);
	if (w->config.relay != NULL)
		w->config.relay->clear(w);
	relay_streams_clear(w);
	if (w->core.tables != NULL) {
		for (uint32_t i = 0; i < w->core.tables->fresh_alloc; i++)
			if (relay_alloc_at(w->core.tables, i)->expires > 0)
				relay_core_end(&w->core, i, RELAY_END_DROPPED);
		munmap(w->core.tables, w->tables_bytes);
	}
	for (size_t i = 0; i < w->n_listeners; i++)
		close(w->listeners[i].source.fd);
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->event >= 0)
		close(w->event);
	if (w->inbox.memory != NULL)
		munmap(w->inbox.memory, (size_t) RELAY_BATCH * (RELAY_DATAGRAM_MAX + 1));
	free(w->scratch);
	free(w);
}

void
relay_worker_publish(RelayWorker *w, const struct relay_settings *settings)
{
	atomic_store_explicit(&w->published, settings, memory_order_release);
	relay_worker_wake(w);
}

uint64_t
relay_worker_generation(const RelayWorker *w)
{
	return atomic_load_explicit((_Atomic uint64_t *) &w->generation, memory_order_acquire);
}

const struct relay_counters *
relay_worker_counters(const RelayWorker *w)
{
	return &w->counters;
}

void
relay_worker_post(RelayWorker *w, struct relay_command *command)
{
	struct relay_command *head = atomic_load_explicit(&w->commands, memory_order_relaxed);

	do {
		command->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&w->commands, &head, command, memory_order_release, memory_order_relaxed));
	relay_worker_wake(w);
}

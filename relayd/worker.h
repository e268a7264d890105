/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A worker: one thread with its own sockets (SO_REUSEPORT), tables and counters. The control
 * thread starts and stops it, gives it settings and commands, and reads its counters; nothing else
 * passes between them.
 *
 * Seen from inside (relay_ws.c, turn_tcp.c) a worker is an epoll loop: a struct relay_source is
 * registered with its descriptor and called when that is ready. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relayd/counters.h"
#include "relayd/table.h"

struct relay_settings;
struct relay_shared;
struct relay_command;
struct weft_env;

typedef struct relay_worker RelayWorker;

/* --- For the control thread --- */

enum relay_service { RELAY_SERVICE_TURN, RELAY_SERVICE_RELAY };

/* An address to listen at. The same for all workers. */
struct relay_listen {
	struct weft_endpoint at;
	enum relay_transport transport;
	enum relay_service service; /* RELAY with TCP or TLS only */
	int inherited_fd;           /* socket activation: worker 0 takes it; -1 without */
};

/* The relay protocol as a worker sees it (relay_ws.h has the one over WebSocket). */
struct relay_service_ops {
	bool (*init)(RelayWorker *w);
	void (*clear)(RelayWorker *w);
	/* Takes @fd over. */
	void (*accept)(RelayWorker *w, int fd, const struct relay_flow *flow);
	void (*list)(RelayWorker *w, struct relay_command *command);
};

struct relay_worker_config {
	const struct weft_env *env;
	struct relay_shared *shared;           /* outlives all workers */
	const struct relay_settings *settings; /* the first ones */
	const struct relay_listen *listen;     /* copied */
	size_t n_listen;
	uint32_t allocations_max; /* of this worker's table */
	unsigned index, count;    /* which of how many */
	RelayWorker *const *all;  /* the others, for messages between workers; filled by the
				     control thread before any is started */
	const struct relay_service_ops *relay; /* NULL without listeners of that service */
	bool no_gro, no_gso;                   /* for tests and benchmarks */
};

/* Opens the sockets. NULL with a sentence in @why. Nothing runs yet. */
RelayWorker *relay_worker_new(const struct relay_worker_config *config, char *why, size_t why_size);

/* Where a listener really is (port 0 in the configuration). */
struct weft_endpoint relay_worker_listen_at(const RelayWorker *w, size_t i);

/* Starts the thread; negative errno on failure. */
int relay_worker_start(RelayWorker *w);

/* Asks it to end and waits. Clients are told nothing; the kernel closes what is open. */
void relay_worker_stop(RelayWorker *w);

/* After stop, or instead of start. Takes NULL. */
void relay_worker_free(RelayWorker *w);

/* Publishes new settings; returns at once. The settings must live until relay_worker_generation()
 * of every worker has reached theirs. */
void relay_worker_publish(RelayWorker *w, const struct relay_settings *settings);
uint64_t relay_worker_generation(const RelayWorker *w);

const struct relay_counters *relay_worker_counters(const RelayWorker *w);

/* One allocation as an administrator sees it. */
struct relay_allocation_info {
	uint64_t id; /* worker, record and generation: names it for DROP */
	struct relay_flow flow;
	struct relay_end relayed[RELAY_FAMILIES];
	char user[24];
	uint32_t expires_in_s;
	uint32_t permissions, channels;
	uint64_t to_peer_bytes, to_client_bytes;
};

enum relay_command_kind {
	RELAY_COMMAND_LIST, /* allocations into list[], at most list_max; n_list is the result */
	RELAY_COMMAND_DROP, /* the allocation @id, or all of @user if it is not empty;
			       n_list counts what was dropped */
	RELAY_COMMAND_RELAY_LIST, /* peers of the relay protocol into peers[] */
};

struct relay_peer_info {
	char id[64]; /* "sha-" and base64 */
	struct relay_end client;
	uint64_t connected_s; /* for how long */
	uint64_t messages_in, messages_out, dropped;
};

struct relay_command {
	enum relay_command_kind kind;
	uint64_t id;
	char user[24];
	struct relay_allocation_info *list;
	struct relay_peer_info *peers;
	size_t list_max, n_list;
	/* Called on the worker's thread when it is done; must only wake the control thread (write
	 * to an eventfd). The command is the caller's again from then on. */
	void (*done)(struct relay_command *command, void *user_data);
	void *user_data;
	struct relay_command *next; /* the worker's */
};

/* Any thread. The command must live until done() was called. */
void relay_worker_post(RelayWorker *w, struct relay_command *command);

/* --- For what runs on the worker's thread --- */

struct relay_source {
	int fd;
	/* @events: EPOLL*. May remove and free the source itself; other sources only through
	 * relay_worker_later(). */
	void (*ready)(struct relay_source *source, RelayWorker *w, uint32_t events);
};

bool relay_worker_watch(RelayWorker *w, struct relay_source *source, uint32_t events);
bool relay_worker_rewatch(RelayWorker *w, struct relay_source *source, uint32_t events);
void relay_worker_unwatch(RelayWorker *w, struct relay_source *source);

/* Work that is done after the batch of events at hand, before the next epoll_wait(). */
struct relay_later {
	void (*run)(struct relay_later *later, RelayWorker *w);
	struct relay_later *next;
	bool queued;
};
void relay_worker_later(RelayWorker *w, struct relay_later *later);

/* Called about once a second. Registered for good. */
struct relay_tick {
	void (*tick)(struct relay_tick *t, RelayWorker *w);
	struct relay_tick *next;
};
void relay_worker_each_second(RelayWorker *w, struct relay_tick *tick);

struct relay_core *relay_worker_core(RelayWorker *w); /* settings, clock, counters, env */
unsigned relay_worker_index(const RelayWorker *w);
unsigned relay_worker_count(const RelayWorker *w);
RelayWorker *relay_worker_other(RelayWorker *w, unsigned index);

/* From any thread: makes the worker's loop turn once and run @hook of the service that set it
 * (messages between workers are then fetched from that service's own rings). */
void relay_worker_wake(RelayWorker *w);
void relay_worker_on_wake(RelayWorker *w, void (*hook)(RelayWorker *w, void *user), void *user);

/* A buffer of @*ret_size bytes that is free between two callbacks: for reading into. */
uint8_t *relay_worker_scratch(RelayWorker *w, size_t *ret_size);

/* What a service keeps per worker. */
enum relay_worker_slot { RELAY_SLOT_TURN_TCP, RELAY_SLOT_RELAY_WS, RELAY_SLOT_COUNT_ };
void *relay_worker_slot(RelayWorker *w, enum relay_worker_slot slot);
void relay_worker_set_slot(RelayWorker *w, enum relay_worker_slot slot, void *p);

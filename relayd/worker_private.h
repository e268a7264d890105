/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inside of a worker, between worker.c and the files of its packet path. */
#pragma once

#include "relayd/core.h"
#include "relayd/settings.h"
#include "relayd/shared.h"
#include "relayd/worker.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct relay_listener {
	struct relay_source source; /* first: casts back */
	struct relay_listen listen;
	struct relay_end local; /* address all zeros: any */
	bool wildcard;
	bool v6;           /* an AF_INET6 socket, maybe with IPv4 in it */
	uint32_t overflow; /* SO_RXQ_OVFL at last sight */
};

/* Room for GRO, addresses and the overflow count. */
#define RELAY_CONTROL_SIZE 128

/* Buffers of one batch of received datagrams, shared by all sockets of the worker. */
struct relay_inbox {
	uint8_t *memory; /* RELAY_BATCH buffers of RELAY_DATAGRAM_MAX + 1 bytes */
	struct mmsghdr headers[RELAY_BATCH];
	struct iovec iov[RELAY_BATCH];
	struct sockaddr_in6 names[RELAY_BATCH];
	uint8_t control[RELAY_BATCH][RELAY_CONTROL_SIZE] __attribute__((aligned(8)));
	unsigned used; /* whose bytes are still referred to by the outbox */
};

/* Packets of one kind for one peer, sent as one train. */
struct relay_train {
	struct relay_hop hop;
	struct iovec iov[RELAY_SEGMENTS_MAX];
	unsigned n;
	size_t size; /* of each but the last */
	size_t bytes;
	bool ended; /* a shorter one is in: none may follow */
};

/* Datagrams to clients, all by one listening socket, sent by one sendmmsg(). */
#define RELAY_OUT_IOV   4096
#define RELAY_OUT_ARENA 65536
struct relay_outbox {
	const struct relay_listener *listener;
	struct mmsghdr headers[RELAY_BATCH];
	struct sockaddr_in6 names[RELAY_BATCH];
	uint8_t control[RELAY_BATCH][RELAY_CONTROL_SIZE] __attribute__((aligned(8)));
	uint16_t segment[RELAY_BATCH]; /* size, 0: not a train */
	struct iovec iov[RELAY_OUT_IOV];
	uint8_t arena[RELAY_OUT_ARENA]; /* headers of frames, answers */
	unsigned n, n_iov;
	size_t arena_used;
	/* The last message, while it is answers to one client that may be joined by another. */
	struct relay_flow answered;
	size_t answer_len; /* 0: nothing may join */
};

struct relay_worker {
	struct relay_worker_config config;
	struct relay_core core;
	struct relay_counters counters;
	struct relay_listener listeners[RELAY_LISTENERS_MAX];
	size_t n_listeners;
	int epoll, event;
	pthread_t thread;
	bool started;
	_Atomic bool stop;
	_Atomic(const struct relay_settings *) published;
	_Atomic uint64_t generation;
	_Atomic(struct relay_command *) commands;
	struct relay_source wake_source;
	struct relay_later *later;
	struct relay_tick *ticks;
	void (*on_wake)(RelayWorker *w, void *user);
	void *on_wake_user;
	void *slots[RELAY_SLOT_COUNT_];
	uint32_t last_second;
	size_t tables_bytes;
	uint8_t transaction[12]; /* of the next indication: a counter behind random bytes */
	struct relay_train train;
	struct relay_inbox inbox;
	struct relay_outbox outbox;
	uint8_t *scratch;
	size_t scratch_size;
};

/* sockets.c */
int relay_socket_listen(const struct relay_worker_config *config,
			const struct relay_listen *at,
			struct relay_listener *ret);
int relay_socket_open(const struct relay_worker *w, const struct weft_endpoint *local);
struct relay_end relay_end_of(const struct sockaddr_in6 *name);
socklen_t relay_end_name(const struct relay_end *e, bool v6, struct sockaddr_in6 *ret);
void relay_socket_df(int fd, enum relay_family family, bool on);

/* What the control messages of a received datagram say. */
struct relay_received {
	uint8_t to[16];
	bool has_to;
	uint16_t segment;  /* GRO: size of each but the last, 0 without */
	uint32_t overflow; /* SO_RXQ_OVFL */
	bool has_overflow;
};
struct relay_received relay_received_parse(struct msghdr *msg);

/* inbox: receives into free buffers; < 0 is -errno. Buffers [first, first + result) are filled. */
int relay_inbox_receive(RelayWorker *w, int fd, unsigned max, unsigned *ret_first);
bool relay_inbox_init(struct relay_inbox *in);

/* to_peer.c: packets from clients to peers. Payloads must live until the flush. */
void relay_to_peer(RelayWorker *w, const struct relay_hop *hop, const uint8_t *payload);
void relay_to_peer_df(RelayWorker *w, const struct relay_hop *hop, const uint8_t *payload);
void relay_to_peer_flush(RelayWorker *w);

/* to_client.c: datagrams and frames to clients. Payloads must live until the flush. */
void relay_to_client_answer(RelayWorker *w,
			    const struct relay_flow *flow,
			    const uint8_t *answer,
			    size_t len);
void relay_to_client_data(RelayWorker *w,
			  const struct relay_hop *hop,
			  const uint8_t *payload,
			  size_t len,
			  size_t segment);
void relay_to_client_message(RelayWorker *w, uint32_t alloc, const uint8_t *message, size_t len);
void relay_outbox_flush(RelayWorker *w);

/* udp.c */
void relay_udp_ready(struct relay_source *source, RelayWorker *w, uint32_t events);
void relay_peer_ready(RelayWorker *w, uint32_t alloc, enum relay_family family, uint32_t events);

/* One message of a client, by datagram or stream. */
void relay_client_frame(RelayWorker *w,
			const struct relay_flow *flow,
			uint32_t stream,
			const uint8_t *buf,
			size_t len);

/* Counts a packet that goes nowhere. */
void relay_count_route(struct relay_counters *c, enum relay_route route);

/* stream.c: TURN over TCP and TLS. */
bool relay_streams_init(RelayWorker *w);
void relay_streams_clear(RelayWorker *w);
void relay_streams_accept(RelayWorker *w,
			  const struct relay_listener *l,
			  int fd,
			  const struct relay_flow *flow);
void relay_stream_write(
	RelayWorker *w, uint32_t stream, const struct iovec *iov, int n, unsigned packets);

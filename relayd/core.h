/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The protocol of one worker without its sockets: requests in, answers and table changes out.
 * Sockets, time and randomness are injected, so that every rule of RFC 8656 is tested in
 * process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relayd/counters.h"
#include "relayd/table.h"

struct relay_settings;
struct relay_shared;
struct weft_env;
struct weft_stun_message;

/* Longest answer. */
#define RELAY_ANSWER_MAX 1024

/* What the core needs from the outside. */
struct relay_ports_ops {
	/* Opens and binds a relay socket; descriptor or negative errno. */
	int (*open)(void *user, const struct weft_endpoint *local);
	/* Begins to listen for what peers send to it. */
	bool (*watch)(void *user, uint32_t alloc, enum relay_family family);
	void (*close)(void *user, int fd);
	void *user;
};

/* Per-address rate limit of answers that need no credentials: a fixed table of keyed hashes. */
#define RELAY_RATE_SIZE 4096
struct relay_rate {
	uint32_t tag;    /* hash of the address */
	uint16_t second; /* when it was counted */
	uint16_t count;
};

struct relay_core {
	const struct relay_settings *settings; /* the worker's current ones */
	struct relay_shared *shared;
	struct relay_tables *tables;
	struct relay_counters *counters;
	const struct weft_env *env;
	struct relay_ports_ops ports;
	int64_t start_us; /* monotonic time of second 1 */
	int64_t now_us;   /* read once per batch */
	uint32_t now_s;   /* since start_us, from 1 on */
	uint32_t now_ms;
	int64_t wall_s;
	struct relay_rate rate[RELAY_RATE_SIZE];
};

/* Reads the clocks: once per batch. */
void relay_core_tick(struct relay_core *core);

/* Handles one STUN message that is no Send indication. Writes the answer to @out and returns its
 * length, 0 if there is none to give. @stream: index of the client's connection or RELAY_NONE. */
size_t relay_core_request(struct relay_core *core,
			  const struct relay_flow *flow,
			  uint32_t stream,
			  const uint8_t *buf,
			  size_t len,
			  uint8_t out[RELAY_ANSWER_MAX]);

/* A Send indication: where its data goes. *@ret_df: DONT-FRAGMENT. */
enum relay_route relay_core_send(struct relay_core *core,
				 const struct relay_flow *flow,
				 const struct weft_stun_message *m,
				 struct relay_hop *ret,
				 bool *ret_df);

/* True if @bytes may pass now (bandwidth limit). */
bool relay_core_bandwidth(struct relay_core *core, struct relay_alloc *a, uint32_t bytes);

/* The Data indication's bytes before the payload: header, XOR-PEER-ADDRESS, DATA header. Returns
 * their number. Padding (0 to 3 bytes) is the caller's. */
#define RELAY_DATA_HEADER_MAX (20 + 24 + 4)
size_t relay_data_header(uint8_t out[RELAY_DATA_HEADER_MAX],
			 const uint8_t transaction[12],
			 const struct relay_end *peer,
			 uint16_t payload_len);

/* A Data indication that reports an ICMP error for what was sent to @peer (RFC 8656 section
 * 11.5). 0 if the client has no permission for it. */
size_t relay_core_icmp(struct relay_core *core,
		       uint32_t alloc,
		       const struct relay_end *peer,
		       uint8_t type,
		       uint8_t code,
		       uint32_t data,
		       uint8_t out[RELAY_ANSWER_MAX]);

enum relay_end_reason {
	RELAY_END_EXPIRED,
	RELAY_END_RELEASED,
	RELAY_END_DROPPED,
	RELAY_END_DISCONNECTED,
};

/* Ends an allocation: sockets, ports, quota, record. */
void relay_core_end(struct relay_core *core, uint32_t alloc, enum relay_end_reason reason);

/* Once a second: expired allocations and reservations. */
void relay_core_expire(struct relay_core *core);

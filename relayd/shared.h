/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the workers of one process share: ports in use, reservations, counts of allocations, the
 * key of nonces. Lock-free; touched on Allocate and at an allocation's end, never per packet. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "relayd/limits.h"
#include "relayd/table.h"

struct weft_env;

/* One bit per port of one relay address. */
struct relay_ports {
	_Atomic uint64_t used[65536 / 64];
};

/* Takes a free port of [first, last], beginning the search at a random place. 0: none. @even: an
 * even one; @pair: an even one whose successor is free, which is taken too. */
uint16_t relay_ports_take(struct relay_ports *p,
			  const struct weft_env *env,
			  uint16_t first,
			  uint16_t last,
			  bool even,
			  bool pair);
void relay_ports_give(struct relay_ports *p, uint16_t port);

enum relay_place { RELAY_PLACE_FREE, RELAY_PLACE_BUSY, RELAY_PLACE_HELD };

/* A port that waits for the client that holds its token (RFC 8656 section 7.2). */
struct relay_reservation {
	_Atomic uint32_t state; /* enum relay_place */
	uint8_t token[8];
	int32_t fd;
	struct relay_end relayed;
	uint8_t family;
	uint8_t address; /* index of the relay address */
	uint64_t user;
	int64_t expires_us; /* monotonic */
};

/* How many allocations a user has; users are keyed hashes. 44 bits of hash, 20 of count. */
#define RELAY_QUOTA_PROBES 16

struct relay_shared {
	int64_t start_us; /* second 1 of all workers' clocks: nonces are good at any of them */
	uint8_t nonce_key[32];
	uint64_t hash_seed[2];
	_Atomic uint32_t allocations; /* of all workers */
	_Atomic bool draining;        /* no new allocations */
	struct relay_ports ports4[RELAY_ADDRESSES_MAX], ports6[RELAY_ADDRESSES_MAX];
	struct relay_reservation reservations[RELAY_RESERVATIONS_MAX];
	uint32_t quota_size; /* power of two */
	_Atomic uint64_t *quota;
};

/* NULL without memory. @allocations_max sizes the table of users. */
struct relay_shared *relay_shared_new(const struct weft_env *env, uint32_t allocations_max);
void relay_shared_free(struct relay_shared *s);

/* Keyed hash of a user name. */
uint64_t relay_shared_user(const struct relay_shared *s, const uint8_t *name, size_t len);

/* Counts one more allocation; false if that would exceed @max or @per_user (0: unlimited). */
enum relay_quota { RELAY_QUOTA_OK, RELAY_QUOTA_USER, RELAY_QUOTA_TOTAL };
enum relay_quota relay_quota_take(struct relay_shared *s,
				  uint64_t user,
				  uint32_t per_user,
				  uint32_t max);
void relay_quota_give(struct relay_shared *s, uint64_t user);

/* Keeps a bound socket for the owner of @token. False: no place. The table then owns fd and
 * port. */
bool relay_reservation_put(struct relay_shared *s, const struct relay_reservation *what);

/* Takes the reservation out if token, user and time fit. */
bool relay_reservation_take(struct relay_shared *s,
			    const uint8_t token[8],
			    uint64_t user,
			    int64_t now_us,
			    struct relay_reservation *ret);

/* Takes one out whose time is over; false: none. To be called about once a second. */
bool relay_reservation_expired(struct relay_shared *s,
			       int64_t now_us,
			       struct relay_reservation *ret);

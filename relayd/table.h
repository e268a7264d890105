/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of one worker: allocations by 5-tuple, their permissions and channels.
 *
 * Everything is plain data of fixed size that refers to itself by index: no pointers, so that a
 * copy at another address forwards as the original does, and so that the tables can move into BPF
 * maps. Times are seconds on the worker's clock, which begins at 1; 0 is "never set". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "relayd/limits.h"

#define RELAY_NONE UINT32_MAX

/* Address and port; IPv4 as ::ffff:a.b.c.d, port in host order. */
struct relay_end {
	uint8_t addr[16];
	uint16_t port;
};

enum relay_transport { RELAY_UDP, RELAY_TCP, RELAY_TLS, RELAY_TRANSPORT_COUNT_ };

/* The 5-tuple of a client. */
struct relay_flow {
	struct relay_end client, server;
	uint8_t transport; /* enum relay_transport */
	uint8_t listener;  /* which of the worker's sockets it came in by */
};

/* Indices of an allocation's two possible relayed addresses. */
enum relay_family { RELAY_V4, RELAY_V6, RELAY_FAMILIES };

struct relay_permission {
	uint8_t addr[16];
	uint32_t expires; /* 0: free */
};

struct relay_channel {
	struct relay_end peer;
	uint16_t number; /* 0: free */
	uint32_t expires;
};

struct relay_alloc {
	struct relay_flow flow;
	uint32_t stream;    /* the client's connection, RELAY_NONE over UDP */
	uint32_t hash_next; /* chain of the 5-tuple's bucket; free list */
	uint32_t timer_prev, timer_next;
	uint32_t expires;           /* 0: the record is free */
	uint32_t generation;        /* of the record: tells an old event from a new owner */
	uint32_t more;              /* first extension block, RELAY_NONE without */
	int32_t fd[RELAY_FAMILIES]; /* relay sockets, -1 without */
	struct relay_end relayed[RELAY_FAMILIES]; /* as clients are told; port 0 without */
	uint8_t transaction[12];                  /* of the Allocate that made it */
	uint64_t user;                            /* keyed hash of the user name: 441, quota */
	uint8_t key[32];                          /* long-term key of its credentials */
	uint8_t key_len;
	uint8_t address[RELAY_FAMILIES]; /* indices of the relay addresses */
	uint16_t timer_slot;
	uint8_t sha256;      /* answers are signed with SHA-256 */
	uint32_t tokens;     /* bandwidth limit: bytes that may pass */
	uint32_t tokens_ms;  /* when they were counted, worker's clock in ms */
	uint32_t lifetime_s; /* as granted last */
	uint64_t to_peer_bytes, to_client_bytes;
	char name[24]; /* user name, cut: for people */
	struct relay_permission permissions[RELAY_PERMISSIONS_INLINE];
	struct relay_channel channels[RELAY_CHANNELS_INLINE];
};
_Static_assert(sizeof(struct relay_alloc) <= 600, "issue: at most 0.6 KB");

struct relay_more {
	uint32_t next; /* chain, and free list */
	struct relay_permission permissions[RELAY_PERMISSIONS_INLINE];
	struct relay_channel channels[RELAY_CHANNELS_INLINE];
};

#define RELAY_WHEEL_SLOTS 4096 /* seconds; longer than the longest lifetime */

/* The head of one block of memory, which holds all tables behind it. */
struct relay_tables {
	uint64_t seed[2];   /* of the hash */
	uint32_t size;      /* allocations */
	uint32_t more_size; /* extension blocks */
	uint32_t buckets;   /* power of two */
	uint32_t used;
	uint32_t free_alloc, free_more;
	uint32_t fresh_alloc, fresh_more; /* first never used: untouched memory stays unmapped */
	uint32_t now;                     /* seconds */
	uint32_t wheel_at;                /* second up to which the wheel has turned */
	uint32_t wheel[RELAY_WHEEL_SLOTS];
	/* Buckets, allocations, extension blocks follow; see table.c */
};

/* Bytes for tables of @size allocations. */
size_t relay_tables_bytes(uint32_t size);

/* Lays the tables out in zeroed memory of relay_tables_bytes(@size) bytes. */
struct relay_tables *relay_tables_init(void *memory, uint32_t size, const uint64_t seed[2]);

struct relay_alloc *relay_alloc_at(struct relay_tables *t, uint32_t index);
const struct relay_alloc *relay_alloc_at_const(const struct relay_tables *t, uint32_t index);
uint32_t relay_alloc_index(const struct relay_tables *t, const struct relay_alloc *a);

/* The live allocation of a client, RELAY_NONE without. */
uint32_t relay_alloc_find(const struct relay_tables *t, const struct relay_flow *flow);

/* Takes a record for @flow, which has none, and puts it on the wheel; RELAY_NONE if all are used.
 * Everything but flow, expires and generation is zero, fd -1. */
uint32_t relay_alloc_add(struct relay_tables *t, const struct relay_flow *flow, uint32_t expires);
void relay_alloc_extend(struct relay_tables *t, uint32_t index, uint32_t expires);

/* Frees record and extension blocks. The sockets are the caller's to close before. */
void relay_alloc_remove(struct relay_tables *t, uint32_t index);

/* Turns the wheel towards @now; returns one expired allocation at a time, RELAY_NONE when there
 * is none left. The caller removes it. */
uint32_t relay_tables_expired(struct relay_tables *t, uint32_t now);

/* Permissions (RFC 8656 section 9). Adding refreshes; false: no room. */
bool relay_permission_add(struct relay_tables *t, uint32_t index, const uint8_t addr[16]);
bool relay_permission_has(const struct relay_tables *t, uint32_t index, const uint8_t addr[16]);

/* Channels (section 12). By number and by peer; NULL if unbound or expired. */
const struct relay_channel *relay_channel_by_number(const struct relay_tables *t,
						    uint32_t index,
						    uint16_t number);
const struct relay_channel *relay_channel_by_peer(const struct relay_tables *t,
						  uint32_t index,
						  const struct relay_end *peer);

enum relay_bind {
	RELAY_BIND_OK,       /* bound or refreshed */
	RELAY_BIND_CONFLICT, /* number or peer is bound otherwise: 400 */
	RELAY_BIND_FULL,     /* 508 */
};
enum relay_bind relay_channel_bind(struct relay_tables *t,
				   uint32_t index,
				   uint16_t number,
				   const struct relay_end *peer);

/* Live ones of an allocation, for people. */
void relay_alloc_count(const struct relay_tables *t,
		       uint32_t index,
		       uint32_t *ret_permissions,
		       uint32_t *ret_channels);

/* Where a packet goes: what the data path needs to know, and all that it needs. */
struct relay_hop {
	uint32_t alloc;
	uint8_t family;       /* enum relay_family of the relay socket */
	uint16_t channel;     /* towards the client; 0: Data indication */
	uint16_t offset, len; /* payload within the datagram (towards the peer) */
	struct relay_end peer;
};

enum relay_route {
	RELAY_ROUTE_OK,
	RELAY_ROUTE_NO_ALLOCATION,
	RELAY_ROUTE_NO_CHANNEL,
	RELAY_ROUTE_NO_PERMISSION,
	RELAY_ROUTE_MALFORMED,
};

/* ChannelData from a client. */
enum relay_route relay_route_channel(const struct relay_tables *t,
				     const struct relay_flow *flow,
				     const uint8_t *buf,
				     size_t len,
				     struct relay_hop *ret);

/* A datagram from @peer to relayed address number @family of an allocation. */
enum relay_route relay_route_peer(const struct relay_tables *t,
				  uint32_t index,
				  enum relay_family family,
				  const struct relay_end *peer,
				  struct relay_hop *ret);

/* Between addresses of the two notations. */
struct relay_end relay_end_from(const struct weft_endpoint *e);
struct weft_endpoint relay_end_to(const struct relay_end *e);
bool relay_end_equal(const struct relay_end *a, const struct relay_end *b);
enum relay_family relay_end_family(const struct relay_end *e);

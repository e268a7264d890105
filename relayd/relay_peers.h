/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is connected by the relay protocol, and who wants to know (protocol.md 5.3, 5.5). Without
 * sockets: what is to be told comes out through callbacks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELAY_PEER_ID_LEN 36
/* Subscriptions of one peer: each costs some 100 bytes. */
#define RELAY_SUBSCRIPTIONS_MAX 20000

struct relay_topic;

/* The part of a connection that this room knows; zero at first. */
struct relay_member {
	uint8_t id[RELAY_PEER_ID_LEN];
	bool registered;
	struct relay_member *next; /* bucket */
	struct relay_topic **topics;
	uint32_t n_topics, topics_size;
};

struct relay_peers_ops {
	/* The peer @about came online or went away. */
	void (*tell)(void *user,
		     struct relay_member *to,
		     bool online,
		     const uint8_t about[RELAY_PEER_ID_LEN]);
};

typedef struct relay_peers RelayPeers;

/* NULL without memory. @seed: two random numbers, since ids are strangers' choice. */
RelayPeers *relay_peers_new(const uint64_t seed[2], const struct relay_peers_ops *ops, void *user);
void relay_peers_free(RelayPeers *p);

/* Makes @m reachable under its id and tells those who wait for it. Returns the member that had the
 * id before, which is no longer registered and has lost its subscriptions; NULL if there was none.
 * False through @ret_ok without memory. */
struct relay_member *relay_peers_add(RelayPeers *p, struct relay_member *m, bool *ret_ok);

/* Takes a member out, with its subscriptions; tells subscribers if it was registered. */
void relay_peers_remove(RelayPeers *p, struct relay_member *m);

struct relay_member *relay_peers_find(const RelayPeers *p, const uint8_t id[RELAY_PEER_ID_LEN]);

/* Subscribes to one id: online is told once, the next time it comes; going away each time. True if
 * the peer is online now. Beyond RELAY_SUBSCRIPTIONS_MAX, and without memory, it is not kept. */
bool relay_peers_subscribe(RelayPeers *p,
			   struct relay_member *m,
			   const uint8_t id[RELAY_PEER_ID_LEN]);
void relay_peers_unsubscribe(RelayPeers *p,
			     struct relay_member *m,
			     const uint8_t id[RELAY_PEER_ID_LEN]);

size_t relay_peers_count(const RelayPeers *p);

/* Calls @fn for every registered member until it returns false. @fn must not add or remove. */
void relay_peers_each(const RelayPeers *p,
		      bool (*fn)(struct relay_member *m, void *user),
		      void *user);

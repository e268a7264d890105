/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TURN client (RFC 8656): one allocation as a state machine over an injected transport.
 *
 * The transport is a datagram socket of its own (never WireGuard's port: two clients on one 5-tuple
 * collide) or a byte stream (TCP, TLS). The client writes and reads bytes; whoever owns the
 * transport opens it when asked to. Allocation, permissions and channels are refreshed for as long
 * as they are in use; a lost server, a restarted one (437 to Refresh), stale nonces (438), a
 * left-over allocation (437 to Allocate) and a full one (508, 486) are recovered from with
 * back-off. Not thread-safe. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct weft_env;

typedef struct ice_turn IceTurn;

enum ice_turn_state {
	ICE_TURN_IDLE, /* waits for its transport, or for the next attempt */
	ICE_TURN_ALLOCATING,
	ICE_TURN_READY,
	ICE_TURN_STOPPED,
	ICE_TURN_STATE_COUNT_
};

const char *ice_turn_state_name(enum ice_turn_state state);

struct ice_turn_ops {
	/* Opens the transport, or opens it anew (another local port); the present one, if any, is
	 * to be closed. Report with ice_turn_connected() or ice_turn_disconnected(). */
	void (*connect)(void *user);
	void (*disconnect)(void *user);
	/* Sends one datagram, or writes bytes to the stream: all or nothing; false if it cannot be
	 * taken now (then it is lost, as a datagram may be). */
	bool (*send)(void *user, const uint8_t *buf, size_t len);
	/* The state changed. READY: @relayed is the address to be offered. */
	void (*state)(void *user, enum ice_turn_state state, const struct weft_endpoint *relayed);
	/* A packet from a peer; borrowed. */
	void (*receive)(void *user,
			const struct weft_endpoint *peer,
			const uint8_t *buf,
			size_t len);
};

struct ice_turn_config {
	const struct weft_env *env; /* borrowed */
	const struct ice_turn_ops *ops;
	void *user;
	bool stream;             /* TCP or TLS */
	enum weft_family family; /* of the relayed address; NONE: do not ask */
	const char *username;    /* long-term or REST credentials; copied */
	const char *password;
};

/* NULL if the credentials are empty or too long. Nothing happens before ice_turn_start(). */
IceTurn *ice_turn_new(const struct ice_turn_config *config);
void ice_turn_free(IceTurn *turn);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IceTurn, ice_turn_free)

void ice_turn_start(IceTurn *turn);

/* Gives the allocation back (Refresh with lifetime 0) and disconnects. */
void ice_turn_stop(IceTurn *turn);

/* New REST credentials; used from the next request on. */
bool ice_turn_set_credentials(IceTurn *turn, const char *username, const char *password);

void ice_turn_connected(IceTurn *turn);
void ice_turn_disconnected(IceTurn *turn);

/* A datagram, or any number of bytes of the stream. False: the stream is broken (bad framing) and
 * has been given up; connect() has been or will be called. */
bool ice_turn_input(IceTurn *turn, const uint8_t *buf, size_t len);

void ice_turn_timer(IceTurn *turn);
int64_t ice_turn_next_us(const IceTurn *turn); /* INT64_MAX if none */

enum ice_turn_state ice_turn_state(const IceTurn *turn);
bool ice_turn_relayed(const IceTurn *turn, struct weft_endpoint *ret);
bool ice_turn_mapped(const IceTurn *turn, struct weft_endpoint *ret); /* XOR-MAPPED-ADDRESS */

/* Lets packets of @peer in, and keeps doing so for 5 min after the last use. At most
 * ICE_TURN_PEERS_MAX addresses; the one not used for longest gives way. */
#define ICE_TURN_PEERS_MAX 256
void ice_turn_permit(IceTurn *turn, const struct weft_address *peer);

/* Sends a packet to @peer: by channel once one is bound, before that as Send indication. Packets
 * before the permission is granted are kept, the last four of each peer. False if there is no
 * allocation, or it cannot be sent now. @len at most 65500. */
bool ice_turn_send(IceTurn *turn, const struct weft_endpoint *peer, const uint8_t *buf, size_t len);

/* For senders that want no copy: bytes of room that a caller leaves in front of the payload
 * (channel header) and behind it (padding on streams). */
#define ICE_TURN_HEADROOM 4
#define ICE_TURN_TAILROOM 3

/* Like ice_turn_send(), but @buf has ICE_TURN_HEADROOM writable bytes before it and
 * ICE_TURN_TAILROOM behind @len; on a bound channel nothing is copied. */
bool ice_turn_send_in_place(IceTurn *turn,
			    const struct weft_endpoint *peer,
			    uint8_t *buf,
			    size_t len);

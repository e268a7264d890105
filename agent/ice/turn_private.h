/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What turn.c (the allocation) and turn_peer.c (permissions, channels, data) share. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/ice/turn.h"
#include "base/backoff.h"
#include "stun/client.h"
#include "stun/frame.h"
#include "stun/timer.h"

#define TURN_MS INT64_C(1000)
#define TURN_S  INT64_C(1000000)

/* RFC 8656 sections 9 and 12: permissions live 5 min, channels 10 min. */
#define TURN_PERMIT_US    (240 * TURN_S)
#define TURN_BIND_US      (480 * TURN_S)
#define TURN_PEER_IDLE_US (300 * TURN_S)
#define TURN_REFUSED_US   (60 * TURN_S)
#define TURN_PENDING      4
#define TURN_REQUEST_MAX  2560 /* user, realm, nonce at their longest */

enum turn_kind { TURN_NONE, TURN_ALLOCATE, TURN_REFRESH, TURN_RELEASE, TURN_PERMIT, TURN_BIND };

struct turn_request {
	uint8_t kind; /* enum turn_kind; TURN_NONE: none under way */
	uint8_t txid[WEFT_STUN_TRANSACTION_LEN];
	uint32_t challenge; /* turn->challenges when it was signed */
	struct weft_stun_timer timer;
};

struct turn_permission {
	struct weft_address peer;
	bool granted;
	int64_t due_us; /* next request */
	int64_t used_us;
	struct turn_request request;
};

struct turn_packet {
	uint16_t len;
	uint8_t buf[];
};

struct turn_channel {
	struct weft_endpoint peer;
	uint16_t number;
	bool bound;
	int64_t due_us;
	int64_t used_us;
	struct turn_request request;
	struct turn_packet *pending[TURN_PENDING]; /* oldest first */
	uint8_t n_pending;
};

struct ice_turn {
	const struct weft_env *env;
	const struct ice_turn_ops *ops;
	void *user;
	bool stream;
	enum weft_family family;
	struct weft_stun_auth auth;
	struct weft_stun_auth next_auth; /* for the next allocation */
	bool has_next_auth;
	uint32_t challenges; /* realm and nonce changed so often */

	enum ice_turn_state state;
	bool connected;
	bool connecting;
	int64_t connect_us; /* next connect(), INT64_MAX: none planned */
	struct weft_backoff backoff;
	struct turn_request request; /* allocation */
	struct weft_endpoint relayed, mapped;
	int64_t refresh_us;
	int64_t heard_us;
	int64_t probed_us;
	int64_t next_us;
	unsigned mismatches; /* 437 to Allocate in a row */

	GPtrArray *permissions;  /* struct turn_permission */
	GHashTable *by_endpoint; /* &channel->peer -> struct turn_channel, owned */
	struct turn_channel *channels[WEFT_STUN_CHANNEL_LAST - WEFT_STUN_CHANNEL_FIRST + 1];
	uint16_t next_channel;
	struct weft_stun_stream in;
	uint8_t *in_buf;
};

/* turn.c */
int64_t turn_now(const IceTurn *turn);
void turn_wake(IceTurn *turn, int64_t at_us); /* the timer is needed by then */
void turn_lost(IceTurn *turn, bool server);   /* allocation (or server) is gone */
void turn_refresh_now(IceTurn *turn);
bool turn_begin(IceTurn *turn, struct turn_request *request, enum turn_kind kind);
void turn_transmit(IceTurn *turn, struct turn_request *request);

/* turn_peer.c */
size_t turn_peer_write(IceTurn *turn, const struct turn_request *request, void *buf, size_t size);
bool turn_peer_response(IceTurn *turn, const struct weft_stun_message *m);
void turn_peer_timer(IceTurn *turn, int64_t now_us);
int64_t turn_peer_next_us(const IceTurn *turn);
void turn_peer_reset(IceTurn *turn); /* a new allocation: everything is to be asked again */
void turn_peer_clear(IceTurn *turn);
void turn_peer_indication(IceTurn *turn, const struct weft_stun_message *m);
void turn_peer_channel_data(IceTurn *turn, const uint8_t *buf, size_t len);

/* What an answer to @request means; takes challenges in. */
enum weft_stun_verdict turn_judge(IceTurn *turn,
				  const struct turn_request *request,
				  const struct weft_stun_message *m);

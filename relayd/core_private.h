/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between the files of the core. */
#pragma once

#include "relayd/auth.h"
#include "relayd/core.h"
#include "stun/build.h"
#include "stun/message.h"

/* One request on its way through the core. */
struct relay_request {
	struct relay_core *core;
	const struct relay_flow *flow;
	uint32_t stream;
	struct weft_stun_message m;
	struct relay_identity id; /* valid once authenticated */
	bool authenticated;
	uint32_t alloc; /* the client's allocation, RELAY_NONE without */
	uint8_t *out;
};

/* Answers. error() counts; a 401 or 438 carries a challenge, a 420 the list. */
size_t relay_answer_error(struct relay_request *r, unsigned code);
struct weft_stun_builder relay_answer_begin(struct relay_request *r);
size_t relay_answer_finish(struct relay_request *r, struct weft_stun_builder *b);

/* The methods. */
size_t relay_allocate(struct relay_request *r);
size_t relay_refresh(struct relay_request *r);
size_t relay_create_permission(struct relay_request *r);
size_t relay_channel_bind_request(struct relay_request *r);

/* 0, or the error code for a peer that this allocation may not talk to: 443, 403. */
unsigned relay_peer_check(const struct relay_request *r, const struct weft_endpoint *peer);

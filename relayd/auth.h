/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long-term credentials (RFC 8489 section 9.2): nonces, static users, REST credentials. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relayd/table.h"

struct relay_settings;
struct relay_shared;
struct weft_stun_builder;
struct weft_stun_message;

/* cookie and features (13), issue time (8 hex digits), MAC (24 characters of base64). */
#define RELAY_NONCE_LEN 45

/* A nonce for one client: bound to its address, port and transport, good for a time. */
void relay_nonce_make(char ret[RELAY_NONCE_LEN + 1],
		      const struct relay_shared *shared,
		      const struct relay_flow *flow,
		      uint32_t now_s);

enum relay_nonce { RELAY_NONCE_GOOD, RELAY_NONCE_STALE, RELAY_NONCE_FOREIGN };
enum relay_nonce relay_nonce_check(const struct relay_shared *shared,
				   const struct relay_flow *flow,
				   uint32_t now_s,
				   uint32_t lifetime_s,
				   const uint8_t *nonce,
				   size_t len);

struct relay_identity {
	uint64_t user; /* relay_shared_user() */
	uint8_t key[32];
	uint8_t key_len;
	bool sha256;   /* the request was signed with SHA-256: so will be the answer */
	char name[24]; /* cut */
};

/* Checks the request's credentials. Returns 0 and fills @ret, or the error code to answer: 400,
 * 401, 438. With @existing (the client's allocation) its key counts if the user is the same, so
 * that an allocation survives the rotation of secrets. */
unsigned relay_auth_check(struct relay_identity *ret,
			  const struct relay_settings *settings,
			  const struct relay_shared *shared,
			  const struct relay_flow *flow,
			  const struct weft_stun_message *request,
			  const struct relay_alloc *existing,
			  uint32_t now_s,
			  int64_t wall_s);

/* REALM, NONCE and PASSWORD-ALGORITHMS of a challenge. */
void relay_auth_challenge(struct weft_stun_builder *b,
			  const struct relay_settings *settings,
			  const struct relay_shared *shared,
			  const struct relay_flow *flow,
			  uint32_t now_s);

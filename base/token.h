/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time-limited credentials: TURN REST (protocol.md 2.5) and relay tokens (protocol.md 5.2). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* A borrowed secret as it stands in its file, without the newline. */
struct weft_secret {
	const uint8_t *p;
	size_t len;
};

#define WEFT_TURN_USER_SIZE     24 /* decimal seconds with NUL */
#define WEFT_TURN_PASSWORD_SIZE 32 /* base64 of 20 octets with NUL */

struct weft_turn_credential {
	char user[WEFT_TURN_USER_SIZE];
	char password[WEFT_TURN_PASSWORD_SIZE];
};

/* @expires_s: seconds since 1970 UTC, >= 0. */
void weft_turn_credential_make(struct weft_turn_credential *ret,
			       const struct weft_secret *secret,
			       int64_t expires_s);

/* The password that belongs to a user name: base64(HMAC-SHA1(secret, user)). */
void weft_turn_password(char ret[WEFT_TURN_PASSWORD_SIZE],
			const struct weft_secret *secret,
			const char *user,
			size_t user_len);

/* The expiry in a user name "SECONDS" or "SECONDS:anything". False if it does not begin with 1 to
 * 18 digits followed by the end or a colon. */
bool weft_turn_user_expiry(int64_t *ret_expires_s, const char *user, size_t user_len);

enum weft_token_status {
	WEFT_TOKEN_OK,
	WEFT_TOKEN_MALFORMED,
	WEFT_TOKEN_EXPIRED,
	WEFT_TOKEN_FORGED,
	WEFT_TOKEN_STATUS_COUNT_
};

const char *weft_token_status_name(enum weft_token_status status);

/* The relay token of protocol.md 5.2, in its parts as the management server sends them and in its
 * binary form as it travels in the relay's auth message. */
#define WEFT_RELAY_PAYLOAD_SIZE   24 /* decimal seconds with NUL */
#define WEFT_RELAY_SIGNATURE_SIZE 48 /* base64 of 32 octets with NUL */

struct weft_relay_token {
	char payload[WEFT_RELAY_PAYLOAD_SIZE];
	char signature[WEFT_RELAY_SIGNATURE_SIZE];
};

void weft_relay_token_make(struct weft_relay_token *ret,
			   const struct weft_secret *secret,
			   int64_t expires_s);

/* The wire form 0x01 || signature(32) || payload. Returns the bytes written to
 * @out, 0 if @size is too small or the text parts are malformed. */
#define WEFT_RELAY_TOKEN_WIRE_MAX 128
size_t weft_relay_token_to_wire(const struct weft_relay_token *token, uint8_t *out, size_t size);

/* Checks a wire token against each of @n secrets (several at once for rotation). @now_s: seconds
 * since 1970 UTC. Constant time over the signature. */
enum weft_token_status weft_relay_token_check(const uint8_t *wire,
					      size_t len,
					      const struct weft_secret *secrets,
					      size_t n,
					      int64_t now_s);

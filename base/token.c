/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/token.h"

#include "base/base64.h"
#include "base/cursor.h"
#include "base/key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_DIGITS       18 /* so that the value fits into int64_t */
#define ALGORITHM_SHA256 1  /* the only algorithm byte of a relay token */

_Static_assert(WEFT_TURN_PASSWORD_SIZE > WEFT_BASE64_LEN(WEFT_SHA1_LEN), "room for the text");
_Static_assert(WEFT_RELAY_SIGNATURE_SIZE > WEFT_BASE64_LEN(WEFT_SHA256_LEN), "room for the text");
_Static_assert(WEFT_TURN_USER_SIZE == WEFT_RELAY_PAYLOAD_SIZE, "one writer for both");

static void
write_expiry(char out[WEFT_TURN_USER_SIZE], int64_t expires_s)
{
	(void) snprintf(out, WEFT_TURN_USER_SIZE, "%" PRId64, expires_s); /* 20 at most */
}

/* The digits at the start of a text; returns their number, 0 if they are too many. */
static size_t
read_expiry(int64_t *ret, const uint8_t *text, size_t len)
{
	int64_t v = 0;
	size_t n = 0;

	for (; n < len && text[n] >= '0' && text[n] <= '9'; n++) {
		if (n == MAX_DIGITS)
			return 0;
		v = v * 10 + (text[n] - '0');
	}
	*ret = v;
	return n;
}

void
weft_turn_credential_make(struct weft_turn_credential *ret,
			  const struct weft_secret *secret,
			  int64_t expires_s)
{
	write_expiry(ret->user, expires_s);
	weft_turn_password(ret->password, secret, ret->user, strlen(ret->user));
}

void
weft_turn_password(char ret[WEFT_TURN_PASSWORD_SIZE],
		   const struct weft_secret *secret,
		   const char *user,
		   size_t user_len)
{
	uint8_t mac[WEFT_SHA1_LEN];

	weft_hmac_sha1(mac, secret->p, secret->len, user, user_len);
	(void) weft_base64_encode(ret, WEFT_TURN_PASSWORD_SIZE, mac, sizeof mac); /* fits */
	weft_wipe(mac, sizeof mac);
}

bool
weft_turn_user_expiry(int64_t *ret_expires_s, const char *user, size_t user_len)
{
	int64_t expires_s = 0;
	size_t n = read_expiry(&expires_s, (const uint8_t *) user, user_len);

	if (n == 0 || (n < user_len && user[n] != ':'))
		return false;
	*ret_expires_s = expires_s;
	return true;
}

const char *
weft_token_status_name(enum weft_token_status status)
{
	static const char *const names[WEFT_TOKEN_STATUS_COUNT_] = {
		[WEFT_TOKEN_OK] = "ok",
		[WEFT_TOKEN_MALFORMED] = "malformed",
		[WEFT_TOKEN_EXPIRED] = "expired",
		[WEFT_TOKEN_FORGED] = "forged",
	};

	return status < WEFT_TOKEN_STATUS_COUNT_ ? names[status] : "unknown";
}

/* The key of the relay's MAC is the digest of the secret (protocol.md 5.2). */
static void
sign(uint8_t ret[WEFT_SHA256_LEN],
     const struct weft_secret *secret,
     const void *payload,
     size_t payload_len)
{
	uint8_t key[WEFT_SHA256_LEN];

	weft_sha256(key, secret->p, secret->len);
	weft_hmac_sha256(ret, key, sizeof key, payload, payload_len);
	weft_wipe(key, sizeof key);
}

void
weft_relay_token_make(struct weft_relay_token *ret,
		      const struct weft_secret *secret,
		      int64_t expires_s)
{
	uint8_t signature[WEFT_SHA256_LEN];

	write_expiry(ret->payload, expires_s);
	sign(signature, secret, ret->payload, strlen(ret->payload));
	/* fits */
	(void) weft_base64_encode(ret->signature, sizeof ret->signature, signature,
				  sizeof signature);
}

size_t
weft_relay_token_to_wire(const struct weft_relay_token *token, uint8_t *out, size_t size)
{
	struct weft_builder b = weft_builder(out, size);
	size_t payload_len = strnlen(token->payload, sizeof token->payload);
	size_t text_len = strnlen(token->signature, sizeof token->signature);
	uint8_t signature[WEFT_SHA256_LEN];
	size_t len;

	if (payload_len == 0 || payload_len == sizeof token->payload)
		return 0;
	if (!weft_base64_decode(signature, sizeof signature, &len, token->signature, text_len) ||
	    len != sizeof signature)
		return 0;
	weft_builder_u8(&b, ALGORITHM_SHA256);
	weft_builder_bytes(&b, signature, sizeof signature);
	weft_builder_bytes(&b, token->payload, payload_len);
	return b.ok ? weft_builder_len(&b) : 0;
}

/* Goes through all secrets, so that the time does not tell which of them it was. */
static bool
signed_by_any(const uint8_t *signature,
	      const void *payload,
	      size_t payload_len,
	      const struct weft_secret *secrets,
	      size_t n)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		uint8_t expected[WEFT_SHA256_LEN];

		sign(expected, &secrets[i], payload, payload_len);
		found |= weft_equal_ct(expected, signature, sizeof expected);
	}
	return found;
}

enum weft_token_status
weft_relay_token_check(
	const uint8_t *wire, size_t len, const struct weft_secret *secrets, size_t n, int64_t now_s)
{
	struct weft_cursor c = weft_cursor(wire, len);
	uint8_t algorithm = weft_cursor_u8(&c);
	const uint8_t *signature = weft_cursor_bytes(&c, WEFT_SHA256_LEN);
	size_t payload_len = weft_cursor_left(&c);
	const uint8_t *payload = weft_cursor_bytes(&c, payload_len);
	int64_t expires_s = 0;

	if (!c.ok || algorithm != ALGORITHM_SHA256 || payload_len == 0 ||
	    read_expiry(&expires_s, payload, payload_len) != payload_len)
		return WEFT_TOKEN_MALFORMED;
	if (!signed_by_any(signature, payload, payload_len, secrets, n))
		return WEFT_TOKEN_FORGED;
	return now_s <= expires_s ? WEFT_TOKEN_OK : WEFT_TOKEN_EXPIRED;
}

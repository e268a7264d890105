/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The input as a relay token of the wire, as a TURN user and as the text parts of a token. */
#include "base/token.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const struct weft_secret secret = { (const uint8_t *) "fuzz", 4 };

static void
check_wire(const uint8_t *data, size_t size)
{
	static const struct weft_secret empty = { (const uint8_t *) "", 0 };
	const struct weft_secret secrets[] = { secret, empty };

	FUZZ_REQUIRE(weft_relay_token_check(data, size, NULL, 0, 0) != WEFT_TOKEN_OK);
	(void) weft_relay_token_check(data, size, secrets, 2, 0);
}

static void
check_turn_user(const char *text, size_t size)
{
	struct weft_turn_credential made;
	char password[WEFT_TURN_PASSWORD_SIZE];
	int64_t expires_s, again;

	weft_turn_password(password, &secret, text, size);
	FUZZ_REQUIRE(strlen(password) == 28);
	if (!weft_turn_user_expiry(&expires_s, text, size))
		return;
	FUZZ_REQUIRE(expires_s >= 0);
	weft_turn_credential_make(&made, &secret, expires_s);
	FUZZ_REQUIRE(weft_turn_user_expiry(&again, made.user, strlen(made.user)));
	FUZZ_REQUIRE(again == expires_s);
}

/* Copies the first part of the input and the rest behind it, terminated or not. */
static void
check_parts(const uint8_t *data, size_t size)
{
	struct weft_relay_token token;
	uint8_t wire[WEFT_RELAY_TOKEN_WIRE_MAX];
	size_t len;

	memset(&token, 0, sizeof token);
	memcpy(&token, data, size < sizeof token ? size : sizeof token);
	len = weft_relay_token_to_wire(&token, wire, sizeof wire);
	FUZZ_REQUIRE(len == 0 || len == 33 + strlen(token.payload));
	if (len > 0)
		check_wire(wire, len);
}

static void
check_made(const uint8_t *data, size_t size)
{
	struct weft_relay_token token;
	uint8_t wire[WEFT_RELAY_TOKEN_WIRE_MAX];
	int64_t expires_s = 0;
	size_t len;

	for (size_t i = 0; i < size && i < 7; i++)
		expires_s = expires_s << 8 | data[i];
	weft_relay_token_make(&token, &secret, expires_s);
	len = weft_relay_token_to_wire(&token, wire, sizeof wire);
	FUZZ_REQUIRE(weft_relay_token_check(wire, len, &secret, 1, expires_s) == WEFT_TOKEN_OK);
	FUZZ_REQUIRE(weft_relay_token_check(wire, len, &secret, 1, expires_s + 1) ==
		     WEFT_TOKEN_EXPIRED);
	if (size > 0 && data[size - 1] != 0) {
		wire[size % len] ^= data[size - 1];
		FUZZ_REQUIRE(weft_relay_token_check(wire, len, &secret, 1, 0) != WEFT_TOKEN_OK);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 4096)
		return 0;
	check_wire(data, size);
	check_turn_user((const char *) data, size);
	check_parts(data, size);
	check_made(data, size);
	return 0;
}

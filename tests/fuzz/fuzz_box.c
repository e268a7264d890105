/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The input as the text of a key, as an envelope, and as a message to seal and open. */
#include "base/box.h"
#include "base/env.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define MAX 4096

static void
check_key_text(const char *text, size_t size)
{
	struct weft_key key, pub;
	struct weft_box_key box;
	struct weft_key_text again;

	if (!weft_key_from_text(&key, text, size))
		return;
	again = weft_key_to_text(&key);
	FUZZ_REQUIRE(size == WEFT_KEY_TEXT_LEN && memcmp(again.s, text, size) == 0);
	weft_key_public(&pub, &key);
	/* A foreign key as the public one: refused or usable, never a key of zeros. */
	if (weft_box_key_init(&box, &key, &pub))
		FUZZ_REQUIRE(!weft_key_is_zero(&box.shared));
}

static void
check_open(const uint8_t *data, size_t size, const struct weft_box_key *key)
{
	uint8_t out[MAX];

	/* Nobody can make an envelope without the key; fuzzers included. */
	FUZZ_REQUIRE(!weft_box_open(out, data, size, key));
}

static void
check_seal(const uint8_t *data, size_t size, const struct weft_box_key *key)
{
	struct weft_env_fake fake;
	uint8_t body[MAX + WEFT_BOX_OVERHEAD];
	size_t bit;

	weft_env_fake_init(&fake, size);
	weft_box_seal(body, data, size, key, &fake.env);
	bit = (size_t) weft_env_random_below(&fake.env, 8 * (size + WEFT_BOX_OVERHEAD));
	body[bit / 8] ^= (uint8_t) (1 << bit % 8);
	FUZZ_REQUIRE(!weft_box_open(body, body, size + WEFT_BOX_OVERHEAD, key));
	weft_env_fake_init(&fake, size);
	weft_box_seal(body, data, size, key, &fake.env);
	FUZZ_REQUIRE(weft_box_open(body, body, size + WEFT_BOX_OVERHEAD, key));
	FUZZ_REQUIRE(size == 0 || memcmp(body, data, size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of the generator that seeds with 1: not in any corpus. */
	struct weft_env_fake fake;
	struct weft_box_key key;

	if (size > MAX || !weft_crypto_init())
		return 0;
	weft_env_fake_init(&fake, 1);
	weft_env_random(&fake.env, key.shared.b, sizeof key.shared.b);
	check_key_text((const char *) data, size);
	check_open(data, size, &key);
	check_seal(data, size, &key);
	return 0;
}

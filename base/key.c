/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/key.h"

#include "base/base64.h"
#include "base/env.h"
#include "base/hash.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

/* What weft_crypto_init() sets once for the process and nobody changes afterwards. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint8_t hash_key[crypto_shorthash_KEYBYTES];
static bool usable;

static void
init_once(void)
{
	if (sodium_init() < 0 || !weft_hash_init())
		return;
	randombytes_buf(hash_key, sizeof hash_key);
	usable = true;
}

bool
weft_crypto_init(void)
{
	return pthread_once(&once, init_once) == 0 && usable;
}

struct weft_key_text
weft_key_to_text(const struct weft_key *key)
{
	struct weft_key_text text;

	sodium_bin2base64(text.s, sizeof text.s, key->b, sizeof key->b,
			  sodium_base64_VARIANT_ORIGINAL);
	return text;
}

bool
weft_key_from_text(struct weft_key *ret, const char *text, size_t len)
{
	struct weft_key key;
	size_t key_len = 0;
	bool ok = len == WEFT_KEY_TEXT_LEN &&
		  weft_base64_decode(key.b, sizeof key.b, &key_len, text, len) &&
		  key_len == sizeof key.b;

	if (ok)
		*ret = key;
	weft_key_wipe(&key);
	return ok;
}

void
weft_key_generate(struct weft_key *ret, const struct weft_env *env)
{
	weft_env_random(env, ret->b, sizeof ret->b);
	weft_key_clamp(ret);
}

void
weft_key_clamp(struct weft_key *key)
{
	key->b[0] &= 248;
	key->b[31] = (uint8_t) ((key->b[31] & 127) | 64);
}

void
weft_key_public(struct weft_key *ret, const struct weft_key *priv)
{
	struct weft_key pub;

	/* The base point is no point of small order, so this cannot fail. */
	(void) crypto_scalarmult_base(pub.b, priv->b);
	*ret = pub;
}

bool
weft_key_equal(const struct weft_key *a, const struct weft_key *b)
{
	return sodium_memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool
weft_key_is_zero(const struct weft_key *key)
{
	return sodium_is_zero(key->b, sizeof key->b) == 1;
}

int
weft_key_text_compare(const struct weft_key *a, const struct weft_key *b)
{
	struct weft_key_text ta = weft_key_to_text(a);
	struct weft_key_text tb = weft_key_to_text(b);

	return memcmp(ta.s, tb.s, WEFT_KEY_TEXT_LEN);
}

uint64_t
weft_key_hash(const struct weft_key *key)
{
	uint64_t hash;

	(void) crypto_shorthash((uint8_t *) &hash, key->b, sizeof key->b, hash_key); /* always 0 */
	return hash;
}

void
weft_key_wipe(struct weft_key *key)
{
	weft_wipe(key, sizeof *key);
}

void
weft_wipe(void *p, size_t len)
{
	if (len > 0)
		sodium_memzero(p, len);
}

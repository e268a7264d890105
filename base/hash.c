/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libcrypto looks an algorithm up, and allocates a context, at each of its one-shot calls; that is
 * five sixths of the time of a short HMAC. So the algorithms are looked up once per process and
 * each thread keeps one context. */
#include "base/hash.h"

#include "base/key.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_LEN 64 /* of all three */

enum digest { DIGEST_SHA256, DIGEST_SHA1, DIGEST_MD5, DIGEST_COUNT_ };

static const struct {
	const char *name;
	size_t len;
} digests[DIGEST_COUNT_] = {
	[DIGEST_SHA256] = { "SHA2-256", WEFT_SHA256_LEN },
	[DIGEST_SHA1] = { "SHA1", WEFT_SHA1_LEN },
	[DIGEST_MD5] = { "MD5", WEFT_MD5_LEN },
};

/* What init_once() sets and nobody changes afterwards; NULL where libcrypto has no such digest. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t context_key;
static EVP_MD *found[DIGEST_COUNT_];

static _Thread_local EVP_MD_CTX *thread_context;

static void
free_context(void *context)
{
	EVP_MD_CTX_free(context);
}

static void
init_once(void)
{
	for (size_t i = 0; i < DIGEST_COUNT_; i++)
		found[i] = EVP_MD_fetch(NULL, digests[i].name, NULL);
	if (pthread_key_create(&context_key, free_context) != 0)
		abort();
}

static void
init(void)
{
	if (pthread_once(&once, init_once) != 0)
		abort();
}

bool
weft_hash_init(void)
{
	init();
	return found[DIGEST_SHA256] != NULL && found[DIGEST_SHA1] != NULL;
}

/* The thread's context; ends the process when there is no memory for it, as GLib does. */
static EVP_MD_CTX *
context(void)
{
	if (thread_context == NULL) {
		init();
		thread_context = EVP_MD_CTX_new();
		if (thread_context == NULL || pthread_setspecific(context_key, thread_context) != 0)
			abort();
	}
	return thread_context;
}

/* @out has room for the digest, and may be one of the parts. */
static bool
digest(enum digest which, uint8_t *out, const struct weft_bytes *parts, size_t n)
{
	EVP_MD_CTX *ctx = context();
	bool ok = found[which] != NULL && EVP_DigestInit_ex2(ctx, found[which], NULL) == 1;

	for (size_t i = 0; ok && i < n; i++)
		ok = parts[i].len == 0 || EVP_DigestUpdate(ctx, parts[i].p, parts[i].len) == 1;
	return ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
}

/* For digests that weft_hash_init() vouches for. */
static void
must(bool ok)
{
	if (!ok)
		abort();
}

void
weft_sha256(uint8_t out[WEFT_SHA256_LEN], const void *data, size_t len)
{
	const struct weft_bytes part = { data, len };

	must(digest(DIGEST_SHA256, out, &part, 1));
}

void
weft_sha256_parts(uint8_t out[WEFT_SHA256_LEN], const struct weft_bytes *parts, size_t n)
{
	must(digest(DIGEST_SHA256, out, parts, n));
}

bool
weft_md5(uint8_t out[WEFT_MD5_LEN], const void *data, size_t len)
{
	const struct weft_bytes part = { data, len };

	return digest(DIGEST_MD5, out, &part, 1);
}

/* RFC 2104. */
static void
hmac(enum digest which, uint8_t *out, const struct weft_bytes *key, const struct weft_bytes *data)
{
	uint8_t pad[BLOCK_LEN] = { 0 };
	uint8_t hash[EVP_MAX_MD_SIZE];
	const struct weft_bytes inner[] = { { pad, sizeof pad }, *data };
	const struct weft_bytes outer[] = { { pad, sizeof pad }, { hash, digests[which].len } };

	if (key->len > sizeof pad)
		must(digest(which, pad, key, 1));
	else if (key->len > 0)
		memcpy(pad, key->p, key->len);
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36;
	must(digest(which, hash, inner, 2));
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	must(digest(which, out, outer, 2));
	weft_wipe(pad, sizeof pad);
}

void
weft_hmac_sha1(
	uint8_t out[WEFT_SHA1_LEN], const void *key, size_t key_len, const void *data, size_t len)
{
	hmac(DIGEST_SHA1, out, &(const struct weft_bytes){ key, key_len },
	     &(const struct weft_bytes){ data, len });
}

void
weft_hmac_sha256(
	uint8_t out[WEFT_SHA256_LEN], const void *key, size_t key_len, const void *data, size_t len)
{
	hmac(DIGEST_SHA256, out, &(const struct weft_bytes){ key, key_len },
	     &(const struct weft_bytes){ data, len });
}

bool
weft_equal_ct(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

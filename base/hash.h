/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Digests and MACs by libcrypto. They cannot fail for lack of memory (the first call of a thread
 * ends the process then); a libcrypto that refuses MD5 (FIPS mode) makes weft_md5() return false.
 * Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT_SHA256_LEN 32
#define WEFT_SHA1_LEN   20
#define WEFT_MD5_LEN    16

struct weft_bytes {
	const void *p;
	size_t len;
};

/* Finds the digests in libcrypto once; weft_crypto_init() calls it. False if SHA-256 or SHA-1 is
 * not to be had. Thread-safe; the functions below also work without it. */
bool weft_hash_init(void);

void weft_sha256(uint8_t out[WEFT_SHA256_LEN], const void *data, size_t len);

/* Over the concatenation of @n parts. */
void weft_sha256_parts(uint8_t out[WEFT_SHA256_LEN], const struct weft_bytes *parts, size_t n);

/* Any key length. */
void weft_hmac_sha1(
	uint8_t out[WEFT_SHA1_LEN], const void *key, size_t key_len, const void *data, size_t len);
void weft_hmac_sha256(uint8_t out[WEFT_SHA256_LEN],
		      const void *key,
		      size_t key_len,
		      const void *data,
		      size_t len);

/* Long-term STUN credentials only (RFC 8489 section 9.2.2). */
bool weft_md5(uint8_t out[WEFT_MD5_LEN], const void *data, size_t len);

/* Constant time over @len. */
bool weft_equal_ct(const void *a, const void *b, size_t len);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Curve25519 keys as WireGuard uses them (protocol.md 0.2). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_env;

#define WEFT_KEY_LEN      32
#define WEFT_KEY_TEXT_LEN 44 /* standard base64 with padding */

/* A private, public, preshared or box key: 32 octets whose role is the variable's name. */
struct weft_key {
	uint8_t b[WEFT_KEY_LEN];
};

/* Text form, NUL-terminated. */
struct weft_key_text {
	char s[WEFT_KEY_TEXT_LEN + 1];
};

/* Prepares the crypto libraries; call once before any other function of key.h and box.h.
 * Idempotent and thread-safe. False if the system has no usable source of randomness. */
bool weft_crypto_init(void);

struct weft_key_text weft_key_to_text(const struct weft_key *key);

/* Parses exactly @len characters, which must be 44 of canonical base64. @ret is untouched on
 * failure. */
bool weft_key_from_text(struct weft_key *ret, const char *text, size_t len);

/* Makes a clamped private key out of @env's randomness. */
void weft_key_generate(struct weft_key *ret, const struct weft_env *env);

/* The clamping of RFC 7748 section 5. */
void weft_key_clamp(struct weft_key *key);

/* @ret and @priv may be the same object. */
void weft_key_public(struct weft_key *ret, const struct weft_key *priv);

/* Constant time. */
bool weft_key_equal(const struct weft_key *a, const struct weft_key *b);
bool weft_key_is_zero(const struct weft_key *key);

/* Order of the text forms, byte by byte: it decides roles (protocol.md 3.5). <0, 0, >0. */
int weft_key_text_compare(const struct weft_key *a, const struct weft_key *b);

/* Suits GHashTable and the like; keys come from strangers, so it is keyed per process
 * (SipHash-2-4 over 32 bytes). Call weft_crypto_init() first. */
uint64_t weft_key_hash(const struct weft_key *key);

void weft_key_wipe(struct weft_key *key);

/* Overwrites memory in a way that the compiler cannot remove. NULL only with @len 0. */
void weft_wipe(void *p, size_t len);

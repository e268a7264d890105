/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The encryption envelope of the management and signal protocols (protocol.md 0.3):
 * nonce(24) || crypto_box(plaintext), which is tag(16) || ciphertext. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

struct weft_env;

#define WEFT_BOX_NONCE_LEN 24
#define WEFT_BOX_TAG_LEN   16
#define WEFT_BOX_OVERHEAD  (WEFT_BOX_NONCE_LEN + WEFT_BOX_TAG_LEN)

/* The precomputed key of one pair of peers, the same in both directions. Computing it costs as
 * much as boxing some 20 kB, so callers keep it beside the connection. Secret: wipe with
 * weft_key_wipe(). */
struct weft_box_key {
	struct weft_key shared;
};

/* False if @pub is a point of small order (its product with any key is zero). */
bool weft_box_key_init(struct weft_box_key *ret,
		       const struct weft_key *pub,
		       const struct weft_key *priv);

/* Writes @len + WEFT_BOX_OVERHEAD bytes to @out with a fresh nonce from @env. @out must have that
 * room and must not overlap @plain, except that @plain may be @out + WEFT_BOX_OVERHEAD. */
void weft_box_seal(uint8_t *out,
		   const uint8_t *plain,
		   size_t len,
		   const struct weft_box_key *key,
		   const struct weft_env *env);

/* Opens @len bytes of @body to @len - WEFT_BOX_OVERHEAD bytes at @out, which may be @body itself
 * (decrypting in place). False if too short or not authentic; @out is then unspecified and must
 * not be read. */
bool weft_box_open(uint8_t *out, const uint8_t *body, size_t len, const struct weft_box_key *key);

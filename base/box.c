/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/box.h"

#include "base/env.h"

#include <sodium.h>
#include <string.h>

_Static_assert(WEFT_BOX_NONCE_LEN == crypto_box_NONCEBYTES, "nonce");
_Static_assert(WEFT_BOX_TAG_LEN == crypto_box_MACBYTES, "tag");
_Static_assert(sizeof(struct weft_box_key) == crypto_box_BEFORENMBYTES, "shared key");

bool
weft_box_key_init(struct weft_box_key *ret, const struct weft_key *pub, const struct weft_key *priv)
{
	struct weft_box_key key;
	bool ok = crypto_box_beforenm(key.shared.b, pub->b, priv->b) == 0;

	if (ok)
		*ret = key;
	weft_key_wipe(&key.shared);
	return ok;
}

void
weft_box_seal(uint8_t *out,
	      const uint8_t *plain,
	      size_t len,
	      const struct weft_box_key *key,
	      const struct weft_env *env)
{
	weft_env_random(env, out, WEFT_BOX_NONCE_LEN);
	/* Fails for messages beyond 2^64 bytes alone. */
	(void) crypto_box_easy_afternm(out + WEFT_BOX_NONCE_LEN, plain, len, out, key->shared.b);
}

bool
weft_box_open(uint8_t *out, const uint8_t *body, size_t len, const struct weft_box_key *key)
{
	uint8_t nonce[WEFT_BOX_NONCE_LEN];

	if (len < WEFT_BOX_OVERHEAD)
		return false;
	/* In place the plaintext would overwrite it while it is in use. */
	memcpy(nonce, body, sizeof nonce);
	return crypto_box_open_easy_afternm(out, body + sizeof nonce, len - sizeof nonce, nonce,
					    key->shared.b) == 0;
}

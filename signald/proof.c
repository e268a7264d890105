/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "signald/proof.h"

#include "base/base64.h"
#include "base/env.h"
#include "base/hash.h"

#include <string.h>

void
sig_prover_init(struct sig_prover *prover, const struct weft_env *env)
{
	weft_key_generate(&prover->private, env);
	weft_key_public(&prover->public, &prover->private);
}

void
sig_challenge_make(struct sig_challenge *ret, const struct weft_env *env)
{
	weft_env_random(env, ret->nonce, sizeof ret->nonce);
}

void
sig_challenge_text(const struct sig_prover *prover,
		   const struct sig_challenge *challenge,
		   char ret[SIG_PROOF_TEXT_SIZE])
{
	uint8_t raw[WEFT_KEY_LEN + SIG_PROOF_NONCE_LEN];

	memcpy(raw, prover->public.b, WEFT_KEY_LEN);
	memcpy(raw + WEFT_KEY_LEN, challenge->nonce, SIG_PROOF_NONCE_LEN);
	(void) weft_base64_encode(ret, SIG_PROOF_TEXT_SIZE, raw, sizeof raw); /* it fits */
}

bool
sig_proof_check(const struct sig_prover *prover,
		const struct sig_challenge *challenge,
		const struct weft_key *key,
		const uint8_t *body,
		size_t len)
{
	uint8_t plain[SIG_PROOF_PREFIX_LEN + SIG_PROOF_NONCE_LEN];
	struct weft_box_key box;
	bool ok;

	if (len != SIG_PROOF_BODY_LEN || !weft_box_key_init(&box, key, &prover->private))
		return false;
	ok = weft_box_open(plain, body, len, &box) &&
	     memcmp(plain, SIG_PROOF_PREFIX, SIG_PROOF_PREFIX_LEN) == 0 &&
	     weft_equal_ct(plain + SIG_PROOF_PREFIX_LEN, challenge->nonce, SIG_PROOF_NONCE_LEN);
	weft_key_wipe(&box.shared);
	return ok;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Proof of a key (docs/protocol/signal.md): the server offers a challenge in the response headers
 * of ConnectStream; the agent answers by a message to itself whose body is boxed for the
 * challenge's key. Stock clients ignore the header. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/box.h"
#include "base/key.h"

struct weft_env;

#define SIG_PROOF_HEADER    "x-weft-proof"
#define SIG_PROOF_NONCE_LEN 16
/* base64 of key and nonce, with NUL. */
#define SIG_PROOF_TEXT_SIZE 65
/* What an answer's plaintext begins with; the nonce follows. */
#define SIG_PROOF_PREFIX     "weft-signal-proof"
#define SIG_PROOF_PREFIX_LEN 17
#define SIG_PROOF_BODY_LEN   (WEFT_BOX_OVERHEAD + SIG_PROOF_PREFIX_LEN + SIG_PROOF_NONCE_LEN)

/* The server's key for challenges: made at start, never stored. */
struct sig_prover {
	struct weft_key private, public;
};

struct sig_challenge {
	uint8_t nonce[SIG_PROOF_NONCE_LEN];
};

void sig_prover_init(struct sig_prover *prover, const struct weft_env *env);
void sig_challenge_make(struct sig_challenge *ret, const struct weft_env *env);
void sig_challenge_text(const struct sig_prover *prover,
			const struct sig_challenge *challenge,
			char ret[SIG_PROOF_TEXT_SIZE]);

/* True if @body is the owner of @key's answer to @challenge. Costs an X25519 operation, unless the
 * length alone says no. */
bool sig_proof_check(const struct sig_prover *prover,
		     const struct sig_challenge *challenge,
		     const struct weft_key *key,
		     const uint8_t *body,
		     size_t len);

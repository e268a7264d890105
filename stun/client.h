/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Client usages: Binding, and TURN's requests with long-term credentials, as functions from
 * values to messages. Sockets, transactions and timing stay with the caller. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "stun/message.h"

struct weft_endpoint;

/* Long-term credentials and what the server has said about them. */
struct weft_stun_auth {
	char user[WEFT_STUN_USERNAME_MAX + 1];
	char password[WEFT_STUN_PASSWORD_MAX + 1];
	uint8_t realm[WEFT_STUN_REALM_MAX];
	uint8_t nonce[WEFT_STUN_NONCE_MAX];
	uint16_t realm_len, nonce_len;
	uint8_t key[WEFT_STUN_KEY_MAX];
	uint8_t key_len;        /* 0 until the first challenge */
	uint16_t algorithm;     /* enum weft_stun_algorithm */
	uint8_t algorithms[64]; /* PASSWORD-ALGORITHMS as the server sent it, to be echoed */
	uint8_t algorithms_len;
	bool sha256;   /* sign with MESSAGE-INTEGRITY-SHA256 */
	bool userhash; /* the server understands USERHASH */
	uint8_t stale; /* 438 answers in a row */
};

/* False if user or password is empty or too long. Both must be prepared already. */
bool weft_stun_auth_init(struct weft_stun_auth *auth, const char *user, const char *password);

/* Erases the secrets. */
void weft_stun_auth_clear(struct weft_stun_auth *auth);

/* What an error answer means for the one who sent the request. */
enum weft_stun_verdict {
	WEFT_STUN_VERDICT_OK,       /* success answer, integrity verified where it must be */
	WEFT_STUN_VERDICT_RETRY,    /* challenge (401, 438) taken in: send the request again with
				       a new transaction */
	WEFT_STUN_VERDICT_REDIRECT, /* 300: alternate_server */
	WEFT_STUN_VERDICT_MISMATCH, /* 437: the allocation is gone, or a former one is left */
	WEFT_STUN_VERDICT_FORGED,   /* integrity missing or wrong: ignore it, keep waiting */
	WEFT_STUN_VERDICT_REFUSED,  /* any other error, final for this request */
};

/* Judges the answer @m to a request that was signed with @auth (its first 401 excepted); takes
 * realm, nonce and algorithms out of a challenge. A 401 after credentials were sent with that
 * very nonce's realm is REFUSED, as is the third 438 in a row. */
enum weft_stun_verdict weft_stun_auth_judge(struct weft_stun_auth *auth,
					    const struct weft_stun_message *m);

/* Binding request without credentials: 20 bytes, or 28 with FINGERPRINT. Returns the length. */
size_t weft_stun_client_binding(void *buf,
				size_t size,
				const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
				bool fingerprint);

struct weft_stun_allocate {
	uint8_t family;     /* enum weft_stun_family, 0 = do not ask */
	bool both_families; /* ADDITIONAL-ADDRESS-FAMILY IPv6; family must be 0 */
	bool even_port;     /* EVEN-PORT without reservation */
	bool reserve_next;  /* EVEN-PORT with R */
	bool dont_fragment;
	uint32_t lifetime_s;  /* 0 = the server's default */
	const uint8_t *token; /* RESERVATION-TOKEN or NULL */
};

/* Each writes one request, signed as far as @auth has been challenged, with FINGERPRINT, and
 * returns its length, 0 if it does not fit. */
size_t weft_stun_client_allocate(void *buf,
				 size_t size,
				 const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
				 const struct weft_stun_auth *auth,
				 const struct weft_stun_allocate *what);
size_t weft_stun_client_refresh(void *buf,
				size_t size,
				const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
				const struct weft_stun_auth *auth,
				uint32_t lifetime_s);
size_t weft_stun_client_permission(void *buf,
				   size_t size,
				   const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
				   const struct weft_stun_auth *auth,
				   const struct weft_endpoint *peers,
				   size_t n);
size_t weft_stun_client_channel(void *buf,
				size_t size,
				const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
				const struct weft_stun_auth *auth,
				uint16_t channel,
				const struct weft_endpoint *peer);

/* Send indication. The payload is copied. */
size_t weft_stun_client_send(void *buf,
			     size_t size,
			     const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
			     const struct weft_endpoint *peer,
			     struct weft_bytes payload);

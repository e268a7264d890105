/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/client.h"

#include <string.h>

#include "base/key.h"
#include "stun/build.h"

/* 438 answers that are followed in a row: a server whose nonces never hold would loop us. */
#define STALE_MAX 2

static struct weft_bytes
text_bytes(const char *s)
{
	return (struct weft_bytes){ s, strlen(s) };
}

bool
weft_stun_auth_init(struct weft_stun_auth *auth, const char *user, const char *password)
{
	size_t user_len = strlen(user), password_len = strlen(password);

	if (user_len == 0 || user_len > WEFT_STUN_USERNAME_MAX || password_len == 0 ||
	    password_len > WEFT_STUN_PASSWORD_MAX)
		return false;
	memset(auth, 0, sizeof(*auth));
	memcpy(auth->user, user, user_len + 1);
	memcpy(auth->password, password, password_len + 1);
	return true;
}

void
weft_stun_auth_clear(struct weft_stun_auth *auth)
{
	weft_wipe(auth, sizeof(*auth));
}

/* The strongest algorithm that both know; 0 if the server's list has none of ours. */
static uint16_t
choose_algorithm(const struct weft_stun_message *m, bool offered)
{
	uint16_t best = 0, number;

	if (!offered)
		return WEFT_STUN_MD5;
	for (unsigned i = 0; (number = weft_stun_algorithm_at(m, i)) != 0; i++)
		if ((number == WEFT_STUN_MD5 || number == WEFT_STUN_SHA256) && number > best)
			best = number;
	return best;
}

/* Takes a challenge in (RFC 8489 section 9.2.5). False if it cannot be met. */
static bool
challenge(struct weft_stun_auth *auth, const struct weft_stun_message *m)
{
	uint32_t features;
	bool offered;
	size_t key_len;

	if (!weft_stun_has(m, WEFT_STUN_HAS_REALM | WEFT_STUN_HAS_NONCE) || m->nonce.len == 0)
		return false;
	features = weft_stun_nonce_features(m->nonce.p, m->nonce.len);
	/* Bid-down protection: announced in the nonce, then the list must be there. */
	offered = (features & WEFT_STUN_FEATURE_ALGORITHMS) != 0;
	if (offered && (!weft_stun_has(m, WEFT_STUN_HAS_PASSWORD_ALGORITHMS) ||
			m->password_algorithms.len > sizeof(auth->algorithms)))
		return false;
	auth->algorithm = choose_algorithm(m, offered);
	if (auth->algorithm == 0)
		return false;
	memcpy(auth->realm, m->realm.p, m->realm.len);
	auth->realm_len = m->realm.len;
	memcpy(auth->nonce, m->nonce.p, m->nonce.len);
	auth->nonce_len = m->nonce.len;
	auth->algorithms_len = offered ? (uint8_t) m->password_algorithms.len : 0;
	if (offered)
		memcpy(auth->algorithms, m->password_algorithms.p, auth->algorithms_len);
	auth->sha256 = offered;
	auth->userhash = (features & WEFT_STUN_FEATURE_USERHASH) != 0;
	key_len = weft_stun_long_term_key(
		auth->key, auth->algorithm == WEFT_STUN_SHA256 ? WEFT_STUN_SHA256 : WEFT_STUN_MD5,
		text_bytes(auth->user), (struct weft_bytes){ auth->realm, auth->realm_len },
		text_bytes(auth->password));
	auth->key_len = (uint8_t) key_len;
	return key_len > 0;
}

static bool
integrity_holds(const struct weft_stun_auth *auth, const struct weft_stun_message *m)
{
	struct weft_bytes key = { auth->key, auth->key_len };

	if (auth->key_len == 0)
		return false;
	/* A server that knows SHA-256 must use it, so that nobody bids it down. */
	if (auth->sha256)
		return weft_stun_check_integrity_sha256(m, key);
	return weft_stun_check_integrity(m, key);
}

static enum weft_stun_verdict
judge_challenge(struct weft_stun_auth *auth, const struct weft_stun_message *m)
{
	bool had_key = auth->key_len > 0;

	if (m->error_code == WEFT_STUN_ERROR_UNAUTHENTICATED) {
		/* Credentials for this very realm were refused: they are wrong. */
		if (had_key && m->realm.len == auth->realm_len &&
		    memcmp(m->realm.p, auth->realm, auth->realm_len) == 0)
			return WEFT_STUN_VERDICT_REFUSED;
		auth->stale = 0;
	} else if (auth->stale++ >= STALE_MAX) {
		return WEFT_STUN_VERDICT_REFUSED;
	}
	return challenge(auth, m) ? WEFT_STUN_VERDICT_RETRY : WEFT_STUN_VERDICT_REFUSED;
}

enum weft_stun_verdict
weft_stun_auth_judge(struct weft_stun_auth *auth, const struct weft_stun_message *m)
{
	if (m->class == WEFT_STUN_SUCCESS) {
		if (!integrity_holds(auth, m))
			return WEFT_STUN_VERDICT_FORGED;
		auth->stale = 0;
		return WEFT_STUN_VERDICT_OK;
	}
	if (m->class != WEFT_STUN_ERROR || !weft_stun_has(m, WEFT_STUN_HAS_ERROR_CODE))
		return WEFT_STUN_VERDICT_FORGED;
	switch (m->error_code) {
	case WEFT_STUN_ERROR_UNAUTHENTICATED:
	case WEFT_STUN_ERROR_STALE_NONCE:
		/* Sent without integrity: the server could not know our key (9.2.4). */
		return judge_challenge(auth, m);
	default:
		break;
	}
	/* Errors about requests that were never signed, or that name a defect found before the
	 * credentials were looked at, carry no integrity either; what has one must be right. */
	if ((m->has & (WEFT_STUN_HAS_INTEGRITY | WEFT_STUN_HAS_INTEGRITY_SHA256)) != 0 &&
	    !integrity_holds(auth, m))
		return WEFT_STUN_VERDICT_FORGED;
	switch (m->error_code) {
	case WEFT_STUN_ERROR_TRY_ALTERNATE:
		return weft_stun_has(m, WEFT_STUN_HAS_ALTERNATE_SERVER) ? WEFT_STUN_VERDICT_REDIRECT
									: WEFT_STUN_VERDICT_REFUSED;
	case WEFT_STUN_ERROR_ALLOCATION_MISMATCH:
		return WEFT_STUN_VERDICT_MISMATCH;
	default:
		return WEFT_STUN_VERDICT_REFUSED;
	}
}

/* Credentials, integrity and fingerprint: the end of every request. */
static size_t
sign(struct weft_stun_builder *b, const struct weft_stun_auth *auth)
{
	struct weft_bytes key = { auth->key, auth->key_len };

	if (auth->key_len == 0) {
		weft_stun_put_fingerprint(b);
		return weft_stun_finish(b);
	}
	if (auth->userhash) {
		uint8_t hash[WEFT_STUN_USERHASH_LEN];

		weft_stun_userhash(hash, text_bytes(auth->user),
				   (struct weft_bytes){ auth->realm, auth->realm_len });
		weft_stun_put(b, WEFT_STUN_ATTR_USERHASH, hash, sizeof(hash));
	} else {
		weft_stun_put(b, WEFT_STUN_ATTR_USERNAME, auth->user, strlen(auth->user));
	}
	weft_stun_put(b, WEFT_STUN_ATTR_REALM, auth->realm, auth->realm_len);
	weft_stun_put(b, WEFT_STUN_ATTR_NONCE, auth->nonce, auth->nonce_len);
	if (auth->algorithms_len > 0) {
		weft_stun_put(b, WEFT_STUN_ATTR_PASSWORD_ALGORITHMS, auth->algorithms,
			      auth->algorithms_len);
		weft_stun_put_algorithms(b, WEFT_STUN_ATTR_PASSWORD_ALGORITHM, &auth->algorithm, 1);
	}
	if (auth->sha256)
		weft_stun_put_integrity_sha256(b, key);
	else
		weft_stun_put_integrity(b, key);
	weft_stun_put_fingerprint(b);
	return weft_stun_finish(b);
}

size_t
weft_stun_client_binding(void *buf,
			 size_t size,
			 const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
			 bool fingerprint)
{
	struct weft_stun_builder b =
		weft_stun_begin(buf, size, WEFT_STUN_REQUEST, WEFT_STUN_BINDING, transaction);

	if (fingerprint)
		weft_stun_put_fingerprint(&b);
	return weft_stun_finish(&b);
}

size_t
weft_stun_client_allocate(void *buf,
			  size_t size,
			  const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
			  const struct weft_stun_auth *auth,
			  const struct weft_stun_allocate *what)
{
	struct weft_stun_builder b =
		weft_stun_begin(buf, size, WEFT_STUN_REQUEST, WEFT_STUN_ALLOCATE, transaction);

	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_TRANSPORT, WEFT_STUN_TRANSPORT_UDP);
	if (what->lifetime_s > 0)
		weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, what->lifetime_s);
	if (what->family != 0)
		weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY, what->family);
	if (what->both_families)
		weft_stun_put_octet(&b, WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	if (what->even_port || what->reserve_next) {
		uint8_t r = what->reserve_next ? 0x80 : 0;

		weft_stun_put(&b, WEFT_STUN_ATTR_EVEN_PORT, &r, 1);
	}
	if (what->dont_fragment)
		weft_stun_put_flag(&b, WEFT_STUN_ATTR_DONT_FRAGMENT);
	if (what->token != NULL)
		weft_stun_put(&b, WEFT_STUN_ATTR_RESERVATION_TOKEN, what->token,
			      WEFT_STUN_TOKEN_LEN);
	return sign(&b, auth);
}

size_t
weft_stun_client_refresh(void *buf,
			 size_t size,
			 const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
			 const struct weft_stun_auth *auth,
			 uint32_t lifetime_s)
{
	struct weft_stun_builder b =
		weft_stun_begin(buf, size, WEFT_STUN_REQUEST, WEFT_STUN_REFRESH, transaction);

	weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, lifetime_s);
	return sign(&b, auth);
}

size_t
weft_stun_client_permission(void *buf,
			    size_t size,
			    const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
			    const struct weft_stun_auth *auth,
			    const struct weft_endpoint *peers,
			    size_t n)
{
	struct weft_stun_builder b = weft_stun_begin(buf, size, WEFT_STUN_REQUEST,
						     WEFT_STUN_CREATE_PERMISSION, transaction);

	for (size_t i = 0; i < n; i++)
		weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &peers[i]);
	return sign(&b, auth);
}

size_t
weft_stun_client_channel(void *buf,
			 size_t size,
			 const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
			 const struct weft_stun_auth *auth,
			 uint16_t channel,
			 const struct weft_endpoint *peer)
{
	struct weft_stun_builder b =
		weft_stun_begin(buf, size, WEFT_STUN_REQUEST, WEFT_STUN_CHANNEL_BIND, transaction);

	weft_stun_put_channel(&b, channel);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, peer);
	return sign(&b, auth);
}

size_t
weft_stun_client_send(void *buf,
		      size_t size,
		      const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN],
		      const struct weft_endpoint *peer,
		      struct weft_bytes payload)
{
	struct weft_stun_builder b =
		weft_stun_begin(buf, size, WEFT_STUN_INDICATION, WEFT_STUN_SEND, transaction);

	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, peer);
	weft_stun_put(&b, WEFT_STUN_ATTR_DATA, payload.p, payload.len);
	return weft_stun_finish(&b);
}

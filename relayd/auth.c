/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/auth.h"

#include "base/base64.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/key.h"
#include "base/token.h"
#include "relayd/settings.h"
#include "relayd/shared.h"
#include "stun/build.h"
#include "stun/message.h"

#include <string.h>

#define TIME_LEN 8
#define MAC_LEN  18 /* 24 characters */

/* The algorithms that a challenge offers, the better one first. */
static const uint16_t algorithms[] = { WEFT_STUN_SHA256, WEFT_STUN_MD5 };
#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

static void
nonce_mac(char ret[WEFT_BASE64_LEN(MAC_LEN) + 1],
	  const struct relay_shared *shared,
	  const struct relay_flow *flow,
	  const char *head)
{
	uint8_t text[64], mac[WEFT_SHA256_LEN];
	struct weft_builder b = weft_builder(text, sizeof(text));

	weft_builder_bytes(&b, head, WEFT_STUN_NONCE_PREFIX_LEN + TIME_LEN);
	weft_builder_bytes(&b, flow->client.addr, sizeof(flow->client.addr));
	weft_builder_u16(&b, flow->client.port);
	weft_builder_u8(&b, flow->transport);
	weft_hmac_sha256(mac, shared->nonce_key, sizeof(shared->nonce_key), text,
			 weft_builder_len(&b));
	(void) weft_base64_encode(ret, WEFT_BASE64_LEN(MAC_LEN) + 1, mac, MAC_LEN); /* fits */
}

static void
make_nonce(char ret[RELAY_NONCE_LEN + 1],
	   const struct relay_shared *shared,
	   const struct relay_flow *flow,
	   uint32_t now_s,
	   const char features[4])
{
	memcpy(ret, WEFT_STUN_NONCE_COOKIE, WEFT_STUN_NONCE_COOKIE_LEN);
	memcpy(ret + WEFT_STUN_NONCE_COOKIE_LEN, features, 4);
	for (unsigned i = 0; i < TIME_LEN; i++)
		ret[WEFT_STUN_NONCE_PREFIX_LEN + i] =
			"0123456789abcdef"[now_s >> (28 - 4 * i) & 0xf];
	nonce_mac(ret + WEFT_STUN_NONCE_PREFIX_LEN + TIME_LEN, shared, flow, ret);
}

/* Password algorithms, with anonymity of user names and without. */
static const char features_all[] = "wAAA", features_plain[] = "gAAA";

void
relay_nonce_make(char ret[RELAY_NONCE_LEN + 1],
		 const struct relay_shared *shared,
		 const struct relay_flow *flow,
		 uint32_t now_s)
{
	make_nonce(ret, shared, flow, now_s, features_all);
}

static bool
parse_time(uint32_t *ret, const char *hex)
{
	uint32_t v = 0;

	for (size_t i = 0; i < TIME_LEN; i++) {
		char c = hex[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t) (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t) (c - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

enum relay_nonce
relay_nonce_check(const struct relay_shared *shared,
		  const struct relay_flow *flow,
		  uint32_t now_s,
		  uint32_t lifetime_s,
		  const uint8_t *nonce,
		  size_t len)
{
	char head[WEFT_STUN_NONCE_PREFIX_LEN + TIME_LEN], mac[WEFT_BASE64_LEN(MAC_LEN) + 1];
	uint32_t made;

	if (len != RELAY_NONCE_LEN)
		return RELAY_NONCE_FOREIGN;
	memcpy(head, nonce, sizeof(head));
	nonce_mac(mac, shared, flow, head);
	if (!weft_equal_ct(mac, nonce + sizeof(head), WEFT_BASE64_LEN(MAC_LEN)) ||
	    !parse_time(&made, head + WEFT_STUN_NONCE_PREFIX_LEN))
		return RELAY_NONCE_FOREIGN;
	/* The batch at hand may have begun before the one that made it, on another worker. */
	return (uint64_t) made + lifetime_s < now_s ? RELAY_NONCE_STALE : RELAY_NONCE_GOOD;
}

void
relay_auth_challenge(struct weft_stun_builder *b,
		     const struct relay_settings *settings,
		     const struct relay_shared *shared,
		     const struct relay_flow *flow,
		     uint32_t now_s)
{
	char nonce[RELAY_NONCE_LEN + 1];

	/* A hash cannot be turned back into the user name that REST credentials begin with. */
	make_nonce(nonce, shared, flow, now_s,
		   settings->n_turn_secrets == 0 ? features_all : features_plain);
	weft_stun_put(b, WEFT_STUN_ATTR_REALM, settings->realm, strlen(settings->realm));
	weft_stun_put(b, WEFT_STUN_ATTR_NONCE, nonce, RELAY_NONCE_LEN);
	weft_stun_put_algorithms(b, WEFT_STUN_ATTR_PASSWORD_ALGORITHMS, algorithms, ALGORITHMS);
}

/* RFC 8489 section 9.2.4: neither of both attributes, which means MD5, or both, the list being
 * ours and the choice from it. 0 if that does not hold. */
static uint16_t
chosen_algorithm(const struct weft_stun_message *m)
{
	bool list = weft_stun_has(m, WEFT_STUN_HAS_PASSWORD_ALGORITHMS);
	bool choice = weft_stun_has(m, WEFT_STUN_HAS_PASSWORD_ALGORITHM);

	if (!list && !choice)
		return WEFT_STUN_MD5;
	if (!list || !choice || m->password_algorithms.len != 4 * ALGORITHMS)
		return 0;
	for (unsigned i = 0; i < ALGORITHMS; i++)
		if (weft_stun_algorithm_at(m, i) != algorithms[i])
			return 0;
	return m->password_algorithm == WEFT_STUN_SHA256 || m->password_algorithm == WEFT_STUN_MD5
		       ? m->password_algorithm
		       : 0;
}

static bool
signed_with(const struct weft_stun_message *m, const uint8_t *key, size_t len, bool sha256)
{
	struct weft_bytes k = { key, len };

	return sha256 ? weft_stun_check_integrity_sha256(m, k) : weft_stun_check_integrity(m, k);
}

/* Tries the key of one static user. */
static bool
try_user(struct relay_identity *id,
	 const struct weft_stun_message *m,
	 const struct relay_user *u,
	 uint16_t algorithm)
{
	const uint8_t *key = algorithm == WEFT_STUN_SHA256 ? u->key_sha256 : u->key_md5;

	if (algorithm == WEFT_STUN_MD5 && u->no_md5)
		return false;
	id->key_len = algorithm == WEFT_STUN_SHA256 ? 32 : 16;
	memcpy(id->key, key, id->key_len);
	return signed_with(m, id->key, id->key_len, id->sha256);
}

/* Tries each REST secret. */
static bool
try_secrets(struct relay_identity *id,
	    const struct relay_settings *s,
	    const struct weft_stun_message *m,
	    uint16_t algorithm,
	    int64_t wall_s)
{
	const char *user = (const char *) m->username.p;
	char password[WEFT_TURN_PASSWORD_SIZE];
	int64_t expires_s;

	if (!weft_turn_user_expiry(&expires_s, user, m->username.len) || expires_s < wall_s)
		return false;
	for (size_t i = 0; i < s->n_turn_secrets; i++) {
		const struct weft_secret secret = { s->turn_secrets[i].p, s->turn_secrets[i].len };

		weft_turn_password(password, &secret, user, m->username.len);
		id->key_len = (uint8_t) weft_stun_long_term_key(
			id->key, algorithm == WEFT_STUN_SHA256 ? WEFT_STUN_SHA256 : WEFT_STUN_MD5,
			(struct weft_bytes){ m->username.p, m->username.len },
			(struct weft_bytes){ s->realm, strlen(s->realm) },
			(struct weft_bytes){ password, strlen(password) });
		weft_wipe(password, sizeof(password));
		if (id->key_len > 0 && signed_with(m, id->key, id->key_len, id->sha256))
			return true;
	}
	return false;
}

static void
set_name(struct relay_identity *id, const void *name, size_t len)
{
	len = len < sizeof(id->name) ? len : sizeof(id->name) - 1;
	memset(id->name, 0, sizeof(id->name));
	memcpy(id->name, name, len);
	/* For people and logs: nothing that moves a terminal. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char) id->name[i] < ' ' || id->name[i] == 127)
			id->name[i] = '?';
}

static bool
try_name(struct relay_identity *id,
	 const struct relay_settings *s,
	 const struct relay_shared *shared,
	 const struct weft_stun_message *m,
	 const struct relay_alloc *existing,
	 uint16_t algorithm,
	 int64_t wall_s)
{
	const struct relay_user *u;

	id->user = relay_shared_user(shared, m->username.p, m->username.len);
	set_name(id, m->username.p, m->username.len);
	if (existing != NULL && existing->user == id->user &&
	    existing->key_len == (algorithm == WEFT_STUN_SHA256 ? 32 : 16)) {
		id->key_len = existing->key_len;
		memcpy(id->key, existing->key, sizeof(id->key));
		if (signed_with(m, id->key, id->key_len, id->sha256))
			return true;
	}
	u = relay_settings_user(s, m->username.p, m->username.len);
	if (u != NULL)
		return try_user(id, m, u, algorithm);
	return try_secrets(id, s, m, algorithm, wall_s);
}

unsigned
relay_auth_check(struct relay_identity *ret,
		 const struct relay_settings *settings,
		 const struct relay_shared *shared,
		 const struct relay_flow *flow,
		 const struct weft_stun_message *m,
		 const struct relay_alloc *existing,
		 uint32_t now_s,
		 int64_t wall_s)
{
	struct relay_identity id = { .sha256 = weft_stun_has(m, WEFT_STUN_HAS_INTEGRITY_SHA256) };
	bool by_hash = weft_stun_has(m, WEFT_STUN_HAS_USERHASH);
	const struct relay_user *u;
	uint16_t algorithm;
	bool good;

	if (!id.sha256 && !weft_stun_has(m, WEFT_STUN_HAS_INTEGRITY))
		return WEFT_STUN_ERROR_UNAUTHENTICATED;
	if (!weft_stun_has(m, WEFT_STUN_HAS_REALM | WEFT_STUN_HAS_NONCE) ||
	    (!by_hash && !weft_stun_has(m, WEFT_STUN_HAS_USERNAME)))
		return WEFT_STUN_ERROR_BAD_REQUEST;
	algorithm = chosen_algorithm(m);
	if (algorithm == 0)
		return WEFT_STUN_ERROR_BAD_REQUEST;
	if (relay_nonce_check(shared, flow, now_s, settings->nonce_lifetime_s, m->nonce.p,
			      m->nonce.len) != RELAY_NONCE_GOOD)
		return WEFT_STUN_ERROR_STALE_NONCE;
	if ((settings->no_sha1 && !id.sha256) || m->realm.len != strlen(settings->realm) ||
	    memcmp(m->realm.p, settings->realm, m->realm.len) != 0)
		return WEFT_STUN_ERROR_UNAUTHENTICATED;
	if (by_hash) {
		u = relay_settings_userhash(settings, m->userhash.p);
		good = u != NULL && try_user(&id, m, u, algorithm);
		if (good) {
			id.user = relay_shared_user(shared, (const uint8_t *) u->name,
						    strlen(u->name));
			set_name(&id, u->name, strlen(u->name));
		}
	} else {
		good = try_name(&id, settings, shared, m, existing, algorithm, wall_s);
	}
	if (good)
		*ret = id;
	weft_wipe(&id, sizeof(id));
	return good ? 0 : WEFT_STUN_ERROR_UNAUTHENTICATED;
}

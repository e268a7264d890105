/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Seals and keys of messages: the half of stun/message.h that needs cryptography. */
#include "stun/message.h"

#include <string.h>

#include "base/base64.h"
#include "base/cursor.h"
#include "base/key.h"
#include "stun/build.h"

bool
weft_stun_check_fingerprint(const struct weft_stun_message *m)
{
	uint8_t head[WEFT_STUN_HEADER_LEN];
	struct weft_cursor c;
	uint32_t crc;

	if (!weft_stun_has(m, WEFT_STUN_HAS_FINGERPRINT))
		return false;
	/* The length counts up to FINGERPRINT; bytes behind it may have raised it since. */
	memcpy(head, m->buf, sizeof(head));
	head[2] = (uint8_t) ((m->len - WEFT_STUN_HEADER_LEN) >> 8);
	head[3] = (uint8_t) (m->len - WEFT_STUN_HEADER_LEN);
	crc = weft_stun_crc32_more(weft_stun_crc32(head, sizeof(head)), m->buf + sizeof(head),
				   m->fingerprint_at - sizeof(head));
	c = weft_cursor(m->buf + m->fingerprint_at + WEFT_STUN_ATTR_HEADER_LEN, 4);
	return weft_cursor_u32(&c) == (crc ^ WEFT_STUN_FINGERPRINT_XOR);
}

/* Copies what an integrity attribute at @at covers to @out, with the length field that counts the
 * attribute itself (@mac_len bytes of value). 0 if it is too long. */
static size_t
covered(uint8_t out[WEFT_STUN_SIGNED_MAX],
	const struct weft_stun_message *m,
	uint16_t at,
	uint16_t mac_len)
{
	unsigned len = at + WEFT_STUN_ATTR_HEADER_LEN + mac_len - WEFT_STUN_HEADER_LEN;

	if (at > WEFT_STUN_SIGNED_MAX)
		return 0;
	memcpy(out, m->buf, at);
	out[2] = (uint8_t) (len >> 8);
	out[3] = (uint8_t) len;
	return at;
}

bool
weft_stun_check_integrity(const struct weft_stun_message *m, struct weft_bytes key)
{
	uint8_t text[WEFT_STUN_SIGNED_MAX], mac[WEFT_SHA1_LEN];
	size_t len;

	if (!weft_stun_has(m, WEFT_STUN_HAS_INTEGRITY))
		return false;
	len = covered(text, m, m->integrity_at, WEFT_STUN_SHA1_LEN);
	if (len == 0)
		return false;
	weft_hmac_sha1(mac, key.p, key.len, text, len);
	return weft_equal_ct(mac, m->buf + m->integrity_at + WEFT_STUN_ATTR_HEADER_LEN,
			     sizeof(mac));
}

bool
weft_stun_check_integrity_sha256(const struct weft_stun_message *m, struct weft_bytes key)
{
	uint8_t text[WEFT_STUN_SIGNED_MAX], mac[WEFT_SHA256_LEN];
	size_t len;

	if (!weft_stun_has(m, WEFT_STUN_HAS_INTEGRITY_SHA256))
		return false;
	len = covered(text, m, m->integrity_sha256_at, m->integrity_sha256_len);
	if (len == 0)
		return false;
	weft_hmac_sha256(mac, key.p, key.len, text, len);
	return weft_equal_ct(mac, m->buf + m->integrity_sha256_at + WEFT_STUN_ATTR_HEADER_LEN,
			     m->integrity_sha256_len);
}

uint16_t
weft_stun_algorithm_at(const struct weft_stun_message *m, unsigned i)
{
	struct weft_cursor c = weft_cursor(m->password_algorithms.p, m->password_algorithms.len);

	for (;;) {
		uint16_t number = weft_cursor_u16(&c), len = weft_cursor_u16(&c);

		weft_cursor_skip(&c, len);
		if (!c.ok)
			return 0;
		if (i-- == 0)
			return number;
		/* Padding may be missing behind the last one. */
		weft_cursor_skip(&c, -len & 3u);
	}
}

uint32_t
weft_stun_nonce_features(const uint8_t *nonce, size_t len)
{
	uint8_t bits[3];
	size_t n;

	if (len < WEFT_STUN_NONCE_PREFIX_LEN ||
	    memcmp(nonce, WEFT_STUN_NONCE_COOKIE, WEFT_STUN_NONCE_COOKIE_LEN) != 0)
		return 0;
	if (!weft_base64_decode(bits, sizeof(bits), &n,
				(const char *) nonce + WEFT_STUN_NONCE_COOKIE_LEN, 4))
		return 0;
	return n == 3 ? (uint32_t) bits[0] << 16 | (uint32_t) bits[1] << 8 | bits[2] : 0;
}

/* user ":" realm [":" password] in one buffer; 0 if too long. */
#define IDENTITY_MAX (WEFT_STUN_USERNAME_MAX + WEFT_STUN_REALM_MAX + WEFT_STUN_PASSWORD_MAX + 2)
static size_t
identity(uint8_t out[IDENTITY_MAX], const struct weft_bytes *parts, size_t n)
{
	struct weft_builder b = weft_builder(out, IDENTITY_MAX);

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			weft_builder_u8(&b, ':');
		weft_builder_bytes(&b, parts[i].p, parts[i].len);
	}
	return b.ok ? weft_builder_len(&b) : 0;
}

size_t
weft_stun_long_term_key(uint8_t ret[WEFT_STUN_KEY_MAX],
			enum weft_stun_algorithm algorithm,
			struct weft_bytes user,
			struct weft_bytes realm,
			struct weft_bytes password)
{
	const struct weft_bytes parts[] = { user, realm, password };
	uint8_t text[IDENTITY_MAX];
	size_t len = 0, text_len;

	if (user.len > WEFT_STUN_USERNAME_MAX || realm.len > WEFT_STUN_REALM_MAX ||
	    password.len > WEFT_STUN_PASSWORD_MAX)
		return 0;
	text_len = identity(text, parts, 3);
	switch (algorithm) {
	case WEFT_STUN_MD5:
		if (weft_md5(ret, text, text_len))
			len = WEFT_MD5_LEN;
		break;
	case WEFT_STUN_SHA256:
		weft_sha256(ret, text, text_len);
		len = WEFT_SHA256_LEN;
		break;
	}
	weft_wipe(text, text_len);
	return len;
}

void
weft_stun_userhash(uint8_t ret[WEFT_STUN_USERHASH_LEN],
		   struct weft_bytes user,
		   struct weft_bytes realm)
{
	const struct weft_bytes parts[] = { user, { ":", 1 }, realm };

	weft_sha256_parts(ret, parts, 3);
}

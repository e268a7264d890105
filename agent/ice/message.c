/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Binding requests and answers in NetBird's order of attributes (protocol.md 10.2). */
#include "agent/ice/private.h"

#include "base/cursor.h"
#include "stun/build.h"

#include <string.h>

static struct weft_bytes
key_of(const char *pwd)
{
	return (struct weft_bytes){ pwd, strlen(pwd) };
}

size_t
message_request(uint8_t buf[MESSAGE_MAX], const struct request *r)
{
	size_t theirs = strlen(r->remote->ufrag), mine = strlen(r->own->ufrag);
	struct weft_stun_builder b =
		weft_stun_begin(buf, MESSAGE_MAX, WEFT_STUN_REQUEST, WEFT_STUN_BINDING, r->txid);
	uint8_t *user = weft_stun_put_space(&b, WEFT_STUN_ATTR_USERNAME, theirs + 1 + mine);

	if (user != NULL) {
		memcpy(user, r->remote->ufrag, theirs);
		user[theirs] = ':';
		memcpy(user + theirs + 1, r->own->ufrag, mine);
	}
	if (r->use_candidate)
		(void) weft_stun_put_flag(&b, WEFT_STUN_ATTR_USE_CANDIDATE);
	(void) weft_stun_put_u64(
		&b, r->controlling ? WEFT_STUN_ATTR_ICE_CONTROLLING : WEFT_STUN_ATTR_ICE_CONTROLLED,
		r->tie_breaker);
	(void) weft_stun_put_u32(&b, WEFT_STUN_ATTR_PRIORITY, r->priority);
	if (r->nomination != 0)
		(void) weft_stun_put_u32(&b, ATTR_NOMINATION, r->nomination);
	(void) weft_stun_put_integrity(&b, key_of(r->remote->pwd));
	(void) weft_stun_put_fingerprint(&b);
	return weft_stun_finish(&b);
}

size_t
message_success(uint8_t buf[MESSAGE_MAX],
		const struct weft_stun_message *request,
		const struct weft_endpoint *mapped,
		const struct ice_credentials *own)
{
	struct weft_stun_builder b =
		weft_stun_begin_answer(buf, MESSAGE_MAX, WEFT_STUN_SUCCESS, request);

	(void) weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, mapped);
	(void) weft_stun_put_integrity(&b, key_of(own->pwd));
	(void) weft_stun_put_fingerprint(&b);
	return weft_stun_finish(&b);
}

size_t
message_error(uint8_t buf[MESSAGE_MAX],
	      const struct weft_stun_message *request,
	      unsigned code,
	      const struct ice_credentials *own)
{
	struct weft_stun_builder b =
		weft_stun_begin_answer(buf, MESSAGE_MAX, WEFT_STUN_ERROR, request);

	(void) weft_stun_put_error(&b, code);
	if (code == WEFT_STUN_ERROR_UNKNOWN_ATTRIBUTE)
		(void) weft_stun_put_unknown(&b, request);
	(void) weft_stun_put_integrity(&b, key_of(own->pwd));
	(void) weft_stun_put_fingerprint(&b);
	return weft_stun_finish(&b);
}

bool
message_signed_by(const struct weft_stun_message *m, const char *pwd)
{
	return weft_stun_check_integrity(m, key_of(pwd));
}

uint32_t
message_nomination(const struct weft_stun_message *m)
{
	struct weft_cursor c = weft_cursor(m->buf + WEFT_STUN_HEADER_LEN,
					   (size_t) m->integrity_at - WEFT_STUN_HEADER_LEN);

	while (weft_cursor_left(&c) >= WEFT_STUN_ATTR_HEADER_LEN) {
		uint16_t type = weft_cursor_u16(&c), len = weft_cursor_u16(&c);

		if (type == ATTR_NOMINATION && len == 4)
			return weft_cursor_u32(&c);
		(void) weft_cursor_skip(&c, (size_t) (len + 3) & ~(size_t) 3);
	}
	return 0;
}

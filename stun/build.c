/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/build.h"

#include <string.h>

#include "base/address.h"
#include "stun/message.h"

static uint16_t
message_type(enum weft_stun_class class, uint16_t method)
{
	return (uint16_t) ((method & 0xf) | (method & 0x70) << 1 | (method & 0xf80) << 2 |
			   ((unsigned) class & 1) << 4 | ((unsigned) class & 2) << 7);
}

struct weft_stun_builder
weft_stun_begin(void *buf,
		size_t size,
		enum weft_stun_class class,
		uint16_t method,
		const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN])
{
	struct weft_stun_builder b = { .out = weft_builder(buf, size) };

	weft_builder_u16(&b.out, message_type(class, method));
	weft_builder_u16(&b.out, 0);
	weft_builder_u32(&b.out, WEFT_STUN_COOKIE);
	weft_builder_bytes(&b.out, transaction, WEFT_STUN_TRANSACTION_LEN);
	return b;
}

struct weft_stun_builder
weft_stun_begin_answer(void *buf,
		       size_t size,
		       enum weft_stun_class class,
		       const struct weft_stun_message *request)
{
	return weft_stun_begin(buf, size, class, request->method, request->transaction);
}

/* Sets the length field as if @more bytes followed what is written. */
static bool
set_length(struct weft_stun_builder *b, size_t more)
{
	size_t len = weft_builder_len(&b->out) + more;

	if (len < WEFT_STUN_HEADER_LEN || len - WEFT_STUN_HEADER_LEN > UINT16_MAX)
		b->out.ok = false;
	return weft_builder_patch_u16(&b->out, 2, (uint16_t) (len - WEFT_STUN_HEADER_LEN));
}

uint8_t *
weft_stun_put_space(struct weft_stun_builder *b, uint16_t type, size_t len)
{
	uint8_t *p;

	if (b->closed || len > UINT16_MAX)
		b->out.ok = false;
	weft_builder_u16(&b->out, type);
	weft_builder_u16(&b->out, (uint16_t) len);
	p = weft_builder_reserve(&b->out, len);
	weft_builder_zeros(&b->out, -len & 3);
	return b->out.ok ? p : NULL;
}

bool
weft_stun_put(struct weft_stun_builder *b, uint16_t type, const void *value, size_t len)
{
	uint8_t *p = weft_stun_put_space(b, type, len);

	if (p != NULL && len > 0)
		memcpy(p, value, len);
	return p != NULL;
}

bool
weft_stun_put_flag(struct weft_stun_builder *b, uint16_t type)
{
	return weft_stun_put_space(b, type, 0) != NULL;
}

bool
weft_stun_put_u32(struct weft_stun_builder *b, uint16_t type, uint32_t v)
{
	const uint8_t value[4] = { (uint8_t) (v >> 24), (uint8_t) (v >> 16), (uint8_t) (v >> 8),
				   (uint8_t) v };

	return weft_stun_put(b, type, value, sizeof(value));
}

bool
weft_stun_put_u64(struct weft_stun_builder *b, uint16_t type, uint64_t v)
{
	uint8_t value[8];

	for (size_t i = sizeof(value); i-- > 0; v >>= 8)
		value[i] = (uint8_t) v;
	return weft_stun_put(b, type, value, sizeof(value));
}

bool
weft_stun_put_octet(struct weft_stun_builder *b, uint16_t type, uint8_t v)
{
	return weft_stun_put_u32(b, type, (uint32_t) v << 24);
}

bool
weft_stun_put_channel(struct weft_stun_builder *b, uint16_t channel)
{
	return weft_stun_put_u32(b, WEFT_STUN_ATTR_CHANNEL_NUMBER, (uint32_t) channel << 16);
}

bool
weft_stun_put_address(struct weft_stun_builder *b, uint16_t type, const struct weft_endpoint *e)
{
	size_t n = weft_address_bits(&e->addr) / 8;
	uint8_t *p;

	if (n == 0)
		b->out.ok = false;
	p = weft_stun_put_space(b, type, 4 + n);
	if (p == NULL)
		return false;
	p[0] = 0;
	p[1] = n == 4 ? WEFT_STUN_IPV4 : WEFT_STUN_IPV6;
	p[2] = (uint8_t) (e->port >> 8);
	p[3] = (uint8_t) e->port;
	memcpy(p + 4, e->addr.b, n);
	return true;
}

bool
weft_stun_put_xor_address(struct weft_stun_builder *b, uint16_t type, const struct weft_endpoint *e)
{
	const uint8_t *head = b->out.start + 4; /* cookie and transaction */
	size_t n = weft_address_bits(&e->addr) / 8;
	uint8_t *p;

	if (!weft_stun_put_address(b, type, e))
		return false;
	p = b->out.pos - n;
	p[-2] ^= head[0];
	p[-1] ^= head[1];
	for (size_t i = 0; i < n; i++)
		p[i] ^= head[i];
	return true;
}

bool
weft_stun_put_error(struct weft_stun_builder *b, unsigned code)
{
	const char *reason = weft_stun_error_reason(code);
	size_t len = strlen(reason);
	uint8_t *p;

	if (code < 300 || code > 699)
		b->out.ok = false;
	p = weft_stun_put_space(b, WEFT_STUN_ATTR_ERROR_CODE, 4 + len);
	if (p == NULL)
		return false;
	p[0] = p[1] = 0;
	p[2] = (uint8_t) (code / 100);
	p[3] = (uint8_t) (code % 100);
	memcpy(p + 4, reason, len);
	return true;
}

bool
weft_stun_put_address_error(struct weft_stun_builder *b,
			    enum weft_stun_family family,
			    unsigned code)
{
	const char *reason = weft_stun_error_reason(code);
	size_t len = strlen(reason);
	uint8_t *p;

	if (code < 300 || code > 699)
		b->out.ok = false;
	p = weft_stun_put_space(b, WEFT_STUN_ATTR_ADDRESS_ERROR_CODE, 4 + len);
	if (p == NULL)
		return false;
	p[0] = (uint8_t) family;
	p[1] = 0;
	p[2] = (uint8_t) (code / 100);
	p[3] = (uint8_t) (code % 100);
	memcpy(p + 4, reason, len);
	return true;
}

bool
weft_stun_put_unknown(struct weft_stun_builder *b, const struct weft_stun_message *request)
{
	uint8_t *p = weft_stun_put_space(b, WEFT_STUN_ATTR_UNKNOWN_ATTRIBUTES,
					 (size_t) request->n_unknown * 2);

	if (p == NULL)
		return false;
	for (unsigned i = 0; i < request->n_unknown; i++) {
		p[2 * i] = (uint8_t) (request->unknown[i] >> 8);
		p[2 * i + 1] = (uint8_t) request->unknown[i];
	}
	return true;
}

bool
weft_stun_put_algorithms(struct weft_stun_builder *b,
			 uint16_t type,
			 const uint16_t *algorithms,
			 size_t n)
{
	uint8_t *p = weft_stun_put_space(b, type, 4 * n);

	if (p == NULL)
		return false;
	for (size_t i = 0; i < n; i++, p += 4) {
		p[0] = (uint8_t) (algorithms[i] >> 8);
		p[1] = (uint8_t) algorithms[i];
		p[2] = p[3] = 0;
	}
	return true;
}

bool
weft_stun_put_icmp(struct weft_stun_builder *b, uint8_t type, uint8_t code, uint32_t data)
{
	return weft_stun_put_u64(b, WEFT_STUN_ATTR_ICMP,
				 (uint64_t) ((type & 0x7fu) << 9 | code) << 32 | data);
}

bool
weft_stun_put_integrity(struct weft_stun_builder *b, struct weft_bytes key)
{
	size_t len = weft_builder_len(&b->out);
	uint8_t mac[WEFT_SHA1_LEN];

	if (!set_length(b, WEFT_STUN_ATTR_HEADER_LEN + sizeof(mac)))
		return false;
	weft_hmac_sha1(mac, key.p, key.len, b->out.start, len);
	return weft_stun_put(b, WEFT_STUN_ATTR_MESSAGE_INTEGRITY, mac, sizeof(mac));
}

bool
weft_stun_put_integrity_sha256(struct weft_stun_builder *b, struct weft_bytes key)
{
	size_t len = weft_builder_len(&b->out);
	uint8_t mac[WEFT_SHA256_LEN];

	if (!set_length(b, WEFT_STUN_ATTR_HEADER_LEN + sizeof(mac)))
		return false;
	weft_hmac_sha256(mac, key.p, key.len, b->out.start, len);
	return weft_stun_put(b, WEFT_STUN_ATTR_MESSAGE_INTEGRITY_SHA256, mac, sizeof(mac));
}

bool
weft_stun_put_fingerprint(struct weft_stun_builder *b)
{
	size_t len = weft_builder_len(&b->out);
	uint32_t crc;

	if (!set_length(b, WEFT_STUN_ATTR_HEADER_LEN + 4))
		return false;
	crc = weft_stun_crc32(b->out.start, len) ^ WEFT_STUN_FINGERPRINT_XOR;
	if (!weft_stun_put_u32(b, WEFT_STUN_ATTR_FINGERPRINT, crc))
		return false;
	b->closed = true;
	return true;
}

size_t
weft_stun_finish(struct weft_stun_builder *b)
{
	return set_length(b, 0) ? weft_builder_len(&b->out) : 0;
}

size_t
weft_stun_room(const struct weft_stun_builder *b)
{
	return b->closed ? 0 : weft_builder_room(&b->out);
}

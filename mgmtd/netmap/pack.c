/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/netmap/pack.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_LEN = 2 };

unsigned
mgmt_pack_varint_size(uint64_t value)
{
	unsigned n = 1;

	for (; value >= 0x80; value >>= 7)
		n++;
	return n;
}

void
mgmt_pack_varint(GByteArray *out, uint64_t value)
{
	uint8_t buf[10];
	guint n = 0;

	for (; value >= 0x80; value >>= 7)
		buf[n++] = (uint8_t) (value | 0x80);
	buf[n++] = (uint8_t) value;
	g_byte_array_append(out, buf, n);
}

static void
pack_tag(GByteArray *out, unsigned field, unsigned wire)
{
	mgmt_pack_varint(out, (uint64_t) field << 3 | wire);
}

void
mgmt_pack_uint(GByteArray *out, unsigned field, uint64_t value)
{
	if (value == 0)
		return;
	pack_tag(out, field, WIRE_VARINT);
	mgmt_pack_varint(out, value);
}

void
mgmt_pack_bytes(GByteArray *out, unsigned field, const void *data, size_t len)
{
	pack_tag(out, field, WIRE_LEN);
	mgmt_pack_varint(out, len);
	g_byte_array_append(out, data, (guint) len);
}

void
mgmt_pack_text(GByteArray *out, unsigned field, const char *text)
{
	size_t len = strlen(text);

	if (len > 0)
		mgmt_pack_bytes(out, field, text, len);
}

void
mgmt_pack_message(GByteArray *out, unsigned field, const GByteArray *message)
{
	mgmt_pack_bytes(out, field, message->data, message->len);
}

void
mgmt_pack_empty(GByteArray *out, unsigned field)
{
	pack_tag(out, field, WIRE_LEN);
	mgmt_pack_varint(out, 0);
}

static uint64_t
mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128) a * b;

	return (uint64_t) product ^ (uint64_t) (product >> 64);
}

uint64_t
mgmt_pack_hash(const void *data, size_t len, uint64_t seed)
{
	const uint8_t *p = data;
	uint64_t h = mix(seed ^ UINT64_C(0x9e3779b97f4a7c15), len ^ UINT64_C(0xe7037ed1a0b428db));

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t w;

		memcpy(&w, p, sizeof w);
		h = mix(h ^ w, seed ^ UINT64_C(0x8ebc6af09c88c6e3));
	}
	if (len > 0) {
		uint64_t w = 0;

		memcpy(&w, p, len);
		h = mix(h ^ w, seed ^ UINT64_C(0x589965cc75374cc3));
	}
	return mix(h, UINT64_C(0x1d8e4e27c47d124f));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cursor.h"

#include <string.h>

struct weft_cursor
weft_cursor(const void *buf, size_t len)
{
	const uint8_t *p = buf;

	return (struct weft_cursor){ .pos = p, .end = p == NULL ? p : p + len, .ok = true };
}

size_t
weft_cursor_left(const struct weft_cursor *c)
{
	return c->ok ? (size_t) (c->end - c->pos) : 0;
}

bool
weft_cursor_at_end(const struct weft_cursor *c)
{
	return c->ok && c->pos == c->end;
}

void
weft_cursor_fail(struct weft_cursor *c)
{
	c->ok = false;
}

const uint8_t *
weft_cursor_bytes(struct weft_cursor *c, size_t len)
{
	const uint8_t *p = c->pos;

	if (!c->ok || weft_cursor_left(c) < len) {
		c->ok = false;
		return NULL;
	}
	if (len > 0)
		c->pos += len;
	return p;
}

bool
weft_cursor_copy(struct weft_cursor *c, void *dst, size_t len)
{
	const uint8_t *p = weft_cursor_bytes(c, len);

	if (len == 0)
		return c->ok;
	if (p == NULL) {
		memset(dst, 0, len);
		return false;
	}
	memcpy(dst, p, len);
	return true;
}

bool
weft_cursor_skip(struct weft_cursor *c, size_t len)
{
	(void) weft_cursor_bytes(c, len); /* the failure sticks in c->ok */
	return c->ok;
}

struct weft_cursor
weft_cursor_sub(struct weft_cursor *c, size_t len)
{
	const uint8_t *p = weft_cursor_bytes(c, len);
	struct weft_cursor sub = weft_cursor(p, c->ok ? len : 0);

	sub.ok = c->ok;
	return sub;
}

/* @n <= 8 bytes, most significant first. */
static uint64_t
read_be(struct weft_cursor *c, size_t n)
{
	const uint8_t *p = weft_cursor_bytes(c, n);
	uint64_t v = 0;

	for (size_t i = 0; p != NULL && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static uint64_t
read_le(struct weft_cursor *c, size_t n)
{
	const uint8_t *p = weft_cursor_bytes(c, n);
	uint64_t v = 0;

	for (size_t i = n; p != NULL && i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

uint8_t
weft_cursor_u8(struct weft_cursor *c)
{
	return (uint8_t) read_be(c, 1);
}

uint16_t
weft_cursor_u16(struct weft_cursor *c)
{
	return (uint16_t) read_be(c, 2);
}

uint32_t
weft_cursor_u32(struct weft_cursor *c)
{
	return (uint32_t) read_be(c, 4);
}

uint64_t
weft_cursor_u64(struct weft_cursor *c)
{
	return read_be(c, 8);
}

uint16_t
weft_cursor_u16_le(struct weft_cursor *c)
{
	return (uint16_t) read_le(c, 2);
}

uint32_t
weft_cursor_u32_le(struct weft_cursor *c)
{
	return (uint32_t) read_le(c, 4);
}

uint64_t
weft_cursor_u64_le(struct weft_cursor *c)
{
	return read_le(c, 8);
}

uint64_t
weft_cursor_varint(struct weft_cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = weft_cursor_u8(c);

		if (!c->ok)
			return 0;
		if (shift == 63 && byte > 1)
			break;
		v |= (uint64_t) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return v;
	}
	c->ok = false;
	return 0;
}

struct weft_builder
weft_builder(void *buf, size_t size)
{
	uint8_t *p = buf;

	return (struct weft_builder){
		.start = p, .pos = p, .end = p == NULL ? p : p + size, .ok = true
	};
}

size_t
weft_builder_len(const struct weft_builder *b)
{
	return (size_t) (b->pos - b->start);
}

size_t
weft_builder_room(const struct weft_builder *b)
{
	return b->ok ? (size_t) (b->end - b->pos) : 0;
}

uint8_t *
weft_builder_reserve(struct weft_builder *b, size_t len)
{
	uint8_t *p = b->pos;

	if (!b->ok || weft_builder_room(b) < len) {
		b->ok = false;
		return NULL;
	}
	if (len > 0)
		b->pos += len;
	return p;
}

bool
weft_builder_bytes(struct weft_builder *b, const void *src, size_t len)
{
	uint8_t *p = weft_builder_reserve(b, len);

	if (p != NULL && len > 0)
		memcpy(p, src, len);
	return b->ok;
}

bool
weft_builder_zeros(struct weft_builder *b, size_t len)
{
	uint8_t *p = weft_builder_reserve(b, len);

	if (p != NULL && len > 0)
		memset(p, 0, len);
	return b->ok;
}

static bool
write_be(struct weft_builder *b, uint64_t v, size_t n)
{
	uint8_t *p = weft_builder_reserve(b, n);

	for (size_t i = n; p != NULL && i-- > 0; v >>= 8)
		p[i] = (uint8_t) v;
	return b->ok;
}

static bool
write_le(struct weft_builder *b, uint64_t v, size_t n)
{
	uint8_t *p = weft_builder_reserve(b, n);

	for (size_t i = 0; p != NULL && i < n; i++, v >>= 8)
		p[i] = (uint8_t) v;
	return b->ok;
}

bool
weft_builder_u8(struct weft_builder *b, uint8_t v)
{
	return write_be(b, v, 1);
}

bool
weft_builder_u16(struct weft_builder *b, uint16_t v)
{
	return write_be(b, v, 2);
}

bool
weft_builder_u32(struct weft_builder *b, uint32_t v)
{
	return write_be(b, v, 4);
}

bool
weft_builder_u64(struct weft_builder *b, uint64_t v)
{
	return write_be(b, v, 8);
}

bool
weft_builder_u16_le(struct weft_builder *b, uint16_t v)
{
	return write_le(b, v, 2);
}

bool
weft_builder_u32_le(struct weft_builder *b, uint32_t v)
{
	return write_le(b, v, 4);
}

bool
weft_builder_u64_le(struct weft_builder *b, uint64_t v)
{
	return write_le(b, v, 8);
}

bool
weft_builder_varint(struct weft_builder *b, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (uint8_t) (v | 0x80);
	bytes[n++] = (uint8_t) v;
	return weft_builder_bytes(b, bytes, n);
}

bool
weft_builder_patch_u16(struct weft_builder *b, size_t offset, uint16_t v)
{
	size_t len = weft_builder_len(b);

	if (len < 2 || offset > len - 2)
		b->ok = false;
	if (!b->ok)
		return false;
	b->start[offset] = (uint8_t) (v >> 8);
	b->start[offset + 1] = (uint8_t) v;
	return true;
}

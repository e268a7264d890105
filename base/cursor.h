/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bounded reading and writing of foreign bytes.
 *
 * A cursor walks over borrowed bytes, a builder fills a caller's buffer. Both fail stickily: the
 * first read or write that does not fit clears `ok`, later reads return zero and later writes do
 * nothing, so that a parser may read everything and check once at its end. Neither allocates.
 * Multi-byte integers are big-endian unless the name ends in _le. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_cursor {
	const uint8_t *pos; /* next byte to read */
	const uint8_t *end; /* one past the last byte */
	bool ok;
};

/* @buf is borrowed and must outlive the cursor; NULL only with @len 0. */
struct weft_cursor weft_cursor(const void *buf, size_t len);

/* Bytes left, 0 once the cursor has failed. */
size_t weft_cursor_left(const struct weft_cursor *c);

/* True if nothing failed and every byte was read. */
bool weft_cursor_at_end(const struct weft_cursor *c);

uint8_t weft_cursor_u8(struct weft_cursor *c);
uint16_t weft_cursor_u16(struct weft_cursor *c);
uint32_t weft_cursor_u32(struct weft_cursor *c);
uint64_t weft_cursor_u64(struct weft_cursor *c);
uint16_t weft_cursor_u16_le(struct weft_cursor *c);
uint32_t weft_cursor_u32_le(struct weft_cursor *c);
uint64_t weft_cursor_u64_le(struct weft_cursor *c);

/* Protobuf varint (at most 10 bytes, at most 64 bits, no bits lost). */
uint64_t weft_cursor_varint(struct weft_cursor *c);

/* The next @len bytes, borrowed from the buffer; NULL (and failed) if fewer are left. */
const uint8_t *weft_cursor_bytes(struct weft_cursor *c, size_t len);

/* Copies the next @len bytes to @dst; @dst is zeroed on failure. */
bool weft_cursor_copy(struct weft_cursor *c, void *dst, size_t len);

bool weft_cursor_skip(struct weft_cursor *c, size_t len);

/* A cursor over the next @len bytes, which @c skips. Failed if @c has fewer. */
struct weft_cursor weft_cursor_sub(struct weft_cursor *c, size_t len);

/* Marks the cursor as failed: for defects that the caller finds. */
void weft_cursor_fail(struct weft_cursor *c);

struct weft_builder {
	uint8_t *start;
	uint8_t *pos; /* next byte to write */
	uint8_t *end; /* one past the last byte of room */
	bool ok;
};

/* @buf is borrowed and must outlive the builder; NULL only with @size 0. */
struct weft_builder weft_builder(void *buf, size_t size);

/* Bytes written so far (valid also after a failure: what fitted). */
size_t weft_builder_len(const struct weft_builder *b);

/* Bytes of room left, 0 once the builder has failed. */
size_t weft_builder_room(const struct weft_builder *b);

bool weft_builder_u8(struct weft_builder *b, uint8_t v);
bool weft_builder_u16(struct weft_builder *b, uint16_t v);
bool weft_builder_u32(struct weft_builder *b, uint32_t v);
bool weft_builder_u64(struct weft_builder *b, uint64_t v);
bool weft_builder_u16_le(struct weft_builder *b, uint16_t v);
bool weft_builder_u32_le(struct weft_builder *b, uint32_t v);
bool weft_builder_u64_le(struct weft_builder *b, uint64_t v);
bool weft_builder_varint(struct weft_builder *b, uint64_t v);
bool weft_builder_bytes(struct weft_builder *b, const void *src, size_t len);
bool weft_builder_zeros(struct weft_builder *b, size_t len);

/* Reserves @len bytes to be filled later; NULL (and failed) if they do not fit. */
uint8_t *weft_builder_reserve(struct weft_builder *b, size_t len);

/* Overwrites two bytes at @offset from the start: for lengths known at the end. */
bool weft_builder_patch_u16(struct weft_builder *b, size_t offset, uint16_t v);

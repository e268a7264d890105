/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The input is a program: each byte names a read from the rest of it, and the same value is then
 * written with a builder, which must give the same bytes back. */
#include "base/cursor.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
check_wide(struct weft_cursor *c, struct weft_builder *b, uint8_t op)
{
	switch (op % 6) {
	case 0:
		weft_builder_u8(b, weft_cursor_u8(c));
		break;
	case 1:
		weft_builder_u16(b, weft_cursor_u16(c));
		break;
	case 2:
		weft_builder_u32(b, weft_cursor_u32(c));
		break;
	case 3:
		weft_builder_u64(b, weft_cursor_u64(c));
		break;
	case 4:
		weft_builder_u32_le(b, weft_cursor_u32_le(c));
		break;
	default:
		weft_builder_u64_le(b, weft_cursor_u64_le(c));
		break;
	}
}

/* A varint may be written shorter than it was read, never longer. */
static void
check_varint(struct weft_cursor *c)
{
	const uint8_t *before = c->pos;
	uint64_t value = weft_cursor_varint(c);
	if (!c->ok)
		return;
	uint8_t out[10];
	struct weft_builder b = weft_builder(out, sizeof out);
	FUZZ_REQUIRE(weft_builder_varint(&b, value));
	FUZZ_REQUIRE(weft_builder_len(&b) <= (size_t) (c->pos - before));
	struct weft_cursor again = weft_cursor(out, weft_builder_len(&b));
	FUZZ_REQUIRE(weft_cursor_varint(&again) == value && weft_cursor_at_end(&again));
}

/* Each byte is a length to write, and a patch at its index. */
static void
check_builder(const uint8_t *data, size_t size)
{
	uint8_t buf[64];
	struct weft_builder b = weft_builder(buf, sizeof buf);
	size_t written = 0;
	for (size_t i = 0; i < size && i < sizeof buf + 8; i++) {
		size_t len = data[i] & 31;
		bool fits = b.ok && written + len <= sizeof buf;
		if (data[i] & 32)
			FUZZ_REQUIRE(weft_builder_zeros(&b, len) == fits);
		else
			FUZZ_REQUIRE((weft_builder_reserve(&b, len) != NULL) == fits);
		written += fits ? len : 0;
		FUZZ_REQUIRE(weft_builder_len(&b) == written);
		if (data[i] & 64)
			FUZZ_REQUIRE(weft_builder_patch_u16(&b, i, 0xbeef) ==
				     (fits && i + 2 <= written));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weft_cursor c = weft_cursor(data, size);
	while (c.ok && weft_cursor_left(&c) > 0) {
		uint8_t op = weft_cursor_u8(&c);
		if (op < 0x80) {
			uint8_t out[8];
			struct weft_builder b = weft_builder(out, sizeof out);
			const uint8_t *before = c.pos;
			check_wide(&c, &b, op);
			if (c.ok)
				FUZZ_REQUIRE(memcmp(before, out, weft_builder_len(&b)) == 0);
		} else if (op < 0xc0) {
			check_varint(&c);
		} else {
			struct weft_cursor sub = weft_cursor_sub(&c, op & 0x3f);
			FUZZ_REQUIRE(!sub.ok || weft_cursor_left(&sub) == (size_t) (op & 0x3f));
			while (sub.ok && weft_cursor_left(&sub) > 0)
				check_varint(&sub);
		}
	}
	check_builder(data, size);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "signald/envelope.h"

#include "base/cursor.h"

enum { FIELD_KEY = 2, FIELD_REMOTE_KEY = 3, FIELD_BODY = 4 };
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LEN = 2, WIRE_32 = 5 };

static bool
take_key(struct weft_key *ret, struct weft_cursor *value)
{
	size_t len = weft_cursor_left(value);

	return weft_key_from_text(ret, (const char *) weft_cursor_bytes(value, len), len);
}

/* One length-delimited field; false if it is one of ours and wrong. */
static bool
take_field(struct sig_envelope *e, uint64_t number, struct weft_cursor value, bool have[2])
{
	switch (number) {
	case FIELD_KEY:
		return have[0] = take_key(&e->sender, &value);
	case FIELD_REMOTE_KEY:
		return have[1] = take_key(&e->recipient, &value);
	case FIELD_BODY:
		e->body_len = weft_cursor_left(&value);
		e->body = weft_cursor_bytes(&value, e->body_len);
		return true;
	default:
		return true;
	}
}

static bool
is_ours(uint64_t number)
{
	return number >= FIELD_KEY && number <= FIELD_BODY;
}

bool
sig_envelope_scan(struct sig_envelope *ret, const uint8_t *buf, size_t len)
{
	struct weft_cursor c = weft_cursor(buf, len);
	struct sig_envelope e = { 0 };
	bool have[2] = { false, false };

	while (weft_cursor_left(&c) > 0) {
		uint64_t tag = weft_cursor_varint(&c);
		unsigned wire = (unsigned) (tag & 7);
		uint64_t size;

		if (!c.ok || tag >> 3 == 0 || (is_ours(tag >> 3) && wire != WIRE_LEN))
			return false;
		switch (wire) {
		case WIRE_VARINT:
			(void) weft_cursor_varint(&c); /* skipped; a defect sticks in c.ok */
			break;
		case WIRE_64:
			weft_cursor_skip(&c, 8);
			break;
		case WIRE_32:
			weft_cursor_skip(&c, 4);
			break;
		case WIRE_LEN:
			size = weft_cursor_varint(&c);
			if (size > weft_cursor_left(&c) ||
			    !take_field(&e, tag >> 3, weft_cursor_sub(&c, (size_t) size), have))
				return false;
			break;
		default:
			return false;
		}
	}
	if (!c.ok || !have[0] || !have[1])
		return false;
	*ret = e;
	return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ws/frame.h"

#include "base/cursor.h"

#include <string.h>

static bool
opcode_known(uint8_t opcode)
{
	return opcode <= WEFT_WS_BINARY || (opcode >= WEFT_WS_CLOSE && opcode <= WEFT_WS_PONG);
}

enum weft_ws_parse
weft_ws_header_parse(struct weft_ws_header *ret, const uint8_t *buf, size_t len)
{
	struct weft_cursor c = weft_cursor(buf, len);
	struct weft_ws_header h = { 0 };
	uint8_t first = weft_cursor_u8(&c), second;

	/* A wrong first byte is told before the second has come. */
	if (c.ok && ((first & 0x70) != 0 || !opcode_known(first & 0xf)))
		return WEFT_WS_PARSE_BAD;
	second = weft_cursor_u8(&c);
	if (!c.ok)
		return WEFT_WS_PARSE_MORE;
	h.fin = (first & 0x80) != 0;
	h.opcode = first & 0xf;
	h.masked = (second & 0x80) != 0;
	h.payload_len = second & 0x7f;
	/* RFC 6455 section 5.5: control frames are short and whole. */
	if (h.opcode >= WEFT_WS_CLOSE && (!h.fin || h.payload_len > WEFT_WS_CONTROL_MAX))
		return WEFT_WS_PARSE_BAD;
	if (h.payload_len == 126) {
		h.payload_len = weft_cursor_u16(&c);
		if (c.ok && h.payload_len < 126)
			return WEFT_WS_PARSE_BAD;
	} else if (h.payload_len == 127) {
		h.payload_len = weft_cursor_u64(&c);
		if (c.ok && (h.payload_len <= UINT16_MAX || h.payload_len >> 63 != 0))
			return WEFT_WS_PARSE_BAD;
	}
	if (h.masked)
		weft_cursor_copy(&c, h.mask, sizeof(h.mask));
	if (!c.ok)
		return WEFT_WS_PARSE_MORE;
	h.header_len = (uint8_t) (c.pos - buf);
	*ret = h;
	return WEFT_WS_PARSE_OK;
}

size_t
weft_ws_header_write(uint8_t out[WEFT_WS_HEADER_MAX],
		     enum weft_ws_opcode opcode,
		     bool fin,
		     const uint8_t mask[4],
		     uint64_t payload_len)
{
	struct weft_builder b = weft_builder(out, WEFT_WS_HEADER_MAX);
	uint8_t masked = mask != NULL ? 0x80 : 0;

	weft_builder_u8(&b, (uint8_t) (opcode | (fin ? 0x80 : 0)));
	if (payload_len < 126) {
		weft_builder_u8(&b, (uint8_t) (masked | payload_len));
	} else if (payload_len <= UINT16_MAX) {
		weft_builder_u8(&b, masked | 126);
		weft_builder_u16(&b, (uint16_t) payload_len);
	} else {
		weft_builder_u8(&b, masked | 127);
		weft_builder_u64(&b, payload_len);
	}
	if (mask != NULL)
		weft_builder_bytes(&b, mask, 4);
	return weft_builder_len(&b);
}

void
weft_ws_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t mask[4], uint64_t offset)
{
	uint8_t turned[8];
	uint64_t word, wide[4];
	size_t i = 0;

	for (size_t k = 0; k < sizeof(turned); k++)
		turned[k] = mask[(offset + k) & 3];
	memcpy(&word, turned, sizeof(word));
	/* Four words at a time: the compiler makes vectors of them. */
	for (; len - i >= sizeof(wide); i += sizeof(wide)) {
		memcpy(wide, src + i, sizeof(wide));
		for (size_t k = 0; k < 4; k++)
			wide[k] ^= word;
		memcpy(dst + i, wide, sizeof(wide));
	}
	for (; len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(wide, src + i, sizeof(word));
		wide[0] ^= word;
		memcpy(dst + i, wide, sizeof(word));
	}
	for (; i < len; i++)
		dst[i] = src[i] ^ turned[i & 7];
}

bool
weft_ws_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

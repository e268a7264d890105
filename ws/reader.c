/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ws/reader.h"

#include "base/utf8.h"

#include <string.h>

void
weft_ws_reader_init(struct weft_ws_reader *r,
		    const struct weft_ws_reader_config *config,
		    uint8_t *buf,
		    size_t size)
{
	*r = (struct weft_ws_reader){ .config = config, .buf = buf, .size = size };
}

/* UTF-8 in which U+0000 is allowed, as WebSocket has it. */
static bool
text_valid(const uint8_t *text, size_t len)
{
	while (len > 0) {
		const uint8_t *nul = memchr(text, 0, len);
		size_t n = nul != NULL ? (size_t) (nul - text) : len;

		if (!weft_utf8_valid(text, n))
			return false;
		if (nul == NULL)
			break;
		text += n + 1;
		len -= n + 1;
	}
	return true;
}

/* Drops the message that was handed out last. */
static void
forget_joined(struct weft_ws_reader *r)
{
	if (r->clear_joined)
		r->joined = 0;
	r->clear_joined = false;
}

/* Puts the unread bytes right behind the joined ones. */
static void
compact(struct weft_ws_reader *r)
{
	if (r->start == r->joined)
		return;
	memmove(r->buf + r->joined, r->buf + r->start, r->end - r->start);
	r->end -= r->start - r->joined;
	r->start = r->joined;
}

uint8_t *
weft_ws_reader_room(struct weft_ws_reader *r, size_t *ret_room)
{
	forget_joined(r);
	if (r->start == r->end)
		r->start = r->end = r->joined;
	else if (r->size - r->end < r->size / 2)
		compact(r);
	*ret_room = r->done ? 0 : r->size - r->end;
	return r->buf + r->end;
}

void
weft_ws_reader_filled(struct weft_ws_reader *r, size_t n)
{
	r->end += n < r->size - r->end ? n : r->size - r->end;
}

static enum weft_ws_event
fail(struct weft_ws_reader *r, struct weft_ws_message *ret, enum weft_ws_code code)
{
	r->done = true;
	*ret = (struct weft_ws_message){ .code = (uint16_t) code };
	return WEFT_WS_EVENT_FAILED;
}

static enum weft_ws_event
control(struct weft_ws_reader *r, struct weft_ws_message *ret, uint8_t opcode)
{
	if (opcode == WEFT_WS_PING)
		return WEFT_WS_EVENT_PING;
	if (opcode == WEFT_WS_PONG)
		return WEFT_WS_EVENT_PONG;
	if (ret->len == 0) {
		ret->code = WEFT_WS_CODE_NO_STATUS;
	} else if (ret->len == 1) {
		return fail(r, ret, WEFT_WS_CODE_PROTOCOL);
	} else {
		ret->code = (uint16_t) (ret->data[0] << 8 | ret->data[1]);
		ret->data += 2;
		ret->len -= 2;
		if (!weft_ws_code_valid(ret->code))
			return fail(r, ret, WEFT_WS_CODE_PROTOCOL);
		if (!text_valid(ret->data, ret->len))
			return fail(r, ret, WEFT_WS_CODE_BAD_DATA);
	}
	r->done = true;
	return WEFT_WS_EVENT_CLOSE;
}

/* What the header alone tells to be wrong; 0 if nothing is. */
static unsigned
defect(const struct weft_ws_reader *r, const struct weft_ws_header *h)
{
	if (h->masked != r->config->server)
		return WEFT_WS_CODE_PROTOCOL;
	if (h->opcode >= WEFT_WS_CLOSE)
		return 0;
	if ((h->opcode == WEFT_WS_CONTINUATION) != (r->opcode != 0))
		return WEFT_WS_CODE_PROTOCOL;
	if (h->opcode == WEFT_WS_TEXT && r->config->refuse_text)
		return WEFT_WS_CODE_UNSUPPORTED;
	if (h->payload_len > r->config->message_max - r->joined)
		return WEFT_WS_CODE_TOO_BIG;
	return 0;
}

static enum weft_ws_event
message(struct weft_ws_reader *r, struct weft_ws_message *ret, uint8_t opcode)
{
	if (opcode != WEFT_WS_TEXT)
		return WEFT_WS_EVENT_BINARY;
	if (!text_valid(ret->data, ret->len))
		return fail(r, ret, WEFT_WS_CODE_BAD_DATA);
	return WEFT_WS_EVENT_TEXT;
}

/* A complete data frame. NONE if more of its message is to come. */
static enum weft_ws_event
data_frame(struct weft_ws_reader *r, struct weft_ws_message *ret, const struct weft_ws_header *h)
{
	uint8_t opcode = h->opcode;

	if (h->fin && r->opcode == 0)
		return message(r, ret, opcode);
	memmove(r->buf + r->joined, ret->data, ret->len);
	r->joined += ret->len;
	if (opcode != WEFT_WS_CONTINUATION)
		r->opcode = opcode;
	if (!h->fin)
		return WEFT_WS_EVENT_NONE;
	opcode = r->opcode;
	r->opcode = 0;
	*ret = (struct weft_ws_message){ .data = r->buf, .len = r->joined, .fragmented = true };
	r->clear_joined = true;
	return message(r, ret, opcode);
}

enum weft_ws_event
weft_ws_reader_take(struct weft_ws_reader *r, struct weft_ws_message *ret)
{
	*ret = (struct weft_ws_message){ 0 };
	forget_joined(r);
	while (!r->done) {
		struct weft_ws_header h;
		enum weft_ws_event event;
		unsigned wrong;

		switch (weft_ws_header_parse(&h, r->buf + r->start, r->end - r->start)) {
		case WEFT_WS_PARSE_OK:
			break;
		case WEFT_WS_PARSE_MORE:
			return WEFT_WS_EVENT_NONE;
		case WEFT_WS_PARSE_BAD:
			return fail(r, ret, WEFT_WS_CODE_PROTOCOL);
		}
		wrong = defect(r, &h);
		if (wrong != 0)
			return fail(r, ret, (enum weft_ws_code) wrong);
		if (h.payload_len > r->end - r->start - h.header_len) {
			/* Make room for all of it where the buffer's end is too near. */
			if (h.header_len + h.payload_len > r->size - r->start)
				compact(r);
			return WEFT_WS_EVENT_NONE;
		}
		ret->data = r->buf + r->start + h.header_len;
		ret->len = (size_t) h.payload_len;
		r->start += h.header_len + ret->len;
		if (h.masked)
			weft_ws_mask(ret->data, ret->data, ret->len, h.mask, 0);
		event = h.opcode >= WEFT_WS_CLOSE ? control(r, ret, h.opcode)
						  : data_frame(r, ret, &h);
		if (event != WEFT_WS_EVENT_NONE)
			return event;
	}
	return WEFT_WS_EVENT_NONE;
}

size_t
weft_ws_reader_held(const struct weft_ws_reader *r)
{
	return (r->clear_joined ? 0 : r->joined) + (r->end - r->start);
}

bool
weft_ws_reader_move(struct weft_ws_reader *r, uint8_t *buf, size_t size)
{
	size_t unread = r->end - r->start;

	forget_joined(r);
	if (r->joined + unread > size)
		return false;
	if (r->joined > 0)
		memcpy(buf, r->buf, r->joined);
	if (unread > 0)
		memcpy(buf + r->joined, r->buf + r->start, unread);
	r->buf = buf;
	r->size = size;
	r->start = r->joined;
	r->end = r->joined + unread;
	return true;
}

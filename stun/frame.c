/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/frame.h"

#include <string.h>

struct weft_stun_frame
weft_stun_frame_next(const uint8_t *buf, size_t len, size_t max)
{
	struct weft_stun_frame f = { .kind = WEFT_STUN_FRAME_MORE, .total = 4 };
	bool channel;
	uint32_t content;

	if (len > 0 && (buf[0] & 0xc0) != 0 && (buf[0] & 0xc0) != 0x40)
		return (struct weft_stun_frame){ .kind = WEFT_STUN_FRAME_BAD };
	if (len < 4)
		return f;
	channel = (buf[0] & 0xc0) != 0;
	content = (uint32_t) (buf[2] << 8 | buf[3]);
	f.len = (channel ? 4 : 20) + content;
	f.total = f.len + (uint32_t) weft_stun_padding(f.len);
	if (f.total > max || (!channel && content % 4 != 0))
		return (struct weft_stun_frame){ .kind = WEFT_STUN_FRAME_BAD };
	/* A wrong cookie is found early: nothing is buffered for what is not STUN. */
	if (!channel && len >= 8 && memcmp(buf + 4, "\x21\x12\xa4\x42", 4) != 0)
		return (struct weft_stun_frame){ .kind = WEFT_STUN_FRAME_BAD };
	if (len >= f.total)
		f.kind = channel ? WEFT_STUN_FRAME_CHANNEL : WEFT_STUN_FRAME_MESSAGE;
	return f;
}

void
weft_stun_stream_init(struct weft_stun_stream *s, uint8_t *buf, size_t size)
{
	*s = (struct weft_stun_stream){ .buf = buf, .size = size };
}

uint8_t *
weft_stun_stream_room(struct weft_stun_stream *s, size_t *ret_room)
{
	if (s->start > 0) {
		memmove(s->buf, s->buf + s->start, s->end - s->start);
		s->end -= s->start;
		s->start = 0;
	}
	*ret_room = s->bad ? 0 : s->size - s->end;
	return s->buf + s->end;
}

void
weft_stun_stream_filled(struct weft_stun_stream *s, size_t n)
{
	s->end += n < s->size - s->end ? n : s->size - s->end;
}

struct weft_stun_frame
weft_stun_stream_take(struct weft_stun_stream *s, const uint8_t **ret_frame)
{
	struct weft_stun_frame f = { .kind = WEFT_STUN_FRAME_BAD };

	if (!s->bad)
		f = weft_stun_frame_next(s->buf + s->start, s->end - s->start, s->size);
	switch (f.kind) {
	case WEFT_STUN_FRAME_MESSAGE:
	case WEFT_STUN_FRAME_CHANNEL:
		*ret_frame = s->buf + s->start;
		s->start += f.total;
		break;
	case WEFT_STUN_FRAME_BAD:
		s->bad = true;
		break;
	case WEFT_STUN_FRAME_MORE:
		break;
	}
	return f;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams of STUN and ChannelData: the first byte is the size of the pieces that arrive; however
 * they are cut, the frames are the same. */
#include "stun/frame.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define BUFFER 600

/* Feeds the stream in pieces; returns a digest of kinds and lengths of the frames. */
static uint64_t
run(const uint8_t *data, size_t size, size_t piece)
{
	uint8_t buf[BUFFER];
	struct weft_stun_stream s;
	uint64_t digest = 0;
	size_t sent = 0;

	weft_stun_stream_init(&s, buf, sizeof(buf));
	for (;;) {
		const uint8_t *frame;
		struct weft_stun_frame f = weft_stun_stream_take(&s, &frame);
		uint16_t channel, payload;
		uint8_t *room;
		size_t n;

		if (f.kind == WEFT_STUN_FRAME_BAD)
			return digest * 31 + 7;
		if (f.kind != WEFT_STUN_FRAME_MORE) {
			if (frame < buf || frame + f.total > buf + sizeof(buf) || f.len > f.total)
				abort();
			if (f.kind == WEFT_STUN_FRAME_CHANNEL &&
			    weft_stun_channel_parse(frame, f.len, &channel, &payload) &&
			    payload + 4u != f.len)
				abort();
			digest = digest * 31 + f.total * 4 + f.kind;
			continue;
		}
		if (sent == size)
			return digest;
		room = weft_stun_stream_room(&s, &n);
		if (n == 0)
			abort();
		n = n < piece ? n : piece;
		n = n < size - sent ? n : size - sent;
		memcpy(room, data + sent, n);
		weft_stun_stream_filled(&s, n);
		sent += n;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t channel, payload;

	if (size == 0)
		return 0;
	if (weft_stun_channel_parse(data, size, &channel, &payload) &&
	    (payload + 4u > size || !weft_stun_is_channel(channel)))
		abort();
	if (run(data + 1, size - 1, data[0] + 1u) != run(data + 1, size - 1, size))
		abort();
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WebSocket frames: the first byte says which side reads and how large the pieces are that arrive;
 * however they are cut, the same messages come out. */
#include "tests/fuzz/fuzz.h"
#include "ws/reader.h"

#include <string.h>

#define MESSAGE_MAX 200

static uint64_t
digest_of(uint64_t digest, enum weft_ws_event event, const struct weft_ws_message *m)
{
	digest = digest * 1000003 + (uint64_t) event * 70000 + m->code;
	for (size_t i = 0; i < m->len; i++)
		digest = digest * 31 + m->data[i];
	return digest;
}

static uint64_t
run(const uint8_t *data, size_t size, bool server, size_t piece)
{
	const struct weft_ws_reader_config config = { .server = server,
						      .message_max = MESSAGE_MAX };
	uint8_t buf[WEFT_WS_READER_SIZE(MESSAGE_MAX)], other[sizeof(buf)];
	struct weft_ws_reader r;
	uint64_t digest = 0;
	size_t sent = 0;

	weft_ws_reader_init(&r, &config, buf, sizeof(buf));
	for (;;) {
		struct weft_ws_message m;
		enum weft_ws_event event = weft_ws_reader_take(&r, &m);
		uint8_t *room;
		size_t n;

		if (event != WEFT_WS_EVENT_NONE) {
			if (m.len > MESSAGE_MAX)
				abort();
			digest = digest_of(digest, event, &m);
			continue;
		}
		if (sent == size || r.done)
			return digest;
		/* Parked between two pieces, as idle connections are. */
		if (!weft_ws_reader_move(&r, r.buf == buf ? other : buf, sizeof(buf)))
			abort();
		room = weft_ws_reader_room(&r, &n);
		if (n == 0)
			abort();
		n = n < piece ? n : piece;
		n = n < size - sent ? n : size - sent;
		memcpy(room, data + sent, n);
		weft_ws_reader_filled(&r, n);
		sent += n;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool server;

	if (size == 0)
		return 0;
	server = (data[0] & 1) != 0;
	if (run(data + 1, size - 1, server, (data[0] >> 1) + 1u) !=
	    run(data + 1, size - 1, server, size))
		abort();
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/frame.h"

#include "stun/build.h"

#include <glib.h>

#include <string.h>

static void
test_channel_data(void)
{
	static const struct {
		const char *name;
		uint8_t bytes[12];
		size_t len;
		bool good;
		uint16_t channel, payload;
	} rows[] = {
		{ "exact", { 0x40, 0, 0, 2, 'a', 'b' }, 6, true, 0x4000, 2 },
		{ "padded", { 0x4f, 0xff, 0, 2, 'a', 'b', 0, 0 }, 8, true, 0x4fff, 2 },
		{ "empty", { 0x40, 1, 0, 0 }, 4, true, 0x4001, 0 },
		{ "short", { 0x40, 0, 0, 3, 'a', 'b' }, 6, false, 0, 0 },
		{ "RFC 5766: 0x5000", { 0x50, 0, 0, 2, 'a', 'b' }, 6, true, 0x5000, 2 },
		{ "RFC 5766: 0x7fff", { 0x7f, 0xff, 0, 0 }, 4, true, 0x7fff, 0 },
		{ "STUN", { 0, 1, 0, 0 }, 4, false, 0, 0 },
		{ "three bytes", { 0x40, 0, 0 }, 3, false, 0, 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		uint16_t channel = 0, payload = 0;

		g_test_message("%s", rows[i].name);
		g_assert_true(weft_stun_channel_parse(rows[i].bytes, rows[i].len, &channel,
						      &payload) == rows[i].good);
		g_assert_cmphex(channel, ==, rows[i].channel);
		g_assert_cmpuint(payload, ==, rows[i].payload);
	}
}

/* A stream of five frames, cut at every place and into pieces of every size. */
static size_t
make_stream(uint8_t *buf, size_t size)
{
	static const uint8_t id[WEFT_STUN_TRANSACTION_LEN] = "abcdefghijkl";
	size_t n = 0;

	for (int i = 0; i < 5; i++) {
		if (i % 2 == 0) {
			struct weft_stun_builder b = weft_stun_begin(
				buf + n, size - n, WEFT_STUN_REQUEST, WEFT_STUN_BINDING, id);

			weft_stun_put(&b, WEFT_STUN_ATTR_SOFTWARE, "abcdefgh", (size_t) i);
			weft_stun_put_fingerprint(&b);
			n += weft_stun_finish(&b);
		} else {
			weft_stun_channel_header(buf + n, (uint16_t) (0x4000 + i), (uint16_t) i);
			memcpy(buf + n + 4, "payload", (size_t) i);
			memset(buf + n + 4 + i, 0, 4);
			n += 4 + (size_t) i + weft_stun_padding((size_t) i);
		}
	}
	return n;
}

static void
test_stream_in_pieces(void)
{
	uint8_t wire[512];
	size_t len = make_stream(wire, sizeof(wire));

	for (size_t piece = 1; piece <= len; piece++) {
		uint8_t buf[128];
		struct weft_stun_stream s;
		size_t sent = 0;
		int frames = 0;

		weft_stun_stream_init(&s, buf, sizeof(buf));
		while (sent < len) {
			const uint8_t *frame;
			size_t room;
			uint8_t *into = weft_stun_stream_room(&s, &room);
			size_t n = MIN(MIN(piece, room), len - sent);

			g_assert_cmpuint(n, >, 0);
			memcpy(into, wire + sent, n);
			sent += n;
			weft_stun_stream_filled(&s, n);
			for (;;) {
				struct weft_stun_frame f = weft_stun_stream_take(&s, &frame);

				if (f.kind == WEFT_STUN_FRAME_MORE)
					break;
				g_assert_cmpint(f.kind, ==,
						frames % 2 == 0 ? WEFT_STUN_FRAME_MESSAGE
								: WEFT_STUN_FRAME_CHANNEL);
				if (frames % 2 == 1) {
					g_assert_cmpuint(f.len, ==, 4 + (size_t) frames);
					g_assert_cmpmem(frame + 4, frames, "payload", frames);
				}
				frames++;
			}
		}
		g_assert_cmpint(frames, ==, 5);
		g_assert_cmpuint(s.start, ==, s.end);
	}
}

static void
test_bad_streams(void)
{
	static const struct {
		const char *name;
		uint8_t bytes[12];
		size_t len;
		enum weft_stun_frame_kind kind;
	} rows[] = {
		{ "nothing", { 0 }, 0, WEFT_STUN_FRAME_MORE },
		{ "HTTP", { 'G', 'E', 'T', ' ' }, 4, WEFT_STUN_FRAME_BAD },
		{ "TLS", { 0x16, 3, 1, 0, 0, 0, 0, 0 }, 8, WEFT_STUN_FRAME_BAD },
		{ "first byte is enough", { 0x80 }, 1, WEFT_STUN_FRAME_BAD },
		{ "RFC 5766 channel", { 0x5f }, 1, WEFT_STUN_FRAME_MORE },
		{ "odd length", { 0, 1, 0, 2 }, 4, WEFT_STUN_FRAME_BAD },
		{ "longer than the buffer", { 0x40, 0, 0xff, 0xff }, 4, WEFT_STUN_FRAME_BAD },
		{ "wrong cookie", { 0, 1, 0, 0, 1, 2, 3, 4 }, 8, WEFT_STUN_FRAME_BAD },
		{ "right so far", { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 }, 8, WEFT_STUN_FRAME_MORE },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct weft_stun_frame f = weft_stun_frame_next(rows[i].bytes, rows[i].len, 2048);

		g_test_message("%s", rows[i].name);
		g_assert_cmpint(f.kind, ==, rows[i].kind);
	}
}

static void
test_a_bad_stream_stays_bad(void)
{
	uint8_t buf[64];
	const uint8_t *frame;
	struct weft_stun_stream s;
	size_t room;

	weft_stun_stream_init(&s, buf, sizeof(buf));
	weft_stun_stream_room(&s, &room)[0] = 0xff;
	weft_stun_stream_filled(&s, 1);
	g_assert_cmpint(weft_stun_stream_take(&s, &frame).kind, ==, WEFT_STUN_FRAME_BAD);
	weft_stun_stream_room(&s, &room);
	g_assert_cmpuint(room, ==, 0);
	g_assert_cmpint(weft_stun_stream_take(&s, &frame).kind, ==, WEFT_STUN_FRAME_BAD);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stun/frame/channel-data", test_channel_data);
	g_test_add_func("/stun/frame/stream-in-pieces", test_stream_in_pieces);
	g_test_add_func("/stun/frame/bad-streams", test_bad_streams);
	g_test_add_func("/stun/frame/a-bad-stream-stays-bad", test_a_bad_stream_stays_bad);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cases in the manner of the Autobahn test suite, each fed whole and byte by byte. */
#include "ws/reader.h"

#include <glib.h>

#include <string.h>

#define MESSAGE_MAX 300

struct frame {
	uint8_t first; /* FIN, reserved bits, opcode */
	const char *payload;
	int len;         /* -1: strlen */
	bool raw_length; /* payload length only announced */
};

struct row {
	const char *name;
	struct frame frames[6];
	const char *events; /* T text, B binary, P ping, O pong, C close, F failed */
	const char *last;   /* payload of the last message, NULL: not looked at */
	unsigned code;
};

#define FIN 0x80

static const struct row rows[] = {
	/* 1: framing */
	{ "1.1.1 empty text", { { FIN | 1, "", -1 } }, "T", "", 0 },
	{ "1.1.2 text of 125", { { FIN | 1, NULL, 125 } }, "T", NULL, 0 },
	{ "1.1.3 text of 126", { { FIN | 1, NULL, 126 } }, "T", NULL, 0 },
	{ "1.1.6 longest", { { FIN | 1, NULL, MESSAGE_MAX } }, "T", NULL, 0 },
	{ "1.2.1 empty binary", { { FIN | 2, "", -1 } }, "B", "", 0 },
	{ "too long", { { FIN | 2, NULL, MESSAGE_MAX + 1 } }, "F", NULL, 1009 },
	{ "two in a row", { { FIN | 2, "a", -1 }, { FIN | 2, "b", -1 } }, "BB", "b", 0 },
	/* 2: pings and pongs */
	{ "2.1 empty ping", { { FIN | 9, "", -1 } }, "P", "", 0 },
	{ "2.4 ping of 125", { { FIN | 9, NULL, 125 } }, "P", NULL, 0 },
	{ "2.5 ping of 126", { { FIN | 9, NULL, 126 } }, "F", NULL, 1002 },
	{ "2.7 unsolicited pong", { { FIN | 10, "x", -1 } }, "O", "x", 0 },
	/* 3: reserved bits */
	{ "3.1 RSV3", { { FIN | 0x11, "x", -1 } }, "F", NULL, 1002 },
	{ "3.2 RSV2 after a message",
	  { { FIN | 1, "x", -1 }, { FIN | 0x21, "x", -1 } },
	  "TF",
	  NULL,
	  1002 },
	{ "3.4 RSV1 on a ping", { { FIN | 0x49, "x", -1 } }, "F", NULL, 1002 },
	/* 4: opcodes */
	{ "4.1.1 opcode 3", { { FIN | 3, "", -1 } }, "F", NULL, 1002 },
	{ "4.2.5 opcode 15", { { FIN | 15, "", -1 } }, "F", NULL, 1002 },
	/* 5: fragments */
	{ "5.1 ping in pieces", { { 9, "x", -1 }, { FIN | 0, "y", -1 } }, "F", NULL, 1002 },
	{ "5.3 text in two", { { 1, "ab", -1 }, { FIN | 0, "cd", -1 } }, "T", "abcd", 0 },
	{ "5.6 ping between",
	  { { 1, "ab", -1 }, { FIN | 9, "p", -1 }, { FIN | 0, "cd", -1 } },
	  "PT",
	  "abcd",
	  0 },
	{ "5.9 continuation of nothing", { { FIN | 0, "x", -1 } }, "F", NULL, 1002 },
	{ "5.15 continuation after the end",
	  { { 1, "a", -1 }, { FIN | 0, "b", -1 }, { 0, "c", -1 } },
	  "TF",
	  NULL,
	  1002 },
	{ "5.18 text within text", { { 1, "a", -1 }, { FIN | 1, "b", -1 } }, "F", NULL, 1002 },
	{ "5.19 five pieces and two pings",
	  { { 2, "a", -1 },
	    { 0, "b", -1 },
	    { FIN | 9, "p", -1 },
	    { 0, "c", -1 },
	    { FIN | 10, "q", -1 },
	    { FIN | 0, "d", -1 } },
	  "POB",
	  "abcd",
	  0 },
	{ "pieces too long together",
	  { { 2, NULL, MESSAGE_MAX }, { FIN | 0, "x", -1 } },
	  "F",
	  NULL,
	  1009 },
	/* 6: UTF-8 */
	{ "6.2 across pieces", { { 1, "\xce", 1 }, { FIN | 0, "\xba", 1 } }, "T", "\xce\xba", 0 },
	{ "6.3 invalid", { { FIN | 1, "\xce\xba\xed\xa0\x80", 5 } }, "F", NULL, 1007 },
	{ "6.10 above U+10FFFF", { { FIN | 1, "\xf4\x90\x80\x80", 4 } }, "F", NULL, 1007 },
	{ "6.x cut", { { FIN | 1, "\xce", 1 } }, "F", NULL, 1007 },
	{ "U+0000 is text", { { FIN | 1, "a\0b", 3 } }, "T", NULL, 0 },
	{ "binary may be anything", { { FIN | 2, "\xff\xfe", 2 } }, "B", "\xff\xfe", 0 },
	/* 7: closing */
	{ "7.1.1 nothing after close",
	  { { FIN | 8, "\x03\xe8", 2 }, { FIN | 1, "x", -1 } },
	  "C",
	  "",
	  1000 },
	{ "7.3.1 empty close", { { FIN | 8, "", -1 } }, "C", "", 1005 },
	{ "7.3.2 close of one byte", { { FIN | 8, "\x03", 1 } }, "F", NULL, 1002 },
	{ "7.3.4 reason",
	  { { FIN | 8,
	      "\x03\xe9"
	      "bye",
	      5 } },
	  "C",
	  "bye",
	  1001 },
	{ "7.5.1 reason not UTF-8", { { FIN | 8, "\x03\xe8\xce", 3 } }, "F", NULL, 1007 },
	{ "7.9.1 code 0", { { FIN | 8, "\0\0", 2 } }, "F", NULL, 1002 },
	{ "7.9.5 code 1005", { { FIN | 8, "\x03\xed", 2 } }, "F", NULL, 1002 },
	{ "7.7.13 code 4999", { { FIN | 8, "\x13\x87", 2 } }, "C", "", 4999 },
};

static size_t
compose(uint8_t *out, const struct row *row, bool masked)
{
	static const uint8_t mask[4] = { 9, 8, 7, 6 };
	size_t n = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(row->frames); i++) {
		const struct frame *f = &row->frames[i];
		size_t len = f->len < 0 ? strlen(f->payload) : (size_t) f->len, head;
		char filler[MESSAGE_MAX + 1];

		if (f->first == 0 && f->payload == NULL)
			break;
		memset(filler, 'x', sizeof(filler));
		head = weft_ws_header_write(out + n, WEFT_WS_BINARY, true, masked ? mask : NULL,
					    len);
		out[n] = f->first;
		n += head;
		memcpy(out + n, f->payload != NULL ? f->payload : filler, len);
		if (masked)
			weft_ws_mask(out + n, out + n, len, mask, 0);
		n += len;
	}
	return n;
}

static void
run(const struct row *row, bool server, size_t piece)
{
	static const char letters[] = { '-', 'T', 'B', 'P', 'O', 'C', 'F' };
	const struct weft_ws_reader_config config = { .server = server,
						      .message_max = MESSAGE_MAX };
	uint8_t wire[4096], buf[WEFT_WS_READER_SIZE(MESSAGE_MAX)];
	size_t len = compose(wire, row, server), sent = 0;
	struct weft_ws_reader r;
	char events[16] = "", last[MESSAGE_MAX + 1];
	size_t n_events = 0, last_len = 0;
	unsigned code = 0;

	weft_ws_reader_init(&r, &config, buf, sizeof(buf));
	while (sent < len && !r.done) {
		struct weft_ws_message m;
		enum weft_ws_event event;
		size_t room;
		uint8_t *into = weft_ws_reader_room(&r, &room);
		size_t n = MIN(MIN(room, piece), len - sent);

		g_assert_cmpuint(n, >, 0);
		memcpy(into, wire + sent, n);
		weft_ws_reader_filled(&r, n);
		sent += n;
		while ((event = weft_ws_reader_take(&r, &m)) != WEFT_WS_EVENT_NONE) {
			g_assert_cmpuint(n_events, <, sizeof(events) - 1);
			events[n_events++] = letters[event];
			code = m.code;
			if (m.len > 0)
				memcpy(last, m.data, m.len);
			last_len = m.len;
		}
	}
	events[n_events] = '\0';
	g_assert_cmpstr(events, ==, row->events);
	g_assert_cmpuint(code, ==, row->code);
	if (row->last != NULL)
		g_assert_cmpmem(last, last_len, row->last, strlen(row->last));
}

static void
test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		for (int server = 0; server < 2; server++) {
			g_test_message("%s", rows[i].name);
			run(&rows[i], server != 0, 4096);
			run(&rows[i], server != 0, 1);
			run(&rows[i], server != 0, 7);
		}
}

static void
test_masking_is_demanded(void)
{
	for (int server = 0; server < 2; server++) {
		const struct weft_ws_reader_config config = { .server = server != 0,
							      .message_max = MESSAGE_MAX };
		uint8_t buf[WEFT_WS_READER_SIZE(MESSAGE_MAX)];
		struct weft_ws_reader r;
		struct weft_ws_message m;
		size_t room;

		weft_ws_reader_init(&r, &config, buf, sizeof(buf));
		/* The wrong way round for either side. */
		weft_ws_reader_filled(
			&r, compose(weft_ws_reader_room(&r, &room), &rows[0], server == 0));
		g_assert_cmpint(weft_ws_reader_take(&r, &m), ==, WEFT_WS_EVENT_FAILED);
		g_assert_cmpuint(m.code, ==, WEFT_WS_CODE_PROTOCOL);
		g_assert_cmpint(weft_ws_reader_take(&r, &m), ==, WEFT_WS_EVENT_NONE);
		weft_ws_reader_room(&r, &room);
		g_assert_cmpuint(room, ==, 0);
	}
}

static void
test_text_can_be_refused(void)
{
	const struct weft_ws_reader_config config = { .refuse_text = true,
						      .message_max = MESSAGE_MAX };
	uint8_t buf[WEFT_WS_READER_SIZE(MESSAGE_MAX)];
	struct weft_ws_reader r;
	struct weft_ws_message m;
	size_t room;

	weft_ws_reader_init(&r, &config, buf, sizeof(buf));
	weft_ws_reader_filled(&r, compose(weft_ws_reader_room(&r, &room), &rows[0], false));
	g_assert_cmpint(weft_ws_reader_take(&r, &m), ==, WEFT_WS_EVENT_FAILED);
	g_assert_cmpuint(m.code, ==, WEFT_WS_CODE_UNSUPPORTED);
}

/* A connection that is idle in the middle of a message leaves the shared buffer. */
static void
test_parking(void)
{
	const struct weft_ws_reader_config config = { .message_max = MESSAGE_MAX };
	uint8_t big[WEFT_WS_READER_SIZE(MESSAGE_MAX)], small[8], wire[64];
	struct weft_ws_reader r;
	struct weft_ws_message m;
	size_t room,
		len = compose(
			wire,
			&(struct row){ "", { { 1, "ab", -1 }, { FIN, "cd", -1 } }, "", NULL, 0 },
			false);

	weft_ws_reader_init(&r, &config, big, sizeof(big));
	memcpy(weft_ws_reader_room(&r, &room), wire, 5);
	weft_ws_reader_filled(&r, 5);
	g_assert_cmpint(weft_ws_reader_take(&r, &m), ==, WEFT_WS_EVENT_NONE);
	g_assert_cmpuint(weft_ws_reader_held(&r), ==, 3);
	g_assert_false(weft_ws_reader_move(&r, small, 2));
	g_assert_true(weft_ws_reader_move(&r, small, sizeof(small)));
	memset(big, 0, sizeof(big));
	g_assert_true(weft_ws_reader_move(&r, big, sizeof(big)));
	memcpy(weft_ws_reader_room(&r, &room), wire + 5, len - 5);
	weft_ws_reader_filled(&r, len - 5);
	g_assert_cmpint(weft_ws_reader_take(&r, &m), ==, WEFT_WS_EVENT_TEXT);
	g_assert_true(m.fragmented);
	g_assert_cmpmem(m.data, m.len, "abcd", 4);
	g_assert_cmpuint(weft_ws_reader_held(&r), ==, 0);
	g_assert_true(weft_ws_reader_move(&r, NULL, 0));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ws/reader/cases", test_cases);
	g_test_add_func("/ws/reader/masking-is-demanded", test_masking_is_demanded);
	g_test_add_func("/ws/reader/text-can-be-refused", test_text_can_be_refused);
	g_test_add_func("/ws/reader/parking", test_parking);
	return g_test_run();
}

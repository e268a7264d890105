/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages out of a stream of WebSocket frames: sans I/O, bounded by the caller's buffer.
 *
 * The caller reads into weft_ws_reader_room(), reports with weft_ws_reader_filled() and takes
 * events until there is none. Payloads are unmasked in place and point into the buffer; they are
 * valid until the next call of room(), filled() excepted. Fragments are joined in place. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ws/frame.h"

struct weft_ws_reader_config {
	bool server;        /* frames must be masked; otherwise they must not be */
	bool refuse_text;   /* a text message is an error (1003) */
	size_t message_max; /* longest message; a longer one is an error (1009) */
};

enum weft_ws_event {
	WEFT_WS_EVENT_NONE,   /* nothing complete */
	WEFT_WS_EVENT_TEXT,   /* a whole message, valid UTF-8 */
	WEFT_WS_EVENT_BINARY, /* a whole message */
	WEFT_WS_EVENT_PING,   /* to be answered with a pong of the same payload */
	WEFT_WS_EVENT_PONG,
	WEFT_WS_EVENT_CLOSE,  /* code (1005 if there is none) and reason; nothing follows */
	WEFT_WS_EVENT_FAILED, /* code says with what to close; nothing follows */
};

struct weft_ws_message {
	uint8_t *data; /* message, control payload, or close reason */
	size_t len;
	uint16_t code;
	bool fragmented; /* came in more than one frame */
};

struct weft_ws_reader {
	const struct weft_ws_reader_config *config; /* borrowed */
	uint8_t *buf;
	size_t size;
	size_t joined;     /* bytes of a fragmented message so far, at the start of buf */
	size_t start, end; /* unread bytes; start >= joined */
	uint8_t opcode;    /* of the fragmented message, 0 if there is none */
	bool clear_joined; /* the joined message was handed out */
	bool done;         /* closed or failed */
};

/* Least size of the buffer: the longest message, a header, and a control frame between two
 * fragments. A larger one lets more be read at once. */
#define WEFT_WS_READER_SIZE(message_max) ((size_t) (message_max) + 2 * WEFT_WS_HEADER_MAX + 125)

void weft_ws_reader_init(struct weft_ws_reader *r,
			 const struct weft_ws_reader_config *config,
			 uint8_t *buf,
			 size_t size);

/* Where to read into and how much. Never 0 unless the reader is done. */
uint8_t *weft_ws_reader_room(struct weft_ws_reader *r, size_t *ret_room);
void weft_ws_reader_filled(struct weft_ws_reader *r, size_t n);

enum weft_ws_event weft_ws_reader_take(struct weft_ws_reader *r, struct weft_ws_message *ret);

/* Bytes that the reader holds: with 0 the buffer may be given to another connection. */
size_t weft_ws_reader_held(const struct weft_ws_reader *r);

/* Moves what is held to another buffer (or, with 0 held, to none: NULL, 0). False, and nothing
 * changed, if it does not fit. A buffer smaller than WEFT_WS_READER_SIZE is only for parking. */
bool weft_ws_reader_move(struct weft_ws_reader *r, uint8_t *buf, size_t size);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One WebSocket connection, client or server, sans I/O: handshake, messages, pings and the closing
 * handshake in one state machine. Bytes go in through room()/filled(), come out through
 * pending()/sent(); both buffers are the caller's and bound everything. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ws/handshake.h"
#include "ws/reader.h"

struct weft_env;

enum weft_ws_state {
	WEFT_WS_CONNECTING, /* handshake under way */
	WEFT_WS_OPEN,
	WEFT_WS_CLOSING, /* our close frame is out, the peer's is awaited */
	WEFT_WS_CLOSED,  /* write what is pending, then close the transport */
	WEFT_WS_STATE_COUNT_
};

const char *weft_ws_state_name(enum weft_ws_state state);

struct weft_ws_session {
	struct weft_ws_reader_config config;
	const struct weft_ws_target *target; /* client; borrowed while connecting */
	const char *path;                    /* server: the only one that is served */
	const struct weft_env *env;          /* masks and key */
	struct weft_ws_reader reader;
	uint8_t *out;
	size_t out_size, out_start, out_end;
	enum weft_ws_state state;
	uint16_t close_code;  /* received, or why we failed; 1006 without either */
	unsigned http_status; /* what the handshake was refused with */
	char key[WEFT_WS_KEY_LEN];
	bool client;
};

/* What a session tells: the reader's events, and these. */
enum weft_ws_session_event {
	WEFT_WS_SESSION_NONE,
	WEFT_WS_SESSION_OPENED,   /* handshake done */
	WEFT_WS_SESSION_TEXT,     /* message */
	WEFT_WS_SESSION_BINARY,   /* message */
	WEFT_WS_SESSION_PONG,     /* answer to our ping */
	WEFT_WS_SESSION_REDIRECT, /* client: data is the location; closed */
	WEFT_WS_SESSION_CLOSED,   /* close_code and, of a refused handshake, http_status say why */
};

/* @in_size at least WEFT_WS_READER_SIZE(message_max) and WEFT_WS_HEAD_MAX; @out_size at least
 * WEFT_WS_HEAD_MAX. The client's request is pending at once. False if a buffer is too small or the
 * request too long. */
bool weft_ws_session_client(struct weft_ws_session *s,
			    const struct weft_env *env,
			    const struct weft_ws_target *target,
			    size_t message_max,
			    uint8_t *in,
			    size_t in_size,
			    uint8_t *out,
			    size_t out_size);
bool weft_ws_session_server(struct weft_ws_session *s,
			    const struct weft_env *env,
			    const char *path,
			    size_t message_max,
			    uint8_t *in,
			    size_t in_size,
			    uint8_t *out,
			    size_t out_size);

uint8_t *weft_ws_session_room(struct weft_ws_session *s, size_t *ret_room);
void weft_ws_session_filled(struct weft_ws_session *s, size_t n);

/* The transport ended: the session is closed, with 1006 unless a close frame had come. */
void weft_ws_session_eof(struct weft_ws_session *s);

enum weft_ws_session_event weft_ws_session_take(struct weft_ws_session *s,
						struct weft_ws_message *ret);

/* Appends one message in one frame, masked on a client. False if the output buffer has no room
 * for it (nothing is written then) or the session is not open. */
bool weft_ws_session_send(struct weft_ws_session *s,
			  enum weft_ws_opcode opcode,
			  const void *data,
			  size_t len);

/* The same out of two parts, so that a header need not be copied before. */
bool weft_ws_session_send2(struct weft_ws_session *s,
			   enum weft_ws_opcode opcode,
			   const void *head,
			   size_t head_len,
			   const void *data,
			   size_t len);

/* Begins the closing handshake. */
void weft_ws_session_close(struct weft_ws_session *s, enum weft_ws_code code);

const uint8_t *weft_ws_session_pending(const struct weft_ws_session *s, size_t *ret_len);
void weft_ws_session_sent(struct weft_ws_session *s, size_t n);

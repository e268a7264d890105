/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WebSocket frames (RFC 6455 section 5): headers and masking, as functions of bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum weft_ws_opcode {
	WEFT_WS_CONTINUATION = 0,
	WEFT_WS_TEXT = 1,
	WEFT_WS_BINARY = 2,
	WEFT_WS_CLOSE = 8,
	WEFT_WS_PING = 9,
	WEFT_WS_PONG = 10,
};

/* Close codes (RFC 6455 section 7.4.1). The last two never stand in a frame. */
enum weft_ws_code {
	WEFT_WS_CODE_NORMAL = 1000,
	WEFT_WS_CODE_GOING_AWAY = 1001,
	WEFT_WS_CODE_PROTOCOL = 1002,
	WEFT_WS_CODE_UNSUPPORTED = 1003,
	WEFT_WS_CODE_NO_STATUS = 1005,
	WEFT_WS_CODE_ABNORMAL = 1006,
	WEFT_WS_CODE_BAD_DATA = 1007,
	WEFT_WS_CODE_POLICY = 1008,
	WEFT_WS_CODE_TOO_BIG = 1009,
	WEFT_WS_CODE_INTERNAL = 1011,
};

#define WEFT_WS_HEADER_MAX  14
#define WEFT_WS_CONTROL_MAX 125 /* payload of a control frame */

struct weft_ws_header {
	uint64_t payload_len;
	uint8_t mask[4];
	uint8_t header_len; /* 2..14 */
	uint8_t opcode;     /* enum weft_ws_opcode */
	bool fin;
	bool masked;
};

enum weft_ws_parse {
	WEFT_WS_PARSE_OK,
	WEFT_WS_PARSE_MORE, /* the header is not complete */
	WEFT_WS_PARSE_BAD,  /* protocol error: reserved bit or opcode, long or cut control frame,
			       length not in its shortest form */
};

/* Reads the header at the start of @buf. */
enum weft_ws_parse weft_ws_header_parse(struct weft_ws_header *ret, const uint8_t *buf, size_t len);

/* Writes a header and returns its length. @mask is NULL on a server. */
size_t weft_ws_header_write(uint8_t out[WEFT_WS_HEADER_MAX],
			    enum weft_ws_opcode opcode,
			    bool fin,
			    const uint8_t mask[4],
			    uint64_t payload_len);

/* XORs @len bytes with @mask, as if the first were byte number @offset of the payload. @dst and
 * @src are equal or do not overlap. */
void weft_ws_mask(
	uint8_t *dst, const uint8_t *src, size_t len, const uint8_t mask[4], uint64_t offset);

/* A code that an endpoint may send or receive in a close frame (section 7.4). */
bool weft_ws_code_valid(unsigned code);

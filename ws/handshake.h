/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The opening handshake (RFC 6455 section 4) over HTTP/1.1: texts in, texts out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT_WS_KEY_LEN    24 /* base64 of 16 octets */
#define WEFT_WS_ACCEPT_LEN 28
#define WEFT_WS_HEAD_MAX   8192 /* longest request or response head */

/* A borrowed text; p is NULL when absent. */
struct weft_ws_text {
	const char *p;
	size_t len;
};

enum weft_ws_handshake {
	WEFT_WS_HANDSHAKE_OK,
	WEFT_WS_HANDSHAKE_MORE,     /* the head is not complete */
	WEFT_WS_HANDSHAKE_REFUSED,  /* status says what to answer (server) or was answered (client)
				     */
	WEFT_WS_HANDSHAKE_REDIRECT, /* client: location holds the URL */
	WEFT_WS_HANDSHAKE_BAD,      /* client: no HTTP, or a wrong answer to our key */
};

struct weft_ws_request {
	size_t head_len; /* bytes up to the end of the empty line; frames may follow at once */
	struct weft_ws_text path;  /* without the query */
	struct weft_ws_text query; /* behind '?', absent without one */
	struct weft_ws_text host;
	struct weft_ws_text origin;
	struct weft_ws_text protocols; /* Sec-WebSocket-Protocol as sent */
	struct weft_ws_text forwarded_for;
	char key[WEFT_WS_KEY_LEN];
	unsigned status; /* on REFUSED: 400, 405, 426, 431, 505 */
};

/* Server: reads a request head. Everything that RFC 6455 section 4.2.1 demands is checked; the
 * path is the caller's to judge. Borrowed from @buf. */
enum weft_ws_handshake weft_ws_request_parse(struct weft_ws_request *ret,
					     const char *buf,
					     size_t len);

/* True if the comma-separated @list has exactly @token (case-sensitive). */
bool weft_ws_list_has(struct weft_ws_text list, const char *token);

/* Server: the 101 answer. @protocol: the one chosen, or NULL. Returns its length, 0 if @size is
 * too small. */
size_t weft_ws_response_write(char *out,
			      size_t size,
			      const char key[WEFT_WS_KEY_LEN],
			      const char *protocol);

/* Server: a refusal with an empty body that closes the connection. */
size_t weft_ws_refusal_write(char *out, size_t size, unsigned status);

/* Client: what to ask. */
struct weft_ws_target {
	const char *host;       /* value of Host: name or address, with the port unless it is the
				   scheme's own; IPv6 in brackets */
	const char *path;       /* with the query, begins with '/' */
	const char *protocol;   /* NULL: none */
	const char *user_agent; /* NULL: none */
	const char *headers;    /* further complete lines "Name: value\r\n", or NULL */
};

/* The key out of 16 random octets. */
void weft_ws_key(char ret[WEFT_WS_KEY_LEN], const uint8_t random[16]);

size_t weft_ws_request_write(char *out,
			     size_t size,
			     const struct weft_ws_target *target,
			     const char key[WEFT_WS_KEY_LEN]);

struct weft_ws_response {
	size_t head_len;
	unsigned status;
	struct weft_ws_text location; /* on REDIRECT */
	struct weft_ws_text protocol;
};

/* Client: reads the answer. Extensions, a protocol that was not asked for and a wrong accept value
 * are BAD (section 4.1). */
enum weft_ws_handshake weft_ws_response_parse(struct weft_ws_response *ret,
					      const char *buf,
					      size_t len,
					      const char key[WEFT_WS_KEY_LEN],
					      const char *protocol);

/* base64(SHA-1(key + GUID)). */
void weft_ws_accept(char ret[WEFT_WS_ACCEPT_LEN], const char key[WEFT_WS_KEY_LEN]);

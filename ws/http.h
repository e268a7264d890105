/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The little of HTTP/1.1 (RFC 9112) that an upgrade needs. Internal to ws/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ws/handshake.h"

enum ws_http_head { WS_HTTP_HEAD_OK, WS_HTTP_HEAD_MORE, WS_HTTP_HEAD_LONG, WS_HTTP_HEAD_BAD };

/* The lines of a head; the first is taken by request_line() or status_line(). */
struct ws_http_lines {
	const char *pos, *end; /* behind the last field, before the empty line */
	size_t head_len;
	bool bad;
};

/* Finds the end of the head. Lines end in CR LF; a bare LF or CR, or NUL, is BAD. */
enum ws_http_head ws_http_head(struct ws_http_lines *ret, const char *buf, size_t len);

struct ws_http_request_line {
	struct weft_ws_text method, target;
	bool http11; /* HTTP/1.1 or a later 1.x */
};

/* False if malformed. */
bool ws_http_request_line(struct ws_http_lines *lines, struct ws_http_request_line *ret);

/* The status of a response, 0 if malformed. */
unsigned ws_http_status_line(struct ws_http_lines *lines);

/* The next field without the blanks around its value; false at the end or if malformed (bad). */
bool ws_http_next_field(struct ws_http_lines *lines,
			struct weft_ws_text *ret_name,
			struct weft_ws_text *ret_value);

/* Equal without and with regard to case. */
bool ws_http_is(struct weft_ws_text text, const char *other);
bool ws_http_is_exact(struct weft_ws_text text, const char *other);

/* True if the comma-separated list has the token. */
bool ws_http_list_has(struct weft_ws_text list, const char *token, bool any_case);

/* No blanks and no control characters. */
bool ws_http_text_safe(const char *s);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ws/handshake.h"

#include "base/base64.h"
#include "ws/http.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>

#define SHA1_LEN 20
#define GUID     "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

void
weft_ws_accept(char ret[WEFT_WS_ACCEPT_LEN], const char key[WEFT_WS_KEY_LEN])
{
	char text[WEFT_WS_KEY_LEN + sizeof(GUID)], encoded[WEFT_BASE64_LEN(SHA1_LEN) + 1];
	uint8_t digest[SHA1_LEN];

	memcpy(text, key, WEFT_WS_KEY_LEN);
	memcpy(text + WEFT_WS_KEY_LEN, GUID, sizeof(GUID));
	/* Without SHA-1 the zeros fit no key, so that every handshake fails. */
	if (EVP_Q_digest(NULL, "SHA1", NULL, text, WEFT_WS_KEY_LEN + sizeof(GUID) - 1, digest,
			 NULL) != 1)
		memset(digest, 0, sizeof(digest));
	(void) weft_base64_encode(encoded, sizeof(encoded), digest, sizeof(digest)); /* fits */
	memcpy(ret, encoded, WEFT_WS_ACCEPT_LEN);
}

void
weft_ws_key(char ret[WEFT_WS_KEY_LEN], const uint8_t random[16])
{
	char encoded[WEFT_BASE64_LEN(16) + 1];

	(void) weft_base64_encode(encoded, sizeof(encoded), random, 16); /* fits */
	memcpy(ret, encoded, WEFT_WS_KEY_LEN);
}

bool
weft_ws_list_has(struct weft_ws_text list, const char *token)
{
	return ws_http_list_has(list, token, false);
}

/* What the fields of one head say, request or response. */
struct fields {
	struct weft_ws_text host, origin, protocols, key, version, upgrade, connection, accept,
		location, extensions, forwarded_for;
	bool doubled; /* a field that must be single is not */
};

static const struct {
	const char *name;
	size_t offset;
} known_fields[] = {
	{ "host", offsetof(struct fields, host) },
	{ "origin", offsetof(struct fields, origin) },
	{ "sec-websocket-protocol", offsetof(struct fields, protocols) },
	{ "sec-websocket-key", offsetof(struct fields, key) },
	{ "sec-websocket-version", offsetof(struct fields, version) },
	{ "upgrade", offsetof(struct fields, upgrade) },
	{ "connection", offsetof(struct fields, connection) },
	{ "sec-websocket-accept", offsetof(struct fields, accept) },
	{ "location", offsetof(struct fields, location) },
	{ "sec-websocket-extensions", offsetof(struct fields, extensions) },
	{ "x-forwarded-for", offsetof(struct fields, forwarded_for) },
};

/* False if a line is no header field. */
static bool
read_fields(struct fields *f, struct ws_http_lines *lines)
{
	struct weft_ws_text name, value;

	while (ws_http_next_field(lines, &name, &value)) {
		for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++) {
			struct weft_ws_text *v =
				(struct weft_ws_text *) (void *) ((char *) f +
								  known_fields[i].offset);

			if (!ws_http_is(name, known_fields[i].name))
				continue;
			/* Lists may be spread over lines, but nobody does that here: only the
			 * extensions, which are declined anyway. */
			f->doubled |= v->p != NULL && v != &f->extensions;
			*v = value;
		}
	}
	return !lines->bad;
}

static bool
parse_target(struct weft_ws_request *ret, struct weft_ws_text target)
{
	const char *question = memchr(target.p, '?', target.len);

	if (target.len == 0 || target.p[0] != '/')
		return false;
	ret->path = target;
	if (question != NULL) {
		ret->path.len = (size_t) (question - target.p);
		ret->query = (struct weft_ws_text){ question + 1, target.len - ret->path.len - 1 };
	}
	return true;
}

/* The status to refuse with, 0 if all is well (RFC 6455 section 4.2.1). */
static unsigned
judge_request(struct weft_ws_request *ret, const struct fields *f)
{
	uint8_t nonce[16];
	size_t n;

	if (f->doubled || f->host.p == NULL || f->host.len == 0)
		return 400;
	if (f->upgrade.p == NULL || !ws_http_list_has(f->upgrade, "websocket", true) ||
	    f->connection.p == NULL || !ws_http_list_has(f->connection, "upgrade", true))
		return 426;
	if (f->version.p == NULL || !ws_http_is(f->version, "13"))
		return 426;
	if (f->key.p == NULL || f->key.len != WEFT_WS_KEY_LEN ||
	    !weft_base64_decode(nonce, sizeof(nonce), &n, f->key.p, f->key.len) || n != 16)
		return 400;
	memcpy(ret->key, f->key.p, WEFT_WS_KEY_LEN);
	return 0;
}

enum weft_ws_handshake
weft_ws_request_parse(struct weft_ws_request *ret, const char *buf, size_t len)
{
	struct weft_ws_request r = { 0 };
	struct ws_http_lines lines;
	struct ws_http_request_line line;
	struct fields f = { 0 };

	switch (ws_http_head(&lines, buf, len)) {
	case WS_HTTP_HEAD_MORE:
		return WEFT_WS_HANDSHAKE_MORE;
	case WS_HTTP_HEAD_LONG:
		*ret = (struct weft_ws_request){ .status = 431 };
		return WEFT_WS_HANDSHAKE_REFUSED;
	case WS_HTTP_HEAD_BAD:
		*ret = (struct weft_ws_request){ .status = 400 };
		return WEFT_WS_HANDSHAKE_REFUSED;
	case WS_HTTP_HEAD_OK:
		break;
	}
	r.head_len = lines.head_len;
	if (!ws_http_request_line(&lines, &line) || !parse_target(&r, line.target) ||
	    !read_fields(&f, &lines))
		r.status = 400;
	else if (!line.http11)
		r.status = 505;
	else if (!ws_http_is_exact(line.method, "GET"))
		r.status = 405;
	else
		r.status = judge_request(&r, &f);
	r.host = f.host;
	r.origin = f.origin;
	r.protocols = f.protocols;
	r.forwarded_for = f.forwarded_for;
	*ret = r;
	return r.status == 0 ? WEFT_WS_HANDSHAKE_OK : WEFT_WS_HANDSHAKE_REFUSED;
}

/* snprintf() whose result is 0 if the text did not fit. */
static size_t
fitted(int n, size_t size)
{
	return n > 0 && (size_t) n < size ? (size_t) n : 0;
}

size_t
weft_ws_response_write(char *out,
		       size_t size,
		       const char key[WEFT_WS_KEY_LEN],
		       const char *protocol)
{
	char accept[WEFT_WS_ACCEPT_LEN];

	weft_ws_accept(accept, key);
	return fitted(snprintf(out, size,
			       "HTTP/1.1 101 Switching Protocols\r\n"
			       "Upgrade: websocket\r\n"
			       "Connection: Upgrade\r\n"
			       "Sec-WebSocket-Accept: %.*s\r\n"
			       "%s%s%s\r\n",
			       WEFT_WS_ACCEPT_LEN, accept,
			       protocol != NULL ? "Sec-WebSocket-Protocol: " : "",
			       protocol != NULL ? protocol : "", protocol != NULL ? "\r\n" : ""),
		      size);
}

static const struct {
	unsigned status;
	const char *reason, *extra;
} refusals[] = {
	{ 400, "Bad Request", "" },
	{ 403, "Forbidden", "" },
	{ 404, "Not Found", "" },
	{ 405, "Method Not Allowed", "Allow: GET\r\n" },
	{ 426, "Upgrade Required",
	  "Upgrade: websocket\r\n"
	  "Sec-WebSocket-Version: 13\r\n" },
	{ 431, "Request Header Fields Too Large", "" },
	{ 503, "Service Unavailable", "" },
	{ 505, "HTTP Version Not Supported", "" },
};

size_t
weft_ws_refusal_write(char *out, size_t size, unsigned status)
{
	const char *reason = "Error", *extra = "";

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (refusals[i].status == status) {
			reason = refusals[i].reason;
			extra = refusals[i].extra;
		}
	return fitted(snprintf(out, size,
			       "HTTP/1.1 %u %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n",
			       status, reason, extra),
		      size);
}

size_t
weft_ws_request_write(char *out,
		      size_t size,
		      const struct weft_ws_target *target,
		      const char key[WEFT_WS_KEY_LEN])
{
	const char *protocol = target->protocol, *agent = target->user_agent;

	/* What would end a line early must not get into one. */
	if (target->path[0] != '/' || !ws_http_text_safe(target->path) ||
	    !ws_http_text_safe(target->host) || (protocol != NULL && !ws_http_text_safe(protocol)))
		return 0;
	return fitted(snprintf(out, size,
			       "GET %s HTTP/1.1\r\n"
			       "Host: %s\r\n"
			       "%s%s%s"
			       "Connection: Upgrade\r\n"
			       "Upgrade: websocket\r\n"
			       "Sec-WebSocket-Version: 13\r\n"
			       "Sec-WebSocket-Key: %.*s\r\n"
			       "%s%s%s%s\r\n",
			       target->path, target->host, agent != NULL ? "User-Agent: " : "",
			       agent != NULL ? agent : "", agent != NULL ? "\r\n" : "",
			       WEFT_WS_KEY_LEN, key,
			       protocol != NULL ? "Sec-WebSocket-Protocol: " : "",
			       protocol != NULL ? protocol : "", protocol != NULL ? "\r\n" : "",
			       target->headers != NULL ? target->headers : ""),
		      size);
}

/* RFC 6455 section 4.1, "server's handshake". */
static enum weft_ws_handshake
judge_response(const struct weft_ws_response *r,
	       const struct fields *f,
	       const char key[WEFT_WS_KEY_LEN],
	       const char *protocol)
{
	char accept[WEFT_WS_ACCEPT_LEN];

	if (r->status != 101) {
		bool redirect = r->status == 301 || r->status == 302 || r->status == 303 ||
				r->status == 307 || r->status == 308;

		return redirect && r->location.p != NULL ? WEFT_WS_HANDSHAKE_REDIRECT
							 : WEFT_WS_HANDSHAKE_REFUSED;
	}
	weft_ws_accept(accept, key);
	if (f->doubled || f->upgrade.p == NULL ||
	    !ws_http_list_has(f->upgrade, "websocket", true) || f->connection.p == NULL ||
	    !ws_http_list_has(f->connection, "upgrade", true) || f->accept.p == NULL ||
	    f->accept.len != WEFT_WS_ACCEPT_LEN ||
	    memcmp(f->accept.p, accept, WEFT_WS_ACCEPT_LEN) != 0 ||
	    (f->extensions.p != NULL && f->extensions.len > 0))
		return WEFT_WS_HANDSHAKE_BAD;
	if (r->protocol.p != NULL && (protocol == NULL || r->protocol.len != strlen(protocol) ||
				      memcmp(r->protocol.p, protocol, r->protocol.len) != 0))
		return WEFT_WS_HANDSHAKE_BAD;
	return WEFT_WS_HANDSHAKE_OK;
}

enum weft_ws_handshake
weft_ws_response_parse(struct weft_ws_response *ret,
		       const char *buf,
		       size_t len,
		       const char key[WEFT_WS_KEY_LEN],
		       const char *protocol)
{
	struct weft_ws_response r = { 0 };
	struct ws_http_lines lines;
	struct fields f = { 0 };

	switch (ws_http_head(&lines, buf, len)) {
	case WS_HTTP_HEAD_MORE:
		return WEFT_WS_HANDSHAKE_MORE;
	case WS_HTTP_HEAD_LONG:
	case WS_HTTP_HEAD_BAD:
		return WEFT_WS_HANDSHAKE_BAD;
	case WS_HTTP_HEAD_OK:
		break;
	}
	r.head_len = lines.head_len;
	r.status = ws_http_status_line(&lines);
	if (r.status == 0 || !read_fields(&f, &lines))
		return WEFT_WS_HANDSHAKE_BAD;
	r.location = f.location;
	r.protocol = f.protocols;
	*ret = r;
	return judge_response(&r, &f, key, protocol);
}

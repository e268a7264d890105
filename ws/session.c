/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ws/session.h"

#include "base/env.h"

#include <string.h>

static const char *const state_names[WEFT_WS_STATE_COUNT_] = {
	[WEFT_WS_CONNECTING] = "connecting",
	[WEFT_WS_OPEN] = "open",
	[WEFT_WS_CLOSING] = "closing",
	[WEFT_WS_CLOSED] = "closed",
};

const char *
weft_ws_state_name(enum weft_ws_state state)
{
	return (unsigned) state < WEFT_WS_STATE_COUNT_ ? state_names[state] : "unknown";
}

static bool
init(struct weft_ws_session *s,
     const struct weft_env *env,
     bool client,
     size_t message_max,
     uint8_t *in,
     size_t in_size,
     uint8_t *out,
     size_t out_size)
{
	if (in_size < WEFT_WS_READER_SIZE(message_max) || in_size < WEFT_WS_HEAD_MAX ||
	    out_size < WEFT_WS_HEAD_MAX)
		return false;
	memset(s, 0, sizeof(*s));
	s->config = (struct weft_ws_reader_config){ .server = !client, .message_max = message_max };
	s->env = env;
	s->client = client;
	s->out = out;
	s->out_size = out_size;
	s->close_code = WEFT_WS_CODE_ABNORMAL;
	weft_ws_reader_init(&s->reader, &s->config, in, in_size);
	return true;
}

bool
weft_ws_session_client(struct weft_ws_session *s,
		       const struct weft_env *env,
		       const struct weft_ws_target *target,
		       size_t message_max,
		       uint8_t *in,
		       size_t in_size,
		       uint8_t *out,
		       size_t out_size)
{
	uint8_t nonce[16];

	if (!init(s, env, true, message_max, in, in_size, out, out_size))
		return false;
	s->target = target;
	weft_env_random(env, nonce, sizeof(nonce));
	weft_ws_key(s->key, nonce);
	s->out_end = weft_ws_request_write((char *) out, out_size, target, s->key);
	return s->out_end > 0;
}

bool
weft_ws_session_server(struct weft_ws_session *s,
		       const struct weft_env *env,
		       const char *path,
		       size_t message_max,
		       uint8_t *in,
		       size_t in_size,
		       uint8_t *out,
		       size_t out_size)
{
	if (!init(s, env, false, message_max, in, in_size, out, out_size))
		return false;
	s->path = path;
	return true;
}

uint8_t *
weft_ws_session_room(struct weft_ws_session *s, size_t *ret_room)
{
	return weft_ws_reader_room(&s->reader, ret_room);
}

void
weft_ws_session_filled(struct weft_ws_session *s, size_t n)
{
	weft_ws_reader_filled(&s->reader, n);
}

/* Room for @len bytes of output, NULL if there is none. */
static uint8_t *
reserve(struct weft_ws_session *s, size_t len)
{
	uint8_t *p;

	if (s->out_size - s->out_end < len && s->out_start > 0) {
		memmove(s->out, s->out + s->out_start, s->out_end - s->out_start);
		s->out_end -= s->out_start;
		s->out_start = 0;
	}
	if (s->out_size - s->out_end < len)
		return NULL;
	p = s->out + s->out_end;
	s->out_end += len;
	return p;
}

static bool
put_frame(struct weft_ws_session *s,
	  enum weft_ws_opcode opcode,
	  const void *head,
	  size_t head_len,
	  const void *data,
	  size_t len)
{
	uint8_t header[WEFT_WS_HEADER_MAX], mask[4];
	size_t header_len;
	uint8_t *p;

	if (s->client)
		weft_env_random(s->env, mask, sizeof(mask));
	header_len =
		weft_ws_header_write(header, opcode, true, s->client ? mask : NULL, head_len + len);
	p = reserve(s, header_len + head_len + len);
	if (p == NULL)
		return false;
	memcpy(p, header, header_len);
	p += header_len;
	if (s->client) {
		weft_ws_mask(p, head, head_len, mask, 0);
		weft_ws_mask(p + head_len, data, len, mask, head_len);
		return true;
	}
	if (head_len > 0)
		memcpy(p, head, head_len);
	if (len > 0)
		memcpy(p + head_len, data, len);
	return true;
}

bool
weft_ws_session_send2(struct weft_ws_session *s,
		      enum weft_ws_opcode opcode,
		      const void *head,
		      size_t head_len,
		      const void *data,
		      size_t len)
{
	return s->state == WEFT_WS_OPEN && put_frame(s, opcode, head, head_len, data, len);
}

bool
weft_ws_session_send(struct weft_ws_session *s,
		     enum weft_ws_opcode opcode,
		     const void *data,
		     size_t len)
{
	return weft_ws_session_send2(s, opcode, NULL, 0, data, len);
}

/* Without room the peer finds the transport closed instead. */
static void
put_close(struct weft_ws_session *s, unsigned code)
{
	const uint8_t body[2] = { (uint8_t) (code >> 8), (uint8_t) code };
	bool with_code = weft_ws_code_valid(code);

	(void) put_frame(s, WEFT_WS_CLOSE, NULL, 0, body, with_code ? 2 : 0);
}

void
weft_ws_session_close(struct weft_ws_session *s, enum weft_ws_code code)
{
	switch (s->state) {
	case WEFT_WS_CONNECTING:
		s->state = WEFT_WS_CLOSED;
		break;
	case WEFT_WS_OPEN:
		put_close(s, code);
		s->state = WEFT_WS_CLOSING;
		break;
	case WEFT_WS_CLOSING:
	case WEFT_WS_CLOSED:
	case WEFT_WS_STATE_COUNT_:
		break;
	}
}

static enum weft_ws_session_event
closed(struct weft_ws_session *s)
{
	s->state = WEFT_WS_CLOSED;
	s->reader.done = true;
	return WEFT_WS_SESSION_CLOSED;
}

void
weft_ws_session_eof(struct weft_ws_session *s)
{
	s->state = WEFT_WS_CLOSED;
	s->reader.done = true;
}

static enum weft_ws_session_event
refuse(struct weft_ws_session *s, unsigned status)
{
	uint8_t *p;
	size_t len;

	s->http_status = status;
	s->out_start = s->out_end = 0;
	p = s->out;
	len = weft_ws_refusal_write((char *) p, s->out_size, status);
	s->out_end = len;
	return closed(s);
}

static enum weft_ws_session_event
take_request(struct weft_ws_session *s)
{
	struct weft_ws_reader *r = &s->reader;
	struct weft_ws_request request;
	size_t len;

	switch (weft_ws_request_parse(&request, (const char *) r->buf + r->start,
				      r->end - r->start)) {
	case WEFT_WS_HANDSHAKE_MORE:
		return WEFT_WS_SESSION_NONE;
	case WEFT_WS_HANDSHAKE_OK:
		break;
	case WEFT_WS_HANDSHAKE_REFUSED:
	case WEFT_WS_HANDSHAKE_REDIRECT:
	case WEFT_WS_HANDSHAKE_BAD:
		return refuse(s, request.status);
	}
	if (request.path.len != strlen(s->path) ||
	    memcmp(request.path.p, s->path, request.path.len) != 0)
		return refuse(s, 404);
	len = weft_ws_response_write((char *) s->out + s->out_end, s->out_size - s->out_end,
				     request.key, NULL);
	if (len == 0)
		return refuse(s, 503);
	s->out_end += len;
	r->start += request.head_len;
	s->state = WEFT_WS_OPEN;
	return WEFT_WS_SESSION_OPENED;
}

static enum weft_ws_session_event
take_response(struct weft_ws_session *s, struct weft_ws_message *ret)
{
	struct weft_ws_reader *r = &s->reader;
	struct weft_ws_response response = { 0 };
	enum weft_ws_handshake result =
		weft_ws_response_parse(&response, (const char *) r->buf + r->start,
				       r->end - r->start, s->key, s->target->protocol);

	if (result == WEFT_WS_HANDSHAKE_MORE)
		return WEFT_WS_SESSION_NONE;
	s->http_status = response.status;
	if (result == WEFT_WS_HANDSHAKE_OK) {
		r->start += response.head_len;
		s->target = NULL;
		s->state = WEFT_WS_OPEN;
		return WEFT_WS_SESSION_OPENED;
	}
	(void) closed(s); /* the event says why */
	if (result != WEFT_WS_HANDSHAKE_REDIRECT)
		return WEFT_WS_SESSION_CLOSED;
	ret->data = r->buf + (response.location.p - (const char *) r->buf);
	ret->len = response.location.len;
	return WEFT_WS_SESSION_REDIRECT;
}

/* One event of the reader while open or closing. NONE: look again. */
static enum weft_ws_session_event
take_event(struct weft_ws_session *s, struct weft_ws_message *ret, enum weft_ws_event event)
{
	bool open = s->state == WEFT_WS_OPEN;

	switch (event) {
	case WEFT_WS_EVENT_TEXT:
		return open ? WEFT_WS_SESSION_TEXT : WEFT_WS_SESSION_NONE;
	case WEFT_WS_EVENT_BINARY:
		return open ? WEFT_WS_SESSION_BINARY : WEFT_WS_SESSION_NONE;
	case WEFT_WS_EVENT_PONG:
		return open ? WEFT_WS_SESSION_PONG : WEFT_WS_SESSION_NONE;
	case WEFT_WS_EVENT_PING:
		/* Without room the pong is left out: a later one answers this one too
		 * (RFC 6455 section 5.5.3). */
		if (open)
			(void) put_frame(s, WEFT_WS_PONG, NULL, 0, ret->data, ret->len);
		return WEFT_WS_SESSION_NONE;
	case WEFT_WS_EVENT_CLOSE:
		s->close_code = ret->code;
		if (open)
			put_close(s, ret->code);
		return closed(s);
	case WEFT_WS_EVENT_FAILED:
		s->close_code = ret->code;
		if (open)
			put_close(s, ret->code);
		return closed(s);
	case WEFT_WS_EVENT_NONE:
		break;
	}
	return WEFT_WS_SESSION_NONE;
}

enum weft_ws_session_event
weft_ws_session_take(struct weft_ws_session *s, struct weft_ws_message *ret)
{
	*ret = (struct weft_ws_message){ 0 };
	if (s->state == WEFT_WS_CONNECTING)
		return s->client ? take_response(s, ret) : take_request(s);
	while (s->state == WEFT_WS_OPEN || s->state == WEFT_WS_CLOSING) {
		enum weft_ws_event event = weft_ws_reader_take(&s->reader, ret);
		enum weft_ws_session_event told;

		if (event == WEFT_WS_EVENT_NONE)
			break;
		told = take_event(s, ret, event);
		if (told != WEFT_WS_SESSION_NONE)
			return told;
	}
	return WEFT_WS_SESSION_NONE;
}

const uint8_t *
weft_ws_session_pending(const struct weft_ws_session *s, size_t *ret_len)
{
	*ret_len = s->out_end - s->out_start;
	return s->out + s->out_start;
}

void
weft_ws_session_sent(struct weft_ws_session *s, size_t n)
{
	s->out_start += n;
	if (s->out_start >= s->out_end)
		s->out_start = s->out_end = 0;
}

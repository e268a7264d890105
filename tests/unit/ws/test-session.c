/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client and a server session, joined by nothing but their buffers. */
#include "ws/session.h"

#include "base/env.h"

#include <glib.h>

#include <string.h>

#define MESSAGE_MAX 9000

struct end {
	struct weft_ws_session s;
	uint8_t in[16384], out[16384];
};

struct pair {
	struct weft_env_fake env;
	struct end client, server;
};

static const struct weft_ws_target target = { .host = "relay.example", .path = "/relay" };

static void
setup(struct pair *p)
{
	weft_env_fake_init(&p->env, 1);
	g_assert_true(weft_ws_session_client(&p->client.s, &p->env.env, &target, MESSAGE_MAX,
					     p->client.in, sizeof(p->client.in), p->client.out,
					     sizeof(p->client.out)));
	g_assert_true(weft_ws_session_server(&p->server.s, &p->env.env, "/relay", MESSAGE_MAX,
					     p->server.in, sizeof(p->server.in), p->server.out,
					     sizeof(p->server.out)));
}

/* Moves what one side has to say to the other. */
static void
carry(struct end *from, struct end *to)
{
	for (;;) {
		size_t len, room;
		const uint8_t *p = weft_ws_session_pending(&from->s, &len);
		uint8_t *into = weft_ws_session_room(&to->s, &room);

		len = MIN(len, room);
		if (len == 0)
			break;
		memcpy(into, p, len);
		weft_ws_session_filled(&to->s, len);
		weft_ws_session_sent(&from->s, len);
	}
}

static void
open_pair(struct pair *p)
{
	struct weft_ws_message m;

	setup(p);
	carry(&p->client, &p->server);
	g_assert_cmpint(weft_ws_session_take(&p->server.s, &m), ==, WEFT_WS_SESSION_OPENED);
	carry(&p->server, &p->client);
	g_assert_cmpint(weft_ws_session_take(&p->client.s, &m), ==, WEFT_WS_SESSION_OPENED);
}

static void
test_messages(void)
{
	g_autofree struct pair *p = g_new0(struct pair, 1);
	g_autofree uint8_t *big = g_malloc(MESSAGE_MAX);
	struct weft_ws_message m;

	open_pair(p);
	memset(big, 'b', MESSAGE_MAX);
	g_assert_true(weft_ws_session_send(&p->client.s, WEFT_WS_TEXT, "hello", 5));
	g_assert_true(weft_ws_session_send2(&p->client.s, WEFT_WS_BINARY, "abc", 3, big,
					    MESSAGE_MAX - 3));
	carry(&p->client, &p->server);
	g_assert_cmpint(weft_ws_session_take(&p->server.s, &m), ==, WEFT_WS_SESSION_TEXT);
	g_assert_cmpmem(m.data, m.len, "hello", 5);
	g_assert_cmpint(weft_ws_session_take(&p->server.s, &m), ==, WEFT_WS_SESSION_BINARY);
	g_assert_cmpuint(m.len, ==, MESSAGE_MAX);
	g_assert_cmpmem(m.data, 3, "abc", 3);
	g_assert_cmpmem(m.data + 3, m.len - 3, big, MESSAGE_MAX - 3);
	g_assert_cmpint(weft_ws_session_take(&p->server.s, &m), ==, WEFT_WS_SESSION_NONE);

	g_assert_true(weft_ws_session_send(&p->server.s, WEFT_WS_PING, "p", 1));
	carry(&p->server, &p->client);
	g_assert_cmpint(weft_ws_session_take(&p->client.s, &m), ==, WEFT_WS_SESSION_NONE);
	carry(&p->client, &p->server);
	g_assert_cmpint(weft_ws_session_take(&p->server.s, &m), ==, WEFT_WS_SESSION_PONG);
	g_assert_cmpmem(m.data, m.len, "p", 1);
}

static void
test_output_is_bounded(void)
{
	g_autofree struct pair *p = g_new0(struct pair, 1);
	uint8_t chunk[1000] = { 0 };
	int sent = 0;
	size_t len;

	open_pair(p);
	while (weft_ws_session_send(&p->server.s, WEFT_WS_BINARY, chunk, sizeof(chunk)))
		sent++;
	g_assert_cmpint(sent, ==, sizeof(p->server.out) / 1004);
	weft_ws_session_pending(&p->server.s, &len);
	weft_ws_session_sent(&p->server.s, 1004);
	g_assert_true(weft_ws_session_send(&p->server.s, WEFT_WS_BINARY, chunk, sizeof(chunk)));
	g_assert_false(weft_ws_session_send(&p->server.s, WEFT_WS_BINARY, chunk, sizeof(chunk)));
}

static void
test_closing(void)
{
	g_autofree struct pair *p = g_new0(struct pair, 1);
	struct weft_ws_message m;

	open_pair(p);
	weft_ws_session_close(&p->client.s, WEFT_WS_CODE_GOING_AWAY);
	g_assert_cmpint(p->client.s.state, ==, WEFT_WS_CLOSING);
	g_assert_false(weft_ws_session_send(&p->client.s, WEFT_WS_TEXT, "late", 4));
	carry(&p->client, &p->server);
	g_assert_cmpint(weft_ws_session_take(&p->server.s, &m), ==, WEFT_WS_SESSION_CLOSED);
	g_assert_cmpuint(p->server.s.close_code, ==, 1001);
	carry(&p->server, &p->client);
	g_assert_cmpint(weft_ws_session_take(&p->client.s, &m), ==, WEFT_WS_SESSION_CLOSED);
	g_assert_cmpuint(p->client.s.close_code, ==, 1001);
	g_assert_cmpint(p->client.s.state, ==, WEFT_WS_CLOSED);
}

static void
test_protocol_error_is_answered_with_close(void)
{
	g_autofree struct pair *p = g_new0(struct pair, 1);
	struct weft_ws_message m;
	size_t room, len;
	const uint8_t *out;

	open_pair(p);
	memcpy(weft_ws_session_room(&p->server.s, &room), "\x82\x00", 2); /* not masked */
	weft_ws_session_filled(&p->server.s, 2);
	g_assert_cmpint(weft_ws_session_take(&p->server.s, &m), ==, WEFT_WS_SESSION_CLOSED);
	out = weft_ws_session_pending(&p->server.s, &len);
	g_assert_cmpmem(out, len, "\x88\x02\x03\xea", 4);
}

static void
test_other_path_is_not_found(void)
{
	g_autofree struct pair *p = g_new0(struct pair, 1);
	struct weft_ws_message m;

	setup(p);
	p->server.s.path = "/other";
	carry(&p->client, &p->server);
	g_assert_cmpint(weft_ws_session_take(&p->server.s, &m), ==, WEFT_WS_SESSION_CLOSED);
	g_assert_cmpuint(p->server.s.http_status, ==, 404);
	carry(&p->server, &p->client);
	g_assert_cmpint(weft_ws_session_take(&p->client.s, &m), ==, WEFT_WS_SESSION_CLOSED);
	g_assert_cmpuint(p->client.s.http_status, ==, 404);
}

static void
test_redirect_is_told(void)
{
	static const char text[] = "HTTP/1.1 307 x\r\nLocation: rel://other\r\n\r\n";
	g_autofree struct pair *p = g_new0(struct pair, 1);
	struct weft_ws_message m;
	size_t room;

	setup(p);
	memcpy(weft_ws_session_room(&p->client.s, &room), text, strlen(text));
	weft_ws_session_filled(&p->client.s, strlen(text));
	g_assert_cmpint(weft_ws_session_take(&p->client.s, &m), ==, WEFT_WS_SESSION_REDIRECT);
	g_assert_cmpmem(m.data, m.len, "rel://other", 11);
	g_assert_cmpint(p->client.s.state, ==, WEFT_WS_CLOSED);
}

static void
test_eof(void)
{
	g_autofree struct pair *p = g_new0(struct pair, 1);

	open_pair(p);
	weft_ws_session_eof(&p->client.s);
	g_assert_cmpint(p->client.s.state, ==, WEFT_WS_CLOSED);
	g_assert_cmpuint(p->client.s.close_code, ==, WEFT_WS_CODE_ABNORMAL);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ws/session/messages", test_messages);
	g_test_add_func("/ws/session/output-is-bounded", test_output_is_bounded);
	g_test_add_func("/ws/session/closing", test_closing);
	g_test_add_func("/ws/session/protocol-error-is-answered-with-close",
			test_protocol_error_is_answered_with_close);
	g_test_add_func("/ws/session/other-path-is-not-found", test_other_path_is_not_found);
	g_test_add_func("/ws/session/redirect-is-told", test_redirect_is_told);
	g_test_add_func("/ws/session/eof", test_eof);
	return g_test_run();
}

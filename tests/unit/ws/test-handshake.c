/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ws/handshake.h"

#include <glib.h>

#include <string.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

#define REST                                                                                       \
	"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"               \
	"Sec-WebSocket-Key: " KEY "\r\n\r\n"

static const struct {
	const char *name, *text;
	enum weft_ws_handshake result;
	unsigned status;
} requests[] = {
	{ "plain", "GET /relay HTTP/1.1\r\nHost: h\r\n" REST, WEFT_WS_HANDSHAKE_OK, 0 },
	{ "query", "GET /relay?a=b HTTP/1.1\r\nHost: h\r\n" REST, WEFT_WS_HANDSHAKE_OK, 0 },
	{ "official client",
	  "GET /relay HTTP/1.1\r\nHost: 203.0.113.10:80\r\nUser-Agent: Go-http-client/1.1\r\n"
	  "Connection: Upgrade\r\nSec-Websocket-Key: b87Q/7A61+0LStdgLfHrRw==\r\n"
	  "Sec-Websocket-Version: 13\r\nUpgrade: websocket\r\nAccept-Encoding: gzip\r\n\r\n",
	  WEFT_WS_HANDSHAKE_OK, 0 },
	{ "lists and case",
	  "GET /relay HTTP/1.1\r\nhost: h\r\nUPGRADE: h2c, WebSocket\r\n"
	  "connection: keep-alive , upgrade\r\nSec-WebSocket-Version:13\r\n"
	  "Sec-WebSocket-Key: " KEY "  \r\n\r\n",
	  WEFT_WS_HANDSHAKE_OK, 0 },
	{ "cut", "GET /relay HTTP/1.1\r\nHost: h\r\n", WEFT_WS_HANDSHAKE_MORE, 0 },
	{ "no host", "GET /relay HTTP/1.1\r\n" REST, WEFT_WS_HANDSHAKE_REFUSED, 400 },
	{ "two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n" REST, WEFT_WS_HANDSHAKE_REFUSED,
	  400 },
	{ "POST", "POST / HTTP/1.1\r\nHost: h\r\n" REST, WEFT_WS_HANDSHAKE_REFUSED, 405 },
	{ "HTTP/1.0", "GET / HTTP/1.0\r\nHost: h\r\n" REST, WEFT_WS_HANDSHAKE_REFUSED, 505 },
	{ "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", WEFT_WS_HANDSHAKE_REFUSED, 400 },
	{ "no upgrade", "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\r\n",
	  WEFT_WS_HANDSHAKE_REFUSED, 426 },
	{ "version 8",
	  "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	  "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " KEY "\r\n\r\n",
	  WEFT_WS_HANDSHAKE_REFUSED, 426 },
	{ "key of 15 octets",
	  "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n",
	  WEFT_WS_HANDSHAKE_REFUSED, 400 },
	{ "bare LF", "GET / HTTP/1.1\nHost: h\n\n", WEFT_WS_HANDSHAKE_REFUSED, 400 },
	{ "folded", "GET / HTTP/1.1\r\nHost: h\r\n more\r\n" REST, WEFT_WS_HANDSHAKE_REFUSED, 400 },
	{ "blank before colon", "GET / HTTP/1.1\r\nHost : h\r\n" REST, WEFT_WS_HANDSHAKE_REFUSED,
	  400 },
	{ "empty", "\r\n", WEFT_WS_HANDSHAKE_REFUSED, 400 },
	{ "absolute target", "GET http://h/ HTTP/1.1\r\nHost: h\r\n" REST,
	  WEFT_WS_HANDSHAKE_REFUSED, 400 },
	{ "rubbish", "\x16\x03\x01\r\n\r\n", WEFT_WS_HANDSHAKE_REFUSED, 400 },
};

static void
test_requests(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
		size_t len = strlen(requests[i].text);
		g_autofree char *copy = g_memdup2(requests[i].text, len);
		struct weft_ws_request r = { 0 };

		g_test_message("%s", requests[i].name);
		g_assert_cmpint(weft_ws_request_parse(&r, copy, len), ==, requests[i].result);
		g_assert_cmpuint(r.status, ==, requests[i].status);
		if (requests[i].result == WEFT_WS_HANDSHAKE_OK)
			g_assert_cmpuint(r.head_len, ==, len);
	}
}

static void
test_fields(void)
{
	static const char text[] = "GET /relay?x=1 HTTP/1.1\r\nHost: h:80\r\nOrigin: http://o\r\n"
				   "Sec-WebSocket-Protocol: one, two\r\n" REST "frame";
	struct weft_ws_request r;

	g_assert_cmpint(weft_ws_request_parse(&r, text, strlen(text)), ==, WEFT_WS_HANDSHAKE_OK);
	g_assert_cmpuint(r.head_len, ==, strlen(text) - 5);
	g_assert_cmpmem(r.path.p, r.path.len, "/relay", 6);
	g_assert_cmpmem(r.query.p, r.query.len, "x=1", 3);
	g_assert_cmpmem(r.host.p, r.host.len, "h:80", 4);
	g_assert_cmpmem(r.origin.p, r.origin.len, "http://o", 8);
	g_assert_cmpmem(r.key, 24, KEY, 24);
	g_assert_true(weft_ws_list_has(r.protocols, "two"));
	g_assert_false(weft_ws_list_has(r.protocols, "tw"));
	g_assert_false(weft_ws_list_has(r.protocols, "TWO"));
}

static void
test_head_is_bounded(void)
{
	g_autoptr(GString) s = g_string_new("GET / HTTP/1.1\r\nHost: h\r\n");
	struct weft_ws_request r;

	while (s->len < WEFT_WS_HEAD_MAX)
		g_string_append(s, "X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n");
	g_assert_cmpint(weft_ws_request_parse(&r, s->str, s->len), ==, WEFT_WS_HANDSHAKE_REFUSED);
	g_assert_cmpuint(r.status, ==, 431);
}

/* RFC 6455 section 1.3. */
static void
test_accept(void)
{
	char accept[WEFT_WS_ACCEPT_LEN], key[WEFT_WS_KEY_LEN];

	weft_ws_accept(accept, KEY);
	g_assert_cmpmem(accept, 28, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28);
	weft_ws_key(key, (const uint8_t *) "the sample nonce");
	g_assert_cmpmem(key, 24, KEY, 24);
	/* relay.json, an official server's answer. */
	weft_ws_accept(accept, "b87Q/7A61+0LStdgLfHrRw==");
	g_assert_cmpmem(accept, 28, "VAYAcILSfRT4AuTAOYn/cedohak=", 28);
}

static void
test_our_request_is_accepted(void)
{
	const struct weft_ws_target target = { .host = "[::1]:33080",
					       .path = "/relay",
					       .protocol = "p",
					       .user_agent = "weft",
					       .headers = "X-A: b\r\n" };
	const struct weft_ws_target evil = { .host = "h\r\nX: y", .path = "/" };
	char out[1024];
	struct weft_ws_request r;
	size_t len = weft_ws_request_write(out, sizeof(out), &target, KEY);

	g_assert_cmpuint(len, >, 0);
	g_assert_cmpint(weft_ws_request_parse(&r, out, len), ==, WEFT_WS_HANDSHAKE_OK);
	g_assert_cmpmem(r.host.p, r.host.len, "[::1]:33080", 11);
	g_assert_true(weft_ws_list_has(r.protocols, "p"));
	g_assert_cmpuint(weft_ws_request_write(out, 64, &target, KEY), ==, 0);
	g_assert_cmpuint(weft_ws_request_write(out, sizeof(out), &evil, KEY), ==, 0);
}

#define ANSWER "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static const struct {
	const char *name, *text, *protocol;
	enum weft_ws_handshake result;
} responses[] = {
	{ "good", ANSWER ACCEPT "\r\n", NULL, WEFT_WS_HANDSHAKE_OK },
	{ "good, protocol", ANSWER ACCEPT "Sec-WebSocket-Protocol: p\r\n\r\n", "p",
	  WEFT_WS_HANDSHAKE_OK },
	{ "protocol declined", ANSWER ACCEPT "\r\n", "p", WEFT_WS_HANDSHAKE_OK },
	{ "protocol not asked for", ANSWER ACCEPT "Sec-WebSocket-Protocol: p\r\n\r\n", NULL,
	  WEFT_WS_HANDSHAKE_BAD },
	{ "extension", ANSWER ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", NULL,
	  WEFT_WS_HANDSHAKE_BAD },
	{ "wrong accept", ANSWER "Sec-WebSocket-Accept: t3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", NULL,
	  WEFT_WS_HANDSHAKE_BAD },
	{ "no accept", ANSWER "\r\n", NULL, WEFT_WS_HANDSHAKE_BAD },
	{ "no upgrade", "HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", NULL,
	  WEFT_WS_HANDSHAKE_BAD },
	{ "404", "HTTP/1.1 404 Not Found\r\n\r\n", NULL, WEFT_WS_HANDSHAKE_REFUSED },
	{ "redirect", "HTTP/1.1 302\r\nLocation: http://other/relay\r\n\r\n", NULL,
	  WEFT_WS_HANDSHAKE_REDIRECT },
	{ "redirect nowhere", "HTTP/1.1 302 Found\r\n\r\n", NULL, WEFT_WS_HANDSHAKE_REFUSED },
	{ "cut", ANSWER, NULL, WEFT_WS_HANDSHAKE_MORE },
	{ "no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", NULL, WEFT_WS_HANDSHAKE_BAD },
	{ "status of letters", "HTTP/1.1 abc\r\n\r\n", NULL, WEFT_WS_HANDSHAKE_BAD },
};

static void
test_responses(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(responses); i++) {
		size_t len = strlen(responses[i].text);
		g_autofree char *copy = g_memdup2(responses[i].text, len);
		struct weft_ws_response r = { 0 };

		g_test_message("%s", responses[i].name);
		g_assert_cmpint(weft_ws_response_parse(&r, copy, len, KEY, responses[i].protocol),
				==, responses[i].result);
		if (responses[i].result == WEFT_WS_HANDSHAKE_REDIRECT)
			g_assert_cmpmem(r.location.p, r.location.len, "http://other/relay", 18);
	}
}

static void
test_our_response_is_accepted(void)
{
	char out[512];
	struct weft_ws_response r;
	size_t len = weft_ws_response_write(out, sizeof(out), KEY, "p");

	g_assert_cmpint(weft_ws_response_parse(&r, out, len, KEY, "p"), ==, WEFT_WS_HANDSHAKE_OK);
	g_assert_cmpuint(r.head_len, ==, len);
	for (unsigned status = 400; status < 506; status++) {
		len = weft_ws_refusal_write(out, sizeof(out), status);
		g_assert_cmpint(weft_ws_response_parse(&r, out, len, KEY, NULL), ==,
				WEFT_WS_HANDSHAKE_REFUSED);
		g_assert_cmpuint(r.status, ==, status);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ws/handshake/requests", test_requests);
	g_test_add_func("/ws/handshake/fields", test_fields);
	g_test_add_func("/ws/handshake/head-is-bounded", test_head_is_bounded);
	g_test_add_func("/ws/handshake/accept", test_accept);
	g_test_add_func("/ws/handshake/our-request-is-accepted", test_our_request_is_accepted);
	g_test_add_func("/ws/handshake/responses", test_responses);
	g_test_add_func("/ws/handshake/our-response-is-accepted", test_our_response_is_accepted);
	return g_test_run();
}

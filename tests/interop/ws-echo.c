/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A WebSocket endpoint for test_ws.py: what arrives is sent back.
 *
 *	ws-echo server PATH [CERT KEY]               prints its port, serves one connection at a
 *time ws-echo client HOST PORT PATH [CA NAME]      says MESSAGES, expects them back, closes
 *
 * The client sends messages of 0, 1, 125, 126, 65535 and 65536 bytes, text and binary, and a ping.
 * Exit status 0: all went well. */
#include "base/env.h"
#include "base/key.h"
#include "ws/io.h"
#include "ws/session.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MESSAGE_MAX 70000
#define TIMEOUT_MS  10000

struct conn {
	struct weft_ws_session s;
	struct weft_ws_io io;
	uint8_t in[WEFT_WS_READER_SIZE(MESSAGE_MAX)], out[4 * MESSAGE_MAX];
};

static struct conn conn;

static void
die(const char *what)
{
	fprintf(stderr, "ws-echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Writes what is pending. False when the transport is gone. */
static bool
flush_out(struct conn *c)
{
	for (;;) {
		struct iovec iov;
		size_t n;

		iov.iov_base = (void *) weft_ws_session_pending(&c->s, &iov.iov_len);
		if (iov.iov_len == 0)
			return true;
		switch (weft_ws_io_writev(&c->io, &iov, 1, &n)) {
		case WEFT_WS_IO_OK:
			weft_ws_session_sent(&c->s, n);
			break;
		case WEFT_WS_IO_AGAIN:
			return true;
		case WEFT_WS_IO_CLOSED:
		case WEFT_WS_IO_FAILED:
			return false;
		}
	}
}

static bool
fill_in(struct conn *c)
{
	for (;;) {
		size_t room, n;
		uint8_t *p = weft_ws_session_room(&c->s, &room);

		if (room == 0)
			return true;
		switch (weft_ws_io_read(&c->io, p, room, &n)) {
		case WEFT_WS_IO_OK:
			weft_ws_session_filled(&c->s, n);
			return true;
		case WEFT_WS_IO_AGAIN:
			return true;
		case WEFT_WS_IO_CLOSED:
			weft_ws_session_eof(&c->s);
			return true;
		case WEFT_WS_IO_FAILED:
			return false;
		}
	}
}

/* Waits for the socket, reads and writes. False when the transport is gone. */
static bool
turn(struct conn *c)
{
	struct pollfd p = { .fd = c->io.fd, .events = (short) weft_ws_io_events(&c->io) };

	if (!weft_ws_io_pending(&c->io) && poll(&p, 1, TIMEOUT_MS) <= 0)
		die("timeout");
	return flush_out(c) && fill_in(c);
}

static void
serve(struct conn *c)
{
	while (c->s.state != WEFT_WS_CLOSED) {
		struct weft_ws_message m;
		enum weft_ws_session_event event;

		if (!turn(c))
			break;
		while ((event = weft_ws_session_take(&c->s, &m)) != WEFT_WS_SESSION_NONE)
			if (event == WEFT_WS_SESSION_TEXT || event == WEFT_WS_SESSION_BINARY)
				weft_ws_session_send(&c->s,
						     event == WEFT_WS_SESSION_TEXT ? WEFT_WS_TEXT
										   : WEFT_WS_BINARY,
						     m.data, m.len);
		if (!flush_out(c))
			break;
	}
	weft_ws_io_close(&c->io);
}

static _Noreturn void
run_server(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct ssl_ctx_st *ctx = NULL;
	char why[256];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (argc > 4) {
		ctx = weft_ws_tls_server_new();
		if (ctx == NULL || !weft_ws_tls_load(ctx, argv[3], argv[4], why, sizeof(why)))
			die("certificate");
	}
	if (fd < 0 || bind(fd, (struct sockaddr *) &at, sizeof(at)) != 0 || listen(fd, 5) != 0 ||
	    getsockname(fd, (struct sockaddr *) &at, &len) != 0)
		die("listen");
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK);

		if (client < 0)
			die("accept");
		if (ctx == NULL)
			weft_ws_io_plain(&conn.io, client);
		else if (!weft_ws_io_tls_server(&conn.io, client, ctx))
			die("TLS");
		if (!weft_ws_session_server(&conn.s, weft_env_system(), argv[2], MESSAGE_MAX,
					    conn.in, sizeof(conn.in), conn.out, sizeof(conn.out)))
			die("session");
		serve(&conn);
	}
}

static const size_t lengths[] = { 0, 1, 125, 126, 65535, 65536 };
#define MESSAGES (2 * sizeof(lengths) / sizeof(lengths[0]))

static void
say(struct conn *c, size_t i)
{
	static uint8_t data[65536];
	enum weft_ws_opcode opcode = i % 2 == 0 ? WEFT_WS_TEXT : WEFT_WS_BINARY;

	memset(data, opcode == WEFT_WS_TEXT ? 'a' : 0xff, sizeof(data));
	if (!weft_ws_session_send(&c->s, WEFT_WS_PING, "ping", 4) ||
	    !weft_ws_session_send(&c->s, opcode, data, lengths[i / 2]))
		die("send");
}

static bool
converse(struct conn *c)
{
	size_t heard = 0, pongs = 0;

	while (c->s.state != WEFT_WS_CLOSED) {
		struct weft_ws_message m;
		enum weft_ws_session_event event;

		if (!turn(c))
			return false;
		while ((event = weft_ws_session_take(&c->s, &m)) != WEFT_WS_SESSION_NONE) {
			if (event == WEFT_WS_SESSION_OPENED)
				say(c, 0);
			pongs += event == WEFT_WS_SESSION_PONG;
			if (event != WEFT_WS_SESSION_TEXT && event != WEFT_WS_SESSION_BINARY)
				continue;
			if (m.len != lengths[heard / 2] ||
			    (event == WEFT_WS_SESSION_TEXT) != (heard % 2 == 0) ||
			    (m.len > 0 && m.data[m.len - 1] != (heard % 2 == 0 ? 'a' : 0xff)))
				return false;
			if (++heard < MESSAGES)
				say(c, heard);
			else
				weft_ws_session_close(&c->s, WEFT_WS_CODE_NORMAL);
		}
		if (!flush_out(c))
			return false;
	}
	printf("messages %zu pongs %zu close %u http %u\n", heard, pongs, c->s.close_code,
	       c->s.http_status);
	return heard == MESSAGES && c->s.close_code == WEFT_WS_CODE_NORMAL;
}

static int
run_client(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t) atoi(argv[3])) };
	struct weft_ws_target target = { .host = argv[2],
					 .path = argv[4],
					 .user_agent = "ws-echo" };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool good;

	if (fd < 0 || connect(fd, (struct sockaddr *) &at, sizeof(at)) != 0)
		die("connect");
	if (argc > 6) {
		struct ssl_ctx_st *ctx = weft_ws_tls_client_new(argv[5]);

		if (ctx == NULL || !weft_ws_io_tls_client(&conn.io, fd, ctx, argv[6]))
			die("TLS");
		weft_ws_tls_free(ctx);
	} else {
		weft_ws_io_plain(&conn.io, fd);
	}
	if (!weft_ws_session_client(&conn.s, weft_env_system(), &target, MESSAGE_MAX, conn.in,
				    sizeof(conn.in), conn.out, sizeof(conn.out)) ||
	    !flush_out(&conn))
		die("session");
	good = converse(&conn);
	weft_ws_io_close(&conn.io);
	return good ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (!weft_crypto_init())
		die("randomness");
	if (argc > 2 && strcmp(argv[1], "server") == 0)
		run_server(argc, argv);
	if (argc > 4 && strcmp(argv[1], "client") == 0)
		return run_client(argc, argv);
	fprintf(stderr,
		"usage: ws-echo server PATH [CERT KEY] | client HOST PORT PATH [CA NAME]\n");
	return 2;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Load for a TURN server, any TURN server. Run in the client's namespace:
 *
 *	turn-load SERVER data PEER FLOWS SIZE BURST PPS SECONDS channel|send
 *	turn-load SERVER tls PEER SIZE PPS SECONDS     (SERVER is the TLS port)
 *	turn-load SERVER binding SECONDS               as many as are answered, 64 at a time
 *	turn-load SERVER allocate COUNT                unauthenticated, each from a new port,
 *answered by 401 turn-load SERVER sessions COUNT PEER           allocate, bind, release; one after
 *the other turn-load SERVER hold COUNT                    allocates, prints "held", waits for end
 *of input turn-load SERVER rtt COUNT PEER                one packet there and back (PEER echoes)
 *
 * data sends trains by UDP GSO, as a client with a fast path does; BURST 1 sends single packets,
 * one flow after the other. PPS 0 is flat out. Last line: "sent N cpu SECONDS" or what was asked.
 */
#include "base/env.h"
#include "base/hash.h"
#include "stun/build.h"
#include "stun/client.h"
#include "stun/frame.h"
#include "ws/io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define CHANNEL 0x4000
#define WINDOW  64 /* requests under way */

struct client {
	int fd;
	struct weft_stun_auth auth;
};

static struct weft_endpoint server, peer;

static void
die(const char *what)
{
	fprintf(stderr, "turn-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static struct weft_endpoint
endpoint(const char *text)
{
	struct weft_endpoint e;

	if (!weft_endpoint_parse(&e, text, strlen(text)))
		die(text);
	return e;
}

/* From a port that no earlier client of this process had: coturn remembers a 5-tuple for a while
 * after its allocation was released. */
static void
bind_client(int fd, int family)
{
	static uint16_t next = 10000;
	struct sockaddr_in6 name = { .sin6_family = (sa_family_t) family };

	do {
		uint16_t port = htons(next++);

		memcpy((uint8_t *) &name + offsetof(struct sockaddr_in, sin_port), &port, 2);
	} while (bind(fd, (struct sockaddr *) &name, sizeof(name)) != 0 && errno == EADDRINUSE);
}

static void
open_client(struct client *c, int type)
{
	struct sockaddr_storage name;
	unsigned len = weft_endpoint_to_sockaddr(&server, &name);

	c->fd = socket(name.ss_family, type | SOCK_CLOEXEC, 0);
	if (c->fd >= 0 && type == SOCK_DGRAM)
		bind_client(c->fd, name.ss_family);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &name, len) != 0)
		die("connect");
	if (!weft_stun_auth_init(&c->auth, "u", "p"))
		die("credentials");
}

/* One request, sent again until it is answered. */
static void
exchange(struct client *c,
	 const uint8_t *request,
	 size_t len,
	 uint8_t *answer,
	 struct weft_stun_message *m)
{
	for (int tries = 0; tries < 50; tries++) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };

		if (send(c->fd, request, len, 0) < 0 && errno != ECONNREFUSED)
			die("send");
		while (poll(&p, 1, 200) > 0) {
			ssize_t n = recv(c->fd, answer, 2048, 0);

			if (n > 0 && weft_stun_parse(m, answer, (size_t) n) == WEFT_STUN_OK &&
			    memcmp(m->transaction, request + 8, 12) == 0)
				return;
		}
	}
	errno = ETIMEDOUT;
	die("no answer");
}

enum what { ALLOCATE, BIND, PERMIT, RELEASE };

static size_t
make(struct client *c, enum what what, uint8_t *buf, size_t size)
{
	static const struct weft_stun_allocate plain;
	uint8_t id[WEFT_STUN_TRANSACTION_LEN];

	weft_env_random(weft_env_system(), id, sizeof(id));
	switch (what) {
	case ALLOCATE:
		return weft_stun_client_allocate(buf, size, id, &c->auth, &plain);
	case BIND:
		return weft_stun_client_channel(buf, size, id, &c->auth, CHANNEL, &peer);
	case PERMIT:
		return weft_stun_client_permission(buf, size, id, &c->auth, &peer, 1);
	case RELEASE:
		return weft_stun_client_refresh(buf, size, id, &c->auth, 0);
	}
	return 0;
}

static void
ask(struct client *c, enum what what)
{
	for (int i = 0; i < 4; i++) {
		uint8_t request[512], answer[2048];
		struct weft_stun_message m;
		size_t len = make(c, what, request, sizeof(request));

		exchange(c, request, len, answer, &m);
		switch (weft_stun_auth_judge(&c->auth, &m)) {
		case WEFT_STUN_VERDICT_OK:
			return;
		case WEFT_STUN_VERDICT_RETRY:
			break;
		case WEFT_STUN_VERDICT_REDIRECT:
		case WEFT_STUN_VERDICT_MISMATCH:
		case WEFT_STUN_VERDICT_FORGED:
		case WEFT_STUN_VERDICT_REFUSED:
			fprintf(stderr, "turn-load: error %u\n", m.error_code);
			exit(1);
		}
	}
	die("refused");
}

/* --- data --- */

/* One packet as it travels; the same for all. */
static size_t
make_packet(uint8_t *out, size_t size, bool indication)
{
	static const uint8_t id[12] = "abcdefghijkl";
	static uint8_t payload[65536];

	if (indication)
		return weft_stun_client_send(out, 65536, id, &peer,
					     (struct weft_bytes){ payload, size });
	weft_stun_channel_header(out, CHANNEL, (uint16_t) size);
	memset(out + 4, 'x', size);
	return size + 4;
}

/* Sleeps until so many packets are due. */
static void
pace(double began, double sent, double pps)
{
	double wait;

	if (pps <= 0)
		return;
	wait = began + sent / pps - now();
	if (wait > 0.0002) {
		struct timespec t = { .tv_sec = (time_t) wait,
				      .tv_nsec = (long) ((wait - (double) (time_t) wait) * 1e9) };

		nanosleep(&t, NULL);
	}
}

static void
run_data(char **argv)
{
	static uint8_t train[65536 * 2];
	unsigned flows = (unsigned) atoi(argv[1]), burst = (unsigned) atoi(argv[3]);
	size_t size = (size_t) atoi(argv[2]), packet;
	double pps = atof(argv[4]), seconds = atof(argv[5]), began, used, sent = 0;
	bool indication = strcmp(argv[6], "send") == 0;
	struct client *c = calloc(flows, sizeof(*c));
	int segment;

	peer = endpoint(argv[0]);
	packet = make_packet(train, size, indication);
	while (burst > 1 && burst * packet > 60000)
		burst--;
	for (unsigned i = 1; i < burst; i++)
		memcpy(train + i * packet, train, packet);
	segment = (int) packet;
	for (unsigned i = 0; i < flows; i++) {
		open_client(&c[i], SOCK_DGRAM);
		ask(&c[i], ALLOCATE);
		ask(&c[i], indication ? PERMIT : BIND);
		if (burst > 1 &&
		    setsockopt(c[i].fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) != 0)
			die("UDP_SEGMENT");
	}
	printf("ready\n");
	fflush(stdout);
	if (getchar() == EOF)
		exit(0);
	began = now();
	used = cpu();
	while (now() - began < seconds)
		for (unsigned i = 0; i < flows; i++) {
			if (send(c[i].fd, train, burst * packet, MSG_DONTWAIT) > 0)
				sent += burst;
			pace(began, sent, pps);
		}
	printf("sent %.0f cpu %.6f wall %.6f\n", sent, cpu() - used, now() - began);
	fflush(stdout);
	for (unsigned i = 0; i < flows; i++) {
		segment = 0;
		setsockopt(c[i].fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
		ask(&c[i], RELEASE);
	}
}

/* --- TLS --- */

static void
tls_exchange(struct weft_ws_io *io,
	     const uint8_t *request,
	     size_t len,
	     uint8_t *answer,
	     struct weft_stun_message *m)
{
	struct iovec iov = { (void *) request, len };
	size_t n, have = 0;

	if (weft_ws_io_writev(io, &iov, 1, &n) != WEFT_WS_IO_OK)
		die("TLS write");
	while (weft_stun_parse(m, answer, have) != WEFT_STUN_OK) {
		if (weft_ws_io_read(io, answer + have, 2048 - have, &n) != WEFT_WS_IO_OK) {
			struct pollfd p = { .fd = io->fd, .events = POLLIN };

			if (poll(&p, 1, 5000) <= 0)
				die("TLS read");
		}
		have += n;
	}
}

static void
run_tls(char **argv)
{
	static uint8_t frames[16384];
	size_t size = (size_t) atoi(argv[1]), frame = (size + 4 + 3) & ~(size_t) 3, n, per;
	double pps = atof(argv[2]), seconds = atof(argv[3]), began, sent = 0;
	struct ssl_ctx_st *ctx = SSL_CTX_new(TLS_client_method());
	struct client c;
	struct weft_ws_io io;
	int one = 1;

	peer = endpoint(argv[0]);
	open_client(&c, SOCK_STREAM);
	setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!weft_ws_io_tls_client(&io, c.fd, ctx, "relay.test"))
		die("TLS");
	while (weft_ws_io_handshake(&io) == WEFT_WS_IO_AGAIN)
		;
	for (enum what what = ALLOCATE; what <= BIND; what++)
		for (int i = 0; i < 3; i++) {
			uint8_t request[512], answer[2048];
			struct weft_stun_message m;
			size_t len = make(&c, what, request, sizeof(request));

			tls_exchange(&io, request, len, answer, &m);
			if (weft_stun_auth_judge(&c.auth, &m) == WEFT_STUN_VERDICT_OK)
				break;
		}
	per = sizeof(frames) / frame;
	for (size_t i = 0; i < per; i++)
		make_packet(frames + i * frame, size, false);
	printf("ready\n");
	fflush(stdout);
	if (getchar() == EOF)
		exit(0);
	began = now();
	while (now() - began < seconds) {
		struct iovec iov = { frames, per * frame };

		while (iov.iov_len > 0) {
			if (weft_ws_io_writev(&io, &iov, 1, &n) != WEFT_WS_IO_OK)
				die("TLS write");
			iov.iov_base = (uint8_t *) iov.iov_base + n;
			iov.iov_len -= n;
		}
		sent += (double) per;
		pace(began, sent, pps);
	}
	printf("sent %.0f cpu %.6f wall %.6f\n", sent, 0.0, now() - began);
	weft_ws_io_close(&io);
}

/* --- Requests --- */

static void
run_binding(double seconds)
{
	struct client c;
	uint8_t buf[2048], id[12] = "bench";
	double began;
	long answered = 0, sent = 0;

	open_client(&c, SOCK_DGRAM);
	began = now();
	while (now() - began < seconds) {
		for (int i = 0; i < WINDOW; i++, sent++) {
			memcpy(id + 4, &sent, sizeof(sent));
			(void) !send(c.fd, buf,
				     weft_stun_client_binding(buf, sizeof(buf), id, false), 0);
		}
		for (int i = 0; i < WINDOW; i++) {
			struct pollfd p = { .fd = c.fd, .events = POLLIN };

			if (poll(&p, 1, 100) <= 0)
				break;
			answered += recv(c.fd, buf, sizeof(buf), 0) > 0;
		}
	}
	printf("answered %ld wall %.6f\n", answered, now() - began);
}

/* Each from a port of its own, as strangers come. */
static void
run_allocate(long count)
{
	static const struct weft_stun_allocate plain;
	struct client c[WINDOW];
	uint8_t buf[2048], id[12] = "bench";
	long answered = 0;

	for (long done = 0; done < count; done += WINDOW) {
		for (int i = 0; i < WINDOW; i++) {
			size_t n;

			open_client(&c[i], SOCK_DGRAM);
			n = weft_stun_client_allocate(buf, sizeof(buf), id, &c[i].auth, &plain);
			(void) !send(c[i].fd, buf, n, 0);
		}
		for (int i = 0; i < WINDOW; i++) {
			struct pollfd p = { .fd = c[i].fd, .events = POLLIN };

			if (poll(&p, 1, 500) > 0)
				answered += recv(c[i].fd, buf, sizeof(buf), 0) > 0;
			close(c[i].fd);
		}
	}
	printf("answered %ld\n", answered);
}

static void
run_sessions(long count, const char *to)
{
	peer = endpoint(to);
	for (long i = 0; i < count; i++) {
		struct client c;

		open_client(&c, SOCK_DGRAM);
		ask(&c, ALLOCATE);
		ask(&c, BIND);
		ask(&c, RELEASE);
		close(c.fd);
	}
	printf("sessions %ld\n", count);
}

static void
run_hold(long count)
{
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };

	setrlimit(RLIMIT_NOFILE, &limit);
	for (long i = 0; i < count; i++) {
		struct client c;

		open_client(&c, SOCK_DGRAM);
		ask(&c, ALLOCATE);
	}
	printf("held\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
}

static void
run_rtt(long count, const char *to)
{
	uint8_t packet[128], buf[2048];
	struct client c;

	peer = endpoint(to);
	open_client(&c, SOCK_DGRAM);
	ask(&c, ALLOCATE);
	ask(&c, BIND);
	for (long i = 0; i < count; i++) {
		struct pollfd p = { .fd = c.fd, .events = POLLIN };
		struct timespec t = { .tv_nsec = 1000000 };
		double began;

		make_packet(packet, 100, false);
		nanosleep(&t, NULL);
		began = now();
		(void) !send(c.fd, packet, 104, 0);
		if (poll(&p, 1, 1000) <= 0)
			die("no echo");
		(void) !recv(c.fd, buf, sizeof(buf), 0);
		printf("rtt %.1f\n", (now() - began) * 1e6);
	}
	ask(&c, RELEASE);
}

int
main(int argc, char **argv)
{
	if (argc < 4 || !weft_hash_init())
		die("arguments");
	server = endpoint(argv[1]);
	if (strcmp(argv[2], "data") == 0 && argc == 10)
		run_data(argv + 3);
	else if (strcmp(argv[2], "tls") == 0 && argc == 7)
		run_tls(argv + 3);
	else if (strcmp(argv[2], "binding") == 0)
		run_binding(atof(argv[3]));
	else if (strcmp(argv[2], "allocate") == 0)
		run_allocate(atol(argv[3]));
	else if (strcmp(argv[2], "sessions") == 0 && argc == 5)
		run_sessions(atol(argv[3]), argv[4]);
	else if (strcmp(argv[2], "hold") == 0)
		run_hold(atol(argv[3]));
	else if (strcmp(argv[2], "rtt") == 0 && argc == 5)
		run_rtt(atol(argv[3]), argv[4]);
	else
		die("arguments");
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Idle streams and what a broadcast does to others: streams PORT COUNT tls|plain. HTTP/2 by hand,
 *so that 10,000 connections cost this side little. Reads commands from standard input: open opens
 *the streams, one connection each; answers "open SECONDS" when all have headers broadcast  asks for
 *a broadcast of 1 KiB while another connection makes one call after the other; answers "broadcast
 *LAST_MS P99_MS WORST_MS CALLS" */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY          1024
#define MAX_LATENCIES 1000000

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8 };

struct connection {
	int fd;
	SSL *ssl;
	uint8_t buf[2048];
	size_t len;
	size_t data; /* octets of DATA received */
	bool has_headers;
	unsigned ended; /* streams ended by the server */
};

static struct {
	uint16_t port;
	size_t count;
	SSL_CTX *tls;
	struct connection *streams;
	int epoll_fd;
	atomic_bool measuring;
	double *latencies;
	size_t n_latencies;
} bench;

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static void
fail(const char *what)
{
	fprintf(stderr, "streams: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- HTTP/2 --- */

static size_t
put_frame(uint8_t *out, int type, int flags, uint32_t stream, const void *payload, size_t len)
{
	const uint8_t head[9] = {
		(uint8_t) (len >> 16),    (uint8_t) (len >> 8),    (uint8_t) len,
		(uint8_t) type,           (uint8_t) flags,         (uint8_t) (stream >> 24),
		(uint8_t) (stream >> 16), (uint8_t) (stream >> 8), (uint8_t) stream
	};

	memcpy(out, head, sizeof head);
	if (len > 0)
		memcpy(out + sizeof head, payload, len);
	return sizeof head + len;
}

static size_t
put_header(uint8_t *out, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value);

	out[0] = 0;
	out[1] = (uint8_t) n;
	memcpy(out + 2, name, n);
	out[2 + n] = (uint8_t) v;
	memcpy(out + 3 + n, value, v);
	return 3 + n + v;
}

static size_t
put_request(uint8_t *out, const char *path, uint32_t stream)
{
	uint8_t block[512];
	size_t n = 0;

	n += put_header(block + n, ":method", "POST");
	n += put_header(block + n, ":scheme", bench.tls != NULL ? "https" : "http");
	n += put_header(block + n, ":path", path);
	n += put_header(block + n, ":authority", "bench");
	n += put_header(block + n, "te", "trailers");
	n += put_header(block + n, "content-type", "application/grpc");
	return put_frame(out, HEADERS, 4, stream, block, n);
}

/* EncryptedMessage with remoteKey @to and a body of @size octets. */
static size_t
put_message(uint8_t *out, uint32_t stream, const char *to, size_t size)
{
	uint8_t payload[BODY + 64] = { 0 };
	size_t n = 5;

	payload[n++] = 0x1a;
	payload[n++] = (uint8_t) strlen(to);
	memcpy(payload + n, to, strlen(to));
	n += strlen(to);
	payload[n++] = 0x22;
	payload[n++] = (uint8_t) (size % 128 + 128);
	payload[n++] = (uint8_t) (size / 128);
	memset(payload + n, 'b', size);
	n += size;
	payload[3] = (uint8_t) ((n - 5) >> 8);
	payload[4] = (uint8_t) (n - 5);
	return put_frame(out, DATA, 1, stream, payload, n);
}

static void
put(struct connection *c, const void *data, size_t len)
{
	ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, data, (int) len) : write(c->fd, data, len);

	if (n != (ssize_t) len)
		fail("write");
}

static void
open_connection(struct connection *c)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(bench.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint8_t out[64];
	size_t n = sizeof preface - 1;
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &sa, sizeof sa) < 0)
		fail("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (bench.tls != NULL) {
		c->ssl = SSL_new(bench.tls);
		SSL_set_fd(c->ssl, c->fd);
		if (SSL_connect(c->ssl) != 1)
			fail("TLS");
	}
	memcpy(out, preface, n);
	n += put_frame(out + n, SETTINGS, 0, 0, NULL, 0);
	put(c, out, n);
}

static void
take_frame(struct connection *c, int type, int flags, const uint8_t *payload, size_t len)
{
	uint8_t out[32];

	if (type == DATA)
		c->data += len;
	if (type == HEADERS)
		c->has_headers = true;
	if ((type == DATA || type == HEADERS) && (flags & 1))
		c->ended++;
	if (type == SETTINGS && (flags & 1) == 0)
		put(c, out, put_frame(out, SETTINGS, 1, 0, NULL, 0));
	if (type == PING && (flags & 1) == 0)
		put(c, out, put_frame(out, PING, 1, 0, payload, len));
}

/* Frames here are smaller than the buffer. */
static void
take_frames(struct connection *c)
{
	size_t at = 0;

	while (c->len - at >= 9) {
		const uint8_t *p = c->buf + at;
		size_t len = (size_t) p[0] << 16 | (size_t) p[1] << 8 | p[2];

		if (len + 9 > sizeof c->buf) {
			errno = EMSGSIZE;
			fail("frame");
		}
		if (c->len - at < 9 + len)
			break;
		take_frame(c, p[3], p[4], p + 9, len);
		at += 9 + len;
	}
	c->len -= at;
	memmove(c->buf, c->buf + at, c->len);
}

/* Reads what is there; waits for something if the socket blocks. */
static void
get(struct connection *c)
{
	ssize_t n;

	do {
		n = c->ssl != NULL
			    ? SSL_read(c->ssl, c->buf + c->len, (int) (sizeof c->buf - c->len))
			    : read(c->fd, c->buf + c->len, sizeof c->buf - c->len);
		if (n <= 0) {
			errno = n == 0 ? ECONNRESET : errno;
			fail("read");
		}
		c->len += (size_t) n;
		take_frames(c);
	} while (c->ssl != NULL && SSL_pending(c->ssl) > 0);
}

/* --- Commands --- */

static void
open_streams(void)
{
	double start = now_s();
	uint8_t out[600];
	size_t n = put_request(out, "/signalexchange.SignalExchange/ConnectStream", 1);

	bench.streams = calloc(bench.count, sizeof *bench.streams);
	for (size_t i = 0; i < bench.count; i++) {
		struct connection *c = &bench.streams[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

		open_connection(c);
		put(c, out, n);
		while (!c->has_headers)
			get(c);
		epoll_ctl(bench.epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
	}
	printf("open %.3f\n", now_s() - start);
	fflush(stdout);
}

static void *
call_all_the_time(void *user)
{
	struct connection *c = user;
	uint32_t stream = 1;

	while (atomic_load(&bench.measuring) && bench.n_latencies < MAX_LATENCIES) {
		uint8_t out[1024], update[4] = { 0, 0, 1, 0 };
		unsigned ended = c->ended;
		double start = now_s();
		size_t n = put_request(out, "/signalexchange.SignalExchange/Send", stream);

		n += put_message(out + n, stream, "x", 200);
		n += put_frame(out + n, WINDOW_UPDATE, 0, 0, update, sizeof update);
		put(c, out, n);
		while (c->ended == ended)
			get(c);
		stream += 2;
		bench.latencies[bench.n_latencies++] = 1000 * (now_s() - start);
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
read_streams(double deadline, size_t want)
{
	struct epoll_event events[256];
	size_t done = 0;

	for (size_t i = 0; i < bench.count; i++)
		bench.streams[i].data = 0;
	while (done < bench.count && now_s() < deadline) {
		int n = epoll_wait(bench.epoll_fd, events, 256, 1000);

		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;
			size_t before = c->data;

			get(c);
			done += before < want && c->data >= want;
		}
	}
	if (done < bench.count) {
		errno = ETIMEDOUT;
		fail("broadcast");
	}
}

static void
broadcast(void)
{
	static struct connection asker, caller;
	uint8_t out[2048];
	pthread_t thread;
	size_t n;
	double start, last;
	static uint32_t stream = 1;

	if (asker.fd == 0) {
		open_connection(&asker);
	}
	memset(&caller, 0, sizeof caller);
	open_connection(&caller);
	bench.n_latencies = 0;
	atomic_store(&bench.measuring, true);
	pthread_create(&thread, NULL, call_all_the_time, &caller);
	usleep(100 * 1000);
	start = now_s();
	n = put_request(out, "/signalexchange.SignalExchange/Send", stream);
	n += put_message(out + n, stream, "broadcast", BODY);
	stream += 2;
	put(&asker, out, n);
	read_streams(start + 60, BODY);
	last = now_s() - start;
	atomic_store(&bench.measuring, false);
	pthread_join(thread, NULL);
	close(caller.fd);
	qsort(bench.latencies, bench.n_latencies, sizeof *bench.latencies, compare);
	printf("broadcast %.3f %.3f %.3f %zu\n", 1000 * last,
	       bench.latencies[(size_t) ceil(0.99 * (double) bench.n_latencies) - 1],
	       bench.latencies[bench.n_latencies - 1], bench.n_latencies);
	fflush(stdout);
	for (unsigned ended = asker.ended; asker.ended == ended;)
		get(&asker);
}

int
main(int argc, char **argv)
{
	static const uint8_t alpn[] = { 2, 'h', '2' };
	struct rlimit files;
	char line[32];

	if (argc != 4)
		return 2;
	bench.port = (uint16_t) atoi(argv[1]);
	bench.count = (size_t) atoi(argv[2]);
	bench.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	bench.latencies = calloc(MAX_LATENCIES, sizeof *bench.latencies);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (strcmp(argv[3], "tls") == 0) {
		bench.tls = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_alpn_protos(bench.tls, alpn, sizeof alpn);
	}
	while (fgets(line, sizeof line, stdin) != NULL) {
		if (strcmp(line, "open\n") == 0)
			open_streams();
		else if (strcmp(line, "broadcast\n") == 0)
			broadcast();
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/metrics_server.h"

#include "base/glib/metrics_listen.h"
#include "base/glib/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX     1000           /* on one connection: then it is closed, for fairness */
#define ACCEPTS_PER_TURN 8              /* so that a flood of connections leaves the loop time */
#define LINGER_US        G_USEC_PER_SEC /* how long what a refused client still sends is read */
#define LINGER_MAX       (64 * 1024)    /* and how much of it */

struct conn {
	struct weft_metrics_server *server;
	int fd;
	GSource *io;
	GSource *timer;
	char in[WEFT_METRICS_REQUEST_MAX];
	size_t in_len;
	GString *out; /* answer not yet taken; NULL: reading */
	size_t out_pos;
	unsigned n_requests;
	bool keep;
	size_t linger; /* bytes read after the last answer; 0: not yet there */
};

struct weft_metrics_server {
	WeftMetrics *metrics;
	GMainContext *context;
	char *address;
	char *unix_path; /* to be removed */
	int fd;
	GSource *accept;
	GPtrArray *conns;
	int64_t timeout_us, idle_us;
};

static const struct {
	const char *status;
	const char *more; /* header lines */
} answers[WEFT_METRICS_REQUEST_COUNT_] = {
	[WEFT_METRICS_REQUEST_PARTIAL] = { "408 Request Timeout", "" },
	[WEFT_METRICS_REQUEST_OK] = { "200 OK", "" },
	[WEFT_METRICS_REQUEST_BAD] = { "400 Bad Request", "" },
	[WEFT_METRICS_REQUEST_UNKNOWN] = { "404 Not Found", "" },
	[WEFT_METRICS_REQUEST_METHOD] = { "405 Method Not Allowed", "Allow: GET\r\n" },
	[WEFT_METRICS_REQUEST_BODY] = { "413 Content Too Large", "" },
	[WEFT_METRICS_REQUEST_LARGE] = { "431 Request Header Fields Too Large", "" },
	[WEFT_METRICS_REQUEST_VERSION] = { "505 HTTP Version Not Supported", "" },
};

static void
conn_free(gpointer data)
{
	struct conn *c = data;

	weft_source_cancel(&c->io);
	weft_source_cancel(&c->timer);
	close(c->fd);
	if (c->out != NULL)
		g_string_free(c->out, TRUE);
	g_free(c);
}

/* Frees @c. */
static void
conn_close(struct conn *c)
{
	WeftMetricsServer *s = c->server;

	g_ptr_array_remove_fast(s->conns, c);
	weft_source_fd_set(s->accept, G_IO_IN);
}

/* Idle: kept by the client, with nothing sent. */
static bool
conn_is_idle(const struct conn *c)
{
	return c->out == NULL && c->in_len == 0 && c->n_requests > 0 && c->linger == 0;
}

static void
conn_answer(struct conn *c, enum weft_metrics_request request, bool keep)
{
	g_autoptr(GString) body = g_string_new(NULL);

	if (request == WEFT_METRICS_REQUEST_OK)
		weft_metrics_format(c->server->metrics, body);
	else
		g_string_append_printf(body, "%s\n", answers[request].status);
	c->keep = keep && ++c->n_requests < REQUESTS_MAX;
	c->out = g_string_sized_new(body->len + 256);
	c->out_pos = 0;
	g_string_append_printf(c->out,
			       "HTTP/1.1 %s\r\n%sContent-Type: text/plain; %scharset=utf-8\r\n"
			       "Content-Length: %" G_GSIZE_FORMAT "\r\n%s\r\n",
			       answers[request].status, answers[request].more,
			       request == WEFT_METRICS_REQUEST_OK ? "version=0.0.4; " : "",
			       body->len, c->keep ? "" : "Connection: close\r\n");
	g_string_append_len(c->out, body->str, (gssize) body->len);
	weft_source_arm_us(c->timer, c->server->timeout_us);
}

/* Answers the request at the front of the buffer, if it is there. */
static void
conn_take_request(struct conn *c)
{
	enum weft_metrics_request request;
	size_t len;
	bool keep;

	request = weft_metrics_parse_request(c->in, c->in_len, &len, &keep);
	if (request == WEFT_METRICS_REQUEST_PARTIAL)
		return;
	conn_answer(c, request, keep);
	c->in_len -= len;
	memmove(c->in, c->in + len, c->in_len);
}

/* Sends; false if @c is gone. */
static bool
conn_flush(struct conn *c)
{
	while (c->out_pos < c->out->len) {
		ssize_t n = send(c->fd, c->out->str + c->out_pos, c->out->len - c->out_pos,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			conn_close(c);
			return false;
		}
		c->out_pos += (size_t) n;
	}
	g_string_free(g_steal_pointer(&c->out), TRUE);
	if (c->keep) {
		weft_source_arm_us(c->timer, c->server->idle_us);
		return true;
	}
	/* Closing with bytes unread would reset the connection, and the answer with it. */
	shutdown(c->fd, SHUT_WR);
	c->linger = 1 + c->in_len;
	weft_source_arm_us(c->timer, LINGER_US);
	return true;
}

/* Answers what is complete, in order, as far as the client takes it. False if @c is gone. */
static bool
conn_advance(struct conn *c)
{
	for (;;) {
		if (c->out == NULL && c->linger == 0)
			conn_take_request(c);
		if (c->out == NULL)
			break;
		if (!conn_flush(c))
			return false;
		if (c->out != NULL)
			break;
	}
	weft_source_fd_set(c->io, c->out != NULL ? G_IO_OUT : G_IO_IN);
	return true;
}

/* Reads; false if @c is gone. */
static bool
conn_read(struct conn *c)
{
	char waste[4096];
	bool lingering = c->linger != 0;
	char *to = lingering ? waste : c->in + c->in_len;
	size_t room = lingering ? sizeof waste : sizeof c->in - c->in_len;
	ssize_t n;

	do {
		n = recv(c->fd, to, room, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0 || (lingering && c->linger + (size_t) n > LINGER_MAX)) {
		conn_close(c);
		return false;
	}
	if (lingering) {
		c->linger += (size_t) n;
		return true;
	}
	/* The first byte of a request starts its clock; later ones do not, or a byte now and then
	 * would hold the connection for good. */
	if (c->in_len == 0)
		weft_source_arm_us(c->timer, c->server->timeout_us);
	c->in_len += (size_t) n;
	return true;
}

static gboolean
on_conn(int fd, GIOCondition condition, gpointer user)
{
	struct conn *c = user;

	if ((condition & G_IO_ERR) != 0) {
		conn_close(c);
		return G_SOURCE_CONTINUE;
	}
	if (c->out == NULL && (condition & (G_IO_IN | G_IO_HUP)) != 0 && !conn_read(c))
		return G_SOURCE_CONTINUE;
	if (c->out != NULL && (condition & G_IO_HUP) != 0) {
		conn_close(c);
		return G_SOURCE_CONTINUE;
	}
	(void) conn_advance(c); /* gone or not, nothing more to do */
	return G_SOURCE_CONTINUE;
}

static gboolean
on_conn_timeout(gpointer user)
{
	struct conn *c = user;

	/* A request that did not come to its end is told so; everything else is just closed. */
	if (c->out == NULL && c->linger == 0 && c->in_len > 0) {
		c->in_len = 0;
		conn_answer(c, WEFT_METRICS_REQUEST_PARTIAL, false);
		(void) conn_advance(c); /* as above */
		return G_SOURCE_CONTINUE;
	}
	conn_close(c);
	return G_SOURCE_CONTINUE;
}

static void
conn_new(WeftMetricsServer *s, int fd)
{
	struct conn *c = g_new0(struct conn, 1);

	c->server = s;
	c->fd = fd;
	c->timer = weft_source_timer(s->context, on_conn_timeout, c);
	c->io = weft_source_fd(s->context, fd, G_IO_IN, on_conn, c);
	weft_source_arm_us(c->timer, s->timeout_us);
	g_ptr_array_add(s->conns, c);
}

/* True if there is room for one more connection, an idle one being closed if need be. */
static bool
make_room(WeftMetricsServer *s)
{
	if (s->conns->len < WEFT_METRICS_CONNECTIONS_MAX)
		return true;
	for (guint i = 0; i < s->conns->len; i++) {
		if (conn_is_idle(g_ptr_array_index(s->conns, i))) {
			conn_close(g_ptr_array_index(s->conns, i));
			return true;
		}
	}
	return false;
}

static gboolean
on_accept(int fd, GIOCondition condition, gpointer user)
{
	WeftMetricsServer *s = user;

	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int conn;

		if (!make_room(s)) {
			/* The rest waits in the backlog until one of ours ends. */
			weft_source_fd_set(s->accept, 0);
			break;
		}
		conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (conn < 0)
			break;
		conn_new(s, conn);
	}
	return G_SOURCE_CONTINUE;
}

WeftMetricsServer *
weft_metrics_server_new(WeftMetrics *metrics,
			const struct weft_metrics_server_config *config,
			GError **error)
{
	g_autoptr(WeftMetricsServer) s = g_new0(WeftMetricsServer, 1);

	s->metrics = metrics;
	s->context = config->context != NULL ? g_main_context_ref(config->context) : NULL;
	s->timeout_us = config->timeout_us > 0 ? config->timeout_us
					       : WEFT_METRICS_TIMEOUT_S * G_USEC_PER_SEC;
	s->idle_us = config->idle_us > 0 ? config->idle_us : WEFT_METRICS_IDLE_S * G_USEC_PER_SEC;
	s->conns = g_ptr_array_new_with_free_func(conn_free);
	s->fd = weft_metrics_listen(config->listen, &s->address, &s->unix_path, error);
	if (s->fd < 0)
		return NULL;
	s->accept = weft_source_fd(s->context, s->fd, G_IO_IN, on_accept, s);
	return g_steal_pointer(&s);
}

void
weft_metrics_server_free(WeftMetricsServer *server)
{
	if (server == NULL)
		return;
	weft_source_cancel(&server->accept);
	g_ptr_array_unref(server->conns);
	if (server->fd >= 0)
		close(server->fd);
	if (server->unix_path != NULL)
		(void) unlink(server->unix_path); /* at worst a stale socket, which is replaced */
	g_free(server->unix_path);
	g_free(server->address);
	if (server->context != NULL)
		g_main_context_unref(server->context);
	g_free(server);
}

const char *
weft_metrics_server_address(const WeftMetricsServer *server)
{
	return server->address;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/metrics_server.h"

#include "base/address.h"
#include "base/glib/source.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct weft_metric_def answer_def = {
	.name = "weft_x_answer",
	.help = "The answer.",
	.type = WEFT_METRIC_GAUGE,
};

struct fixture {
	WeftMetrics *metrics;
	WeftMetricsServer *server;
	GMainContext *context;
	bool hasty; /* the server's patience is short */
};

static WeftMetricsServer *
serve(struct fixture *f, const char *listen, GError **error)
{
	const struct weft_metrics_server_config config = {
		.listen = listen,
		.context = f->context,
		.timeout_us = f->hasty ? 200000 : 0,
		.idle_us = f->hasty ? 200000 : 0,
	};

	return weft_metrics_server_new(f->metrics, &config, error);
}

static void
setup(struct fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	f->hasty = data != NULL;
	f->context = g_main_context_new();
	f->metrics = weft_metrics_new();
	weft_metric_set(weft_metric_cell(weft_metrics_register(f->metrics, &answer_def), 0), 42);
	f->server = serve(f, "127.0.0.1:0", &error);
	g_assert_no_error(error);
}

static void
teardown(struct fixture *f, gconstpointer data)
{
	weft_metrics_server_free(f->server);
	weft_metrics_free(f->metrics);
	g_main_context_unref(f->context);
}

static int
dial(const char *address)
{
	struct weft_endpoint e;
	struct sockaddr_storage sa;
	socklen_t len;
	int fd;

	g_assert_true(weft_endpoint_parse(&e, address, strlen(address)));
	len = weft_endpoint_to_sockaddr(&e, &sa);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(connect(fd, (const struct sockaddr *) &sa, len), ==, 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t) strlen(text));
}

/* Reads what the server says until @stop is in it, or until the connection ends (NULL). */
static char *
hear(struct fixture *f, int fd, const char *stop)
{
	g_autoptr(GString) out = g_string_new(NULL);

	for (;;) {
		char buf[4096];
		ssize_t n;

		if (stop != NULL && strstr(out->str, stop) != NULL)
			break;
		n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			/* Timers of the server wake it, so this always comes to an end. */
			g_main_context_iteration(f->context, FALSE);
			g_usleep(200);
			continue;
		}
		if (n <= 0)
			break;
		g_string_append_len(out, buf, n);
	}
	return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		g_error("'%s' is not in '%s'", part, text);
}

static unsigned
count(const char *text, const char *part)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, part)) != NULL; p++)
		n++;
	return n;
}

#define GET "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

static void
test_get(struct fixture *f, gconstpointer data)
{
	int fd = dial(weft_metrics_server_address(f->server));
	g_autofree char *answer = NULL;
	g_autofree char *again = NULL;

	say(fd, GET);
	answer = hear(f, fd, "weft_x_answer 42\n");
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 200 OK\r\n"));
	assert_has(answer, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	assert_has(answer, "\r\nContent-Length: 77\r\n\r\n# HELP");
	/* The connection is kept. */
	say(fd, GET);
	again = hear(f, fd, "weft_x_answer 42\n");
	g_assert_cmpstr(again, ==, answer);
	close(fd);
}

static void
test_pipelining_is_answered_in_order(struct fixture *f, gconstpointer data)
{
	int fd = dial(weft_metrics_server_address(f->server));
	g_autofree char *answers = NULL;

	say(fd, GET "GET /other HTTP/1.1\r\nHost: x\r\n\r\n" GET
		    "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" GET);
	answers = hear(f, fd, NULL);
	g_assert_cmpuint(count(answers, "HTTP/1.1 200 OK"), ==, 3);
	g_assert_cmpuint(count(answers, "HTTP/1.1 404 Not Found"), ==, 1);
	/* Nothing behind "close". */
	g_assert_cmpuint(count(answers, "HTTP/1.1"), ==, 4);
	g_assert_true(strstr(answers, "404") > strstr(answers, "200"));
	close(fd);
}

static void
test_refusals_end_the_connection(struct fixture *f, gconstpointer data)
{
	static const struct {
		const char *request, *status;
	} rows[] = {
		{ "nonsense\r\n\r\n", "400" },
		{ "\r\n\r\n", "400" },
		{ "GET /metrics HTTP/1.1\r\n\r\n", "400" },
		{ "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "413" },
		{ "GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n", "505" },
		{ "PUT /metrics HTTP/1.0\r\n\r\n", "405" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		int fd = dial(weft_metrics_server_address(f->server));
		g_autofree char *answer = NULL;

		say(fd, rows[i].request);
		answer = hear(f, fd, NULL);
		g_assert_cmpuint(count(answer, "HTTP/1.1 "), ==, 1);
		g_assert_cmpmem(answer + 9, 3, rows[i].status, 3);
		assert_has(answer, "\r\nConnection: close\r\n");
		close(fd);
	}
}

static void
test_oversized_request(struct fixture *f, gconstpointer data)
{
	int fd = dial(weft_metrics_server_address(f->server));
	g_autofree char *filler = g_strnfill(3 * WEFT_METRICS_REQUEST_MAX, 'a');
	g_autofree char *answer = NULL;

	say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\nX: ");
	say(fd, filler);
	answer = hear(f, fd, NULL);
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 431 "));
	close(fd);
}

static void
test_slow_request_times_out(struct fixture *f, gconstpointer data)
{
	int fd = dial(weft_metrics_server_address(f->server));
	int silent = dial(weft_metrics_server_address(f->server));
	g_autofree char *answer = NULL;
	g_autofree char *nothing = NULL;

	say(fd, "GET /metrics HTTP/1.1\r\nHo");
	answer = hear(f, fd, NULL);
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 408 "));
	nothing = hear(f, silent, NULL);
	g_assert_cmpstr(nothing, ==, "");
	close(fd);
	close(silent);
}

static gboolean
on_drip(gpointer user)
{
	/* Fails once the server has closed: that is the point. */
	(void) !send(*(int *) user, "x", 1, MSG_NOSIGNAL);
	return G_SOURCE_CONTINUE;
}

static void
test_a_byte_now_and_then_does_not_help(struct fixture *f, gconstpointer data)
{
	int fd = dial(weft_metrics_server_address(f->server));
	GSource *drip = weft_source_timeout_us(f->context, 2000, on_drip, &fd);
	g_autofree char *answer = NULL;

	answer = hear(f, fd, "408");
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 408"));
	weft_source_cancel(&drip);
	close(fd);
}

static void
test_idle_connections_end(struct fixture *f, gconstpointer data)
{
	int fd = dial(weft_metrics_server_address(f->server));
	g_autofree char *answer = NULL;
	g_autofree char *rest = NULL;

	say(fd, GET);
	answer = hear(f, fd, "42\n");
	rest = hear(f, fd, NULL);
	g_assert_cmpstr(rest, ==, "");
	close(fd);
}

static void
collect_much(WeftMetricsOut *out, void *user)
{
	static const char *const labels[] = { "l", "0123456789012345678901234567890123456789",
					      NULL };

	for (unsigned f = 0; f < 20; f++) {
		weft_metrics_out_family(out, "weft_x_much", "M.", WEFT_METRIC_GAUGE);
		for (unsigned i = 0; i < WEFT_METRIC_SERIES_MAX; i++)
			weft_metrics_out_sample(out, labels, i);
	}
}

static void
test_a_reader_that_never_reads_is_dropped(struct fixture *f, gconstpointer data)
{
	int fd = dial(weft_metrics_server_address(f->server));
	int small = 4096;
	int other = dial(weft_metrics_server_address(f->server));
	g_autofree char *answer = NULL;
	int64_t end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
	char c;

	weft_metrics_add_collector(f->metrics, collect_much, NULL);
	g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), ==, 0);
	say(fd, GET);
	/* Others are served meanwhile. */
	say(other, GET);
	answer = hear(f, other, "4095\n# HELP");
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 200"));
	close(other);
	/* The server's end is gone once a byte of ours is answered by a reset. */
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1 && g_get_monotonic_time() < end) {
		g_main_context_iteration(f->context, FALSE);
		g_usleep(1000);
	}
	g_assert_cmpint(send(fd, "x", 1, MSG_NOSIGNAL), <, 0);
	(void) !recv(fd, &c, 1, MSG_DONTWAIT);
	close(fd);
}

static void
test_connections_are_bounded(struct fixture *f, gconstpointer data)
{
	int fds[WEFT_METRICS_CONNECTIONS_MAX + 4];
	g_autofree char *answer = NULL;

	/* All slots taken by silent clients: the last one waits until they are timed out. */
	for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
		fds[i] = dial(weft_metrics_server_address(f->server));
		g_main_context_iteration(f->context, FALSE);
	}
	say(fds[G_N_ELEMENTS(fds) - 1], GET);
	answer = hear(f, fds[G_N_ELEMENTS(fds) - 1], "42\n");
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 200"));
	for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
		close(fds[i]);
}

static void
test_idle_ones_make_room(struct fixture *f, gconstpointer data)
{
	int fds[WEFT_METRICS_CONNECTIONS_MAX + 1];

	for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
		g_autofree char *answer = NULL;

		fds[i] = dial(weft_metrics_server_address(f->server));
		say(fds[i], GET);
		answer = hear(f, fds[i], "42\n");
		g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 200"));
	}
	for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
		close(fds[i]);
}

static void
test_unix_socket(struct fixture *f, gconstpointer data)
{
	g_autofree char *dir = g_dir_make_tmp("weft-metrics-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "socket", NULL);
	g_autofree char *listen = g_strdup_printf("unix:%s", path);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	g_autoptr(GError) error = NULL;
	WeftMetricsServer *server = serve(f, listen, &error);
	WeftMetricsServer *second;
	g_autofree char *answer = NULL;
	struct stat st;
	int fd;

	g_assert_no_error(error);
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 0777, ==, 0660);
	g_strlcpy(sa.sun_path, path, sizeof sa.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(connect(fd, (const struct sockaddr *) &sa, sizeof sa), ==, 0);
	say(fd, GET);
	answer = hear(f, fd, "42\n");
	g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 200"));
	close(fd);
	/* One that lives is not replaced, nor is a file. */
	g_assert_null(serve(f, listen, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
	g_clear_error(&error);
	weft_metrics_server_free(server);
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	g_assert_true(g_file_set_contents(path, "x", 1, NULL));
	g_assert_null(serve(f, listen, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS);
	g_clear_error(&error);
	g_remove(path);
	/* A stale one is. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(fd, (const struct sockaddr *) &sa, sizeof sa), ==, 0);
	close(fd);
	second = serve(f, listen, &error);
	g_assert_no_error(error);
	weft_metrics_server_free(second);
	g_rmdir(dir);
}

static void
test_where_one_may_listen(void)
{
	static const struct {
		const char *listen;
		bool good;
	} rows[] = {
		{ "", true },
		{ "127.0.0.1:9100", true },
		{ "127.8.8.8:1", true },
		{ "[::1]:9100", true },
		{ "[::ffff:127.0.0.1]:9100", true },
		{ "unix:/run/x", true },
		{ "0.0.0.0:9100", false },
		{ "[::]:9100", false },
		{ "192.0.2.1:9100", false },
		{ "[::ffff:192.0.2.1]:9100", false },
		{ "localhost:9100", false },
		{ "127.0.0.1", false },
		{ "unix:run/x", false },
		{ "unix:", false },
	};
	g_autofree char *filler = g_strnfill(200, 'x');
	g_autofree char *path = g_strdup_printf("unix:/%s", filler);

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_true(weft_metrics_server_check_listen(rows[i].listen, &error) ==
			      rows[i].good);
		g_assert_true((error == NULL) == rows[i].good);
	}
	g_assert_false(weft_metrics_server_check_listen(path, NULL));
}

#define HOST "\r\nHost: h\r\n\r\n"

static void
test_requests(void)
{
	static const struct {
		const char *text;
		enum weft_metrics_request wanted;
		bool keep;
	} rows[] = {
		{ "", WEFT_METRICS_REQUEST_PARTIAL, false },
		{ "GET /metrics HTTP/1.1\r\nHost: h\r\n", WEFT_METRICS_REQUEST_PARTIAL, false },
		{ "GET /metrics HTTP/1.1" HOST, WEFT_METRICS_REQUEST_OK, true },
		{ "GET /metrics?x=y HTTP/1.1" HOST, WEFT_METRICS_REQUEST_OK, true },
		{ "GET /metrics HTTP/1.9" HOST, WEFT_METRICS_REQUEST_OK, true },
		{ "GET /metrics HTTP/1.0\r\n\r\n", WEFT_METRICS_REQUEST_OK, false },
		{ "GET /metrics HTTP/1.1\r\nConnection: Close" HOST, WEFT_METRICS_REQUEST_OK,
		  false },
		{ "GET /metrics HTTP/1.1\r\nContent-Length: 0" HOST, WEFT_METRICS_REQUEST_OK,
		  true },
		{ "GET /metrics HTTP/1.1\r\nAccept:\t*/* \t" HOST, WEFT_METRICS_REQUEST_OK, true },
		{ "GET /metrics/ HTTP/1.1" HOST, WEFT_METRICS_REQUEST_UNKNOWN, true },
		{ "GET http://h/metrics HTTP/1.1" HOST, WEFT_METRICS_REQUEST_UNKNOWN, true },
		{ "HEAD /metrics HTTP/1.1" HOST, WEFT_METRICS_REQUEST_METHOD, false },
		{ "HEAD / HTTP/1.1" HOST, WEFT_METRICS_REQUEST_UNKNOWN, false },
		{ "get /metrics HTTP/1.1" HOST, WEFT_METRICS_REQUEST_METHOD, false },
		{ "GET /metrics HTTP/1.1\r\nConnection: x, CLOSE" HOST, WEFT_METRICS_REQUEST_OK,
		  false },
		{ "GET /metrics HTTP/1.1\r\nContent-Length: 1" HOST, WEFT_METRICS_REQUEST_BODY,
		  false },
		{ "GET /metrics HTTP/1.1\r\nContent-Length: 00" HOST, WEFT_METRICS_REQUEST_BODY,
		  false },
		{ "GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked" HOST,
		  WEFT_METRICS_REQUEST_BODY, false },
		{ "GET /metrics HTTP/3.0" HOST, WEFT_METRICS_REQUEST_VERSION, false },
		{ "GET /metrics HTTP/1.1\r\nHost: a" HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ "GET /metrics HTTP/1.1\r\nHost : a\r\n\r\n", WEFT_METRICS_REQUEST_BAD, false },
		{ "GET /metrics HTTP/1.1\r\nX: a\r\n folded" HOST, WEFT_METRICS_REQUEST_BAD,
		  false },
		{ "GET /metrics HTTP/1.1\r\nX: a\nb" HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ "GET /metrics HTTP/1.1\r\nno colon" HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ "GET /metrics HTTP/1.1\r\n: x" HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ "GET  /metrics HTTP/1.1" HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ "GET /metrics HTTP/1.1 " HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ "GET /metrics HTTP/11" HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ "GET /metrics" HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ "G(T /metrics HTTP/1.1" HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ "GET /m\x80 HTTP/1.1" HOST, WEFT_METRICS_REQUEST_BAD, false },
		{ " GET /metrics HTTP/1.1" HOST, WEFT_METRICS_REQUEST_BAD, false },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		size_t len = 0;
		bool keep = false;
		enum weft_metrics_request got =
			weft_metrics_parse_request(rows[i].text, strlen(rows[i].text), &len, &keep);

		g_test_message("row %zu", i);
		g_assert_cmpint(got, ==, rows[i].wanted);
		g_assert_true(keep == rows[i].keep);
		if (got != WEFT_METRICS_REQUEST_PARTIAL)
			g_assert_cmpuint(len, ==, strlen(rows[i].text));
	}
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*func)(struct fixture *f, gconstpointer data);
		bool hasty;
	} tests[] = {
		{ "get", test_get },
		{ "pipelining-is-answered-in-order", test_pipelining_is_answered_in_order },
		{ "refusals-end-the-connection", test_refusals_end_the_connection },
		{ "oversized-request", test_oversized_request },
		{ "slow-request-times-out", test_slow_request_times_out, true },
		{ "a-byte-now-and-then-does-not-help", test_a_byte_now_and_then_does_not_help,
		  true },
		{ "idle-connections-end", test_idle_connections_end, true },
		{ "a-reader-that-never-reads-is-dropped", test_a_reader_that_never_reads_is_dropped,
		  true },
		{ "connections-are-bounded", test_connections_are_bounded, true },
		{ "idle-ones-make-room", test_idle_ones_make_room },
		{ "unix-socket", test_unix_socket },
	};

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base-glib/metrics-server/where-one-may-listen",
			test_where_one_may_listen);
	g_test_add_func("/base-glib/metrics-server/requests", test_requests);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path =
			g_strdup_printf("/base-glib/metrics-server/%s", tests[i].name);
		g_test_add(path, struct fixture, tests[i].hasty ? "" : NULL, setup, tests[i].func,
			   teardown);
	}
	return g_test_run();
}

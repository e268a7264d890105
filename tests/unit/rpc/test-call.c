/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Server and client of this room against each other in one process, in each way of delivery, with
 * threads that send: what ThreadSanitizer is to look at. */
#include "rpc/call.h"

#include "base/glib/metrics.h"
#include "proto/method.h"
#include "rpc/broadcast.h"
#include "rpc/channel.h"
#include "rpc/health.h"
#include "rpc/metrics.h"
#include "rpc/runtime.h"
#include "rpc/server.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { UNARY, BIDI, HOLD, SLOT, METHODS_ };

static const struct weft_proto_method protos[METHODS_] = {
	[UNARY] = { .path = "/t.T/Unary" },
	[BIDI] = { .path = "/t.T/Bidi", .client_streaming = true, .server_streaming = true },
	[HOLD] = { .path = "/t.T/Hold", .server_streaming = true },
	[SLOT] = { .path = "/t.T/Slot", .server_streaming = true },
};

static const struct weft_rpc_method methods[METHODS_] = {
	[UNARY] = { .proto = &protos[UNARY], .raw = true },
	[BIDI] = { .proto = &protos[BIDI], .raw = true },
	[HOLD] = { .proto = &protos[HOLD], .raw = true, .queue_max_messages = 10 },
	[SLOT] = { .proto = &protos[SLOT], .raw = true, .policy = WEFT_RPC_QUEUE_COALESCE },
};

#define MAX_HELD 64

struct fixture {
	WeftRpcRuntime *server_rt, *client_rt;
	WeftRpcServer *server;
	WeftRpcHealth *health;
	WeftRpcChannel *channel;
	pthread_mutex_t lock;
	WeftRpcCall *held[MAX_HELD]; /* server's side of HOLD and SLOT, under lock */
	atomic_uint n_held, server_done;

	/* Client, all in the main context. */
	unsigned headers, messages, done;
	WeftRpcBytes *last;
	enum weft_rpc_code code;
	bool stop_reading;
};

static void
wait_for(bool (*is_so)(struct fixture *f), struct fixture *f)
{
	int64_t deadline_us = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

	while (!is_so(f)) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline_us);
		g_main_context_iteration(NULL, FALSE);
		g_thread_yield();
	}
}

/* --- The server's handlers --- */

static void
serve_unary(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	weft_rpc_call_reply_bytes(call, bytes);
}

static void
serve_bidi(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	g_assert_cmpint(weft_rpc_call_send_bytes(call, bytes), ==, WEFT_RPC_SEND_OK);
}

static void
serve_half_close(WeftRpcCall *call, void *user)
{
	weft_rpc_call_finish(call, WEFT_RPC_OK, NULL);
}

static void
serve_hold(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	struct fixture *f = user;

	weft_rpc_call_send_headers(call);
	pthread_mutex_lock(&f->lock);
	f->held[f->n_held] = weft_rpc_call_ref(call);
	atomic_fetch_add(&f->n_held, 1);
	pthread_mutex_unlock(&f->lock);
}

static void
serve_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	struct fixture *f = user;

	atomic_fetch_add(&f->server_done, 1);
}

static const struct weft_rpc_handler server_handlers[METHODS_] = {
	[UNARY] = { .on_bytes = serve_unary },
	[BIDI] = { .on_bytes = serve_bidi, .on_half_close = serve_half_close },
	[HOLD] = { .on_bytes = serve_hold, .on_done = serve_done },
	[SLOT] = { .on_bytes = serve_hold, .on_done = serve_done },
};

/* --- The client's --- */

static void
on_headers(WeftRpcCall *call, void *user)
{
	struct fixture *f = user;

	f->headers++;
	if (f->stop_reading)
		weft_rpc_call_pause(call);
}

static void
on_bytes(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	struct fixture *f = user;

	f->messages++;
	weft_rpc_bytes_unref(f->last);
	f->last = weft_rpc_bytes_ref(bytes);
}

static void
on_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	struct fixture *f = user;

	f->done++;
	f->code = status->code;
	g_assert_true(weft_rpc_call_is_closed(call));
}

static const struct weft_rpc_handler client_handler = {
	.on_headers = on_headers,
	.on_bytes = on_bytes,
	.on_done = on_done,
};

static WeftRpcCall *
begin(struct fixture *f, unsigned method, const char *text)
{
	g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_new(text, strlen(text));
	WeftRpcCall *call =
		weft_rpc_call_new(f->channel, &methods[method], &client_handler, f, NULL);

	g_assert_cmpint(weft_rpc_call_send_bytes(call, bytes), ==, WEFT_RPC_SEND_OK);
	if (method != BIDI)
		weft_rpc_call_half_close(call);
	weft_rpc_call_start(call);
	return call;
}

/* --- Set-up --- */

static void
set_up(struct fixture *f, gconstpointer delivery)
{
	struct weft_rpc_runtime_config config = { .delivery = GPOINTER_TO_INT(delivery) };
	struct weft_rpc_channel_config channel = { 0 };
	g_autofree char *target = NULL;
	g_autoptr(GError) error = NULL;
	uint16_t port = 0;

	pthread_mutex_init(&f->lock, NULL);
	f->server_rt = weft_rpc_runtime_new(&config, &error);
	g_assert_no_error(error);
	f->server = weft_rpc_server_new(f->server_rt, NULL);
	f->health = weft_rpc_health_new(f->server);
	for (unsigned i = 0; i < METHODS_; i++)
		weft_rpc_server_add_method(f->server, &methods[i], &server_handlers[i], f);
	weft_rpc_server_listen(f->server, "127.0.0.1:0", NULL, &port, &error);
	g_assert_no_error(error);
	weft_rpc_server_start(f->server);

	config.delivery = WEFT_RPC_DELIVER_CONTEXT;
	f->client_rt = weft_rpc_runtime_new(&config, &error);
	g_assert_no_error(error);
	target = g_strdup_printf("127.0.0.1:%u", port);
	channel.target = target;
	f->channel = weft_rpc_channel_new(f->client_rt, &channel, &error);
	g_assert_no_error(error);
}

static void
tear_down(struct fixture *f, gconstpointer delivery)
{
	for (unsigned i = 0; i < f->n_held; i++)
		weft_rpc_call_unref(f->held[i]);
	weft_rpc_bytes_unref(f->last);
	weft_rpc_channel_free(f->channel);
	weft_rpc_runtime_free(f->client_rt);
	weft_rpc_server_shutdown_sync(f->server, 100);
	weft_rpc_server_free(f->server);
	weft_rpc_health_free(f->health);
	weft_rpc_runtime_free(f->server_rt);
	pthread_mutex_destroy(&f->lock);
}

/* --- The tests --- */

static bool
are_200_done(struct fixture *f)
{
	return f->done == 200;
}

static void
test_unary(struct fixture *f, gconstpointer delivery)
{
	for (unsigned i = 0; i < 200; i++)
		weft_rpc_call_unref(begin(f, UNARY, "hello"));
	wait_for(are_200_done, f);
	g_assert_cmpuint(f->messages, ==, 200);
	g_assert_cmpint(f->code, ==, WEFT_RPC_OK);
}

static bool
is_done(struct fixture *f)
{
	return f->done == 1;
}

static void *
send_100(void *call)
{
	g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_new("x", 1);

	for (unsigned i = 0; i < 100; i++)
		g_assert_cmpint(weft_rpc_call_send_bytes(call, bytes), ==, WEFT_RPC_SEND_OK);
	return NULL;
}

static bool
are_401_there(struct fixture *f)
{
	return f->messages == 401;
}

static void
test_threads_send_on_one_call(struct fixture *f, gconstpointer delivery)
{
	g_autoptr(WeftRpcCall) call = begin(f, BIDI, "x");
	GThread *threads[4];

	for (unsigned i = 0; i < 4; i++)
		threads[i] = g_thread_new("send", send_100, call);
	for (unsigned i = 0; i < 4; i++)
		g_thread_join(threads[i]);
	wait_for(are_401_there, f);
	weft_rpc_call_half_close(call);
	wait_for(is_done, f);
	g_assert_cmpint(weft_rpc_call_send_bytes(call, f->last), ==, WEFT_RPC_SEND_CLOSED);
}

static bool
are_20_held(struct fixture *f)
{
	return atomic_load(&f->n_held) == 20;
}

static bool
are_20_there(struct fixture *f)
{
	return f->messages == 20;
}

static bool
are_20_over(struct fixture *f)
{
	return atomic_load(&f->server_done) == 20 && f->done == 20;
}

static void
on_broadcast(const struct weft_rpc_broadcast_result *result, void *user)
{
	atomic_uint *ended = user;

	g_assert_cmpuint(result->sent, ==, 20);
	atomic_fetch_add(ended, 1);
}

static void
test_broadcast_and_cancel(struct fixture *f, gconstpointer delivery)
{
	g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_new("news", 4);
	WeftRpcCall *calls[20];
	atomic_uint ended = 0;

	for (unsigned i = 0; i < 20; i++)
		calls[i] = begin(f, HOLD, "x");
	wait_for(are_20_held, f);
	weft_rpc_broadcast(f->server_rt, f->held, 20, bytes, on_broadcast, &ended);
	wait_for(are_20_there, f);
	while (atomic_load(&ended) == 0)
		g_main_context_iteration(NULL, FALSE);
	for (unsigned i = 0; i < 20; i++)
		weft_rpc_call_cancel(calls[i]);
	wait_for(are_20_over, f);
	g_assert_cmpint(f->code, ==, WEFT_RPC_CANCELLED);
	for (unsigned i = 0; i < 20; i++)
		weft_rpc_call_unref(calls[i]);
}

static bool
is_held(struct fixture *f)
{
	return atomic_load(&f->n_held) == 1 && f->headers == 1;
}

/* What flow control lets through without a reader is far below this. */
#define BLOCK (1024 * 1024)

static WeftRpcBytes *
block(uint8_t first)
{
	uint8_t *buf;
	WeftRpcBytes *bytes = weft_rpc_bytes_alloc(BLOCK - 64, &buf);

	memset(buf, first, BLOCK - 64);
	return bytes;
}

static bool
is_last_there(struct fixture *f)
{
	size_t len;

	return f->last != NULL && weft_rpc_bytes_data(f->last, &len)[0] == 99;
}

static void
test_slot_keeps_the_newest(struct fixture *f, gconstpointer delivery)
{
	g_autoptr(WeftRpcCall) call = NULL;
	unsigned replaced = 0;

	f->stop_reading = true;
	call = begin(f, SLOT, "x");
	wait_for(is_held, f);
	for (uint8_t i = 0; i < 100; i++) {
		g_autoptr(WeftRpcBytes) bytes = block(i);
		enum weft_rpc_send sent = weft_rpc_call_send_bytes(f->held[0], bytes);

		g_assert_true(sent == WEFT_RPC_SEND_OK || sent == WEFT_RPC_SEND_REPLACED);
		replaced += sent == WEFT_RPC_SEND_REPLACED;
		g_assert_cmpuint(weft_rpc_call_queued_messages(f->held[0]), <=, 1);
	}
	g_assert_cmpuint(replaced, >=, 90);
	weft_rpc_call_resume(call);
	wait_for(is_last_there, f);
	g_assert_cmpuint(f->messages, <=, 10);
	weft_rpc_call_finish(f->held[0], WEFT_RPC_ABORTED, "enough");
	wait_for(is_done, f);
	g_assert_cmpint(f->code, ==, WEFT_RPC_ABORTED);
}

static void
test_full_queue_refuses(struct fixture *f, gconstpointer delivery)
{
	g_autoptr(WeftRpcCall) call = NULL;
	g_autoptr(WeftRpcBytes) bytes = block(1);
	unsigned n = 0;

	f->stop_reading = true;
	call = begin(f, HOLD, "x");
	wait_for(is_held, f);
	while (weft_rpc_call_send_bytes(f->held[0], bytes) == WEFT_RPC_SEND_OK)
		n++;
	g_assert_cmpuint(n, <=, 12);
	g_assert_cmpuint(weft_rpc_call_queued_bytes(f->held[0]), <=, 4U << 20);
	/* The queue is dropped, and the status comes although nobody reads the message. */
	weft_rpc_call_abort(f->held[0], WEFT_RPC_RESOURCE_EXHAUSTED, "read");
	weft_rpc_call_resume(call);
	wait_for(is_done, f);
	g_assert_cmpint(f->code, ==, WEFT_RPC_RESOURCE_EXHAUSTED);
}

static void
count(void *data)
{
	atomic_fetch_add((atomic_uint *) data, 1);
}

static void
count_call(WeftRpcCall *call, void *data)
{
	count(data);
}

struct invoker {
	WeftRpcRuntime *rt;
	WeftRpcCall *call;
	atomic_uint *n;
};

static void *
invoke_100(void *user)
{
	struct invoker *invoker = user;

	for (unsigned i = 0; i < 50; i++) {
		weft_rpc_runtime_invoke(invoker->rt, count, invoker->n);
		weft_rpc_call_invoke(invoker->call, count_call, invoker->n);
	}
	return NULL;
}

static void
test_threads_come_back(struct fixture *f, gconstpointer delivery)
{
	g_autoptr(WeftRpcCall) call = begin(f, HOLD, "x");
	atomic_uint n = 0;
	struct invoker invoker = { .rt = f->server_rt, .n = &n };
	GThread *threads[4];

	wait_for(is_held, f);
	invoker.call = f->held[0];
	for (unsigned i = 0; i < 4; i++)
		threads[i] = g_thread_new("invoke", invoke_100, &invoker);
	for (unsigned i = 0; i < 4; i++)
		g_thread_join(threads[i]);
	while (atomic_load(&n) < 400)
		g_main_context_iteration(NULL, FALSE);
	weft_rpc_call_finish(f->held[0], WEFT_RPC_OK, NULL);
	wait_for(is_done, f);
}

static void
test_metrics(struct fixture *f, gconstpointer delivery)
{
	g_autoptr(WeftMetrics) metrics = weft_metrics_new();
	g_autoptr(WeftRpcMetrics) m = weft_rpc_metrics_new(f->server, metrics, "test");
	g_autoptr(GString) text = g_string_new(NULL);

	for (unsigned i = 0; i < 200; i++)
		weft_rpc_call_unref(begin(f, UNARY, "hello"));
	wait_for(are_200_done, f);
	/* A client may know before the server has counted. */
	do {
		g_main_context_iteration(NULL, FALSE);
		g_string_truncate(text, 0);
		weft_metrics_format(metrics, text);
	} while (strstr(text->str, "calls_total{method=\"/t.T/Unary\",code=\"OK\"} 200") == NULL);
	g_assert_nonnull(strstr(text->str, "weft_test_rpc_received_bytes_total{method=\"/t.T/"
					   "Unary\"} 1000\n"));
	g_assert_nonnull(strstr(text->str, "weft_test_rpc_duration_seconds_bucket{method=\"/t.T/"
					   "Unary\",le=\"+Inf\"} 200\n"));
	g_assert_nonnull(strstr(text->str, "reason=\"status\"} 200\n"));
}

static void
test_server_that_was_never_started(struct fixture *f, gconstpointer delivery)
{
	WeftRpcServer *server = weft_rpc_server_new(f->server_rt, NULL);

	weft_rpc_server_free(server);
}

/* --- Main --- */

static const struct {
	const char *name;
	void (*run)(struct fixture *f, gconstpointer delivery);
} tests[] = {
	{ "unary", test_unary },
	{ "threads-send-on-one-call", test_threads_send_on_one_call },
	{ "broadcast-and-cancel", test_broadcast_and_cancel },
	{ "slot-keeps-the-newest", test_slot_keeps_the_newest },
	{ "full-queue-refuses", test_full_queue_refuses },
	{ "threads-come-back", test_threads_come_back },
	{ "metrics", test_metrics },
	{ "server-that-was-never-started", test_server_that_was_never_started },
};

int
main(int argc, char **argv)
{
	static const char *const deliveries[] = {
		[WEFT_RPC_DELIVER_CONTEXT] = "context",
		[WEFT_RPC_DELIVER_LOOP] = "loop",
		[WEFT_RPC_DELIVER_INLINE] = "inline",
	};

	g_test_init(&argc, &argv, NULL);
	for (unsigned d = 0; d < G_N_ELEMENTS(deliveries); d++) {
		for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
			g_autofree char *path =
				g_strdup_printf("/rpc/call/%s/%s", deliveries[d], tests[i].name);

			g_test_add(path, struct fixture, GUINT_TO_POINTER(d), set_up, tests[i].run,
				   tear_down);
		}
	}
	return g_test_run();
}

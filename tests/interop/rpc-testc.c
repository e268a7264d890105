/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client on rpc/ for tests/interop/test_rpc_client.py: rpc-testc [OPTION...] TARGET COMMAND
 * [ARG]. Prints one line per thing that happens. */
#include "base/backoff.h"
#include "base/env.h"
#include "base/glib/log.h"
#include "rpc/call.h"
#include "rpc/channel.h"
#include "rpc/redial.h"
#include "rpc/runtime.h"
#include "tests/interop/rpc-test-methods.h"
#include "tests/interop/rpc_test.pb-c.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct testc {
	GMainLoop *loop;
	WeftRpcRuntime *rt;
	WeftRpcChannel *channel;
	WeftRpcRedial *redial;
	WeftRpcCall *stream;
	const char *arg;
	unsigned to_send, pending, messages;
	uint64_t bytes;
	struct weft_rpc_call_options call_options;
};

struct options {
	char *ca, *name, *cert, *key, *delivery;
	int timeout_ms, keepalive_ms;
	gboolean tls, wait_ready;
};

static void
say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static void
say_status(const struct weft_rpc_status *status)
{
	say("status %s %s: %s", weft_rpc_code_name(status->code), weft_rpc_end_name(status->end),
	    status->message);
}

static gboolean
quit_loop(gpointer user)
{
	g_main_loop_quit(user);
	return G_SOURCE_REMOVE;
}

static void
done_one(struct testc *t)
{
	if (--t->pending == 0)
		g_idle_add(quit_loop, t->loop); /* the loop may not run yet */
}

/* --- One call of any kind --- */

static void
on_headers(WeftRpcCall *call, void *user)
{
	size_t len;
	const char *value = weft_rpc_call_header(call, "x-echo", &len);

	say("headers%s%.*s", value != NULL ? " x-echo=" : "", value != NULL ? (int) len : 0,
	    value != NULL ? value : "");
}

static void
on_bytes(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	struct testc *t = user;
	size_t len;
	const uint8_t *data = weft_rpc_bytes_data(bytes, &len);

	t->messages++;
	t->bytes += len;
	if (len > 0 && len < 100)
		say("message %.*s", (int) len, (const char *) data);
}

static void
on_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	struct testc *t = user;
	size_t len;
	const char *value = weft_rpc_call_trailer(call, "x-echo-trailer", &len);

	if (value != NULL)
		say("trailer %.*s", (int) len, value);
	say("received %u messages %" G_GUINT64_FORMAT " bytes", t->messages, t->bytes);
	say_status(status);
	done_one(t);
}

static void
send_rest(WeftRpcCall *call, void *user)
{
	struct testc *t = user;

	for (; t->to_send > 0; t->to_send--) {
		g_autofree char *text = g_strdup_printf("m%u", t->to_send);
		g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_new(text, strlen(text));

		if (weft_rpc_call_send_bytes(call, bytes) == WEFT_RPC_SEND_FULL)
			return;
	}
	weft_rpc_call_half_close(call);
}

static const struct weft_rpc_handler any_handler = {
	.on_headers = on_headers,
	.on_bytes = on_bytes,
	.on_drain = send_rest,
	.on_done = on_done,
};

static WeftRpcCall *
open_call(struct testc *t, enum test_method method)
{
	WeftRpcCall *call = weft_rpc_call_new(t->channel, &test_methods[method], &any_handler, t,
					      &t->call_options);

	weft_rpc_call_add_header_text(call, "x-echo", "value");
	t->pending++;
	return call;
}

static void
run_single_request(struct testc *t, enum test_method method)
{
	g_autoptr(WeftRpcCall) call = open_call(t, method);
	g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_new(t->arg, strlen(t->arg));

	(void) weft_rpc_call_send_bytes(call, bytes); /* the first always fits */
	weft_rpc_call_half_close(call);
	weft_rpc_call_start(call);
}

static void
run_unary(struct testc *t)
{
	run_single_request(t, TEST_UNARY);
}

static void
run_server(struct testc *t)
{
	run_single_request(t, TEST_SERVER);
}

static void
run_hang(struct testc *t)
{
	run_single_request(t, TEST_HANG);
}

static void
run_streaming(struct testc *t, enum test_method method)
{
	g_autoptr(WeftRpcCall) call = open_call(t, method);

	t->to_send = (unsigned) atoi(t->arg);
	weft_rpc_call_start(call);
	send_rest(call, t);
}

static void
run_client(struct testc *t)
{
	run_streaming(t, TEST_CLIENT);
}

static void
run_bidi(struct testc *t)
{
	run_streaming(t, TEST_BIDI);
}

static void
cancel_on_headers(WeftRpcCall *call, void *user)
{
	weft_rpc_call_cancel(call);
}

static void
run_cancel(struct testc *t)
{
	static const struct weft_rpc_handler handler = {
		.on_headers = cancel_on_headers,
		.on_done = on_done,
	};
	g_autoptr(WeftRpcCall) call =
		weft_rpc_call_new(t->channel, &test_methods[TEST_HOLD], &handler, t, NULL);
	g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_new("0", 1);

	t->pending++;
	(void) weft_rpc_call_send_bytes(call, bytes); /* the first always fits */
	weft_rpc_call_half_close(call);
	weft_rpc_call_start(call);
}

static void
run_cancel_early(struct testc *t)
{
	g_autoptr(WeftRpcCall) call = open_call(t, TEST_HANG);

	weft_rpc_call_cancel(call);
	weft_rpc_call_start(call);
}

/* The channel goes while calls are open. */
static void
run_free(struct testc *t)
{
	run_single_request(t, TEST_HANG);
	run_single_request(t, TEST_HANG);
	weft_rpc_channel_free(g_steal_pointer(&t->channel));
}

/* --- Decoded replies in one step --- */

static void
on_reply(const struct weft_rpc_status *status, const struct ProtobufCMessage *msg, void *user)
{
	const Weft__Test__Node *node = (const Weft__Test__Node *) msg;

	if (node != NULL)
		say("node %s %d", node->text, node->number);
	say_status(status);
	done_one(user);
}

static void
run_node(struct testc *t)
{
	Weft__Test__Node request = WEFT__TEST__NODE__INIT;

	request.text = (char *) t->arg;
	t->pending++;
	weft_rpc_call_unref(weft_rpc_channel_unary(t->channel, &test_methods[TEST_NODE],
						   &request.base, &t->call_options, on_reply, t));
}

static void
on_counted(const struct weft_rpc_status *status, const struct ProtobufCMessage *msg, void *user)
{
	struct testc *t = user;

	if (status->code == WEFT_RPC_OK)
		t->messages++;
	if (t->pending == 1)
		say("ok %u", t->messages);
	done_one(t);
}

static void
run_many(struct testc *t)
{
	Weft__Test__Node request = WEFT__TEST__NODE__INIT;
	int n = atoi(t->arg);

	request.text = (char *) "x";
	t->pending += (unsigned) n;
	for (int i = 0; i < n; i++)
		weft_rpc_call_unref(weft_rpc_channel_unary(t->channel, &test_methods[TEST_NODE],
							   &request.base, &t->call_options,
							   on_counted, t));
}

/* --- A stream that is kept open --- */

static void
on_state(enum weft_rpc_channel_state state, void *user)
{
	say("state %s", weft_rpc_channel_state_name(state));
}

static void
on_stream_headers(WeftRpcCall *call, void *user)
{
	struct testc *t = user;

	say("stream up");
	weft_rpc_redial_succeeded(t->redial);
}

static void
on_stream_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	struct testc *t = user;

	say("stream down %s", weft_rpc_code_name(status->code));
	weft_rpc_call_unref(g_steal_pointer(&t->stream));
	if (t->redial != NULL)
		weft_rpc_redial_failed(t->redial);
}

static void
open_stream(void *user)
{
	static const struct weft_rpc_handler handler = {
		.on_headers = on_stream_headers,
		.on_bytes = on_bytes,
		.on_done = on_stream_done,
	};
	struct testc *t = user;
	g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_new("0", 1);

	t->stream = weft_rpc_call_new(t->channel, &test_methods[TEST_HOLD], &handler, t, NULL);
	(void) weft_rpc_call_send_bytes(t->stream, bytes); /* the first always fits */
	weft_rpc_call_half_close(t->stream);
	weft_rpc_call_start(t->stream);
}

static void
run_keep(struct testc *t)
{
	static const struct weft_backoff_config backoff = {
		.first_us = 100000,
		.cap_us = 1000000,
		.factor_pct = 200,
		.jitter_pct = 30,
	};

	t->redial =
		weft_rpc_redial_new(NULL, t->channel, &backoff, weft_env_system(), open_stream, t);
	weft_rpc_channel_watch(t->channel, on_state, t);
	t->pending++;
	open_stream(t);
}

static gboolean
on_term(gpointer user)
{
	struct testc *t = user;

	g_main_loop_quit(t->loop);
	return G_SOURCE_REMOVE;
}

/* --- Main --- */

static const struct {
	const char *name;
	void (*run)(struct testc *t);
} commands[] = {
	{ "unary", run_unary },
	{ "server", run_server },
	{ "client", run_client },
	{ "bidi", run_bidi },
	{ "hang", run_hang },
	{ "cancel", run_cancel },
	{ "cancel-early", run_cancel_early },
	{ "free", run_free },
	{ "node", run_node },
	{ "many", run_many },
	{ "keep", run_keep },
};

static bool
connect_channel(struct testc *t, const struct options *o, const char *target, GError **error)
{
	const struct weft_rpc_runtime_config rt_config = {
		.delivery = g_strcmp0(o->delivery, "loop") == 0     ? WEFT_RPC_DELIVER_LOOP
			    : g_strcmp0(o->delivery, "inline") == 0 ? WEFT_RPC_DELIVER_INLINE
								    : WEFT_RPC_DELIVER_CONTEXT,
	};
	const struct weft_rpc_channel_tls tls = {
		.ca_file = o->ca,
		.cert_file = o->cert,
		.key_file = o->key,
		.server_name = o->name,
	};
	const struct weft_rpc_channel_config config = {
		.target = target,
		.tls = o->tls || o->ca != NULL ? &tls : NULL,
		.user_agent = "rpc-testc",
		.max_receive_bytes = 4U << 20,
		.keepalive_time_ms = (unsigned) o->keepalive_ms,
		.keepalive_timeout_ms = (unsigned) o->keepalive_ms,
	};

	t->rt = weft_rpc_runtime_new(&rt_config, error);
	if (t->rt == NULL)
		return false;
	t->channel = weft_rpc_channel_new(t->rt, &config, error);
	return t->channel != NULL;
}

static bool
run(struct testc *t, const char *command)
{
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(commands[i].name, command) == 0) {
			commands[i].run(t);
			return true;
		}
	}
	return false;
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	const GOptionEntry entries[] = {
		{ "ca", 0, 0, G_OPTION_ARG_STRING, &o.ca, NULL, NULL },
		{ "tls", 0, 0, G_OPTION_ARG_NONE, &o.tls, NULL, NULL },
		{ "name", 0, 0, G_OPTION_ARG_STRING, &o.name, NULL, NULL },
		{ "cert", 0, 0, G_OPTION_ARG_STRING, &o.cert, NULL, NULL },
		{ "key", 0, 0, G_OPTION_ARG_STRING, &o.key, NULL, NULL },
		{ "delivery", 0, 0, G_OPTION_ARG_STRING, &o.delivery, NULL, NULL },
		{ "timeout-ms", 0, 0, G_OPTION_ARG_INT, &o.timeout_ms, NULL, NULL },
		{ "keepalive-ms", 0, 0, G_OPTION_ARG_INT, &o.keepalive_ms, NULL, NULL },
		{ "wait-ready", 0, 0, G_OPTION_ARG_NONE, &o.wait_ready, NULL, NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	struct testc t = { .arg = "" };
	int code = 0;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 3)
		return 2;
	t.arg = argc > 3 ? argv[3] : "";
	t.call_options.timeout_ms = (unsigned) o.timeout_ms;
	t.call_options.wait_ready = o.wait_ready;
	t.loop = g_main_loop_new(NULL, FALSE);
	g_unix_signal_add(SIGTERM, on_term, &t);
	if (!connect_channel(&t, &o, argv[1], &error)) {
		say("error %s", error->message);
		code = 1;
	} else if (run(&t, argv[2])) {
		g_main_loop_run(t.loop);
	} else {
		code = 2;
	}
	weft_rpc_redial_free(g_steal_pointer(&t.redial));
	weft_rpc_channel_free(t.channel);
	weft_rpc_runtime_free(t.rt);
	g_main_loop_unref(t.loop);
	g_free(o.ca);
	g_free(o.name);
	g_free(o.cert);
	g_free(o.key);
	g_free(o.delivery);
	return code;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What rpc-testd serves. Handlers keep to their call and to what the service's lock guards, so they
 * run under each way of delivery. */
#include "base/address.h"
#include "rpc/broadcast.h"
#include "rpc/call.h"
#include "rpc/runtime.h"
#include "rpc/server.h"
#include "tests/interop/rpc-test-methods.h"
#include "tests/interop/rpc_test.pb-c.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_service {
	WeftRpcRuntime *rt;
	WeftRpcServer *server;
	pthread_mutex_t lock;
	GPtrArray *held; /* streams of TEST_HOLD */
	unsigned drains; /* on_drain calls */
};

/* A stream that sends by numbers. */
struct sender {
	unsigned left;
	WeftRpcBytes *bytes;
};

struct counter {
	uint64_t messages, bytes;
};

static void
reply_text(WeftRpcCall *call, const char *text)
{
	g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_new(text, strlen(text));

	weft_rpc_call_reply_bytes(call, bytes);
}

static char *
text_of(WeftRpcBytes *bytes)
{
	size_t len;
	const uint8_t *data = weft_rpc_bytes_data(bytes, &len);

	return g_strndup((const char *) data, len);
}

/* --- Unary --- */

/* x-echo comes back as header and trailer, x-echo-bin as trailer, x-status "9 text" as status. */
static void
on_unary(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	size_t len;
	const char *echo = weft_rpc_call_header(call, "x-echo", &len);

	if (echo != NULL) {
		weft_rpc_call_add_header(call, "x-echo", echo, len);
		weft_rpc_call_add_trailer(call, "x-echo-trailer", echo, len);
	}
	echo = weft_rpc_call_header(call, "x-echo-bin", &len);
	if (echo != NULL)
		weft_rpc_call_add_trailer(call, "x-trailer-bin", echo, len);
	echo = weft_rpc_call_header(call, "x-status", &len);
	if (echo != NULL) {
		g_autofree char *text = g_strndup(echo, len);
		char *message = strchr(text, ' ');

		weft_rpc_call_finish(call, (enum weft_rpc_code) atoi(text),
				     message != NULL ? message + 1 : NULL);
		return;
	}
	weft_rpc_call_reply_bytes(call, bytes);
}

static void
on_node(WeftRpcCall *call, const struct ProtobufCMessage *msg, void *user)
{
	const Weft__Test__Node *node = (const Weft__Test__Node *) msg;
	Weft__Test__Node reply = WEFT__TEST__NODE__INIT;

	reply.text = node->text;
	reply.number = (int32_t) node->n_names;
	for (; node->child != NULL; node = node->child)
		reply.number += 1000;
	weft_rpc_call_reply(call, &reply.base);
}

static void
on_peer(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	struct weft_rpc_credentials who;
	struct weft_endpoint peer;
	g_autofree char *name = weft_rpc_call_tls_property(call, "x509_common_name");
	g_autofree char *text = NULL;
	char buf[WEFT_ENDPOINT_TEXT_SIZE] = "-";

	if (weft_rpc_call_peer(call, &peer))
		weft_endpoint_format(&peer, buf);
	if (weft_rpc_call_credentials(call, &who))
		text = g_strdup_printf("uid %u gid %u", (unsigned) who.uid, (unsigned) who.gid);
	else
		text = g_strdup_printf("peer %s cn %s remaining %" G_GINT64_FORMAT, buf,
				       name != NULL ? name : "-", weft_rpc_call_remaining_ms(call));
	reply_text(call, text);
}

static void
on_stats(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	struct test_service *service = user;
	g_autoptr(GString) text = g_string_new(NULL);
	struct weft_rpc_server_stats stats;

	weft_rpc_server_stats(service->server, &stats);
	pthread_mutex_lock(&service->lock);
	g_string_printf(text,
			"live %" G_GUINT64_FORMAT " total %" G_GUINT64_FORMAT
			" cut %" G_GUINT64_FORMAT " held %u drains %u",
			stats.calls_live, stats.calls_total, stats.connections_cut,
			service->held->len, service->drains);
	pthread_mutex_unlock(&service->lock);
	for (unsigned i = 0; i < WEFT_RPC_END_COUNT_; i++)
		g_string_append_printf(text, " %s %" G_GUINT64_FORMAT, weft_rpc_end_name(i),
				       stats.calls_ended[i]);
	reply_text(call, text->str);
}

/* --- Streams --- */

static void
sender_free(void *data)
{
	struct sender *sender = data;

	weft_rpc_bytes_unref(sender->bytes);
	g_free(sender);
}

static struct sender *
sender_new(WeftRpcCall *call, WeftRpcBytes *request)
{
	struct sender *sender = g_new0(struct sender, 1);
	g_autofree char *text = text_of(request);
	unsigned size = 0;
	uint8_t *buf;

	if (sscanf(text, "%u %u", &sender->left, &size) < 1)
		sender->left = 0;
	sender->bytes = weft_rpc_bytes_alloc(size, &buf);
	memset(buf, 'x', size);
	weft_rpc_call_set_data(call, sender, sender_free);
	return sender;
}

static void
send_more(WeftRpcCall *call, struct sender *sender)
{
	while (sender->left > 0) {
		if (weft_rpc_call_send_bytes(call, sender->bytes) == WEFT_RPC_SEND_FULL)
			return;
		sender->left--;
	}
	weft_rpc_call_finish(call, WEFT_RPC_OK, NULL);
}

static void
on_server(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	send_more(call, sender_new(call, bytes));
}

static void
on_server_drain(WeftRpcCall *call, void *user)
{
	struct test_service *service = user;

	pthread_mutex_lock(&service->lock);
	service->drains++;
	pthread_mutex_unlock(&service->lock);
	send_more(call, weft_rpc_call_data(call));
}

static void
on_hold(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	struct test_service *service = user;
	struct sender *sender = sender_new(call, bytes);

	weft_rpc_call_send_headers(call);
	while (sender->left-- > 0)
		(void) weft_rpc_call_send_bytes(call, sender->bytes); /* full is what is wanted */
	pthread_mutex_lock(&service->lock);
	g_ptr_array_add(service->held, weft_rpc_call_ref(call));
	pthread_mutex_unlock(&service->lock);
}

static void
on_hold_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	struct test_service *service = user;

	pthread_mutex_lock(&service->lock);
	g_ptr_array_remove_fast(service->held, call);
	pthread_mutex_unlock(&service->lock);
}

static void
on_published(const struct weft_rpc_broadcast_result *result, void *user)
{
	WeftRpcCall *call = user;
	g_autofree char *text = g_strdup_printf("sent %zu full %zu closed %zu", result->sent,
						result->full, result->closed);

	reply_text(call, text);
	weft_rpc_call_unref(call);
}

static void
on_publish(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	struct test_service *service = user;

	pthread_mutex_lock(&service->lock);
	weft_rpc_broadcast(service->rt, (WeftRpcCall *const *) service->held->pdata,
			   service->held->len, bytes, on_published, weft_rpc_call_ref(call));
	pthread_mutex_unlock(&service->lock);
}

static void
on_client_start(WeftRpcCall *call, void *user)
{
	weft_rpc_call_set_data(call, g_new0(struct counter, 1), g_free);
}

static void
on_client_bytes(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	struct counter *counter = weft_rpc_call_data(call);

	counter->messages++;
	counter->bytes += weft_rpc_bytes_len(bytes);
}

static void
on_client_half_close(WeftRpcCall *call, void *user)
{
	struct counter *counter = weft_rpc_call_data(call);
	g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
						counter->messages, counter->bytes);

	reply_text(call, text);
}

static void
on_bidi(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	if (weft_rpc_call_send_bytes(call, bytes) == WEFT_RPC_SEND_FULL)
		weft_rpc_call_abort(call, WEFT_RPC_RESOURCE_EXHAUSTED, "read faster");
}

static void
on_bidi_half_close(WeftRpcCall *call, void *user)
{
	weft_rpc_call_finish(call, WEFT_RPC_OK, NULL);
}

static void
on_register(WeftRpcCall *call, void *user)
{
	size_t len;

	if (weft_rpc_call_header(call, "x-id", &len) == NULL) {
		weft_rpc_call_finish(call, WEFT_RPC_FAILED_PRECONDITION, "x-id is missing");
		return;
	}
	weft_rpc_call_add_header_text(call, "x-registered", "1");
	weft_rpc_call_send_headers(call);
}

static const struct weft_rpc_handler handlers[TEST_METHOD_COUNT_] = {
	[TEST_UNARY] = { .on_bytes = on_unary },
	[TEST_NODE] = { .on_message = on_node },
	[TEST_SERVER] = { .on_bytes = on_server, .on_drain = on_server_drain },
	[TEST_CLIENT] = { .on_start = on_client_start,
			  .on_bytes = on_client_bytes,
			  .on_half_close = on_client_half_close },
	[TEST_BIDI] = { .on_bytes = on_bidi, .on_half_close = on_bidi_half_close },
	[TEST_REGISTER] = { .on_start = on_register,
			    .on_bytes = on_bidi,
			    .on_half_close = on_bidi_half_close },
	[TEST_FLOOD] = { .on_bytes = on_server },
	[TEST_LATEST] = { .on_bytes = on_server },
	[TEST_HOLD] = { .on_bytes = on_hold, .on_done = on_hold_done },
	[TEST_PUBLISH] = { .on_bytes = on_publish },
	[TEST_HANG] = { 0 },
	[TEST_PEER] = { .on_bytes = on_peer },
	[TEST_STATS] = { .on_bytes = on_stats },
};

struct test_service *
test_service_new(WeftRpcRuntime *rt, WeftRpcServer *server)
{
	struct test_service *service = g_new0(struct test_service, 1);

	service->rt = rt;
	service->server = server;
	pthread_mutex_init(&service->lock, NULL);
	service->held = g_ptr_array_new_with_free_func((GDestroyNotify) weft_rpc_call_unref);
	for (unsigned i = 0; i < TEST_METHOD_COUNT_; i++)
		weft_rpc_server_add_method(server, &test_methods[i], &handlers[i], service);
	return service;
}

void
test_service_free(struct test_service *service)
{
	g_ptr_array_unref(service->held);
	pthread_mutex_destroy(&service->lock);
	g_free(service);
}

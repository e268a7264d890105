/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server on rpc/ that tests/bench/rpc measures: serve context|loop|inline [CERT KEY]. Prints
 * its port. Send echoes; to "broadcast" it sends the body to every stream of ConnectStream and
 * answers when that is done. peer.cc does the same in C++. */
#include "proto/methods.h"
#include "proto/signalexchange.pb-c.h"
#include "rpc/broadcast.h"
#include "rpc/call.h"
#include "rpc/runtime.h"
#include "rpc/server.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef Signalexchange__EncryptedMessage Message;

struct bench {
	WeftRpcRuntime *rt;
	pthread_mutex_t lock;
	GPtrArray *streams;
};

static const struct weft_rpc_method send_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_SIGNAL_EXCHANGE_SEND],
	.backlog = 64,
};
static const struct weft_rpc_method stream_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_SIGNAL_EXCHANGE_CONNECT_STREAM],
	.backlog = 64,
};

static void
on_broadcast(const struct weft_rpc_broadcast_result *result, void *user)
{
	Message reply = SIGNALEXCHANGE__ENCRYPTED_MESSAGE__INIT;

	weft_rpc_call_reply(user, &reply.base);
	weft_rpc_call_unref(user);
}

static void
on_send(WeftRpcCall *call, const struct ProtobufCMessage *msg, void *user)
{
	struct bench *bench = user;
	const Message *message = (const Message *) msg;
	g_autoptr(WeftRpcBytes) bytes = NULL;

	if (strcmp(message->remotekey, "broadcast") != 0) {
		weft_rpc_call_reply(call, msg);
		return;
	}
	bytes = weft_rpc_bytes_pack(msg);
	pthread_mutex_lock(&bench->lock);
	weft_rpc_broadcast(bench->rt, (WeftRpcCall *const *) bench->streams->pdata,
			   bench->streams->len, bytes, on_broadcast, weft_rpc_call_ref(call));
	pthread_mutex_unlock(&bench->lock);
}

static void
on_stream(WeftRpcCall *call, void *user)
{
	struct bench *bench = user;

	weft_rpc_call_send_headers(call);
	pthread_mutex_lock(&bench->lock);
	g_ptr_array_add(bench->streams, weft_rpc_call_ref(call));
	pthread_mutex_unlock(&bench->lock);
}

static void
on_stream_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	struct bench *bench = user;

	pthread_mutex_lock(&bench->lock);
	g_ptr_array_remove_fast(bench->streams, call);
	pthread_mutex_unlock(&bench->lock);
}

static const struct weft_rpc_handler send_handler = { .on_message = on_send };
static const struct weft_rpc_handler stream_handler = {
	.on_start = on_stream,
	.on_done = on_stream_done,
};

static enum weft_rpc_delivery
delivery_of(const char *name)
{
	if (strcmp(name, "loop") == 0)
		return WEFT_RPC_DELIVER_LOOP;
	return strcmp(name, "inline") == 0 ? WEFT_RPC_DELIVER_INLINE : WEFT_RPC_DELIVER_CONTEXT;
}

int
main(int argc, char **argv)
{
	struct weft_rpc_runtime_config config = { 0 };
	struct bench bench = { 0 };
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftRpcServerTls) tls = NULL;
	WeftRpcServer *server;
	uint16_t port = 0;

	if (argc != 2 && argc != 4)
		return 2;
	config.delivery = delivery_of(argv[1]);
	if (argc == 4) {
		const struct weft_rpc_server_tls_config files = { .cert_file = argv[2],
								  .key_file = argv[3] };

		tls = weft_rpc_server_tls_new(&files, &error);
	}
	if (error == NULL)
		bench.rt = weft_rpc_runtime_new(&config, &error);
	if (bench.rt == NULL) {
		fprintf(stderr, "serve: %s\n", error->message);
		return 1;
	}
	pthread_mutex_init(&bench.lock, NULL);
	bench.streams = g_ptr_array_new_with_free_func((GDestroyNotify) weft_rpc_call_unref);
	server = weft_rpc_server_new(bench.rt, NULL);
	weft_rpc_server_add_method(server, &send_method, &send_handler, &bench);
	weft_rpc_server_add_method(server, &stream_method, &stream_handler, &bench);
	if (!weft_rpc_server_listen(server, "127.0.0.1:0", tls, &port, &error)) {
		fprintf(stderr, "serve: %s\n", error->message);
		return 1;
	}
	weft_rpc_server_start(server);
	printf("%u\n", port);
	fflush(stdout);
	/* Until it is killed. */
	for (;;)
		g_main_context_iteration(NULL, TRUE);
}

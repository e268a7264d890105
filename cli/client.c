/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/client.h"

#include "proto/method.h"
#include "rpc/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CALL_TIMEOUT_MS 30000

struct weft_client {
	WeftCli *cli;
	char *socket, *daemon;
	WeftRpcRuntime *runtime;
	WeftRpcChannel *channel;
};

int
weft_client_exit_code(enum weft_rpc_code code)
{
	switch (code) {
	case WEFT_RPC_OK:
		return WEFT_CLI_EXIT_OK;
	case WEFT_RPC_INVALID_ARGUMENT:
		return WEFT_CLI_EXIT_USAGE;
	case WEFT_RPC_UNAVAILABLE:
		return WEFT_CLI_EXIT_NOT_RUNNING;
	case WEFT_RPC_PERMISSION_DENIED:
		return WEFT_CLI_EXIT_DENIED;
	case WEFT_RPC_NOT_FOUND:
		return WEFT_CLI_EXIT_NOT_FOUND;
	case WEFT_RPC_DEADLINE_EXCEEDED:
		return WEFT_CLI_EXIT_TIMEOUT;
	case WEFT_RPC_CANCELLED:
	case WEFT_RPC_UNKNOWN:
	case WEFT_RPC_ALREADY_EXISTS:
	case WEFT_RPC_RESOURCE_EXHAUSTED:
	case WEFT_RPC_FAILED_PRECONDITION:
	case WEFT_RPC_ABORTED:
	case WEFT_RPC_OUT_OF_RANGE:
	case WEFT_RPC_UNIMPLEMENTED:
	case WEFT_RPC_INTERNAL:
	case WEFT_RPC_DATA_LOSS:
	case WEFT_RPC_UNAUTHENTICATED:
	case WEFT_RPC_CODE_COUNT_:
		break;
	}
	return WEFT_CLI_EXIT_FAILED;
}

/* Asks the socket itself, whose errno says more than gRPC would. */
static bool
probe(WeftClient *c, int *ret_exit)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;
	int err;

	if (strlen(c->socket) >= sizeof sun.sun_path) {
		*ret_exit =
			weft_cli_fail(c->cli, WEFT_CLI_EXIT_USAGE, "%s: path too long", c->socket);
		return false;
	}
	memcpy(sun.sun_path, c->socket, strlen(c->socket) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	err = fd < 0 || connect(fd, (struct sockaddr *) &sun, sizeof sun) != 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (err == 0)
		return true;
	if (err == EACCES || err == EPERM)
		*ret_exit = weft_cli_fail(c->cli, WEFT_CLI_EXIT_DENIED,
					  "%s: not permitted; run it as root or join the group of "
					  "the socket",
					  c->socket);
	else
		*ret_exit = weft_cli_fail(c->cli, WEFT_CLI_EXIT_NOT_RUNNING,
					  "%s does not run (%s: %s); start it, or name its socket "
					  "with --socket",
					  c->daemon, c->socket, g_strerror(err));
	return false;
}

WeftClient *
weft_client_new(WeftCli *cli, const char *socket, const char *daemon, int *ret_exit)
{
	WeftClient *c = g_new0(WeftClient, 1);
	g_autofree char *target = g_strconcat("unix:", socket, NULL);
	const struct weft_rpc_runtime_config runtime = { .delivery = WEFT_RPC_DELIVER_CONTEXT };
	const struct weft_rpc_channel_config channel = { .target = target,
							 .max_receive_bytes = 64 * 1024 * 1024 };
	g_autoptr(GError) error = NULL;

	c->cli = cli;
	c->socket = g_strdup(socket);
	c->daemon = g_strdup(daemon);
	if (!probe(c, ret_exit)) {
		weft_client_free(c);
		return NULL;
	}
	c->runtime = weft_rpc_runtime_new(&runtime, &error);
	if (c->runtime != NULL)
		c->channel = weft_rpc_channel_new(c->runtime, &channel, &error);
	if (c->channel == NULL) {
		*ret_exit = weft_cli_fail(cli, WEFT_CLI_EXIT_FAILED, "%s", error->message);
		weft_client_free(c);
		return NULL;
	}
	return c;
}

void
weft_client_free(WeftClient *c)
{
	if (c == NULL)
		return;
	weft_rpc_channel_free(c->channel);
	weft_rpc_runtime_free(c->runtime);
	g_free(c->socket);
	g_free(c->daemon);
	g_free(c);
}

struct pending {
	WeftClient *client;
	bool done;
	struct ProtobufCMessage *reply;
	enum weft_rpc_code code;
	char *message;
	bool (*on_message)(const struct ProtobufCMessage *msg, void *user);
	void *user;
	bool ended_here;
};

static struct ProtobufCMessage *
copy(const ProtobufCMessage *msg)
{
	size_t len = protobuf_c_message_get_packed_size(msg);
	g_autofree uint8_t *buf = g_malloc(MAX(len, 1));

	protobuf_c_message_pack(msg, buf);
	return protobuf_c_message_unpack(msg->descriptor, NULL, len, buf);
}

static void
on_reply(const struct weft_rpc_status *status, const ProtobufCMessage *reply, void *user)
{
	struct pending *p = user;

	p->done = true;
	p->code = status->code;
	p->message = g_strdup(status->message);
	if (reply != NULL)
		p->reply = copy(reply);
}

static int
report(WeftClient *c, struct pending *p)
{
	int code = weft_client_exit_code(p->code);

	if (p->message[0] != '\0')
		return weft_cli_fail(c->cli, code, "%s", p->message);
	return weft_cli_fail(c->cli, code, "%s answers: %s", c->daemon,
			     weft_rpc_code_name(p->code));
}

struct ProtobufCMessage *
weft_client_call(WeftClient *c,
		 const struct weft_proto_method *proto,
		 const struct ProtobufCMessage *request,
		 unsigned timeout_ms,
		 int *ret_exit)
{
	const struct weft_rpc_method method = { .proto = proto };
	const struct weft_rpc_call_options options = { .timeout_ms = timeout_ms == 0
									     ? CALL_TIMEOUT_MS
									     : timeout_ms };
	struct pending p = { .client = c };
	WeftRpcCall *call =
		weft_rpc_channel_unary(c->channel, &method, request, &options, on_reply, &p);

	while (!p.done)
		g_main_context_iteration(NULL, TRUE);
	weft_rpc_call_unref(call);
	*ret_exit = p.reply != NULL ? WEFT_CLI_EXIT_OK : report(c, &p);
	g_free(p.message);
	return p.reply;
}

static void
on_stream_message(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	struct pending *p = user;

	if (p->ended_here || p->on_message(msg, p->user))
		return;
	p->ended_here = true;
	weft_rpc_call_cancel(call);
}

static void
on_stream_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	on_reply(status, NULL, user);
}

int
weft_client_stream(WeftClient *c,
		   const struct weft_proto_method *proto,
		   const struct ProtobufCMessage *request,
		   bool (*on_message)(const struct ProtobufCMessage *msg, void *user),
		   void *user)
{
	static const struct weft_rpc_handler handler = { .on_message = on_stream_message,
							 .on_done = on_stream_done };
	const struct weft_rpc_method method = { .proto = proto };
	struct pending p = { .client = c, .on_message = on_message, .user = user };
	WeftRpcCall *call = weft_rpc_call_new(c->channel, &method, &handler, &p, NULL);
	int code;

	weft_rpc_call_send(call, request);
	weft_rpc_call_half_close(call);
	weft_rpc_call_start(call);
	while (!p.done)
		g_main_context_iteration(NULL, TRUE);
	weft_rpc_call_unref(call);
	code = p.ended_here || p.code == WEFT_RPC_OK ? WEFT_CLI_EXIT_OK : report(c, &p);
	g_free(p.message);
	return code;
}

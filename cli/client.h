/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A command's connection to its daemon's unix socket: calls that wait for their answer. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/glib/cli.h"
#include "rpc/status.h"

struct ProtobufCMessage;
struct weft_proto_method;

typedef struct weft_client WeftClient;

/* @socket: path of the daemon's socket. @daemon: its name, for messages ("weft-mgmtd"). Connects at
 * the first call. NULL after an error, which is printed; *ret_exit is then the exit code. */
WeftClient *weft_client_new(WeftCli *cli, const char *socket, const char *daemon, int *ret_exit);
void weft_client_free(WeftClient *client); /* takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftClient, weft_client_free)

/* One unary call. The reply is the caller's (protobuf_c_message_free_unpacked with NULL). On
 * failure the message is printed as the command's and NULL returned; *ret_exit is the exit code of
 * style 2.4 that fits. @timeout_ms 0: 30 s. */
struct ProtobufCMessage *weft_client_call(WeftClient *client,
					  const struct weft_proto_method *method,
					  const struct ProtobufCMessage *request,
					  unsigned timeout_ms,
					  int *ret_exit);

/* A stream of answers; @on_message for each. Returns the exit code after the stream has ended, 0 if
 * @on_message returned false to end it. */
int weft_client_stream(WeftClient *client,
		       const struct weft_proto_method *method,
		       const struct ProtobufCMessage *request,
		       bool (*on_message)(const struct ProtobufCMessage *msg, void *user),
		       void *user);

/* The exit code for a status. */
int weft_client_exit_code(enum weft_rpc_code code);

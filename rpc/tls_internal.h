/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the room: core's forms of certificates. */
#pragma once

#include <grpc/grpc_security.h>

#include "rpc/tls.h"

/* New credentials that follow @tls. *@ret_listener must outlive the core server that uses them and
 * then be freed; it references @tls. */
grpc_server_credentials *weft_rpc_server_tls_credentials(WeftRpcServerTls *tls,
							 void **ret_listener);
void weft_rpc_server_tls_listener_free(void *listener);

/* NULL with @error. */
grpc_channel_credentials *weft_rpc_channel_tls_credentials(const struct weft_rpc_channel_tls *tls,
							   GError **error);

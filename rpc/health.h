/* SPDX-License-Identifier: GPL-3.0-or-later */
/* grpc.health.v1.Health: Check and Watch of a server. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "rpc/server.h"

typedef struct weft_rpc_health WeftRpcHealth;

/* Adds the service to @server, before its start. Everything is NOT_SERVING at first; service ""
 * stands for the server as a whole. */
WeftRpcHealth *weft_rpc_health_new(WeftRpcServer *server);

/* After the server is stopped or freed. Takes NULL. */
void weft_rpc_health_free(WeftRpcHealth *health);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRpcHealth, weft_rpc_health_free)

/* Tells watchers. Any thread. Set every service to false before shutting down. */
void weft_rpc_health_set(WeftRpcHealth *health, const char *service, bool serving);

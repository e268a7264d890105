/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NetBird's relay protocol (protocol.md 5) over WebSocket, on the workers' epoll. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "relayd/worker.h"

/* init() makes the worker's part of the service (its slot, its tick, its hook) before any socket
 * is accepted, clear() closes all its connections, accept() takes a connection over from a
 * listener of RELAY_SERVICE_RELAY, list() fills command->peers. */
extern const struct relay_service_ops relay_ws_ops;

/* No new connections; the present ones are told to go (type 4) within @seconds. On the worker's
 * thread. */
void relay_ws_drain(RelayWorker *w, unsigned seconds);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NetBird's relay protocol (protocol.md 5) over WebSocket, on the workers' epoll. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "relayd/worker.h"

/* init() makes the worker's part of the service (its slot, its tick, its hook) before any socket
 * is accepted, clear() closes all its connections, accept() takes a connection over from a
 * listener of RELAY_SERVICE_RELAY, list() fills command->peers. */
/* When the shared flag `draining` is set (and the worker woken), connections are told to go (type
 * 4) and no new ones are taken. */
extern const struct relay_service_ops relay_ws_ops;

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NetBird's relay protocol (protocol.md 5) over WebSocket, on the workers' epoll. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "relayd/worker.h"

/* Makes the worker's part of the service (its slot, its tick, its hook). Called by
 * relay_worker_new() before any socket is accepted; false without memory. */
bool relay_ws_init(RelayWorker *w);

/* Closes all its connections; called by relay_worker_free(). */
void relay_ws_clear(RelayWorker *w);

/* A connection was accepted on a listener of RELAY_SERVICE_RELAY; takes @fd over. */
void relay_ws_accept(RelayWorker *w, int fd, const struct relay_flow *flow);

/* No new connections; the present ones are told to go (type 4) within @seconds. */
void relay_ws_drain(RelayWorker *w, unsigned seconds);

/* Fills command->peers (RELAY_COMMAND_RELAY_LIST). */
void relay_ws_list(RelayWorker *w, struct relay_command *command);

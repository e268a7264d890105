/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the room: connections per address. Core accepts connections itself and tells nobody,
 * and one without a call is invisible to us; but its descriptor is in this process. A thread counts
 * them every few seconds and shuts down what exceeds the limit. */
#pragma once

struct weft_rpc_server;
struct weft_rpc_census;

/* Starts the thread only when there is a limit. */
struct weft_rpc_census *weft_rpc_census_new(struct weft_rpc_server *server);
void weft_rpc_census_set(struct weft_rpc_census *census, unsigned max_per_address);
void weft_rpc_census_free(struct weft_rpc_census *census); /* takes NULL, joins the thread */

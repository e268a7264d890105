/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a server counts per method, for Prometheus. Of a daemon "signald":
 *
 *	weft_signald_rpc_calls{method}               calls that live
 *	weft_signald_rpc_calls_total{method,code}    calls that ended
 *	weft_signald_rpc_ended_total{method,reason}  the same by who or what ended them
 *	weft_signald_rpc_received_messages_total{method}, _received_bytes_total{method}
 *	weft_signald_rpc_duration_seconds{method}    histogram of methods without streams
 *	weft_signald_rpc_connections_cut_total       beyond the limit per address */
#pragma once

#include <glib.h>

#include "base/glib/metrics.h"
#include "rpc/server.h"

typedef struct weft_rpc_metrics WeftRpcMetrics;

/* After the last weft_rpc_server_add_method(). @daemon is "signald", "mgmtd", ... */
WeftRpcMetrics *weft_rpc_metrics_new(WeftRpcServer *server,
				     WeftMetrics *metrics,
				     const char *daemon);

/* Before both. Takes NULL. */
void weft_rpc_metrics_free(WeftRpcMetrics *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRpcMetrics, weft_rpc_metrics_free)

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GET /metrics over HTTP/1.1 (RFC 9112) on a loopback address or a unix socket.
 *
 * It answers nothing else, reads no bodies, and is bounded in everything: request bytes, time per
 * request and answer, connections. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/glib/metrics.h"

typedef struct weft_metrics_server WeftMetricsServer;

#define WEFT_METRICS_REQUEST_MAX     4096 /* request line and headers, bytes */
#define WEFT_METRICS_CONNECTIONS_MAX 16
#define WEFT_METRICS_TIMEOUT_S       10 /* to send a request; to take the answer */
#define WEFT_METRICS_IDLE_S          90 /* between requests: longer than a scrape interval */

struct weft_metrics_server_config {
	/* "127.0.0.1:9100", "[::1]:9100", "unix:/run/weft/metrics.sock". Port 0: any. */
	const char *listen;
	GMainContext *context; /* NULL: the default one. Collectors run on it. */

	/* For tests; 0: the constants above. */
	int64_t timeout_us, idle_us;
};

/* Binds and serves. A unix socket gets mode 0660; a stale one is replaced, a live one is an error.
 * @metrics is borrowed and must outlive the server. */
WeftMetricsServer *weft_metrics_server_new(WeftMetrics *metrics,
					   const struct weft_metrics_server_config *config,
					   GError **error);

/* Closes everything; removes its unix socket. Takes NULL. */
void weft_metrics_server_free(WeftMetricsServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftMetricsServer, weft_metrics_server_free)

/* The bound address in the notation of @listen. Owned by the server. */
const char *weft_metrics_server_address(const WeftMetricsServer *server);

/* True if @listen could be listened to: the check callback of the configuration key. Empty text is
 * good and means "off". */
bool weft_metrics_server_check_listen(const char *listen, GError **error);

/* The request parser, for tests and the fuzzer. Looks at @len bytes for one request. */
enum weft_metrics_request {
	WEFT_METRICS_REQUEST_PARTIAL, /* needs more bytes */
	WEFT_METRICS_REQUEST_OK,
	WEFT_METRICS_REQUEST_BAD,     /* 400 */
	WEFT_METRICS_REQUEST_UNKNOWN, /* 404: another path */
	WEFT_METRICS_REQUEST_METHOD,  /* 405: another method */
	WEFT_METRICS_REQUEST_BODY,    /* 413: it has a body */
	WEFT_METRICS_REQUEST_LARGE,   /* 431 */
	WEFT_METRICS_REQUEST_VERSION, /* 505 */
	WEFT_METRICS_REQUEST_COUNT_
};

/* @ret_len (bytes of the request) and @ret_keep (the client wants the connection kept) are set for
 * every result but PARTIAL. */
enum weft_metrics_request weft_metrics_parse_request(const char *buf,
						     size_t len,
						     size_t *ret_len,
						     bool *ret_keep);

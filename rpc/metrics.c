/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/metrics.h"

#include "proto/method.h"
#include "rpc/server_internal.h"

enum family { CALLS, CALLS_TOTAL, ENDED, MESSAGES, BYTES, DURATION, CUT, FAMILY_COUNT_ };

static const struct {
	const char *suffix, *help;
	enum weft_metric_type type;
} families[FAMILY_COUNT_] = {
	[CALLS] = { "calls", "Calls that live.", WEFT_METRIC_GAUGE },
	[CALLS_TOTAL] = { "calls_total", "Calls that ended, by status code.", WEFT_METRIC_COUNTER },
	[ENDED] = { "ended_total", "Calls that ended, by reason.", WEFT_METRIC_COUNTER },
	[MESSAGES] = { "received_messages_total", "Messages received.", WEFT_METRIC_COUNTER },
	[BYTES] = { "received_bytes_total", "Bytes of messages received.", WEFT_METRIC_COUNTER },
	[DURATION] = { "duration_seconds", "Time from a call to the end of its answer.",
		       WEFT_METRIC_HISTOGRAM },
	[CUT] = { "connections_cut_total", "Connections beyond the limit of their address.",
		  WEFT_METRIC_COUNTER },
};

struct weft_rpc_metrics {
	WeftRpcServer *server;
	WeftMetrics *metrics;
	char *names[FAMILY_COUNT_];
};

static void
out_counts(WeftMetricsOut *out,
	   const char *method,
	   const char *label,
	   const atomic_uint_fast64_t *counts,
	   unsigned n,
	   bool codes)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t count = atomic_load_explicit(&counts[i], memory_order_relaxed);
		const char *labels[] = { "method", method, label,
					 codes ? weft_rpc_code_name(i) : weft_rpc_end_name(i),
					 NULL };

		if (count > 0)
			weft_metrics_out_sample(out, labels, (double) count);
	}
}

static void
out_duration(WeftMetricsOut *out, const struct weft_rpc_entry *entry)
{
	const char *method = entry->method->proto->path;
	const char *plain[] = { "method", method, NULL };
	uint64_t sum = 0;

	if (entry->method->proto->client_streaming || entry->method->proto->server_streaming)
		return;
	for (unsigned i = 0; i < WEFT_RPC_DURATION_BUCKETS; i++) {
		char bound[G_ASCII_DTOSTR_BUF_SIZE] = "+Inf";
		const char *labels[] = { "method", method, "le", bound, NULL };

		if (i < WEFT_METRIC_DURATION_BUCKETS)
			g_ascii_formatd(bound, sizeof bound, "%g",
					(double) weft_metric_duration_buckets[i] / 1e6);
		sum += atomic_load_explicit(&entry->duration[i], memory_order_relaxed);
		weft_metrics_out_line(out, "_bucket", labels, (double) sum);
	}
	weft_metrics_out_line(
		out, "_sum", plain,
		(double) atomic_load_explicit(&entry->duration_us, memory_order_relaxed) / 1e6);
	weft_metrics_out_line(out, "_count", plain, (double) sum);
}

static void
out_entry(WeftMetricsOut *out, enum family family, const struct weft_rpc_entry *entry)
{
	const char *method = entry->method->proto->path;
	const char *labels[] = { "method", method, NULL };

	switch (family) {
	case CALLS:
		weft_metrics_out_sample(out, labels, (double) atomic_load(&entry->live));
		break;
	case CALLS_TOTAL:
		out_counts(out, method, "code", entry->done, WEFT_RPC_CODE_COUNT_, true);
		break;
	case ENDED:
		out_counts(out, method, "reason", entry->ended, WEFT_RPC_END_COUNT_, false);
		break;
	case MESSAGES:
		weft_metrics_out_sample(out, labels, (double) atomic_load(&entry->received));
		break;
	case BYTES:
		weft_metrics_out_sample(out, labels, (double) atomic_load(&entry->received_bytes));
		break;
	case DURATION:
		out_duration(out, entry);
		break;
	case CUT:
	case FAMILY_COUNT_:
		break;
	}
}

static void
collect(WeftMetricsOut *out, void *user)
{
	const WeftRpcMetrics *m = user;

	for (unsigned f = 0; f < FAMILY_COUNT_; f++) {
		weft_metrics_out_family(out, m->names[f], families[f].help, families[f].type);
		if (f == CUT) {
			weft_metrics_out_sample(out, NULL,
						(double) atomic_load(&m->server->connections_cut));
			continue;
		}
		for (unsigned i = 0; i < m->server->entries->len; i++)
			out_entry(out, f, g_ptr_array_index(m->server->entries, i));
		out_entry(out, f, m->server->other);
	}
}

WeftRpcMetrics *
weft_rpc_metrics_new(WeftRpcServer *server, WeftMetrics *metrics, const char *daemon)
{
	WeftRpcMetrics *m = g_new0(WeftRpcMetrics, 1);

	m->server = server;
	m->metrics = metrics;
	for (unsigned f = 0; f < FAMILY_COUNT_; f++)
		m->names[f] = g_strdup_printf("weft_%s_rpc_%s", daemon, families[f].suffix);
	weft_metrics_add_collector(metrics, collect, m);
	return m;
}

void
weft_rpc_metrics_free(WeftRpcMetrics *m)
{
	if (m == NULL)
		return;
	weft_metrics_remove_collector(m->metrics, collect, m);
	for (unsigned f = 0; f < FAMILY_COUNT_; f++)
		g_free(m->names[f]);
	g_free(m);
}

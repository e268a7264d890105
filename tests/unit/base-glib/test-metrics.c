/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/metrics.h"

#include <math.h>
#include <string.h>

static const char *const directions[] = { "in", "out", NULL };
static const char *const kinds[] = { "a", "b", "c", NULL };

static char *
format(WeftMetrics *metrics)
{
	GString *out = g_string_new(NULL);

	weft_metrics_format(metrics, out);
	return g_string_free(out, FALSE);
}

static void
test_counters_and_gauges(void)
{
	static const struct weft_metric_def bytes_def = {
		.name = "weft_x_bytes_total",
		.help = "Bytes \\ and\nmore.",
		.type = WEFT_METRIC_COUNTER,
		.labels = { { "direction", directions } },
	};
	static const struct weft_metric_def level_def = {
		.name = "weft_x_age_seconds",
		.help = "Age.",
		.type = WEFT_METRIC_GAUGE,
		.divisor = 1000000,
	};
	g_autoptr(WeftMetrics) metrics = weft_metrics_new();
	WeftMetric *bytes = weft_metrics_register(metrics, &bytes_def);
	WeftMetric *level = weft_metrics_register(metrics, &level_def);
	g_autofree char *text = NULL;

	weft_metric_add(weft_metric_cell(bytes, weft_metric_series(bytes, 1, 0, 0)), 7);
	weft_metric_inc(weft_metric_cell(bytes, 1));
	weft_metric_set(weft_metric_cell(level, 0), -2000000);
	weft_metric_sub(weft_metric_cell(level, 0), 500000);
	text = format(metrics);
	g_assert_cmpstr(text, ==,
			"# HELP weft_x_age_seconds Age.\n"
			"# TYPE weft_x_age_seconds gauge\n"
			"weft_x_age_seconds -2.5\n"
			"# HELP weft_x_bytes_total Bytes \\\\ and\\nmore.\n"
			"# TYPE weft_x_bytes_total counter\n"
			"weft_x_bytes_total{direction=\"in\"} 0\n"
			"weft_x_bytes_total{direction=\"out\"} 8\n");
}

static void
test_series_are_the_product_of_the_labels(void)
{
	static const struct weft_metric_def def = {
		.name = "weft_x_n",
		.help = "N.",
		.type = WEFT_METRIC_GAUGE,
		.labels = { { "d", directions }, { "k", kinds }, { "e", directions } },
	};
	g_autoptr(WeftMetrics) metrics = weft_metrics_new();
	WeftMetric *m = weft_metrics_register(metrics, &def);
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
	g_autofree char *text = NULL;

	for (unsigned i = 0; i < 2; i++)
		for (unsigned j = 0; j < 3; j++)
			for (unsigned k = 0; k < 2; k++) {
				unsigned s = weft_metric_series(m, i, j, k);

				g_assert_true(g_hash_table_add(seen, GUINT_TO_POINTER(s + 1)));
				weft_metric_set(weft_metric_cell(m, s),
						(int) (i * 100 + j * 10 + k));
			}
	text = format(metrics);
	g_assert_nonnull(strstr(text, "weft_x_n{d=\"out\",k=\"c\",e=\"in\"} 120\n"));
	g_assert_nonnull(strstr(text, "weft_x_n{d=\"in\",k=\"b\",e=\"out\"} 11\n"));
}

static void
test_histograms_are_cumulative(void)
{
	static const uint64_t buckets[] = { 1000, 2500, 1000000 };
	static const struct weft_metric_def def = {
		.name = "weft_x_duration_seconds",
		.help = "D.",
		.type = WEFT_METRIC_HISTOGRAM,
		.labels = { { "d", directions } },
		.divisor = 1000000,
		.buckets = buckets,
		.n_buckets = 3,
	};
	g_autoptr(WeftMetrics) metrics = weft_metrics_new();
	WeftMetric *m = weft_metrics_register(metrics, &def);
	g_autofree char *text = NULL;

	weft_metric_observe(m, 1, 0);
	weft_metric_observe(m, 1, 1000); /* a bound belongs to its bucket */
	weft_metric_observe(m, 1, 1001);
	weft_metric_observe(m, 1, 5000000);
	text = format(metrics);
	g_assert_nonnull(strstr(text, "weft_x_duration_seconds_bucket{d=\"out\",le=\"0.001\"} 2\n"
				      "weft_x_duration_seconds_bucket{d=\"out\",le=\"0.0025\"} 3\n"
				      "weft_x_duration_seconds_bucket{d=\"out\",le=\"1\"} 3\n"
				      "weft_x_duration_seconds_bucket{d=\"out\",le=\"+Inf\"} 4\n"
				      "weft_x_duration_seconds_sum{d=\"out\"} 5.002001\n"
				      "weft_x_duration_seconds_count{d=\"out\"} 4\n"));
	g_assert_nonnull(strstr(text, "_count{d=\"in\"} 0\n"));
}

static double
read_series(void *user, unsigned series)
{
	return series == 1 ? (double) NAN : *(int *) user + 0.25;
}

static void
test_values_read_when_scraped(void)
{
	static const struct weft_metric_def def = {
		.name = "weft_x_n",
		.help = "N.",
		.type = WEFT_METRIC_GAUGE,
		.labels = { { "k", kinds } },
		.read = read_series,
	};
	g_autoptr(WeftMetrics) metrics = weft_metrics_new();
	int value = 1;
	g_autofree char *text = NULL;

	weft_metrics_register_read(metrics, &def, &value);
	value = 2;
	text = format(metrics);
	g_assert_nonnull(strstr(text, "{k=\"a\"} 2.25\nweft_x_n{k=\"c\"} 2.25\n"));
}

static void
collect(WeftMetricsOut *out, void *user)
{
	const char *labels[] = { "peer", "al\"i\\ce\n\xff", NULL };

	weft_metrics_out_family(out, "weft_x_peer", "P.", WEFT_METRIC_GAUGE);
	weft_metrics_out_sample(out, labels, 1e300);
	weft_metrics_out_sample(out, NULL, (double) INFINITY);
	for (unsigned i = 0; i < 2 * WEFT_METRIC_SERIES_MAX; i++)
		weft_metrics_out_sample(out, NULL, 0.1);
}

static void
test_collected_samples_are_escaped_and_bounded(void)
{
	g_autoptr(WeftMetrics) metrics = weft_metrics_new();
	g_autofree char *text = NULL;
	g_autofree char *none = NULL;
	g_auto(GStrv) lines = NULL;

	weft_metrics_add_collector(metrics, collect, NULL);
	text = format(metrics);
	g_assert_nonnull(strstr(text, "weft_x_peer{peer=\"al\\\"i\\\\ce\\n\xef\xbf\xbd\"} "
				      "1e+300\nweft_x_peer +Inf\nweft_x_peer 0.1\n"));
	lines = g_strsplit(text, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 2 + WEFT_METRIC_SERIES_MAX + 1);
	weft_metrics_remove_collector(metrics, collect, NULL);
	none = format(metrics);
	g_assert_cmpstr(none, ==, "");
}

static void
test_process(void)
{
	static const char *const wanted[] = {
		"\nprocess_cpu_seconds_total ",  "\nprocess_resident_memory_bytes ",
		"\nprocess_open_fds ",           "\nprocess_max_fds ",
		"\nprocess_start_time_seconds ", "\nweft_signald_build_info{version=\"",
	};
	g_autoptr(WeftMetrics) metrics = weft_metrics_new();
	g_autofree char *text = NULL;

	weft_metrics_add_process(metrics, "signald");
	text = format(metrics);
	for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
		g_assert_nonnull(strstr(text, wanted[i]));
}

static void *
count_up(void *cell)
{
	for (unsigned i = 0; i < 100000; i++)
		weft_metric_inc(cell);
	return NULL;
}

static void
test_threads_lose_no_count(void)
{
	static const struct weft_metric_def def = {
		.name = "weft_x_n_total",
		.help = "N.",
		.type = WEFT_METRIC_COUNTER,
	};
	g_autoptr(WeftMetrics) metrics = weft_metrics_new();
	struct weft_metric_cell *cell = weft_metric_cell(weft_metrics_register(metrics, &def), 0);
	GThread *threads[4];

	for (unsigned i = 0; i < 4; i++)
		threads[i] = g_thread_new("count", count_up, cell);
	for (unsigned i = 0; i < 4; i++)
		g_thread_join(threads[i]);
	g_assert_cmpuint(weft_metric_get(cell), ==, 400000);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base-glib/metrics/counters-and-gauges", test_counters_and_gauges);
	g_test_add_func("/base-glib/metrics/series-are-the-product-of-the-labels",
			test_series_are_the_product_of_the_labels);
	g_test_add_func("/base-glib/metrics/histograms-are-cumulative",
			test_histograms_are_cumulative);
	g_test_add_func("/base-glib/metrics/values-read-when-scraped",
			test_values_read_when_scraped);
	g_test_add_func("/base-glib/metrics/collected-samples-are-escaped-and-bounded",
			test_collected_samples_are_escaped_and_bounded);
	g_test_add_func("/base-glib/metrics/process", test_process);
	g_test_add_func("/base-glib/metrics/threads-lose-no-count", test_threads_lose_no_count);
	return g_test_run();
}

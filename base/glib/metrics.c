/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/metrics.h"

#include "base/glib/metrics_private.h"

#include <string.h>

const uint64_t weft_metric_duration_buckets[WEFT_METRIC_DURATION_BUCKETS] = {
	500,    1000,   2500,   5000,    10000,   25000,   50000,
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

struct weft_metric {
	const struct weft_metric_def *def;
	void *user;
	unsigned sizes[WEFT_METRIC_LABELS_MAX]; /* values per label; 1 beyond the last label */
	unsigned n_series;
	unsigned stride;                /* cells per series: 1, or buckets, +Inf and sum */
	struct weft_metric_cell *cells; /* NULL with def->read */
};

struct collector {
	WeftMetricsCollect collect;
	void *user;
};

struct weft_metrics {
	GPtrArray *families; /* WeftMetric, in order of their names */
	GHashTable *names;   /* const char *, borrowed */
	GArray *collectors;
};

static void
metric_free(gpointer data)
{
	WeftMetric *m = data;

	g_free(m->cells);
	g_free(m);
}

WeftMetrics *
weft_metrics_new(void)
{
	WeftMetrics *m = g_new0(WeftMetrics, 1);

	m->families = g_ptr_array_new_with_free_func(metric_free);
	m->names = g_hash_table_new(g_str_hash, g_str_equal);
	m->collectors = g_array_new(FALSE, FALSE, sizeof(struct collector));
	return m;
}

void
weft_metrics_free(WeftMetrics *metrics)
{
	if (metrics == NULL)
		return;
	g_ptr_array_unref(metrics->families);
	g_hash_table_unref(metrics->names);
	g_array_unref(metrics->collectors);
	g_free(metrics);
}

/* The names of the exposition format, without the colon that is for recording rules. */
static bool
is_name(const char *s)
{
	if (s == NULL || g_ascii_isdigit(s[0]) || s[0] == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (!g_ascii_isalnum(*s) && *s != '_')
			return false;
	return true;
}

static void
check_def(const struct weft_metric_def *def)
{
	g_assert(is_name(def->name) && def->help != NULL);
	g_assert(def->type < WEFT_METRIC_TYPE_COUNT_);
	g_assert((def->type == WEFT_METRIC_COUNTER) == g_str_has_suffix(def->name, "_total"));
	g_assert((def->type == WEFT_METRIC_HISTOGRAM) == (def->buckets != NULL));
	g_assert(def->type != WEFT_METRIC_HISTOGRAM || def->read == NULL);
	g_assert(def->n_buckets <= WEFT_METRIC_BUCKETS_MAX);
	for (unsigned i = 1; i < def->n_buckets; i++)
		g_assert(def->buckets[i - 1] < def->buckets[i]);
	for (unsigned i = 0; i < WEFT_METRIC_LABELS_MAX; i++)
		g_assert(def->labels[i].name == NULL ||
			 (is_name(def->labels[i].name) && strcmp(def->labels[i].name, "le") != 0));
}

static gint
compare_families(gconstpointer a, gconstpointer b)
{
	const WeftMetric *const *x = a, *const *y = b;

	return strcmp((*x)->def->name, (*y)->def->name);
}

WeftMetric *
weft_metrics_register_read(WeftMetrics *metrics, const struct weft_metric_def *def, void *user)
{
	WeftMetric *m = g_new0(WeftMetric, 1);
	uint64_t n = 1;
	bool fresh;

	check_def(def);
	m->def = def;
	m->user = user;
	for (unsigned i = 0; i < WEFT_METRIC_LABELS_MAX; i++) {
		const struct weft_metric_label *label = &def->labels[i];

		m->sizes[i] = label->name != NULL ? g_strv_length((char **) label->values) : 1;
		n *= m->sizes[i];
		g_assert(n <= WEFT_METRIC_SERIES_MAX);
	}
	m->n_series = (unsigned) n;
	m->stride = def->type == WEFT_METRIC_HISTOGRAM ? def->n_buckets + 2 : 1;
	if (def->read == NULL)
		m->cells = g_new0(struct weft_metric_cell, (gsize) m->n_series * m->stride);
	fresh = g_hash_table_add(metrics->names, (gpointer) def->name);
	g_assert(fresh);
	g_ptr_array_add(metrics->families, m);
	g_ptr_array_sort(metrics->families, compare_families);
	return m;
}

WeftMetric *
weft_metrics_register(WeftMetrics *metrics, const struct weft_metric_def *def)
{
	return weft_metrics_register_read(metrics, def, def->user);
}

unsigned
weft_metric_series(const WeftMetric *metric, unsigned i, unsigned j, unsigned k)
{
	g_assert(i < metric->sizes[0] && j < metric->sizes[1] && k < metric->sizes[2]);
	return (i * metric->sizes[1] + j) * metric->sizes[2] + k;
}

struct weft_metric_cell *
weft_metric_cell(WeftMetric *metric, unsigned series)
{
	g_assert(metric->cells != NULL && series < metric->n_series);
	return &metric->cells[(gsize) series * metric->stride];
}

void
weft_metric_observe(WeftMetric *metric, unsigned series, uint64_t value)
{
	const struct weft_metric_def *def = metric->def;
	struct weft_metric_cell *cells = weft_metric_cell(metric, series);
	unsigned i = 0;

	while (i < def->n_buckets && value > def->buckets[i])
		i++;
	weft_metric_inc(&cells[i]);
	weft_metric_add(&cells[def->n_buckets + 1], value);
}

void
weft_metrics_add_collector(WeftMetrics *metrics, WeftMetricsCollect collect, void *user)
{
	const struct collector c = { collect, user };

	g_array_append_val(metrics->collectors, c);
}

void
weft_metrics_remove_collector(WeftMetrics *metrics, WeftMetricsCollect collect, void *user)
{
	for (guint i = 0; i < metrics->collectors->len; i++) {
		const struct collector *c =
			&g_array_index(metrics->collectors, struct collector, i);

		if (c->collect == collect && c->user == user) {
			g_array_remove_index(metrics->collectors, i);
			return;
		}
	}
}

/* Label names and values of a series, with room for "le" and the end. */
static void
series_labels(const WeftMetric *m, unsigned series, const char *labels[])
{
	unsigned index[WEFT_METRIC_LABELS_MAX];
	unsigned n = 0;

	for (unsigned i = WEFT_METRIC_LABELS_MAX; i-- > 0;) {
		index[i] = series % m->sizes[i];
		series /= m->sizes[i];
	}
	for (unsigned i = 0; i < WEFT_METRIC_LABELS_MAX && m->def->labels[i].name != NULL; i++) {
		labels[n++] = m->def->labels[i].name;
		labels[n++] = m->def->labels[i].values[index[i]];
	}
	labels[n] = NULL;
}

static double
divided(const struct weft_metric_def *def, double raw)
{
	return def->divisor > 1 ? raw / def->divisor : raw;
}

static void
format_histogram(const WeftMetric *m, unsigned series, const char *labels[], WeftMetricsOut *out)
{
	const struct weft_metric_def *def = m->def;
	const struct weft_metric_cell *cells = &m->cells[(gsize) series * m->stride];
	unsigned n = g_strv_length((char **) (void *) labels);
	uint64_t count = 0;

	for (unsigned i = 0; i <= def->n_buckets; i++) {
		char le[G_ASCII_DTOSTR_BUF_SIZE] = "+Inf";

		if (i < def->n_buckets)
			weft_metrics_format_number(le, divided(def, (double) def->buckets[i]));
		count += weft_metric_get(&cells[i]);
		labels[n] = "le";
		labels[n + 1] = le;
		labels[n + 2] = NULL;
		weft_metrics_out_line(out, "_bucket", labels, (double) count);
	}
	labels[n] = NULL;
	weft_metrics_out_line(out, "_sum", labels,
			      divided(def, (double) weft_metric_get(&cells[def->n_buckets + 1])));
	weft_metrics_out_line(out, "_count", labels, (double) count);
}

static void
format_family(const WeftMetric *m, WeftMetricsOut *out)
{
	const struct weft_metric_def *def = m->def;
	const char *labels[2 * WEFT_METRIC_LABELS_MAX + 3];

	weft_metrics_out_family(out, def->name, def->help, def->type);
	for (unsigned s = 0; s < m->n_series; s++) {
		series_labels(m, s, labels);
		if (def->type == WEFT_METRIC_HISTOGRAM)
			format_histogram(m, s, labels, out);
		else if (def->read != NULL)
			weft_metrics_out_sample(out, labels, def->read(m->user, s));
		else if (def->type == WEFT_METRIC_GAUGE)
			weft_metrics_out_sample(
				out, labels,
				divided(def, (double) (int64_t) weft_metric_get(&m->cells[s])));
		else
			weft_metrics_out_sample(
				out, labels, divided(def, (double) weft_metric_get(&m->cells[s])));
	}
}

void
weft_metrics_format(WeftMetrics *metrics, GString *out)
{
	WeftMetricsOut o = { .out = out };

	for (guint i = 0; i < metrics->families->len; i++)
		format_family(g_ptr_array_index(metrics->families, i), &o);
	for (guint i = 0; i < metrics->collectors->len; i++) {
		const struct collector *c =
			&g_array_index(metrics->collectors, struct collector, i);

		c->collect(&o, c->user);
	}
}

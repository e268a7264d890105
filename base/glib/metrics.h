/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Metrics: a registry, and its text form (Prometheus exposition format 0.0.4).
 *
 * A family has a fixed set of labels, each with a fixed list of values, so that its series are
 * known when it is registered: no stranger can make another one. Cells are integers in a raw unit
 * of the program's choice; exposition divides them by @divisor (microseconds to seconds).
 *
 *	static const char *const directions[] = { "in", "out", NULL };
 *	static const struct weft_metric_def bytes_def = {
 *		.name = "weft_relayd_relayed_bytes_total", .help = "Bytes relayed.",
 *		.type = WEFT_METRIC_COUNTER, .labels = { { "direction", directions } },
 *	};
 *	WeftMetric *bytes = weft_metrics_register(metrics, &bytes_def);
 *	struct weft_metric_cell *in = weft_metric_cell(bytes, 0);
 *	weft_metric_add(in, n);                        // any thread, one relaxed atomic addition
 *
 * Registering is done on one thread before others use the family; a def is borrowed for good. Bad
 * definitions (names, duplicate families, too many series) are bugs and abort. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct weft_metrics WeftMetrics;
typedef struct weft_metric WeftMetric;
typedef struct weft_metrics_out WeftMetricsOut;

#define WEFT_METRIC_LABELS_MAX  3
#define WEFT_METRIC_SERIES_MAX  4096 /* of one family */
#define WEFT_METRIC_BUCKETS_MAX 32

enum weft_metric_type {
	WEFT_METRIC_COUNTER,
	WEFT_METRIC_GAUGE,
	WEFT_METRIC_HISTOGRAM,
	WEFT_METRIC_TYPE_COUNT_
};

struct weft_metric_label {
	const char *name;
	const char *const *values; /* NULL-terminated, borrowed for good */
};

struct weft_metric_def {
	const char *name; /* weft_<daemon>_<thing>_<unit>[_total] */
	const char *help;
	enum weft_metric_type type;
	struct weft_metric_label labels[WEFT_METRIC_LABELS_MAX];

	/* Raw units in one unit of the name, 0 means 1: 1000000 for microseconds and _seconds. */
	uint32_t divisor;

	/* HISTOGRAM: upper bounds in raw units, ascending; +Inf is added. */
	const uint64_t *buckets;
	unsigned n_buckets;

	/* COUNTER, GAUGE: read when scraped instead of kept in cells; in units of the name. @series
	 * is the index of weft_metric_series(). NaN leaves the series out. */
	double (*read)(void *user, unsigned series);
	void *user;
};

/* Bounds for request durations in microseconds: 0.5 ms to 10 s. */
extern const uint64_t weft_metric_duration_buckets[];
#define WEFT_METRIC_DURATION_BUCKETS 14

WeftMetrics *weft_metrics_new(void);
void weft_metrics_free(WeftMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftMetrics, weft_metrics_free)

/* Owned by @metrics. */
WeftMetric *weft_metrics_register(WeftMetrics *metrics, const struct weft_metric_def *def);

/* As above with a @user that is known at run time only. */
WeftMetric *weft_metrics_register_read(WeftMetrics *metrics,
				       const struct weft_metric_def *def,
				       void *user);

/* Index of the series whose labels have the values number @i, @j, @k of their lists; 0 for labels
 * that the family lacks. An index outside its list is a bug. */
unsigned weft_metric_series(const WeftMetric *metric, unsigned i, unsigned j, unsigned k);

/* One value; of a histogram the whole of one series. */
struct weft_metric_cell {
	uint64_t v;
};

struct weft_metric_cell *weft_metric_cell(WeftMetric *metric, unsigned series);

static inline void
weft_metric_add(struct weft_metric_cell *cell, uint64_t n)
{
	__atomic_fetch_add(&cell->v, n, __ATOMIC_RELAXED);
}

static inline void
weft_metric_inc(struct weft_metric_cell *cell)
{
	weft_metric_add(cell, 1);
}

/* Gauges: values are signed. */
static inline void
weft_metric_sub(struct weft_metric_cell *cell, uint64_t n)
{
	__atomic_fetch_sub(&cell->v, n, __ATOMIC_RELAXED);
}

static inline void
weft_metric_set(struct weft_metric_cell *cell, int64_t value)
{
	__atomic_store_n(&cell->v, (uint64_t) value, __ATOMIC_RELAXED);
}

static inline uint64_t
weft_metric_get(const struct weft_metric_cell *cell)
{
	return __atomic_load_n(&cell->v, __ATOMIC_RELAXED);
}

/* Counts @value (raw units) in series @series of a histogram. */
void weft_metric_observe(WeftMetric *metric, unsigned series, uint64_t value);

/* Families whose series are known only when scraped. The collector is called on the scraping
 * thread; what it adds beyond WEFT_METRIC_SERIES_MAX samples per family is left out. Names must
 * be literals of the program, label values may be anything. */
typedef void (*WeftMetricsCollect)(WeftMetricsOut *out, void *user);
void weft_metrics_add_collector(WeftMetrics *metrics, WeftMetricsCollect collect, void *user);
void weft_metrics_remove_collector(WeftMetrics *metrics, WeftMetricsCollect collect, void *user);

void weft_metrics_out_family(WeftMetricsOut *out,
			     const char *name,
			     const char *help,
			     enum weft_metric_type type);
/* One sample of the last family. @labels: name, value, name, value, ..., NULL; or NULL. */
void weft_metrics_out_sample(WeftMetricsOut *out, const char *const *labels, double value);

/* The same for the parts of a histogram, whose names end in "_bucket" (with the label le), "_sum"
 * and
 * "_count". */
void weft_metrics_out_line(WeftMetricsOut *out,
			   const char *suffix,
			   const char *const *labels,
			   double value);

/* weft_<daemon>_build_info{version} and the customary process_* families. @daemon: "signald". */
void weft_metrics_add_process(WeftMetrics *metrics, const char *daemon);

/* Appends the text form of everything. */
void weft_metrics_format(WeftMetrics *metrics, GString *out);

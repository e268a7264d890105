/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every program tells about itself, by the names that Prometheus's own clients use. */
#include "base/glib/metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double
read_cpu(void *user, unsigned series)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return (double) NAN;
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double
read_resident(void *user, unsigned series)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size, resident;
	int n;

	if (f == NULL)
		return (double) NAN;
	n = fscanf(f, "%lu %lu", &size, &resident);
	fclose(f);
	return n == 2 ? (double) resident * (double) sysconf(_SC_PAGESIZE) : (double) NAN;
}

static double
read_fds(void *user, unsigned series)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;
	struct dirent *entry;

	if (dir == NULL)
		return (double) NAN;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			n++;
	closedir(dir);
	return n - 1; /* without this one */
}

static double
read_max_fds(void *user, unsigned series)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return (double) NAN;
	return (double) limit.rlim_cur;
}

static const struct weft_metric_def process_defs[] = {
	{ .name = "process_cpu_seconds_total",
	  .help = "Total user and system CPU time spent in seconds.",
	  .type = WEFT_METRIC_COUNTER,
	  .read = read_cpu },
	{ .name = "process_resident_memory_bytes",
	  .help = "Resident memory size in bytes.",
	  .type = WEFT_METRIC_GAUGE,
	  .read = read_resident },
	{ .name = "process_open_fds",
	  .help = "Number of open file descriptors.",
	  .type = WEFT_METRIC_GAUGE,
	  .read = read_fds },
	{ .name = "process_max_fds",
	  .help = "Maximum number of open file descriptors.",
	  .type = WEFT_METRIC_GAUGE,
	  .read = read_max_fds },
	{ .name = "process_start_time_seconds",
	  .help = "Start time of the process since the Unix epoch in seconds.",
	  .type = WEFT_METRIC_GAUGE },
};

static void
collect_build_info(WeftMetricsOut *out, void *user)
{
	static const char *const labels[] = { "version", PACKAGE_VERSION, NULL };
	g_autofree char *name = g_strdup_printf("weft_%s_build_info", (const char *) user);

	weft_metrics_out_family(out, name, "Always 1; the version is in the label.",
				WEFT_METRIC_GAUGE);
	weft_metrics_out_sample(out, labels, 1);
}

void
weft_metrics_add_process(WeftMetrics *metrics, const char *daemon)
{
	for (size_t i = 0; i < G_N_ELEMENTS(process_defs); i++) {
		WeftMetric *m = weft_metrics_register(metrics, &process_defs[i]);

		if (process_defs[i].read == NULL)
			weft_metric_set(weft_metric_cell(m, 0), (int64_t) time(NULL));
	}
	weft_metrics_add_collector(metrics, collect_build_info, (void *) daemon);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What administrators ask the workers: metrics, and the socket of `weft-admin relay`. */
#pragma once

#include <glib.h>

#include "base/glib/metrics.h"
#include "relayd/worker.h"

struct weft_env;

typedef struct relay_control RelayControl;

struct relay_control_config {
	const char *runtime_dir; /* the socket is admin.sock in it; made if it is missing */
	RelayWorker *const *workers;
	const unsigned *n_workers;
	GMainContext *context;
	const struct weft_env *env;
};

RelayControl *relay_control_new(const struct relay_control_config *config, GError **error);
void relay_control_free(RelayControl *control); /* takes NULL; before the workers stop */

/* Registers families that add up the workers' counters. */
void relay_control_add_metrics(WeftMetrics *metrics,
			       RelayWorker *const *workers,
			       const unsigned *n_workers);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of metrics share. */
#pragma once

#include "base/glib/metrics.h"

struct weft_metrics_out {
	GString *out;
	const char *name;   /* of the current family */
	unsigned n_samples; /* of the current family */
};

/* The shortest text that reads back as @value; NaN, +Inf, -Inf. */
void weft_metrics_format_number(char out[G_ASCII_DTOSTR_BUF_SIZE], double value);

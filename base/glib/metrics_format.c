/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text exposition format, version 0.0.4. */
#include "base/glib/metrics_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void
weft_metrics_format_number(char out[G_ASCII_DTOSTR_BUF_SIZE], double value)
{
	if (isnan(value)) {
		strcpy(out, "NaN");
	} else if (isinf(value)) {
		strcpy(out, value > 0 ? "+Inf" : "-Inf");
	} else if (fabs(value) < 9e15 && value == floor(value)) {
		g_snprintf(out, G_ASCII_DTOSTR_BUF_SIZE, "%" G_GINT64_FORMAT, (int64_t) value);
	} else {
		/* 15 digits are enough for most values, 17 for all. */
		g_ascii_formatd(out, G_ASCII_DTOSTR_BUF_SIZE, "%.15g", value);
		if (g_ascii_strtod(out, NULL) != value)
			g_ascii_dtostr(out, G_ASCII_DTOSTR_BUF_SIZE, value);
	}
}

/* Backslash and newline, and in label values the quote. */
static void
append_escaped(GString *out, const char *text, bool quote)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);

	for (const char *p = valid; *p != '\0'; p++) {
		if (*p == '\\')
			g_string_append(out, "\\\\");
		else if (*p == '\n')
			g_string_append(out, "\\n");
		else if (*p == '"' && quote)
			g_string_append(out, "\\\"");
		else
			g_string_append_c(out, *p);
	}
}

void
weft_metrics_out_family(WeftMetricsOut *out,
			const char *name,
			const char *help,
			enum weft_metric_type type)
{
	static const char *const types[WEFT_METRIC_TYPE_COUNT_] = { "counter", "gauge",
								    "histogram" };

	out->name = name;
	out->n_samples = 0;
	g_string_append_printf(out->out, "# HELP %s ", name);
	append_escaped(out->out, help, false);
	g_string_append_printf(out->out, "\n# TYPE %s %s\n", name, types[type]);
}

void
weft_metrics_out_line(WeftMetricsOut *out,
		      const char *suffix,
		      const char *const *labels,
		      double value)
{
	char number[G_ASCII_DTOSTR_BUF_SIZE];

	g_string_append_printf(out->out, "%s%s", out->name, suffix);
	if (labels != NULL && labels[0] != NULL) {
		for (unsigned i = 0; labels[i] != NULL; i += 2) {
			g_string_append_printf(out->out, "%c%s=\"", i == 0 ? '{' : ',', labels[i]);
			append_escaped(out->out, labels[i + 1], true);
			g_string_append_c(out->out, '"');
		}
		g_string_append_c(out->out, '}');
	}
	weft_metrics_format_number(number, value);
	g_string_append_printf(out->out, " %s\n", number);
}

void
weft_metrics_out_sample(WeftMetricsOut *out, const char *const *labels, double value)
{
	g_return_if_fail(out->name != NULL);
	if (isnan(value) || out->n_samples >= WEFT_METRIC_SERIES_MAX)
		return;
	out->n_samples++;
	weft_metrics_out_line(out, "", labels, value);
}

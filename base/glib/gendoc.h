/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Documentation out of tables: a program of ten lines per daemon links the schema or the command
 * table and calls weft_gendoc_main(); see base/glib/Makefile.inc for the rules around it. */
#pragma once

#include <glib.h>

struct weft_conf_schema;
struct weft_cli_program;
struct weft_metric_def;

struct weft_gendoc {
	const struct weft_conf_schema *schema;        /* or NULL */
	const struct weft_cli_program *program;       /* or NULL */
	const struct weft_metric_def *const *metrics; /* NULL-terminated, or NULL */
};

/* gendoc conf                 the commented default configuration file
 * gendoc conf-mdoc            its groups and keys as mdoc(7) sections and lists
 * gendoc cli-mdoc             commands and options as mdoc
 * gendoc completion           bash completion
 * gendoc metrics              metrics as a Markdown table
 * gendoc page TEMPLATE        TEMPLATE with each line that is only @CONF@, @COMMANDS@, @OPTIONS@ or
 *                             @EXIT@ replaced by the fragment, and @VERSION@ by the version
 * Returns the exit code for main(). */
int weft_gendoc_main(const struct weft_gendoc *doc, int argc, char **argv);

void weft_gendoc_conf(const struct weft_conf_schema *schema, GString *out);
void weft_gendoc_conf_mdoc(const struct weft_conf_schema *schema, GString *out);
void weft_gendoc_commands_mdoc(const struct weft_cli_program *program, GString *out);
void weft_gendoc_options_mdoc(const struct weft_cli_program *program, GString *out);
void weft_gendoc_exit_mdoc(GString *out);
void weft_gendoc_metrics(const struct weft_metric_def *const *metrics, GString *out);

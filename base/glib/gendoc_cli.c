/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands, options, exit codes and metrics for the manual. */
#include "base/glib/cli_private.h"
#include "base/glib/gendoc.h"
#include "base/glib/gendoc_private.h"
#include "base/glib/metrics.h"

#include <string.h>

/* One character of text; @macro also guards against being taken for a macro's name. */
static void
append_char(GString *out, char c)
{
	if (c == '\\')
		g_string_append(out, "\\e");
	else
		g_string_append_c(out, c);
}

void
weft_gendoc_text(GString *out, const char *text)
{
	bool at_start = true;

	for (const char *p = text; *p != '\0'; p++) {
		if (p[0] == '\n' && p[1] == '\n') {
			g_string_append(out, at_start ? ".Pp\n" : "\n.Pp\n");
			at_start = true;
			p++;
			continue;
		}
		if (g_ascii_isspace(*p)) {
			/* mdoc wants each sentence on a line of its own. */
			if (!at_start && strchr(".!?", p[-1]) != NULL && p[1] != '\0') {
				g_string_append_c(out, '\n');
				at_start = true;
			} else if (!at_start) {
				g_string_append_c(out, ' ');
			}
			continue;
		}
		if (at_start && (*p == '.' || *p == '\''))
			g_string_append(out, "\\&");
		append_char(out, *p);
		at_start = false;
	}
	if (!at_start)
		g_string_append_c(out, '\n');
}

void
weft_gendoc_arg(GString *out, const char *text)
{
	/* In quotes nothing is a delimiter, and \& keeps the first word from being a macro. */
	g_string_append(out, "\"\\&");
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"')
			g_string_append(out, "\\(dq");
		else
			append_char(out, *p);
	}
	g_string_append_c(out, '"');
}

static void
add_option(const struct weft_cli_option *o, void *user)
{
	GString *out = user;
	g_autofree char *value = weft_cli_placeholder(o);

	if (o->hidden)
		return;
	g_string_append(out, ".It ");
	if (o->letter != 0)
		g_string_append_printf(out, "Fl %c , ", o->letter);
	g_string_append_printf(out, "Fl -%s", o->name);
	if (value != NULL) {
		g_string_append(out, " Ar ");
		weft_gendoc_arg(out, value);
	}
	g_string_append_c(out, '\n');
	weft_gendoc_text(out, o->help);
	if (o->required)
		g_string_append(out, "Required.\n");
	if (o->repeat)
		g_string_append(out, "May be given several times.\n");
	if (o->def != NULL && o->def[0] != '\0') {
		g_autofree char *def = g_strdup_printf("Default: %s.", o->def);
		weft_gendoc_text(out, def);
	}
}

/* The options of one owner as a list, or nothing. */
static void
append_options(const struct weft_cli_program *program,
	       const struct weft_cli_command *command,
	       bool common,
	       GString *out)
{
	g_autoptr(GString) list = g_string_new(NULL);

	weft_cli_each_option(program, command, common, add_option, list);
	if (list->len > 0)
		g_string_append_printf(out, ".Bl -tag -width Ds -compact\n%s.El\n", list->str);
}

static void
append_args(const struct weft_cli_command *command, GString *out)
{
	for (const struct weft_cli_arg *a = command->args; a != NULL && a->name != NULL; a++) {
		g_string_append(out, a->optional ? " Op Ar " : " Ar ");
		weft_gendoc_arg(out, a->name);
		if (a->repeat)
			g_string_append(out, " Ar ...");
	}
}

void
weft_gendoc_commands_mdoc(const struct weft_cli_program *program, GString *out)
{
	g_string_append(out, ".Bl -tag -width Ds\n");
	for (const struct weft_cli_command *c = program->commands; c->path != NULL; c++) {
		g_autofree char *summary = g_strdup_printf("%s.", c->summary);

		if (c->hidden)
			continue;
		g_string_append(out, ".It Ic ");
		weft_gendoc_arg(out, c->path);
		append_args(c, out);
		g_string_append_c(out, '\n');
		weft_gendoc_text(out, summary);
		if (c->description != NULL) {
			g_string_append(out, ".Pp\n");
			weft_gendoc_text(out, c->description);
		}
		for (const struct weft_cli_arg *a = c->args; a != NULL && a->name != NULL; a++) {
			if (a->help == NULL)
				continue;
			g_string_append(out, ".Pp\n.Ar ");
			weft_gendoc_arg(out, a->name);
			g_string_append(out, " :\n");
			weft_gendoc_text(out, a->help);
		}
		append_options(program, c, false, out);
	}
	g_string_append(out, ".El\n");
}

void
weft_gendoc_options_mdoc(const struct weft_cli_program *program, GString *out)
{
	append_options(program, NULL, true, out);
}

void
weft_gendoc_exit_mdoc(GString *out)
{
	static const struct {
		int code;
		const char *text;
	} codes[] = {
		{ WEFT_CLI_EXIT_OK, "Success." },
		{ WEFT_CLI_EXIT_FAILED, "The command failed; the reason is on standard error." },
		{ WEFT_CLI_EXIT_USAGE, "Wrong use: unknown command or option, bad value." },
		{ WEFT_CLI_EXIT_NOT_RUNNING,
		  "The daemon is not running, or the host is not enrolled." },
		{ WEFT_CLI_EXIT_DENIED, "Not permitted." },
		{ WEFT_CLI_EXIT_NOT_FOUND, "The named object does not exist." },
		{ WEFT_CLI_EXIT_TIMEOUT, "Timed out while waiting." },
	};

	g_string_append(out, ".Bl -tag -width Ds -compact\n");
	for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
		g_string_append_printf(out, ".It %d\n%s\n", codes[i].code, codes[i].text);
	g_string_append(out, ".El\n");
}

void
weft_gendoc_metrics(const struct weft_metric_def *const *metrics, GString *out)
{
	static const char *const types[WEFT_METRIC_TYPE_COUNT_] = { "counter", "gauge",
								    "histogram" };

	g_string_append(out, "| name | type | labels | meaning |\n| --- | --- | --- | --- |\n");
	for (; *metrics != NULL; metrics++) {
		const struct weft_metric_def *def = *metrics;

		g_string_append_printf(out, "| `%s` | %s | ", def->name, types[def->type]);
		for (unsigned i = 0; i < WEFT_METRIC_LABELS_MAX && def->labels[i].name != NULL; i++)
			g_string_append_printf(out, "%s`%s`", i > 0 ? ", " : "",
					       def->labels[i].name);
		g_string_append_printf(out, " | %s |\n", def->help);
	}
}

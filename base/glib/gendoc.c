/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/gendoc.h"

#include "base/glib/cli.h"
#include "base/glib/conf.h"
#include "base/glib/file.h"

#include <stdio.h>
#include <string.h>

#define TEMPLATE_MAX (1024 * 1024)

enum fragment {
	FRAGMENT_CONF,
	FRAGMENT_COMMANDS,
	FRAGMENT_OPTIONS,
	FRAGMENT_EXIT,
	FRAGMENT_COUNT_
};

static const char *const markers[FRAGMENT_COUNT_] = {
	[FRAGMENT_CONF] = "@CONF@",
	[FRAGMENT_COMMANDS] = "@COMMANDS@",
	[FRAGMENT_OPTIONS] = "@OPTIONS@",
	[FRAGMENT_EXIT] = "@EXIT@",
};

/* False if the program lacks the table that the fragment is made of. */
static bool
append_fragment(const struct weft_gendoc *doc, enum fragment fragment, GString *out)
{
	switch (fragment) {
	case FRAGMENT_CONF:
		if (doc->schema != NULL)
			weft_gendoc_conf_mdoc(doc->schema, out);
		return doc->schema != NULL;
	case FRAGMENT_COMMANDS:
		if (doc->program != NULL)
			weft_gendoc_commands_mdoc(doc->program, out);
		return doc->program != NULL;
	case FRAGMENT_OPTIONS:
		if (doc->program != NULL)
			weft_gendoc_options_mdoc(doc->program, out);
		return doc->program != NULL;
	case FRAGMENT_EXIT:
		weft_gendoc_exit_mdoc(out);
		return true;
	case FRAGMENT_COUNT_:
		break;
	}
	g_assert_not_reached();
}

static bool
append_line(const struct weft_gendoc *doc, const char *line, GString *out)
{
	g_autoptr(GString) text = NULL;

	for (unsigned i = 0; i < FRAGMENT_COUNT_; i++)
		if (strcmp(line, markers[i]) == 0)
			return append_fragment(doc, (enum fragment) i, out);
	text = g_string_new(line);
	g_string_replace(text, "@VERSION@", PACKAGE_VERSION, 0);
	g_string_append(out, text->str);
	g_string_append_c(out, '\n');
	return true;
}

static bool
append_page(const struct weft_gendoc *doc, const char *path, GString *out, GError **error)
{
	size_t len;
	g_autofree char *text = weft_file_read(path, TEMPLATE_MAX, &len, error);
	g_auto(GStrv) lines = NULL;

	if (text == NULL)
		return false;
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	lines = g_strsplit(text, "\n", -1);
	for (char **l = lines; *l != NULL; l++) {
		if (append_line(doc, *l, out))
			continue;
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
			    "%s: %s: this program has no such table", path, *l);
		return false;
	}
	return true;
}

/* False if @what is no word of ours, or its table is missing. */
static bool
append_named(const struct weft_gendoc *doc, const char *what, GString *out)
{
	if (doc->schema != NULL && strcmp(what, "conf") == 0)
		weft_gendoc_conf(doc->schema, out);
	else if (doc->schema != NULL && strcmp(what, "conf-mdoc") == 0)
		weft_gendoc_conf_mdoc(doc->schema, out);
	else if (doc->program != NULL && strcmp(what, "cli-mdoc") == 0)
		weft_gendoc_commands_mdoc(doc->program, out);
	else if (doc->program != NULL && strcmp(what, "completion") == 0)
		weft_cli_format_completion(doc->program, out);
	else if (doc->metrics != NULL && strcmp(what, "metrics") == 0)
		weft_gendoc_metrics(doc->metrics, out);
	else
		return false;
	return true;
}

int
weft_gendoc_main(const struct weft_gendoc *doc, int argc, char **argv)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 3 && strcmp(what, "page") == 0) {
		if (!append_page(doc, argv[2], out, &error)) {
			fprintf(stderr, "gendoc: %s\n", error->message);
			return 1;
		}
	} else if (argc != 2 || !append_named(doc, what, out)) {
		fprintf(stderr,
			"usage: gendoc conf|conf-mdoc|cli-mdoc|completion|metrics|page FILE\n");
		return 2;
	}
	if (fwrite(out->str, 1, out->len, stdout) == out->len && fflush(stdout) == 0)
		return 0;
	fprintf(stderr, "gendoc: cannot write\n");
	return 1;
}

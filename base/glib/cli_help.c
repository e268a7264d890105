/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --help out of the table. */
#include "base/glib/cli_private.h"
#include "base/glib/table.h"

#include <string.h>

#define WIDTH      80
#define INDENT     2
#define COLUMN_MAX 30 /* a longer left side gets a line of its own */

char *
weft_cli_placeholder(const struct weft_cli_option *option)
{
	static const char *const by_type[WEFT_CLI_TYPE_COUNT_] = {
		[WEFT_CLI_STRING] = "TEXT",       [WEFT_CLI_INT] = "NUMBER",
		[WEFT_CLI_DURATION] = "DURATION", [WEFT_CLI_SIZE] = "SIZE",
		[WEFT_CLI_FILE] = "FILE",
	};

	if (option->type == WEFT_CLI_FLAG)
		return NULL;
	if (option->arg != NULL)
		return g_strdup(option->arg);
	if (option->type == WEFT_CLI_ENUM)
		return g_strjoinv("|", (char **) option->names);
	return g_strdup(by_type[option->type]);
}

char *
weft_cli_args_synopsis(const struct weft_cli_command *command)
{
	g_autoptr(GString) out = g_string_new(NULL);

	for (const struct weft_cli_arg *a = command->args; a != NULL && a->name != NULL; a++)
		g_string_append_printf(out, " %s%s%s%s", a->optional ? "[" : "", a->name,
				       a->repeat ? "..." : "", a->optional ? "]" : "");
	return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Appends @text broken into lines, continued at @indent; the first begins at @at. */
static void
append_wrapped(GString *out, const char *text, unsigned indent, unsigned at)
{
	g_auto(GStrv) words = g_strsplit_set(text, " \n\t", -1);
	bool first = true;

	for (char **w = words; *w != NULL; w++) {
		unsigned width = weft_table_width(*w);

		if (**w == '\0')
			continue;
		if (!first && at + 1 + width > WIDTH) {
			g_string_append_printf(out, "\n%*s", (int) indent, "");
			at = indent;
		} else if (!first) {
			g_string_append_c(out, ' ');
			at++;
		}
		g_string_append(out, *w);
		at += width;
		first = false;
	}
	g_string_append_c(out, '\n');
}

/* Paragraphs, set apart by blank lines. */
static void
append_paragraphs(GString *out, const char *text)
{
	g_auto(GStrv) paragraphs = g_strsplit(text, "\n\n", -1);

	for (char **p = paragraphs; *p != NULL; p++) {
		g_string_append_c(out, '\n');
		append_wrapped(out, *p, 0, 0);
	}
}

/* A list of two columns. */
struct item {
	char *left;
	char *right;
};

static void
item_clear(gpointer data)
{
	struct item *i = data;

	g_free(i->left);
	g_free(i->right);
}

static GArray *
items_new(void)
{
	GArray *items = g_array_new(FALSE, FALSE, sizeof(struct item));

	g_array_set_clear_func(items, item_clear);
	return items;
}

static void
items_add(GArray *items, char *left, const char *right)
{
	const struct item i = { left, g_strdup(right) };

	g_array_append_val(items, i);
}

/* Consumes @items. */
static void
append_items(GString *out, const char *title, GArray *items)
{
	unsigned column = 0;

	if (items->len > 0)
		g_string_append_printf(out, "\n%s:\n", title);
	for (guint i = 0; i < items->len; i++) {
		unsigned width = weft_table_width(g_array_index(items, struct item, i).left);

		if (width <= COLUMN_MAX)
			column = MAX(column, width);
	}
	for (guint i = 0; i < items->len; i++) {
		const struct item *item = &g_array_index(items, struct item, i);
		unsigned width = weft_table_width(item->left);
		unsigned indent = INDENT + column + 2;

		g_string_append_printf(out, "%*s%s", INDENT, "", item->left);
		if (width > column)
			g_string_append_printf(out, "\n%*s", (int) indent, "");
		else
			g_string_append_printf(out, "%*s", (int) (column - width + 2), "");
		append_wrapped(out, item->right, indent, indent);
	}
	g_array_unref(items);
}

static void
add_option(const struct weft_cli_option *o, void *user)
{
	g_autofree char *value = weft_cli_placeholder(o);
	g_autofree char *letter =
		o->letter != 0 ? g_strdup_printf("-%c, ", o->letter) : g_strdup("    ");
	g_autofree char *def = o->def != NULL && o->def[0] != '\0' && o->type != WEFT_CLI_ENUM
				       ? g_strdup_printf("%s Default: %s.", o->help, o->def)
				       : g_strdup(o->help);

	if (o->hidden)
		return;
	items_add(user,
		  g_strdup_printf("%s--%s%s%s", letter, o->name, value != NULL ? " " : "",
				  value != NULL ? value : ""),
		  def);
}

static const struct weft_cli_command *
find_command(const struct weft_cli_program *program, const char *path)
{
	for (const struct weft_cli_command *c = program->commands; c->path != NULL; c++)
		if (strcmp(c->path, path) == 0)
			return c;
	return NULL;
}

static void
format_command(const struct weft_cli_program *program,
	       const struct weft_cli_command *command,
	       GString *out)
{
	g_autofree char *synopsis = weft_cli_args_synopsis(command);
	GArray *args = items_new();
	GArray *own = items_new();
	GArray *common = items_new();

	g_string_append_printf(out, "Usage: %s %s [OPTION...]%s\n\n%s.\n", program->name,
			       command->path, synopsis, command->summary);
	if (command->description != NULL)
		append_paragraphs(out, command->description);
	for (const struct weft_cli_arg *a = command->args; a != NULL && a->name != NULL; a++)
		if (a->help != NULL)
			items_add(args, g_strdup(a->name), a->help);
	append_items(out, "Arguments", args);
	weft_cli_each_option(program, command, false, add_option, own);
	append_items(out, "Options", own);
	weft_cli_each_option(program, NULL, true, add_option, common);
	append_items(out, "Options of every command", common);
}

/* The program, or those commands that begin with @path. */
static void
format_commands(const struct weft_cli_program *program, const char *path, GString *out)
{
	GArray *commands = items_new();
	GArray *options = items_new();

	if (path[0] == '\0')
		g_string_append_printf(out, "%s: %s\n\n", program->name, program->summary);
	g_string_append_printf(out, "Usage: %s %s%sCOMMAND [OPTION...] [ARGUMENT...]\n",
			       program->name, path, path[0] != '\0' ? " " : "");
	for (const struct weft_cli_command *c = program->commands; c->path != NULL; c++)
		if (!c->hidden && weft_cli_path_begins(c, path))
			items_add(commands, g_strdup(c->path), c->summary);
	append_items(out, "Commands", commands);
	weft_cli_each_option(program, NULL, true, add_option, options);
	append_items(out, "Options", options);
	g_string_append_printf(out, "\nRun \"%s COMMAND --help\" for more about a command.\n",
			       program->name);
}

void
weft_cli_format_help(const struct weft_cli_program *program, const char *path, GString *out)
{
	const struct weft_cli_command *command;

	if (path == NULL)
		path = "";
	command = find_command(program, path);
	if (command != NULL)
		format_command(program, command, out);
	else
		format_commands(program, path, out);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/base-glib/sample-cli.h"

#include "base/glib/table.h"

#include <string.h>

static int
run_up(WeftCli *cli, void *user)
{
	struct sample_seen *seen = user;

	seen->command = weft_cli_command(cli);
	for (const char *const *t = weft_cli_strings(cli, "tag"); *t != NULL; t++)
		g_string_append_printf(seen->text, "tag=%s ", *t);
	g_string_append_printf(seen->text,
			       "url=%s timeout=%" G_GINT64_FORMAT " mode=%s/%" G_GINT64_FORMAT
			       " force=%d socket=%s",
			       weft_cli_string(cli, "management-url"), weft_cli_int(cli, "timeout"),
			       weft_cli_string(cli, "mode"), weft_cli_int(cli, "mode"),
			       weft_cli_flag(cli, "force"), weft_cli_string(cli, "socket"));
	return WEFT_CLI_EXIT_OK;
}

static int
run_list(WeftCli *cli, void *user)
{
	static const struct weft_table_column columns[] = {
		{ "NAME", "name", WEFT_TABLE_TEXT },
		{ NULL, NULL },
	};
	g_autoptr(WeftTable) table = weft_table_new(columns);
	g_autoptr(GString) out = g_string_new(NULL);
	struct sample_seen *seen = user;

	seen->command = weft_cli_command(cli);
	weft_table_row(table);
	weft_table_text(table, "alice");
	if (weft_cli_json(cli))
		weft_table_format_json(table, out, "peers");
	else
		weft_table_format(table, out, weft_cli_color(cli));
	fputs(out->str, weft_cli_out(cli));
	return WEFT_CLI_EXIT_OK;
}

static int
run_show(WeftCli *cli, void *user)
{
	struct sample_seen *seen = user;

	seen->command = weft_cli_command(cli);
	for (unsigned i = 0; i < weft_cli_n_args(cli); i++)
		g_string_append_printf(seen->text, "[%s]", weft_cli_arg(cli, i));
	if (strcmp(weft_cli_arg(cli, 0), "nobody") == 0)
		return weft_cli_fail(cli, WEFT_CLI_EXIT_NOT_FOUND, "peer '%s': not found",
				     "no\nbody");
	return WEFT_CLI_EXIT_OK;
}

static int
run_delete(WeftCli *cli, void *user)
{
	if (!weft_cli_confirm(cli, "Delete %s?", weft_cli_arg(cli, 0)))
		return WEFT_CLI_EXIT_FAILED;
	fprintf(weft_cli_out(cli), "deleted\n");
	return WEFT_CLI_EXIT_OK;
}

static void
complete(WeftCli *cli, const char *kind, const char *prefix, void *user)
{
	static const char *const peers[] = { "alice", "albert", "bob", "b ad", NULL };

	for (const char *const *p = peers; strcmp(kind, "peer") == 0 && *p != NULL; p++)
		if (g_str_has_prefix(*p, prefix))
			weft_cli_candidate(cli, *p);
}

static const char *const modes[] = { "fast", "safe", NULL };

static const struct weft_cli_option global_options[] = {
	{ "socket", WEFT_CLI_FILE, .letter = 's', .arg = "PATH", .def = "/run/sample.sock",
	  .help = "Socket of the daemon." },
	{ NULL },
};

static const struct weft_cli_option up_options[] = {
	{ "management-url", WEFT_CLI_STRING, .arg = "URL", .required = true,
	  .help = "Server to join." },
	{ "timeout", WEFT_CLI_DURATION, .letter = 't', .def = "30s", .min = 1000000,
	  .max = 3600000000,
	  .help = "How long to wait until the first connection to a peer is there, before giving "
		  "up." },
	{ "mode", WEFT_CLI_ENUM, .names = modes, .def = "safe", .help = "How to go about it." },
	{ "tag", WEFT_CLI_STRING, .repeat = true, .help = "Tag of this host." },
	{ "force", WEFT_CLI_FLAG, .letter = 'f', .help = "Do it anyway." },
	{ "retries", WEFT_CLI_INT, .max = 9, .help = "Tries." },
	{ "buffer", WEFT_CLI_SIZE, .help = "Buffer." },
	{ "secret", WEFT_CLI_FLAG, .hidden = true, .help = "For us." },
	{ NULL },
};

static const struct weft_cli_arg show_args[] = {
	{ "NAME", .complete = "peer", .help = "Peer." },
	{ "DETAIL", .optional = true, .repeat = true, .help = "What to show." },
	{ NULL },
};

static const struct weft_cli_arg delete_args[] = { { "NAME", .complete = "peer" }, { NULL } };

static const struct weft_cli_command commands[] = {
	{ "up", "Join the network",
	  .description = "Starts it.\n\nAnd .more: with a \\ and 'quotes'.", .options = up_options,
	  .run = run_up },
	{ "peer list", "List peers", .json = true, .watch = true, .run = run_list },
	{ "peer show", "Show one peer", .args = show_args, .json = true, .run = run_show },
	{ "peer delete", "Delete a peer", .args = delete_args, .confirm = true, .run = run_delete },
	{ "debug", "Look inside", .hidden = true, .run = run_list },
	{ NULL },
};

const struct weft_cli_program sample_program = {
	.name = "sample",
	.summary = "a program for tests",
	.version = "1.2.3",
	.options = global_options,
	.commands = commands,
	.complete = complete,
};

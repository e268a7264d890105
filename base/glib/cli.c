/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/cli.h"

#include "base/glib/cli_private.h"
#include "base/glib/log_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct weft_cli_program *
weft_cli_program(const WeftCli *cli)
{
	return cli->program;
}

const struct weft_cli_command *
weft_cli_command(const WeftCli *cli)
{
	return cli->command;
}

static bool
is_terminal(const WeftCli *cli, FILE *f)
{
	return cli->tty >= 0 ? cli->tty == 1 : isatty(fileno(f)) == 1;
}

/* The value of an option whose type is in @types (bits). */
static const struct weft_cli_value *
value_of(const WeftCli *cli, const char *option, unsigned types)
{
	const struct weft_cli_value *v = weft_cli_find_value(cli, option);

	g_assert(v != NULL);
	g_assert((types & (1u << v->option->type)) != 0);
	return v;
}

#define TYPE(name) (1u << WEFT_CLI_##name)

bool
weft_cli_is_set(const WeftCli *cli, const char *option)
{
	return value_of(cli, option, ~0u)->set;
}

bool
weft_cli_flag(const WeftCli *cli, const char *option)
{
	return value_of(cli, option, TYPE(FLAG))->set;
}

const char *
weft_cli_string(const WeftCli *cli, const char *option)
{
	const struct weft_cli_value *v =
		value_of(cli, option, TYPE(STRING) | TYPE(FILE) | TYPE(ENUM));

	/* The last entry is the terminating NULL. */
	return v->texts->len > 1 ? g_ptr_array_index(v->texts, v->texts->len - 2) : NULL;
}

const char *const *
weft_cli_strings(const WeftCli *cli, const char *option)
{
	const struct weft_cli_value *v =
		value_of(cli, option, TYPE(STRING) | TYPE(FILE) | TYPE(ENUM));

	return (const char *const *) v->texts->pdata;
}

int64_t
weft_cli_int(const WeftCli *cli, const char *option)
{
	return value_of(cli, option, TYPE(INT) | TYPE(DURATION) | TYPE(SIZE) | TYPE(ENUM))->number;
}

unsigned
weft_cli_n_args(const WeftCli *cli)
{
	return cli->args->len;
}

const char *
weft_cli_arg(const WeftCli *cli, unsigned i)
{
	return i < cli->args->len ? g_ptr_array_index(cli->args, i) : NULL;
}

bool
weft_cli_json(const WeftCli *cli)
{
	return weft_cli_given(cli, "json");
}

bool
weft_cli_watch(const WeftCli *cli)
{
	return weft_cli_given(cli, "watch");
}

bool
weft_cli_color(const WeftCli *cli)
{
	const char *when = weft_cli_string(cli, "color");
	const char *term = g_getenv("TERM");
	const char *no_color = g_getenv("NO_COLOR");

	if (strcmp(when, "auto") != 0)
		return strcmp(when, "always") == 0;
	return (no_color == NULL || no_color[0] == '\0') && g_strcmp0(term, "dumb") != 0 &&
	       is_terminal(cli, cli->out);
}

FILE *
weft_cli_out(const WeftCli *cli)
{
	return cli->out;
}

int
weft_cli_fail(WeftCli *cli, int code, const char *format, ...)
{
	g_autofree char *text = NULL;
	g_autoptr(GString) shown = g_string_new(NULL);
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	/* It may quote what another machine said. */
	weft_log_escape(shown, text, -1);
	weft_cli_progress(cli, "%s", "");
	fprintf(cli->err, "%s: %s\n", cli->program->name, shown->str);
	return code;
}

bool
weft_cli_confirm(WeftCli *cli, const char *format, ...)
{
	g_autofree char *question = NULL;
	g_autoptr(GString) shown = g_string_new(NULL);
	char answer[16] = "";
	va_list args;

	if (weft_cli_given(cli, "yes"))
		return true;
	va_start(args, format);
	question = g_strdup_vprintf(format, args);
	va_end(args);
	weft_log_escape(shown, question, -1);
	if (!is_terminal(cli, cli->in)) {
		weft_cli_fail(cli, WEFT_CLI_EXIT_FAILED,
			      "%s This needs --yes, as standard input is no terminal.", shown->str);
		return false;
	}
	fprintf(cli->err, "%s [y/N] ", shown->str);
	fflush(cli->err);
	if (fgets(answer, sizeof answer, cli->in) != NULL) {
		g_strstrip(answer);
		if (g_ascii_strcasecmp(answer, "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0)
			return true;
	}
	weft_cli_fail(cli, WEFT_CLI_EXIT_FAILED, "not done");
	return false;
}

void
weft_cli_progress(WeftCli *cli, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	if (!is_terminal(cli, cli->err))
		return;
	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	if (text[0] == '\0' && !cli->progress)
		return;
	cli->progress = text[0] != '\0';
	fprintf(cli->err, "\r%s\033[K", text);
	fflush(cli->err);
}

void
weft_cli_candidate(WeftCli *cli, const char *name)
{
	/* One per line: a name with a control character cannot be completed. */
	for (const char *p = name; *p != '\0'; p++)
		if (g_ascii_iscntrl(*p))
			return;
	fprintf(cli->out, "%s\n", name);
}

/* A full disk must not look like success. */
static int
flush_output(WeftCli *cli, int code)
{
	int err;

	weft_cli_progress(cli, "%s", "");
	if (fflush(cli->out) == 0 && !ferror(cli->out))
		return code;
	err = errno;
	if (err == EPIPE) /* the reader has seen enough */
		return code;
	weft_cli_fail(cli, code, "cannot write: %s", g_strerror(err));
	return code == WEFT_CLI_EXIT_OK ? WEFT_CLI_EXIT_FAILED : code;
}

int
weft_cli_main_with(const struct weft_cli_program *program,
		   const struct weft_cli_streams *streams,
		   int argc,
		   char **argv,
		   void *user)
{
	WeftCli cli = {
		.program = program,
		.path = g_string_new(NULL),
		.in = streams->in != NULL ? streams->in : stdin,
		.out = streams->out != NULL ? streams->out : stdout,
		.err = streams->err != NULL ? streams->err : stderr,
		.tty = streams->tty,
		.user = user,
		.values = g_array_new(FALSE, FALSE, sizeof(struct weft_cli_value)),
		.args = g_ptr_array_new(),
	};
	int code = weft_cli_parse(&cli, argc, argv);

	if (code < 0)
		code = cli.command->run(&cli, user);
	code = flush_output(&cli, code);
	g_array_unref(cli.values);
	g_ptr_array_unref(cli.args);
	g_string_free(cli.path, TRUE);
	return code;
}

int
weft_cli_main(const struct weft_cli_program *program, int argc, char **argv, void *user)
{
	return weft_cli_main_with(program, &(struct weft_cli_streams){ .tty = -1 }, argc, argv,
				  user);
}

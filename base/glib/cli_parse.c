/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From argv to a command with options and arguments. */
#include "base/glib/cli_private.h"
#include "base/glib/conf.h"

#include <string.h>

static const char *const color_names[] = { "auto", "always", "never", NULL };

const struct weft_cli_option weft_cli_common_options[] = {
	{ "color", WEFT_CLI_ENUM, .arg = "WHEN", .def = "auto", .names = color_names,
	  .help = "Colour the output: auto, always or never." },
	{ "help", WEFT_CLI_FLAG, .letter = 'h', .help = "Print help and exit." },
	{ "version", WEFT_CLI_FLAG, .letter = 'V', .help = "Print the version and exit." },
	{ NULL },
};

static const struct weft_cli_option json_option = {
	"json",
	WEFT_CLI_FLAG,
	.help = "Print JSON instead of text for people.",
};
static const struct weft_cli_option watch_option = {
	"watch",
	WEFT_CLI_FLAG,
	.letter = 'w',
	.help = "Print again whenever something changes.",
};
static const struct weft_cli_option yes_option = {
	"yes",
	WEFT_CLI_FLAG,
	.letter = 'y',
	.help = "Do not ask.",
};

const struct weft_cli_option *
weft_cli_flag_options(const struct weft_cli_command *command, unsigned i)
{
	const struct weft_cli_option *options[3];
	unsigned n = 0;

	if (command->json)
		options[n++] = &json_option;
	if (command->watch)
		options[n++] = &watch_option;
	if (command->confirm)
		options[n++] = &yes_option;
	return i < n ? options[i] : NULL;
}

static void
each_of(const struct weft_cli_option *options, WeftCliOptionFunc each, void *user)
{
	for (; options != NULL && options->name != NULL; options++)
		each(options, user);
}

void
weft_cli_each_option(const struct weft_cli_program *program,
		     const struct weft_cli_command *command,
		     bool common,
		     WeftCliOptionFunc each,
		     void *user)
{
	const struct weft_cli_option *option;

	if (command != NULL) {
		each_of(command->options, each, user);
		for (unsigned i = 0; (option = weft_cli_flag_options(command, i)) != NULL; i++)
			each(option, user);
	}
	if (!common)
		return;
	each_of(program->options, each, user);
	each_of(weft_cli_common_options, each, user);
}

static void
value_clear(gpointer data)
{
	struct weft_cli_value *v = data;

	g_ptr_array_unref(v->texts);
}

static void
add_value(const struct weft_cli_option *option, void *user)
{
	WeftCli *cli = user;
	struct weft_cli_value v = { .option = option, .texts = g_ptr_array_new() };

	g_array_append_val(cli->values, v);
}

struct weft_cli_value *
weft_cli_find_value(const WeftCli *cli, const char *name)
{
	for (guint i = 0; i < cli->values->len; i++) {
		struct weft_cli_value *v = &g_array_index(cli->values, struct weft_cli_value, i);

		if (strcmp(v->option->name, name) == 0)
			return v;
	}
	return NULL;
}

bool
weft_cli_given(const WeftCli *cli, const char *name)
{
	const struct weft_cli_value *v = weft_cli_find_value(cli, name);

	return v != NULL && v->set;
}

static struct weft_cli_value *
find_letter(const WeftCli *cli, char letter)
{
	for (guint i = 0; i < cli->values->len; i++) {
		struct weft_cli_value *v = &g_array_index(cli->values, struct weft_cli_value, i);

		if (v->option->letter == letter)
			return v;
	}
	return NULL;
}

/* The exit code for wrong use. */
static int usage_error(WeftCli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);

static int
usage_error(WeftCli *cli, const char *format, ...)
{
	const char *path = cli->command != NULL ? cli->command->path : cli->path->str;
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	weft_cli_fail(cli, WEFT_CLI_EXIT_USAGE, "%s", text);
	fprintf(cli->err, "Try: %s%s%s --help\n", cli->program->name, path[0] != '\0' ? " " : "",
		path);
	return WEFT_CLI_EXIT_USAGE;
}

static bool
parse_number(const struct weft_cli_option *o, const char *text, int64_t *ret)
{
	switch (o->type) {
	case WEFT_CLI_INT:
		return g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, ret, NULL);
	case WEFT_CLI_DURATION:
		return weft_conf_parse_duration(ret, text);
	case WEFT_CLI_SIZE:
		return weft_conf_parse_size(ret, text);
	case WEFT_CLI_ENUM:
		for (int i = 0; o->names[i] != NULL; i++) {
			if (strcmp(o->names[i], text) == 0) {
				*ret = i;
				return true;
			}
		}
		return false;
	case WEFT_CLI_FLAG:
	case WEFT_CLI_STRING:
	case WEFT_CLI_FILE:
	case WEFT_CLI_TYPE_COUNT_:
		break;
	}
	return true;
}

/* NULL if @text is a good value of @o, else what is wrong. g_free. */
static char *
check_value(const struct weft_cli_option *o, const char *text, int64_t *ret_number)
{
	static const char *const wanted[WEFT_CLI_TYPE_COUNT_] = {
		[WEFT_CLI_INT] = "not a whole number",
		[WEFT_CLI_DURATION] = "not a duration with a unit, such as 30s",
		[WEFT_CLI_SIZE] = "not a size, such as 64M",
	};
	int64_t max = o->min == 0 && o->max == 0 ? G_MAXINT64 : o->max;
	g_autofree char *names = NULL;

	if (!g_utf8_validate(text, -1, NULL))
		return g_strdup("not UTF-8");
	if (!parse_number(o, text, ret_number)) {
		if (o->type != WEFT_CLI_ENUM)
			return g_strdup(wanted[o->type]);
		names = g_strjoinv(", ", (char **) o->names);
		return g_strdup_printf("none of: %s", names);
	}
	if (wanted[o->type] == NULL || (*ret_number >= o->min && *ret_number <= max))
		return NULL;
	if (o->type == WEFT_CLI_DURATION) {
		g_autofree char *low = weft_conf_format_duration(o->min);
		g_autofree char *high = weft_conf_format_duration(max);
		return g_strdup_printf("not between %s and %s", low, high);
	}
	return g_strdup_printf("not between %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT, o->min,
			       max);
}

static int
set_value(WeftCli *cli, struct weft_cli_value *v, const char *text)
{
	g_autofree char *wrong = check_value(v->option, text, &v->number);

	if (wrong != NULL)
		return usage_error(cli, "--%s: '%s' is %s", v->option->name, text, wrong);
	if (!v->option->repeat)
		g_ptr_array_set_size(v->texts, 0); /* the last one counts */
	g_ptr_array_add(v->texts, (gpointer) text);
	v->set = true;
	return -1;
}

/* One long option. Moves *@i if the value is the next word. */
static int
parse_long(WeftCli *cli, int argc, char **argv, int *i)
{
	const char *word = argv[*i] + 2;
	const char *eq = strchr(word, '=');
	g_autofree char *name = eq != NULL ? g_strndup(word, (gsize) (eq - word)) : g_strdup(word);
	struct weft_cli_value *v = weft_cli_find_value(cli, name);

	if (v == NULL)
		return usage_error(cli, "unknown option '--%s'", name);
	if (v->option->type == WEFT_CLI_FLAG) {
		v->set = true;
		return eq == NULL ? -1 : usage_error(cli, "--%s takes no value", name);
	}
	if (eq != NULL)
		return set_value(cli, v, eq + 1);
	if (*i + 1 >= argc)
		return usage_error(cli, "--%s needs a value", name);
	return set_value(cli, v, argv[++*i]);
}

/* A word of letters: -a, -abc, -nVALUE, -n VALUE. */
static int
parse_letters(WeftCli *cli, int argc, char **argv, int *i)
{
	for (const char *p = argv[*i] + 1; *p != '\0'; p++) {
		struct weft_cli_value *v = find_letter(cli, *p);

		if (v == NULL)
			return usage_error(cli, "unknown option '-%c'", *p);
		if (v->option->type == WEFT_CLI_FLAG) {
			v->set = true;
			continue;
		}
		if (p[1] != '\0')
			return set_value(cli, v, p + 1);
		if (*i + 1 >= argc)
			return usage_error(cli, "-%c needs a value", *p);
		return set_value(cli, v, argv[++*i]);
	}
	return -1;
}

static bool
is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

static int
parse_option(WeftCli *cli, int argc, char **argv, int *i)
{
	return argv[*i][1] == '-' ? parse_long(cli, argc, argv, i)
				  : parse_letters(cli, argc, argv, i);
}

bool
weft_cli_path_begins(const struct weft_cli_command *command, const char *path)
{
	size_t len = strlen(path);

	return strncmp(command->path, path, len) == 0 &&
	       (len == 0 || command->path[len] == '\0' || command->path[len] == ' ');
}

/* Takes @word as the next one of the command's name; false if it is none. */
static bool
take_word(WeftCli *cli, const char *word)
{
	g_autofree char *path = cli->path->len > 0 ? g_strdup_printf("%s %s", cli->path->str, word)
						   : g_strdup(word);

	if (word[0] == '\0' || strchr(word, ' ') != NULL)
		return false;
	for (const struct weft_cli_command *c = cli->program->commands; c->path != NULL; c++) {
		if (!weft_cli_path_begins(c, path))
			continue;
		g_string_assign(cli->path, path);
		if (strcmp(c->path, path) == 0) {
			cli->command = c;
			weft_cli_each_option(cli->program, c, false, add_value, cli);
		}
		return true;
	}
	return false;
}

/* --help and --version, which win over everything but a wrong option before them. */
static int
answer_common(WeftCli *cli)
{
	if (weft_cli_given(cli, "help")) {
		g_autoptr(GString) out = g_string_new(NULL);

		weft_cli_format_help(cli->program, cli->path->str, out);
		fputs(out->str, cli->out);
		return WEFT_CLI_EXIT_OK;
	}
	if (weft_cli_given(cli, "version")) {
		fprintf(cli->out, "%s %s\n", cli->program->name, cli->program->version);
		return WEFT_CLI_EXIT_OK;
	}
	return -1;
}

static int
run_complete(WeftCli *cli, int argc, char **argv, int i)
{
	const char *kind = i < argc ? argv[i] : "";
	const char *prefix = i + 1 < argc ? argv[i + 1] : "";

	if (cli->program->complete != NULL)
		cli->program->complete(cli, kind, prefix, cli->user);
	return WEFT_CLI_EXIT_OK;
}

static int
check_args(WeftCli *cli)
{
	const struct weft_cli_arg *a = cli->command->args;
	guint n = 0;

	for (; a != NULL && a->name != NULL; a++) {
		if (n >= cli->args->len && !a->optional)
			return usage_error(cli, "%s is missing", a->name);
		n = a->repeat ? cli->args->len : n + 1;
	}
	if (cli->args->len > n)
		return usage_error(cli, "unexpected argument '%s'",
				   (const char *) g_ptr_array_index(cli->args, n));
	for (guint i = 0; i < cli->args->len; i++)
		if (!g_utf8_validate(g_ptr_array_index(cli->args, i), -1, NULL))
			return usage_error(cli, "argument %u is not UTF-8", i + 1);
	return -1;
}

/* Defaults, and what must be there. */
static int
finish_values(WeftCli *cli)
{
	for (guint i = 0; i < cli->values->len; i++) {
		struct weft_cli_value *v = &g_array_index(cli->values, struct weft_cli_value, i);
		const struct weft_cli_option *o = v->option;

		if (!v->set && o->required)
			return usage_error(cli, "--%s is missing", o->name);
		if (!v->set && o->def != NULL) {
			g_autofree char *wrong = check_value(o, o->def, &v->number);

			g_assert(wrong == NULL);
			g_ptr_array_add(v->texts, (gpointer) o->def);
		}
		g_ptr_array_add(v->texts, NULL);
	}
	return -1;
}

/* What to say when the words name no command. */
static int
no_command(WeftCli *cli, const char *word)
{
	g_autoptr(GString) out = NULL;

	if (word != NULL)
		return usage_error(cli, "unknown command '%s%s%s'", cli->path->str,
				   cli->path->len > 0 ? " " : "", word);
	out = g_string_new(NULL);
	weft_cli_format_help(cli->program, cli->path->str, out);
	fputs(out->str, cli->err);
	return WEFT_CLI_EXIT_USAGE;
}

int
weft_cli_parse(WeftCli *cli, int argc, char **argv)
{
	bool options = true;
	const char *unknown = NULL;
	int code;

	g_array_set_clear_func(cli->values, value_clear);
	weft_cli_each_option(cli->program, NULL, true, add_value, cli);
	for (int i = 1; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (options && is_option(argv[i])) {
			code = parse_option(cli, argc, argv, &i);
			if (code >= 0)
				return code;
		} else if (cli->args->len == 0 && unknown == NULL && options &&
			   take_word(cli, argv[i])) {
			continue;
		} else if (cli->path->len == 0 && strcmp(argv[i], "__complete") == 0) {
			return run_complete(cli, argc, argv, i + 1);
		} else if (cli->command == NULL) {
			unknown = unknown != NULL ? unknown : argv[i];
		} else {
			g_ptr_array_add(cli->args, argv[i]);
		}
	}
	code = answer_common(cli);
	if (code < 0 && (unknown != NULL || cli->command == NULL))
		code = no_command(cli, unknown);
	if (code < 0)
		code = check_args(cli);
	return code < 0 ? finish_values(cli) : code;
}

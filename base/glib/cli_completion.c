/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bash completion out of the table. Words and options are in the script itself; only names
 * that exist at run time are asked of the program, by "PROGRAM __complete KIND PREFIX". */
#include "base/glib/cli_private.h"

#include <string.h>

/* A name that may be part of a shell function's. */
static char *
function_name(const struct weft_cli_program *program)
{
	char *name = g_strdup_printf("_%s", program->name);

	for (char *p = name; *p != '\0'; p++)
		if (!g_ascii_isalnum(*p))
			*p = '_';
	return name;
}

/* Each option of one owner as a word. */
static void
add_word(const struct weft_cli_option *o, void *user)
{
	if (!o->hidden)
		g_string_append_printf(user, " --%s", o->name);
}

/* One branch of "case $path:$option in" for an option that takes a value. */
struct value_branch {
	GString *out;
	const char *path; /* pattern in the shell's notation */
};

static void
append_action(
	GString *out, const char *const *names, const char *complete, bool file, const char *indent)
{
	g_autofree char *words = names != NULL ? g_strjoinv(" ", (char **) names) : NULL;

	if (words != NULL)
		g_string_append_printf(out, "%swords='%s'\n", indent, words);
	else if (complete != NULL)
		g_string_append_printf(out, "%skind=%s\n", indent, complete);
	else if (file)
		g_string_append_printf(out, "%sfiles=1\n", indent);
	else
		g_string_append_printf(out, "%s:\n", indent);
}

static void
add_value_branch(const struct weft_cli_option *o, void *user)
{
	const struct value_branch *b = user;

	if (o->type == WEFT_CLI_FLAG)
		return;
	g_string_append_printf(b->out, "\t%s:--%s", b->path, o->name);
	if (o->letter != 0)
		g_string_append_printf(b->out, " | %s:-%c", b->path, o->letter);
	g_string_append(b->out, ")\n");
	append_action(b->out, o->names, o->complete, o->type == WEFT_CLI_FILE, "\t\t");
	g_string_append(b->out, "\t\treturn 0 ;;\n");
}

/* A function that sets words, kind or files for the value of option $2 of command $1; false if
 * that option takes no value. */
static void
append_values(const struct weft_cli_program *program, const char *name, GString *out)
{
	g_string_append_printf(out, "%s_value() {\n\tcase \"$1:$2\" in\n", name);
	for (const struct weft_cli_command *c = program->commands; c->path != NULL; c++) {
		g_autofree char *path = g_strdup_printf("'%s'", c->path);
		struct value_branch b = { out, path };

		weft_cli_each_option(program, c, false, add_value_branch, &b);
	}
	weft_cli_each_option(program, NULL, true, add_value_branch,
			     &(struct value_branch){ out, "*" });
	g_string_append(out, "\tesac\n\treturn 1\n}\n\n");
}

/* A function that is true if $2 is the next word of a command's name behind the words $1. */
static void
append_words(const struct weft_cli_program *program, const char *name, GString *out)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	const char *separator = "";

	g_string_append_printf(out, "%s_word() {\n\tcase \"$1:$2\" in\n\t", name);
	for (const struct weft_cli_command *c = program->commands; c->path != NULL; c++) {
		g_auto(GStrv) words = g_strsplit(c->path, " ", -1);
		g_autoptr(GString) path = g_string_new(NULL);

		for (char **w = words; *w != NULL; w++) {
			char *pattern = g_strdup_printf("'%s:%s'", path->str, *w);

			if (!g_hash_table_contains(seen, pattern)) {
				g_string_append_printf(out, "%s%s", separator, pattern);
				separator = " | \\\n\t";
			}
			g_hash_table_add(seen, pattern);
			g_string_append_printf(path, "%s%s", path->len > 0 ? " " : "", *w);
		}
	}
	g_string_append(out, ")\n\t\treturn 0 ;;\n\tesac\n\treturn 1\n}\n\n");
}

/* The words that may follow @path, each once. */
static void
append_next_words(const struct weft_cli_program *program, const char *path, GString *out)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	size_t len = strlen(path);

	for (const struct weft_cli_command *c = program->commands; c->path != NULL; c++) {
		const char *rest = c->path + len + (len > 0 ? 1 : 0);
		char *word;

		if (c->hidden || !weft_cli_path_begins(c, path) || strlen(c->path) <= len)
			continue;
		word = g_strndup(rest, strcspn(rest, " "));
		if (!g_hash_table_contains(seen, word))
			g_string_append_printf(out, "%s%s", g_hash_table_size(seen) > 0 ? " " : "",
					       word);
		g_hash_table_add(seen, word);
	}
}

static void
append_args(const struct weft_cli_command *command, GString *out)
{
	const struct weft_cli_arg *a = command->args;

	if (a == NULL || a->name == NULL)
		return;
	g_string_append(out, "\t\tcase $args in\n");
	for (unsigned i = 0; a->name != NULL; a++, i++) {
		if (a->complete == NULL)
			continue;
		if (a->repeat)
			g_string_append_printf(out, "\t\t*) kind=%s ;;\n", a->complete);
		else
			g_string_append_printf(out, "\t\t%u) kind=%s ;;\n", i, a->complete);
	}
	g_string_append(out, "\t\tesac\n");
}

/* A function that sets words and kind for what may follow the words $1 and $2 arguments. */
static void
append_positions(const struct weft_cli_program *program, const char *name, GString *out)
{
	g_autoptr(GHashTable) nouns = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	g_string_append_printf(out, "%s_position() {\n\tlocal args=$2\n\tcase $1 in\n\t'')\n",
			       name);
	g_string_append(out, "\t\twords='");
	append_next_words(program, "", out);
	g_string_append(out, "' ;;\n");
	for (const struct weft_cli_command *c = program->commands; c->path != NULL; c++) {
		for (const char *p = strchr(c->path, ' '); p != NULL; p = strchr(p + 1, ' ')) {
			char *noun = g_strndup(c->path, (gsize) (p - c->path));

			if (!g_hash_table_contains(nouns, noun)) {
				g_string_append_printf(out, "\t'%s')\n\t\twords='", noun);
				append_next_words(program, noun, out);
				g_string_append(out, "' ;;\n");
			}
			g_hash_table_add(nouns, noun);
		}
		if (g_hash_table_contains(nouns, c->path))
			continue;
		g_string_append_printf(out, "\t'%s')\n", c->path);
		append_args(c, out);
		g_string_append(out, "\t\t;;\n");
	}
	g_string_append(out, "\tesac\n}\n\n");
}

/* A function that sets words to the options of command $1. */
static void
append_options(const struct weft_cli_program *program, const char *name, GString *out)
{
	g_string_append_printf(out, "%s_options() {\n\twords='", name);
	weft_cli_each_option(program, NULL, true, add_word, out);
	g_string_append(out, "'\n\tcase $1 in\n");
	for (const struct weft_cli_command *c = program->commands; c->path != NULL; c++) {
		g_autoptr(GString) own = g_string_new(NULL);

		weft_cli_each_option(program, c, false, add_word, own);
		if (own->len > 0)
			g_string_append_printf(out, "\t'%s') words+='%s' ;;\n", c->path, own->str);
	}
	g_string_append(out, "\tesac\n}\n\n");
}

static const char main_function[] =
	"@F@() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	"\tlocal path='' words='' kind='' files='' args=0 i word only=''\n"
	"\tCOMPREPLY=()\n"
	"\t# Bash makes three words of --name=value.\n"
	"\tif [[ $cur == '=' ]]; then\n"
	"\t\tcur=''\n"
	"\telif [[ $prev == '=' ]]; then\n"
	"\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\tfi\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [[ $word == '--' && -z $only ]]; then\n"
	"\t\t\tonly=1\n"
	"\t\telif [[ $word == -?* && -z $only ]]; then\n"
	"\t\t\tif @F@_value \"$path\" \"$word\"; then\n"
	"\t\t\t\t[[ ${COMP_WORDS[i+1]} == '=' ]] && ((i++))\n"
	"\t\t\t\t((i++))\n"
	"\t\t\tfi\n"
	"\t\telif ((args == 0)) && @F@_word \"$path\" \"$word\"; then\n"
	"\t\t\tpath=${path:+$path }$word\n"
	"\t\telse\n"
	"\t\t\t((args++))\n"
	"\t\tfi\n"
	"\tdone\n"
	"\twords='' kind='' files=''\n"
	"\tif [[ -n $only ]] || ! @F@_value \"$path\" \"$prev\"; then\n"
	"\t\tif [[ $cur == -* && -z $only ]]; then\n"
	"\t\t\t@F@_options \"$path\"\n"
	"\t\telse\n"
	"\t\t\t@F@_position \"$path\" \"$args\"\n"
	"\t\tfi\n"
	"\tfi\n"
	"\tif [[ -n $files ]]; then\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"\telif [[ -n $kind ]]; then\n"
	"\t\twhile IFS= read -r word; do\n"
	"\t\t\t[[ $word == \"$cur\"* ]] && COMPREPLY+=(\"$(printf '%q' \"$word\")\")\n"
	"\t\tdone < <(\"${COMP_WORDS[0]}\" __complete \"$kind\" \"$cur\" 2>/dev/null)\n"
	"\telif [[ -n $words ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"\tfi\n"
	"}\n\n"
	"complete -F @F@ @P@\n";

void
weft_cli_format_completion(const struct weft_cli_program *program, GString *out)
{
	g_autofree char *name = function_name(program);
	g_autoptr(GString) text = g_string_new(main_function);

	g_string_append_printf(out,
			       "# bash completion for %s. Generated from its table of commands.\n"
			       "# shellcheck shell=bash disable=SC2034\n\n",
			       program->name);
	append_values(program, name, out);
	append_words(program, name, out);
	append_positions(program, name, out);
	append_options(program, name, out);
	g_string_replace(text, "@F@", name, 0);
	g_string_replace(text, "@P@", program->name, 0);
	g_string_append(out, text->str);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The completion as bash sees it. */
#include "base/glib/cli.h"

#include "tests/unit/base-glib/sample-cli.h"

#include <glib/gstdio.h>
#include <string.h>

/* Completes the last of @words (separated by '|') with bash; the candidates, sorted, separated by
 * blanks. @program stands behind the name in the words. */
static char *
complete(const char *script, const char *program, const char *words)
{
	const char *body =
		"source \"$1\"; PATH=/nonexistent; IFS='|' read -r -a COMP_WORDS <<<\"$3\";\n"
		"[[ $3 == *'|' ]] && COMP_WORDS+=('');\n"
		"COMP_WORDS[0]=$2; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _sample;\n"
		"printf '%s\\n' \"${COMPREPLY[@]}\"\n";
	const char *argv[] = { "bash", "--norc", "--noprofile", "-c",  body,
			       "bash", script,   program,       words, NULL };
	g_autofree char *out = NULL, *err = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
		     &status, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(err, ==, "");
	g_strchomp(out);
	g_strdelimit(out, "\n", ' ');
	return g_steal_pointer(&out);
}

static void
test_bash(void)
{
	static const struct {
		const char *words, *wanted;
	} rows[] = {
		{ "sample|", "up peer" },
		{ "sample|p", "peer" },
		{ "sample|peer|", "list show delete" },
		{ "sample|peer|s", "show" },
		{ "sample|peer|show|", "alice albert bob b\\ ad" },
		{ "sample|peer|show|al", "alice albert" },
		{ "sample|peer|show|alice|", "" },
		{ "sample|-s|/x|peer|show|bo", "bob" },
		{ "sample|--socket|=|/x|peer|show|bo", "bob" },
		{ "sample|peer|--color|never|show|bo", "bob" },
		{ "sample|peer|show|--", "--socket --color --help --version --json" },
		{ "sample|peer|delete|--y", "--yes" },
		{ "sample|up|--mode|", "fast safe" },
		{ "sample|up|--mode|=", "fast safe" },
		{ "sample|up|--mode|=|f", "fast" },
		{ "sample|up|--management-url|", "" },
		{ "sample|up|--f", "--force" },
		{ "sample|up|--sec", "" },
		{ "sample|--color|", "auto always never" },
		{ "sample|--color|a", "auto always" },
		{ "sample|peer|show|--|al", "alice albert" },
		{ "sample|peer|show|--|-", "" },
	};
	g_autofree char *dir = NULL, *script = NULL, *program = NULL;
	g_autoptr(GString) text = g_string_new(NULL);

	g_autofree char *bash = g_find_program_in_path("bash");

	if (bash == NULL) {
		g_test_skip("bash is not installed");
		return;
	}
	dir = g_dir_make_tmp("weft-completion-XXXXXX", NULL);
	script = g_build_filename(dir, "sample.bash", NULL);
	program = g_build_filename(dir, "sample", NULL);
	weft_cli_format_completion(&sample_program, text);
	g_assert_true(g_file_set_contents(script, text->str, -1, NULL));
	/* Says what run_complete() of the sample would. */
	g_assert_true(g_file_set_contents(program,
					  "#!/bin/sh\n[ \"$1 $2\" = '__complete peer' ] || exit 1\n"
					  "echo alice; echo albert; echo bob; echo 'b ad'\n",
					  -1, NULL));
	g_assert_cmpint(g_chmod(program, 0700), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *got = complete(script, program, rows[i].words);

		g_test_message("%s", rows[i].words);
		g_assert_cmpstr(got, ==, rows[i].wanted);
	}
	g_remove(program);
	g_remove(script);
	g_rmdir(dir);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base-glib/cli-completion/bash", test_bash);
	return g_test_run();
}

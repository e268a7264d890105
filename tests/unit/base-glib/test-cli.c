/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/cli.h"

#include "tests/unit/base-glib/sample-cli.h"

#include <stdlib.h>
#include <string.h>

/* One run with everything that came out of it. */
struct result {
	int code;
	char *out, *err, *seen, *command;
};

static struct result
run_with(const char *line, const char *input, int tty)
{
	g_auto(GStrv) argv = g_strsplit(line, " ", -1);
	struct sample_seen seen = { .text = g_string_new(NULL) };
	struct result r = { 0 };
	size_t out_len, err_len;
	struct weft_cli_streams streams = { .tty = tty };

	streams.in = fmemopen((void *) input, MAX(strlen(input), 1), "r");
	streams.out = open_memstream(&r.out, &out_len);
	streams.err = open_memstream(&r.err, &err_len);
	r.code = weft_cli_main_with(&sample_program, &streams, (int) g_strv_length(argv), argv,
				    &seen);
	fclose(streams.in);
	fclose(streams.out);
	fclose(streams.err);
	r.command = g_strdup(seen.command != NULL ? seen.command->path : "");
	r.seen = g_string_free(seen.text, FALSE);
	return r;
}

static void
result_clear(struct result *r)
{
	free(r->out);
	free(r->err);
	g_free(r->seen);
	g_free(r->command);
}

static void
test_good_lines(void)
{
	static const struct {
		const char *line, *command, *seen;
	} rows[] = {
		{ "sample up --management-url u", "up",
		  "url=u timeout=30000000 mode=safe/1 force=0 socket=/run/sample.sock" },
		{ "sample -s/x up --management-url=u=v -ft 1min --mode fast --tag a --tag=b", "up",
		  "tag=a tag=b url=u=v timeout=60000000 mode=fast/0 force=1 socket=/x" },
		{ "sample --socket /a up --socket /b --management-url -u -f", "up",
		  "url=-u timeout=30000000 mode=safe/1 force=1 socket=/b" },
		{ "sample peer --socket x list", "peer list", "" },
		{ "sample peer show alice", "peer show", "[alice]" },
		{ "sample peer show --json alice - x", "peer show", "[alice][-][x]" },
		{ "sample peer show -- --json -x", "peer show", "[--json][-x]" },
		{ "sample peer show list", "peer show", "[list]" },
		{ "sample peer list --json --watch", "peer list", "" },
		{ "sample debug", "debug", "" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct result r = run_with(rows[i].line, "", 0);

		g_test_message("%s: %s", rows[i].line, r.err);
		g_assert_cmpint(r.code, ==, 0);
		g_assert_cmpstr(r.command, ==, rows[i].command);
		g_assert_cmpstr(r.seen, ==, rows[i].seen);
		g_assert_cmpstr(r.err, ==, "");
		result_clear(&r);
	}
}

static void
test_wrong_use(void)
{
	static const struct {
		const char *line, *message;
	} rows[] = {
		{ "sample bogus", "sample: unknown command 'bogus'\nTry: sample --help\n" },
		{ "sample peer bogus",
		  "sample: unknown command 'peer bogus'\nTry: sample peer --help\n" },
		{ "sample peer list --bogus",
		  "sample: unknown option '--bogus'\nTry: sample peer list --help\n" },
		{ "sample peer list -x",
		  "sample: unknown option '-x'\nTry: sample peer list --help\n" },
		{ "sample --json peer list",
		  "sample: unknown option '--json'\nTry: sample --help\n" },
		{ "sample up", "sample: --management-url is missing\nTry: sample up --help\n" },
		{ "sample up --management-url",
		  "sample: --management-url needs a value\nTry: sample up --help\n" },
		{ "sample up -t", "sample: -t needs a value\nTry: sample up --help\n" },
		{ "sample up --force=1",
		  "sample: --force takes no value\nTry: sample up --help\n" },
		{ "sample up --timeout 5",
		  "sample: --timeout: '5' is not a duration with a unit, such as 30s\n"
		  "Try: sample up --help\n" },
		{ "sample up --timeout 2h",
		  "sample: --timeout: '2h' is not between 1s and 1h\nTry: sample up --help\n" },
		{ "sample up --mode x",
		  "sample: --mode: 'x' is none of: fast, safe\nTry: sample up --help\n" },
		{ "sample up --retries ten",
		  "sample: --retries: 'ten' is not a whole number\nTry: sample up --help\n" },
		{ "sample up --retries 10",
		  "sample: --retries: '10' is not between 0 and 9\nTry: sample up --help\n" },
		{ "sample up --buffer 1X",
		  "sample: --buffer: '1X' is not a size, such as 64M\nTry: sample up --help\n" },
		{ "sample up --management-url u x",
		  "sample: unexpected argument 'x'\nTry: sample up --help\n" },
		{ "sample peer show", "sample: NAME is missing\nTry: sample peer show --help\n" },
		{ "sample peer show \xff",
		  "sample: argument 1 is not UTF-8\nTry: sample peer show --help\n" },
		{ "sample peer delete a b",
		  "sample: unexpected argument 'b'\nTry: sample peer delete --help\n" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct result r = run_with(rows[i].line, "", 0);

		g_assert_cmpstr(r.err, ==, rows[i].message);
		g_assert_cmpint(r.code, ==, WEFT_CLI_EXIT_USAGE);
		g_assert_cmpstr(r.out, ==, "");
		result_clear(&r);
	}
}

static void
test_a_noun_alone_shows_its_verbs(void)
{
	static const char *const lines[] = { "sample", "sample peer" };

	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		struct result r = run_with(lines[i], "", 0);

		g_assert_cmpint(r.code, ==, WEFT_CLI_EXIT_USAGE);
		g_assert_cmpstr(r.out, ==, "");
		g_assert_nonnull(strstr(r.err, "  peer show    Show one peer\n"));
		g_assert_null(strstr(r.err, "debug"));
		result_clear(&r);
	}
}

static void
test_errors_name_and_code(void)
{
	struct result r = run_with("sample peer show nobody", "", 0);

	g_assert_cmpint(r.code, ==, 5);
	g_assert_cmpstr(r.err, ==, "sample: peer 'no\\nbody': not found\n");
	result_clear(&r);
}

#define COMMON                                                                                     \
	"\nOptions of every command:\n"                                                            \
	"  -s, --socket PATH  Socket of the daemon. Default: /run/sample.sock.\n"                  \
	"      --color WHEN   Colour the output: auto, always or never.\n"                         \
	"  -h, --help         Print help and exit.\n"                                              \
	"  -V, --version      Print the version and exit.\n"

static void
test_help(void)
{
	static const struct {
		const char *line, *out;
	} rows[] = {
		{ "sample --help",
		  "sample: a program for tests\n\n"
		  "Usage: sample COMMAND [OPTION...] [ARGUMENT...]\n\n"
		  "Commands:\n"
		  "  up           Join the network\n"
		  "  peer list    List peers\n"
		  "  peer show    Show one peer\n"
		  "  peer delete  Delete a peer\n\n"
		  "Options:\n"
		  "  -s, --socket PATH  Socket of the daemon. Default: /run/sample.sock.\n"
		  "      --color WHEN   Colour the output: auto, always or never.\n"
		  "  -h, --help         Print help and exit.\n"
		  "  -V, --version      Print the version and exit.\n\n"
		  "Run \"sample COMMAND --help\" for more about a command.\n" },
		{ "sample peer show -h",
		  "Usage: sample peer show [OPTION...] NAME [DETAIL...]\n\n"
		  "Show one peer.\n\n"
		  "Arguments:\n"
		  "  NAME    Peer.\n"
		  "  DETAIL  What to show.\n\n"
		  "Options:\n"
		  "      --json  Print JSON instead of text for people.\n" COMMON },
		{ "sample up --help",
		  "Usage: sample up [OPTION...]\n\n"
		  "Join the network.\n\n"
		  "Starts it.\n\n"
		  "And .more: with a \\ and 'quotes'.\n\n"
		  "Options:\n"
		  "      --management-url URL  Server to join.\n"
		  "  -t, --timeout DURATION    How long to wait until the first connection to a\n"
		  "                            peer is there, before giving up. Default: 30s.\n"
		  "      --mode fast|safe      How to go about it.\n"
		  "      --tag TEXT            Tag of this host.\n"
		  "  -f, --force               Do it anyway.\n"
		  "      --retries NUMBER      Tries.\n"
		  "      --buffer SIZE         Buffer.\n" COMMON },
		{ "sample peer list --version", "sample 1.2.3\n" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct result r = run_with(rows[i].line, "", 0);

		g_assert_cmpstr(r.out, ==, rows[i].out);
		g_assert_cmpint(r.code, ==, 0);
		g_assert_cmpstr(r.err, ==, "");
		result_clear(&r);
	}
}

static void
test_questions(void)
{
	static const struct {
		const char *line, *input;
		int tty, code;
		const char *err;
	} rows[] = {
		{ "sample peer delete a", "y\n", 1, 0, "Delete a? [y/N] " },
		{ "sample peer delete a", "YES\n", 1, 0, "Delete a? [y/N] " },
		{ "sample peer delete a", "n\n", 1, 1, "Delete a? [y/N] sample: not done\n" },
		{ "sample peer delete a", "", 1, 1, "Delete a? [y/N] sample: not done\n" },
		{ "sample peer delete a", "yesterday\n", 1, 1,
		  "Delete a? [y/N] sample: not done\n" },
		{ "sample peer delete a --yes", "", 0, 0, "" },
		{ "sample peer delete -y a", "", 1, 0, "" },
		{ "sample peer delete a", "y\n", 0, 1,
		  "sample: Delete a? This needs --yes, as standard input is no terminal.\n" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct result r = run_with(rows[i].line, rows[i].input, rows[i].tty);

		g_assert_cmpstr(r.err, ==, rows[i].err);
		g_assert_cmpint(r.code, ==, rows[i].code);
		g_assert_cmpstr(r.out, ==, rows[i].code == 0 ? "deleted\n" : "");
		result_clear(&r);
	}
}

static void
test_output_for_people_and_programs(void)
{
	static const struct {
		const char *line;
		int tty;
		const char *no_color, *out;
	} rows[] = {
		{ "sample peer list", 0, NULL, "NAME\nalice\n" },
		{ "sample peer list", 1, NULL, "\033[1mNAME\033[0m\nalice\n" },
		{ "sample peer list", 1, "1", "NAME\nalice\n" },
		{ "sample peer list --color never", 1, NULL, "NAME\nalice\n" },
		{ "sample peer list --color=always", 0, "1", "\033[1mNAME\033[0m\nalice\n" },
		{ "sample peer list --json", 1, NULL,
		  "{\"schema\": 1, \"peers\": [\n  {\"name\": \"alice\"}\n]}\n" },
	};

	g_setenv("TERM", "xterm", TRUE);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct result r;

		if (rows[i].no_color != NULL)
			g_setenv("NO_COLOR", rows[i].no_color, TRUE);
		else
			g_unsetenv("NO_COLOR");
		r = run_with(rows[i].line, "", rows[i].tty);
		g_assert_cmpstr(r.out, ==, rows[i].out);
		result_clear(&r);
	}
	g_unsetenv("NO_COLOR");
}

static void
test_candidates(void)
{
	static const struct {
		const char *line, *out;
	} rows[] = {
		{ "sample __complete peer al", "alice\nalbert\n" },
		{ "sample __complete peer", "alice\nalbert\nbob\nb ad\n" },
		{ "sample -s /x __complete peer bo", "bob\n" },
		{ "sample __complete other x", "" },
		{ "sample __complete", "" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct result r = run_with(rows[i].line, "", 0);

		g_assert_cmpstr(r.out, ==, rows[i].out);
		g_assert_cmpint(r.code, ==, 0);
		result_clear(&r);
	}
}

/* A disk that is full. */
static void
test_lost_output_is_a_failure(void)
{
	char *argv[] = { (char *) "sample", (char *) "--help" };
	char *err = NULL;
	size_t err_len;
	struct weft_cli_streams streams = { 0 };

	streams.out = fopen("/dev/full", "w");
	if (streams.out == NULL) {
		g_test_skip("no /dev/full here");
		return;
	}
	streams.err = open_memstream(&err, &err_len);
	g_assert_cmpint(weft_cli_main_with(&sample_program, &streams, 2, argv, NULL), ==, 1);
	fclose(streams.out);
	fclose(streams.err);
	g_assert_nonnull(strstr(err, "sample: cannot write: "));
	free(err);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base-glib/cli/good-lines", test_good_lines);
	g_test_add_func("/base-glib/cli/wrong-use", test_wrong_use);
	g_test_add_func("/base-glib/cli/a-noun-alone-shows-its-verbs",
			test_a_noun_alone_shows_its_verbs);
	g_test_add_func("/base-glib/cli/errors-name-and-code", test_errors_name_and_code);
	g_test_add_func("/base-glib/cli/help", test_help);
	g_test_add_func("/base-glib/cli/questions", test_questions);
	g_test_add_func("/base-glib/cli/output-for-people-and-programs",
			test_output_for_people_and_programs);
	g_test_add_func("/base-glib/cli/candidates", test_candidates);
	g_test_add_func("/base-glib/cli/lost-output-is-a-failure", test_lost_output_is_a_failure);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/gendoc.h"

#include "base/glib/conf.h"
#include "base/glib/metrics.h"
#include "tests/unit/base-glib/sample-cli.h"

#include <glib/gstdio.h>
#include <string.h>

static const char *const modes[] = { "fast", "safe", NULL };

static const struct weft_conf_key keys[] = {
	{ "server", "listen", WEFT_CONF_ENDPOINTS, .def = "[::]:10000",
	  .help = "Where clients connect. Several addresses are possible, and this sentence is "
		  "long "
		  "enough to be broken.\n\n.Dot, \\backslash and \"quote\" are harmless." },
	{ "server", "rate", WEFT_CONF_INT, .def = "500", .min = 1, .max = 1000,
	  .unit = "messages/s", .reloadable = true, .help = "Messages of one sender." },
	{ "server", "mode", WEFT_CONF_ENUM, .names = modes, .def = "safe", .help = "How." },
	{ "server", "old", WEFT_CONF_STRING, .renamed_to = "mode" },
	{ "server", "inner", WEFT_CONF_STRING, .hidden = true, .help = "For us." },
	{ "turn", "secret-file", WEFT_CONF_SECRET_FILE, .required = true, .help = "The secret." },
	{ "turn", "keep", WEFT_CONF_DURATION, .min = WEFT_CONF_S(1), .max = G_MAXINT64,
	  .help = "How long." },
};

static const struct weft_conf_group groups[] = { { "turn", "About TURN." } };

static const struct weft_conf_schema schema = {
	.name = "test",
	.keys = keys,
	.n_keys = G_N_ELEMENTS(keys),
	.groups = groups,
	.n_groups = 1,
};

static const char default_conf[] =
	"# Configuration of weft-test: see weft-test.conf(5).\n"
	"# Everything here is commented out and shows the default. Changes are\n"
	"# best made in files of test.conf.d/, which upgrades never touch.\n"
	"\n"
	"[server]\n"
	"\n"
	"# Where clients connect. Several addresses are possible, and this sentence is\n"
	"# long enough to be broken.\n"
	"#\n"
	"# .Dot, \\backslash and \"quote\" are harmless.\n"
	"# Default: [::]:10000. Needs a restart.\n"
	"#listen = [::]:10000\n"
	"\n"
	"# Messages of one sender.\n"
	"# Range: 1 to 1000 messages/s. Default: 500. Takes effect on reload.\n"
	"#rate = 500\n"
	"\n"
	"# How.\n"
	"# Default: safe. Needs a restart.\n"
	"#mode = safe\n"
	"\n"
	"# About TURN.\n"
	"[turn]\n"
	"\n"
	"# The secret.\n"
	"# The systemd credential turn.secret is preferred to the file. Must be set.\n"
	"# Needs a restart.\n"
	"#secret-file = FILE\n"
	"\n"
	"# How long.\n"
	"# Range: at least 1s. Default: unset. Needs a restart.\n"
	"#keep = DURATION\n";

static void
test_default_file(void)
{
	g_autoptr(GString) out = g_string_new(NULL);

	weft_gendoc_conf(&schema, out);
	g_assert_cmpstr(out->str, ==, default_conf);
}

static void
test_default_file_is_good_when_uncommented(void)
{
	/* Every "#key = default" line of keys that have a default must be accepted. */
	const struct weft_conf_options options = { .strict = true, .credentials_dir = "" };
	struct weft_conf_schema some = schema;
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GString) text = g_string_new(NULL);
	g_auto(GStrv) lines = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf = NULL;

	some.n_keys = 5; /* without those that must be set */
	weft_gendoc_conf(&some, out);
	lines = g_strsplit(out->str, "\n", -1);
	for (char **l = lines; *l != NULL; l++)
		g_string_append_printf(text, "%s\n",
				       (*l)[0] == '#' && (*l)[1] != ' ' ? *l + 1 : *l);
	g_string_truncate(text, text->len - 1);
	g_string_replace(text, "\n\n", "\n", 0);
	/* The empty comment line of a paragraph became an empty line, which is fine too. */
	conf = weft_conf_load_text(&some, text->str, text->len, "F", &options, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(weft_conf_origin(conf, 0), ==, "F");
}

static const char conf_mdoc[] =
	".Ss [server]\n"
	".Bl -tag -width Ds\n"
	".It Ic \"\\&listen\" = Ar \"\\&ADDRESS:PORT...\"\n"
	"Where clients connect.\n"
	"Several addresses are possible, and this sentence is long enough to be broken.\n"
	".Pp\n"
	"\\&.Dot, \\ebackslash and \"quote\" are harmless.\n"
	".Pp\n"
	"Default: [::]:10000.\n"
	"Needs a restart.\n"
	".It Ic \"\\&rate\" = Ar \"\\&NUMBER\"\n"
	"Messages of one sender.\n"
	".Pp\n"
	"Range: 1 to 1000 messages/s.\n"
	"Default: 500.\n"
	"Takes effect on reload.\n"
	".It Ic \"\\&mode\" = Ar \"\\&fast|safe\"\n"
	"How.\n"
	".Pp\n"
	"Default: safe.\n"
	"Needs a restart.\n"
	".El\n"
	".Ss [turn]\n"
	"About TURN.\n"
	".Bl -tag -width Ds\n"
	".It Ic \"\\&secret-file\" = Ar \"\\&FILE\"\n"
	"The secret.\n"
	".Pp\n"
	"The systemd credential turn.secret is preferred to the file.\n"
	"Must be set.\n"
	"Needs a restart.\n"
	".It Ic \"\\&keep\" = Ar \"\\&DURATION\"\n"
	"How long.\n"
	".Pp\n"
	"Range: at least 1s.\n"
	"Default: unset.\n"
	"Needs a restart.\n"
	".El\n";

static void
test_conf_mdoc(void)
{
	g_autoptr(GString) out = g_string_new(NULL);

	weft_gendoc_conf_mdoc(&schema, out);
	g_assert_cmpstr(out->str, ==, conf_mdoc);
}

static void
test_commands_mdoc(void)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GString) options = g_string_new(NULL);

	weft_gendoc_commands_mdoc(&sample_program, out);
	g_assert_nonnull(strstr(
		out->str, ".It Ic \"\\&peer show\" Ar \"\\&NAME\" Op Ar \"\\&DETAIL\" Ar ...\n"
			  "Show one peer.\n"
			  ".Pp\n"
			  ".Ar \"\\&NAME\" :\n"
			  "Peer.\n"
			  ".Pp\n"
			  ".Ar \"\\&DETAIL\" :\n"
			  "What to show.\n"
			  ".Bl -tag -width Ds -compact\n"
			  ".It Fl -json\n"
			  "Print JSON instead of text for people.\n"
			  ".El\n"));
	g_assert_nonnull(strstr(out->str,
				".It Fl t , Fl -timeout Ar \"\\&DURATION\"\n"
				"How long to wait until the first connection to a peer is there, "
				"before giving up.\nDefault: 30s.\n"));
	g_assert_nonnull(strstr(out->str, "And .more: with a \\e and 'quotes'.\n"));
	g_assert_null(strstr(out->str, "debug"));
	g_assert_null(strstr(out->str, "secret"));
	weft_gendoc_options_mdoc(&sample_program, options);
	g_assert_nonnull(strstr(options->str, ".It Fl s , Fl -socket Ar \"\\&PATH\"\n"));
}

static void
test_metrics(void)
{
	static const char *const directions[] = { "in", "out", NULL };
	static const struct weft_metric_def def = {
		.name = "weft_x_bytes_total",
		.help = "Bytes.",
		.type = WEFT_METRIC_COUNTER,
		.labels = { { "direction", directions }, { "kind", directions } },
	};
	static const struct weft_metric_def *const defs[] = { &def, NULL };
	g_autoptr(GString) out = g_string_new(NULL);

	weft_gendoc_metrics(defs, out);
	g_assert_cmpstr(out->str, ==,
			"| name | type | labels | meaning |\n| --- | --- | --- | --- |\n"
			"| `weft_x_bytes_total` | counter | `direction`, `kind` | Bytes. |\n");
}

static const char template[] =
	".\\\" SPDX-License-Identifier: GPL-3.0-or-later\n"
	".Dd November 25, 2026\n.Dt WEFT-TEST.CONF 5\n.Os\n"
	".Sh NAME\n.Nm weft-test.conf\n.Nd a test of weft @VERSION@\n"
	".Sh DESCRIPTION\nText.\n@CONF@\n.Sh OPTIONS\n@OPTIONS@\n.Sh COMMANDS\n@COMMANDS@\n"
	".Sh EXIT STATUS\n@EXIT@\n.Sh SEE ALSO\n.Xr weft 1\n";

/* Runs the tool in a child, as it writes to standard output. */
static void
test_page_in_child(void)
{
	const struct weft_gendoc doc = { .schema = &schema, .program = &sample_program };
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("weft-gendoc-XXXXXX", &path, NULL);
	char *argv[] = { (char *) "gendoc", (char *) "page", path, NULL };

	g_assert_true(g_close(fd, NULL));
	g_assert_true(g_file_set_contents(path, template, -1, NULL));
	g_assert_cmpint(weft_gendoc_main(&doc, 3, argv), ==, 0);
	g_remove(path);
}

static void
test_page(void)
{
	if (g_test_subprocess()) {
		test_page_in_child();
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stdout("*.Nd a test of weft " PACKAGE_VERSION "\n*.Ss ?server?\n*"
				  ".Sh OPTIONS\n.Bl*.It Fl h*.Sh COMMANDS\n*.It Ic*peer list*"
				  ".Sh EXIT STATUS\n*.It 124\n*");
	g_test_trap_assert_stdout_unmatched("*@*@*");
}

static void
test_wrong_use_in_child(void)
{
	const struct weft_gendoc doc = { .schema = &schema };
	char *unknown[] = { (char *) "gendoc", (char *) "bogus", NULL };
	char *missing[] = { (char *) "gendoc", (char *) "completion", NULL };
	char *no_file[] = { (char *) "gendoc", (char *) "page", (char *) "/nonexistent", NULL };

	g_assert_cmpint(weft_gendoc_main(&doc, 1, unknown), ==, 2);
	g_assert_cmpint(weft_gendoc_main(&doc, 2, unknown), ==, 2);
	g_assert_cmpint(weft_gendoc_main(&doc, 2, missing), ==, 2);
	g_assert_cmpint(weft_gendoc_main(&doc, 3, no_file), ==, 1);
}

static void
test_wrong_use(void)
{
	if (g_test_subprocess()) {
		test_wrong_use_in_child();
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stderr("*usage: gendoc*/nonexistent*");
}

/* The judge is mandoc, where it is installed. */
static void
test_mandoc_has_nothing_to_say(void)
{
	g_autofree char *mandoc = g_find_program_in_path("mandoc");
	g_autofree char *path = NULL;
	g_autofree char *out = NULL;
	g_autoptr(GString) page = g_string_new(template);
	g_autoptr(GString) part = g_string_new(NULL);
	const char *argv[] = { "mandoc", "-Tlint", "-Wwarning", NULL, NULL };
	int fd, status;

	if (mandoc == NULL) {
		g_test_skip("mandoc is not installed");
		return;
	}
	weft_gendoc_conf_mdoc(&schema, part);
	g_string_replace(page, "@CONF@\n", part->str, 0);
	g_string_truncate(part, 0);
	weft_gendoc_options_mdoc(&sample_program, part);
	g_string_replace(page, "@OPTIONS@\n", part->str, 0);
	g_string_truncate(part, 0);
	weft_gendoc_commands_mdoc(&sample_program, part);
	g_string_replace(page, "@COMMANDS@\n", part->str, 0);
	g_string_truncate(part, 0);
	weft_gendoc_exit_mdoc(part);
	g_string_replace(page, "@EXIT@\n", part->str, 0);
	fd = g_file_open_tmp("weft-gendoc-XXXXXX", &path, NULL);
	g_assert_true(g_close(fd, NULL));
	g_assert_true(g_file_set_contents(path, page->str, -1, NULL));
	argv[3] = path;
	g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
				   &out, NULL, &status, NULL));
	g_assert_cmpstr(out, ==, "");
	g_remove(path);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base-glib/gendoc/default-file", test_default_file);
	g_test_add_func("/base-glib/gendoc/default-file-is-good-when-uncommented",
			test_default_file_is_good_when_uncommented);
	g_test_add_func("/base-glib/gendoc/conf-mdoc", test_conf_mdoc);
	g_test_add_func("/base-glib/gendoc/commands-mdoc", test_commands_mdoc);
	g_test_add_func("/base-glib/gendoc/metrics", test_metrics);
	g_test_add_func("/base-glib/gendoc/page", test_page);
	g_test_add_func("/base-glib/gendoc/wrong-use", test_wrong_use);
	g_test_add_func("/base-glib/gendoc/mandoc-has-nothing-to-say",
			test_mandoc_has_nothing_to_say);
	return g_test_run();
}

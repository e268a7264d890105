/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/conf.h"

#include "tests/unit/base-glib/sample-conf.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory tree that is gone afterwards. */
struct tree {
	char *root;
	char *dirs[4];
};

static void
tree_write(struct tree *t, const char *path, const char *text, int mode)
{
	g_autofree char *full = g_build_filename(t->root, path, NULL);
	g_autofree char *dir = g_path_get_dirname(full);

	g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
	g_assert_true(g_file_set_contents(full, text, -1, NULL));
	g_assert_cmpint(chmod(full, (mode_t) mode), ==, 0);
}

static void
tree_init(struct tree *t)
{
	static const char *const names[] = { "lib", "etc", "run" };

	t->root = g_dir_make_tmp("weft-conf-XXXXXX", NULL);
	for (size_t i = 0; i < 3; i++)
		t->dirs[i] = g_build_filename(t->root, names[i], NULL);
	t->dirs[3] = NULL;
}

static void
remove_tree(const char *path)
{
	GDir *dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *child = g_build_filename(path, name, NULL);
		remove_tree(child);
	}
	if (dir != NULL)
		g_dir_close(dir);
	g_remove(path);
}

static void
tree_clear(struct tree *t)
{
	remove_tree(t->root);
	g_free(t->root);
	for (size_t i = 0; i < 3; i++)
		g_free(t->dirs[i]);
}

static WeftConf *
tree_load(struct tree *t, const char *file, GError **error)
{
	g_autofree char *credentials = g_build_filename(t->root, "credentials", NULL);
	const struct weft_conf_options options = {
		.file = file,
		.dirs = (const char *const *) t->dirs,
		.credentials_dir = credentials,
	};

	return weft_conf_load(&sample_schema, &options, error);
}

static void
test_unknown_is_a_warning_or_an_error(void)
{
	const char *text = "[a]\nbol=yes\nint[de]=3\n[zzz]\nx=1\n";
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) loose = sample_load(text, false, &error);
	g_autoptr(WeftConf) strict = NULL;

	g_assert_no_error(error);
	g_assert_cmpstr(weft_conf_warnings(loose)[0], ==, "FILE: [a] bol: unknown key, ignored");
	g_assert_cmpstr(weft_conf_warnings(loose)[1], ==,
			"FILE: [a] int[de]: unknown key, ignored");
	g_assert_cmpstr(weft_conf_warnings(loose)[2], ==, "FILE: [zzz]: unknown group, ignored");
	g_assert_null(weft_conf_warnings(loose)[3]);
	strict = sample_load(text, true, &error);
	g_assert_null(strict);
	g_assert_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE);
	g_assert_cmpstr(error->message, ==,
			"FILE: [a] bol: unknown key\nFILE: [a] int[de]: unknown key\n"
			"FILE: [zzz]: unknown group");
}

static void
test_every_problem_is_reported(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(sample_load("[a]\nint=99\nbool=maybe\n[b]\nenum=blue\n", false, &error));
	g_assert_cmpstr(error->message, ==,
			"FILE: [a] bool: neither yes nor no\n"
			"FILE: [a] int: more than the maximum of 9\n"
			"FILE: [b] enum: none of: red, green");
}

static void
test_rules_across_keys(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(sample_load("[a]\nint=9\n[b]\nenum=red\n", false, &error));
	g_assert_cmpstr(error->message, ==, "red wants an int below 8");
}

static void
test_not_an_ini_file(void)
{
	static const char *const texts[] = { "x = 1\n", "[a\n", "[a]\nnonsense\n", "[a]\n=1\n" };

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(sample_load(texts[i], false, &error));
		g_assert_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_READ);
		g_assert_true(g_str_has_prefix(error->message, "FILE: "));
	}
}

static void
test_old_names_still_work(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf = sample_load("[a]\ncolour=red\n", true, &error);
	g_autoptr(WeftConf) both = NULL;

	g_assert_no_error(error);
	g_assert_cmpint(weft_conf_int(conf, K_ENUM), ==, 0);
	g_assert_cmpstr(weft_conf_warnings(conf)[0], ==,
			"FILE: [a] colour: this key is now called [b] enum");
	both = sample_load("[a]\ncolour=red\n[b]\nenum=green\n", true, &error);
	g_assert_cmpint(weft_conf_int(both, K_ENUM), ==, 1);
}

static void
test_order_of_files(void)
{
	struct tree t;
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf = NULL;
	g_autofree char *masked = NULL;

	tree_init(&t);
	tree_write(&t, "lib/test.conf", "[a]\nstring=lib\nint=1\nport=1\n", 0644);
	tree_write(&t, "etc/test.conf", "[a]\nstring=etc\nint=2\n", 0644);
	tree_write(&t, "run/test.conf", "[a]\nstring=never\n", 0644);
	/* 20-b of /etc replaces that of /usr/lib as a whole; 10 comes before 20 wherever it is. */
	tree_write(&t, "lib/test.conf.d/20-b.conf", "[a]\nsize=1\nport=20\n", 0644);
	tree_write(&t, "etc/test.conf.d/20-b.conf", "[a]\nint=3\n", 0644);
	tree_write(&t, "run/test.conf.d/10-a.conf", "[a]\nint=4\nduration=7s\n", 0644);
	tree_write(&t, "etc/test.conf.d/30-c.txt", "[a]\nint=8\n", 0644);
	tree_write(&t, "etc/test.conf.d/.hidden.conf", "[a]\nint=8\n", 0644);
	tree_write(&t, "lib/test.conf.d/40-masked.conf", "[a]\nint=8\n", 0644);
	masked = g_build_filename(t.root, "run/test.conf.d/40-masked.conf", NULL);
	g_assert_cmpint(symlink("/dev/null", masked), ==, 0);
	conf = tree_load(&t, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(weft_conf_string(conf, K_STRING), ==, "etc");
	g_assert_cmpint(weft_conf_int(conf, K_INT), ==, 3);
	g_assert_cmpint(weft_conf_int(conf, K_PORT), ==, 1);
	g_assert_cmpint(weft_conf_int(conf, K_SIZE), ==, 65536);
	g_assert_cmpint(weft_conf_int(conf, K_DURATION), ==, 7000000);
	g_assert_true(g_str_has_suffix(weft_conf_origin(conf, K_INT), "etc/test.conf.d/20-b.conf"));
	g_assert_cmpuint(g_strv_length((char **) weft_conf_files(conf)), ==, 4);
	tree_clear(&t);
}

static void
test_a_named_file_replaces_the_places(void)
{
	struct tree t;
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf = NULL;
	g_autofree char *file = NULL;
	g_autofree char *missing = NULL;

	tree_init(&t);
	tree_write(&t, "etc/test.conf", "[a]\nstring=etc\n", 0644);
	tree_write(&t, "my.conf", "[a]\nint=1\n", 0644);
	tree_write(&t, "my.conf.d/x.conf", "[a]\nint=2\n", 0644);
	file = g_build_filename(t.root, "my.conf", NULL);
	missing = g_build_filename(t.root, "missing.conf", NULL);
	conf = tree_load(&t, file, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(weft_conf_string(conf, K_STRING), ==, "x");
	g_assert_cmpint(weft_conf_int(conf, K_INT), ==, 2);
	g_assert_null(tree_load(&t, missing, &error));
	g_assert_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_READ);
	tree_clear(&t);
}

static void
test_no_files_at_all(void)
{
	struct tree t;
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf = NULL;

	tree_init(&t);
	conf = tree_load(&t, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpint(weft_conf_int(conf, K_INT), ==, 5);
	g_assert_null(weft_conf_files(conf)[0]);
	tree_clear(&t);
}

static void
test_secrets(void)
{
	static const struct {
		const char *content;
		int mode;
		unsigned n; /* 0: refused */
	} rows[] = {
		{ "hunter2\n", 0600, 1 },   { "hunter2", 0400, 1 },
		{ "hunter2\r\n", 0600, 1 }, { "hunter2\nold\n", 0600, 2 },
		{ "a\nb\nc\n", 0600, 0 },   { "", 0600, 0 },
		{ "\n", 0600, 0 },          { "a\n\nb\n", 0600, 0 },
		{ "hunter2\n", 0640, 0 },   { "hunter2\n", 0604, 0 },
	};
	struct tree t;
	g_autofree char *text = NULL;

	tree_init(&t);
	text = g_strdup_printf("[c]\nsecret-file=%s/secret\n", t.root);
	tree_write(&t, "etc/test.conf", text, 0644);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(WeftConf) conf = NULL;
		const struct weft_secret *secrets;
		size_t n;

		tree_write(&t, "secret", rows[i].content, rows[i].mode);
		conf = tree_load(&t, NULL, &error);
		g_assert_true((conf != NULL) == (rows[i].n > 0));
		if (conf == NULL) {
			g_assert_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_SECRET);
			continue;
		}
		secrets = weft_conf_secrets(conf, K_SECRET, &n);
		g_assert_cmpuint(n, ==, rows[i].n);
		g_assert_cmpmem(secrets[0].p, secrets[0].len, "hunter2", 7);
	}
	tree_clear(&t);
}

static void
test_credentials_win(void)
{
	struct tree t;
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf = NULL;
	g_autofree char *text = NULL;
	g_autofree char *shown = NULL;
	const struct weft_secret *secret;
	size_t n;

	tree_init(&t);
	text = g_strdup_printf("[c]\nsecret-file=%s/none\n", t.root);
	tree_write(&t, "etc/test.conf", text, 0644);
	tree_write(&t, "credentials/c.secret", "from systemd\n", 0440);
	tree_write(&t, "credentials/tls.crt", "pem", 0440);
	conf = tree_load(&t, NULL, &error);
	g_assert_no_error(error);
	secret = weft_conf_secrets(conf, K_SECRET, &n);
	g_assert_cmpmem(secret->p, secret->len, "from systemd", 12);
	g_assert_cmpstr(weft_conf_origin(conf, K_SECRET), ==, "credential c.secret");
	g_assert_true(g_str_has_suffix(weft_conf_string(conf, K_CERT), "credentials/tls.crt"));
	shown = weft_conf_format(conf, K_SECRET);
	g_assert_null(strstr(shown, "systemd"));
	tree_clear(&t);
}

static void
test_reload_is_all_or_nothing(void)
{
	struct tree t;
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) old = NULL;
	g_autoptr(WeftConf) now = NULL;
	g_auto(GStrv) restart = NULL;

	tree_init(&t);
	tree_write(&t, "etc/test.conf", "[a]\nint=1\nstring=one\n", 0644);
	old = tree_load(&t, NULL, &error);
	g_assert_no_error(error);

	/* One bad value: nothing of the rest is taken. */
	tree_write(&t, "etc/test.conf", "[a]\nint=2\nbool=maybe\n", 0644);
	now = weft_conf_reload(old, &restart, &error);
	g_assert_null(now);
	g_assert_null(restart);
	g_assert_cmpint(weft_conf_int(old, K_INT), ==, 1);
	g_clear_error(&error);

	/* A key that needs a restart keeps its value and is named. */
	tree_write(&t, "etc/test.conf", "[a]\nint=3\nstring=two\n[b]\nenum=green\n", 0644);
	now = weft_conf_reload(old, &restart, &error);
	g_assert_no_error(error);
	g_assert_cmpint(weft_conf_int(now, K_INT), ==, 3);
	g_assert_cmpstr(weft_conf_string(now, K_STRING), ==, "one");
	g_assert_cmpstr(restart[0], ==, "[a] string");
	g_assert_null(restart[1]);
	g_assert_true(weft_conf_changed(old, now, K_INT));
	g_assert_false(weft_conf_changed(old, now, K_STRING));
	g_assert_false(weft_conf_changed(old, now, K_ENUM));
	tree_clear(&t);
}

static void
test_reload_checks_the_mixture(void)
{
	struct tree t;
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) old = NULL;
	g_auto(GStrv) restart = NULL;

	tree_init(&t);
	tree_write(&t, "etc/test.conf", "[a]\nint=1\n[b]\nenum=red\n", 0644);
	old = tree_load(&t, NULL, &error);
	g_assert_no_error(error);
	/* Good by itself, but red stays until a restart. */
	tree_write(&t, "etc/test.conf", "[a]\nint=9\n[b]\nenum=green\n", 0644);
	g_assert_null(weft_conf_reload(old, &restart, &error));
	g_assert_cmpstr(error->message, ==,
			"without a restart (for [b] enum): red wants an int below 8");
	tree_clear(&t);
}

static void
test_reload_sees_a_new_secret(void)
{
	struct tree t;
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) old = NULL;
	g_autoptr(WeftConf) same = NULL;
	g_autoptr(WeftConf) now = NULL;
	g_autofree char *text = NULL;
	g_auto(GStrv) a = NULL;
	g_auto(GStrv) b = NULL;

	tree_init(&t);
	text = g_strdup_printf("[c]\nsecret-file=%s/secret\n", t.root);
	tree_write(&t, "etc/test.conf", text, 0644);
	tree_write(&t, "secret", "one\n", 0600);
	old = tree_load(&t, NULL, &error);
	same = weft_conf_reload(old, &a, &error);
	g_assert_false(weft_conf_changed(old, same, K_SECRET));
	tree_write(&t, "secret", "two\n", 0600);
	now = weft_conf_reload(old, &b, &error);
	g_assert_no_error(error);
	g_assert_true(weft_conf_changed(old, now, K_SECRET));
	tree_clear(&t);
}

static void
test_dump_reads_back(void)
{
	const char *text =
		"[a]\nstring=\\\\ x\nduration=5min\n[b]\nurl=http://u:pw@h/?token=t&x=1\n";
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf = sample_load(text, true, &error);
	g_autoptr(WeftConf) again = NULL;
	g_autoptr(GString) all = g_string_new(NULL);
	g_autoptr(GString) set = g_string_new(NULL);

	g_assert_no_error(error);
	weft_conf_dump(conf, all, true, false);
	again = sample_load(all->str, true, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(weft_conf_string(again, K_STRING), ==, "\\ x");
	g_assert_cmpint(weft_conf_int(again, K_DURATION), ==, 300000000);
	weft_conf_dump(conf, set, true, true);
	g_assert_cmpstr(set->str, ==,
			"[a]\n# FILE\nstring = \\\\ x\n# FILE\nduration = 5min\n\n[b]\n# FILE\n"
			"url = http://u:***@h/?token=***&x=1\n");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base-glib/conf/unknown-is-a-warning-or-an-error",
			test_unknown_is_a_warning_or_an_error);
	g_test_add_func("/base-glib/conf/every-problem-is-reported",
			test_every_problem_is_reported);
	g_test_add_func("/base-glib/conf/rules-across-keys", test_rules_across_keys);
	g_test_add_func("/base-glib/conf/not-an-ini-file", test_not_an_ini_file);
	g_test_add_func("/base-glib/conf/old-names-still-work", test_old_names_still_work);
	g_test_add_func("/base-glib/conf/order-of-files", test_order_of_files);
	g_test_add_func("/base-glib/conf/a-named-file-replaces-the-places",
			test_a_named_file_replaces_the_places);
	g_test_add_func("/base-glib/conf/no-files-at-all", test_no_files_at_all);
	g_test_add_func("/base-glib/conf/secrets", test_secrets);
	g_test_add_func("/base-glib/conf/credentials-win", test_credentials_win);
	g_test_add_func("/base-glib/conf/reload-is-all-or-nothing", test_reload_is_all_or_nothing);
	g_test_add_func("/base-glib/conf/reload-checks-the-mixture",
			test_reload_checks_the_mixture);
	g_test_add_func("/base-glib/conf/reload-sees-a-new-secret", test_reload_sees_a_new_secret);
	g_test_add_func("/base-glib/conf/dump-reads-back", test_dump_reads_back);
	return g_test_run();
}

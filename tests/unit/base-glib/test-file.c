/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/file.h"

#include "base/glib/file_private.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	char *dir, *path, *temporary;
};

static void
setup(struct fixture *f, gconstpointer data)
{
	f->dir = g_dir_make_tmp("weft-file-XXXXXX", NULL);
	f->path = g_build_filename(f->dir, "state", NULL);
	f->temporary = g_build_filename(f->dir, ".state.new", NULL);
}

static void
teardown(struct fixture *f, gconstpointer data)
{
	g_remove(f->path);
	g_remove(f->temporary);
	g_assert_cmpint(g_rmdir(f->dir), ==, 0);
	g_free(f->dir);
	g_free(f->path);
	g_free(f->temporary);
}

static void
assert_content(const char *path, const char *wanted)
{
	g_autoptr(GError) error = NULL;
	size_t len;
	g_autofree char *text = weft_file_read(path, 1000, &len, &error);

	g_assert_no_error(error);
	g_assert_cmpstr(text, ==, wanted);
	g_assert_cmpuint(len, ==, strlen(wanted));
}

static void
test_replace(struct fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	struct stat st;
	mode_t old = umask(077);

	g_assert_true(weft_file_replace(f->path, "one", 3, 0644, &error));
	g_assert_true(weft_file_replace(f->path, "three", 5, 0640, &error));
	g_assert_no_error(error);
	umask(old);
	assert_content(f->path, "three");
	g_assert_cmpint(stat(f->path, &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 07777, ==, 0640);
	g_assert_false(g_file_test(f->temporary, G_FILE_TEST_EXISTS));
}

static void
test_replace_does_not_follow_links(struct fixture *f, gconstpointer data)
{
	g_autofree char *target = g_build_filename(f->dir, "target", NULL);

	g_assert_true(g_file_set_contents(target, "precious", -1, NULL));
	g_assert_cmpint(symlink(target, f->path), ==, 0);
	g_assert_cmpint(symlink(target, f->temporary), ==, 0);
	g_assert_true(weft_file_replace(f->path, "new", 3, 0600, NULL));
	assert_content(target, "precious");
	assert_content(f->path, "new");
	g_remove(target);
}

/* Which call of the operations fails, or ends the process. */
enum step {
	STEP_OPEN,
	STEP_WRITE,
	STEP_CHMOD,
	STEP_FSYNC,
	STEP_RENAME,
	STEP_FSYNC_DIR,
	STEP_COUNT
};

static struct {
	enum step at;
	bool crash;   /* end the process before the call does anything; else fail with EIO */
	bool shorten; /* writes take one byte at a time */
	unsigned fsyncs;
} plan;

static bool
strikes(enum step step)
{
	if (plan.at != step)
		return false;
	if (plan.crash)
		_exit(7);
	errno = EIO;
	return true;
}

static int
fault_openat(int dir, const char *name, int flags, mode_t mode)
{
	return strikes(STEP_OPEN) ? -1 : openat(dir, name, flags, mode);
}

static ssize_t
fault_write(int fd, const void *buf, size_t len)
{
	if (plan.shorten)
		return write(fd, buf, 1);
	if (plan.at == STEP_WRITE && len > 1) {
		/* Half of it reaches the file first. */
		ssize_t n = write(fd, buf, len / 2);

		(void) n;
	}
	return strikes(STEP_WRITE) ? -1 : write(fd, buf, len);
}

static int
fault_fchmod(int fd, mode_t mode)
{
	return strikes(STEP_CHMOD) ? -1 : fchmod(fd, mode);
}

static int
fault_fsync(int fd)
{
	return strikes(plan.fsyncs++ == 0 ? STEP_FSYNC : STEP_FSYNC_DIR) ? -1 : fsync(fd);
}

static int
fault_renameat(int dir, const char *from, int to_dir, const char *to)
{
	return strikes(STEP_RENAME) ? -1 : renameat(dir, from, to_dir, to);
}

static const struct weft_file_ops fault_ops = {
	.openat = fault_openat,
	.write = fault_write,
	.fchmod = fault_fchmod,
	.fsync = fault_fsync,
	.renameat = fault_renameat,
};

static void
test_failures_leave_the_old_file(struct fixture *f, gconstpointer data)
{
	for (enum step step = 0; step < STEP_COUNT; step++) {
		g_autoptr(GError) error = NULL;

		g_assert_true(weft_file_replace(f->path, "old", 3, 0600, NULL));
		memset(&plan, 0, sizeof plan);
		plan.at = step;
		g_assert_false(
			weft_file_replace_with(&fault_ops, f->path, "new!", 4, 0600, &error));
		g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_IO);
		/* After the rename the new one is in place, and the error says so. */
		assert_content(f->path, step == STEP_FSYNC_DIR ? "new!" : "old");
		g_assert_true((strstr(error->message, "replaced, but") != NULL) ==
			      (step == STEP_FSYNC_DIR));
		g_assert_false(g_file_test(f->temporary, G_FILE_TEST_EXISTS));
	}
}

static void
test_crashes_leave_one_whole_file(struct fixture *f, gconstpointer data)
{
	for (enum step step = 0; step < STEP_COUNT; step++) {
		pid_t child;
		int status;

		g_assert_true(weft_file_replace(f->path, "old", 3, 0600, NULL));
		memset(&plan, 0, sizeof plan);
		plan.at = step;
		plan.crash = true;
		child = fork();
		if (child == 0) {
			(void) weft_file_replace_with(&fault_ops, f->path, "new!", 4, 0600, NULL);
			_exit(0);
		}
		g_assert_cmpint(waitpid(child, &status, 0), ==, child);
		g_assert_cmpint(WEXITSTATUS(status), ==, 7);
		assert_content(f->path, step == STEP_FSYNC_DIR ? "new!" : "old");
		/* What was left behind is in nobody's way. */
		g_assert_true(weft_file_replace(f->path, "next", 4, 0600, NULL));
		assert_content(f->path, "next");
		g_assert_false(g_file_test(f->temporary, G_FILE_TEST_EXISTS));
	}
}

static void
test_short_writes(struct fixture *f, gconstpointer data)
{
	memset(&plan, 0, sizeof plan);
	plan.at = STEP_COUNT;
	plan.shorten = true;
	g_assert_true(weft_file_replace_with(&fault_ops, f->path, "in pieces", 9, 0600, NULL));
	assert_content(f->path, "in pieces");
	g_assert_cmpuint(plan.fsyncs, ==, 2);
}

static void
test_no_directory(struct fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(f->dir, "none", "x", NULL);

	g_assert_false(weft_file_replace(path, "x", 1, 0600, &error));
	g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

static void
test_remove(struct fixture *f, gconstpointer data)
{
	g_assert_true(weft_file_replace(f->path, "x", 1, 0600, NULL));
	g_assert_true(weft_file_remove(f->path, NULL));
	g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
	g_assert_true(weft_file_remove(f->path, NULL));
}

static void
test_reads_are_bounded(struct fixture *f, gconstpointer data)
{
	g_autofree char *big = g_strnfill(5000, 'x');
	g_autoptr(GError) error = NULL;
	size_t len;
	char *text;

	g_assert_true(weft_file_replace(f->path, big, 5000, 0600, NULL));
	text = weft_file_read(f->path, 5000, &len, NULL);
	g_assert_cmpuint(len, ==, 5000);
	g_assert_cmpstr(text, ==, big);
	g_free(text);
	g_assert_null(weft_file_read(f->path, 4999, &len, &error));
	g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
	/* A file that says 0 and holds something. */
	text = weft_file_read("/proc/self/status", 1 << 20, &len, NULL);
	g_assert_nonnull(text);
	g_assert_cmpuint(len, ==, strlen(text));
	g_free(text);
}

static void
test_only_regular_files(struct fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	size_t len;

	g_assert_cmpint(mkfifo(f->path, 0600), ==, 0);
	g_assert_null(weft_file_read(f->path, 10, &len, &error));
	g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
	g_clear_error(&error);
	g_assert_null(weft_file_read(f->dir, 10, &len, &error));
	g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
}

static void
test_secrets(struct fixture *f, gconstpointer data)
{
	static const struct {
		mode_t mode;
		bool credential, good;
	} rows[] = {
		{ 0600, false, true },  { 0400, false, true },  { 0640, false, false },
		{ 0604, false, false }, { 0610, false, false }, { 0444, true, true },
	};
	g_autofree char *big = g_strnfill(WEFT_LIMIT_SECRET + 1, 'x');
	g_autoptr(GError) too_long = NULL;
	size_t len;

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		char *secret;

		g_assert_true(weft_file_replace(f->path, "s\n", 2, rows[i].mode, NULL));
		secret = weft_file_read_secret(f->path, rows[i].credential, &len, &error);
		g_assert_true((secret != NULL) == rows[i].good);
		if (secret == NULL) {
			g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM);
			continue;
		}
		g_assert_cmpstr(secret, ==, "s\n");
		g_assert_cmpuint(len, ==, 2);
		weft_file_free_secret(secret, len);
	}
	g_assert_true(weft_file_replace(f->path, big, WEFT_LIMIT_SECRET + 1, 0600, NULL));
	g_assert_null(weft_file_read_secret(f->path, false, &len, &too_long));
	g_assert_error(too_long, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
	weft_file_free_secret(NULL, 0);
}

static void
test_make_dir(struct fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *a = g_build_filename(f->dir, "a", NULL);
	g_autofree char *b = g_build_filename(a, "b", NULL);

	g_assert_true(weft_file_make_dir(b, 0700, NULL));
	g_assert_true(weft_file_make_dir(b, 0700, NULL));
	g_assert_true(weft_file_replace(f->path, "x", 1, 0600, NULL));
	g_assert_false(weft_file_make_dir(f->path, 0700, &error));
	g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR);
	g_rmdir(b);
	g_rmdir(a);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*func)(struct fixture *f, gconstpointer data);
	} tests[] = {
		{ "replace", test_replace },
		{ "replace-does-not-follow-links", test_replace_does_not_follow_links },
		{ "failures-leave-the-old-file", test_failures_leave_the_old_file },
		{ "crashes-leave-one-whole-file", test_crashes_leave_one_whole_file },
		{ "short-writes", test_short_writes },
		{ "no-directory", test_no_directory },
		{ "remove", test_remove },
		{ "reads-are-bounded", test_reads_are_bounded },
		{ "only-regular-files", test_only_regular_files },
		{ "secrets", test_secrets },
		{ "make-dir", test_make_dir },
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strdup_printf("/base-glib/file/%s", tests[i].name);
		g_test_add(path, struct fixture, NULL, setup, tests[i].func, teardown);
	}
	return g_test_run();
}

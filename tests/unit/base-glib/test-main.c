/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The frame of the daemons from outside: a real process, its signals, what it tells the service
 * manager, its exit codes. */
#include "base/glib/main.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_S 60

struct fixture {
	char *dir, *conf, *notify_path;
	int notify; /* the manager's end */
	GPid pid;
	int out, err;
	GString *log; /* standard error so far */
};

static void
setup(struct fixture *f, gconstpointer data)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	f->dir = g_dir_make_tmp("weft-main-XXXXXX", NULL);
	f->conf = g_build_filename(f->dir, "testd.conf", NULL);
	f->notify_path = g_build_filename(f->dir, "notify", NULL);
	f->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g_strlcpy(sa.sun_path, f->notify_path, sizeof sa.sun_path);
	g_assert_cmpint(bind(f->notify, (const struct sockaddr *) &sa, sizeof sa), ==, 0);
	f->log = g_string_new(NULL);
}

static void
teardown(struct fixture *f, gconstpointer data)
{
	if (f->pid != 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
		close(f->out);
		close(f->err);
	}
	close(f->notify);
	g_remove(f->notify_path);
	g_remove(f->conf);
	g_rmdir(f->dir);
	g_free(f->dir);
	g_free(f->conf);
	g_free(f->notify_path);
	g_string_free(f->log, TRUE);
}

static void
configure(struct fixture *f, const char *text)
{
	g_assert_true(g_file_set_contents(f->conf, text, -1, NULL));
}

/* Starts it with the given arguments, "CONF" standing for the file's name. */
static void
launch(struct fixture *f, const char *const *args)
{
	g_autofree char *program =
		g_build_filename(g_getenv("top_builddir") != NULL ? g_getenv("top_builddir") : ".",
				 "tests/unit/base-glib/daemon", NULL);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_auto(GStrv) env =
		g_environ_setenv(g_get_environ(), "NOTIFY_SOCKET", f->notify_path, TRUE);
	g_autoptr(GError) error = NULL;

	g_ptr_array_add(argv, program);
	for (; *args != NULL; args++)
		g_ptr_array_add(argv, strcmp(*args, "CONF") == 0 ? f->conf : (char *) *args);
	g_ptr_array_add(argv, NULL);
	g_spawn_async_with_pipes(NULL, (char **) argv->pdata, env, G_SPAWN_DO_NOT_REAP_CHILD, NULL,
				 NULL, &f->pid, NULL, &f->out, &f->err, &error);
	g_assert_no_error(error);
}

static void
launch_daemon(struct fixture *f)
{
	const char *const args[] = { "--config", "CONF", NULL };

	launch(f, args);
}

static char *
read_all(int fd)
{
	GString *out = g_string_new(NULL);
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof buf)) > 0)
		g_string_append_len(out, buf, n);
	return g_string_free(out, FALSE);
}

static int
wait_exit(struct fixture *f)
{
	int status;

	g_assert_cmpint(waitpid(f->pid, &status, 0), ==, f->pid);
	f->pid = 0;
	g_assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Runs to the end; returns standard output and error. */
static int
run(struct fixture *f, const char *const *args, char **ret_out, char **ret_err)
{
	launch(f, args);
	*ret_out = read_all(f->out);
	*ret_err = read_all(f->err);
	close(f->out);
	close(f->err);
	return wait_exit(f);
}

static void
wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	g_assert_cmpint(poll(&p, 1, DEADLINE_S * 1000), ==, 1);
}

/* Waits for a message to the manager that begins with @wanted, skipping others. */
static char *
hear(struct fixture *f, const char *wanted)
{
	for (;;) {
		char buf[4096];
		ssize_t n;

		wait_readable(f->notify);
		n = recv(f->notify, buf, sizeof buf - 1, 0);
		g_assert_cmpint(n, >, 0);
		buf[n] = '\0';
		if (g_str_has_prefix(buf, wanted))
			return g_strdup(buf);
	}
}

static void
expect(struct fixture *f, const char *wanted)
{
	g_autofree char *text = hear(f, wanted);

	g_assert_nonnull(text);
}

/* Waits until @wanted is in the log. */
static void
expect_log(struct fixture *f, const char *wanted)
{
	while (strstr(f->log->str, wanted) == NULL) {
		char buf[4096];
		ssize_t n;

		wait_readable(f->err);
		n = read(f->err, buf, sizeof buf);
		if (n <= 0)
			g_error("'%s' is not in '%s'", wanted, f->log->str);
		g_string_append_len(f->log, buf, n);
	}
}

static void
stop_daemon(struct fixture *f, int signum, int wanted)
{
	int code;

	kill(f->pid, signum);
	code = wait_exit(f);
	close(f->out);
	close(f->err);
	g_assert_cmpint(code, ==, wanted);
}

static void
test_options(struct fixture *f, gconstpointer data)
{
	static const struct {
		const char *args[4];
		int code;
		const char *out, *err;
	} rows[] = {
		{ { "--version" }, 0, "weft-testd " PACKAGE_VERSION "\n", "" },
		{ { "--help" }, 0, "Usage: weft-testd [OPTION...]\n", "" },
		{ { "--bogus" }, 2, "", "weft-testd: unrecognized option '--bogus'\n" },
		{ { "--config" }, 2, "", "weft-testd: option '--config' requires an argument\n" },
		{ { "extra" }, 2, "", "unexpected argument 'extra'\n" },
		{ { "--log-level", "loud" }, 2, "", "'loud' is no log level\n" },
		{ { "--config", "/nonexistent" }, 78, "", "/nonexistent: cannot open" },
		{ { "--check-config", "--config", "/nonexistent" },
		  78,
		  "",
		  "weft-testd: /nonexistent: cannot open" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *out = NULL, *err = NULL;
		int code = run(f, rows[i].args, &out, &err);

		g_test_message("%s: %d '%s' '%s'", rows[i].args[0], code, out, err);
		g_assert_cmpint(code, ==, rows[i].code);
		g_assert_nonnull(strstr(out, rows[i].out));
		g_assert_nonnull(strstr(err, rows[i].err));
	}
}

static void
test_check_config(struct fixture *f, gconstpointer data)
{
	const char *const args[] = { "--config", "CONF", "--check-config", NULL };
	g_autofree char *out = NULL, *err = NULL;
	g_autofree char *out2 = NULL, *err2 = NULL;
	g_autofree char *wanted = NULL;

	configure(f, "[test]\nnumber = 5\n");
	g_assert_cmpint(run(f, args, &out, &err), ==, 0);
	g_assert_nonnull(strstr(out, "the configuration is good\n"));
	g_assert_nonnull(strstr(out, f->conf));
	g_assert_cmpstr(err, ==, "");
	configure(f, "[test]\nnumber = 500\nunknown = 1\n[metrics]\nlisten = 0.0.0.0:1\n");
	g_assert_cmpint(run(f, args, &out2, &err2), ==, 78);
	wanted = g_strdup_printf(
		"weft-testd: %s: [test] unknown: unknown key\n"
		"weft-testd: %s: [metrics] listen: metrics: 0.0.0.0:1 is no loopback address; a "
		"proxy may serve others\n"
		"weft-testd: %s: [test] number: more than the maximum of 100\n",
		f->conf, f->conf, f->conf);
	g_assert_cmpstr(err2, ==, wanted);
}

static void
test_life(struct fixture *f, gconstpointer data)
{
	configure(f, "[test]\nunknown = 1\n");
	launch_daemon(f);
	expect(f, "STATUS=Starting\n");
	expect(f, "READY=1\n");
	expect_log(f, "[test] unknown: unknown key, ignored\n");
	expect_log(f, "weft-testd " PACKAGE_VERSION " is ready\n");
	stop_daemon(f, GPOINTER_TO_INT(data), 0);
	expect(f, "STOPPING=1\n");
}

static void
test_exit_codes_of_start(struct fixture *f, gconstpointer data)
{
	static const struct {
		const char *conf;
		int code;
	} rows[] = {
		{ "[test]\nstart = privilege\n", 77 },
		{ "[test]\nstart = denied\n", 77 },
		{ "[test]\nstart = config\n", 78 },
		{ "[test]\nstart = fail\n", 1 },
		{ "[test]\nstart = quit\n", 1 },
		{ "[test]\nnumber = x\n", 78 },
		{ "[metrics]\nlisten = unix:/nonexistent/x\n", 1 },
	};
	const char *const args[] = { "--config", "CONF", NULL };

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *out = NULL, *err = NULL;

		configure(f, rows[i].conf);
		g_assert_cmpint(run(f, args, &out, &err), ==, rows[i].code);
	}
}

static void
test_ready_later(struct fixture *f, gconstpointer data)
{
	configure(f, "[test]\nstart = later\n");
	g_setenv("TESTD_READY_LATER", "1", TRUE);
	launch_daemon(f);
	g_unsetenv("TESTD_READY_LATER");
	expect(f, "READY=1\n");
	stop_daemon(f, SIGTERM, 0);
}

static void
test_reload(struct fixture *f, gconstpointer data)
{
	g_autofree char *reloading = NULL;

	configure(f, "[test]\nnumber = 1\n");
	launch_daemon(f);
	expect(f, "READY=1\n");

	configure(f, "[test]\nnumber = 2\nfixed = 7\n");
	kill(f->pid, SIGHUP);
	reloading = hear(f, "RELOADING=1\n");
	g_assert_nonnull(strstr(reloading, "MONOTONIC_USEC="));
	expect(f, "READY=1\n");
	expect_log(f, "number 1 -> 2, fixed 1\n");
	expect_log(f, "[test] fixed changed, which needs a restart\n");

	/* What the files refuse, and what the daemon refuses, changes nothing. */
	configure(f, "[test]\nnumber = 3000\n");
	kill(f->pid, SIGHUP);
	expect(f, "READY=1\n");
	expect_log(f, "more than the maximum of 100\n");
	configure(f, "[test]\nnumber = 13\n");
	kill(f->pid, SIGHUP);
	expect(f, "READY=1\n");
	expect_log(f, "13 is unlucky\n");
	configure(f, "[test]\nnumber = 4\n");
	kill(f->pid, SIGHUP);
	expect(f, "READY=1\n");
	expect_log(f, "number 2 -> 4, fixed 1\n");
	stop_daemon(f, SIGTERM, 0);
}

static void
test_stop_later(struct fixture *f, gconstpointer data)
{
	configure(f, "[test]\nstop = later\n");
	launch_daemon(f);
	expect(f, "READY=1\n");
	stop_daemon(f, SIGTERM, 0);
}

static void
test_second_signal_ends_at_once(struct fixture *f, gconstpointer data)
{
	configure(f, "[test]\nstop = never\n");
	launch_daemon(f);
	expect(f, "READY=1\n");
	kill(f->pid, SIGTERM);
	expect(f, "STOPPING=1\n");
	expect_log(f, "weft-testd stops\n");
	stop_daemon(f, SIGINT, 0);
}

static void
test_watchdog(struct fixture *f, gconstpointer data)
{
	configure(f, "");
	g_setenv("WATCHDOG_USEC", "30000", TRUE);
	launch_daemon(f);
	g_unsetenv("WATCHDOG_USEC");
	for (unsigned i = 0; i < 3; i++)
		expect(f, "WATCHDOG=1\n");
	stop_daemon(f, SIGTERM, 0);
}

/* GET /metrics over the socket in @path. */
static char *
scrape(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *request = "GET /metrics HTTP/1.0\r\n\r\n";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *answer;

	g_strlcpy(sa.sun_path, path, sizeof sa.sun_path);
	if (connect(fd, (const struct sockaddr *) &sa, sizeof sa) < 0) {
		close(fd);
		return NULL;
	}
	g_assert_cmpint(write(fd, request, strlen(request)), ==, (ssize_t) strlen(request));
	answer = read_all(fd);
	close(fd);
	return answer;
}

static void
test_metrics_come_and_go_by_reload(struct fixture *f, gconstpointer data)
{
	g_autofree char *path = g_build_filename(f->dir, "metrics", NULL);
	g_autofree char *conf = g_strdup_printf("[metrics]\nlisten = unix:%s\n", path);
	g_autofree char *answer = NULL;

	configure(f, "");
	launch_daemon(f);
	expect(f, "READY=1\n");
	g_assert_null(scrape(path));
	configure(f, conf);
	kill(f->pid, SIGHUP);
	expect(f, "READY=1\n");
	answer = scrape(path);
	g_assert_nonnull(strstr(answer, "weft_testd_build_info{version="));
	configure(f, "");
	kill(f->pid, SIGHUP);
	expect(f, "READY=1\n");
	g_assert_null(scrape(path));
	stop_daemon(f, SIGTERM, 0);
}

static void
test_log_level(struct fixture *f, gconstpointer data)
{
	const char *const args[] = { "--config", "CONF", "--log-level", "info", NULL };

	configure(f, "[log]\nlevel = error\n");
	launch(f, args);
	expect_log(f, " is ready\n");
	stop_daemon(f, SIGTERM, 0);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*func)(struct fixture *f, gconstpointer data);
		int data;
	} tests[] = {
		{ "options", test_options, 0 },
		{ "check-config", test_check_config, 0 },
		{ "life-until-sigterm", test_life, SIGTERM },
		{ "life-until-sigint", test_life, SIGINT },
		{ "exit-codes-of-start", test_exit_codes_of_start, 0 },
		{ "ready-later", test_ready_later, 0 },
		{ "reload", test_reload, 0 },
		{ "stop-later", test_stop_later, 0 },
		{ "second-signal-ends-at-once", test_second_signal_ends_at_once, 0 },
		{ "watchdog", test_watchdog, 0 },
		{ "metrics-come-and-go-by-reload", test_metrics_come_and_go_by_reload, 0 },
		{ "log-level", test_log_level, 0 },
	};

	g_test_init(&argc, &argv, NULL);
	/* Messages of getopt are compared. */
	g_setenv("LC_ALL", "C", TRUE);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strdup_printf("/base-glib/main/%s", tests[i].name);
		g_test_add(path, struct fixture, GINT_TO_POINTER(tests[i].data), setup,
			   tests[i].func, teardown);
	}
	return g_test_run();
}

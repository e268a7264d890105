/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/notify.h"

#include "base/env.h"

#include <glib/gstdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct manager {
	int fd;
	char *name; /* for $NOTIFY_SOCKET */
	char *dir;  /* NULL: abstract */
};

static struct weft_env_fake fake;

static void
manager_init(struct manager *m, bool abstract)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len;

	m->dir = abstract ? NULL : g_dir_make_tmp("weft-notify-XXXXXX", NULL);
	m->name = abstract ? g_strdup_printf("@weft-notify-%d", (int) getpid())
			   : g_build_filename(m->dir, "socket", NULL);
	g_strlcpy(sa.sun_path, m->name, sizeof sa.sun_path);
	len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(m->name));
	if (abstract)
		sa.sun_path[0] = '\0';
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	g_assert_cmpint(bind(m->fd, (const struct sockaddr *) &sa, len), ==, 0);
	g_setenv("NOTIFY_SOCKET", m->name, TRUE);
}

static void
manager_clear(struct manager *m)
{
	close(m->fd);
	if (m->dir != NULL) {
		g_remove(m->name);
		g_rmdir(m->dir);
	}
	g_free(m->name);
	g_free(m->dir);
}

static void
assert_hears(struct manager *m, const char *wanted)
{
	char buf[4096];
	ssize_t n = recv(m->fd, buf, sizeof buf - 1, 0);

	if (wanted == NULL) {
		g_assert_cmpint(n, <, 0);
		return;
	}
	g_assert_cmpint(n, >, 0);
	buf[n] = '\0';
	g_assert_cmpstr(buf, ==, wanted);
}

static void
test_states(gconstpointer abstract)
{
	struct manager m;
	g_autoptr(WeftNotify) n = NULL;

	manager_init(&m, abstract != NULL);
	n = weft_notify_new(&fake.env);
	g_assert_true(weft_notify_active(n));
	weft_notify_ready(n);
	assert_hears(&m, "READY=1\n");
	fake.now_us = 123456789;
	weft_notify_reloading(n);
	assert_hears(&m, "RELOADING=1\nMONOTONIC_USEC=123456789\n");
	weft_notify_extend_timeout(n, 5000000);
	assert_hears(&m, "EXTEND_TIMEOUT_USEC=5000000\n");
	weft_notify_stopping(n);
	assert_hears(&m, "STOPPING=1\n");
	manager_clear(&m);
}

static void
test_status_is_one_line_and_only_news(void)
{
	struct manager m;
	g_autoptr(WeftNotify) n = NULL;

	manager_init(&m, false);
	n = weft_notify_new(&fake.env);
	weft_notify_status(n, "%d peers\nREADY=1", 3);
	assert_hears(&m, "STATUS=3 peers READY=1\n");
	weft_notify_status(n, "3 peers READY=1");
	assert_hears(&m, NULL);
	weft_notify_status(n, "4 peers");
	assert_hears(&m, "STATUS=4 peers\n");
	manager_clear(&m);
}

static void
test_children_inherit_nothing(void)
{
	struct manager m;
	g_autoptr(WeftNotify) n = NULL;

	manager_init(&m, false);
	g_setenv("WATCHDOG_USEC", "3000000", TRUE);
	n = weft_notify_new(&fake.env);
	g_assert_cmpint(weft_notify_watchdog_us(n), ==, 3000000);
	g_assert_null(g_getenv("NOTIFY_SOCKET"));
	g_assert_null(g_getenv("WATCHDOG_USEC"));
	manager_clear(&m);
}

static void
test_without_a_manager_nothing_happens(void)
{
	static const char *const names[] = { NULL, "", "relative", "/", "@" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(WeftNotify) n = NULL;

		if (names[i] != NULL)
			g_setenv("NOTIFY_SOCKET", names[i], TRUE);
		n = weft_notify_new(&fake.env);
		g_assert_false(weft_notify_active(n));
		weft_notify_ready(n);
		weft_notify_status(n, "x");
		weft_notify_watchdog_start(n, NULL, NULL, NULL);
	}
	weft_notify_ready(NULL);
	weft_notify_free(NULL);
}

static void
test_watchdog_variables(void)
{
	static const struct {
		const char *usec, *pid;
		int64_t wanted;
	} rows[] = {
		{ "60000000", NULL, 60000000 },
		{ "60000000", "self", 60000000 },
		{ "60000000", "1", 0 },
		{ "60000000", "x", 0 },
		{ "0", NULL, 0 },
		{ "-1", NULL, 0 },
		{ "x", NULL, 0 },
		{ NULL, NULL, 0 },
	};
	g_autofree char *self = g_strdup_printf("%d", (int) getpid());

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct manager m;
		g_autoptr(WeftNotify) n = NULL;

		manager_init(&m, true);
		if (rows[i].usec != NULL)
			g_setenv("WATCHDOG_USEC", rows[i].usec, TRUE);
		if (rows[i].pid != NULL)
			g_setenv("WATCHDOG_PID",
				 strcmp(rows[i].pid, "self") == 0 ? self : rows[i].pid, TRUE);
		n = weft_notify_new(&fake.env);
		g_assert_cmpint(weft_notify_watchdog_us(n), ==, rows[i].wanted);
		manager_clear(&m);
	}
}

static unsigned alive_calls;

static bool
alive_after_two(void *user)
{
	return ++alive_calls > 2;
}

static void
test_watchdog_is_fed_while_alive(void)
{
	struct manager m;
	g_autoptr(WeftNotify) n = NULL;
	g_autoptr(GMainContext) context = g_main_context_new();

	manager_init(&m, false);
	g_setenv("WATCHDOG_USEC", "6000", TRUE);
	n = weft_notify_new(&fake.env);
	weft_notify_watchdog_start(n, context, alive_after_two, NULL);
	g_assert_cmpuint(alive_calls, ==, 1);
	assert_hears(&m, NULL);
	while (alive_calls < 3)
		g_main_context_iteration(context, TRUE);
	assert_hears(&m, "WATCHDOG=1\n");
	manager_clear(&m);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	weft_env_fake_init(&fake, 1);
	g_test_add_data_func("/base-glib/notify/states-by-path", NULL, test_states);
	g_test_add_data_func("/base-glib/notify/states-by-abstract-name", "", test_states);
	g_test_add_func("/base-glib/notify/status-is-one-line-and-only-news",
			test_status_is_one_line_and_only_news);
	g_test_add_func("/base-glib/notify/children-inherit-nothing",
			test_children_inherit_nothing);
	g_test_add_func("/base-glib/notify/without-a-manager-nothing-happens",
			test_without_a_manager_nothing_happens);
	g_test_add_func("/base-glib/notify/watchdog-variables", test_watchdog_variables);
	g_test_add_func("/base-glib/notify/watchdog-is-fed-while-alive",
			test_watchdog_is_fed_while_alive);
	return g_test_run();
}

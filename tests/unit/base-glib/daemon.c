/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A daemon for test-main: its behaviour is told by its configuration. */
#include "base/glib/main.h"

#include "base/glib/source.h"

#include <gio/gio.h>
#include <stdio.h>

static const char *const start_names[] = { "good", "later",  "privilege", "config",
					   "fail", "denied", "quit",      NULL };
enum {
	START_GOOD,
	START_LATER,
	START_PRIVILEGE,
	START_CONFIG,
	START_FAIL,
	START_DENIED,
	START_QUIT
};

static const char *const stop_names[] = { "now", "later", "never", NULL };
enum { STOP_NOW, STOP_LATER, STOP_NEVER };

enum { CONF_START = WEFT_MAIN_CONF_COUNT_, CONF_STOP, CONF_NUMBER, CONF_FIXED, CONF_COUNT };

static const struct weft_conf_key keys[CONF_COUNT] = {
	WEFT_MAIN_CONF_KEYS("/var/lib/weft-testd", "/run/weft-testd"),
	[CONF_START] = { "test", "start", WEFT_CONF_ENUM, .def = "good", .names = start_names,
			 .help = "How starting goes." },
	[CONF_STOP] = { "test", "stop", WEFT_CONF_ENUM, .def = "now", .names = stop_names,
			.reloadable = true, .help = "How stopping goes." },
	[CONF_NUMBER] = { "test", "number", WEFT_CONF_INT, .def = "1", .min = 0, .max = 100,
			  .reloadable = true, .help = "A number; 13 cannot be reloaded." },
	[CONF_FIXED] = { "test", "fixed", WEFT_CONF_INT, .def = "1", .help = "Needs a restart." },
};

static const struct weft_conf_schema schema = {
	.name = "testd",
	.keys = keys,
	.n_keys = CONF_COUNT,
};

struct testd {
	WeftMain *m;
	GSource *timer;
};

static gboolean
on_ready(gpointer user)
{
	struct testd *t = user;

	weft_main_ready(t->m);
	return G_SOURCE_CONTINUE;
}

static gboolean
on_stopped(gpointer user)
{
	struct testd *t = user;

	weft_main_stopped(t->m);
	return G_SOURCE_CONTINUE;
}

static bool
testd_start(WeftMain *m, void *user, GError **error)
{
	struct testd *t = user;
	int64_t start = weft_conf_int(weft_main_conf(m), CONF_START);

	t->m = m;
	weft_main_status(m, "Starting");
	if (start == START_PRIVILEGE)
		g_set_error(error, WEFT_MAIN_ERROR, WEFT_MAIN_ERROR_PRIVILEGE, "no privilege");
	if (start == START_CONFIG)
		g_set_error(error, WEFT_MAIN_ERROR, WEFT_MAIN_ERROR_CONFIG, "bad config");
	if (start == START_FAIL)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE, "in use");
	if (start == START_DENIED)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED, "denied");
	if (start == START_PRIVILEGE || start == START_CONFIG || start == START_FAIL ||
	    start == START_DENIED)
		return false;
	if (start == START_LATER)
		t->timer = weft_source_timeout_us(weft_main_context(m), 10000, on_ready, t);
	if (start == START_QUIT)
		weft_main_quit(m, WEFT_MAIN_EXIT_FAILURE);
	return true;
}

static bool
testd_reload(WeftMain *m, const WeftConf *old, const WeftConf *now, void *user, GError **error)
{
	if (weft_conf_int(now, CONF_NUMBER) == 13) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE, "13 is unlucky");
		return false;
	}
	weft_log_notice("number %d -> %d, fixed %d", (int) weft_conf_int(old, CONF_NUMBER),
			(int) weft_conf_int(now, CONF_NUMBER),
			(int) weft_conf_int(now, CONF_FIXED));
	return true;
}

static bool
testd_stop(WeftMain *m, void *user)
{
	struct testd *t = user;
	int64_t stop = weft_conf_int(weft_main_conf(m), CONF_STOP);

	weft_source_cancel(&t->timer);
	if (stop == STOP_LATER)
		t->timer = weft_source_timeout_us(weft_main_context(m), 10000, on_stopped, t);
	return stop == STOP_NOW;
}

static void
testd_clear(void *user)
{
	struct testd *t = user;

	weft_source_cancel(&t->timer);
	weft_log_notice("cleared");
}

int
main(int argc, char **argv)
{
	static struct weft_main_daemon daemon = {
		.name = "weft-testd",
		.metrics_name = "testd",
		.summary = "a daemon for tests",
		.schema = &schema,
		.start = testd_start,
		.reload = testd_reload,
		.stop = testd_stop,
		.clear = testd_clear,
	};
	struct testd t = { 0 };

	/* Known before the configuration is. */
	daemon.ready_later = g_getenv("TESTD_READY_LATER") != NULL;
	return weft_main_run(&daemon, argc, argv, &t);
}

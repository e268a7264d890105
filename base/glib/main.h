/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The frame that all daemons share: options, configuration, signals, readiness, watchdog, metrics,
 * exit codes. A whole daemon:
 *
 *	enum { FOO_CONF_LISTEN = WEFT_MAIN_CONF_COUNT_, FOO_CONF_COUNT_ };
 *	static const struct weft_conf_key keys[] = {
 *		WEFT_MAIN_CONF_KEYS("/var/lib/weft-food", "/run/weft-food"),
 *		[FOO_CONF_LISTEN] = { "server", "listen", WEFT_CONF_ENDPOINTS,
 *				      .def = "[::]:4711", .help = "Where clients connect." },
 *	};
 *	const struct weft_conf_schema foo_schema = { "food", keys, G_N_ELEMENTS(keys) };
 *
 *	static bool
 *	foo_start(WeftMain *m, void *user, GError **error)
 *	{
 *		struct foo *foo = user;
 *		return foo_listen(foo, weft_main_context(m), weft_main_conf(m), error);
 *	}
 *
 *	static bool
 *	foo_stop(WeftMain *m, void *user)
 *	{
 *		foo_close(user);
 *		return true; // nothing to wait for
 *	}
 *
 *	int
 *	main(int argc, char **argv)
 *	{
 *		static const struct weft_main_daemon daemon = {
 *			.name = "weft-food", .metrics_name = "food", .schema = &foo_schema,
 *			.summary = "the foo of a Weft network", .start = foo_start, .stop =
 *foo_stop,
 *		};
 *		struct foo foo = { 0 };
 *		return weft_main_run(&daemon, argc, argv, &foo);
 *	}
 *
 * Order: options; configuration; log; signals; metrics listener; start(); READY=1; main loop;
 * stop(). Everything happens on the default GMainContext's thread. The frame never forks, so
 *start() may begin threads and gRPC. It sets umask 077 and ignores SIGPIPE.
 *
 * SIGHUP: RELOADING=1, the files are read and checked, reload() is asked, and only then the new
 * configuration is in force; READY=1. Any error leaves the old one and is logged.
 * SIGTERM, SIGINT: STOPPING=1, stop(); a second one ends the process at once. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "base/glib/conf.h"
#include "base/glib/log.h"
#include "base/glib/metrics.h"
#include "base/glib/metrics_server.h"

typedef struct weft_main WeftMain;

enum weft_main_exit {
	WEFT_MAIN_EXIT_OK = 0,         /* clean stop */
	WEFT_MAIN_EXIT_FAILURE = 1,    /* at run time */
	WEFT_MAIN_EXIT_USAGE = 2,      /* unknown option */
	WEFT_MAIN_EXIT_PRIVILEGE = 77, /* EX_NOPERM */
	WEFT_MAIN_EXIT_CONFIG = 78     /* EX_CONFIG */
};

/* Errors of start() that are to end the process with 77 or 78. WEFT_CONF_ERROR is 78 too, and
 * G_IO_ERROR_PERMISSION_DENIED, G_FILE_ERROR_ACCES and G_FILE_ERROR_PERM are 77 as well. */
enum weft_main_error { WEFT_MAIN_ERROR_PRIVILEGE, WEFT_MAIN_ERROR_CONFIG };
#define WEFT_MAIN_ERROR (weft_main_error_quark())
GQuark weft_main_error_quark(void);

/* Keys that every daemon has, first in its table. */
enum weft_main_conf {
	WEFT_MAIN_CONF_STATE_DIR,
	WEFT_MAIN_CONF_RUNTIME_DIR,
	WEFT_MAIN_CONF_LOG_LEVEL,
	WEFT_MAIN_CONF_METRICS_LISTEN,
	WEFT_MAIN_CONF_COUNT_
};

/* clang-format off */
#define WEFT_MAIN_CONF_KEYS(state_dir, runtime_dir)                                                \
	[WEFT_MAIN_CONF_STATE_DIR] = { "paths", "state-dir", WEFT_CONF_PATH, .def = (state_dir),   \
		.help = "Directory of what must survive a restart of the machine." },              \
	[WEFT_MAIN_CONF_RUNTIME_DIR] = { "paths", "runtime-dir", WEFT_CONF_PATH,                   \
		.def = (runtime_dir), .help = "Directory of sockets." },                           \
	[WEFT_MAIN_CONF_LOG_LEVEL] = { "log", "level", WEFT_CONF_ENUM, .def = "info",              \
		.names = weft_log_level_names, .reloadable = true,                                 \
		.help = "Least urgent messages that are logged. The option --log-level wins." },   \
	[WEFT_MAIN_CONF_METRICS_LISTEN] = { "metrics", "listen", WEFT_CONF_STRING, .def = "",      \
		.reloadable = true, .check = weft_metrics_server_check_listen,                     \
		.help = "Where Prometheus fetches /metrics: a loopback address with port, or "     \
			"unix:PATH. Empty: nowhere." }
/* clang-format on */

struct weft_main_daemon {
	const char *name;         /* "weft-signald" */
	const char *metrics_name; /* "signald" */
	const char *summary;      /* for --help, without a full stop */
	const struct weft_conf_schema *schema;

	/* Makes the daemon serve; false ends the process. READY=1 follows at once, unless
	 * @ready_later: then the daemon calls weft_main_ready(). */
	bool (*start)(WeftMain *m, void *user, GError **error);
	bool ready_later;

	/* Takes over what changed between @old (in force until this returns true) and @now. False:
	 * nothing was changed. NULL: only the log level and the metrics listener are reloadable. */
	bool (*reload)(
		WeftMain *m, const WeftConf *old, const WeftConf *now, void *user, GError **error);

	/* Begins to stop. True: done; false: weft_main_stopped() will be called, at latest after
	 * @stop_timeout_us (0: 30 s) the process ends anyway. Called only if start() was true. */
	bool (*stop)(WeftMain *m, void *user);
	int64_t stop_timeout_us;

	/* Whether the watchdog may be fed; NULL: the main loop's turning is proof enough. */
	bool (*alive)(void *user);

	/* After start() failed or stop() ended, before the configuration and metrics go. */
	void (*clear)(void *user);
};

/* Returns the exit code for main(). */
int weft_main_run(const struct weft_main_daemon *daemon, int argc, char **argv, void *user);

GMainContext *weft_main_context(WeftMain *m);
WeftMetrics *weft_main_metrics(WeftMain *m);

/* The configuration in force; valid until the next reload() returned. */
const WeftConf *weft_main_conf(WeftMain *m);

/* STATUS= for `systemctl status`: one sentence. */
void weft_main_status(WeftMain *m, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* During a long start or stop: see weft_notify_extend_timeout(). */
void weft_main_extend_timeout(WeftMain *m, int64_t us);

/* With @ready_later: READY=1. Once. */
void weft_main_ready(WeftMain *m);

/* Stops as SIGTERM does, with exit code @code in the end. */
void weft_main_quit(WeftMain *m, int code);

/* stop() has come to its end. */
void weft_main_stopped(WeftMain *m);

/* True from SIGTERM or weft_main_quit() on. */
bool weft_main_stopping(const WeftMain *m);

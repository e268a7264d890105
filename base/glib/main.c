/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/main.h"

#include "base/env.h"
#include "base/glib/main_private.h"
#include "base/glib/notify.h"
#include "base/glib/source.h"
#include "base/key.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_TIMEOUT_US (30 * G_USEC_PER_SEC)

G_DEFINE_QUARK(weft - main - error - quark, weft_main_error)

struct weft_main {
	const struct weft_main_daemon *daemon;
	const struct weft_main_options *options;
	void *user;
	WeftConf *conf;
	WeftNotify *notify;
	WeftMetrics *metrics;
	WeftMetricsServer *server;
	GMainLoop *loop;
	GSource *term, *intr, *hup, *stop_timer;
	bool started; /* start() was true */
	bool ready;
	bool stopping;
	int code;
};

GMainContext *
weft_main_context(WeftMain *m)
{
	return g_main_loop_get_context(m->loop);
}

WeftMetrics *
weft_main_metrics(WeftMain *m)
{
	return m->metrics;
}

const WeftConf *
weft_main_conf(WeftMain *m)
{
	return m->conf;
}

bool
weft_main_stopping(const WeftMain *m)
{
	return m->stopping;
}

void
weft_main_status(WeftMain *m, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	weft_notify_status(m->notify, "%s", text);
}

void
weft_main_extend_timeout(WeftMain *m, int64_t us)
{
	weft_notify_extend_timeout(m->notify, us);
}

void
weft_main_ready(WeftMain *m)
{
	if (m->ready || m->stopping)
		return;
	m->ready = true;
	weft_notify_ready(m->notify);
	weft_log_info("%s %s is ready", m->daemon->name, PACKAGE_VERSION);
}

void
weft_main_stopped(WeftMain *m)
{
	if (m->stopping)
		g_main_loop_quit(m->loop);
}

static gboolean
on_stop_timeout(gpointer user)
{
	WeftMain *m = user;

	weft_log_warning("stopping took too long, ending now");
	g_main_loop_quit(m->loop);
	return G_SOURCE_REMOVE;
}

void
weft_main_quit(WeftMain *m, int code)
{
	int64_t timeout_us = m->daemon->stop_timeout_us;

	if (m->stopping)
		return;
	m->stopping = true;
	m->code = code;
	weft_notify_stopping(m->notify);
	weft_log_info("%s stops", m->daemon->name);
	/* From within start(): the loop has not begun, run_loop() sees the flag. */
	if (!m->started)
		return;
	if (m->daemon->stop == NULL || m->daemon->stop(m, m->user)) {
		g_main_loop_quit(m->loop);
		return;
	}
	m->stop_timer = weft_source_timeout_us(weft_main_context(m),
					       timeout_us > 0 ? timeout_us : STOP_TIMEOUT_US,
					       on_stop_timeout, m);
}

static gboolean
on_terminate(gpointer user)
{
	WeftMain *m = user;

	if (m->stopping) {
		weft_log_warning("told to stop twice, ending now");
		g_main_loop_quit(m->loop);
	}
	weft_main_quit(m, WEFT_MAIN_EXIT_OK);
	return G_SOURCE_CONTINUE;
}

/* One log line per problem. */
static void
log_lines(enum weft_log_level level, const char *what, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **l = lines; *l != NULL; l++)
		weft_log_with(level, NULL, "%s%s", what, *l);
}

static void
log_warnings(const WeftConf *conf)
{
	for (const char *const *w = weft_conf_warnings(conf); *w != NULL; w++)
		weft_log_warning("%s", *w);
}

static void
apply_log_level(WeftMain *m, const WeftConf *conf)
{
	if (m->options->log_level_set)
		weft_log_set_level(m->options->log_level);
	else
		weft_log_set_level(
			(enum weft_log_level) weft_conf_int(conf, WEFT_MAIN_CONF_LOG_LEVEL));
}

/* The metrics listener that @conf asks for; NULL without error: none. */
static WeftMetricsServer *
make_server(WeftMain *m, const WeftConf *conf, GError **error)
{
	const struct weft_metrics_server_config config = {
		.listen = weft_conf_string(conf, WEFT_MAIN_CONF_METRICS_LISTEN),
		.context = weft_main_context(m),
	};
	WeftMetricsServer *server;

	if (config.listen == NULL || config.listen[0] == '\0')
		return NULL;
	server = weft_metrics_server_new(m->metrics, &config, error);
	if (server != NULL)
		weft_log_info("metrics on %s", weft_metrics_server_address(server));
	return server;
}

/* All or nothing. */
static bool
reload(WeftMain *m, GError **error)
{
	g_auto(GStrv) restart = NULL;
	g_autoptr(WeftConf) now = weft_conf_reload(m->conf, &restart, error);
	g_autoptr(WeftMetricsServer) server = NULL;
	bool server_changed;

	if (now == NULL)
		return false;
	log_warnings(now);
	server_changed = weft_conf_changed(m->conf, now, WEFT_MAIN_CONF_METRICS_LISTEN);
	if (server_changed) {
		g_autoptr(GError) reason = NULL;

		server = make_server(m, now, &reason);
		if (reason != NULL) {
			g_propagate_error(error, g_steal_pointer(&reason));
			return false;
		}
	}
	if (m->daemon->reload != NULL && !m->daemon->reload(m, m->conf, now, m->user, error))
		return false;
	if (server_changed) {
		weft_metrics_server_free(m->server);
		m->server = g_steal_pointer(&server);
	}
	weft_conf_free(m->conf);
	m->conf = g_steal_pointer(&now);
	apply_log_level(m, m->conf);
	for (char **r = restart; *r != NULL; r++)
		weft_log_notice("%s changed, which needs a restart", *r);
	return true;
}

static gboolean
on_reload(gpointer user)
{
	WeftMain *m = user;
	g_autoptr(GError) error = NULL;

	if (m->stopping)
		return G_SOURCE_CONTINUE;
	weft_notify_reloading(m->notify);
	if (reload(m, &error)) {
		weft_log_info("configuration reloaded");
	} else {
		log_lines(WEFT_LOG_ERROR, "", error->message);
		weft_log_error("configuration not reloaded: the old one stays in force");
	}
	if (m->ready)
		weft_notify_ready(m->notify);
	return G_SOURCE_CONTINUE;
}

int
weft_main_exit_of(const GError *error)
{
	if (g_error_matches(error, WEFT_MAIN_ERROR, WEFT_MAIN_ERROR_PRIVILEGE) ||
	    g_error_matches(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED) ||
	    g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_ACCES) ||
	    g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_PERM))
		return WEFT_MAIN_EXIT_PRIVILEGE;
	if (g_error_matches(error, WEFT_MAIN_ERROR, WEFT_MAIN_ERROR_CONFIG) ||
	    error->domain == WEFT_CONF_ERROR)
		return WEFT_MAIN_EXIT_CONFIG;
	return WEFT_MAIN_EXIT_FAILURE;
}

static void
watch_signals(WeftMain *m)
{
	GMainContext *context = weft_main_context(m);

	m->term = weft_source_signal(context, SIGTERM, on_terminate, m);
	m->intr = weft_source_signal(context, SIGINT, on_terminate, m);
	m->hup = weft_source_signal(context, SIGHUP, on_reload, m);
}

/* Starts, and runs until told to stop. Sets the exit code. */
static void
run_loop(WeftMain *m)
{
	g_autoptr(GError) error = NULL;

	m->server = make_server(m, m->conf, &error);
	if (error == NULL)
		m->started = m->daemon->start(m, m->user, &error);
	if (!m->started) {
		log_lines(WEFT_LOG_ERROR, "cannot start: ", error->message);
		weft_notify_status(m->notify, "Cannot start: %s", error->message);
		m->code = weft_main_exit_of(error);
		return;
	}
	if (m->stopping) {
		/* weft_main_quit() was called before there was something to stop. */
		m->stopping = false;
		weft_main_quit(m, m->code);
	}
	weft_notify_watchdog_start(m->notify, weft_main_context(m), m->daemon->alive, m->user);
	if (!m->daemon->ready_later)
		weft_main_ready(m);
	if (!m->stopping || m->stop_timer != NULL)
		g_main_loop_run(m->loop);
}

static int
run_daemon(WeftMain *m)
{
	m->loop = g_main_loop_new(NULL, FALSE);
	m->notify = weft_notify_new(weft_env_system());
	m->metrics = weft_metrics_new();
	weft_metrics_add_process(m->metrics, m->daemon->metrics_name);
	watch_signals(m);
	run_loop(m);
	if (m->daemon->clear != NULL)
		m->daemon->clear(m->user);
	weft_source_cancel(&m->stop_timer);
	weft_source_cancel(&m->term);
	weft_source_cancel(&m->intr);
	weft_source_cancel(&m->hup);
	weft_metrics_server_free(m->server);
	weft_metrics_free(m->metrics);
	weft_notify_free(m->notify);
	g_main_loop_unref(m->loop);
	return m->code;
}

/* A process without standard descriptors would give their numbers to its sockets. */
static void
settle_process(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
}

static WeftConf *
load_conf(const struct weft_main_daemon *daemon,
	  const struct weft_main_options *options,
	  GError **error)
{
	const struct weft_conf_options how = {
		.file = options->config,
		.strict = options->check_config,
	};

	return weft_conf_load(daemon->schema, &how, error);
}

/* --check-config: problems on standard error, the verdict on standard output. */
static int
check_config(const struct weft_main_daemon *daemon, const struct weft_main_options *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf = load_conf(daemon, options, &error);

	if (conf == NULL) {
		g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);

		for (char **l = lines; *l != NULL; l++)
			fprintf(stderr, "%s: %s\n", daemon->name, *l);
		return WEFT_MAIN_EXIT_CONFIG;
	}
	for (const char *const *w = weft_conf_warnings(conf); *w != NULL; w++)
		fprintf(stderr, "%s: warning: %s\n", daemon->name, *w);
	printf("%s: the configuration is good\n", daemon->name);
	for (const char *const *f = weft_conf_files(conf); *f != NULL; f++)
		printf("  %s\n", *f);
	return WEFT_MAIN_EXIT_OK;
}

int
weft_main_run(const struct weft_main_daemon *daemon, int argc, char **argv, void *user)
{
	struct weft_main_options options = { 0 };
	struct weft_log_config log = { .identifier = daemon->name, .level = WEFT_LOG_INFO };
	g_autoptr(GError) error = NULL;
	WeftMain m = { .daemon = daemon, .options = &options, .user = user };
	int code;

	if (!weft_main_parse_options(daemon, argc, argv, &options, &code))
		return code;
	settle_process();
	if (options.check_config)
		return check_config(daemon, &options);
	weft_log_init(&log);
	m.conf = load_conf(daemon, &options, &error);
	if (m.conf == NULL) {
		log_lines(WEFT_LOG_ERROR, "", error->message);
		return WEFT_MAIN_EXIT_CONFIG;
	}
	apply_log_level(&m, m.conf);
	log_warnings(m.conf);
	if (!weft_crypto_init()) {
		weft_log_error("no source of randomness");
		weft_conf_free(m.conf);
		return WEFT_MAIN_EXIT_FAILURE;
	}
	code = run_daemon(&m);
	weft_conf_free(m.conf);
	return code;
}

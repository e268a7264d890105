/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/notify.h"

#include "base/env.h"
#include "base/glib/source.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct weft_notify {
	const struct weft_env *env;
	int fd; /* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t to_len;
	char *status; /* last one sent */
	int64_t watchdog_us;
	GSource *watchdog;
	bool (*alive)(void *user);
	void *user;
};

/* The address of $NOTIFY_SOCKET: a path, or an abstract name behind '@'. */
static bool
set_address(WeftNotify *n, const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof n->to.sun_path)
		return false;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, name, len);
	n->to_len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len);
	if (name[0] == '@')
		n->to.sun_path[0] = '\0';
	else
		n->to_len++;
	return true;
}

static int64_t
read_watchdog(void)
{
	const char *usec = g_getenv("WATCHDOG_USEC");
	const char *pid = g_getenv("WATCHDOG_PID");
	guint64 v;

	if (usec == NULL || !g_ascii_string_to_unsigned(usec, 10, 1, G_MAXINT64, &v, NULL))
		return 0;
	if (pid != NULL) {
		guint64 p;

		if (!g_ascii_string_to_unsigned(pid, 10, 1, G_MAXINT32, &p, NULL) ||
		    (pid_t) p != getpid())
			return 0;
	}
	return (int64_t) v;
}

WeftNotify *
weft_notify_new(const struct weft_env *env)
{
	WeftNotify *n = g_new0(WeftNotify, 1);
	const char *name = g_getenv("NOTIFY_SOCKET");

	n->env = env;
	n->fd = -1;
	if (name != NULL && set_address(n, name))
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd >= 0)
		n->watchdog_us = read_watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return n;
}

void
weft_notify_free(WeftNotify *notify)
{
	if (notify == NULL)
		return;
	weft_source_cancel(&notify->watchdog);
	if (notify->fd >= 0)
		close(notify->fd);
	g_free(notify->status);
	g_free(notify);
}

bool
weft_notify_active(const WeftNotify *notify)
{
	return notify != NULL && notify->fd >= 0;
}

static void
send_state(WeftNotify *n, const char *state)
{
	const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	ssize_t sent;

	if (!weft_notify_active(n))
		return;
	do {
		sent = sendto(n->fd, state, strlen(state), flags, (const struct sockaddr *) &n->to,
			      n->to_len);
	} while (sent < 0 && errno == EINTR);
}

void
weft_notify_ready(WeftNotify *notify)
{
	send_state(notify, "READY=1\n");
}

void
weft_notify_reloading(WeftNotify *notify)
{
	g_autofree char *state = NULL;

	if (!weft_notify_active(notify))
		return;
	/* The manager compares this with its own clock, so that it can tell an old message. */
	state = g_strdup_printf("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT "\n",
				weft_env_now_us(notify->env));
	send_state(notify, state);
}

void
weft_notify_stopping(WeftNotify *notify)
{
	send_state(notify, "STOPPING=1\n");
}

void
weft_notify_status(WeftNotify *notify, const char *format, ...)
{
	g_autofree char *text = NULL;
	g_autofree char *state = NULL;
	va_list args;

	if (!weft_notify_active(notify))
		return;
	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	/* A newline would begin another assignment. */
	g_strdelimit(text, "\n", ' ');
	if (g_strcmp0(text, notify->status) == 0)
		return;
	state = g_strdup_printf("STATUS=%s\n", text);
	send_state(notify, state);
	g_free(notify->status);
	notify->status = g_steal_pointer(&text);
}

void
weft_notify_extend_timeout(WeftNotify *notify, int64_t us)
{
	g_autofree char *state =
		g_strdup_printf("EXTEND_TIMEOUT_USEC=%" G_GINT64_FORMAT "\n", MAX(us, 1));

	send_state(notify, state);
}

int64_t
weft_notify_watchdog_us(const WeftNotify *notify)
{
	return notify != NULL ? notify->watchdog_us : 0;
}

static gboolean
on_watchdog(gpointer user)
{
	WeftNotify *n = user;

	if (n->alive == NULL || n->alive(n->user))
		send_state(n, "WATCHDOG=1\n");
	return G_SOURCE_CONTINUE;
}

void
weft_notify_watchdog_start(WeftNotify *notify,
			   GMainContext *context,
			   bool (*alive)(void *user),
			   void *user)
{
	if (weft_notify_watchdog_us(notify) == 0)
		return;
	weft_source_cancel(&notify->watchdog);
	notify->alive = alive;
	notify->user = user;
	notify->watchdog = weft_source_timeout_us(context, MAX(notify->watchdog_us / 3, 1000),
						  on_watchdog, notify);
	(void) on_watchdog(notify);
}

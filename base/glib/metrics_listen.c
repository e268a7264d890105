/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/metrics_listen.h"

#include "base/address.h"
#include "base/glib/metrics_server.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

/* Always -1. */
static int
fail_errno(GError **error, const char *listen, const char *what, int err)
{
	g_set_error(error, G_IO_ERROR, (int) g_io_error_from_errno(err), "metrics: %s: %s: %s",
		    listen, what, g_strerror(err));
	return -1;
}

/* "unix:/path" to the path, or NULL. */
static const char *
unix_path_of(const char *listen)
{
	return g_str_has_prefix(listen, "unix:") ? listen + strlen("unix:") : NULL;
}

static bool
parse_endpoint(const char *listen, struct weft_endpoint *ret, GError **error)
{
	struct weft_endpoint e;
	struct weft_address canonical;

	if (!weft_endpoint_parse(&e, listen, strlen(listen))) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "metrics: '%s' is neither a loopback address with port nor unix:PATH",
			    listen);
		return false;
	}
	canonical = weft_address_canonical(&e.addr);
	if (weft_address_classify(&canonical) != WEFT_ADDRESS_LOOPBACK) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "metrics: %s is no loopback address; a proxy may serve others", listen);
		return false;
	}
	*ret = e;
	return true;
}

static bool
check_unix_path(const char *path, GError **error)
{
	struct sockaddr_un sa;

	if (path[0] == '/' && strlen(path) < sizeof sa.sun_path)
		return true;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "metrics: unix:%s: not an absolute path of at most %zu bytes", path,
		    sizeof sa.sun_path - 1);
	return false;
}

bool
weft_metrics_server_check_listen(const char *listen, GError **error)
{
	const char *path = unix_path_of(listen);
	struct weft_endpoint e;

	if (listen[0] == '\0')
		return true;
	return path != NULL ? check_unix_path(path, error) : parse_endpoint(listen, &e, error);
}

/* Removes a socket that nobody listens on any more. False, with errno, if somebody does, or if it
 * is no socket at all. */
static bool
remove_stale(const struct sockaddr_un *sa)
{
	struct stat st;
	int fd, err;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT;
	errno = EEXIST;
	if (!S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	err = connect(fd, (const struct sockaddr *) sa, sizeof *sa) == 0 ? EADDRINUSE : errno;
	close(fd);
	if (err == ECONNREFUSED)
		return unlink(sa->sun_path) == 0;
	errno = err == EAGAIN ? EADDRINUSE : err;
	return false;
}

static int
listen_unix(const char *listen_text, const char *path, GError **error)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, err;

	if (!check_unix_path(path, error))
		return -1;
	memcpy(sa.sun_path, path, strlen(path));
	if (!remove_stale(&sa))
		return fail_errno(error, listen_text, "cannot bind", errno);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail_errno(error, listen_text, "cannot make a socket", errno);
	/* The mode is set before anybody can connect. */
	if (bind(fd, (const struct sockaddr *) &sa, sizeof sa) == 0 && chmod(path, 0660) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	err = errno;
	close(fd);
	return fail_errno(error, listen_text, "cannot bind", err);
}

static int
listen_tcp(const char *listen_text, char **ret_address, GError **error)
{
	struct weft_endpoint e;
	struct sockaddr_storage sa;
	socklen_t len;
	char text[WEFT_ENDPOINT_TEXT_SIZE];
	const int one = 1;
	int fd, err;

	if (!parse_endpoint(listen_text, &e, error))
		return -1;
	len = weft_endpoint_to_sockaddr(&e, &sa);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail_errno(error, listen_text, "cannot make a socket", errno);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	    bind(fd, (const struct sockaddr *) &sa, len) == 0 && listen(fd, BACKLOG) == 0 &&
	    (len = sizeof sa, getsockname(fd, (struct sockaddr *) &sa, &len) == 0) &&
	    weft_endpoint_from_sockaddr(&e, (const struct sockaddr *) &sa, len)) {
		*ret_address = g_strdup(weft_endpoint_format(&e, text));
		return fd;
	}
	err = errno;
	close(fd);
	return fail_errno(error, listen_text, "cannot bind", err);
}

int
weft_metrics_listen(const char *listen_text,
		    char **ret_address,
		    char **ret_unix_path,
		    GError **error)
{
	const char *path = unix_path_of(listen_text);
	int fd;

	*ret_unix_path = NULL;
	if (path == NULL)
		return listen_tcp(listen_text, ret_address, error);
	fd = listen_unix(listen_text, path, error);
	if (fd >= 0) {
		*ret_address = g_strdup(listen_text);
		*ret_unix_path = g_strdup(path);
	}
	return fd;
}

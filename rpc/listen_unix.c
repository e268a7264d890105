/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The unix listener: connections are accepted here, their user is asked of the kernel, and the
 * descriptor goes to the core server of that user. */
#include "base/glib/source.h"
#include "rpc/server_internal.h"
#include "rpc/status.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

/* Connections that one turn accepts, so that others have theirs. */
#define ACCEPTS_PER_TURN 16

/* Out of descriptors: pause before the next try. */
#define PAUSE_US (200 * 1000)

/* A user with several groups has several core servers; more than these are refused, so that one
 * user cannot take the place of others. */
#define MAX_GROUPS_PER_USER 4

struct weft_rpc_unix {
	WeftRpcServer *server;
	GMainContext *context;
	char *path;
	dev_t dev;
	ino_t ino;
	int fd;
	GSource *source, *pause;
};

static bool
fail(GError **error, const char *path, const char *what, int err)
{
	g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_LISTEN, "%s: %s: %s", path, what,
		    g_strerror(err));
	return false;
}

/* --- Binding --- */

/* Removes what a process that is gone has left. */
static bool
remove_stale(const struct sockaddr_un *sa, GError **error)
{
	struct stat st;
	int fd, err;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT || fail(error, sa->sun_path, "cannot look", errno);
	if (!S_ISSOCK(st.st_mode))
		return fail(error, sa->sun_path, "is in the way", EEXIST);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(error, sa->sun_path, "socket", errno);
	err = connect(fd, (const struct sockaddr *) sa, sizeof *sa) == 0 ? EADDRINUSE : errno;
	close(fd);
	if (err != ECONNREFUSED && err != ENOENT)
		return fail(error, sa->sun_path, "cannot be taken over",
			    err == EAGAIN ? EADDRINUSE : err);
	if (unlink(sa->sun_path) < 0 && errno != ENOENT)
		return fail(error, sa->sun_path, "cannot be removed", errno);
	return true;
}

/* Nobody can connect before mode and group are set: it listens last. */
static bool
bind_and_listen(struct weft_rpc_unix *u, mode_t mode, gid_t gid, GError **error)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(u->path) >= sizeof sa.sun_path)
		return fail(error, u->path, "path", ENAMETOOLONG);
	g_strlcpy(sa.sun_path, u->path, sizeof sa.sun_path);
	if (!remove_stale(&sa, error))
		return false;
	u->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (u->fd < 0)
		return fail(error, u->path, "socket", errno);
	if (fchmod(u->fd, 0600) < 0 || bind(u->fd, (const struct sockaddr *) &sa, sizeof sa) < 0)
		return fail(error, u->path, "cannot bind", errno);
	if (lstat(u->path, &st) < 0)
		return fail(error, u->path, "cannot look", errno);
	u->dev = st.st_dev;
	u->ino = st.st_ino;
	if (gid != (gid_t) -1 && lchown(u->path, (uid_t) -1, gid) < 0)
		return fail(error, u->path, "cannot set the group", errno);
	if (chmod(u->path, mode) < 0)
		return fail(error, u->path, "cannot set the mode", errno);
	if (listen(u->fd, BACKLOG) < 0)
		return fail(error, u->path, "cannot listen", errno);
	return true;
}

bool
weft_rpc_server_listen_unix(
	WeftRpcServer *server, const char *path, mode_t mode, gid_t gid, GError **error)
{
	struct weft_rpc_unix *u = g_new0(struct weft_rpc_unix, 1);

	g_return_val_if_fail(server->state == WEFT_RPC_SERVER_NEW && server->unix_listener == NULL,
			     false);
	u->server = server;
	u->path = g_strdup(path);
	u->fd = -1;
	u->context = server->rt->context;
	if (!bind_and_listen(u, mode, gid, error)) {
		weft_rpc_unix_free(u);
		return false;
	}
	server->unix_listener = u;
	return true;
}

void
weft_rpc_unix_close(struct weft_rpc_unix *u)
{
	struct stat st;

	if (u == NULL)
		return;
	weft_source_cancel(&u->source);
	weft_source_cancel(&u->pause);
	if (u->fd < 0)
		return;
	/* Another process may have taken the path over. */
	if (u->ino != 0 && lstat(u->path, &st) == 0 && st.st_dev == u->dev && st.st_ino == u->ino)
		unlink(u->path);
	close(u->fd);
	u->fd = -1;
}

void
weft_rpc_unix_free(struct weft_rpc_unix *u)
{
	if (u == NULL)
		return;
	weft_rpc_unix_close(u);
	g_free(u->path);
	g_free(u);
}

/* --- Accepting --- */

/* Lock of the server held. NULL if there are too many. */
static struct weft_rpc_core *
core_for(WeftRpcServer *server, const struct weft_rpc_credentials *who, bool *ret_new)
{
	unsigned same_user = 0;
	struct weft_rpc_core *core;

	*ret_new = false;
	for (core = server->cores; core != NULL; core = core->next) {
		if (!core->is_unix || core->credentials.uid != who->uid)
			continue;
		if (core->credentials.gid == who->gid)
			return core;
		same_user++;
	}
	if (same_user >= MAX_GROUPS_PER_USER ||
	    (server->n_cores > WEFT_RPC_MAX_UNIX_USERS && who->uid != 0))
		return NULL;
	core = weft_rpc_core_new(server);
	core->is_unix = true;
	core->credentials = *who;
	/* Behind the first, which is that of TCP. */
	core->next = server->cores->next;
	server->cores->next = core;
	server->n_cores++;
	*ret_new = true;
	return core;
}

static void
hand_over(WeftRpcServer *server, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	struct weft_rpc_credentials who;
	struct weft_rpc_core *core = NULL;
	grpc_server_credentials *creds;
	bool is_new = false;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		close(fd);
		return;
	}
	who = (struct weft_rpc_credentials){ .uid = cred.uid, .gid = cred.gid };
	pthread_mutex_lock(&server->lock);
	if (server->state == WEFT_RPC_SERVER_RUNNING)
		core = core_for(server, &who, &is_new);
	if (core != NULL && is_new) {
		grpc_server_start(core->core);
		weft_rpc_core_arm(core);
	}
	if (core != NULL) {
		creds = grpc_insecure_server_credentials_create();
		grpc_server_add_channel_from_fd(core->core, fd, creds);
		grpc_server_credentials_release(creds);
	}
	pthread_mutex_unlock(&server->lock);
	if (core == NULL)
		close(fd);
}

static gboolean
on_pause_over(gpointer user)
{
	struct weft_rpc_unix *u = user;

	weft_source_fd_set(u->source, G_IO_IN);
	return G_SOURCE_CONTINUE;
}

static gboolean
on_connection(int listener, GIOCondition condition, gpointer user)
{
	struct weft_rpc_unix *u = user;

	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			hand_over(u->server, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN) {
			/* Out of descriptors or memory: the listener stays readable. */
			weft_source_fd_set(u->source, 0);
			weft_source_arm_us(u->pause, PAUSE_US);
		}
		break;
	}
	return G_SOURCE_CONTINUE;
}

void
weft_rpc_unix_start(struct weft_rpc_unix *u)
{
	u->source = weft_source_fd(u->context, u->fd, G_IO_IN, on_connection, u);
	u->pause = weft_source_timer(u->context, on_pause_over, u);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/file.h"

#include "base/glib/file_private.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
system_openat(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

static ssize_t
system_write(int fd, const void *buf, size_t len)
{
	return write(fd, buf, len);
}

static int
system_renameat(int dir, const char *from, int to_dir, const char *to)
{
	return renameat(dir, from, to_dir, to);
}

const struct weft_file_ops weft_file_ops_system = {
	.openat = system_openat,
	.write = system_write,
	.fchmod = fchmod,
	.fsync = fsync,
	.renameat = system_renameat,
};

/* Always false. */
static bool
fail_errno(GError **error, const char *path, const char *what, int err)
{
	g_set_error(error, G_FILE_ERROR, (int) g_file_error_from_errno(err), "%s: %s: %s", path,
		    what, g_strerror(err));
	return false;
}

static int
open_dir_of(const char *path, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		fail_errno(error, dir, "cannot open the directory", errno);
	return fd;
}

static int
write_all(const struct weft_file_ops *ops, int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = ops->write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		p += n;
		len -= (size_t) n;
	}
	return 0;
}

/* Writes the temporary file completely to disk. Returns 0 or an errno. */
static int
write_temporary(const struct weft_file_ops *ops,
		int dir,
		const char *name,
		const void *data,
		size_t len,
		mode_t mode)
{
	int fd, err;

	/* A left-over may belong to anybody and have any mode: start afresh. */
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return errno;
	fd = ops->openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno;
	err = write_all(ops, fd, data, len);
	if (err == 0 && ops->fchmod(fd, mode) < 0)
		err = errno;
	if (err == 0 && ops->fsync(fd) < 0)
		err = errno;
	if (close(fd) < 0 && err == 0)
		err = errno;
	if (err != 0)
		(void) unlinkat(dir, name, 0); /* best effort: the next writer does it again */
	return err;
}

bool
weft_file_replace_with(const struct weft_file_ops *ops,
		       const char *path,
		       const void *data,
		       size_t len,
		       mode_t mode,
		       GError **error)
{
	g_autofree char *base = g_path_get_basename(path);
	g_autofree char *temporary = g_strdup_printf(".%s.new", base);
	int dir = open_dir_of(path, error);
	int err;
	bool renamed;

	if (dir < 0)
		return false;
	err = write_temporary(ops, dir, temporary, data, len, mode);
	if (err != 0) {
		close(dir);
		return fail_errno(error, path, "cannot write a new version", err);
	}
	renamed = ops->renameat(dir, temporary, dir, base) == 0;
	if (!renamed) {
		err = errno;
		(void) unlinkat(dir, temporary, 0); /* as above */
	} else if (ops->fsync(dir) < 0) {
		err = errno;
	}
	close(dir);
	if (err == 0)
		return true;
	return fail_errno(error, path,
			  renamed ? "replaced, but cannot sync the directory" : "cannot replace",
			  err);
}

bool
weft_file_replace(const char *path, const void *data, size_t len, mode_t mode, GError **error)
{
	return weft_file_replace_with(&weft_file_ops_system, path, data, len, mode, error);
}

bool
weft_file_remove(const char *path, GError **error)
{
	g_autofree char *base = g_path_get_basename(path);
	int dir = open_dir_of(path, error);
	int err = 0;

	if (dir < 0)
		return false;
	if (unlinkat(dir, base, 0) < 0)
		err = errno;
	else if (fsync(dir) < 0)
		err = errno;
	close(dir);
	if (err == 0 || err == ENOENT)
		return true;
	return fail_errno(error, path, "cannot remove", err);
}

static int
open_regular(const char *path, struct stat *ret_stat, GError **error)
{
	/* Not blocking: a fifo must not stop us before we know what it is. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		fail_errno(error, path, "cannot open", errno);
		return -1;
	}
	if (fstat(fd, ret_stat) < 0) {
		fail_errno(error, path, "cannot look at", errno);
		close(fd);
		return -1;
	}
	if (!S_ISREG(ret_stat->st_mode)) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: not a regular file",
			    path);
		close(fd);
		return -1;
	}
	return fd;
}

/* Reads until @size bytes or the end. Returns the count, or -1 with errno. */
static ssize_t
read_upto(int fd, char *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, buf + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t) n;
	}
	return (ssize_t) have;
}

static bool
fail_size(GError **error, const char *path, size_t max)
{
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "%s: longer than %zu bytes", path,
		    max);
	return false;
}

char *
weft_file_read(const char *path, size_t max, size_t *ret_len, GError **error)
{
	g_autofree char *buf = NULL;
	struct stat st;
	int fd = open_regular(path, &st, error);
	size_t size, have = 0;
	ssize_t n;

	if (fd < 0)
		return NULL;
	size = MIN((size_t) MAX(st.st_size, 0), max);
	for (;;) {
		/* One byte more than expected, so that growth is noticed, and one for the NUL. */
		buf = g_realloc(buf, size + 2);
		n = read_upto(fd, buf + have, size + 1 - have);
		if (n < 0) {
			fail_errno(error, path, "cannot read", errno);
			break;
		}
		have += (size_t) n;
		if (have <= size) {
			close(fd);
			buf[have] = '\0';
			*ret_len = have;
			return g_steal_pointer(&buf);
		}
		if (size >= max) {
			fail_size(error, path, max);
			break;
		}
		size = MIN(MAX(size * 2, 4096), max);
	}
	close(fd);
	return NULL;
}

static bool
check_secret_stat(const char *path, const struct stat *st, GError **error)
{
	if ((st->st_mode & 077) != 0) {
		g_set_error(
			error, G_FILE_ERROR, G_FILE_ERROR_PERM,
			"%s: others than the owner have permissions (mode %04o); run: chmod 600 %s",
			path, (unsigned) st->st_mode & 07777, path);
		return false;
	}
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM,
			    "%s: owned by another user (%u)", path, (unsigned) st->st_uid);
		return false;
	}
	return true;
}

char *
weft_file_read_secret(const char *path, bool credential, size_t *ret_len, GError **error)
{
	const size_t size = WEFT_LIMIT_SECRET + 2;
	struct stat st;
	int fd = open_regular(path, &st, error);
	char *buf;
	ssize_t n;

	if (fd < 0)
		return NULL;
	if (!credential && !check_secret_stat(path, &st, error)) {
		close(fd);
		return NULL;
	}
	/* Never reallocated: that would leave copies. */
	buf = g_malloc(size);
	n = read_upto(fd, buf, size - 1);
	if (n < 0)
		fail_errno(error, path, "cannot read", errno);
	else if (n > WEFT_LIMIT_SECRET)
		fail_size(error, path, WEFT_LIMIT_SECRET);
	close(fd);
	if (n < 0 || n > WEFT_LIMIT_SECRET) {
		weft_file_free_secret(buf, size);
		return NULL;
	}
	buf[n] = '\0';
	*ret_len = (size_t) n;
	return buf;
}

void
weft_file_free_secret(char *secret, size_t len)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, len);
	g_free(secret);
}

bool
weft_file_make_dir(const char *path, mode_t mode, GError **error)
{
	struct stat st;

	if (g_mkdir_with_parents(path, (int) mode) < 0)
		return fail_errno(error, path, "cannot make the directory", errno);
	if (stat(path, &st) < 0)
		return fail_errno(error, path, "cannot look at", errno);
	if (!S_ISDIR(st.st_mode))
		return fail_errno(error, path, "cannot make the directory", ENOTDIR);
	return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The system calls of weft_file_replace() as parameters, so that tests can make each of them fail
 * or stop the process there. */
#pragma once

#include "base/glib/file.h"

struct weft_file_ops {
	int (*openat)(int dir, const char *name, int flags, mode_t mode);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	int (*fchmod)(int fd, mode_t mode);
	int (*fsync)(int fd);
	int (*renameat)(int dir, const char *from, int to_dir, const char *to);
};

extern const struct weft_file_ops weft_file_ops_system;

bool weft_file_replace_with(const struct weft_file_ops *ops,
			    const char *path,
			    const void *data,
			    size_t len,
			    mode_t mode,
			    GError **error);

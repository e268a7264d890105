/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files that must be whole: bounded reads, atomic replacement, secrets. These block on the disk:
 * on a daemon's main loop only at start and reload. Errors are G_FILE_ERROR (from errno) with the
 * file's name and what was attempted in the message. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Replaces @path by @len bytes of @data with permissions @mode exactly (no umask): temporary file
 * beside it, fsync, rename, fsync of the directory. Before the rename any failure or crash leaves
 * the old file; after it the new one; there is no third outcome. A temporary file left by a crash
 * is overwritten next time. One writer per path at a time. A symbolic link is replaced, not
 * followed. */
bool weft_file_replace(const char *path, const void *data, size_t len, mode_t mode, GError **error);

/* Removes @path and syncs the directory; a file that does not exist is fine. */
bool weft_file_remove(const char *path, GError **error);

/* Reads a regular file of at most @max bytes (longer: G_FILE_ERROR_NOSPC). The buffer has a NUL
 * behind its last byte; g_free. */
char *weft_file_read(const char *path, size_t max, size_t *ret_len, GError **error);

/* Reads a secret: regular file, at most WEFT_LIMIT_SECRET bytes, owned by root or ourselves, no
 * permissions for group and others (G_FILE_ERROR_PERM otherwise). With @credential those two are
 * not asked: systemd's own directories have other rules. The buffer has a NUL behind its last byte
 * and is to be given to weft_file_free_secret(). */
char *weft_file_read_secret(const char *path, bool credential, size_t *ret_len, GError **error);

/* Wipes and frees. Takes NULL. */
void weft_file_free_secret(char *secret, size_t len);

/* Makes the directory @path and its parents; @mode for those that are made. Existing ones stay as
 * they are. */
bool weft_file_make_dir(const char *path, mode_t mode, GError **error);

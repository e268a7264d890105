/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The listening socket of the metrics server. */
#pragma once

#include <glib.h>

/* Binds to @listen_text ("127.0.0.1:0", "unix:/path"). Returns the descriptor, nonblocking, or -1.
 * @ret_address is what was bound, in the same notation; @ret_unix_path the socket's path or
 * NULL. */
int weft_metrics_listen(const char *listen_text,
			char **ret_address,
			char **ret_unix_path,
			GError **error);

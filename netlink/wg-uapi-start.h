/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Starts wireguard-go so that it outlives us. Internal to the room. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct weft_nl_uapi_start {
	const char *program; /* absolute path */
	const char *name;    /* of the interface */
	const char *dir;     /* where the socket is to appear */
	const char *socket;  /* path of the socket */
	unsigned timeout_ms;
};

/* Returns once the program's socket takes connections. The process is in a session of its own and
 * no child of ours. On failure it was ended again, and the error has what it said. */
bool weft_nl_uapi_start(const struct weft_nl_uapi_start *s, GError **error);

/* A connected socket of the path, or negative errno: -ECONNREFUSED if nobody listens behind it,
 * -EPERM if the listener is neither root nor ourselves. @timeout_ms bounds each read and write. */
int weft_nl_uapi_connect(const char *path, unsigned timeout_ms);

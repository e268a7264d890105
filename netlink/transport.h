/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The real system calls below sock.h and monitor.h. Internal to the room. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/sock.h"

/* "RTNETLINK", ...: who answers on that bus, for error texts. */
const char *weft_nl_bus_name(enum weft_nl_bus bus);

/* Opens a socket with the options of sock.h, subscribed to @n multicast groups (RTNLGRP_*), and
 * returns what to call on it. */
bool weft_nl_transport_open(
	enum weft_nl_bus bus, const uint32_t *groups, size_t n, void **ret_user, GError **error);
const struct weft_nl_transport *weft_nl_transport_system(void);

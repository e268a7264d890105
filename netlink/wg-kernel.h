/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WireGuard of the kernel, by generic netlink. */
#pragma once

#include <glib.h>

#include "netlink/sock.h"
#include "netlink/wg.h"

/* Asks the kernel for the family "wireguard"; the kernel loads the module for that. UNSUPPORTED if
 * it has none. */
WeftNlWg *weft_nl_wg_kernel_open(const struct weft_env *env, GError **error);

/* The same over given sockets, which it takes over. */
WeftNlWg *weft_nl_wg_kernel_new(WeftNlSocket *generic, WeftNlSocket *route, GError **error);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WireGuard in userspace: wireguard-go, configured over its UAPI socket. It is started in a session
 * of its own and outlives us; a running one is adopted. */
#pragma once

#include <glib.h>

#include "netlink/sock.h"
#include "netlink/wg.h"

#define WEFT_NL_WG_UAPI_DIR "/var/run/wireguard"

/* UNSUPPORTED if the program is not installed. With another directory than the program's own
 * (WEFT_NL_WG_UAPI_DIR) the program is started in a mount namespace in which the two are the same;
 * that takes CAP_SYS_ADMIN. */
WeftNlWg *weft_nl_wg_uapi_open(const struct weft_nl_wg_config *config, GError **error);

/* The same with a given route socket, which it takes over. */
WeftNlWg *weft_nl_wg_uapi_new(const struct weft_nl_wg_config *config, WeftNlSocket *route);

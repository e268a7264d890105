/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The transport of real sockets. Private to the room. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "nftables/socket.h"

extern const struct weft_nft_transport weft_nft_transport_kernel;

/* The user pointer for it; @groups: bits of multicast groups to join. */
void *weft_nft_transport_open(uint32_t groups, GError **error);

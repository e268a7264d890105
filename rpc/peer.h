/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the room: core's text form of an address. */
#pragma once

#include <stdbool.h>

struct weft_endpoint;

/* "ipv4:192.0.2.1:80", "ipv6:%5B2001:db8::1%5D:80" (also with plain brackets, also with a zone,
 * which is left out). False for everything else. IPv4-mapped addresses become IPv4. */
bool weft_rpc_peer_parse(struct weft_endpoint *ret, const char *text);

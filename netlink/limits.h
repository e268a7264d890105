/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bounds of this room; each with its reason. */
#pragma once

/* WireGuard itself stops at 2^20 peers per device (MAX_PEERS_PER_DEVICE in the kernel). */
#define WEFT_NL_LIMIT_PEERS (1U << 20)

/* Allowed ips of one device: 16 for every peer. */
#define WEFT_NL_LIMIT_ALLOWED (1U << 24)

/* Objects of one dump of links, addresses or rules, and of routes (a full internet table is about
 * 1.2 million). Beyond it the dump fails instead of eating the host's memory. */
#define WEFT_NL_LIMIT_OBJECTS (1U << 18)
#define WEFT_NL_LIMIT_ROUTES  (1U << 22)

/* Flows selected by one conntrack call; the kernel's own default table is 262,144. */
#define WEFT_NL_LIMIT_FLOWS (1U << 20)

/* One answer of a UAPI socket: 2^17 peers of about 500 octets. */
#define WEFT_NL_LIMIT_UAPI_REPLY (64U * 1024 * 1024)

/* A line of UAPI text: the longest known key, "=", 64 hexadecimal digits; more is nonsense. */
#define WEFT_NL_LIMIT_UAPI_LINE 256

/* Receive buffer: the kernel fills dumps in steps of at most 32 KiB. */
#define WEFT_NL_RECV_SIZE (64U * 1024)

/* One WireGuard request: its nests carry 16-bit lengths, so well below 64 KiB. */
#define WEFT_NL_SEND_SIZE (48U * 1024)

/* Request timeout: the kernel answers in microseconds; more means that something holds the RTNL
 * lock. Long enough to autoload a module. */
#define WEFT_NL_TIMEOUT_MS 5000

/* Restarts of an interrupted dump before it is given up. */
#define WEFT_NL_DUMP_TRIES 10

/* Messages that a monitor handles in one dispatch, so that it cannot starve the main loop. */
#define WEFT_NL_MONITOR_BURST 64

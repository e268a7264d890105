/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bounds on what strangers may send; each with its reason. */
#pragma once

/* Longest host or DNS name, RFC 1035 section 2.3.4, with room for the trailing dot. */
#define WEFT_LIMIT_DNS_NAME 255

/* One label, RFC 1035 section 2.3.4. */
#define WEFT_LIMIT_DNS_LABEL 63

/* A secret file holds one line; longer ones are a mistaken path. */
#define WEFT_LIMIT_SECRET 4096

/* A configuration file: a thousand times a realistic one. */
#define WEFT_LIMIT_CONF_FILE (1024 * 1024)

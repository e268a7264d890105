/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The errors of this room: what was attempted, who refused and why, in one line such as
 * "link weft0: add route 10.0.0.0/8: RTNETLINK: Nexthop has invalid gateway". */
#pragma once

#include <glib.h>

/* Codes are what a caller may act on; the text is for people. */
enum weft_nl_error {
	WEFT_NL_ERROR_FAILED,      /* any other answer of the kernel */
	WEFT_NL_ERROR_PERMISSION,  /* CAP_NET_ADMIN is missing */
	WEFT_NL_ERROR_NOT_FOUND,   /* no such link, address, route, rule, device, flow, program */
	WEFT_NL_ERROR_EXISTS,      /* an equal or a conflicting object is there already */
	WEFT_NL_ERROR_BUSY,        /* in use, e.g. the listen port */
	WEFT_NL_ERROR_NO_BUFFERS,  /* ENOBUFS or ENOMEM; a monitor resynchronises by itself */
	WEFT_NL_ERROR_UNSUPPORTED, /* this kernel cannot do it, e.g. has no WireGuard */
	WEFT_NL_ERROR_TIMEOUT,     /* no answer in time; the state is unknown: dump again */
	WEFT_NL_ERROR_INTERRUPTED, /* a dump kept changing while it was read */
	WEFT_NL_ERROR_PROTOCOL,    /* a malformed, truncated or unexpected answer */
	WEFT_NL_ERROR_INVALID,     /* refused here, before anyone was asked */
	WEFT_NL_ERROR_CONFLICT,    /* two wishes contradict each other; the later one was taken */
	WEFT_NL_ERROR_FOREIGN,     /* the object belongs to someone else and was left alone */
	WEFT_NL_ERROR_COUNT_
};

#define WEFT_NL_ERROR (weft_nl_error_quark())
GQuark weft_nl_error_quark(void);

/* "permission", "not-found", ...: for logs and metrics. */
const char *weft_nl_error_name(enum weft_nl_error code);

/* The code for a positive errno value. */
enum weft_nl_error weft_nl_error_from_errno(int err);

/* Sets "@who: @text", where @text is the kernel's extended-ack text, or NULL for the system's text
 * of @err (positive errno). @who names the answering side: "RTNETLINK", "WIREGUARD", "CONNTRACK",
 * "wireguard-go". A missing privilege is named. */
void weft_nl_error_set(GError **error, const char *who, int err, const char *text);

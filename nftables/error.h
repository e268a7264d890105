/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The errors of this room: what was attempted and why it was refused, in one line such as
 * "table inet weft: add set element: NETFILTER: Device or resource busy". */
#pragma once

#include <glib.h>

/* Codes are what a caller may act on; the text is for people. */
enum weft_nft_error {
	WEFT_NFT_ERROR_FAILED,      /* any other answer of the kernel */
	WEFT_NFT_ERROR_PERMISSION,  /* CAP_NET_ADMIN is missing */
	WEFT_NFT_ERROR_NOT_FOUND,   /* something that must be there is gone */
	WEFT_NFT_ERROR_EXISTS,      /* an equal object is there already */
	WEFT_NFT_ERROR_BUSY,        /* in use by somebody else */
	WEFT_NFT_ERROR_NO_BUFFERS,  /* ENOBUFS or ENOMEM, or the transaction is too large */
	WEFT_NFT_ERROR_UNSUPPORTED, /* this kernel lacks nf_tables or a part of it */
	WEFT_NFT_ERROR_TIMEOUT,     /* no answer in time; the state is unknown: read it back */
	WEFT_NFT_ERROR_INTERRUPTED, /* the ruleset kept changing while it was read or written */
	WEFT_NFT_ERROR_PROTOCOL,    /* a malformed, truncated or unexpected answer */
	WEFT_NFT_ERROR_INVALID,     /* refused here, before the kernel was asked */
	WEFT_NFT_ERROR_FOREIGN,     /* the table belongs to someone else and was left alone */
	WEFT_NFT_ERROR_COUNT_
};

#define WEFT_NFT_ERROR (weft_nft_error_quark())
GQuark weft_nft_error_quark(void);

/* "permission", "foreign", ...: for logs and metrics. */
const char *weft_nft_error_name(enum weft_nft_error code);

/* The code for a positive errno value. */
enum weft_nft_error weft_nft_error_from_errno(int err);

/* Sets "NETFILTER: @text", where @text is the kernel's extended-ack text, or NULL for the system's
 * text of @err (positive errno). A missing privilege is named. */
void weft_nft_error_set(GError **error, int err, const char *text);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text of WireGuard's cross-platform configuration protocol. Pure; internal to the room. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "netlink/wg.h"

/* The request "set=1 ..." with its closing empty line; @ret_len octets, not a string. Holds keys:
 * weft_wipe() and g_free() it. */
char *weft_nl_uapi_format_set(const struct weft_nl_wg_set *set, size_t *ret_len);

enum weft_nl_uapi_status {
	WEFT_NL_UAPI_OK,
	WEFT_NL_UAPI_MALFORMED,
	WEFT_NL_UAPI_REFUSED, /* *@ret_errno is a positive errno value */
	WEFT_NL_UAPI_STATUS_COUNT_
};

/* Reads a whole answer, with its closing empty line, into @dev (NULL: of a set request, which
 * carries a number only). @dev is to be thrown away unless OK. */
enum weft_nl_uapi_status weft_nl_uapi_parse(struct weft_nl_wg_device *dev,
					    const char *text,
					    size_t len,
					    int *ret_errno);

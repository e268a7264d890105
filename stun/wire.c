/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/wire.h"

#include <stddef.h>

#include "stun/message.h"

static const struct {
	unsigned code;
	const char *reason;
} reasons[] = {
	{ WEFT_STUN_ERROR_TRY_ALTERNATE, "Try Alternate" },
	{ WEFT_STUN_ERROR_BAD_REQUEST, "Bad Request" },
	{ WEFT_STUN_ERROR_UNAUTHENTICATED, "Unauthenticated" },
	{ WEFT_STUN_ERROR_FORBIDDEN, "Forbidden" },
	{ WEFT_STUN_ERROR_UNKNOWN_ATTRIBUTE, "Unknown Attribute" },
	{ WEFT_STUN_ERROR_ALLOCATION_MISMATCH, "Allocation Mismatch" },
	{ WEFT_STUN_ERROR_STALE_NONCE, "Stale Nonce" },
	{ WEFT_STUN_ERROR_ADDRESS_FAMILY, "Address Family not Supported" },
	{ WEFT_STUN_ERROR_WRONG_CREDENTIALS, "Wrong Credentials" },
	{ WEFT_STUN_ERROR_TRANSPORT, "Unsupported Transport Protocol" },
	{ WEFT_STUN_ERROR_PEER_FAMILY, "Peer Address Family Mismatch" },
	{ WEFT_STUN_ERROR_QUOTA, "Allocation Quota Reached" },
	{ WEFT_STUN_ERROR_ROLE_CONFLICT, "Role Conflict" },
	{ WEFT_STUN_ERROR_SERVER, "Server Error" },
	{ WEFT_STUN_ERROR_CAPACITY, "Insufficient Capacity" },
};

const char *
weft_stun_error_reason(unsigned code)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].code == code)
			return reasons[i].reason;
	return "Error";
}

static const char *const status_names[WEFT_STUN_STATUS_COUNT_] = {
	[WEFT_STUN_OK] = "ok",
	[WEFT_STUN_NOT_STUN] = "not STUN",
	[WEFT_STUN_TRUNCATED] = "truncated",
	[WEFT_STUN_MALFORMED] = "malformed",
};

const char *
weft_stun_status_name(enum weft_stun_status status)
{
	return (unsigned) status < WEFT_STUN_STATUS_COUNT_ ? status_names[status] : "unknown";
}

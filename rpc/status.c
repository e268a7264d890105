/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/status.h"

static const char *const code_names[WEFT_RPC_CODE_COUNT_] = {
	[WEFT_RPC_OK] = "OK",
	[WEFT_RPC_CANCELLED] = "CANCELLED",
	[WEFT_RPC_UNKNOWN] = "UNKNOWN",
	[WEFT_RPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
	[WEFT_RPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
	[WEFT_RPC_NOT_FOUND] = "NOT_FOUND",
	[WEFT_RPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
	[WEFT_RPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
	[WEFT_RPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
	[WEFT_RPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
	[WEFT_RPC_ABORTED] = "ABORTED",
	[WEFT_RPC_OUT_OF_RANGE] = "OUT_OF_RANGE",
	[WEFT_RPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
	[WEFT_RPC_INTERNAL] = "INTERNAL",
	[WEFT_RPC_UNAVAILABLE] = "UNAVAILABLE",
	[WEFT_RPC_DATA_LOSS] = "DATA_LOSS",
	[WEFT_RPC_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

static const char *const end_names[WEFT_RPC_END_COUNT_] = {
	[WEFT_RPC_END_STATUS] = "status",       [WEFT_RPC_END_PEER_GONE] = "peer-gone",
	[WEFT_RPC_END_CANCELLED] = "cancelled", [WEFT_RPC_END_SLOW] = "slow",
	[WEFT_RPC_END_OVERFLOW] = "overflow",   [WEFT_RPC_END_BAD_INPUT] = "bad-input",
	[WEFT_RPC_END_LIMIT] = "limit",         [WEFT_RPC_END_SHUTDOWN] = "shutdown",
};

const char *
weft_rpc_code_name(enum weft_rpc_code code)
{
	return (unsigned) code < WEFT_RPC_CODE_COUNT_ ? code_names[code] : "UNKNOWN";
}

const char *
weft_rpc_end_name(enum weft_rpc_end end)
{
	return (unsigned) end < WEFT_RPC_END_COUNT_ ? end_names[end] : "unknown";
}

G_DEFINE_QUARK(weft - rpc - error - quark, weft_rpc_error)

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a call ended, and the errors of this room. */
#pragma once

#include <glib.h>

/* The status codes of gRPC, with its numbers. */
enum weft_rpc_code {
	WEFT_RPC_OK = 0,
	WEFT_RPC_CANCELLED = 1,
	WEFT_RPC_UNKNOWN = 2,
	WEFT_RPC_INVALID_ARGUMENT = 3,
	WEFT_RPC_DEADLINE_EXCEEDED = 4,
	WEFT_RPC_NOT_FOUND = 5,
	WEFT_RPC_ALREADY_EXISTS = 6,
	WEFT_RPC_PERMISSION_DENIED = 7,
	WEFT_RPC_RESOURCE_EXHAUSTED = 8,
	WEFT_RPC_FAILED_PRECONDITION = 9,
	WEFT_RPC_ABORTED = 10,
	WEFT_RPC_OUT_OF_RANGE = 11,
	WEFT_RPC_UNIMPLEMENTED = 12,
	WEFT_RPC_INTERNAL = 13,
	WEFT_RPC_UNAVAILABLE = 14,
	WEFT_RPC_DATA_LOSS = 15,
	WEFT_RPC_UNAUTHENTICATED = 16,
	WEFT_RPC_CODE_COUNT_
};

/* "OK", "CANCELLED", ...; "UNKNOWN" for a number that gRPC does not define. */
const char *weft_rpc_code_name(enum weft_rpc_code code);

/* Why a call is over. */
enum weft_rpc_end {
	WEFT_RPC_END_STATUS,    /* a status was exchanged: ours on a server, theirs on a client */
	WEFT_RPC_END_PEER_GONE, /* server: the client cancelled, vanished or its deadline passed */
	WEFT_RPC_END_CANCELLED, /* weft_rpc_call_cancel() here */
	WEFT_RPC_END_SLOW,      /* the reader made no progress for send_timeout_ms */
	WEFT_RPC_END_OVERFLOW,  /* the send queue overflowed under WEFT_RPC_QUEUE_DROP */
	WEFT_RPC_END_BAD_INPUT, /* an undecodable message, or too few or too many of them */
	WEFT_RPC_END_LIMIT,     /* refused by a limit per address or in total */
	WEFT_RPC_END_SHUTDOWN,  /* the server's grace period passed */
	WEFT_RPC_END_COUNT_
};

/* "status", "peer-gone", ...: label values of metrics. */
const char *weft_rpc_end_name(enum weft_rpc_end end);

struct weft_rpc_status {
	enum weft_rpc_code code;
	enum weft_rpc_end end;
	const char *message; /* UTF-8, never NULL; valid during the callback */
};

#define WEFT_RPC_ERROR (weft_rpc_error_quark())
GQuark weft_rpc_error_quark(void);

enum weft_rpc_error {
	WEFT_RPC_ERROR_LISTEN, /* the address cannot be bound: bad text, in use, not permitted */
	WEFT_RPC_ERROR_TLS,    /* certificate, key or roots missing, unreadable or not matching */
	WEFT_RPC_ERROR_TARGET, /* the channel's target cannot be understood */
	WEFT_RPC_ERROR_SYSTEM, /* the system refused a thread, a descriptor, ... */
};

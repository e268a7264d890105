/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One call, seen from either side. All functions here may be called from any thread unless they say
 * otherwise, and on a call that is over: they do nothing then. Header values received are the
 * exception: they are read in callbacks. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rpc/bytes.h"
#include "rpc/method.h"
#include "rpc/status.h"

struct weft_endpoint;
struct weft_rpc_channel;

WeftRpcCall *weft_rpc_call_ref(WeftRpcCall *call);
void weft_rpc_call_unref(WeftRpcCall *call); /* takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRpcCall, weft_rpc_call_unref)

/* One pointer for the handler. @destroy (may be NULL) runs where callbacks run: after on_done, or
 * when another pointer is set. */
void weft_rpc_call_set_data(WeftRpcCall *call, void *data, GDestroyNotify destroy);
void *weft_rpc_call_data(const WeftRpcCall *call);

const char *weft_rpc_call_path(const WeftRpcCall *call);

/* --- Sending --- */

enum weft_rpc_send {
	WEFT_RPC_SEND_OK,       /* queued or on its way */
	WEFT_RPC_SEND_REPLACED, /* queued in place of a message that is dropped (COALESCE) */
	WEFT_RPC_SEND_FULL,     /* not queued (REFUSE) */
	WEFT_RPC_SEND_CLOSED,   /* not queued: the call is finished, half-closed or gone */
};

/* Queues one message. Packing happens on the calling thread, as does (most of the time) the write
 * to the socket. _bytes takes its own reference. */
enum weft_rpc_send weft_rpc_call_send(WeftRpcCall *call, const struct ProtobufCMessage *msg);
enum weft_rpc_send weft_rpc_call_send_bytes(WeftRpcCall *call, WeftRpcBytes *bytes);

/* Bytes and messages that wait in the send queue. */
size_t weft_rpc_call_queued_bytes(WeftRpcCall *call);
unsigned weft_rpc_call_queued_messages(WeftRpcCall *call);

/* Adds an outgoing header; false if headers are sent already, the key or value is not legal in
 * HTTP/2 or there are too many. Keys are lower case; values of keys that end in "-bin" are
 * arbitrary octets. Copies. */
bool weft_rpc_call_add_header(WeftRpcCall *call, const char *key, const void *value, size_t len);
bool weft_rpc_call_add_header_text(WeftRpcCall *call, const char *key, const char *value);

/* Server: sends the response headers now instead of with the first message. */
void weft_rpc_call_send_headers(WeftRpcCall *call);

/* Server: adds a trailing header, sent with the status. */
bool weft_rpc_call_add_trailer(WeftRpcCall *call, const char *key, const void *value, size_t len);

/* Server: ends the call after what is queued. @message (UTF-8, NULL for none) is cut at
 * WEFT_RPC_MAX_STATUS_MESSAGE. The first finish counts. */
void weft_rpc_call_finish(WeftRpcCall *call, enum weft_rpc_code code, const char *message);

/* Server: sends @msg and finishes with OK, in one write. */
void weft_rpc_call_reply(WeftRpcCall *call, const struct ProtobufCMessage *msg);
void weft_rpc_call_reply_bytes(WeftRpcCall *call, WeftRpcBytes *bytes);

/* Server: like finish, but drops what is queued and does not wait for a message in flight. */
void weft_rpc_call_abort(WeftRpcCall *call, enum weft_rpc_code code, const char *message);

/* Client: no more messages follow. */
void weft_rpc_call_half_close(WeftRpcCall *call);

/* Ends the call as soon as possible, in either role; on_done comes with CANCELLED. */
void weft_rpc_call_cancel(WeftRpcCall *call);

/* True once nothing can be sent any more. */
bool weft_rpc_call_is_closed(WeftRpcCall *call);

/* --- Receiving --- */

/* While paused no further message is read; the peer's flow control then stops it. Counts do not
 * nest. */
void weft_rpc_call_pause(WeftRpcCall *call);
void weft_rpc_call_resume(WeftRpcCall *call);

/* The first received header of that name, from on_start (server) or on_headers (client) on until
 * on_done has returned; NULL if absent. Not NUL-terminated: @ret_len octets. Only on the delivery
 * thread. */
const char *weft_rpc_call_header(const WeftRpcCall *call, const char *key, size_t *ret_len);

/* Client: the same for trailing headers, in on_done. */
const char *weft_rpc_call_trailer(const WeftRpcCall *call, const char *key, size_t *ret_len);

/* Milliseconds until the deadline, at least 0; -1 without one. */
int64_t weft_rpc_call_remaining_ms(const WeftRpcCall *call);

/* --- Who is at the other end --- */

/* False on a unix socket or when the call is over. IPv4-mapped addresses are IPv4. */
bool weft_rpc_call_peer(const WeftRpcCall *call, struct weft_endpoint *ret);

/* What the kernel vouches for at a unix listener. */
struct weft_rpc_credentials {
	uid_t uid;
	gid_t gid; /* the effective one at connect(2) */
};

/* False unless the call came through weft_rpc_server_listen_unix(). */
bool weft_rpc_call_credentials(const WeftRpcCall *call, struct weft_rpc_credentials *ret);

/* Server with mTLS: a property of the verified client certificate ("x509_common_name",
 * "x509_subject_alternative_name"), newly allocated; NULL without one. */
char *weft_rpc_call_tls_property(const WeftRpcCall *call, const char *name);

/* Runs @fn(@call, @data) where the callbacks of this call run, after those that are due already.
 * Holds a reference meanwhile. */
void weft_rpc_call_invoke(WeftRpcCall *call, void (*fn)(WeftRpcCall *call, void *data), void *data);

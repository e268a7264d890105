/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One packed message: immutable once sent, shared by reference, copied by nobody. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

struct ProtobufCMessage;

typedef struct weft_rpc_bytes WeftRpcBytes;

/* Packs @msg. Never NULL. Any thread. */
WeftRpcBytes *weft_rpc_bytes_pack(const struct ProtobufCMessage *msg);

/* Copies @len bytes; @data may be NULL only with @len 0. */
WeftRpcBytes *weft_rpc_bytes_new(const void *data, size_t len);

/* Room for @len bytes that the caller fills through @ret_buf before it first sends or shares the
 * object: a message is boxed straight into the buffer that goes to the socket. */
WeftRpcBytes *weft_rpc_bytes_alloc(size_t len, uint8_t **ret_buf);

/* Counted by atomics: any thread. unref takes NULL. */
WeftRpcBytes *weft_rpc_bytes_ref(WeftRpcBytes *bytes);
void weft_rpc_bytes_unref(WeftRpcBytes *bytes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRpcBytes, weft_rpc_bytes_unref)

size_t weft_rpc_bytes_len(const WeftRpcBytes *bytes);

/* All octets in one piece. A received message that arrived in several pieces is joined by a copy at
 * the first call; forwarding it does not need that, so look at the head with
 * weft_rpc_bytes_copy(). Not for two threads at once on one received message. */
const uint8_t *weft_rpc_bytes_data(WeftRpcBytes *bytes, size_t *ret_len);

/* Copies up to @len octets from @offset into @out and returns how many there were. */
size_t weft_rpc_bytes_copy(const WeftRpcBytes *bytes, size_t offset, void *out, size_t len);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the room: packed messages as core has them. */
#pragma once

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>

#include "rpc/bytes.h"

/* Takes @buffer over. */
WeftRpcBytes *weft_rpc_bytes_from_buffer(grpc_byte_buffer *buffer);

/* A new buffer over the same octets, for one send. */
grpc_byte_buffer *weft_rpc_bytes_to_buffer(const WeftRpcBytes *bytes);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All messages of our .proto files that are not nested in another: for tests and fuzz targets. The
 * table is generated and not part of any program. */
#pragma once

#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

/* In the order of the .proto files. */
extern const ProtobufCMessageDescriptor *const weft_proto_messages[];
extern const size_t weft_proto_n_messages;

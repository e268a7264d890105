/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The methods of all gRPC services of this project. The table itself, weft_proto_methods[], and an
 * index constant for each of them (WEFT_METHOD_<SERVICE>_<METHOD>) are generated from the .proto
 * files: include "proto/methods.h". protobuf-c's own service descriptors lack the streaming kinds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct weft_proto_method {
	const char *path;    /* "/management.ManagementService/Sync": the :path of HTTP/2 */
	const char *service; /* "management.ManagementService" */
	const char *name;    /* "Sync" */
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response;
	bool client_streaming; /* the client may send any number of messages, else exactly one */
	bool server_streaming;
};

/* The method of that path (@len bytes, NUL not needed), or NULL. Binary search; thread-safe. */
const struct weft_proto_method *weft_proto_method_find(const char *path, size_t len);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of the room: a list of core's channel arguments. */
#pragma once

#include <grpc/grpc.h>

#define WEFT_RPC_ARGS_MAX 32

struct weft_rpc_args {
	grpc_arg v[WEFT_RPC_ARGS_MAX];
	grpc_channel_args list;
};

/* What both sides need: no compression (a bomb of 0.5 MB would cost 512 MiB before any limit is
 * looked at), no probing of the bandwidth (a ping for every burst of data). */
void weft_rpc_args_init(struct weft_rpc_args *args);
void weft_rpc_args_int(struct weft_rpc_args *args, const char *key, unsigned value);
/* @value is borrowed until the arguments were used. */
void weft_rpc_args_string(struct weft_rpc_args *args, const char *key, const char *value);

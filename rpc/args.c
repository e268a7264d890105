/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/args.h"

#include <glib.h>
#include <limits.h>

static grpc_arg *
next(struct weft_rpc_args *args, const char *key)
{
	grpc_arg *arg;

	g_assert(args->list.num_args < WEFT_RPC_ARGS_MAX);
	arg = &args->v[args->list.num_args++];
	arg->key = (char *) key;
	return arg;
}

void
weft_rpc_args_int(struct weft_rpc_args *args, const char *key, unsigned value)
{
	grpc_arg *arg = next(args, key);

	arg->type = GRPC_ARG_INTEGER;
	arg->value.integer = value > INT_MAX ? INT_MAX : (int) value;
}

void
weft_rpc_args_string(struct weft_rpc_args *args, const char *key, const char *value)
{
	grpc_arg *arg = next(args, key);

	arg->type = GRPC_ARG_STRING;
	arg->value.string = (char *) value;
}

void
weft_rpc_args_init(struct weft_rpc_args *args)
{
	args->list = (grpc_channel_args){ .args = args->v };
	weft_rpc_args_int(args, GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
	weft_rpc_args_int(args, GRPC_ARG_HTTP2_BDP_PROBE, 0);
	weft_rpc_args_int(args, GRPC_ARG_ENABLE_CHANNELZ, 0);
	weft_rpc_args_int(args, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
	weft_rpc_args_int(args, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

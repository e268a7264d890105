/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One packed message to many streams without keeping anybody else waiting: a chunk of streams is
 * served per turn of the delivery thread. */
#pragma once

#include <stddef.h>

#include "rpc/bytes.h"
#include "rpc/method.h"
#include "rpc/runtime.h"

struct weft_rpc_broadcast_result {
	size_t sent;   /* queued or on its way */
	size_t full;   /* refused or replaced by the policy of their method */
	size_t closed; /* over by then */
};

/* References every call and @bytes until served. @on_end (may be NULL) runs where callbacks run.
 * Two broadcasts to one stream keep their order. Any thread. */
void weft_rpc_broadcast(WeftRpcRuntime *rt,
			WeftRpcCall *const *calls,
			size_t count,
			WeftRpcBytes *bytes,
			void (*on_end)(const struct weft_rpc_broadcast_result *result, void *user),
			void *user);

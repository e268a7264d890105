/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/broadcast.h"

#include "rpc/call.h"
#include "rpc/limits.h"
#include "rpc/queue.h"

struct broadcast {
	WeftRpcRuntime *rt;
	WeftRpcCall **calls;
	size_t count, next;
	WeftRpcBytes *bytes;
	struct weft_rpc_broadcast_result result;
	void (*on_end)(const struct weft_rpc_broadcast_result *result, void *user);
	void *user;
};

static void
send_one(struct broadcast *b, WeftRpcCall *call)
{
	switch (weft_rpc_call_send_bytes(call, b->bytes)) {
	case WEFT_RPC_SEND_OK:
		b->result.sent++;
		break;
	case WEFT_RPC_SEND_REPLACED:
	case WEFT_RPC_SEND_FULL:
		b->result.full++;
		break;
	case WEFT_RPC_SEND_CLOSED:
		b->result.closed++;
		break;
	}
	weft_rpc_call_unref(call);
}

static void
broadcast_step(void *data)
{
	struct broadcast *b = data;
	size_t end = MIN(b->next + WEFT_RPC_BROADCAST_CHUNK, b->count);

	while (b->next < end)
		send_one(b, b->calls[b->next++]);
	if (b->next < b->count) {
		weft_rpc_runtime_yield(b->rt, broadcast_step, b);
		return;
	}
	if (b->on_end != NULL)
		b->on_end(&b->result, b->user);
	weft_rpc_bytes_unref(b->bytes);
	g_free(b->calls);
	g_free(b);
}

void
weft_rpc_broadcast(WeftRpcRuntime *rt,
		   WeftRpcCall *const *calls,
		   size_t count,
		   WeftRpcBytes *bytes,
		   void (*on_end)(const struct weft_rpc_broadcast_result *result, void *user),
		   void *user)
{
	struct broadcast *b = g_new0(struct broadcast, 1);

	b->rt = rt;
	b->calls = g_new(WeftRpcCall *, count);
	for (size_t i = 0; i < count; i++)
		b->calls[i] = weft_rpc_call_ref(calls[i]);
	b->count = count;
	b->bytes = weft_rpc_bytes_ref(bytes);
	b->on_end = on_end;
	b->user = user;
	weft_rpc_runtime_invoke(rt, broadcast_step, b);
}

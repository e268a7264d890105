/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/interop/rpc-test-methods.h"

#include "tests/interop/rpc_test.pb-c.h"

#define METHOD(text, c, s)                                                                         \
	{                                                                                          \
		.path = "/weft.test.Test/" text, .service = "weft.test.Test", .name = text,        \
		.request = &weft__test__node__descriptor,                                          \
		.response = &weft__test__node__descriptor, .client_streaming = (c),                \
		.server_streaming = (s)                                                            \
	}

const struct weft_proto_method test_protos[TEST_METHOD_COUNT_] = {
	[TEST_UNARY] = METHOD("Unary", false, false),
	[TEST_NODE] = METHOD("Node", false, false),
	[TEST_SERVER] = METHOD("Server", false, true),
	[TEST_CLIENT] = METHOD("Client", true, false),
	[TEST_BIDI] = METHOD("Bidi", true, true),
	[TEST_REGISTER] = METHOD("Register", true, true),
	[TEST_FLOOD] = METHOD("Flood", false, true),
	[TEST_LATEST] = METHOD("Latest", false, true),
	[TEST_HOLD] = METHOD("Hold", false, true),
	[TEST_PUBLISH] = METHOD("Publish", false, false),
	[TEST_HANG] = METHOD("Hang", false, false),
	[TEST_PEER] = METHOD("Peer", false, false),
	[TEST_STATS] = METHOD("Stats", false, false),
};

#define RAW(m) .proto = &test_protos[m], .raw = true

const struct weft_rpc_method test_methods[TEST_METHOD_COUNT_] = {
	[TEST_UNARY] = { RAW(TEST_UNARY) },
	[TEST_NODE] = { .proto = &test_protos[TEST_NODE] },
	[TEST_SERVER] = { RAW(TEST_SERVER), .queue_max_messages = 16 },
	[TEST_CLIENT] = { RAW(TEST_CLIENT) },
	[TEST_BIDI] = { RAW(TEST_BIDI) },
	[TEST_REGISTER] = { RAW(TEST_REGISTER) },
	[TEST_FLOOD] = { RAW(TEST_FLOOD), .policy = WEFT_RPC_QUEUE_DROP,
			 .queue_max_bytes = 256 * 1024 },
	[TEST_LATEST] = { RAW(TEST_LATEST), .policy = WEFT_RPC_QUEUE_COALESCE },
	[TEST_HOLD] = { RAW(TEST_HOLD), .send_timeout_ms = 1500 },
	[TEST_PUBLISH] = { RAW(TEST_PUBLISH) },
	[TEST_HANG] = { RAW(TEST_HANG) },
	[TEST_PEER] = { RAW(TEST_PEER) },
	[TEST_STATS] = { RAW(TEST_STATS) },
};

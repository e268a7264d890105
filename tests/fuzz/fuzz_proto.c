/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first byte chooses a message that strangers send; the rest is decoded as such within a
 * budget. What is accepted must encode, decode again, and then encode to the same bytes. */
#include "proto/decode.h"
#include "proto/flow.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/management.pb-c.h"
#include "proto/signalexchange.pb-c.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* New ones go to the end: seeds name them by number. */
static const ProtobufCMessageDescriptor *const messages[] = {
	&management__encrypted_message__descriptor,
	&management__login_request__descriptor,
	&management__login_response__descriptor,
	&management__sync_request__descriptor,
	&management__sync_response__descriptor,
	&management__sync_meta_request__descriptor,
	&management__job_request__descriptor,
	&management__job_response__descriptor,
	&management__server_key_response__descriptor,
	&management__device_authorization_flow__descriptor,
	&management__pkceauthorization_flow__descriptor,
	&management__extend_auth_session_request__descriptor,
	&management__extend_auth_session_response__descriptor,
	&management__expose_service_request__descriptor,
	&management__expose_service_response__descriptor,
	&signalexchange__encrypted_message__descriptor,
	&signalexchange__body__descriptor,
	&flow__flow_event__descriptor,
	&flow__flow_event_ack__descriptor,
	&grpc__health__v1__health_check_request__descriptor,
	&grpc__health__v1__health_check_response__descriptor,
};

static uint8_t *
encode(const ProtobufCMessage *msg, size_t *ret_len)
{
	size_t len = protobuf_c_message_get_packed_size(msg);
	uint8_t *out = malloc(len + 1);

	FUZZ_REQUIRE(out != NULL);
	FUZZ_REQUIRE(protobuf_c_message_pack(msg, out) == len);
	*ret_len = len;
	return out;
}

static void
again(const ProtobufCMessage *msg, WeftArena *arena)
{
	ProtobufCMessage *second = NULL;
	size_t len, len2;
	uint8_t *bytes = encode(msg, &len), *bytes2;

	FUZZ_REQUIRE(weft_proto_decode(&second, msg->descriptor, bytes, len, SIZE_MAX, arena) ==
		     WEFT_PROTO_OK);
	bytes2 = encode(second, &len2);
	FUZZ_REQUIRE(len2 == len && memcmp(bytes, bytes2, len) == 0);
	free(bytes);
	free(bytes2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t n = sizeof(messages) / sizeof(messages[0]);
	WeftArena *arena = weft_arena_new();
	ProtobufCMessage *msg = NULL;
	enum weft_proto_status status;
	size_t budget;

	FUZZ_REQUIRE(arena != NULL);
	if (size > 0) {
		budget = WEFT_PROTO_BUDGET_FOR(size);
		status = weft_proto_decode(&msg, messages[data[0] % n], data + 1, size - 1, budget,
					   arena);
		FUZZ_REQUIRE(weft_arena_used(arena) <= budget);
		FUZZ_REQUIRE((status == WEFT_PROTO_OK) == (msg != NULL));
		if (msg != NULL)
			again(msg, arena);
	}
	weft_arena_free(arena);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The service of rpc-testd, shared with rpc-testc. Raw text goes through all of it but Node. */
#pragma once

#include "proto/method.h"
#include "rpc/method.h"

enum test_method {
	TEST_UNARY,    /* echo; see rpc-test-service.c for what headers ask */
	TEST_NODE,     /* decodes a weft.test.Node */
	TEST_SERVER,   /* "COUNT SIZE": so many messages of that size */
	TEST_CLIENT,   /* counts messages and bytes */
	TEST_BIDI,     /* echo */
	TEST_REGISTER, /* answers by a header before any message; needs x-id */
	TEST_FLOOD,    /* "COUNT SIZE" without looking at the queue: dropped when it overflows */
	TEST_LATEST,   /* "COUNT SIZE" into one slot */
	TEST_HOLD,     /* "COUNT SIZE", then stays; receives what TEST_PUBLISH sends */
	TEST_PUBLISH,  /* broadcasts the request to the streams of TEST_HOLD */
	TEST_HANG,     /* never answers */
	TEST_PEER,     /* who is calling */
	TEST_STATS,    /* counters as text */
	TEST_METHOD_COUNT_
};

extern const struct weft_proto_method test_protos[TEST_METHOD_COUNT_];
extern const struct weft_rpc_method test_methods[TEST_METHOD_COUNT_];

struct weft_rpc_server;
struct weft_rpc_runtime;

struct test_service;
struct test_service *test_service_new(struct weft_rpc_runtime *rt, struct weft_rpc_server *server);
void test_service_free(struct test_service *service);

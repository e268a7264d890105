/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decoding of protobuf messages that strangers send, into an arena with a byte budget.
 *
 * protobuf-c alone allocates many times the bytes it reads (35 times for empty repeated strings),
 * accepts strings that are not UTF-8 or hold a NUL, and recurses as deep as the input says. Here a
 * walk over the bytes, which allocates nothing, checks every string, the nesting and the number of
 * unknown fields first; then a budget bounds what decoding takes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "proto/arena.h"

enum weft_proto_status {
	WEFT_PROTO_OK,
	WEFT_PROTO_MALFORMED,  /* not this message: wire format, wrong type, a submessage twice */
	WEFT_PROTO_BUDGET,     /* needs more memory than the budget, or than the system has */
	WEFT_PROTO_BAD_STRING, /* a string is not UTF-8 or holds a NUL */
	WEFT_PROTO_TOO_DEEP,   /* messages nested deeper than WEFT_PROTO_MAX_DEPTH */
	WEFT_PROTO_UNKNOWN,    /* more than WEFT_PROTO_MAX_UNKNOWN fields that the schema lacks */
	WEFT_PROTO_STATUS_COUNT_
};

/* "ok", "malformed", ... */
const char *weft_proto_status_name(enum weft_proto_status status);

/* Our schemas nest 7 deep at most; the rest is for later ones. */
#define WEFT_PROTO_MAX_DEPTH 16

/* A later version of a peer adds a few fields; many are an attack on memory. Counted in all nested
 * messages together, repetitions included. */
#define WEFT_PROTO_MAX_UNKNOWN 1024

/* What decoding of @len bytes may reasonably take: more than the official programs' messages of any
 * kind need. Hostile ones want up to 100 times their length. */
#define WEFT_PROTO_BUDGET_FOR(len) (4096 + 16 * (size_t) (len))

/* Decodes @len bytes as a message of @desc into @arena, behind what is there already, using at most
 * @budget bytes of it. On success *ret is the message, valid until the arena is reset or freed; it
 * is never given to protobuf-c's free functions. On failure *ret is untouched and the memory used
 * so far stays taken until the reset. @buf is not referenced afterwards. Fields that the schema
 * lacks are kept as protobuf-c does. */
enum weft_proto_status weft_proto_decode(ProtobufCMessage **ret,
					 const ProtobufCMessageDescriptor *desc,
					 const uint8_t *buf,
					 size_t len,
					 size_t budget,
					 WeftArena *arena);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/decode.h"

#include "base/cursor.h"
#include "base/utf8.h"

static const char *const status_names[WEFT_PROTO_STATUS_COUNT_] = {
	[WEFT_PROTO_OK] = "ok",
	[WEFT_PROTO_MALFORMED] = "malformed",
	[WEFT_PROTO_BUDGET] = "too much memory",
	[WEFT_PROTO_BAD_STRING] = "bad string",
	[WEFT_PROTO_TOO_DEEP] = "nested too deep",
	[WEFT_PROTO_UNKNOWN] = "too many unknown fields",
};

const char *
weft_proto_status_name(enum weft_proto_status status)
{
	return status < WEFT_PROTO_STATUS_COUNT_ ? status_names[status] : "?";
}

/* The walk over the bytes. Every byte sequence that protobuf-c's parser accepts is either read here
 * as that parser reads it, or refused: so a string cannot hide from the check. */
struct walk {
	enum weft_proto_status status; /* the first defect; sticky */
	unsigned unknown;
};

static void
defect(struct walk *walk, enum weft_proto_status status)
{
	if (walk->status == WEFT_PROTO_OK)
		walk->status = status;
}

static void walk_message(struct walk *walk,
			 struct weft_cursor *c,
			 const ProtobufCMessageDescriptor *desc,
			 unsigned depth);

/* The length of a value with a length prefix. protobuf-c reads five bytes of it at most. */
static size_t
length(struct weft_cursor *c)
{
	const uint8_t *start = c->pos;
	uint64_t len = weft_cursor_varint(c);

	if (c->ok && (c->pos - start > 5 || len > weft_cursor_left(c)))
		weft_cursor_fail(c);
	return c->ok ? (size_t) len : 0;
}

static void
walk_bytes(struct walk *walk,
	   struct weft_cursor *c,
	   const ProtobufCFieldDescriptor *field,
	   unsigned depth)
{
	size_t len = length(c);
	const uint8_t *bytes = weft_cursor_bytes(c, len);
	struct weft_cursor sub;

	if (bytes == NULL || field == NULL)
		return;
	if (field->type == PROTOBUF_C_TYPE_STRING && !weft_utf8_valid(bytes, len))
		defect(walk, WEFT_PROTO_BAD_STRING);
	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return;
	sub = weft_cursor(bytes, len);
	walk_message(walk, &sub, field->descriptor, depth + 1);
}

/* protobuf-c takes a bool in any wire type; the schema does not. */
static bool
wire_type_fits(const ProtobufCFieldDescriptor *field, unsigned wire_type)
{
	unsigned own = PROTOBUF_C_WIRE_TYPE_VARINT;

	switch ((int) field->type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		own = PROTOBUF_C_WIRE_TYPE_32BIT;
		break;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		own = PROTOBUF_C_WIRE_TYPE_64BIT;
		break;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	default:
		break;
	}
	return wire_type == own || (wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED &&
				    field->label == PROTOBUF_C_LABEL_REPEATED);
}

/* A submessage that is there once may be given in pieces, which are then merged. No encoder does
 * that, protobuf-c merges wrongly (1.4: it loses a bool), and each piece costs memory. @seen has a
 * bit for each of the first 64 fields. */
static bool
is_repeated(const ProtobufCMessageDescriptor *desc,
	    const ProtobufCFieldDescriptor *field,
	    uint64_t *seen)
{
	size_t index = (size_t) (field - desc->fields);
	uint64_t bit = index < 64 ? UINT64_C(1) << index : 0;
	bool before = (*seen & bit) != 0;

	if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label == PROTOBUF_C_LABEL_REPEATED)
		return false;
	*seen |= bit;
	return before;
}

static void
walk_field(struct walk *walk,
	   struct weft_cursor *c,
	   const ProtobufCMessageDescriptor *desc,
	   unsigned depth,
	   uint64_t *seen)
{
	const uint8_t *start = c->pos;
	uint64_t tag = weft_cursor_varint(c);
	const ProtobufCFieldDescriptor *field;

	if (!c->ok || c->pos - start > 5 || tag > UINT32_MAX || tag >> 3 == 0) {
		defect(walk, WEFT_PROTO_MALFORMED);
		return;
	}
	field = protobuf_c_message_descriptor_get_field(desc, (unsigned) (tag >> 3));
	if (field == NULL && ++walk->unknown > WEFT_PROTO_MAX_UNKNOWN)
		defect(walk, WEFT_PROTO_UNKNOWN);
	if (field != NULL && (!wire_type_fits(field, tag & 7) || is_repeated(desc, field, seen)))
		defect(walk, WEFT_PROTO_MALFORMED);
	switch (tag & 7) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		weft_cursor_varint(c);
		break;
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		weft_cursor_skip(c, 8);
		break;
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		walk_bytes(walk, c, field, depth);
		break;
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		weft_cursor_skip(c, 4);
		break;
	default: /* groups, which proto3 lacks, and what no version defines */
		defect(walk, WEFT_PROTO_MALFORMED);
		break;
	}
	if (!c->ok)
		defect(walk, WEFT_PROTO_MALFORMED);
}

static void
walk_message(struct walk *walk,
	     struct weft_cursor *c,
	     const ProtobufCMessageDescriptor *desc,
	     unsigned depth)
{
	uint64_t seen = 0;

	if (depth > WEFT_PROTO_MAX_DEPTH)
		defect(walk, WEFT_PROTO_TOO_DEEP);
	while (walk->status == WEFT_PROTO_OK && weft_cursor_left(c) > 0)
		walk_field(walk, c, desc, depth, &seen);
}

struct budget {
	WeftArena *arena;
	size_t left;
	bool exceeded;
};

static void *
budget_alloc(void *data, size_t size)
{
	struct budget *budget = data;
	void *start = NULL;

	if (size <= budget->left && !budget->exceeded)
		start = weft_arena_alloc(budget->arena, size);
	if (start == NULL) {
		budget->exceeded = true;
		return NULL;
	}
	/* The arena rounds up to eight. */
	size = (size + 7) & ~(size_t) 7;
	budget->left -= size < budget->left ? size : budget->left;
	return start;
}

static void
budget_free(void *data, void *start)
{
}

enum weft_proto_status
weft_proto_decode(ProtobufCMessage **ret,
		  const ProtobufCMessageDescriptor *desc,
		  const uint8_t *buf,
		  size_t len,
		  size_t budget_bytes,
		  WeftArena *arena)
{
	struct weft_cursor c = weft_cursor(buf, len);
	struct walk walk = { .status = WEFT_PROTO_OK };
	struct budget budget = { .arena = arena, .left = budget_bytes };
	ProtobufCAllocator allocator = {
		.alloc = budget_alloc,
		.free = budget_free,
		.allocator_data = &budget,
	};
	ProtobufCMessage *msg;

	walk_message(&walk, &c, desc, 1);
	if (walk.status != WEFT_PROTO_OK)
		return walk.status;
	msg = protobuf_c_message_unpack(desc, &allocator, len, buf);
	if (budget.exceeded)
		return WEFT_PROTO_BUDGET;
	if (msg == NULL)
		return WEFT_PROTO_MALFORMED;
	*ret = msg;
	return WEFT_PROTO_OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/decode.h"

#include "base/cursor.h"
#include "proto/google/protobuf/descriptor.pb-c.h"
#include "proto/management.pb-c.h"
#include "proto/signalexchange.pb-c.h"

#include <glib.h>

#include <string.h>

#define SYNC     &management__sync_response__descriptor
#define LOGIN    &management__login_request__descriptor
#define MAP      &management__network_map__descriptor
#define RELAY    &management__relay_config__descriptor
#define SSH_AUTH &management__sshauth__descriptor
#define ENVELOPE &management__encrypted_message__descriptor
#define BODY     &signalexchange__body__descriptor

struct row {
	const char *what;
	const ProtobufCMessageDescriptor *desc;
	const char *hex;
	enum weft_proto_status status;
};

static const struct row rows[] = {
	{ "empty", LOGIN, "", WEFT_PROTO_OK },
	{ "string", LOGIN, "0a 02 6869", WEFT_PROTO_OK },
	{ "nested-string", LOGIN, "12 04 0a 02 6869", WEFT_PROTO_OK },
	{ "utf8-string", LOGIN, "0a 02 c3a9", WEFT_PROTO_OK },
	{ "bad-utf8", LOGIN, "0a 02 fffe", WEFT_PROTO_BAD_STRING },
	{ "nul-in-string", LOGIN, "0a 03 610062", WEFT_PROTO_BAD_STRING },
	{ "bad-utf8-nested", LOGIN, "12 04 0a 02 fffe", WEFT_PROTO_BAD_STRING },
	{ "bad-utf8-in-repeated", LOGIN, "2a 01 61 2a 01 ff", WEFT_PROTO_BAD_STRING },
	{ "bad-utf8-overwritten-by-later", LOGIN, "0a 01 ff 0a 01 61", WEFT_PROTO_BAD_STRING },
	{ "bad-utf8-in-map-key", SSH_AUTH, "1a 03 0a 01 ff", WEFT_PROTO_BAD_STRING },
	{ "bad-utf8-in-oneof", BODY, "42 01 ff", WEFT_PROTO_BAD_STRING },
	{ "any-bytes-in-bytes", ENVELOPE, "12 03 ff00fe", WEFT_PROTO_OK },
	{ "packed-enums", LOGIN, "12 06 9201 03 01 02 03", WEFT_PROTO_OK },
	{ "unpacked-enums", LOGIN, "12 06 9001 01 9001 02", WEFT_PROTO_OK },
	{ "negative-int32", ENVELOPE, "18 ffffffffffffffffff01", WEFT_PROTO_OK },
	{ "unknown-varint", LOGIN, "a00601", WEFT_PROTO_OK },
	{ "unknown-bytes-not-text", LOGIN, "a206 02 ff00", WEFT_PROTO_OK },
	{ "unknown-fixed", LOGIN, "a506 01020304 a106 0102030405060708", WEFT_PROTO_OK },
	{ "cut-tag", LOGIN, "92", WEFT_PROTO_MALFORMED },
	{ "cut-length", LOGIN, "0a", WEFT_PROTO_MALFORMED },
	{ "cut-string", LOGIN, "0a 03 6869", WEFT_PROTO_MALFORMED },
	{ "cut-varint", ENVELOPE, "18 80", WEFT_PROTO_MALFORMED },
	{ "cut-fixed32", LOGIN, "a506 010203", WEFT_PROTO_MALFORMED },
	{ "cut-fixed64", LOGIN, "a106 01020304050607", WEFT_PROTO_MALFORMED },
	{ "cut-nested", LOGIN, "12 02 0a 01", WEFT_PROTO_MALFORMED },
	{ "huge-length", LOGIN, "0a ffffffff0f", WEFT_PROTO_MALFORMED },
	{ "length-over-32-bits", LOGIN, "0a 808080808001", WEFT_PROTO_MALFORMED },
	{ "long-length", LOGIN, "0a 8280808000 6869", WEFT_PROTO_OK },
	{ "too-long-length", LOGIN, "0a 828080808000 6869", WEFT_PROTO_MALFORMED },
	{ "varint-too-long", ENVELOPE, "18 ffffffffffffffffffff01", WEFT_PROTO_MALFORMED },
	{ "field-zero", LOGIN, "02 00", WEFT_PROTO_MALFORMED },
	{ "tag-over-32-bits", LOGIN, "8a8080801000", WEFT_PROTO_MALFORMED },
	{ "group", LOGIN, "0b 0c", WEFT_PROTO_MALFORMED },
	{ "unknown-group", LOGIN, "a306 a406", WEFT_PROTO_MALFORMED },
	{ "wire-type-six", LOGIN, "0e 00", WEFT_PROTO_MALFORMED },
	{ "wire-type-seven", LOGIN, "0f 00", WEFT_PROTO_MALFORMED },
	{ "string-as-varint", LOGIN, "08 01", WEFT_PROTO_MALFORMED },
	{ "message-as-varint", LOGIN, "10 01", WEFT_PROTO_MALFORMED },
	{ "int-as-bytes", ENVELOPE, "1a 01 01", WEFT_PROTO_MALFORMED },
	{ "int-as-fixed", ENVELOPE, "1d 01000000", WEFT_PROTO_MALFORMED },
	{ "bool-as-bytes", SYNC, "22 01 01", WEFT_PROTO_MALFORMED },
	{ "bool-as-fixed32", SYNC, "25 01000000", WEFT_PROTO_MALFORMED },
	{ "bool-as-fixed64", SYNC, "21 0100000000000000", WEFT_PROTO_MALFORMED },
	{ "bool", SYNC, "20 01", WEFT_PROTO_OK },
	{ "submessage-twice", LOGIN, "12 00 12 00", WEFT_PROTO_MALFORMED },
	{ "submessage-twice-nested", LOGIN, "12 06 8a01 00 8a01 00", WEFT_PROTO_MALFORMED },
	{ "repeated-submessage-twice", MAP, "1a 00 1a 00", WEFT_PROTO_OK },
	{ "scalar-twice", LOGIN, "0a 01 61 0a 01 62", WEFT_PROTO_OK },
};

static GBytes *
from_hex(const char *hex)
{
	GByteArray *out = g_byte_array_new();
	int high = -1;

	for (; *hex != '\0'; hex++) {
		int digit = g_ascii_xdigit_value(*hex);
		uint8_t byte = (uint8_t) (high * 16 + digit);

		if (digit < 0)
			continue;
		if (high >= 0)
			g_byte_array_append(out, &byte, 1);
		high = high >= 0 ? -1 : digit;
	}
	g_assert_cmpint(high, ==, -1);
	return g_byte_array_free_to_bytes(out);
}

/* @count times the bytes of @hex. */
static GBytes *
repeat(const char *hex, size_t count)
{
	g_autoptr(GBytes) one = from_hex(hex);
	GByteArray *out = g_byte_array_new();

	for (size_t i = 0; i < count; i++)
		g_byte_array_append(out, g_bytes_get_data(one, NULL),
				    (guint) g_bytes_get_size(one));
	return g_byte_array_free_to_bytes(out);
}

static enum weft_proto_status
decode(const ProtobufCMessageDescriptor *desc, GBytes *bytes, size_t budget, WeftArena *arena)
{
	ProtobufCMessage *msg = NULL;
	size_t len = g_bytes_get_size(bytes);
	/* An exact copy, so that a sanitizer sees reads beyond the end; gone before it is used. */
	g_autofree uint8_t *copy = g_memdup2(g_bytes_get_data(bytes, NULL), len);
	enum weft_proto_status status = weft_proto_decode(&msg, desc, copy, len, budget, arena);

	if (status != WEFT_PROTO_OK) {
		g_assert_null(msg);
		return status;
	}
	g_assert_nonnull(msg);
	g_assert_true(msg->descriptor == desc);
	g_assert_true(protobuf_c_message_check(msg));
	return status;
}

static void
test_row(gconstpointer data)
{
	const struct row *row = data;
	WeftArena *arena = weft_arena_new();
	g_autoptr(GBytes) bytes = from_hex(row->hex);

	g_assert_cmpstr(weft_proto_status_name(decode(row->desc, bytes, 65536, arena)), ==,
			weft_proto_status_name(row->status));
	weft_arena_free(arena);
}

/* Whatever of a row's bytes is cut off or added, nothing breaks and nothing bad passes. */
static void
test_cuts(void)
{
	WeftArena *arena = weft_arena_new();

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GBytes) bytes = from_hex(rows[i].hex);

		for (size_t len = 0; len < g_bytes_get_size(bytes); len++) {
			g_autoptr(GBytes) cut = g_bytes_new_from_bytes(bytes, 0, len);

			(void) decode(rows[i].desc, cut, 65536, arena);
			weft_arena_reset(arena, 4096);
		}
	}
	weft_arena_free(arena);
}

struct attack {
	const char *what;
	const ProtobufCMessageDescriptor *desc;
	const char *hex;
	enum weft_proto_status status;
};

static const struct attack attacks[] = {
	{ "empty-strings", RELAY, "0a00", WEFT_PROTO_BUDGET },
	{ "empty-map-entries", SSH_AUTH, "1a00", WEFT_PROTO_BUDGET },
	{ "empty-messages", MAP, "1a00", WEFT_PROTO_BUDGET },
	{ "empty-bytes", SSH_AUTH, "1200", WEFT_PROTO_BUDGET },
	{ "unknown-varints", LOGIN, "a00601", WEFT_PROTO_UNKNOWN },
	{ "unknown-bytes", LOGIN, "a20600", WEFT_PROTO_UNKNOWN },
};

/* 4 MiB that would become some 100 MiB stop at the budget. */
static void
test_attack(gconstpointer data)
{
	const struct attack *attack = data;
	const size_t budget = 16 * 1024 * 1024;
	WeftArena *arena = weft_arena_new();
	g_autoptr(GBytes) bytes = repeat(attack->hex, 4 * 1024 * 1024 / (strlen(attack->hex) / 2));

	g_assert_cmpstr(weft_proto_status_name(decode(attack->desc, bytes, budget, arena)), ==,
			weft_proto_status_name(attack->status));
	g_assert_cmpuint(weft_arena_used(arena), <=, budget + 8);
	g_assert_cmpuint(weft_arena_held(arena), <=, 2 * budget);
	weft_arena_reset(arena, 0);
	g_assert_cmpuint(weft_arena_held(arena), ==, 0);
	weft_arena_free(arena);
}

static GBytes *
nested(unsigned field, unsigned depth)
{
	size_t size = (size_t) depth * 8;
	g_autofree uint8_t *buf = g_malloc(size);
	uint8_t *start = buf + size;

	for (unsigned i = 0; i < depth; i++) {
		uint8_t head[8];
		struct weft_builder b = weft_builder(head, sizeof(head));

		g_assert_true(weft_builder_varint(&b, field << 3 | 2));
		g_assert_true(weft_builder_varint(&b, (uint64_t) (buf + size - start)));
		start -= weft_builder_len(&b);
		memcpy(start, head, weft_builder_len(&b));
	}
	return g_bytes_new(start, (size_t) (buf + size - start));
}

/* protobuf.DescriptorProto may hold itself, as none of our messages may: 34 kB of it end a process
 * that gives them to protobuf-c. */
static void
test_recursive(void)
{
	const ProtobufCMessageDescriptor *desc = &google__protobuf__descriptor_proto__descriptor;
	WeftArena *arena = weft_arena_new();
	g_autoptr(GBytes) shallow = nested(3, WEFT_PROTO_MAX_DEPTH - 1);
	g_autoptr(GBytes) deeper = nested(3, WEFT_PROTO_MAX_DEPTH);
	g_autoptr(GBytes) deep = nested(3, 10000);
	g_autoptr(GBytes) deepest = nested(3, 1000000);

	g_assert_cmpuint(g_bytes_get_size(deep), >, 34000);
	g_assert_cmpint(decode(desc, shallow, 1 << 20, arena), ==, WEFT_PROTO_OK);
	g_assert_cmpint(decode(desc, deeper, 1 << 20, arena), ==, WEFT_PROTO_TOO_DEEP);
	g_assert_cmpint(decode(desc, deep, 1 << 20, arena), ==, WEFT_PROTO_TOO_DEEP);
	g_assert_cmpint(decode(desc, deepest, 1 << 20, arena), ==, WEFT_PROTO_TOO_DEEP);
	weft_arena_free(arena);
}

static unsigned
depth_of(const ProtobufCMessageDescriptor *desc, unsigned above)
{
	unsigned deepest = 1;

	g_assert_cmpuint(above, <, WEFT_PROTO_MAX_DEPTH);
	for (unsigned i = 0; i < desc->n_fields; i++) {
		unsigned below;

		if (desc->fields[i].type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		below = depth_of(desc->fields[i].descriptor, above + 1);
		if (below >= deepest)
			deepest = below + 1;
	}
	return deepest;
}

static void
test_schema_depth(void)
{
	g_assert_cmpuint(depth_of(SYNC, 0), <=, 7);
	g_assert_cmpuint(depth_of(LOGIN, 0), <=, 7);
	g_assert_cmpuint(depth_of(BODY, 0), <=, 7);
}

static void
test_unknown_limit(void)
{
	WeftArena *arena = weft_arena_new();
	g_autoptr(GBytes) allowed = repeat("a00601", WEFT_PROTO_MAX_UNKNOWN);
	g_autoptr(GBytes) refused = repeat("a00601", WEFT_PROTO_MAX_UNKNOWN + 1);

	g_assert_cmpint(decode(LOGIN, allowed, 1 << 20, arena), ==, WEFT_PROTO_OK);
	g_assert_cmpint(decode(LOGIN, refused, 1 << 20, arena), ==, WEFT_PROTO_UNKNOWN);
	weft_arena_free(arena);
}

/* Any budget below what a message needs is refused, and never overrun. */
static void
test_every_budget(void)
{
	WeftArena *arena = weft_arena_new();
	g_autoptr(GBytes) bytes =
		from_hex("0a026869 12 11 0a026869 5a06 0a0131 120132 9201020102 1a0178"
			 "2204 12020102 2a0161 2a0162");
	size_t needed;

	g_assert_cmpint(decode(LOGIN, bytes, SIZE_MAX, arena), ==, WEFT_PROTO_OK);
	needed = weft_arena_used(arena);
	g_assert_cmpuint(needed, >, 300);
	for (size_t budget = 0; budget < needed + 64; budget += 8) {
		enum weft_proto_status status;

		weft_arena_reset(arena, 4096);
		status = decode(LOGIN, bytes, budget, arena);
		g_assert_cmpint(status, ==, budget < needed ? WEFT_PROTO_BUDGET : WEFT_PROTO_OK);
		g_assert_cmpuint(weft_arena_used(arena), <=, budget);
	}
	weft_arena_free(arena);
}

/* Two messages share an arena: the first stays readable. */
static void
test_shared_arena(void)
{
	WeftArena *arena = weft_arena_new();
	g_autoptr(GBytes) first = from_hex("0a 05 6669727374");
	g_autoptr(GBytes) second = from_hex("0a 06 7365636f6e64");
	ProtobufCMessage *one = NULL, *two = NULL;

	g_assert_cmpint(weft_proto_decode(&one, LOGIN, g_bytes_get_data(first, NULL),
					  g_bytes_get_size(first), 4096, arena),
			==, WEFT_PROTO_OK);
	g_assert_cmpint(weft_proto_decode(&two, LOGIN, g_bytes_get_data(second, NULL),
					  g_bytes_get_size(second), 4096, arena),
			==, WEFT_PROTO_OK);
	g_assert_cmpstr(((Management__LoginRequest *) one)->setupkey, ==, "first");
	g_assert_cmpstr(((Management__LoginRequest *) two)->setupkey, ==, "second");
	weft_arena_free(arena);
}

static void
test_names(void)
{
	for (unsigned i = 0; i < WEFT_PROTO_STATUS_COUNT_; i++)
		g_assert_nonnull(weft_proto_status_name(i));
	g_assert_cmpstr(weft_proto_status_name(WEFT_PROTO_STATUS_COUNT_), ==, "?");
}

int
main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *path = g_strdup_printf("/proto/decode/bytes/%s", rows[i].what);

		g_test_add_data_func(path, &rows[i], test_row);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(attacks); i++) {
		g_autofree char *path = g_strdup_printf("/proto/decode/attack/%s", attacks[i].what);

		g_test_add_data_func(path, &attacks[i], test_attack);
	}
	g_test_add_func("/proto/decode/attack/recursion", test_recursive);
	g_test_add_func("/proto/decode/our-schemas-are-shallow", test_schema_depth);
	g_test_add_func("/proto/decode/cuts", test_cuts);
	g_test_add_func("/proto/decode/unknown-fields-are-limited", test_unknown_limit);
	g_test_add_func("/proto/decode/every-budget", test_every_budget);
	g_test_add_func("/proto/decode/messages-share-an-arena", test_shared_arena);
	g_test_add_func("/proto/decode/status-names", test_names);
	return g_test_run();
}

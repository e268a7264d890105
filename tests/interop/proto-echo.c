/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Helper of test_proto.py. Reads lines "TYPE HEX"; answers each with a line "STATUS HEX" (the
 * message encoded again), one line per value that the decoded message holds, and a line ".". */
#include "proto/decode.h"
#include "proto/messages.h"

#include <glib.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void dump_message(const ProtobufCMessage *msg, const char *path);

static void
print_hex(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
}

static void
dump_value(const ProtobufCFieldDescriptor *f, const void *value, const char *path)
{
	const ProtobufCBinaryData *bytes = value;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		printf("%s{}\n", path);
		dump_message(*(const ProtobufCMessage *const *) value, path);
		return;
	}
	printf("%s=", path);
	switch ((int) f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		printf("%" PRId32, *(const int32_t *) value);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		printf("%" PRIu32, *(const uint32_t *) value);
		break;
	case PROTOBUF_C_TYPE_INT64:
		printf("%" PRId64, *(const int64_t *) value);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		printf("%" PRIu64, *(const uint64_t *) value);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		printf("%d", *(const protobuf_c_boolean *) value);
		break;
	case PROTOBUF_C_TYPE_STRING:
		print_hex(*(const uint8_t *const *) value, strlen(*(const char *const *) value));
		break;
	case PROTOBUF_C_TYPE_BYTES:
		print_hex(bytes->data, bytes->len);
		break;
	default: /* no .proto file of ours has another type */
		g_error("type %d of %s", f->type, f->name);
	}
	putchar('\n');
}

static const void *
at(const ProtobufCMessage *msg, unsigned offset)
{
	return (const char *) msg + offset;
}

static size_t
size_of(ProtobufCType type)
{
	switch ((int) type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

/* Whether a value that is not repeated is there: by the oneof, the pointer, or not being zero. */
static bool
present(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f, const void *value)
{
	static const uint8_t zeros[16];
	const ProtobufCBinaryData *bytes = value;

	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
		return *(const uint32_t *) at(msg, f->quantifier_offset) == f->id;
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return **(const char *const *) value != '\0';
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return bytes->len > 0;
	return memcmp(value, zeros, size_of(f->type)) != 0;
}

static void
dump_message(const ProtobufCMessage *msg, const char *path)
{
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		const void *value = at(msg, f->offset);

		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *) at(msg, f->quantifier_offset);
			const char *values = *(const char *const *) value;

			for (size_t k = 0; k < n; k++) {
				g_autofree char *name =
					g_strdup_printf("%s.%s[%zu]", path, f->name, k);

				dump_value(f, values + k * size_of(f->type), name);
			}
		} else if (present(msg, f, value)) {
			g_autofree char *name = g_strdup_printf("%s.%s", path, f->name);

			dump_value(f, value, name);
		}
	}
}

static const ProtobufCMessageDescriptor *
type_named(const char *name)
{
	for (size_t i = 0; i < weft_proto_n_messages; i++) {
		if (strcmp(weft_proto_messages[i]->name, name) == 0)
			return weft_proto_messages[i];
	}
	g_error("no type %s", name);
}

static void
answer(const char *type, const char *hex, WeftArena *arena)
{
	size_t len = strlen(hex) / 2;
	g_autofree uint8_t *bytes = g_malloc(len + 1);
	g_autofree uint8_t *packed = NULL;
	ProtobufCMessage *msg;
	enum weft_proto_status status;
	size_t size;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t) (g_ascii_xdigit_value(hex[2 * i]) << 4 |
				      g_ascii_xdigit_value(hex[2 * i + 1]));
	status = weft_proto_decode(&msg, type_named(type), bytes, len, 65536 + 100 * len, arena);
	printf("%s ", status == WEFT_PROTO_OK ? "ok" : "refused");
	if (status == WEFT_PROTO_OK) {
		size = protobuf_c_message_get_packed_size(msg);
		packed = g_malloc(size + 1);
		g_assert(protobuf_c_message_pack(msg, packed) == size);
		print_hex(packed, size);
		putchar('\n');
		dump_message(msg, "");
	} else {
		printf("%s\n", weft_proto_status_name(status));
	}
	puts(".");
	fflush(stdout);
	weft_arena_reset(arena, 1 << 20);
}

int
main(void)
{
	WeftArena *arena = weft_arena_new();
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		char *hex = strchr(line, ' ');

		if (hex == NULL)
			break;
		*hex++ = '\0';
		hex[strcspn(hex, "\n")] = '\0';
		answer(line, hex, arena);
	}
	free(line);
	weft_arena_free(arena);
	return 0;
}

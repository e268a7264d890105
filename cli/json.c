/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/json.h"

#include "base/glib/table.h"

#include <protobuf-c/protobuf-c.h>

static void
append_value(GString *out, const ProtobufCFieldDescriptor *field, const void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		g_string_append(out, *(const protobuf_c_boolean *) at ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		g_string_append_printf(out, "%d", *(const int32_t *) at);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		g_string_append_printf(out, "%u", *(const uint32_t *) at);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		g_string_append_printf(out, "%" G_GINT64_FORMAT, *(const int64_t *) at);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		g_string_append_printf(out, "%" G_GUINT64_FORMAT, *(const uint64_t *) at);
		break;
	case PROTOBUF_C_TYPE_DOUBLE: {
		char buf[G_ASCII_DTOSTR_BUF_SIZE];

		g_string_append(out, g_ascii_dtostr(buf, sizeof buf, *(const double *) at));
		break;
	}
	case PROTOBUF_C_TYPE_FLOAT: {
		char buf[G_ASCII_DTOSTR_BUF_SIZE];

		g_string_append(out, g_ascii_dtostr(buf, sizeof buf, (double) *(const float *) at));
		break;
	}
	case PROTOBUF_C_TYPE_STRING: {
		const char *text = *(char *const *) at;

		weft_table_json_string(out, text == NULL ? "" : text);
		break;
	}
	case PROTOBUF_C_TYPE_BYTES: {
		const ProtobufCBinaryData *data = at;
		g_autofree char *text = g_base64_encode(data->data, data->len);

		weft_table_json_string(out, text);
		break;
	}
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *msg = *(ProtobufCMessage *const *) at;

		if (msg == NULL)
			g_string_append(out, "null");
		else
			weft_json_object(out, msg);
		break;
	}
	}
}

static size_t
element_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return 4;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	}
	return 0;
}

static void
append_field(GString *out, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	const char *base = (const char *) msg;
	const char *at = base + field->offset;
	size_t n;

	if (field->label != PROTOBUF_C_LABEL_REPEATED) {
		/* A member of a oneof that another one occupies is absent. */
		if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
		    *(const uint32_t *) (const void *) (base + field->quantifier_offset) !=
			    field->id)
			g_string_append(out, "null");
		else
			append_value(out, field, at);
		return;
	}
	n = *(const size_t *) (const void *) (base + field->quantifier_offset);
	g_string_append_c(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			g_string_append(out, ", ");
		append_value(out, field,
			     *(char *const *) (const void *) at + i * element_size(field));
	}
	g_string_append_c(out, ']');
}

static void
append_fields(GString *out, const ProtobufCMessage *msg, bool comma)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;

	for (unsigned i = 0; i < desc->n_fields; i++) {
		if (comma || i > 0)
			g_string_append(out, ", ");
		weft_table_json_string(out, desc->fields[i].name);
		g_string_append(out, ": ");
		append_field(out, msg, &desc->fields[i]);
	}
}

void
weft_json_object(GString *out, const ProtobufCMessage *msg)
{
	g_string_append_c(out, '{');
	append_fields(out, msg, false);
	g_string_append_c(out, '}');
}

void
weft_json_message(GString *out, const ProtobufCMessage *msg)
{
	g_string_append(out, "{\"schema\": 1");
	append_fields(out, msg, true);
	g_string_append(out, "}\n");
}

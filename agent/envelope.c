/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/envelope.h"

#include "base/env.h"
#include "proto/decode.h"

#include <string.h>

GByteArray *
agent_envelope_seal(const ProtobufCMessage *msg,
		    const struct weft_box_key *box,
		    const struct weft_env *env)
{
	size_t len = protobuf_c_message_get_packed_size(msg);
	GByteArray *out = g_byte_array_sized_new((guint) (len + WEFT_BOX_OVERHEAD));

	g_byte_array_set_size(out, (guint) (len + WEFT_BOX_OVERHEAD));
	protobuf_c_message_pack(msg, out->data + WEFT_BOX_OVERHEAD);
	weft_box_seal(out->data, out->data + WEFT_BOX_OVERHEAD, len, box, env);
	return out;
}

const ProtobufCMessage *
agent_envelope_open(const ProtobufCMessageDescriptor *desc,
		    const uint8_t *body,
		    size_t len,
		    const struct weft_box_key *box,
		    WeftArena *arena)
{
	ProtobufCMessage *msg = NULL;
	g_autofree uint8_t *plain = NULL;
	size_t plain_len;

	if (len < WEFT_BOX_OVERHEAD)
		return NULL;
	plain_len = len - WEFT_BOX_OVERHEAD;
	plain = g_malloc(MAX(plain_len, 1));
	if (!weft_box_open(plain, body, len, box) ||
	    weft_proto_decode(&msg, desc, plain, plain_len, WEFT_PROTO_BUDGET_FOR(plain_len),
			      arena) != WEFT_PROTO_OK)
		return NULL;
	return msg;
}

char *
agent_url_target(const char *url, bool *ret_tls)
{
	const char *host, *end;
	g_autofree char *authority = NULL;
	const char *port;

	if (g_str_has_prefix(url, "https://")) {
		*ret_tls = true;
		host = url + strlen("https://");
	} else if (g_str_has_prefix(url, "http://")) {
		*ret_tls = false;
		host = url + strlen("http://");
	} else {
		return NULL;
	}
	end = strchr(host, '/');
	authority = end != NULL ? g_strndup(host, (gsize) (end - host)) : g_strdup(host);
	if (authority[0] == '\0' || strpbrk(authority, " \t@?#") != NULL)
		return NULL;
	port = strrchr(authority, ':');
	if (port != NULL && strchr(port, ']') == NULL)
		return g_steal_pointer(&authority);
	return g_strdup_printf("%s:%d", authority, *ret_tls ? 443 : 80);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/service/envelope.h"

#include "base/cursor.h"
#include "mgmtd/netmap/pack.h"
#include "proto/management.pb-c.h"

#include <string.h>

#define TAG_KEY  0x0a /* EncryptedMessage.wgPubKey = 1 */
#define TAG_BODY 0x12 /* EncryptedMessage.body = 2 */

bool
mgmt_envelope_open(struct mgmt_request *ret,
		   const Management__EncryptedMessage *msg,
		   const struct weft_key *server_private,
		   enum weft_rpc_code *ret_code,
		   char **ret_text)
{
	struct mgmt_request r = { 0 };

	*ret_code = WEFT_RPC_INVALID_ARGUMENT;
	if (!weft_key_from_text(&r.sender, msg->wgpubkey, strlen(msg->wgpubkey)) ||
	    !weft_box_key_init(&r.box, &r.sender, server_private)) {
		*ret_text = g_strdup_printf("provided wgPubKey %.64s is invalid", msg->wgpubkey);
		return false;
	}
	if (msg->body.len < WEFT_BOX_OVERHEAD) {
		weft_key_wipe(&r.box.shared);
		*ret_text = g_strdup("invalid request message");
		return false;
	}
	r.plain = g_byte_array_sized_new((guint) msg->body.len);
	g_byte_array_set_size(r.plain, (guint) (msg->body.len - WEFT_BOX_OVERHEAD));
	/* An empty plaintext leaves no buffer behind: give it one to write nothing to. */
	if (!weft_box_open(r.plain->data != NULL ? r.plain->data : (uint8_t *) &r, msg->body.data,
			   msg->body.len, &r.box)) {
		mgmt_request_clear(&r);
		*ret_text = g_strdup("invalid request message");
		return false;
	}
	*ret = r;
	return true;
}

void
mgmt_request_clear(struct mgmt_request *request)
{
	weft_key_wipe(&request->box.shared);
	if (request->plain != NULL && request->plain->len > 0)
		explicit_bzero(request->plain->data, request->plain->len);
	g_clear_pointer(&request->plain, g_byte_array_unref);
}

WeftRpcBytes *
mgmt_envelope_seal(const void *plain,
		   size_t len,
		   const struct weft_box_key *box,
		   const struct weft_key_text *server_public,
		   const struct weft_env *env)
{
	size_t body = len + WEFT_BOX_OVERHEAD;
	size_t head = 2 + WEFT_KEY_TEXT_LEN + 1 + mgmt_pack_varint_size(body);
	uint8_t *buf;
	WeftRpcBytes *bytes = weft_rpc_bytes_alloc(head + body, &buf);
	struct weft_builder b = weft_builder(buf, head);

	weft_builder_u8(&b, TAG_KEY);
	weft_builder_u8(&b, WEFT_KEY_TEXT_LEN);
	weft_builder_bytes(&b, server_public->s, WEFT_KEY_TEXT_LEN);
	weft_builder_u8(&b, TAG_BODY);
	weft_builder_varint(&b, body);
	weft_box_seal(buf + head, plain, len, box, env);
	return bytes;
}

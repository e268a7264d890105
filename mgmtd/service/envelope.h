/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EncryptedMessage, both ways (protocol.md 0.3, 1.1). */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "base/box.h"
#include "rpc/bytes.h"
#include "rpc/status.h"

struct Management__EncryptedMessage;
struct weft_env;

/* Opened requests: the sender's key, the box key of the pair, and the plaintext. */
struct mgmt_request {
	struct weft_key sender;
	struct weft_box_key box;
	GByteArray *plain;
};

/* False with the status and text that the caller answers: 3 for a bad key and for a body that does
 * not open. On success mgmt_request_clear() it. */
bool mgmt_envelope_open(struct mgmt_request *ret,
			const struct Management__EncryptedMessage *msg,
			const struct weft_key *server_private,
			enum weft_rpc_code *ret_code,
			char **ret_text);
void mgmt_request_clear(struct mgmt_request *request);

/* Boxes @plain into a new message. Thread-safe: workers call it. */
WeftRpcBytes *mgmt_envelope_seal(const void *plain,
				 size_t len,
				 const struct weft_box_key *box,
				 const struct weft_key_text *server_public,
				 const struct weft_env *env);

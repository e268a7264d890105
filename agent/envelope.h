/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Boxed messages: a protobuf message packed and sealed, or opened and decoded. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/box.h"
#include "proto/arena.h"

struct weft_env;

/* g_byte_array_unref. */
GByteArray *agent_envelope_seal(const ProtobufCMessage *msg,
				const struct weft_box_key *box,
				const struct weft_env *env);

/* The message lives in @arena. NULL: not from that peer, or malformed. */
const ProtobufCMessage *agent_envelope_open(const ProtobufCMessageDescriptor *desc,
					    const uint8_t *body,
					    size_t len,
					    const struct weft_box_key *box,
					    WeftArena *arena);

/* A server's URL as a target of rpc/: "http://h:33073" -> "h:33073" without TLS. 80 and 443 are the
 * ports where there is none. NULL: no such URL. g_free. */
char *agent_url_target(const char *url, bool *ret_tls);

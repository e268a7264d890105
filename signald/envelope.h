/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The head of a signal message: who sends, who receives. Nothing else of it is read (protocol.md
 * 3.1). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

struct sig_envelope {
	struct weft_key sender, recipient;
	const uint8_t *body; /* borrowed; NULL if the message has none */
	size_t body_len;
};

/* Scans the packed signalexchange.EncryptedMessage: fields 2 `key`, 3 `remoteKey`, 4 `body`; of a
 * field that occurs twice the last counts, unknown ones are skipped. False if it is no protobuf
 * message or one of the keys is missing or no key text. Never allocates. */
bool sig_envelope_scan(struct sig_envelope *ret, const uint8_t *buf, size_t len);

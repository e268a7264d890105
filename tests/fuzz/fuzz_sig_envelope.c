/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What strangers send to weft-signald: the head of a message. */
#include "tests/fuzz/fuzz.h"

#include "proto/signalexchange.pb-c.h"
#include "signald/envelope.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sig_envelope e;
	Signalexchange__EncryptedMessage *m;

	if (!sig_envelope_scan(&e, data, size))
		return 0;
	FUZZ_REQUIRE(e.body_len == 0 || (e.body >= data && e.body + e.body_len <= data + size));
	/* What the scan takes, the library must read in the same way. */
	m = signalexchange__encrypted_message__unpack(NULL, size, data);
	if (m == NULL)
		return 0;
	FUZZ_REQUIRE(strcmp(m->key, weft_key_to_text(&e.sender).s) == 0);
	FUZZ_REQUIRE(strcmp(m->remotekey, weft_key_to_text(&e.recipient).s) == 0);
	FUZZ_REQUIRE(m->body.len == e.body_len);
	signalexchange__encrypted_message__free_unpacked(m, NULL);
	return 0;
}

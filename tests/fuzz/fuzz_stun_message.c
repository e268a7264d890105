/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STUN messages: reading, sealing, and that what was read can be written and read again. */
#include "stun/build.h"
#include "stun/client.h"
#include "stun/message.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
rewrite(const struct weft_stun_message *m)
{
	static uint8_t out[70000];
	const struct weft_bytes key = { "key", 3 };
	struct weft_stun_message again;
	struct weft_stun_builder b =
		weft_stun_begin_answer(out, sizeof(out), (enum weft_stun_class)(m->class & 3), m);
	size_t len;

	if (weft_stun_has(m, WEFT_STUN_HAS_USERNAME))
		weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, m->username.p, m->username.len);
	for (unsigned i = 0; i < m->n_peers && i < WEFT_STUN_PEERS_MAX; i++)
		weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &m->peers[i]);
	if (weft_stun_has(m, WEFT_STUN_HAS_ERROR_CODE))
		weft_stun_put_error(&b, m->error_code);
	weft_stun_put_unknown(&b, m);
	weft_stun_put_integrity(&b, key);
	weft_stun_put_integrity_sha256(&b, key);
	weft_stun_put_fingerprint(&b);
	len = weft_stun_finish(&b);
	check(len > 0 && weft_stun_parse(&again, out, len) == WEFT_STUN_OK);
	check(again.method == m->method && again.class == m->class);
	check(again.username.len == m->username.len && again.error_code == m->error_code);
	check(weft_stun_check_integrity(&again, key));
	check(weft_stun_check_integrity_sha256(&again, key));
	check(weft_stun_check_fingerprint(&again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weft_bytes key = { "password", 8 };
	struct weft_stun_auth auth;
	struct weft_stun_message m;

	if (weft_stun_parse(&m, data, size) != WEFT_STUN_OK)
		return 0;
	check(m.len >= WEFT_STUN_HEADER_LEN && m.len <= m.wire_len && m.wire_len <= size);
	(void) weft_stun_check_fingerprint(&m); /* run for its memory accesses */
	(void) weft_stun_check_integrity(&m, key);
	(void) weft_stun_check_integrity_sha256(&m, key);
	for (unsigned i = 0; i < 4; i++)
		(void) weft_stun_algorithm_at(&m, i);
	check(weft_stun_auth_init(&auth, "user", "password"));
	(void) weft_stun_auth_judge(&auth, &m);
	(void) weft_stun_auth_judge(&auth, &m);
	rewrite(&m);
	return 0;
}

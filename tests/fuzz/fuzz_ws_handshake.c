/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTTP heads of both directions. What is found must lie within the input. */
#include "tests/fuzz/fuzz.h"
#include "ws/handshake.h"

#include <string.h>

static void
inside(struct weft_ws_text t, const char *buf, size_t size)
{
	if (t.p != NULL && (t.p < buf || t.len > size || t.p + t.len > buf + size))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char key[WEFT_WS_KEY_LEN + 1] = "dGhlIHNhbXBsZSBub25jZQ==";
	const char *buf = (const char *) data;
	struct weft_ws_request q;
	struct weft_ws_response a;
	char out[1024];

	switch (weft_ws_request_parse(&q, buf, size)) {
	case WEFT_WS_HANDSHAKE_OK:
		if (q.status != 0 || q.head_len > size || q.path.len == 0)
			abort();
		inside(q.path, buf, size);
		inside(q.query, buf, size);
		inside(q.host, buf, size);
		inside(q.protocols, buf, size);
		(void) weft_ws_list_has(q.protocols, "p");
		if (weft_ws_response_write(out, sizeof(out), q.key, NULL) == 0)
			abort();
		break;
	case WEFT_WS_HANDSHAKE_REFUSED:
		if (weft_ws_refusal_write(out, sizeof(out), q.status) == 0 || q.status < 400)
			abort();
		break;
	case WEFT_WS_HANDSHAKE_MORE:
		break;
	case WEFT_WS_HANDSHAKE_REDIRECT:
	case WEFT_WS_HANDSHAKE_BAD:
		abort();
	}
	if (weft_ws_response_parse(&a, buf, size, key, "p") == WEFT_WS_HANDSHAKE_REDIRECT)
		inside(a.location, buf, size);
	return 0;
}

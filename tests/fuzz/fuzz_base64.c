/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is accepted is the one text of its bytes, and any bytes have a text that is accepted. */
#include "base/base64.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
check_decode(const uint8_t *data, size_t size)
{
	uint8_t bytes[512];
	char text[WEFT_BASE64_LEN(sizeof bytes) + 1];
	size_t room = size % 3 == 0 ? sizeof bytes : size / 4 * 3;
	size_t len = 0;

	if (room > sizeof bytes)
		room = sizeof bytes;
	if (!weft_base64_decode(bytes, room, &len, (const char *) data, size))
		return;
	FUZZ_REQUIRE(len <= room);
	FUZZ_REQUIRE(weft_base64_encode(text, sizeof text, bytes, len));
	FUZZ_REQUIRE(strlen(text) == size && memcmp(text, data, size) == 0);
}

static void
check_encode(const uint8_t *data, size_t size)
{
	uint8_t bytes[512];
	char text[WEFT_BASE64_LEN(sizeof bytes) + 1];
	size_t len = 0;

	if (size > sizeof bytes) {
		FUZZ_REQUIRE(!weft_base64_encode(text, 4, data, size));
		return;
	}
	FUZZ_REQUIRE(weft_base64_encode(text, WEFT_BASE64_LEN(size) + 1, data, size));
	FUZZ_REQUIRE(!weft_base64_encode(text, WEFT_BASE64_LEN(size), data, size));
	FUZZ_REQUIRE(weft_base64_decode(bytes, size, &len, text, strlen(text)));
	FUZZ_REQUIRE(len == size && (size == 0 || memcmp(bytes, data, size) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_decode(data, size);
	check_encode(data, size);
	return 0;
}

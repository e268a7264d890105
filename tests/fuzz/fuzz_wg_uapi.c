/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers of a userspace WireGuard. Input: the text. */
#include "tests/fuzz/fuzz.h"

#include "netlink/wg-uapi-text.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weft_nl_wg_device *dev = weft_nl_wg_device_new("fuzz0");
	int number = 0;

	switch (weft_nl_uapi_parse(dev, (const char *) data, size, &number)) {
	case WEFT_NL_UAPI_OK:
		weft_nl_wg_device_normalise(dev, NULL);
		break;
	case WEFT_NL_UAPI_REFUSED:
		FUZZ_REQUIRE(number > 0);
		break;
	case WEFT_NL_UAPI_MALFORMED:
	case WEFT_NL_UAPI_STATUS_COUNT_:
		break;
	}
	weft_nl_wg_device_free(dev);
	number = 0;
	if (weft_nl_uapi_parse(NULL, (const char *) data, size, &number) == WEFT_NL_UAPI_REFUSED)
		FUZZ_REQUIRE(number > 0);
	return 0;
}

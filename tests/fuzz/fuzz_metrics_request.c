/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a connection to the metrics listener may send: requests one after another. */
#include "base/glib/metrics_server.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *) data;

	while (size > 0) {
		size_t len = 0, again_len = 0;
		bool keep = true, again_keep = true;
		enum weft_metrics_request result = weft_metrics_parse_request(p, size, &len, &keep);

		if (result == WEFT_METRICS_REQUEST_PARTIAL) {
			FUZZ_REQUIRE(size < WEFT_METRICS_REQUEST_MAX);
			FUZZ_REQUIRE(memmem(p, size, "\r\n\r\n", 4) == NULL);
			break;
		}
		FUZZ_REQUIRE(result < WEFT_METRICS_REQUEST_COUNT_);
		FUZZ_REQUIRE(len > 0 && len <= size);
		if (result == WEFT_METRICS_REQUEST_LARGE) {
			FUZZ_REQUIRE(!keep);
			break;
		}
		/* What follows a request does not change it. */
		FUZZ_REQUIRE(weft_metrics_parse_request(p, len, &again_len, &again_keep) == result);
		FUZZ_REQUIRE(again_len == len && again_keep == keep);
		if (!keep)
			break;
		p += len;
		size -= len;
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Candidate lines and credentials: what is accepted can be written and read again. */
#include "agent/ice/candidate.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void
check(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[ICE_LINE_MAX], text[ICE_CREDENTIALS_TEXT_SIZE];
	struct ice_candidate c, again;
	struct ice_credentials creds;

	if (ice_candidate_parse(&c, (const char *) data, size) == ICE_LINE_OK) {
		size_t len = ice_candidate_format(&c, line, sizeof(line));

		check(len > 0 && ice_candidate_parse(&again, line, len) == ICE_LINE_OK);
		check(weft_endpoint_equal(&c.endpoint, &again.endpoint));
		check(c.priority == again.priority && c.type == again.type);
		check(strcmp(c.cid, again.cid) == 0 && strcmp(c.ufrag, again.ufrag) == 0);
	}
	if (ice_credentials_parse(&creds, (const char *) data, size)) {
		check(ice_credentials_format(&creds, text) == size);
		check(memcmp(text, data, size) == 0);
	}
	return 0;
}

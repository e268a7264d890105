/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses, prefixes and endpoints as text and in the compact form: whatever is accepted survives
 * a round trip, and its classes are consistent. */
#include "base/address.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/socket.h>

static void
check_address(const char *text, size_t size)
{
	struct weft_address a, again, canonical;
	char out[WEFT_ADDRESS_TEXT_SIZE];

	if (!weft_address_parse(&a, text, size))
		return;
	weft_address_format(&a, out);
	FUZZ_REQUIRE(strlen(out) < sizeof out);
	FUZZ_REQUIRE(weft_address_parse(&again, out, strlen(out)));
	FUZZ_REQUIRE(weft_address_equal(&a, &again));
	canonical = weft_address_canonical(&a);
	again = weft_address_canonical(&canonical);
	FUZZ_REQUIRE(weft_address_equal(&canonical, &again));
	FUZZ_REQUIRE(weft_address_classify(&a) < WEFT_ADDRESS_CLASS_COUNT_);
	/* No form that carries IPv4 passes for a global address as it is written. */
	if (!weft_address_equal(&a, &canonical))
		FUZZ_REQUIRE(weft_address_classify(&a) == WEFT_ADDRESS_RESERVED);
}

static void
check_prefix(const struct weft_prefix *p)
{
	char out[WEFT_PREFIX_TEXT_SIZE];
	uint8_t compact[WEFT_PREFIX_COMPACT_MAX];
	struct weft_prefix again, masked = weft_prefix_mask(p);

	weft_prefix_format(p, out);
	FUZZ_REQUIRE(weft_prefix_parse(&again, out, strlen(out), true));
	FUZZ_REQUIRE(weft_address_equal(&again.addr, &p->addr) && again.bits == p->bits);
	FUZZ_REQUIRE(weft_prefix_from_compact(&again, compact, weft_prefix_to_compact(p, compact)));
	FUZZ_REQUIRE(weft_address_equal(&again.addr, &p->addr) && again.bits == p->bits);
	FUZZ_REQUIRE(weft_prefix_equal(p, &masked) && weft_prefix_overlaps(p, &masked));
	FUZZ_REQUIRE(weft_prefix_contains(&masked, &p->addr));
	FUZZ_REQUIRE(weft_prefix_contains_prefix(&masked, p));
	weft_prefix_format(&masked, out);
	FUZZ_REQUIRE(weft_prefix_parse(&again, out, strlen(out), false));
}

static void
check_endpoint(const char *text, size_t size)
{
	struct weft_endpoint e, again;
	struct sockaddr_storage ss;
	char out[WEFT_ENDPOINT_TEXT_SIZE];
	unsigned len;

	if (!weft_endpoint_parse(&e, text, size))
		return;
	weft_endpoint_format(&e, out);
	FUZZ_REQUIRE(weft_endpoint_parse(&again, out, strlen(out)));
	FUZZ_REQUIRE(weft_endpoint_equal(&e, &again));
	len = weft_endpoint_to_sockaddr(&e, &ss);
	FUZZ_REQUIRE(weft_endpoint_from_sockaddr(&again, (const struct sockaddr *) &ss, len));
	FUZZ_REQUIRE(weft_endpoint_equal(&e, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	struct weft_prefix p;
	struct weft_endpoint e;

	check_address(text, size);
	check_endpoint(text, size);
	if (weft_prefix_parse(&p, text, size, true))
		check_prefix(&p);
	if (weft_prefix_parse(&p, text, size, false))
		check_prefix(&p);
	if (weft_prefix_from_compact(&p, data, size))
		check_prefix(&p);
	(void) weft_endpoint_from_sockaddr(&e, (const struct sockaddr *) (const void *) data, size);
	return 0;
}

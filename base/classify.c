/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an address is for: its canonical form and its class. */
#include "base/address.h"

#include <string.h>

struct row {
	enum weft_address_class class;
	struct weft_prefix prefix;
};

/* clang-format off */
#define V4(a, b, c, d, n) { { { (a), (b), (c), (d) }, WEFT_FAMILY_IPV4 }, (n) }
#define V6(n, ...)        { { { __VA_ARGS__ }, WEFT_FAMILY_IPV6 }, (n) }

/* From the registries of RFC 6890; the first row that contains an address decides. */
static const struct row rows[] = {
	{ WEFT_ADDRESS_UNSPECIFIED,   V4(0, 0, 0, 0, 8) },
	{ WEFT_ADDRESS_UNSPECIFIED,   V6(128, 0) },
	{ WEFT_ADDRESS_LOOPBACK,      V4(127, 0, 0, 0, 8) },
	{ WEFT_ADDRESS_LOOPBACK,      V6(128, [15] = 1) },
	{ WEFT_ADDRESS_LINK_LOCAL,    V4(169, 254, 0, 0, 16) },
	{ WEFT_ADDRESS_LINK_LOCAL,    V6(10, 0xfe, 0x80) },
	{ WEFT_ADDRESS_MULTICAST,     V4(224, 0, 0, 0, 4) },
	{ WEFT_ADDRESS_MULTICAST,     V6(8, 0xff) },
	{ WEFT_ADDRESS_PRIVATE,       V4(10, 0, 0, 0, 8) },
	{ WEFT_ADDRESS_PRIVATE,       V4(172, 16, 0, 0, 12) },
	{ WEFT_ADDRESS_PRIVATE,       V4(192, 168, 0, 0, 16) },
	{ WEFT_ADDRESS_PRIVATE,       V6(7, 0xfc) },
	{ WEFT_ADDRESS_PRIVATE,       V6(10, 0xfe, 0xc0) },            /* site-local, RFC 3879 */
	{ WEFT_ADDRESS_CGNAT,         V4(100, 64, 0, 0, 10) },
	{ WEFT_ADDRESS_DOCUMENTATION, V4(192, 0, 2, 0, 24) },
	{ WEFT_ADDRESS_DOCUMENTATION, V4(198, 51, 100, 0, 24) },
	{ WEFT_ADDRESS_DOCUMENTATION, V4(203, 0, 113, 0, 24) },
	{ WEFT_ADDRESS_DOCUMENTATION, V6(32, 0x20, 0x01, 0x0d, 0xb8) },
	{ WEFT_ADDRESS_DOCUMENTATION, V6(20, 0x3f, 0xff) },            /* RFC 9637 */
	{ WEFT_ADDRESS_RESERVED,      V4(192, 0, 0, 0, 24) },          /* protocol assignments */
	{ WEFT_ADDRESS_RESERVED,      V4(192, 88, 99, 0, 24) },        /* 6to4 anycast, RFC 7526 */
	{ WEFT_ADDRESS_RESERVED,      V4(198, 18, 0, 0, 15) },         /* benchmarks, RFC 2544 */
	{ WEFT_ADDRESS_RESERVED,      V4(240, 0, 0, 0, 4) },
	{ WEFT_ADDRESS_GLOBAL,        V4(0, 0, 0, 0, 0) },
	{ WEFT_ADDRESS_GLOBAL,        V6(28, 0x20, 0x01, 0x00, 0x20) }, /* ORCHIDv2, RFC 7343 */
	{ WEFT_ADDRESS_RESERVED,      V6(23, 0x20, 0x01) },            /* Teredo, benchmarks, ... */
	{ WEFT_ADDRESS_RESERVED,      V6(16, 0x20, 0x02) },            /* 6to4, RFC 7526 */
	{ WEFT_ADDRESS_GLOBAL,        V6(3, 0x20) },
	/* Never allocated to anybody: discard, NAT64, segment routing, v4-mapped, and the rest. */
	{ WEFT_ADDRESS_RESERVED,      V6(0, 0) },
};

static const struct weft_prefix v4_in_v6 = V6(96, 0);
static const struct weft_prefix v4_mapped = V6(96, [10] = 0xff, [11] = 0xff);
static const struct weft_prefix nat64 = V6(96, 0x00, 0x64, 0xff, 0x9b);
static const struct weft_prefix nat64_local = V6(48, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01);
static const struct weft_prefix six_to_four = V6(16, 0x20, 0x02);
/* clang-format on */

const char *weft_address_class_name(enum weft_address_class class)
{
	static const char *const names[WEFT_ADDRESS_CLASS_COUNT_] = {
		[WEFT_ADDRESS_UNSPECIFIED] = "unspecified",
		[WEFT_ADDRESS_LOOPBACK] = "loopback",
		[WEFT_ADDRESS_LINK_LOCAL] = "link-local",
		[WEFT_ADDRESS_MULTICAST] = "multicast",
		[WEFT_ADDRESS_PRIVATE] = "private",
		[WEFT_ADDRESS_CGNAT] = "cgnat",
		[WEFT_ADDRESS_DOCUMENTATION] = "documentation",
		[WEFT_ADDRESS_RESERVED] = "reserved",
		[WEFT_ADDRESS_GLOBAL] = "global",
	};

	return class < WEFT_ADDRESS_CLASS_COUNT_ ? names[class] : "unknown";
}

enum weft_address_class
weft_address_classify(const struct weft_address *a)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (weft_prefix_contains(&rows[i].prefix, a))
			return rows[i].class;
	return WEFT_ADDRESS_UNSPECIFIED; /* of no family */
}

static struct weft_address
v4_from(const uint8_t a, const uint8_t b, const uint8_t c, const uint8_t d)
{
	return weft_address_v4((uint32_t) a << 24 | (uint32_t) b << 16 | (uint32_t) c << 8 | d);
}

/* Where RFC 6052 section 2.2 puts the IPv4 address behind a prefix of 96, 64, 56 and 48 bits. */
static const uint8_t nat64_layouts[][4] = {
	{ 12, 13, 14, 15 }, { 9, 10, 11, 12 }, { 7, 9, 10, 11 }, { 6, 7, 9, 10 }
};

/* Where a packet must not be sent in error. */
static bool
is_inside(const struct weft_address *a)
{
	enum weft_address_class class = weft_address_classify(a);

	return class == WEFT_ADDRESS_LOOPBACK || class == WEFT_ADDRESS_LINK_LOCAL ||
	       class == WEFT_ADDRESS_PRIVATE || class == WEFT_ADDRESS_CGNAT;
}

/* The operator of a network chooses the length of a prefix within 64:ff9b:1::/48, so an address
 * does not tell its layout. Unless a shorter one leaves zeros behind, /96 is what people use; but
 * if any reading leads inside, that one is taken: an ambiguous address shall be denied rather than
 * allowed. */
static struct weft_address
nat64_local_canonical(const struct weft_address *a)
{
	struct weft_address best = { 0 };

	for (size_t i = 0; i < 4; i++) {
		const uint8_t *at = nat64_layouts[i];
		struct weft_address v4 =
			v4_from(a->b[at[0]], a->b[at[1]], a->b[at[2]], a->b[at[3]]);
		bool zeros = true;

		if (i > 0 && a->b[8] != 0)
			break; /* RFC 6052: octet 8 is zero in all but the first layout */
		if (is_inside(&v4))
			return v4;
		for (size_t j = (size_t) at[3] + 1; j < sizeof a->b; j++)
			zeros = zeros && a->b[j] == 0;
		if (i == 0 || (zeros && weft_address_classify(&v4) != WEFT_ADDRESS_UNSPECIFIED))
			best = v4;
	}
	return best;
}

struct weft_address
weft_address_canonical(const struct weft_address *a)
{
	enum weft_address_class class = weft_address_classify(a);

	if (class == WEFT_ADDRESS_UNSPECIFIED || class == WEFT_ADDRESS_LOOPBACK)
		return *a;
	if (weft_prefix_contains(&v4_in_v6, a) || weft_prefix_contains(&v4_mapped, a) ||
	    weft_prefix_contains(&nat64, a))
		return v4_from(a->b[12], a->b[13], a->b[14], a->b[15]);
	if (weft_prefix_contains(&six_to_four, a))
		return v4_from(a->b[2], a->b[3], a->b[4], a->b[5]);
	if (weft_prefix_contains(&nat64_local, a))
		return nat64_local_canonical(a);
	return *a;
}

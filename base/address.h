/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IP addresses, endpoints and prefixes as values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;
struct sockaddr_storage;

enum weft_family { WEFT_FAMILY_NONE, WEFT_FAMILY_IPV4, WEFT_FAMILY_IPV6, WEFT_FAMILY_COUNT_ };

/* Network byte order; for IPv4 the first four octets, the rest zero, so that values of one family
 * can be compared by memcmp. No scope id: link-local addresses carry it beside. */
struct weft_address {
	uint8_t b[16];
	uint8_t family; /* enum weft_family */
};

struct weft_endpoint {
	struct weft_address addr;
	uint16_t port; /* host byte order */
};

/* bits <= 32 or 128. Bits of the address beyond the prefix may be set ("100.64.0.7/16" is an
 * interface address); weft_prefix_mask() clears them. */
struct weft_prefix {
	struct weft_address addr;
	uint8_t bits;
};

#define WEFT_ADDRESS_TEXT_SIZE  48 /* with NUL */
#define WEFT_ENDPOINT_TEXT_SIZE 56 /* "[v6]:port" with NUL */
#define WEFT_PREFIX_TEXT_SIZE   52

/* What an address is for; the first that matches, in this order. */
enum weft_address_class {
	WEFT_ADDRESS_UNSPECIFIED,   /* 0.0.0.0/8, :: */
	WEFT_ADDRESS_LOOPBACK,      /* 127.0.0.0/8, ::1 */
	WEFT_ADDRESS_LINK_LOCAL,    /* 169.254.0.0/16, fe80::/10 */
	WEFT_ADDRESS_MULTICAST,     /* 224.0.0.0/4, ff00::/8 */
	WEFT_ADDRESS_PRIVATE,       /* 10/8, 172.16/12, 192.168/16, fc00::/7, fec0::/10 */
	WEFT_ADDRESS_CGNAT,         /* 100.64.0.0/10 */
	WEFT_ADDRESS_DOCUMENTATION, /* 192.0.2/24, 198.51.100/24, 203.0.113/24, 2001:db8::/32,
				       3fff::/20 */
	WEFT_ADDRESS_RESERVED,      /* 192.0.0/24, 192.88.99/24, 198.18/15, 240/4 with broadcast;
				       2001::/23 except 2001:20::/28, all outside 2000::/3, and
				       every form that weft_address_canonical() resolves */
	WEFT_ADDRESS_GLOBAL,
	WEFT_ADDRESS_CLASS_COUNT_
};

const char *weft_address_class_name(enum weft_address_class class);

/* Strict text forms: dotted quad without leading zeros or missing parts, RFC 4291 IPv6 without a
 * zone. @len characters exactly; @ret untouched on failure. */
bool weft_address_parse(struct weft_address *ret, const char *text, size_t len);

/* RFC 5952 text. Returns @out. */
char *weft_address_format(const struct weft_address *a, char out[WEFT_ADDRESS_TEXT_SIZE]);

int weft_address_compare(const struct weft_address *a, const struct weft_address *b);
bool weft_address_equal(const struct weft_address *a, const struct weft_address *b);
struct weft_address weft_address_v4(uint32_t host_order);
struct weft_address weft_address_v6(const uint8_t b[16]);
uint32_t weft_address_v4_host_order(const struct weft_address *a); /* 0 if not IPv4 */
uint8_t weft_address_bits(const struct weft_address *a);           /* 32, 128, or 0 */

/* Resolves the forms of IPv6 that carry an IPv4 destination to that IPv4 address: v4-mapped
 * ::ffff:0:0/96, v4-compatible ::/96 (except :: and ::1), NAT64 64:ff9b::/96 (RFC 6052) and
 * 64:ff9b:1::/48 (RFC 8215), 6to4 2002::/16. To be done once, before any decision on allowing or
 * denying. Everything else is returned as it is, so a result that differs tells that it was one of
 * these forms. In 64:ff9b:1::/48 the place of the IPv4 address depends on its operator; if any of
 * the places of RFC 6052 holds one that is private, CGNAT, link-local or loopback, that one is
 * returned. */
struct weft_address weft_address_canonical(const struct weft_address *a);

/* Class of the address as written: canonicalise first where that matters. */
enum weft_address_class weft_address_classify(const struct weft_address *a);

/* "1.2.3.4:5" or "[::1]:5". */
bool weft_endpoint_parse(struct weft_endpoint *ret, const char *text, size_t len);
char *weft_endpoint_format(const struct weft_endpoint *e, char out[WEFT_ENDPOINT_TEXT_SIZE]);
bool weft_endpoint_equal(const struct weft_endpoint *a, const struct weft_endpoint *b);
int weft_endpoint_compare(const struct weft_endpoint *a, const struct weft_endpoint *b);

/* False for another family than AF_INET and AF_INET6, or a short @len. */
bool weft_endpoint_from_sockaddr(struct weft_endpoint *ret, const struct sockaddr *sa, size_t len);

/* Fills @ret and returns its length in bytes (socklen_t). */
unsigned weft_endpoint_to_sockaddr(const struct weft_endpoint *e, struct sockaddr_storage *ret);

/* "10.0.0.0/8"; with @host_bits false a prefix with bits beyond its length is refused. */
bool weft_prefix_parse(struct weft_prefix *ret, const char *text, size_t len, bool host_bits);
char *weft_prefix_format(const struct weft_prefix *p, char out[WEFT_PREFIX_TEXT_SIZE]);
struct weft_prefix weft_prefix_mask(const struct weft_prefix *p);
struct weft_prefix weft_prefix_host(const struct weft_address *a); /* /32 or /128 */

/* The compact form of protocol.md 2.6 and 2.9: 4 + 1 or 16 + 1 octets. */
#define WEFT_PREFIX_COMPACT_MAX 17
bool weft_prefix_from_compact(struct weft_prefix *ret, const uint8_t *buf, size_t len);
size_t weft_prefix_to_compact(const struct weft_prefix *p, uint8_t out[WEFT_PREFIX_COMPACT_MAX]);

bool weft_prefix_contains(const struct weft_prefix *p, const struct weft_address *a);
bool weft_prefix_contains_prefix(const struct weft_prefix *outer, const struct weft_prefix *inner);
bool weft_prefix_overlaps(const struct weft_prefix *a, const struct weft_prefix *b);

/* By family, masked address, bits. */
int weft_prefix_compare(const struct weft_prefix *a, const struct weft_prefix *b);
bool weft_prefix_equal(const struct weft_prefix *a, const struct weft_prefix *b);

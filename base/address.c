/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct weft_address
weft_address_v4(uint32_t host_order)
{
	return (struct weft_address){
		.b = { (uint8_t) (host_order >> 24), (uint8_t) (host_order >> 16),
		       (uint8_t) (host_order >> 8), (uint8_t) host_order },
		.family = WEFT_FAMILY_IPV4,
	};
}

struct weft_address
weft_address_v6(const uint8_t b[16])
{
	struct weft_address a = { .family = WEFT_FAMILY_IPV6 };

	memcpy(a.b, b, sizeof a.b);
	return a;
}

uint32_t
weft_address_v4_host_order(const struct weft_address *a)
{
	if (a->family != WEFT_FAMILY_IPV4)
		return 0;
	return (uint32_t) a->b[0] << 24 | (uint32_t) a->b[1] << 16 | (uint32_t) a->b[2] << 8 |
	       a->b[3];
}

uint8_t
weft_address_bits(const struct weft_address *a)
{
	switch (a->family) {
	case WEFT_FAMILY_IPV4:
		return 32;
	case WEFT_FAMILY_IPV6:
		return 128;
	default:
		return 0;
	}
}

int
weft_address_compare(const struct weft_address *a, const struct weft_address *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof a->b);
}

bool
weft_address_equal(const struct weft_address *a, const struct weft_address *b)
{
	return weft_address_compare(a, b) == 0;
}

bool
weft_address_parse(struct weft_address *ret, const char *text, size_t len)
{
	char copy[WEFT_ADDRESS_TEXT_SIZE];
	struct weft_address a = { .family = WEFT_FAMILY_IPV4 };

	if (len >= sizeof copy || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	/* glibc's inet_pton() refuses leading zeros and missing parts of a quad, and zones. */
	if (inet_pton(AF_INET, copy, a.b) != 1) {
		a.family = WEFT_FAMILY_IPV6;
		if (inet_pton(AF_INET6, copy, a.b) != 1)
			return false;
	}
	*ret = a;
	return true;
}

static unsigned
group(const struct weft_address *a, size_t i)
{
	return (unsigned) a->b[2 * i] << 8 | a->b[2 * i + 1];
}

/* The first of the longest runs of zero groups, at least two: RFC 5952 section 4.2. */
static void
longest_zeros(const struct weft_address *a, size_t n, size_t *ret_start, size_t *ret_len)
{
	*ret_start = n;
	*ret_len = 1;
	for (size_t i = 0; i < n;) {
		size_t run = 0;

		while (i + run < n && group(a, i + run) == 0)
			run++;
		if (run > *ret_len) {
			*ret_start = i;
			*ret_len = run;
		}
		i += run > 0 ? run : 1;
	}
}

/* ::ffff:a.b.c.d is the one form that RFC 5952 section 5 lets be told by its prefix and that is
 * still in use. */
static bool
is_v4_mapped(const struct weft_address *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, sizeof mapped) == 0;
}

static char *
format_v6(const struct weft_address *a, char out[WEFT_ADDRESS_TEXT_SIZE])
{
	size_t n = is_v4_mapped(a) ? 6 : 8;
	size_t zeros, zeros_len;
	char *p = out;

	longest_zeros(a, n, &zeros, &zeros_len);
	for (size_t i = 0; i < n; i++) {
		if (i == zeros) {
			p = stpcpy(p, "::");
			i += zeros_len - 1;
			continue;
		}
		if (i > 0 && p[-1] != ':')
			*p++ = ':';
		p += snprintf(p, 5, "%x", group(a, i));
	}
	if (n == 6)
		(void) snprintf(p, 17, ":%u.%u.%u.%u", a->b[12], a->b[13], a->b[14], a->b[15]);
	return out;
}

char *
weft_address_format(const struct weft_address *a, char out[WEFT_ADDRESS_TEXT_SIZE])
{
	switch (a->family) {
	case WEFT_FAMILY_IPV4:
		(void) snprintf(out, WEFT_ADDRESS_TEXT_SIZE, "%u.%u.%u.%u", a->b[0], a->b[1],
				a->b[2], a->b[3]);
		return out;
	case WEFT_FAMILY_IPV6:
		return format_v6(a, out);
	default:
		return strcpy(out, "none");
	}
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"
#include "base/decimal.h"

#include <string.h>

#define COMPACT_V4_LEN 5
#define COMPACT_V6_LEN 17

/* The bits of octet @i that belong to a prefix of @bits. */
static uint8_t
octet_mask(size_t i, unsigned bits)
{
	if (bits >= 8 * (i + 1))
		return 0xff;
	if (bits <= 8 * i)
		return 0;
	return (uint8_t) (0xff << (8 * (i + 1) - bits));
}

static bool
same_bits(const struct weft_address *a, const struct weft_address *b, unsigned bits)
{
	size_t whole = bits / 8;

	return a->family == b->family && memcmp(a->b, b->b, whole) == 0 &&
	       (bits % 8 == 0 || ((a->b[whole] ^ b->b[whole]) & octet_mask(whole, bits)) == 0);
}

struct weft_prefix
weft_prefix_mask(const struct weft_prefix *p)
{
	struct weft_prefix masked = *p;

	for (size_t i = 0; i < sizeof masked.addr.b; i++)
		masked.addr.b[i] &= octet_mask(i, p->bits);
	return masked;
}

struct weft_prefix
weft_prefix_host(const struct weft_address *a)
{
	return (struct weft_prefix){ .addr = *a, .bits = weft_address_bits(a) };
}

bool
weft_prefix_parse(struct weft_prefix *ret, const char *text, size_t len, bool host_bits)
{
	const char *slash = len > 0 ? memchr(text, '/', len) : NULL;
	struct weft_prefix p = { 0 };
	struct weft_prefix masked;
	uint64_t bits;

	if (slash == NULL || !weft_address_parse(&p.addr, text, (size_t) (slash - text)) ||
	    !weft_decimal_parse(&bits, slash + 1, (size_t) (text + len - slash - 1),
				weft_address_bits(&p.addr)))
		return false;
	p.bits = (uint8_t) bits;
	masked = weft_prefix_mask(&p);
	if (!host_bits && !weft_address_equal(&masked.addr, &p.addr))
		return false;
	*ret = p;
	return true;
}

char *
weft_prefix_format(const struct weft_prefix *p, char out[WEFT_PREFIX_TEXT_SIZE])
{
	char *end;

	_Static_assert(WEFT_PREFIX_TEXT_SIZE >= WEFT_ADDRESS_TEXT_SIZE + 4, "/128");
	weft_address_format(&p->addr, out);
	end = out + strlen(out);
	*end++ = '/';
	if (p->bits >= 100)
		*end++ = (char) ('0' + p->bits / 100);
	if (p->bits >= 10)
		*end++ = (char) ('0' + p->bits / 10 % 10);
	*end++ = (char) ('0' + p->bits % 10);
	*end = '\0';
	return out;
}

bool
weft_prefix_from_compact(struct weft_prefix *ret, const uint8_t *buf, size_t len)
{
	struct weft_prefix p = { 0 };

	if (len != COMPACT_V4_LEN && len != COMPACT_V6_LEN)
		return false;
	p.addr.family = len == COMPACT_V4_LEN ? WEFT_FAMILY_IPV4 : WEFT_FAMILY_IPV6;
	memcpy(p.addr.b, buf, len - 1);
	p.bits = buf[len - 1];
	if (p.bits > weft_address_bits(&p.addr))
		return false;
	*ret = p;
	return true;
}

size_t
weft_prefix_to_compact(const struct weft_prefix *p, uint8_t out[WEFT_PREFIX_COMPACT_MAX])
{
	size_t len = weft_address_bits(&p->addr) / 8;

	if (len == 0)
		return 0;
	memcpy(out, p->addr.b, len);
	out[len] = p->bits;
	return len + 1;
}

bool
weft_prefix_contains(const struct weft_prefix *p, const struct weft_address *a)
{
	return same_bits(&p->addr, a, p->bits);
}

bool
weft_prefix_contains_prefix(const struct weft_prefix *outer, const struct weft_prefix *inner)
{
	return outer->bits <= inner->bits && same_bits(&outer->addr, &inner->addr, outer->bits);
}

bool
weft_prefix_overlaps(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return same_bits(&a->addr, &b->addr, a->bits < b->bits ? a->bits : b->bits);
}

int
weft_prefix_compare(const struct weft_prefix *a, const struct weft_prefix *b)
{
	struct weft_prefix ma = weft_prefix_mask(a);
	struct weft_prefix mb = weft_prefix_mask(b);
	int order = weft_address_compare(&ma.addr, &mb.addr);

	return order != 0 ? order : (int) a->bits - (int) b->bits;
}

bool
weft_prefix_equal(const struct weft_prefix *a, const struct weft_prefix *b)
{
	return weft_prefix_compare(a, b) == 0;
}

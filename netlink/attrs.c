/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/attrs.h"

#include <glib.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

bool
weft_nl_attr_next(struct weft_cursor *c, struct weft_nl_attr *ret)
{
	struct nlattr header;
	size_t len;
	size_t pad;

	if (!c->ok || weft_cursor_left(c) == 0)
		return false;
	if (!weft_cursor_copy(c, &header, sizeof header))
		return false;
	if (header.nla_len < sizeof header) {
		weft_cursor_fail(c);
		return false;
	}
	len = header.nla_len - sizeof header;
	ret->p = weft_cursor_bytes(c, len);
	if (ret->p == NULL)
		return false;
	ret->len = (uint16_t) len;
	ret->type = header.nla_type & NLA_TYPE_MASK;
	pad = NLA_ALIGN(header.nla_len) - header.nla_len;
	(void) weft_cursor_skip(c, MIN(pad, weft_cursor_left(c))); /* the last may lack padding */
	return true;
}

static bool
length_ok(const struct weft_nl_attr_policy *policy, const struct weft_nl_attr *a)
{
	switch ((enum weft_nl_attr_type) policy->type) {
	case WEFT_NL_ATTR_U8:
		return a->len == 1;
	case WEFT_NL_ATTR_U16:
		return a->len == 2;
	case WEFT_NL_ATTR_U32:
		return a->len == 4;
	case WEFT_NL_ATTR_U64:
		return a->len == 8;
	case WEFT_NL_ATTR_EXACT:
		return a->len == policy->len;
	case WEFT_NL_ATTR_MIN:
		return a->len >= policy->len;
	case WEFT_NL_ATTR_STRING: {
		const uint8_t *nul = memchr(a->p, 0, a->len);

		return nul != NULL && nul - a->p < policy->len;
	}
	case WEFT_NL_ATTR_SKIP:
	case WEFT_NL_ATTR_NEST:
	case WEFT_NL_ATTR_COUNT_:
		break;
	}
	return true;
}

bool
weft_nl_attrs_read(struct weft_cursor c,
		   const struct weft_nl_attr_policy *policy,
		   struct weft_nl_attr *out,
		   size_t n)
{
	struct weft_nl_attr a;

	memset(out, 0, n * sizeof *out);
	while (weft_nl_attr_next(&c, &a)) {
		if (a.type >= n || policy[a.type].type == WEFT_NL_ATTR_SKIP)
			continue;
		if (out[a.type].p != NULL || !length_ok(&policy[a.type], &a))
			return false;
		out[a.type] = a;
	}
	return c.ok;
}

bool
weft_nl_msg_header(const struct nlmsghdr *msg, void *ret, size_t header)
{
	if (msg->nlmsg_len < NLMSG_HDRLEN + header)
		return false;
	memcpy(ret, (const uint8_t *) msg + NLMSG_HDRLEN, header);
	return true;
}

struct weft_cursor
weft_nl_msg_attrs(const struct nlmsghdr *msg, size_t header)
{
	struct weft_cursor c = weft_cursor(msg, msg->nlmsg_len);

	(void) weft_cursor_skip(&c, NLMSG_HDRLEN); /* a failure sticks */
	(void) weft_cursor_skip(&c, MIN(NLMSG_ALIGN(header), weft_cursor_left(&c)));
	return c;
}

struct weft_cursor
weft_nl_attr_cursor(const struct weft_nl_attr *a)
{
	return weft_cursor(a->p, a->len);
}

uint8_t
weft_nl_attr_u8(const struct weft_nl_attr *a)
{
	return a->p != NULL ? a->p[0] : 0;
}

uint16_t
weft_nl_attr_u16(const struct weft_nl_attr *a)
{
	uint16_t v = 0;

	if (a->p != NULL)
		memcpy(&v, a->p, sizeof v);
	return v;
}

uint32_t
weft_nl_attr_u32(const struct weft_nl_attr *a)
{
	uint32_t v = 0;

	if (a->p != NULL)
		memcpy(&v, a->p, sizeof v);
	return v;
}

uint64_t
weft_nl_attr_u64(const struct weft_nl_attr *a)
{
	uint64_t v = 0;

	if (a->p != NULL)
		memcpy(&v, a->p, sizeof v);
	return v;
}

uint16_t
weft_nl_attr_be16(const struct weft_nl_attr *a)
{
	return GUINT16_FROM_BE(weft_nl_attr_u16(a));
}

uint32_t
weft_nl_attr_be32(const struct weft_nl_attr *a)
{
	return GUINT32_FROM_BE(weft_nl_attr_u32(a));
}

uint64_t
weft_nl_attr_be64(const struct weft_nl_attr *a)
{
	return GUINT64_FROM_BE(weft_nl_attr_u64(a));
}

void
weft_nl_attr_copy(const struct weft_nl_attr *a, char *ret, size_t size)
{
	size_t len = a->p != NULL ? strnlen((const char *) a->p, a->len) : 0;

	len = MIN(len, size - 1);
	if (len > 0)
		memcpy(ret, a->p, len);
	memset(ret + len, 0, size - len);
}

bool
weft_nl_attr_address(const struct weft_nl_attr *a,
		     enum weft_family family,
		     struct weft_address *ret)
{
	struct weft_address address = { 0 };

	if (a->p != NULL) {
		if (a->len == 0 || a->len != weft_nl_family_octets(family))
			return false;
		memcpy(address.b, a->p, a->len);
		address.family = (uint8_t) family;
	}
	*ret = address;
	return true;
}

enum weft_family
weft_nl_family_from_af(int af)
{
	switch (af) {
	case AF_INET:
		return WEFT_FAMILY_IPV4;
	case AF_INET6:
		return WEFT_FAMILY_IPV6;
	default:
		return WEFT_FAMILY_NONE;
	}
}

int
weft_nl_family_to_af(enum weft_family family)
{
	static const int af[WEFT_FAMILY_COUNT_] = { AF_UNSPEC, AF_INET, AF_INET6 };

	return (unsigned) family < WEFT_FAMILY_COUNT_ ? af[family] : AF_UNSPEC;
}

size_t
weft_nl_family_octets(enum weft_family family)
{
	static const size_t octets[WEFT_FAMILY_COUNT_] = { 0, 4, 16 };

	return (unsigned) family < WEFT_FAMILY_COUNT_ ? octets[family] : 0;
}

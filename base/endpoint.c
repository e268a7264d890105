/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"
#include "base/decimal.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

bool
weft_endpoint_parse(struct weft_endpoint *ret, const char *text, size_t len)
{
	const char *colon = len > 0 ? memrchr(text, ':', len) : NULL;
	bool bracketed = len > 0 && text[0] == '[';
	struct weft_endpoint e = { 0 };
	const char *start = text;
	const char *end = colon;
	uint64_t port;

	if (colon == NULL)
		return false;
	if (bracketed) {
		start++;
		end--;
		if (end < start || *end != ']')
			return false;
	}
	if (!weft_address_parse(&e.addr, start, (size_t) (end - start)) ||
	    bracketed != (e.addr.family == WEFT_FAMILY_IPV6) ||
	    !weft_decimal_parse(&port, colon + 1, (size_t) (text + len - colon - 1), UINT16_MAX))
		return false;
	e.port = (uint16_t) port;
	*ret = e;
	return true;
}

char *
weft_endpoint_format(const struct weft_endpoint *e, char out[WEFT_ENDPOINT_TEXT_SIZE])
{
	char addr[WEFT_ADDRESS_TEXT_SIZE];

	(void) snprintf(out, WEFT_ENDPOINT_TEXT_SIZE,
			e->addr.family == WEFT_FAMILY_IPV6 ? "[%s]:%u" : "%s:%u",
			weft_address_format(&e->addr, addr), e->port);
	return out;
}

int
weft_endpoint_compare(const struct weft_endpoint *a, const struct weft_endpoint *b)
{
	int order = weft_address_compare(&a->addr, &b->addr);

	return order != 0 ? order : (int) a->port - (int) b->port;
}

bool
weft_endpoint_equal(const struct weft_endpoint *a, const struct weft_endpoint *b)
{
	return weft_endpoint_compare(a, b) == 0;
}

bool
weft_endpoint_from_sockaddr(struct weft_endpoint *ret, const struct sockaddr *sa, size_t len)
{
	sa_family_t family;

	if (len < offsetof(struct sockaddr, sa_family) + sizeof family)
		return false;
	/* Copies, because @sa may stand in a buffer of any alignment. */
	memcpy(&family, (const char *) sa + offsetof(struct sockaddr, sa_family), sizeof family);
	if (family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof in);
		*ret = (struct weft_endpoint){
			.addr = weft_address_v4(ntohl(in.sin_addr.s_addr)),
			.port = ntohs(in.sin_port),
		};
		return true;
	}
	if (family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof in6);
		*ret = (struct weft_endpoint){
			.addr = weft_address_v6(in6.sin6_addr.s6_addr),
			.port = ntohs(in6.sin6_port),
		};
		return true;
	}
	return false;
}

unsigned
weft_endpoint_to_sockaddr(const struct weft_endpoint *e, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof *ret);
	switch (e->addr.family) {
	case WEFT_FAMILY_IPV4: {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(e->port) };

		memcpy(&in.sin_addr, e->addr.b, sizeof in.sin_addr);
		memcpy(ret, &in, sizeof in);
		return sizeof in;
	}
	case WEFT_FAMILY_IPV6: {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(e->port) };

		memcpy(&in6.sin6_addr, e->addr.b, sizeof in6.sin6_addr);
		memcpy(ret, &in6, sizeof in6);
		return sizeof in6;
	}
	default:
		return 0;
	}
}

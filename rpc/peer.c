/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/peer.h"

#include "base/address.h"

#include <string.h>

/* Copies @text to @out (@size bytes) with %XX resolved; false if it does not fit or is not valid.
 */
static bool
unescape(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		char c = *text;

		if (c == '%' && (strncmp(text, "%5B", 3) == 0 || strncmp(text, "%5D", 3) == 0)) {
			c = text[2] == 'B' ? '[' : ']';
			text += 2;
		}
		if (n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* "[fe80::1%25eth0]:80" or "[fe80::1%eth0]:80" without the zone. */
static void
cut_zone(char *text)
{
	char *percent = strchr(text, '%');
	char *end = percent == NULL ? NULL : strchr(percent, ']');

	if (end != NULL)
		memmove(percent, end, strlen(end) + 1);
}

bool
weft_rpc_peer_parse(struct weft_endpoint *ret, const char *text)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct weft_endpoint e;
	char plain[128];

	if (strncmp(text, "ipv4:", 5) != 0 && strncmp(text, "ipv6:", 5) != 0)
		return false;
	if (!unescape(plain, sizeof plain, text + 5))
		return false;
	cut_zone(plain);
	if (!weft_endpoint_parse(&e, plain, strlen(plain)))
		return false;
	if (e.addr.family == WEFT_FAMILY_IPV6 && memcmp(e.addr.b, mapped, sizeof mapped) == 0)
		e.addr = weft_address_canonical(&e.addr);
	*ret = e;
	return true;
}

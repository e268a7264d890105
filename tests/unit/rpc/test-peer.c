/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"
#include "rpc/peer.h"

#include <glib.h>

static const struct {
	const char *text, *endpoint; /* NULL: refused */
} rows[] = {
	{ "ipv4:192.0.2.1:80", "192.0.2.1:80" },
	{ "ipv6:%5B2001:db8::1%5D:443", "[2001:db8::1]:443" },
	{ "ipv6:[2001:db8::1]:443", "[2001:db8::1]:443" },
	{ "ipv6:%5B::ffff:192.0.2.7%5D:5", "192.0.2.7:5" },
	{ "ipv6:%5Bfe80::1%25eth0%5D:5", "[fe80::1]:5" },
	{ "ipv6:[fe80::1%eth0]:5", "[fe80::1]:5" },
	{ "unix:", NULL },
	{ "unix:/run/x", NULL },
	{ "fd:7", NULL },
	{ "", NULL },
	{ "ipv4:", NULL },
	{ "ipv4:192.0.2.1", NULL },
	{ "ipv4:192.0.2.1:65536", NULL },
	{ "ipv4:host:80", NULL },
	{ "ipv6:%5B::1%5D", NULL },
	{ "ipv6:%5B%5B%5B%5B%5B::1%5D:1", NULL },
	{ "ipv6:%5Bfe80::1%"
	  "25aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%5D:5",
	  NULL },
};

static void
test_addresses(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct weft_endpoint e = { .port = 1 };
		char text[WEFT_ENDPOINT_TEXT_SIZE];

		if (rows[i].endpoint == NULL) {
			g_assert_false(weft_rpc_peer_parse(&e, rows[i].text));
			g_assert_cmpuint(e.port, ==, 1);
			continue;
		}
		g_assert_true(weft_rpc_peer_parse(&e, rows[i].text));
		g_assert_cmpstr(weft_endpoint_format(&e, text), ==, rows[i].endpoint);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rpc/peer/addresses", test_addresses);
	return g_test_run();
}

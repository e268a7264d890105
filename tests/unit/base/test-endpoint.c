/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"

#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const struct {
	const char *text, *canonical; /* NULL: refused */
} texts[] = {
	{ "1.2.3.4:5", "1.2.3.4:5" },
	{ "0.0.0.0:0", "0.0.0.0:0" },
	{ "255.255.255.255:65535", "255.255.255.255:65535" },
	{ "[::1]:5", "[::1]:5" },
	{ "[::]:0", "[::]:0" },
	{ "[2001:DB8:0::1]:443", "[2001:db8::1]:443" },
	{ "[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:1" },
	{ "1.2.3.4:65536", NULL },
	{ "1.2.3.4:", NULL },
	{ "1.2.3.4", NULL },
	{ "1.2.3.4:05", NULL },
	{ "1.2.3.4:-5", NULL },
	{ "1.2.3.4:+5", NULL },
	{ "1.2.3.4: 5", NULL },
	{ "1.2.3.4:5 ", NULL },
	{ "1.2.3.4:5:6", NULL },
	{ "[1.2.3.4]:5", NULL },
	{ "::1:5", NULL },
	{ "[::1]5", NULL },
	{ "[::1]", NULL },
	{ "[::1:5", NULL },
	{ "::1]:5", NULL },
	{ "[]:5", NULL },
	{ "[:5", NULL },
	{ "]:5", NULL },
	{ ":5", NULL },
	{ ":", NULL },
	{ "[", NULL },
	{ "", NULL },
	{ "[[::1]]:5", NULL },
	{ "[fe80::1%eth0]:5", NULL },
	{ "localhost:5", NULL },
};

static void
test_strict_texts_and_their_canonical_form(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		struct weft_endpoint e = { .addr = weft_address_v4(9), .port = 9 };
		char out[WEFT_ENDPOINT_TEXT_SIZE];
		bool ok = weft_endpoint_parse(&e, texts[i].text, strlen(texts[i].text));

		g_test_message("\"%s\"", texts[i].text);
		g_assert_cmpint(ok, ==, texts[i].canonical != NULL);
		g_assert_cmpstr(weft_endpoint_format(&e, out), ==,
				ok ? texts[i].canonical : "0.0.0.9:9");
	}
}

static void
test_sockaddr_round_trip(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		struct weft_endpoint e, back;
		struct sockaddr_storage ss;
		char unaligned[sizeof ss + 1];
		unsigned len;

		if (texts[i].canonical == NULL)
			continue;
		g_assert_true(weft_endpoint_parse(&e, texts[i].text, strlen(texts[i].text)));
		len = weft_endpoint_to_sockaddr(&e, &ss);
		g_assert_cmpuint(len, ==,
				 e.addr.family == WEFT_FAMILY_IPV4 ? sizeof(struct sockaddr_in)
								   : sizeof(struct sockaddr_in6));
		memcpy(unaligned + 1, &ss, len);
		g_assert_true(weft_endpoint_from_sockaddr(
			&back, (const struct sockaddr *) (const void *) (unaligned + 1), len));
		g_assert_true(weft_endpoint_equal(&e, &back));
		for (unsigned cut = 0; cut < len; cut++)
			g_assert_false(weft_endpoint_from_sockaddr(
				&back, (const struct sockaddr *) &ss, cut));
	}
}

static void
test_sockaddr_has_network_order(void)
{
	const struct weft_endpoint e = { .addr = weft_address_v4(0x7f000001), .port = 0x1234 };
	struct sockaddr_storage ss;
	struct sockaddr_in in;

	weft_endpoint_to_sockaddr(&e, &ss);
	memcpy(&in, &ss, sizeof in);
	g_assert_cmpint(in.sin_family, ==, AF_INET);
	g_assert_cmpuint(in.sin_port, ==, htons(0x1234));
	g_assert_cmpuint(in.sin_addr.s_addr, ==, htonl(INADDR_LOOPBACK));
}

static void
test_other_families_are_refused(void)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	struct weft_endpoint e = { .port = 7 };
	const struct weft_endpoint none = { 0 };

	g_assert_false(weft_endpoint_from_sockaddr(&e, (const struct sockaddr *) &ss, sizeof ss));
	g_assert_cmpuint(e.port, ==, 7);
	g_assert_cmpuint(weft_endpoint_to_sockaddr(&none, &ss), ==, 0);
}

static void
test_order_is_by_address_and_then_by_port(void)
{
	static const char *const sorted[] = { "1.2.3.4:1", "1.2.3.4:2", "1.2.3.4:65535",
					      "1.2.3.5:0", "[::]:0",    "[::]:1" };

	for (size_t i = 0; i < G_N_ELEMENTS(sorted); i++)
		for (size_t j = 0; j < G_N_ELEMENTS(sorted); j++) {
			struct weft_endpoint a, b;
			int order;

			g_assert_true(weft_endpoint_parse(&a, sorted[i], strlen(sorted[i])));
			g_assert_true(weft_endpoint_parse(&b, sorted[j], strlen(sorted[j])));
			order = weft_endpoint_compare(&a, &b);
			g_assert_cmpint((order > 0) - (order < 0), ==, (i > j) - (i < j));
			g_assert_cmpint(weft_endpoint_equal(&a, &b), ==, i == j);
		}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/endpoint/strict-texts-and-their-canonical-form",
			test_strict_texts_and_their_canonical_form);
	g_test_add_func("/base/endpoint/sockaddr-round-trip", test_sockaddr_round_trip);
	g_test_add_func("/base/endpoint/sockaddr-has-network-order",
			test_sockaddr_has_network_order);
	g_test_add_func("/base/endpoint/other-families-are-refused",
			test_other_families_are_refused);
	g_test_add_func("/base/endpoint/order-is-by-address-and-then-by-port",
			test_order_is_by_address_and_then_by_port);
	return g_test_run();
}

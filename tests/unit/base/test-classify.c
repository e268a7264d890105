/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"

#include "base/env.h"

#include <glib.h>
#include <string.h>

static struct weft_address
address(const char *text)
{
	struct weft_address a;

	g_assert_true(weft_address_parse(&a, text, strlen(text)));
	return a;
}

/* First and last address of every range, and its neighbours outside. */
static const struct {
	const char *text;
	enum weft_address_class class;
} classes[] = {
	{ "0.0.0.0", WEFT_ADDRESS_UNSPECIFIED },
	{ "0.255.255.255", WEFT_ADDRESS_UNSPECIFIED },
	{ "1.0.0.0", WEFT_ADDRESS_GLOBAL },
	{ "9.255.255.255", WEFT_ADDRESS_GLOBAL },
	{ "10.0.0.0", WEFT_ADDRESS_PRIVATE },
	{ "10.255.255.255", WEFT_ADDRESS_PRIVATE },
	{ "11.0.0.0", WEFT_ADDRESS_GLOBAL },
	{ "100.63.255.255", WEFT_ADDRESS_GLOBAL },
	{ "100.64.0.0", WEFT_ADDRESS_CGNAT },
	{ "100.127.255.255", WEFT_ADDRESS_CGNAT },
	{ "100.128.0.0", WEFT_ADDRESS_GLOBAL },
	{ "126.255.255.255", WEFT_ADDRESS_GLOBAL },
	{ "127.0.0.0", WEFT_ADDRESS_LOOPBACK },
	{ "127.255.255.255", WEFT_ADDRESS_LOOPBACK },
	{ "128.0.0.0", WEFT_ADDRESS_GLOBAL },
	{ "169.253.255.255", WEFT_ADDRESS_GLOBAL },
	{ "169.254.0.0", WEFT_ADDRESS_LINK_LOCAL },
	{ "169.254.169.254", WEFT_ADDRESS_LINK_LOCAL },
	{ "169.254.255.255", WEFT_ADDRESS_LINK_LOCAL },
	{ "169.255.0.0", WEFT_ADDRESS_GLOBAL },
	{ "172.15.255.255", WEFT_ADDRESS_GLOBAL },
	{ "172.16.0.0", WEFT_ADDRESS_PRIVATE },
	{ "172.31.255.255", WEFT_ADDRESS_PRIVATE },
	{ "172.32.0.0", WEFT_ADDRESS_GLOBAL },
	{ "191.255.255.255", WEFT_ADDRESS_GLOBAL },
	{ "192.0.0.0", WEFT_ADDRESS_RESERVED },
	{ "192.0.0.255", WEFT_ADDRESS_RESERVED },
	{ "192.0.1.0", WEFT_ADDRESS_GLOBAL },
	{ "192.0.2.0", WEFT_ADDRESS_DOCUMENTATION },
	{ "192.0.2.255", WEFT_ADDRESS_DOCUMENTATION },
	{ "192.0.3.0", WEFT_ADDRESS_GLOBAL },
	{ "192.88.98.255", WEFT_ADDRESS_GLOBAL },
	{ "192.88.99.0", WEFT_ADDRESS_RESERVED },
	{ "192.88.99.255", WEFT_ADDRESS_RESERVED },
	{ "192.88.100.0", WEFT_ADDRESS_GLOBAL },
	{ "192.167.255.255", WEFT_ADDRESS_GLOBAL },
	{ "192.168.0.0", WEFT_ADDRESS_PRIVATE },
	{ "192.168.255.255", WEFT_ADDRESS_PRIVATE },
	{ "192.169.0.0", WEFT_ADDRESS_GLOBAL },
	{ "198.17.255.255", WEFT_ADDRESS_GLOBAL },
	{ "198.18.0.0", WEFT_ADDRESS_RESERVED },
	{ "198.19.255.255", WEFT_ADDRESS_RESERVED },
	{ "198.20.0.0", WEFT_ADDRESS_GLOBAL },
	{ "198.51.99.255", WEFT_ADDRESS_GLOBAL },
	{ "198.51.100.0", WEFT_ADDRESS_DOCUMENTATION },
	{ "198.51.100.255", WEFT_ADDRESS_DOCUMENTATION },
	{ "198.51.101.0", WEFT_ADDRESS_GLOBAL },
	{ "203.0.112.255", WEFT_ADDRESS_GLOBAL },
	{ "203.0.113.0", WEFT_ADDRESS_DOCUMENTATION },
	{ "203.0.113.255", WEFT_ADDRESS_DOCUMENTATION },
	{ "203.0.114.0", WEFT_ADDRESS_GLOBAL },
	{ "223.255.255.255", WEFT_ADDRESS_GLOBAL },
	{ "224.0.0.0", WEFT_ADDRESS_MULTICAST },
	{ "239.255.255.255", WEFT_ADDRESS_MULTICAST },
	{ "240.0.0.0", WEFT_ADDRESS_RESERVED },
	{ "255.255.255.255", WEFT_ADDRESS_RESERVED },

	{ "::", WEFT_ADDRESS_UNSPECIFIED },
	{ "::1", WEFT_ADDRESS_LOOPBACK },
	{ "::2", WEFT_ADDRESS_RESERVED },
	{ "::8.8.8.8", WEFT_ADDRESS_RESERVED },
	{ "::ffff:8.8.8.8", WEFT_ADDRESS_RESERVED },
	{ "64:ff9b::8.8.8.8", WEFT_ADDRESS_RESERVED },
	{ "64:ff9b:1::8.8.8.8", WEFT_ADDRESS_RESERVED },
	{ "100::", WEFT_ADDRESS_RESERVED },
	{ "100::ffff:ffff:ffff:ffff", WEFT_ADDRESS_RESERVED },
	{ "100:0:0:1::", WEFT_ADDRESS_RESERVED },
	{ "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_RESERVED },
	{ "2000::", WEFT_ADDRESS_GLOBAL },
	{ "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_GLOBAL },
	{ "2001::", WEFT_ADDRESS_RESERVED },
	{ "2001:0:4136:e378:8000:63bf:3fff:fdd2", WEFT_ADDRESS_RESERVED }, /* Teredo */
	{ "2001:2::1", WEFT_ADDRESS_RESERVED },
	{ "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_RESERVED },
	{ "2001:20::", WEFT_ADDRESS_GLOBAL },
	{ "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_GLOBAL },
	{ "2001:30::", WEFT_ADDRESS_RESERVED },
	{ "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_RESERVED },
	{ "2001:200::", WEFT_ADDRESS_GLOBAL },
	{ "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_GLOBAL },
	{ "2001:db8::", WEFT_ADDRESS_DOCUMENTATION },
	{ "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_DOCUMENTATION },
	{ "2001:db9::", WEFT_ADDRESS_GLOBAL },
	{ "2002::", WEFT_ADDRESS_RESERVED },
	{ "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_RESERVED },
	{ "2003::", WEFT_ADDRESS_GLOBAL },
	{ "2a00:1450::1", WEFT_ADDRESS_GLOBAL },
	{ "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_GLOBAL },
	{ "3fff::", WEFT_ADDRESS_DOCUMENTATION },
	{ "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_DOCUMENTATION },
	{ "3fff:1000::", WEFT_ADDRESS_GLOBAL },
	{ "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_GLOBAL },
	{ "4000::", WEFT_ADDRESS_RESERVED },
	{ "5f00::1", WEFT_ADDRESS_RESERVED },
	{ "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_RESERVED },
	{ "fc00::", WEFT_ADDRESS_PRIVATE },
	{ "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_PRIVATE },
	{ "fe00::", WEFT_ADDRESS_RESERVED },
	{ "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_RESERVED },
	{ "fe80::", WEFT_ADDRESS_LINK_LOCAL },
	{ "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_LINK_LOCAL },
	{ "fec0::", WEFT_ADDRESS_PRIVATE },
	{ "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_PRIVATE },
	{ "ff00::", WEFT_ADDRESS_MULTICAST },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", WEFT_ADDRESS_MULTICAST },
};

static void
test_every_range_has_its_ends(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
		struct weft_address a = address(classes[i].text);

		g_test_message("%s", classes[i].text);
		g_assert_cmpstr(weft_address_class_name(weft_address_classify(&a)), ==,
				weft_address_class_name(classes[i].class));
	}
}

static void
test_an_address_of_no_family_is_unspecified(void)
{
	const struct weft_address none = { 0 };
	struct weft_address same = weft_address_canonical(&none);

	g_assert_cmpint(weft_address_classify(&none), ==, WEFT_ADDRESS_UNSPECIFIED);
	g_assert_true(weft_address_equal(&none, &same));
}

static void
test_every_class_has_a_name(void)
{
	for (int i = 0; i < WEFT_ADDRESS_CLASS_COUNT_; i++)
		g_assert_cmpstr(weft_address_class_name((enum weft_address_class) i), !=,
				"unknown");
	g_assert_cmpstr(weft_address_class_name(WEFT_ADDRESS_CLASS_COUNT_), ==, "unknown");
}

static const struct {
	const char *text, *canonical;
} forms[] = {
	/* v4-mapped, RFC 4291 section 2.5.5.2 */
	{ "::ffff:0.0.0.0", "0.0.0.0" },
	{ "::ffff:127.0.0.1", "127.0.0.1" },
	{ "::ffff:7f00:1", "127.0.0.1" },
	{ "::ffff:255.255.255.255", "255.255.255.255" },
	{ "::fffe:127.0.0.1", "::fffe:7f00:1" },
	{ "::1:ffff:127.0.0.1", "::1:ffff:7f00:1" },
	{ "::ffff:0:127.0.0.1", "::ffff:0:7f00:1" }, /* SIIT, RFC 2765: reserved anyway */
	/* v4-compatible, RFC 4291 section 2.5.5.1 */
	{ "::", "::" },
	{ "::1", "::1" },
	{ "::2", "0.0.0.2" },
	{ "::127.0.0.1", "127.0.0.1" },
	{ "::10.0.0.1", "10.0.0.1" },
	/* NAT64, RFC 6052 section 2.1 */
	{ "64:ff9b::", "0.0.0.0" },
	{ "64:ff9b::192.168.0.1", "192.168.0.1" },
	{ "64:ff9b::8.8.8.8", "8.8.8.8" },
	{ "64:ff9b::1:8.8.8.8", "64:ff9b::1:808:808" },
	{ "64:ff9c::8.8.8.8", "64:ff9c::808:808" },
	/* NAT64 of an operator, RFC 8215: /96, /64, /56 and /48 of RFC 6052 section 2.2 */
	{ "64:ff9b:1::", "0.0.0.0" },
	{ "64:ff9b:1::8.8.8.8", "8.8.8.8" },
	{ "64:ff9b:1:abcd:12:3456:8.8.8.8", "8.8.8.8" },
	{ "64:ff9b:1:fffe::127.0.0.1", "127.0.0.1" },
	{ "64:ff9b:1:4321:8:808:800:0", "8.8.8.8" },
	{ "64:ff9b:1:4321:a:1:200:0", "10.0.1.2" },
	{ "64:ff9b:1:4308:8:808::", "8.8.8.8" },
	{ "64:ff9b:1:430a:0:102::", "10.0.1.2" },
	{ "64:ff9b:1:808:8:800::", "8.8.8.8" },
	{ "64:ff9b:1:a00:1:200::", "10.0.1.2" },
	/* What one layout reads as global and another does not */
	{ "64:ff9b:1:a00:1:200:8.8.8.8", "10.0.1.2" },
	{ "64:ff9b:1:7f00:0:1ff:ffff:ffff", "127.0.0.1" },
	{ "64:ff9b:1:a00:ff00:200:8.8.8.8", "8.8.8.8" }, /* octet 8 rules the others out */
	{ "64:ff9b:2::8.8.8.8", "64:ff9b:2::808:808" },
	/* 6to4, RFC 3056 */
	{ "2002::", "0.0.0.0" },
	{ "2002:7f00:1::1", "127.0.0.1" },
	{ "2002:a00:1:ffff:ffff:ffff:ffff:ffff", "10.0.0.1" },
	{ "2002:808:808::", "8.8.8.8" },
	{ "2003:808:808::", "2003:808:808::" },
	/* The rest */
	{ "8.8.8.8", "8.8.8.8" },
	{ "127.0.0.1", "127.0.0.1" },
	{ "2a00::1", "2a00::1" },
	{ "fe80::1", "fe80::1" },
	{ "2001:db8::127.0.0.1", "2001:db8::7f00:1" },
};

static void
test_every_form_that_carries_ipv4_is_resolved(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
		struct weft_address a = address(forms[i].text);
		struct weft_address c = weft_address_canonical(&a);
		struct weft_address again = weft_address_canonical(&c);
		char out[WEFT_ADDRESS_TEXT_SIZE];

		g_test_message("%s", forms[i].text);
		g_assert_cmpstr(weft_address_format(&c, out), ==, forms[i].canonical);
		g_assert_true(weft_address_equal(&c, &again));
	}
}

/* Whoever forgets to canonicalise finds these forms reserved; whoever does it finds the class of
 * the IPv4 address. */
static void
test_an_ipv4_address_cannot_be_disguised(void)
{
	static const char *const before[] = { "::", "::ffff:", "64:ff9b::", "64:ff9b:1:fffe::" };
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 31);
	for (int i = 0; i < 20000; i++) {
		/* Not 0.0.0.0/8, whose v4-compatible form is :: or ::1 or a reserved one. */
		struct weft_address v4 =
			weft_address_v4(weft_env_random_u32(&fake.env) | 0x01000000);
		enum weft_address_class class = weft_address_classify(&v4);

		for (size_t f = 0; f < G_N_ELEMENTS(before); f++) {
			char quad[WEFT_ADDRESS_TEXT_SIZE];
			g_autofree char *text =
				g_strconcat(before[f], weft_address_format(&v4, quad), NULL);
			struct weft_address a = address(text);
			struct weft_address c = weft_address_canonical(&a);

			g_assert_cmpint(weft_address_classify(&a), ==, WEFT_ADDRESS_RESERVED);
			g_assert_cmpint(weft_address_classify(&c), ==, class);
			g_assert_true(weft_address_equal(&c, &v4));
		}
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/classify/every-range-has-its-ends", test_every_range_has_its_ends);
	g_test_add_func("/base/classify/an-address-of-no-family-is-unspecified",
			test_an_address_of_no_family_is_unspecified);
	g_test_add_func("/base/classify/every-class-has-a-name", test_every_class_has_a_name);
	g_test_add_func("/base/classify/every-form-that-carries-ipv4-is-resolved",
			test_every_form_that_carries_ipv4_is_resolved);
	g_test_add_func("/base/classify/an-ipv4-address-cannot-be-disguised",
			test_an_ipv4_address_cannot_be_disguised);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"

#include "base/env.h"

#include <arpa/inet.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

static const struct {
	const char *text, *canonical; /* NULL: refused */
} texts[] = {
	{ "0.0.0.0", "0.0.0.0" },
	{ "1.2.3.4", "1.2.3.4" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "1.2.3", NULL },
	{ "1.2.3.4.5", NULL },
	{ "1.2.3.256", NULL },
	{ "01.2.3.4", NULL },
	{ "1.2.3.04", NULL },
	{ "1.2.3.", NULL },
	{ ".1.2.3", NULL },
	{ "1..2.3", NULL },
	{ "0x1.2.3.4", NULL },
	{ "1.2.3.4 ", NULL },
	{ " 1.2.3.4", NULL },
	{ "1.2.3.4\n", NULL },
	{ "16909060", NULL },
	{ "+1.2.3.4", NULL },
	{ "1.2.3.-4", NULL },
	{ "", NULL },
	{ ".", NULL },
	/* RFC 4291 section 2.2 */
	{ "::", "::" },
	{ "::1", "::1" },
	{ "1::", "1::" },
	{ "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789", "abcd:ef01:2345:6789:abcd:ef01:2345:6789" },
	{ "2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a" },
	{ "FF01:0:0:0:0:0:0:101", "ff01::101" },
	{ "0:0:0:0:0:0:0:1", "::1" },
	{ "0:0:0:0:0:0:13.1.68.3", "::d01:4403" },
	{ "0:0:0:0:0:FFFF:129.144.52.38", "::ffff:129.144.52.38" },
	{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
	/* RFC 5952 section 4 */
	{ "2001:0db8::0001", "2001:db8::1" },
	{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },
	{ "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
	{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "1:0:0:2:3:4:0:0", "1::2:3:4:0:0" },
	{ "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
	{ "::ffff:0:0", "::ffff:0.0.0.0" },
	{ "::ffff:0:1:2", "::ffff:0:1:2" },
	{ "1:2:3:4:5:6:7", NULL },
	{ "1:2:3:4:5:6:7:8:9", NULL },
	{ "1:2:3:4:5:6:7::8:9", NULL },
	{ "1::2::3", NULL },
	{ ":::", NULL },
	{ ":", NULL },
	{ ":1", NULL },
	{ "1:", NULL },
	{ "1:2:3:4:5:6:7:", NULL },
	{ "12345::", NULL },
	{ "00001::", NULL },
	{ "g::", NULL },
	{ "::1.2.3", NULL },
	{ "::1.2.3.04", NULL },
	{ "1.2.3.4::", NULL },
	{ "::1.2.3.4:5", NULL },
	{ "fe80::1%eth0", NULL },
	{ "fe80::1%1", NULL },
	{ "[::1]", NULL },
	{ "::1/128", NULL },
	{ "::1 ", NULL },
	{ "0000:0000:0000:0000:0000:0000:255.255.255.255", "::ffff:ffff" },
	{ "0000:0000:0000:0000:0000:0000:0255.255.255.255", NULL },
	{ "localhost", NULL },
};

static void
test_strict_texts_and_their_canonical_form(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		struct weft_address a = weft_address_v4(0x7f000009);
		char out[WEFT_ADDRESS_TEXT_SIZE];
		bool ok = weft_address_parse(&a, texts[i].text, strlen(texts[i].text));

		g_test_message("\"%s\"", texts[i].text);
		g_assert_cmpint(ok, ==, texts[i].canonical != NULL);
		g_assert_cmpstr(weft_address_format(&a, out), ==,
				ok ? texts[i].canonical : "127.0.0.9");
	}
}

static void
test_the_length_counts_and_not_a_terminator(void)
{
	struct weft_address a;
	char long_text[200];

	g_assert_true(weft_address_parse(&a, "1.2.3.45", 7));
	g_assert_cmphex(weft_address_v4_host_order(&a), ==, 0x01020304);
	g_assert_false(weft_address_parse(&a, "1.2.3.4", 8));
	g_assert_false(weft_address_parse(&a, "::1\0", 4));
	memset(long_text, '0', sizeof long_text);
	memcpy(long_text, "::", 2);
	for (size_t len = 7; len <= sizeof long_text; len++)
		g_assert_false(weft_address_parse(&a, long_text, len));
}

/* Texts that are nearly addresses: inet_pton() has the same opinion of each, and what was accepted
 * formats to a text that gives the same address. */
static void
test_mutated_texts_agree_with_inet_pton(void)
{
	static const char alphabet[] = "0123456789abcdefABCDEF::::....  %/[]gx-+";
	struct weft_env_fake fake;
	unsigned accepted = 0;

	weft_env_fake_init(&fake, 11);
	for (int i = 0; i < 100000; i++) {
		size_t row = weft_env_random_below(&fake.env, G_N_ELEMENTS(texts));
		char text[WEFT_ADDRESS_TEXT_SIZE] = { 0 };
		char out[WEFT_ADDRESS_TEXT_SIZE];
		struct weft_address a, again;
		uint8_t theirs[16] = { 0 };
		size_t len = MIN(strlen(texts[row].text), sizeof text - 1);
		bool expected;

		memcpy(text, texts[row].text, len);
		for (uint64_t n = weft_env_random_below(&fake.env, 3); n > 0 && len > 0; n--)
			text[weft_env_random_below(&fake.env, len)] =
				alphabet[weft_env_random_below(&fake.env, sizeof alphabet - 1)];
		expected = inet_pton(strchr(text, ':') != NULL ? AF_INET6 : AF_INET, text,
				     theirs) == 1;
		g_assert_cmpint(weft_address_parse(&a, text, len), ==, expected);
		if (!expected)
			continue;
		accepted++;
		g_assert_cmpmem(a.b, sizeof a.b, theirs, sizeof theirs);
		weft_address_format(&a, out);
		g_assert_true(weft_address_parse(&again, out, strlen(out)));
		g_assert_true(weft_address_equal(&a, &again));
	}
	g_assert_cmpuint(accepted, >, 10000);
}

/* A v4-compatible address is the one form that inet_ntop() writes with a quad and we do not. */
static void
test_format_agrees_with_inet_ntop(void)
{
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 12);
	for (int i = 0; i < 100000; i++) {
		static const uint8_t compatible[12];
		struct weft_address a = { .family = WEFT_FAMILY_IPV6 };
		char out[WEFT_ADDRESS_TEXT_SIZE], theirs[INET6_ADDRSTRLEN];
		uint32_t shape = weft_env_random_u32(&fake.env);

		weft_env_random(&fake.env, a.b, sizeof a.b);
		for (size_t group = 0; group < 8; group++)
			if (shape & 1u << group) /* zeros in all arrangements */
				a.b[2 * group] = a.b[2 * group + 1] = 0;
		if (shape >> 8 == 0 || i % 10 == 0)
			memcpy(a.b, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
		if (memcmp(a.b, compatible, sizeof compatible) == 0)
			continue;
		g_assert_nonnull(inet_ntop(AF_INET6, a.b, theirs, sizeof theirs));
		g_assert_cmpstr(weft_address_format(&a, out), ==, theirs);
	}
}

static void
test_host_order_and_bits(void)
{
	struct weft_address v4 = weft_address_v4(0x64400007);
	struct weft_address v6 = weft_address_v6((const uint8_t[16]){ 0xfd, [15] = 1 });
	struct weft_address none = { 0 };
	char out[WEFT_ADDRESS_TEXT_SIZE];

	g_assert_cmpstr(weft_address_format(&v4, out), ==, "100.64.0.7");
	g_assert_cmpstr(weft_address_format(&v6, out), ==, "fd00::1");
	g_assert_cmpstr(weft_address_format(&none, out), ==, "none");
	g_assert_cmphex(weft_address_v4_host_order(&v4), ==, 0x64400007);
	g_assert_cmphex(weft_address_v4_host_order(&v6), ==, 0);
	g_assert_cmpuint(weft_address_bits(&v4), ==, 32);
	g_assert_cmpuint(weft_address_bits(&v6), ==, 128);
	g_assert_cmpuint(weft_address_bits(&none), ==, 0);
}

static void
test_order_is_by_family_and_then_by_number(void)
{
	static const char *const sorted[] = { "0.0.0.0", "9.255.255.255", "10.0.0.0", "255.0.0.0",
					      "::",      "::1",           "2001::",   "ff00::" };

	for (size_t i = 0; i < G_N_ELEMENTS(sorted); i++)
		for (size_t j = 0; j < G_N_ELEMENTS(sorted); j++) {
			struct weft_address a, b;
			int order;

			g_assert_true(weft_address_parse(&a, sorted[i], strlen(sorted[i])));
			g_assert_true(weft_address_parse(&b, sorted[j], strlen(sorted[j])));
			order = weft_address_compare(&a, &b);
			g_assert_cmpint((order > 0) - (order < 0), ==, (i > j) - (i < j));
			g_assert_cmpint(weft_address_equal(&a, &b), ==, i == j);
		}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/address/strict-texts-and-their-canonical-form",
			test_strict_texts_and_their_canonical_form);
	g_test_add_func("/base/address/the-length-counts-and-not-a-terminator",
			test_the_length_counts_and_not_a_terminator);
	g_test_add_func("/base/address/mutated-texts-agree-with-inet-pton",
			test_mutated_texts_agree_with_inet_pton);
	g_test_add_func("/base/address/format-agrees-with-inet-ntop",
			test_format_agrees_with_inet_ntop);
	g_test_add_func("/base/address/host-order-and-bits", test_host_order_and_bits);
	g_test_add_func("/base/address/order-is-by-family-and-then-by-number",
			test_order_is_by_family_and_then_by_number);
	return g_test_run();
}

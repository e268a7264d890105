/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/address.h"

#include "base/env.h"
#include "tests/unit/base/hex.h"

#include <glib.h>
#include <string.h>

static struct weft_prefix
prefix(const char *text)
{
	struct weft_prefix p;

	g_assert_true(weft_prefix_parse(&p, text, strlen(text), true));
	return p;
}

enum verdict { REFUSED, HOST_BITS, NETWORK };

static const struct {
	const char *text;
	enum verdict verdict;
	const char *masked;
} texts[] = {
	{ "0.0.0.0/0", NETWORK, "0.0.0.0/0" },
	{ "10.0.0.0/8", NETWORK, "10.0.0.0/8" },
	{ "100.64.0.7/16", HOST_BITS, "100.64.0.0/16" },
	{ "100.64.0.7/32", NETWORK, "100.64.0.7/32" },
	{ "100.64.0.7/31", HOST_BITS, "100.64.0.6/31" },
	{ "255.255.255.255/1", HOST_BITS, "128.0.0.0/1" },
	{ "1.2.3.4/0", HOST_BITS, "0.0.0.0/0" },
	{ "::/0", NETWORK, "::/0" },
	{ "fd00::1/64", HOST_BITS, "fd00::/64" },
	{ "fd00::1/128", NETWORK, "fd00::1/128" },
	{ "FD7F:0::/9", HOST_BITS, "fd00::/9" },
	{ "fd80::/9", NETWORK, "fd80::/9" },
	{ "10.0.0.0/33", REFUSED, NULL },
	{ "::/129", REFUSED, NULL },
	{ "10.0.0.0/08", REFUSED, NULL },
	{ "10.0.0.0/", REFUSED, NULL },
	{ "10.0.0.0", REFUSED, NULL },
	{ "10/8", REFUSED, NULL },
	{ "10.0.0.0/255.0.0.0", REFUSED, NULL },
	{ "10.0.0.0/-1", REFUSED, NULL },
	{ "10.0.0.0/+8", REFUSED, NULL },
	{ "10.0.0.0/8/8", REFUSED, NULL },
	{ "10.0.0.0/8 ", REFUSED, NULL },
	{ "10.0.0.0 /8", REFUSED, NULL },
	{ "10.0.0.0/999999999999999999999", REFUSED, NULL },
	{ "/8", REFUSED, NULL },
	{ "/", REFUSED, NULL },
	{ "", REFUSED, NULL },
	{ "[::]/0", REFUSED, NULL },
};

static void
test_texts_with_and_without_host_bits(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		const char *text = texts[i].text;
		struct weft_prefix p = { .bits = 77 };
		struct weft_prefix masked;
		char out[WEFT_PREFIX_TEXT_SIZE];

		g_test_message("\"%s\"", text);
		g_assert_cmpint(weft_prefix_parse(&p, text, strlen(text), false), ==,
				texts[i].verdict == NETWORK);
		if (texts[i].verdict != NETWORK)
			g_assert_cmpuint(p.bits, ==, 77);
		g_assert_cmpint(weft_prefix_parse(&p, text, strlen(text), true), ==,
				texts[i].verdict != REFUSED);
		if (texts[i].verdict == REFUSED)
			continue;
		masked = weft_prefix_mask(&p);
		g_assert_cmpstr(weft_prefix_format(&masked, out), ==, texts[i].masked);
		p = prefix(weft_prefix_format(&p, out));
		g_assert_true(weft_prefix_equal(&p, &masked));
	}
}

static bool
bit(const struct weft_address *a, unsigned i)
{
	return a->b[i / 8] >> (7 - i % 8) & 1;
}

/* One bit after the other, as a definition. */
static bool
naive_same(const struct weft_address *a, const struct weft_address *b, unsigned bits)
{
	if (a->family != b->family)
		return false;
	for (unsigned i = 0; i < bits; i++)
		if (bit(a, i) != bit(b, i))
			return false;
	return true;
}

static struct weft_prefix
random_prefix(const struct weft_env *env)
{
	struct weft_prefix p = { 0 };

	p.addr.family = weft_env_random_below(env, 2) ? WEFT_FAMILY_IPV4 : WEFT_FAMILY_IPV6;
	weft_env_random(env, p.addr.b, weft_address_bits(&p.addr) / 8);
	p.bits = (uint8_t) weft_env_random_below(env, (uint64_t) weft_address_bits(&p.addr) + 1);
	return p;
}

/* The same prefix, or one that differs in a single bit, or another one: random pairs would hardly
 * ever share their beginnings. */
static struct weft_prefix
relative_of(const struct weft_prefix *p, const struct weft_env *env)
{
	struct weft_prefix q = random_prefix(env);
	unsigned flip = (unsigned) weft_env_random_below(env, weft_address_bits(&p->addr));

	if (weft_env_random_below(env, 4) == 0)
		return q;
	q.addr = p->addr;
	q.bits = (uint8_t) weft_env_random_below(env, (uint64_t) weft_address_bits(&p->addr) + 1);
	if (weft_env_random_below(env, 4) > 0)
		q.addr.b[flip / 8] ^= (uint8_t) (0x80 >> flip % 8);
	return q;
}

static void
test_contain_and_overlap_agree_with_single_bits(void)
{
	struct weft_env_fake fake;
	unsigned hits[3] = { 0 };

	weft_env_fake_init(&fake, 21);
	for (int i = 0; i < 200000; i++) {
		struct weft_prefix p = random_prefix(&fake.env);
		struct weft_prefix q = relative_of(&p, &fake.env);
		bool contains = naive_same(&p.addr, &q.addr, p.bits);
		bool contains_prefix = p.bits <= q.bits && contains;
		bool overlaps = naive_same(&p.addr, &q.addr, MIN(p.bits, q.bits));

		g_assert_cmpint(weft_prefix_contains(&p, &q.addr), ==, contains);
		g_assert_cmpint(weft_prefix_contains_prefix(&p, &q), ==, contains_prefix);
		g_assert_cmpint(weft_prefix_overlaps(&p, &q), ==, overlaps);
		g_assert_cmpint(weft_prefix_overlaps(&q, &p), ==, overlaps);
		hits[0] += contains;
		hits[1] += contains_prefix;
		hits[2] += overlaps;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(hits); i++) {
		g_assert_cmpuint(hits[i], >, 10000);
		g_assert_cmpuint(hits[i], <, 190000);
	}
}

static void
test_mask_clears_exactly_the_bits_beyond(void)
{
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 22);
	for (int i = 0; i < 20000; i++) {
		struct weft_prefix p = random_prefix(&fake.env);
		struct weft_prefix masked = weft_prefix_mask(&p);

		for (unsigned b = 0; b < 128; b++)
			g_assert_cmpint(bit(&masked.addr, b), ==, b < p.bits && bit(&p.addr, b));
		g_assert_cmpuint(masked.bits, ==, p.bits);
		g_assert_cmpint(masked.addr.family, ==, p.addr.family);
	}
}

static void
test_text_and_compact_round_trip(void)
{
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 23);
	for (int i = 0; i < 20000; i++) {
		struct weft_prefix p = random_prefix(&fake.env);
		struct weft_prefix back;
		char text[WEFT_PREFIX_TEXT_SIZE];
		uint8_t compact[WEFT_PREFIX_COMPACT_MAX];
		size_t len;

		back = prefix(weft_prefix_format(&p, text));
		g_assert_true(weft_address_equal(&p.addr, &back.addr));
		g_assert_cmpuint(p.bits, ==, back.bits);
		len = weft_prefix_to_compact(&p, compact);
		g_assert_true(weft_prefix_from_compact(&back, compact, len));
		g_assert_true(weft_address_equal(&p.addr, &back.addr));
		g_assert_cmpuint(p.bits, ==, back.bits);
	}
}

/* protocol.md 9, V15. */
static const struct {
	const char *text, *hex;
} v15[] = {
	{ "100.64.0.7/32", "6440000720" },
	{ "0.0.0.0/0", "0000000000" },
	{ "fd00::1/64", "fd00000000000000000000000000000140" },
	{ "100.64.0.2/32", "6440000220" },
};

static void
test_compact_vector_v15(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(v15); i++) {
		uint8_t expected[WEFT_PREFIX_COMPACT_MAX], out[WEFT_PREFIX_COMPACT_MAX];
		size_t len = unhex(expected, sizeof expected, v15[i].hex);
		struct weft_prefix p = prefix(v15[i].text);
		char text[WEFT_PREFIX_TEXT_SIZE];

		g_assert_cmpmem(out, weft_prefix_to_compact(&p, out), expected, len);
		g_assert_true(weft_prefix_from_compact(&p, expected, len));
		g_assert_cmpstr(weft_prefix_format(&p, text), ==, v15[i].text);
	}
}

static void
test_other_compact_forms_are_refused(void)
{
	const struct weft_prefix none = { 0 };
	uint8_t buf[WEFT_PREFIX_COMPACT_MAX + 1] = { 0 };
	struct weft_prefix p = { .bits = 9 };

	for (size_t len = 0; len <= sizeof buf; len++)
		g_assert_cmpint(weft_prefix_from_compact(&p, buf, len), ==, len == 5 || len == 17);
	p.bits = 9;
	buf[4] = 33;
	g_assert_false(weft_prefix_from_compact(&p, buf, 5));
	buf[16] = 129;
	g_assert_false(weft_prefix_from_compact(&p, buf, 17));
	g_assert_cmpuint(p.bits, ==, 9);
	g_assert_cmpuint(weft_prefix_to_compact(&none, buf), ==, 0);
}

static void
test_families_do_not_mix(void)
{
	struct weft_prefix all4 = prefix("0.0.0.0/0");
	struct weft_prefix all6 = prefix("::/0");

	g_assert_false(weft_prefix_contains(&all4, &all6.addr));
	g_assert_false(weft_prefix_contains(&all6, &all4.addr));
	g_assert_false(weft_prefix_contains_prefix(&all6, &all4));
	g_assert_false(weft_prefix_overlaps(&all4, &all6));
	g_assert_false(weft_prefix_equal(&all4, &all6));
}

static void
test_host_prefix_holds_one_address(void)
{
	struct weft_address v4 = weft_address_v4(0x0a000001);
	struct weft_address v6 = weft_address_v6((const uint8_t[16]){ 0xfd });
	struct weft_prefix p4 = weft_prefix_host(&v4);
	struct weft_prefix p6 = weft_prefix_host(&v6);

	g_assert_cmpuint(p4.bits, ==, 32);
	g_assert_cmpuint(p6.bits, ==, 128);
	g_assert_true(weft_prefix_contains(&p4, &v4));
	v4.b[3] ^= 1;
	v6.b[15] ^= 1;
	g_assert_false(weft_prefix_contains(&p4, &v4));
	g_assert_false(weft_prefix_contains(&p6, &v6));
}

static void
test_order_ignores_host_bits(void)
{
	static const char *const sorted[] = { "0.0.0.0/0",  "10.9.9.9/8", "10.0.0.0/9",
					      "10.1.0.0/8", "11.0.0.0/8", "::/0",
					      "fd00::7/64", "fd00::/65" };
	static const int rank[] = { 0, 1, 2, 1, 3, 4, 5, 6 };

	for (size_t i = 0; i < G_N_ELEMENTS(sorted); i++)
		for (size_t j = 0; j < G_N_ELEMENTS(sorted); j++) {
			struct weft_prefix a = prefix(sorted[i]);
			struct weft_prefix b = prefix(sorted[j]);
			int order = weft_prefix_compare(&a, &b);

			g_assert_cmpint((order > 0) - (order < 0), ==,
					(rank[i] > rank[j]) - (rank[i] < rank[j]));
			g_assert_cmpint(weft_prefix_equal(&a, &b), ==, rank[i] == rank[j]);
		}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/prefix/texts-with-and-without-host-bits",
			test_texts_with_and_without_host_bits);
	g_test_add_func("/base/prefix/contain-and-overlap-agree-with-single-bits",
			test_contain_and_overlap_agree_with_single_bits);
	g_test_add_func("/base/prefix/mask-clears-exactly-the-bits-beyond",
			test_mask_clears_exactly_the_bits_beyond);
	g_test_add_func("/base/prefix/text-and-compact-round-trip",
			test_text_and_compact_round_trip);
	g_test_add_func("/base/prefix/compact-vector-v15", test_compact_vector_v15);
	g_test_add_func("/base/prefix/other-compact-forms-are-refused",
			test_other_compact_forms_are_refused);
	g_test_add_func("/base/prefix/families-do-not-mix", test_families_do_not_mix);
	g_test_add_func("/base/prefix/host-prefix-holds-one-address",
			test_host_prefix_holds_one_address);
	g_test_add_func("/base/prefix/order-ignores-host-bits", test_order_ignores_host_bits);
	return g_test_run();
}

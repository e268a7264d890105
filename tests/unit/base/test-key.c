/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/key.h"

#include "base/env.h"
#include "tests/unit/base/hex.h"

#include <glib.h>
#include <string.h>

static struct weft_key
key_from_hex(const char *hex)
{
	struct weft_key key;

	g_assert_cmpuint(unhex(key.b, sizeof key.b, hex), ==, sizeof key.b);
	return key;
}

/* RFC 7748 section 6.1: Alice and Bob. */
static const struct {
	const char *priv, *pub;
} rfc7748[] = {
	{ "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
	  "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a" },
	{ "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
	  "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f" },
};

static void
test_rfc7748_section_6_1(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rfc7748); i++) {
		struct weft_key key = key_from_hex(rfc7748[i].priv);
		struct weft_key expected = key_from_hex(rfc7748[i].pub);
		struct weft_key pub;

		weft_key_public(&pub, &key);
		g_assert_true(weft_key_equal(&pub, &expected));
		weft_key_clamp(&key); /* changes nothing about the public key */
		weft_key_public(&key, &key);
		g_assert_true(weft_key_equal(&key, &expected));
	}
}

static void
test_clamping_sets_and_clears_the_bits_of_rfc7748(void)
{
	struct weft_key ones, zeros = { 0 };

	memset(&ones, 0xff, sizeof ones);
	weft_key_clamp(&ones);
	weft_key_clamp(&zeros);
	g_assert_cmphex(ones.b[0], ==, 0xf8);
	g_assert_cmphex(ones.b[31], ==, 0x7f);
	g_assert_cmphex(ones.b[1], ==, 0xff);
	g_assert_cmphex(zeros.b[0], ==, 0);
	g_assert_cmphex(zeros.b[31], ==, 0x40);
}

static void
test_generated_keys_are_clamped_and_differ(void)
{
	struct weft_env_fake fake;
	struct weft_key a, b, clamped;

	weft_env_fake_init(&fake, 1);
	weft_key_generate(&a, &fake.env);
	weft_key_generate(&b, &fake.env);
	clamped = a;
	weft_key_clamp(&clamped);
	g_assert_true(weft_key_equal(&a, &clamped));
	g_assert_false(weft_key_equal(&a, &b));
	weft_env_fake_init(&fake, 1);
	weft_key_generate(&b, &fake.env);
	g_assert_true(weft_key_equal(&a, &b));
}

static void
test_text_round_trip(void)
{
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 2);
	for (int i = 0; i < 500; i++) {
		struct weft_key key, back;
		struct weft_key_text text;

		weft_env_random(&fake.env, key.b, sizeof key.b);
		text = weft_key_to_text(&key);
		g_assert_cmpuint(strlen(text.s), ==, WEFT_KEY_TEXT_LEN);
		g_assert_true(weft_key_from_text(&back, text.s, WEFT_KEY_TEXT_LEN));
		g_assert_true(weft_key_equal(&key, &back));
	}
}

/* clang-format off */
static const char *const bad_texts[] = {
	"",
	"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw",   /* no padding */
	"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw==",
	"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHx=",  /* unused bits */
	"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=\n",
	"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9_AsrhtHHw=",  /* the alphabet of URLs */
	"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHwA",  /* 33 octets */
	"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHA==",  /* 31 octets */
	" 6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=",
	"07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c",
};
/* clang-format on */

static void
test_other_texts_are_refused_and_leave_the_key_alone(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bad_texts); i++) {
		struct weft_key key = { { 42 } };

		g_test_message("%s", bad_texts[i]);
		g_assert_false(weft_key_from_text(&key, bad_texts[i], strlen(bad_texts[i])));
		g_assert_cmpuint(key.b[0], ==, 42);
		g_assert_cmpuint(key.b[1], ==, 0);
	}
}

static void
test_equal_and_zero_see_every_bit(void)
{
	struct weft_key zero = { 0 };

	g_assert_true(weft_key_is_zero(&zero));
	for (size_t bit = 0; bit < 256; bit++) {
		struct weft_key key = { 0 };

		key.b[bit / 8] = (uint8_t) (1 << bit % 8);
		g_assert_false(weft_key_is_zero(&key));
		g_assert_false(weft_key_equal(&zero, &key));
		g_assert_true(weft_key_equal(&key, &key));
		g_assert_cmpuint(weft_key_hash(&zero), !=, weft_key_hash(&key));
	}
}

/* Text order is not the order of the octets: '+' and '/' come before the digits, these before the
 * letters. protocol.md 3.5 compares texts. */
static void
test_order_is_that_of_the_text(void)
{
	struct weft_key a = { { 0x00 } };     /* A... */
	struct weft_key z = { { 0x64 } };     /* Z... */
	struct weft_key plus = { { 0xf8 } };  /* +... */
	struct weft_key digit = { { 0xd0 } }; /* 0... */

	g_assert_cmpint(weft_key_text_compare(&a, &z), <, 0);
	g_assert_cmpint(weft_key_text_compare(&plus, &a), <, 0);
	g_assert_cmpint(weft_key_text_compare(&plus, &digit), <, 0);
	g_assert_cmpint(weft_key_text_compare(&digit, &a), <, 0);
	g_assert_cmpint(weft_key_text_compare(&z, &digit), >, 0);
	g_assert_cmpint(weft_key_text_compare(&z, &z), ==, 0);
}

static void
test_wiping_leaves_zeros(void)
{
	struct weft_key key;
	char secret[] = "secret";

	memset(&key, 1, sizeof key);
	weft_key_wipe(&key);
	g_assert_true(weft_key_is_zero(&key));
	weft_wipe(secret, 3);
	g_assert_cmpmem(secret, sizeof secret, "\0\0\0ret", 7);
	weft_wipe(NULL, 0);
}

static void
test_initialising_twice_keeps_the_hashes(void)
{
	const struct weft_key key = { { 1 } };
	uint64_t before = weft_key_hash(&key);

	g_assert_true(weft_crypto_init());
	g_assert_cmpuint(weft_key_hash(&key), ==, before);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
	g_test_add_func("/base/key/rfc7748-section-6-1", test_rfc7748_section_6_1);
	g_test_add_func("/base/key/clamping-sets-and-clears-the-bits-of-rfc7748",
			test_clamping_sets_and_clears_the_bits_of_rfc7748);
	g_test_add_func("/base/key/generated-keys-are-clamped-and-differ",
			test_generated_keys_are_clamped_and_differ);
	g_test_add_func("/base/key/text-round-trip", test_text_round_trip);
	g_test_add_func("/base/key/other-texts-are-refused-and-leave-the-key-alone",
			test_other_texts_are_refused_and_leave_the_key_alone);
	g_test_add_func("/base/key/equal-and-zero-see-every-bit",
			test_equal_and_zero_see_every_bit);
	g_test_add_func("/base/key/order-is-that-of-the-text", test_order_is_that_of_the_text);
	g_test_add_func("/base/key/wiping-leaves-zeros", test_wiping_leaves_zeros);
	g_test_add_func("/base/key/initialising-twice-keeps-the-hashes",
			test_initialising_twice_keeps_the_hashes);
	return g_test_run();
}

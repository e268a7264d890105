/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base64.h"

#include "base/env.h"

#include <glib.h>
#include <string.h>

/* RFC 4648 section 10, and every value of the alphabet. */
static const struct {
	const char *bytes;
	size_t len;
	const char *text;
} rows[] = {
	{ "", 0, "" },
	{ "f", 1, "Zg==" },
	{ "fo", 2, "Zm8=" },
	{ "foo", 3, "Zm9v" },
	{ "foob", 4, "Zm9vYg==" },
	{ "fooba", 5, "Zm9vYmE=" },
	{ "foobar", 6, "Zm9vYmFy" },
	{ "\0", 1, "AA==" },
	{ "\xff\xff\xff", 3, "////" },
	{ "\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96\x9b\x71"
	  "\xd7\x9f\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e"
	  "\xbb\xf3\xdf\xbf",
	  48, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" },
};

static void
test_rfc4648_section_10(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char text[80];
		uint8_t bytes[60];
		size_t len = 0;

		g_assert_true(weft_base64_encode(text, sizeof text, (const uint8_t *) rows[i].bytes,
						 rows[i].len));
		g_assert_cmpstr(text, ==, rows[i].text);
		g_assert_cmpuint(WEFT_BASE64_LEN(rows[i].len), ==, strlen(text));
		g_assert_true(weft_base64_decode(bytes, sizeof bytes, &len, rows[i].text,
						 strlen(rows[i].text)));
		g_assert_cmpmem(bytes, len, rows[i].bytes, rows[i].len);
	}
}

static void
test_other_forms_are_refused(void)
{
	static const char *const bad[] = {
		"Z",        "Zg",       "Zg=",        "Zg===",    "=",        "==",   "====",
		"Zh==",     "Zm9=",     "Zm8",        "Zg==Zg==", "Zm9v=",    "=Zm9", "Z=g=",
		"Zm9v\n",   "Zm9\n",    " Zm9",       "Zm 9",     "Zm9v Zm9", "Zm-_", "Zm9*",
		"Zm9v====", "Zg==    ", "\xc3\xa4==", "Zg\t=",    "Zm9v=m9v", "A===", "//-/",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		uint8_t out[32];
		size_t len = 99;

		g_test_message("\"%s\"", bad[i]);
		g_assert_false(weft_base64_decode(out, sizeof out, &len, bad[i], strlen(bad[i])));
		g_assert_cmpuint(len, ==, 99);
	}
	g_assert_false(weft_base64_decode((uint8_t[8]){ 0 }, 8, &(size_t){ 0 }, "Zm\0v", 4));
}

/* Of all last characters before padding only those without spare bits. */
static void
test_exactly_the_canonical_ends_are_taken(void)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < 64; i++) {
		char one[5] = { 'A', alphabet[i], '=', '=' };
		char two[5] = { 'A', 'A', alphabet[i], '=' };
		uint8_t out[3];
		size_t len;

		g_assert_cmpint(weft_base64_decode(out, 3, &len, one, 4), ==, i % 16 == 0);
		g_assert_cmpint(weft_base64_decode(out, 3, &len, two, 4), ==, i % 4 == 0);
	}
}

static void
test_no_octet_outside_the_alphabet_is_taken(void)
{
	for (unsigned octet = 0; octet < 256; octet++)
		for (size_t at = 0; at < 4; at++) {
			char text[4] = { 'A', 'A', 'A', 'A' };
			bool expected =
				octet < 0x80 && (g_ascii_isalnum((char) octet) || octet == '+' ||
						 octet == '/' || (octet == '=' && at == 3));
			uint8_t out[3];
			size_t len;

			text[at] = (char) octet;
			g_assert_cmpint(weft_base64_decode(out, 3, &len, text, 4), ==, expected);
		}
}

static void
test_nothing_is_written_beyond_the_room(void)
{
	char text[9] = "........";
	uint8_t bytes[4] = { 9, 9, 9, 9 };
	size_t len;

	g_assert_false(weft_base64_encode(text, 4, (const uint8_t *) "foo", 3));
	g_assert_cmpstr(text, ==, "........");
	g_assert_true(weft_base64_encode(text, 5, (const uint8_t *) "foo", 3));
	g_assert_cmpmem(text, 9, "Zm9v\0...", 9);
	g_assert_false(weft_base64_encode(text, 0, (const uint8_t *) "", 0));
	g_assert_true(weft_base64_encode(text, 1, (const uint8_t *) "", 0));
	g_assert_false(weft_base64_encode(text, sizeof text, (const uint8_t *) text, SIZE_MAX));
	g_assert_false(weft_base64_decode(bytes, 2, &len, "Zm9v", 4));
	g_assert_cmpuint(bytes[2], ==, 9);
	g_assert_true(weft_base64_decode(bytes, 3, &len, "Zm9v", 4));
	g_assert_cmpuint(bytes[3], ==, 9);
	g_assert_true(weft_base64_decode(bytes, 0, &len, "", 0));
	g_assert_cmpuint(len, ==, 0);
}

static void
test_round_trip_agrees_with_glib(void)
{
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 1);
	for (size_t len = 0; len < 200; len++) {
		uint8_t bytes[200];
		uint8_t back[200];
		char text[WEFT_BASE64_LEN(200) + 1];
		g_autofree char *theirs = NULL;
		size_t back_len = 0;

		weft_env_random(&fake.env, bytes, len);
		theirs = g_base64_encode(bytes, len);
		g_assert_true(weft_base64_encode(text, sizeof text, bytes, len));
		g_assert_cmpstr(text, ==, theirs);
		g_assert_true(weft_base64_decode(back, len, &back_len, text, strlen(text)));
		g_assert_cmpmem(back, back_len, bytes, len);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/base64/rfc4648-section-10", test_rfc4648_section_10);
	g_test_add_func("/base/base64/other-forms-are-refused", test_other_forms_are_refused);
	g_test_add_func("/base/base64/exactly-the-canonical-ends-are-taken",
			test_exactly_the_canonical_ends_are_taken);
	g_test_add_func("/base/base64/no-octet-outside-the-alphabet-is-taken",
			test_no_octet_outside_the_alphabet_is_taken);
	g_test_add_func("/base/base64/nothing-is-written-beyond-the-room",
			test_nothing_is_written_beyond_the_room);
	g_test_add_func("/base/base64/round-trip-agrees-with-glib",
			test_round_trip_agrees_with_glib);
	return g_test_run();
}

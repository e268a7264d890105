/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/hash.h"

#include "tests/unit/base/hex.h"

#include <glib.h>
#include <string.h>

/* @text, or @fill repeated @count times. */
struct input {
	const char *text;
	uint8_t fill;
	size_t count;
};

static size_t
expand(uint8_t *out, size_t size, const struct input *in)
{
	size_t len = in->text != NULL ? strlen(in->text) : in->count;

	g_assert_cmpuint(len, <=, size);
	memset(out, in->fill, len);
	if (in->text != NULL)
		memcpy(out, in->text, len);
	return len;
}

#define KEY_COUNTING                                                                               \
	"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16" \
	"\x17\x18\x19"

/* RFC 2202 section 3. */
static const struct {
	struct input key, data;
	const char *mac;
} rfc2202[] = {
	{ { NULL, 0x0b, 20 }, { "Hi There" }, "b617318655057264e28bc0b6fb378c8ef146be00" },
	{ { "Jefe" },
	  { "what do ya want for nothing?" },
	  "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
	{ { NULL, 0xaa, 20 }, { NULL, 0xdd, 50 }, "125d7342b9ac11cd91a39af48aa17b4f63f175d3" },
	{ { KEY_COUNTING }, { NULL, 0xcd, 50 }, "4c9007f4026250c6bc8414f9bf50c86c2d7235da" },
	{ { NULL, 0x0c, 20 },
	  { "Test With Truncation" },
	  "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04" },
	{ { NULL, 0xaa, 80 },
	  { "Test Using Larger Than Block-Size Key - Hash Key First" },
	  "aa4ae5e15272d00e95705637ce8a3b55ed402112" },
	{ { NULL, 0xaa, 80 },
	  { "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data" },
	  "e8e99d0f45237d786d6bbaa7965c7808bbff1a91" },
	/* The empty ones, which no RFC has. */
	{ { "" }, { "" }, "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d" },
};

static void
test_rfc2202_hmac_sha1(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rfc2202); i++) {
		uint8_t key[200], data[200], expected[WEFT_SHA1_LEN], mac[WEFT_SHA1_LEN];
		size_t key_len = expand(key, sizeof key, &rfc2202[i].key);
		size_t len = expand(data, sizeof data, &rfc2202[i].data);

		unhex(expected, sizeof expected, rfc2202[i].mac);
		weft_hmac_sha1(mac, key, key_len, data, len);
		g_assert_cmpmem(mac, sizeof mac, expected, sizeof expected);
	}
}

/* RFC 4231 section 4 (4.6 truncates, which we never do). */
static const struct {
	struct input key, data;
	const char *mac;
} rfc4231[] = {
	{ { NULL, 0x0b, 20 },
	  { "Hi There" },
	  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ { "Jefe" },
	  { "what do ya want for nothing?" },
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ { NULL, 0xaa, 20 },
	  { NULL, 0xdd, 50 },
	  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
	{ { KEY_COUNTING },
	  { NULL, 0xcd, 50 },
	  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	{ { NULL, 0xaa, 131 },
	  { "Test Using Larger Than Block-Size Key - Hash Key First" },
	  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	{ { NULL, 0xaa, 131 },
	  { "This is a test using a larger than block-size key and a larger than block-size data. "
	    "The key needs to be hashed before being used by the HMAC algorithm." },
	  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
	{ { "" }, { "" }, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
};

static void
test_rfc4231_hmac_sha256(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rfc4231); i++) {
		uint8_t key[200], data[200], expected[WEFT_SHA256_LEN], mac[WEFT_SHA256_LEN];
		size_t key_len = expand(key, sizeof key, &rfc4231[i].key);
		size_t len = expand(data, sizeof data, &rfc4231[i].data);

		unhex(expected, sizeof expected, rfc4231[i].mac);
		weft_hmac_sha256(mac, key, key_len, data, len);
		g_assert_cmpmem(mac, sizeof mac, expected, sizeof expected);
	}
}

static void
test_a_key_of_any_length_agrees_with_glib(void)
{
	uint8_t key[200];

	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t) (i * 7 + 1);
	for (size_t len = 1; len <= sizeof key; len++) {
		uint8_t mac[WEFT_SHA1_LEN], theirs[WEFT_SHA1_LEN];
		g_autofree char *text =
			g_compute_hmac_for_data(G_CHECKSUM_SHA1, key, len, key, sizeof key - len);

		unhex(theirs, sizeof theirs, text);
		weft_hmac_sha1(mac, key, len, key, sizeof key - len);
		g_assert_cmpmem(mac, sizeof mac, theirs, sizeof theirs);
	}
}

static const struct {
	const char *text, *sha256, *md5; /* FIPS 180-2 appendix B; RFC 1321 appendix A.5 */
} digests[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	  "d41d8cd98f00b204e9800998ecf8427e" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	  "900150983cd24fb0d6963f7d28e17f72" },
	{ "message digest", "f7846f55cf23e14eebeab5b4e1550cad5b509e3348fbc4efa3a1413d393cb650",
	  "f96b697d7cb7938d525a2f31aaf161d0" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
	  "8215ef0796a20bcaaae116d3876c664a" },
};

static void
test_published_digests(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(digests); i++) {
		const char *text = digests[i].text;
		size_t len = strlen(text);
		uint8_t expected[WEFT_SHA256_LEN], out[WEFT_SHA256_LEN];

		unhex(expected, sizeof expected, digests[i].sha256);
		weft_sha256(out, text, len);
		g_assert_cmpmem(out, sizeof out, expected, sizeof expected);
		if (weft_md5(out, text, len)) {
			unhex(expected, sizeof expected, digests[i].md5);
			g_assert_cmpmem(out, WEFT_MD5_LEN, expected, WEFT_MD5_LEN);
		}
	}
}

static void
test_parts_are_concatenated(void)
{
	const struct weft_bytes parts[] = { { "a", 1 }, { NULL, 0 }, { "", 0 }, { "bc", 2 } };
	uint8_t whole[WEFT_SHA256_LEN], out[WEFT_SHA256_LEN];

	weft_sha256(whole, "abc", 3);
	weft_sha256_parts(out, parts, G_N_ELEMENTS(parts));
	g_assert_cmpmem(out, sizeof out, whole, sizeof whole);
	weft_sha256(whole, NULL, 0);
	weft_sha256_parts(out, NULL, 0);
	g_assert_cmpmem(out, sizeof out, whole, sizeof whole);
}

static void *
hash_in_a_thread(void *user)
{
	uint8_t first[WEFT_SHA1_LEN], again[WEFT_SHA1_LEN];

	weft_hmac_sha1(first, user, 1, "x", 1);
	for (int i = 0; i < 2000; i++) {
		weft_hmac_sha1(again, user, 1, "x", 1);
		if (memcmp(first, again, sizeof first) != 0)
			return NULL;
	}
	return user;
}

static void
test_threads_do_not_disturb_each_other(void)
{
	static char keys[] = "abcd";
	GThread *threads[4];

	for (size_t i = 0; i < 4; i++)
		threads[i] = g_thread_new("hash", hash_in_a_thread, &keys[i]);
	for (size_t i = 0; i < 4; i++)
		g_assert_true(g_thread_join(threads[i]) == &keys[i]);
}

static void
test_equal_looks_at_every_byte(void)
{
	uint8_t a[33] = { 0 };
	uint8_t b[33] = { 0 };

	for (size_t i = 0; i < sizeof a; i++) {
		b[i] = 0x80;
		g_assert_false(weft_equal_ct(a, b, sizeof a));
		g_assert_true(weft_equal_ct(a, b, i));
		b[i] = 0;
	}
	g_assert_true(weft_equal_ct(a, b, sizeof a));
	g_assert_true(weft_equal_ct("", "", 0));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_hash_init());
	g_test_add_func("/base/hash/rfc2202-hmac-sha1", test_rfc2202_hmac_sha1);
	g_test_add_func("/base/hash/rfc4231-hmac-sha256", test_rfc4231_hmac_sha256);
	g_test_add_func("/base/hash/a-key-of-any-length-agrees-with-glib",
			test_a_key_of_any_length_agrees_with_glib);
	g_test_add_func("/base/hash/published-digests", test_published_digests);
	g_test_add_func("/base/hash/parts-are-concatenated", test_parts_are_concatenated);
	g_test_add_func("/base/hash/threads-do-not-disturb-each-other",
			test_threads_do_not_disturb_each_other);
	g_test_add_func("/base/hash/equal-looks-at-every-byte", test_equal_looks_at_every_byte);
	return g_test_run();
}

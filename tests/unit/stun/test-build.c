/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/build.h"

#include "base/address.h"
#include "stun/message.h"
#include "tests/unit/stun/vectors.h"

#include <glib.h>

#include <string.h>

static const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN] = "abcdefghijkl";

static const struct weft_endpoint v4 = {
	.addr = { .b = { 192, 0, 2, 7 }, .family = WEFT_FAMILY_IPV4 }, .port = 4711
};
static const struct weft_endpoint v6 = {
	.addr = { .b = { 0x20, 1, 0xd, 0xb8, [15] = 9 }, .family = WEFT_FAMILY_IPV6 }, .port = 65535
};

/* RFC 5769 2.4 and RFC 8489 B.1 pad with zeros and are made again byte for byte. */
static void
test_vectors_are_reproduced(void)
{
	static const uint8_t id[WEFT_STUN_TRANSACTION_LEN] = { 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad,
							       0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e };
	static const char nonce[] = "f//499k954d6OL34oL9FSTvy64sA";
	static const char nonce_b1[] = "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA";
	const struct weft_bytes user = { RFC_USER, strlen(RFC_USER) },
				realm = { "example.org", 11 }, password = { "TheMatrIX", 9 };
	uint8_t buf[256], expected[256], key[WEFT_STUN_KEY_MAX], hash[WEFT_STUN_USERHASH_LEN];
	const uint16_t sha256 = WEFT_STUN_SHA256;
	size_t n = hex_bytes(expected, sizeof(expected), rfc_vectors[RFC_LONG_TERM].hex), len;
	struct weft_stun_builder b =
		weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST, WEFT_STUN_BINDING, id);

	weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, user.p, user.len);
	weft_stun_put(&b, WEFT_STUN_ATTR_NONCE, nonce, strlen(nonce));
	weft_stun_put(&b, WEFT_STUN_ATTR_REALM, realm.p, realm.len);
	len = weft_stun_long_term_key(key, WEFT_STUN_MD5, user, realm, password);
	weft_stun_put_integrity(&b, (struct weft_bytes){ key, len });
	g_assert_cmpmem(buf, weft_stun_finish(&b), expected, n);

	n = hex_bytes(expected, sizeof(expected), rfc_vectors[RFC_SHA256].hex);
	b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST, WEFT_STUN_BINDING, id);
	weft_stun_userhash(hash, user, realm);
	weft_stun_put(&b, WEFT_STUN_ATTR_USERHASH, hash, sizeof(hash));
	weft_stun_put(&b, WEFT_STUN_ATTR_NONCE, nonce_b1, strlen(nonce_b1));
	weft_stun_put(&b, WEFT_STUN_ATTR_REALM, realm.p, realm.len);
	weft_stun_put_algorithms(&b, WEFT_STUN_ATTR_PASSWORD_ALGORITHM, &sha256, 1);
	len = weft_stun_long_term_key(key, WEFT_STUN_SHA256, user, realm, password);
	weft_stun_put_integrity_sha256(&b, (struct weft_bytes){ key, len });
	g_assert_cmpmem(buf, weft_stun_finish(&b), expected, n);
}

static void
test_everything_comes_back(void)
{
	static const uint16_t algorithms[] = { WEFT_STUN_SHA256, WEFT_STUN_MD5 };
	const struct weft_bytes key = { "secret", 6 };
	uint8_t buf[1024], r = 0x80;
	struct weft_stun_message m;
	struct weft_stun_builder b =
		weft_stun_begin(buf, sizeof(buf), WEFT_STUN_ERROR, 0xabc, transaction);

	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, &v6);
	weft_stun_put_address(&b, WEFT_STUN_ATTR_MAPPED_ADDRESS, &v4);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_RELAYED_ADDRESS, &v4);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_RELAYED_ADDRESS, &v6);
	weft_stun_put_address(&b, WEFT_STUN_ATTR_ALTERNATE_SERVER, &v6);
	weft_stun_put_error(&b, 438);
	weft_stun_put_address_error(&b, WEFT_STUN_IPV6, 440);
	weft_stun_put_channel(&b, 0x4123);
	weft_stun_put(&b, WEFT_STUN_ATTR_EVEN_PORT, &r, 1);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_TRANSPORT, 17);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	weft_stun_put_octet(&b, WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, WEFT_STUN_IPV6);
	weft_stun_put_flag(&b, WEFT_STUN_ATTR_DONT_FRAGMENT);
	weft_stun_put_flag(&b, WEFT_STUN_ATTR_USE_CANDIDATE);
	weft_stun_put(&b, WEFT_STUN_ATTR_RESERVATION_TOKEN, "12345678", 8);
	weft_stun_put_u64(&b, WEFT_STUN_ATTR_ICE_CONTROLLING, 0x0102030405060708);
	weft_stun_put_icmp(&b, 3, 4, 1400);
	weft_stun_put_algorithms(&b, WEFT_STUN_ATTR_PASSWORD_ALGORITHMS, algorithms, 2);
	weft_stun_put_integrity(&b, key);
	weft_stun_put_integrity_sha256(&b, key);
	weft_stun_put_fingerprint(&b);
	g_assert_cmpint(weft_stun_parse(&m, buf, weft_stun_finish(&b)), ==, WEFT_STUN_OK);

	g_assert_cmpint(m.class, ==, WEFT_STUN_ERROR);
	g_assert_cmphex(m.method, ==, 0xabc);
	g_assert_true(weft_endpoint_equal(&m.mapped, &v6));
	g_assert_true(weft_endpoint_equal(&m.relayed, &v4));
	g_assert_true(weft_endpoint_equal(&m.relayed_other, &v6));
	g_assert_true(weft_endpoint_equal(&m.alternate_server, &v6));
	g_assert_cmpuint(m.error_code, ==, 438);
	g_assert_cmpmem(m.error_reason.p, m.error_reason.len, "Stale Nonce", 11);
	g_assert_cmpuint(m.address_error_code, ==, 440);
	g_assert_cmpuint(m.address_error_family, ==, WEFT_STUN_IPV6);
	g_assert_cmphex(m.channel, ==, 0x4123);
	g_assert_true(m.even_port_reserve);
	g_assert_cmpuint(m.requested_transport, ==, 17);
	g_assert_cmpuint(m.requested_family, ==, WEFT_STUN_IPV6);
	g_assert_cmpuint(m.additional_family, ==, WEFT_STUN_IPV6);
	g_assert_cmpmem(m.reservation_token, 8, "12345678", 8);
	g_assert_cmphex(m.tie_breaker, ==, 0x0102030405060708);
	g_assert_true(m.controlling);
	g_assert_cmpuint(m.icmp_type, ==, 3);
	g_assert_cmpuint(m.icmp_code, ==, 4);
	g_assert_cmpuint(weft_stun_algorithm_at(&m, 1), ==, WEFT_STUN_MD5);
	g_assert_true(weft_stun_check_integrity(&m, key));
	g_assert_true(weft_stun_check_integrity_sha256(&m, key));
	g_assert_true(weft_stun_check_fingerprint(&m));
}

static void
test_full_buffer_is_sticky(void)
{
	const struct weft_bytes key = { "k", 1 };

	for (size_t size = 0; size < 100; size++) {
		g_autofree uint8_t *buf = g_malloc(size + 1);
		struct weft_stun_builder b = weft_stun_begin(buf, size, WEFT_STUN_REQUEST,
							     WEFT_STUN_BINDING, transaction);
		size_t len;

		weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, "abcde", 5);                /* 12 */
		weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, &v4); /* 12 */
		weft_stun_put_integrity(&b, key);                                      /* 24 */
		weft_stun_put_fingerprint(&b);                                         /* 8 */
		len = weft_stun_finish(&b);
		g_assert_cmpuint(len, ==, size < 76 ? 0 : 76);
	}
}

static void
test_nothing_follows_fingerprint(void)
{
	uint8_t buf[128];
	struct weft_stun_builder b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST,
						     WEFT_STUN_BINDING, transaction);

	g_assert_true(weft_stun_put_fingerprint(&b));
	g_assert_cmpuint(weft_stun_room(&b), ==, 0);
	g_assert_false(weft_stun_put_flag(&b, WEFT_STUN_ATTR_USE_CANDIDATE));
	g_assert_cmpuint(weft_stun_finish(&b), ==, 0);
}

static void
test_impossible_values_fail(void)
{
	static const struct weft_endpoint none;
	static uint8_t buf[1 << 17];
	struct weft_stun_builder b =
		weft_stun_begin(buf, sizeof(buf), WEFT_STUN_ERROR, WEFT_STUN_BINDING, transaction);

	g_assert_false(weft_stun_put_error(&b, 299));
	b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_ERROR, WEFT_STUN_BINDING, transaction);
	g_assert_false(weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &none));
	b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_ERROR, WEFT_STUN_BINDING, transaction);
	g_assert_null(weft_stun_put_space(&b, WEFT_STUN_ATTR_DATA, 65536));
	b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_ERROR, WEFT_STUN_BINDING, transaction);
	g_assert_nonnull(weft_stun_put_space(&b, WEFT_STUN_ATTR_DATA, 65535));
	g_assert_cmpuint(weft_stun_finish(&b), ==, 0);
}

static void
test_unknown_attributes_are_listed(void)
{
	uint8_t buf[128], answer[128];
	struct weft_stun_message m, a;
	struct weft_stun_builder b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST,
						     WEFT_STUN_BINDING, transaction);

	weft_stun_put_flag(&b, 0x7777);
	weft_stun_put_flag(&b, 0x0003);
	g_assert_cmpint(weft_stun_parse(&m, buf, weft_stun_finish(&b)), ==, WEFT_STUN_OK);
	b = weft_stun_begin_answer(answer, sizeof(answer), WEFT_STUN_ERROR, &m);
	weft_stun_put_error(&b, WEFT_STUN_ERROR_UNKNOWN_ATTRIBUTE);
	weft_stun_put_unknown(&b, &m);
	g_assert_cmpint(weft_stun_parse(&a, answer, weft_stun_finish(&b)), ==, WEFT_STUN_OK);
	g_assert_cmpmem(a.transaction, 12, transaction, 12);
	g_assert_cmpmem(a.unknown_attributes.p, a.unknown_attributes.len, "\x77\x77\x00\x03", 4);
}

static void
test_crc32(void)
{
	g_assert_cmphex(weft_stun_crc32("123456789", 9), ==, 0xcbf43926);
	g_assert_cmphex(weft_stun_crc32_more(weft_stun_crc32("1234", 4), "56789", 5), ==,
			0xcbf43926);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stun/build/vectors-are-reproduced", test_vectors_are_reproduced);
	g_test_add_func("/stun/build/everything-comes-back", test_everything_comes_back);
	g_test_add_func("/stun/build/full-buffer-is-sticky", test_full_buffer_is_sticky);
	g_test_add_func("/stun/build/nothing-follows-fingerprint",
			test_nothing_follows_fingerprint);
	g_test_add_func("/stun/build/impossible-values-fail", test_impossible_values_fail);
	g_test_add_func("/stun/build/unknown-attributes-are-listed",
			test_unknown_attributes_are_listed);
	g_test_add_func("/stun/build/crc32", test_crc32);
	return g_test_run();
}

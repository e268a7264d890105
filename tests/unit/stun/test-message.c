/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/message.h"

#include "stun/build.h"
#include "tests/unit/stun/vectors.h"

#include <glib.h>

#include <string.h>

static const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN] = "abcdefghijkl";

static struct weft_bytes
text(const char *s)
{
	return (struct weft_bytes){ s, strlen(s) };
}

static size_t
key_of(uint8_t key[WEFT_STUN_PASSWORD_MAX], const struct rfc_vector *v, int algorithm)
{
	if (v->realm == NULL) {
		memcpy(key, v->password, strlen(v->password));
		return strlen(v->password);
	}
	return weft_stun_long_term_key(
		key, algorithm == WEFT_STUN_SHA256 ? WEFT_STUN_SHA256 : WEFT_STUN_MD5,
		text(v->user), text(v->realm), text(v->password));
}

static void
test_rfc_vectors(void)
{
	for (int i = 0; i < RFC_VECTORS; i++) {
		const struct rfc_vector *v = &rfc_vectors[i];
		uint8_t buf[256], key[WEFT_STUN_PASSWORD_MAX];
		struct weft_stun_message m;
		size_t len = hex_bytes(buf, sizeof(buf), v->hex), key_len;
		struct weft_bytes k;

		g_test_message("%s", v->name);
		g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
		g_assert_cmpuint(m.len, ==, len);
		key_len = key_of(key, v, i == RFC_SHA256 ? m.password_algorithm : WEFT_STUN_MD5);
		k = (struct weft_bytes){ key, key_len };
		if (i == RFC_SHA256)
			g_assert_true(weft_stun_check_integrity_sha256(&m, k));
		else
			g_assert_true(weft_stun_check_integrity(&m, k));
		g_assert_true(weft_stun_check_fingerprint(&m) == (i <= RFC_IPV6));
		/* Every bit of what is covered counts. */
		for (size_t bit = 0; bit < len * 8; bit += 7) {
			struct weft_stun_message w;
			bool good;

			buf[bit / 8] ^= (uint8_t) (1 << bit % 8);
			good = weft_stun_parse(&w, buf, len) == WEFT_STUN_OK &&
			       (i == RFC_SHA256 ? weft_stun_check_integrity_sha256(&w, k)
						: weft_stun_check_integrity(&w, k)) &&
			       (i > RFC_IPV6 || weft_stun_check_fingerprint(&w));
			g_assert_false(good);
			buf[bit / 8] ^= (uint8_t) (1 << bit % 8);
		}
	}
}

static void
test_rfc_fields(void)
{
	struct weft_stun_message m;
	char out[WEFT_ENDPOINT_TEXT_SIZE];
	uint8_t buf[256], hash[WEFT_STUN_USERHASH_LEN];
	size_t len = hex_bytes(buf, sizeof(buf), rfc_vectors[RFC_REQUEST].hex);

	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpint(m.class, ==, WEFT_STUN_REQUEST);
	g_assert_cmpint(m.method, ==, WEFT_STUN_BINDING);
	g_assert_cmpuint(m.priority, ==, 0x6e0001ff);
	g_assert_cmpuint(m.tie_breaker, ==, 0x932ff9b151263b36);
	g_assert_false(m.controlling);
	g_assert_cmpmem(m.username.p, m.username.len, "evtj:h6vY", 9);
	g_assert_cmpmem(m.software.p, m.software.len, "STUN test client", 16);

	len = hex_bytes(buf, sizeof(buf), rfc_vectors[RFC_IPV4].hex);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpint(m.class, ==, WEFT_STUN_SUCCESS);
	g_assert_cmpstr(weft_endpoint_format(&m.mapped, out), ==, "192.0.2.1:32853");

	len = hex_bytes(buf, sizeof(buf), rfc_vectors[RFC_IPV6].hex);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpstr(weft_endpoint_format(&m.mapped, out), ==,
			"[2001:db8:1234:5678:11:2233:4455:6677]:32853");

	len = hex_bytes(buf, sizeof(buf), rfc_vectors[RFC_SHA256].hex);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	weft_stun_userhash(hash, text(RFC_USER), text("example.org"));
	g_assert_cmpmem(m.userhash.p, m.userhash.len, hash, sizeof(hash));
	g_assert_cmpuint(m.password_algorithm, ==, WEFT_STUN_SHA256);
}

/* RFC 8489 section 14.6: a truncated SHA-256 integrity is checked over what is there. */
static void
test_truncated_sha256(void)
{
	const struct weft_bytes key = { "key", 3 };

	for (size_t n = 8; n <= WEFT_STUN_SHA256_LEN; n += 4) {
		uint8_t buf[128], mac[WEFT_SHA256_LEN];
		struct weft_stun_message m;
		struct weft_stun_builder b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST,
							     WEFT_STUN_BINDING, transaction);
		size_t len = weft_stun_finish(&b);

		buf[3] = (uint8_t) (4 + n);
		weft_hmac_sha256(mac, key.p, key.len, buf, len);
		weft_stun_put(&b, WEFT_STUN_ATTR_MESSAGE_INTEGRITY_SHA256, mac, n);
		len = weft_stun_finish(&b);
		g_assert_cmpint(weft_stun_parse(&m, buf, len), ==,
				n < 16 ? WEFT_STUN_MALFORMED : WEFT_STUN_OK);
		if (n >= 16)
			g_assert_true(weft_stun_check_integrity_sha256(&m, key));
	}
}

/* NetBird's attribute stands behind FINGERPRINT and raises the header length (protocol.md 4.2). */
static void
test_bytes_behind_fingerprint_are_cut(void)
{
	static const char pair[] =
		"sender-candidate-id-of-32-chars-:receiver-candidate-id-32-chars--";
	const struct weft_bytes key = { "password", 8 };
	uint8_t buf[256];
	struct weft_stun_message m;
	struct weft_stun_builder b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST,
						     WEFT_STUN_BINDING, transaction);
	size_t sealed, len;

	weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, "a:b", 3);
	weft_stun_put_integrity(&b, key);
	weft_stun_put_fingerprint(&b);
	sealed = weft_stun_finish(&b);
	g_assert_cmpuint(sealed, >, 0);
	b.closed = false;
	weft_stun_put(&b, WEFT_STUN_ATTR_NETBIRD_PAIR, pair, 65);
	len = weft_stun_finish(&b);
	g_assert_cmpuint(len, ==, sealed + 72);
	memcpy(buf + len, "trailing", 8);

	g_assert_cmpint(weft_stun_parse(&m, buf, len + 8), ==, WEFT_STUN_OK);
	g_assert_cmpuint(m.len, ==, sealed);
	g_assert_cmpuint(m.wire_len, ==, len);
	g_assert_cmpmem(m.netbird_pair.p, m.netbird_pair.len, pair, 65);
	g_assert_true(weft_stun_check_integrity(&m, key));
	g_assert_true(weft_stun_check_fingerprint(&m));

	/* Rubbish there is no defect of the message. */
	buf[sealed + 2] = 0xff;
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_true(weft_stun_check_fingerprint(&m));
}

/* RFC 8489 sections 14.5 and 14.6: behind the integrity only the rest of the seal is read. */
static void
test_attributes_behind_integrity_are_ignored(void)
{
	const struct weft_bytes key = { "k", 1 };
	uint8_t buf[256];
	struct weft_stun_message m;
	struct weft_stun_builder b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST,
						     WEFT_STUN_BINDING, transaction);

	weft_stun_put_integrity(&b, key);
	weft_stun_put_u32(&b, WEFT_STUN_ATTR_PRIORITY, 7);
	weft_stun_put_u32(&b, 0x7000, 7); /* unknown, required */
	weft_stun_put_integrity_sha256(&b, key);
	weft_stun_put_integrity(&b, key);
	weft_stun_put_flag(&b, WEFT_STUN_ATTR_USE_CANDIDATE);
	weft_stun_put_fingerprint(&b);
	g_assert_cmpint(weft_stun_parse(&m, buf, weft_stun_finish(&b)), ==, WEFT_STUN_OK);
	g_assert_cmphex(m.has, ==,
			WEFT_STUN_HAS_INTEGRITY | WEFT_STUN_HAS_INTEGRITY_SHA256 |
				WEFT_STUN_HAS_FINGERPRINT);
	g_assert_cmpuint(m.n_unknown, ==, 0);
	g_assert_cmpuint(m.integrity_at, ==, WEFT_STUN_HEADER_LEN);
}

static void
test_first_of_each_kind_counts(void)
{
	uint8_t buf[256];
	struct weft_stun_message m;
	struct weft_stun_builder b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST,
						     WEFT_STUN_ALLOCATE, transaction);

	weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, 1);
	weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, 2);
	weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, "one", 3);
	weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, "two", 3);
	weft_stun_put_u32(&b, 0x7001, 0);
	weft_stun_put_u32(&b, 0x7002, 0);
	weft_stun_put_u32(&b, 0x7001, 0);
	weft_stun_put_u32(&b, 0xf001, 0); /* optional */
	g_assert_cmpint(weft_stun_parse(&m, buf, weft_stun_finish(&b)), ==, WEFT_STUN_OK);
	g_assert_cmpuint(m.lifetime_s, ==, 1);
	g_assert_cmpmem(m.username.p, m.username.len, "one", 3);
	g_assert_cmpuint(m.n_unknown, ==, 2);
	g_assert_cmphex(m.unknown[0], ==, 0x7001);
	g_assert_cmphex(m.unknown[1], ==, 0x7002);
}

static void
test_unknown_attributes_are_bounded(void)
{
	uint8_t buf[2048];
	struct weft_stun_message m;
	struct weft_stun_builder b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST,
						     WEFT_STUN_BINDING, transaction);

	for (uint16_t i = 0; i < 200; i++)
		weft_stun_put_flag(&b, 0x6000 + i);
	g_assert_cmpint(weft_stun_parse(&m, buf, weft_stun_finish(&b)), ==, WEFT_STUN_OK);
	g_assert_cmpuint(m.n_unknown, ==, WEFT_STUN_UNKNOWN_MAX);
}

static void
test_peers_are_counted_beyond_the_bound(void)
{
	const struct weft_endpoint e = { .addr = weft_address_v4(0x01020304), .port = 5 };
	uint8_t buf[1024];
	struct weft_stun_message m;
	struct weft_stun_builder b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST,
						     WEFT_STUN_CREATE_PERMISSION, transaction);

	for (int i = 0; i < WEFT_STUN_PEERS_MAX + 3; i++)
		weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &e);
	g_assert_cmpint(weft_stun_parse(&m, buf, weft_stun_finish(&b)), ==, WEFT_STUN_OK);
	g_assert_cmpuint(m.n_peers, ==, WEFT_STUN_PEERS_MAX + 3);
	g_assert_true(weft_endpoint_equal(&m.peers[WEFT_STUN_PEERS_MAX - 1], &e));
}

static const struct {
	const char *name, *hex;
	enum weft_stun_status status;
} malformed[] = {
	{ "empty", "", WEFT_STUN_NOT_STUN },
	{ "one byte", "00", WEFT_STUN_TRUNCATED },
	{ "channel data", "4000000400000000000000000000000000000000", WEFT_STUN_NOT_STUN },
	{ "no cookie", "000100002112a44361616161616161616161616161616161", WEFT_STUN_NOT_STUN },
	{ "length not a multiple of four", "000100012112a44261616161616161616161616100",
	  WEFT_STUN_NOT_STUN },
	{ "header only says more", "000100042112a442616161616161616161616161",
	  WEFT_STUN_TRUNCATED },
	{ "attribute overruns the message", "000100042112a44261616161616161616161616180220004",
	  WEFT_STUN_MALFORMED },
	{ "attribute header cut", "000100042112a44261616161616161616161616100060001",
	  WEFT_STUN_MALFORMED },
	{ "lifetime of two bytes", "000400082112a442616161616161616161616161000d000200010000",
	  WEFT_STUN_MALFORMED },
	{ "flag with a value", "000100082112a442616161616161616161616161002500040000000000",
	  WEFT_STUN_MALFORMED },
	{ "address of unknown family",
	  "0008000c2112a44261616161616161616161616100120008000300000102030400000000",
	  WEFT_STUN_MALFORMED },
	{ "IPv6 family with an IPv4 length",
	  "0008000c2112a44261616161616161616161616100120008000200000102030400000000",
	  WEFT_STUN_MALFORMED },
	{ "integrity of 16 bytes",
	  "000100142112a4426161616161616161616161610008001000000000000000000000000000000000",
	  WEFT_STUN_MALFORMED },
	{ "error class 0", "011100082112a44261616161616161616161616100090004000000010000",
	  WEFT_STUN_MALFORMED },
	{ "error number 100", "011100082112a44261616161616161616161616100090004000004640000",
	  WEFT_STUN_MALFORMED },
	{ "userhash of 4 bytes", "000100082112a442616161616161616161616161001e000400000001",
	  WEFT_STUN_MALFORMED },
	{ "fingerprint of 8 bytes",
	  "0001000c2112a44261616161616161616161616180280008000000000000000000",
	  WEFT_STUN_MALFORMED },
};

static void
test_malformed(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(malformed); i++) {
		uint8_t buf[128];
		struct weft_stun_message m;
		size_t len = hex_bytes(buf, sizeof(buf), malformed[i].hex);
		/* An exact copy, so that the sanitizer sees any read beyond it. */
		g_autofree uint8_t *copy = g_memdup2(buf, len);

		g_test_message("%s", malformed[i].name);
		g_assert_cmpint(weft_stun_parse(&m, copy, len), ==, malformed[i].status);
	}
}

static void
test_every_prefix_is_truncated(void)
{
	uint8_t buf[256];
	size_t len = hex_bytes(buf, sizeof(buf), rfc_vectors[RFC_REQUEST].hex);

	for (size_t n = 1; n < len; n++) {
		struct weft_stun_message m;
		g_autofree uint8_t *copy = g_memdup2(buf, n);

		g_assert_cmpint(weft_stun_parse(&m, copy, n), ==, WEFT_STUN_TRUNCATED);
	}
}

static void
test_nonce_features(void)
{
	static const struct {
		const char *nonce;
		uint32_t features;
	} rows[] = {
		{ "obMatJos2wAAArest", WEFT_STUN_FEATURE_ALGORITHMS | WEFT_STUN_FEATURE_USERHASH },
		{ "obMatJos2gAAA", WEFT_STUN_FEATURE_ALGORITHMS },
		{ "obMatJos2AAAA", 0 },
		{ "obMatJos2gAA", 0 },
		{ "obMatJos2g*AAxx", 0 },
		{ "obMatJos1gAAA", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		g_assert_cmphex(weft_stun_nonce_features((const uint8_t *) rows[i].nonce,
							 strlen(rows[i].nonce)),
				==, rows[i].features);
}

static void
test_password_algorithms(void)
{
	static const uint8_t list[] = { 0, 9, 0, 2, 'x', 'y', 0, 0, 0, 2, 0, 0, 0, 1, 0, 0 };
	uint8_t buf[64];
	struct weft_stun_message m;
	struct weft_stun_builder b =
		weft_stun_begin(buf, sizeof(buf), WEFT_STUN_ERROR, WEFT_STUN_ALLOCATE, transaction);

	weft_stun_put(&b, WEFT_STUN_ATTR_PASSWORD_ALGORITHMS, list, sizeof(list));
	g_assert_cmpint(weft_stun_parse(&m, buf, weft_stun_finish(&b)), ==, WEFT_STUN_OK);
	g_assert_cmpuint(weft_stun_algorithm_at(&m, 0), ==, 9);
	g_assert_cmpuint(weft_stun_algorithm_at(&m, 1), ==, WEFT_STUN_SHA256);
	g_assert_cmpuint(weft_stun_algorithm_at(&m, 2), ==, WEFT_STUN_MD5);
	g_assert_cmpuint(weft_stun_algorithm_at(&m, 3), ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stun/message/rfc-vectors-verify", test_rfc_vectors);
	g_test_add_func("/stun/message/rfc-vectors-have-their-fields", test_rfc_fields);
	g_test_add_func("/stun/message/truncated-sha256-integrity", test_truncated_sha256);
	g_test_add_func("/stun/message/bytes-behind-fingerprint-are-cut",
			test_bytes_behind_fingerprint_are_cut);
	g_test_add_func("/stun/message/attributes-behind-integrity-are-ignored",
			test_attributes_behind_integrity_are_ignored);
	g_test_add_func("/stun/message/first-of-each-kind-counts", test_first_of_each_kind_counts);
	g_test_add_func("/stun/message/unknown-attributes-are-bounded",
			test_unknown_attributes_are_bounded);
	g_test_add_func("/stun/message/peers-are-counted-beyond-the-bound",
			test_peers_are_counted_beyond_the_bound);
	g_test_add_func("/stun/message/malformed", test_malformed);
	g_test_add_func("/stun/message/every-prefix-is-truncated", test_every_prefix_is_truncated);
	g_test_add_func("/stun/message/nonce-features", test_nonce_features);
	g_test_add_func("/stun/message/password-algorithms", test_password_algorithms);
	return g_test_run();
}

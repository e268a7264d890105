/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/client.h"

#include "stun/build.h"

#include <glib.h>

#include <string.h>

static const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN] = "abcdefghijkl";
static const struct weft_endpoint peer = {
	.addr = { .b = { 192, 0, 2, 7 }, .family = WEFT_FAMILY_IPV4 }, .port = 4711
};

struct answer {
	uint8_t buf[512];
	struct weft_stun_message m;
};

static const struct weft_stun_message *
parse(struct answer *a, struct weft_stun_builder *b)
{
	size_t len = weft_stun_finish(b);

	g_assert_cmpuint(len, >, 0);
	g_assert_cmpint(weft_stun_parse(&a->m, a->buf, len), ==, WEFT_STUN_OK);
	return &a->m;
}

static const struct weft_stun_message *
challenge(struct answer *a, unsigned code, const char *nonce, const uint16_t *list, size_t n)
{
	struct weft_stun_builder b = weft_stun_begin(a->buf, sizeof(a->buf), WEFT_STUN_ERROR,
						     WEFT_STUN_ALLOCATE, transaction);

	weft_stun_put_error(&b, code);
	weft_stun_put(&b, WEFT_STUN_ATTR_REALM, "example.org", 11);
	weft_stun_put(&b, WEFT_STUN_ATTR_NONCE, nonce, strlen(nonce));
	if (n > 0)
		weft_stun_put_algorithms(&b, WEFT_STUN_ATTR_PASSWORD_ALGORITHMS, list, n);
	return parse(a, &b);
}

static const struct weft_stun_message *
success(struct answer *a, const struct weft_stun_auth *auth, bool sha256)
{
	struct weft_stun_builder b = weft_stun_begin(a->buf, sizeof(a->buf), WEFT_STUN_SUCCESS,
						     WEFT_STUN_ALLOCATE, transaction);
	struct weft_bytes key = { auth->key, auth->key_len };

	weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, 600);
	if (sha256)
		weft_stun_put_integrity_sha256(&b, key);
	else
		weft_stun_put_integrity(&b, key);
	return parse(a, &b);
}

static void
test_binding(void)
{
	uint8_t buf[32];
	struct weft_stun_message m;

	g_assert_cmpuint(weft_stun_client_binding(buf, 32, transaction, false), ==, 20);
	g_assert_cmpuint(weft_stun_client_binding(buf, 32, transaction, true), ==, 28);
	g_assert_cmpint(weft_stun_parse(&m, buf, 28), ==, WEFT_STUN_OK);
	g_assert_true(weft_stun_check_fingerprint(&m));
	g_assert_cmpuint(weft_stun_client_binding(buf, 27, transaction, true), ==, 0);
}

static void
test_plain_challenge_gives_md5_and_sha1(void)
{
	static const struct weft_stun_allocate what;
	struct weft_stun_auth auth;
	struct weft_stun_message m;
	struct answer a;
	uint8_t buf[512];
	size_t len;

	g_assert_true(weft_stun_auth_init(&auth, "1795488749", "secret"));
	len = weft_stun_client_allocate(buf, sizeof(buf), transaction, &auth, &what);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmphex(m.has, ==, WEFT_STUN_HAS_REQUESTED_TRANSPORT | WEFT_STUN_HAS_FINGERPRINT);
	g_assert_cmpint(weft_stun_auth_judge(&auth, challenge(&a, 401, "nonce", NULL, 0)), ==,
			WEFT_STUN_VERDICT_RETRY);
	len = weft_stun_client_allocate(buf, sizeof(buf), transaction, &auth, &what);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpmem(m.username.p, m.username.len, "1795488749", 10);
	g_assert_cmpmem(m.realm.p, m.realm.len, "example.org", 11);
	g_assert_cmpmem(m.nonce.p, m.nonce.len, "nonce", 5);
	g_assert_true(weft_stun_check_integrity(&m, (struct weft_bytes){ auth.key, auth.key_len }));
	g_assert_false(weft_stun_has(&m, WEFT_STUN_HAS_INTEGRITY_SHA256));
	g_assert_cmpint(weft_stun_auth_judge(&auth, success(&a, &auth, false)), ==,
			WEFT_STUN_VERDICT_OK);
	/* The same realm refusing us again: wrong credentials. */
	g_assert_cmpint(weft_stun_auth_judge(&auth, challenge(&a, 401, "other", NULL, 0)), ==,
			WEFT_STUN_VERDICT_REFUSED);
	weft_stun_auth_clear(&auth);
	g_assert_cmpuint(auth.key_len, ==, 0);
}

static void
test_announced_features_are_used(void)
{
	static const uint16_t list[] = { WEFT_STUN_MD5, WEFT_STUN_SHA256 };
	struct weft_stun_auth auth;
	struct weft_stun_message m;
	struct answer a;
	uint8_t buf[512];
	size_t len;

	g_assert_true(weft_stun_auth_init(&auth, "user", "secret"));
	g_assert_cmpint(
		weft_stun_auth_judge(&auth, challenge(&a, 401, "obMatJos2wAAAnonce", list, 2)), ==,
		WEFT_STUN_VERDICT_RETRY);
	g_assert_cmpuint(auth.key_len, ==, 32);
	len = weft_stun_client_refresh(buf, sizeof(buf), transaction, &auth, 0);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_true(weft_stun_has(&m, WEFT_STUN_HAS_USERHASH | WEFT_STUN_HAS_PASSWORD_ALGORITHM |
						WEFT_STUN_HAS_PASSWORD_ALGORITHMS |
						WEFT_STUN_HAS_LIFETIME));
	g_assert_false(weft_stun_has(&m, WEFT_STUN_HAS_USERNAME));
	g_assert_cmpuint(m.password_algorithm, ==, WEFT_STUN_SHA256);
	g_assert_true(weft_stun_check_integrity_sha256(
		&m, (struct weft_bytes){ auth.key, auth.key_len }));
	/* An answer bid down to SHA-1 is no answer. */
	g_assert_cmpint(weft_stun_auth_judge(&auth, success(&a, &auth, false)), ==,
			WEFT_STUN_VERDICT_FORGED);
	g_assert_cmpint(weft_stun_auth_judge(&auth, success(&a, &auth, true)), ==,
			WEFT_STUN_VERDICT_OK);
}

/* RFC 8489 section 9.2.5: algorithms announced in the nonce but missing beside it. */
static void
test_bid_down_is_refused(void)
{
	static const uint16_t strange[] = { 77 };
	struct weft_stun_auth auth;
	struct answer a;

	g_assert_true(weft_stun_auth_init(&auth, "user", "secret"));
	g_assert_cmpint(
		weft_stun_auth_judge(&auth, challenge(&a, 401, "obMatJos2gAAAnonce", NULL, 0)), ==,
		WEFT_STUN_VERDICT_REFUSED);
	g_assert_cmpint(
		weft_stun_auth_judge(&auth, challenge(&a, 401, "obMatJos2gAAAnonce", strange, 1)),
		==, WEFT_STUN_VERDICT_REFUSED);
}

static void
test_stale_nonce_is_followed_a_few_times(void)
{
	struct weft_stun_auth auth;
	struct answer a;

	g_assert_true(weft_stun_auth_init(&auth, "user", "secret"));
	g_assert_cmpint(weft_stun_auth_judge(&auth, challenge(&a, 401, "one", NULL, 0)), ==,
			WEFT_STUN_VERDICT_RETRY);
	for (int i = 0; i < 2; i++)
		g_assert_cmpint(weft_stun_auth_judge(&auth, challenge(&a, 438, "two", NULL, 0)), ==,
				WEFT_STUN_VERDICT_RETRY);
	g_assert_cmpmem(auth.nonce, auth.nonce_len, "two", 3);
	g_assert_cmpint(weft_stun_auth_judge(&auth, challenge(&a, 438, "three", NULL, 0)), ==,
			WEFT_STUN_VERDICT_REFUSED);
	g_assert_cmpint(weft_stun_auth_judge(&auth, success(&a, &auth, false)), ==,
			WEFT_STUN_VERDICT_OK);
	g_assert_cmpint(weft_stun_auth_judge(&auth, challenge(&a, 438, "four", NULL, 0)), ==,
			WEFT_STUN_VERDICT_RETRY);
}

static void
test_error_verdicts(void)
{
	static const struct {
		unsigned code;
		bool server, sign, wrong_key;
		enum weft_stun_verdict verdict;
	} rows[] = {
		{ 300, true, true, false, WEFT_STUN_VERDICT_REDIRECT },
		{ 300, false, true, false, WEFT_STUN_VERDICT_REFUSED },
		{ 437, false, true, false, WEFT_STUN_VERDICT_MISMATCH },
		{ 437, false, true, true, WEFT_STUN_VERDICT_FORGED },
		{ 486, false, true, false, WEFT_STUN_VERDICT_REFUSED },
		{ 400, false, false, false, WEFT_STUN_VERDICT_REFUSED },
		{ 508, false, false, false, WEFT_STUN_VERDICT_REFUSED },
	};
	struct weft_stun_auth auth;
	struct answer a;

	g_assert_true(weft_stun_auth_init(&auth, "user", "secret"));
	weft_stun_auth_judge(&auth, challenge(&a, 401, "one", NULL, 0));
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct weft_stun_builder b = weft_stun_begin(a.buf, sizeof(a.buf), WEFT_STUN_ERROR,
							     WEFT_STUN_ALLOCATE, transaction);
		struct weft_bytes key = { auth.key, rows[i].wrong_key ? 15u : auth.key_len };

		weft_stun_put_error(&b, rows[i].code);
		if (rows[i].server)
			weft_stun_put_address(&b, WEFT_STUN_ATTR_ALTERNATE_SERVER, &peer);
		if (rows[i].sign)
			weft_stun_put_integrity(&b, key);
		g_assert_cmpint(weft_stun_auth_judge(&auth, parse(&a, &b)), ==, rows[i].verdict);
	}
}

static void
test_requests_carry_their_attributes(void)
{
	const struct weft_stun_allocate what = {
		.both_families = true,
		.reserve_next = true,
		.dont_fragment = true,
		.lifetime_s = 1200,
		.token = (const uint8_t *) "12345678",
	};
	const struct weft_endpoint two[] = { peer, peer };
	struct weft_stun_auth auth;
	struct weft_stun_message m;
	uint8_t buf[512];
	size_t len;

	g_assert_true(weft_stun_auth_init(&auth, "user", "secret"));
	len = weft_stun_client_allocate(buf, sizeof(buf), transaction, &auth, &what);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpuint(m.lifetime_s, ==, 1200);
	g_assert_true(m.even_port_reserve);
	g_assert_cmpuint(m.additional_family, ==, WEFT_STUN_IPV6);
	g_assert_cmpmem(m.reservation_token, 8, "12345678", 8);
	g_assert_true(weft_stun_has(&m, WEFT_STUN_HAS_DONT_FRAGMENT));

	len = weft_stun_client_permission(buf, sizeof(buf), transaction, &auth, two, 2);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpuint(m.n_peers, ==, 2);

	len = weft_stun_client_channel(buf, sizeof(buf), transaction, &auth, 0x4001, &peer);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmphex(m.channel, ==, 0x4001);
	g_assert_true(weft_endpoint_equal(&m.peers[0], &peer));

	len = weft_stun_client_send(buf, sizeof(buf), transaction, &peer,
				    (struct weft_bytes){ "hello", 5 });
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpint(m.class, ==, WEFT_STUN_INDICATION);
	g_assert_cmpmem(m.data.p, m.data.len, "hello", 5);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stun/client/binding", test_binding);
	g_test_add_func("/stun/client/plain-challenge-gives-md5-and-sha1",
			test_plain_challenge_gives_md5_and_sha1);
	g_test_add_func("/stun/client/announced-features-are-used",
			test_announced_features_are_used);
	g_test_add_func("/stun/client/bid-down-is-refused", test_bid_down_is_refused);
	g_test_add_func("/stun/client/stale-nonce-is-followed-a-few-times",
			test_stale_nonce_is_followed_a_few_times);
	g_test_add_func("/stun/client/error-verdicts", test_error_verdicts);
	g_test_add_func("/stun/client/requests-carry-their-attributes",
			test_requests_carry_their_attributes);
	return g_test_run();
}

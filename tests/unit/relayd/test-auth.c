/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STUN's part: credentials, nonces, limits (RFC 8489 sections 7 and 9.2). */
#include "tests/unit/relayd/rig.h"

#include "base/token.h"

static void
test_binding(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_BINDING);
	struct weft_endpoint seen = rig_endpoint("192.0.2.10:5000");

	g_assert_cmpint(rig_send(rig, &b), ==, 0);
	g_assert_true(weft_endpoint_equal(&rig->answer.mapped, &seen));
	g_assert_cmphex(rig->answer.has, ==, WEFT_STUN_HAS_XOR_MAPPED);
	/* FINGERPRINT is for who sent one. */
	b = rig_begin(rig, WEFT_STUN_BINDING);
	weft_stun_put_fingerprint(&b);
	g_assert_cmpint(rig_send(rig, &b), ==, 0);
	g_assert_true(weft_stun_check_fingerprint(&rig->answer));
	/* A wrong one is no STUN. */
	rig->request[rig->request_len - 1] ^= 1;
	g_assert_cmpint(rig_deliver(rig), ==, -1);
	rig_client(rig, "[2001:db8:7::1]:5000");
	b = rig_begin(rig, WEFT_STUN_BINDING);
	g_assert_cmpint(rig_send(rig, &b), ==, 0);
	seen = rig_endpoint("[2001:db8:7::1]:5000");
	g_assert_true(weft_endpoint_equal(&rig->answer.mapped, &seen));
	rig_free(rig);
}

static void
test_bytes_behind_are_tolerated(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_BINDING);

	weft_stun_put_fingerprint(&b);
	b.closed = false;
	weft_stun_put(&b, WEFT_STUN_ATTR_NETBIRD_PAIR, "a:b", 3);
	g_assert_cmpint(rig_send(rig, &b), ==, 0);
	rig->request_len += 8;
	g_assert_cmpint(rig_deliver(rig), ==, 0);
	rig_free(rig);
}

static void
test_unknown_required_attribute_is_420(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_BINDING);

	weft_stun_put_u32(&b, 0x7fff, 1);
	weft_stun_put_u32(&b, 0xff00, 1); /* optional */
	g_assert_cmpint(rig_send(rig, &b), ==, 420);
	g_assert_cmpmem(rig->answer.unknown_attributes.p, rig->answer.unknown_attributes.len,
			"\x7f\xff", 2);
	rig_free(rig);
}

static void
test_what_gets_no_answer(void)
{
	struct rig *rig = rig_new();
	static const uint8_t id[12];
	static const struct {
		enum weft_stun_class class;
		uint16_t method;
	} rows[] = {
		{ WEFT_STUN_INDICATION, WEFT_STUN_BINDING },
		{ WEFT_STUN_SUCCESS, WEFT_STUN_BINDING },
		{ WEFT_STUN_ERROR, WEFT_STUN_ALLOCATE },
		{ WEFT_STUN_REQUEST, 0x2aa },
		{ WEFT_STUN_INDICATION, WEFT_STUN_DATA },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct weft_stun_builder b = weft_stun_begin(rig->request, sizeof(rig->request),
							     rows[i].class, rows[i].method, id);

		g_assert_cmpint(rig_send(rig, &b), ==, -1);
	}
	memset(rig->request, 0, 20);
	rig->request_len = 20;
	g_assert_cmpint(rig_deliver(rig), ==, -1);
	rig_free(rig);
}

static void
test_malformed_request_is_400(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_REFRESH);

	weft_stun_put(&b, WEFT_STUN_ATTR_LIFETIME, "ab", 2);
	g_assert_cmpint(rig_send(rig, &b), ==, 400);
	rig_free(rig);
}

/* Nobody becomes an amplifier's victim: what is answered without credentials is counted. */
static void
test_answers_to_strangers_are_limited(void)
{
	struct rig *rig = rig_new();
	int bindings = 0, challenges = 0;

	rig->settings->binding_per_second = 10;
	for (int i = 0; i < 30; i++) {
		struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_BINDING);

		bindings += rig_send(rig, &b) == 0;
	}
	g_assert_cmpint(bindings, ==, 10);
	/* Another address is not affected, nor who has credentials. */
	rig_client(rig, "192.0.2.11:5000");
	for (int i = 0; i < 30; i++) {
		struct weft_stun_builder b = rig_allocate_begin(rig);

		challenges += rig_send(rig, &b) == 401;
	}
	g_assert_cmpint(challenges, ==, 10);
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	rig_advance(rig, 1);
	g_assert_cmpint(rig_refresh(rig, 600), ==, 0);
	rig_client(rig, "192.0.2.10:5000");
	{
		struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_BINDING);

		g_assert_cmpint(rig_send(rig, &b), ==, 0);
	}
	rig_free(rig);
}

static void
test_nonce_is_bound_and_expires(void)
{
	struct rig *rig = rig_new();
	char nonce[RELAY_NONCE_LEN + 1];
	uint8_t key[WEFT_STUN_KEY_MAX];
	struct weft_bytes k = { key, rig_key(key, WEFT_STUN_MD5, "u", "p") };
	static const struct {
		const char *client;
		int after_s, code;
	} rows[] = {
		{ "192.0.2.10:5000", 0, 0 },      { "192.0.2.10:5001", 0, 438 }, /* another port */
		{ "192.0.2.11:5000", 0, 438 },    /* another address */
		{ "192.0.2.10:5000", 3600, 437 }, /* known, so the allocation is looked at */
		{ "192.0.2.10:5000", 1, 438 },
	};

	relay_nonce_make(nonce, rig->shared, &rig->flow, rig->core->now_s);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct weft_stun_builder b;

		rig_client(rig, rows[i].client);
		weft_env_fake_advance(&rig->env, rows[i].after_s * 1000000ll);
		relay_core_tick(rig->core);
		b = rows[i].code == 437 ? rig_begin(rig, WEFT_STUN_REFRESH)
					: rig_allocate_begin(rig);
		rig_put_credentials(rig, &b, "u", nonce);
		weft_stun_put_integrity(&b, k);
		g_assert_cmpint(rig_send(rig, &b), ==, rows[i].code);
		if (rows[i].code == 438) {
			g_assert_true(weft_stun_has(&rig->answer,
						    WEFT_STUN_HAS_REALM | WEFT_STUN_HAS_NONCE));
			g_assert_false(weft_stun_has(&rig->answer, WEFT_STUN_HAS_INTEGRITY));
		}
	}
	nonce[20] ^= 1;
	g_assert_cmpint(relay_nonce_check(rig->shared, &rig->flow, rig->core->now_s, 9999,
					  (uint8_t *) nonce, RELAY_NONCE_LEN),
			==, RELAY_NONCE_FOREIGN);
	rig_free(rig);
}

static void
test_missing_attributes_are_400(void)
{
	struct rig *rig = rig_new();
	uint8_t key[WEFT_STUN_KEY_MAX];
	struct weft_bytes k = { key, rig_key(key, WEFT_STUN_MD5, "u", "p") };
	char nonce[RELAY_NONCE_LEN + 1];

	relay_nonce_make(nonce, rig->shared, &rig->flow, rig->core->now_s);
	for (int without = 0; without < 3; without++) {
		struct weft_stun_builder b = rig_allocate_begin(rig);

		if (without != 0)
			weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, "u", 1);
		if (without != 1)
			weft_stun_put(&b, WEFT_STUN_ATTR_REALM, RIG_REALM, 11);
		if (without != 2)
			weft_stun_put(&b, WEFT_STUN_ATTR_NONCE, nonce, strlen(nonce));
		weft_stun_put_integrity(&b, k);
		g_assert_cmpint(rig_send(rig, &b), ==, 400);
	}
	rig_free(rig);
}

static void
test_sha256_and_userhash(void)
{
	static const uint16_t list[] = { WEFT_STUN_SHA256, WEFT_STUN_MD5 };
	static const uint16_t bid_down[] = { WEFT_STUN_MD5 };
	struct rig *rig = rig_new();

	for (int bad = 0; bad < 4; bad++) {
		struct weft_stun_builder b = rig_allocate_begin(rig);
		uint8_t key[WEFT_STUN_KEY_MAX], hash[WEFT_STUN_USERHASH_LEN];
		struct weft_bytes k = { key, rig_key(key, WEFT_STUN_SHA256, "u", "p") };
		char nonce[RELAY_NONCE_LEN + 1];
		int code;

		relay_nonce_make(nonce, rig->shared, &rig->flow, rig->core->now_s);
		weft_stun_userhash(hash, (struct weft_bytes){ "u", 1 },
				   (struct weft_bytes){ RIG_REALM, 11 });
		weft_stun_put(&b, WEFT_STUN_ATTR_USERHASH, hash, sizeof(hash));
		weft_stun_put(&b, WEFT_STUN_ATTR_REALM, RIG_REALM, 11);
		weft_stun_put(&b, WEFT_STUN_ATTR_NONCE, nonce, strlen(nonce));
		if (bad == 1)
			weft_stun_put_algorithms(&b, WEFT_STUN_ATTR_PASSWORD_ALGORITHMS, bid_down,
						 1);
		else if (bad != 2)
			weft_stun_put_algorithms(&b, WEFT_STUN_ATTR_PASSWORD_ALGORITHMS, list, 2);
		weft_stun_put_algorithms(&b, WEFT_STUN_ATTR_PASSWORD_ALGORITHM, list, 1);
		if (bad == 3)
			key[0] ^= 1;
		weft_stun_put_integrity_sha256(&b, k);
		code = rig_send(rig, &b);
		g_assert_cmpint(code, ==, bad == 0 ? 0 : bad == 3 ? 401 : 400);
		if (bad == 0) {
			g_assert_true(weft_stun_check_integrity_sha256(&rig->answer, k));
			g_assert_false(weft_stun_has(&rig->answer, WEFT_STUN_HAS_INTEGRITY));
			g_assert_cmpint(rig_refresh(rig, 0), ==, 0);
		}
	}
	rig_free(rig);
}

static void
test_sha1_can_be_refused(void)
{
	struct rig *rig = rig_new();

	rig->settings->no_sha1 = true;
	g_assert_cmpint(rig_allocate(rig), ==, 401);
	rig_free(rig);
}

static int
allocate_rest(struct rig *rig, const char *secret, const char *user)
{
	const struct weft_secret s = { (const uint8_t *) secret, strlen(secret) };
	struct weft_stun_builder b = rig_allocate_begin(rig);
	char password[WEFT_TURN_PASSWORD_SIZE];

	weft_turn_password(password, &s, user, strlen(user));
	return rig_send_as(rig, &b, user, password);
}

static void
test_rest_credentials(void)
{
	struct rig *rig = rig_new();
	struct weft_stun_builder b;

	g_assert_true(relay_secret_add(rig->settings->turn_secrets, &rig->settings->n_turn_secrets,
				       "old", 3));
	g_assert_true(relay_secret_add(rig->settings->turn_secrets, &rig->settings->n_turn_secrets,
				       "new", 3));
	g_assert_cmpint(allocate_rest(rig, "old", "1700000100"), ==, 0);
	rig_client(rig, "192.0.2.10:5001");
	g_assert_cmpint(allocate_rest(rig, "new", "1700000100:alice"), ==, 0);
	rig_client(rig, "192.0.2.10:5002");
	g_assert_cmpint(allocate_rest(rig, "new", "1699999999"), ==, 401); /* expired */
	g_assert_cmpint(allocate_rest(rig, "wrong", "1700000100"), ==, 401);
	g_assert_cmpint(allocate_rest(rig, "new", "alice"), ==, 401);
	/* USERHASH is not offered then: the hash does not tell the expiry. */
	b = rig_allocate_begin(rig);
	g_assert_cmpint(rig_send(rig, &b), ==, 401);
	g_assert_cmphex(weft_stun_nonce_features(rig->answer.nonce.p, rig->answer.nonce.len), ==,
			WEFT_STUN_FEATURE_ALGORITHMS);
	rig_free(rig);
}

/* Rotation of secrets and the end of a credential do not end what it made. */
static void
test_an_allocation_survives_rotation(void)
{
	struct rig *rig = rig_new();
	const struct weft_secret s = { (const uint8_t *) "old", 3 };
	char password[WEFT_TURN_PASSWORD_SIZE];
	struct weft_stun_builder b;

	g_assert_true(relay_secret_add(rig->settings->turn_secrets, &rig->settings->n_turn_secrets,
				       "old", 3));
	g_assert_cmpint(allocate_rest(rig, "old", "1700000100"), ==, 0);
	rig->settings->turn_secrets[0].p[0] = 'x';
	rig_advance(rig, 200);
	weft_turn_password(password, &s, "1700000100", 10);
	b = rig_begin(rig, WEFT_STUN_REFRESH);
	g_assert_cmpint(rig_send_as(rig, &b, "1700000100", password), ==, 0);
	rig_client(rig, "192.0.2.10:5001");
	g_assert_cmpint(allocate_rest(rig, "old", "1700009999"), ==, 401);
	rig_free(rig);
}

static void
test_bandwidth(void)
{
	struct rig *rig = rig_new();
	struct relay_alloc *a;
	int passed = 0;

	rig->settings->bytes_per_second = 1000;
	g_assert_cmpint(rig_allocate(rig), ==, 0);
	a = relay_alloc_at(rig->core->tables, rig_alloc(rig));
	for (int i = 0; i < 20; i++)
		passed += relay_core_bandwidth(rig->core, a, 100);
	g_assert_cmpint(passed, ==, 10);
	for (int i = 0; i < 2000; i++) {
		weft_env_fake_advance(&rig->env, 1000);
		relay_core_tick(rig->core);
		passed += relay_core_bandwidth(rig->core, a, 100);
	}
	g_assert_cmpint(passed, ==, 30);
	rig->settings->bytes_per_second = 0;
	g_assert_true(relay_core_bandwidth(rig->core, a, UINT32_MAX));
	rig_free(rig);
}

static void
test_quota_counts_come_back(void)
{
	struct weft_env_fake env;
	struct relay_shared *s;

	weft_env_fake_init(&env, 1);
	s = relay_shared_new(&env.env, 100);
	for (uint64_t round = 0; round < 1000; round++) {
		uint64_t user = relay_shared_user(s, (const uint8_t *) &round, sizeof(round));

		g_assert_cmpint(relay_quota_take(s, user, 2, 100), ==, RELAY_QUOTA_OK);
		g_assert_cmpint(relay_quota_take(s, user, 2, 100), ==, RELAY_QUOTA_OK);
		g_assert_cmpint(relay_quota_take(s, user, 2, 100), ==, RELAY_QUOTA_USER);
		relay_quota_give(s, user);
		relay_quota_give(s, user);
	}
	g_assert_cmpuint(atomic_load(&s->allocations), ==, 0);
	g_assert_cmpint(relay_quota_take(s, 1, 0, 0), ==, RELAY_QUOTA_TOTAL);
	relay_shared_free(s);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/relayd/auth/binding", test_binding);
	g_test_add_func("/relayd/auth/bytes-behind-are-tolerated", test_bytes_behind_are_tolerated);
	g_test_add_func("/relayd/auth/unknown-required-attribute-is-420",
			test_unknown_required_attribute_is_420);
	g_test_add_func("/relayd/auth/what-gets-no-answer", test_what_gets_no_answer);
	g_test_add_func("/relayd/auth/malformed-request-is-400", test_malformed_request_is_400);
	g_test_add_func("/relayd/auth/answers-to-strangers-are-limited",
			test_answers_to_strangers_are_limited);
	g_test_add_func("/relayd/auth/nonce-is-bound-and-expires", test_nonce_is_bound_and_expires);
	g_test_add_func("/relayd/auth/missing-attributes-are-400", test_missing_attributes_are_400);
	g_test_add_func("/relayd/auth/sha256-and-userhash", test_sha256_and_userhash);
	g_test_add_func("/relayd/auth/sha1-can-be-refused", test_sha1_can_be_refused);
	g_test_add_func("/relayd/auth/rest-credentials", test_rest_credentials);
	g_test_add_func("/relayd/auth/an-allocation-survives-rotation",
			test_an_allocation_survives_rotation);
	g_test_add_func("/relayd/auth/bandwidth", test_bandwidth);
	g_test_add_func("/relayd/auth/quota-counts-come-back", test_quota_counts_come_back);
	return g_test_run();
}

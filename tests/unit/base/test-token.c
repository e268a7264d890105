/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/token.h"

#include <glib.h>
#include <string.h>

static struct weft_secret
secret(const char *text)
{
	return (struct weft_secret){ (const uint8_t *) text, strlen(text) };
}

/* protocol.md 9, V5. */
static void
test_turn_vector_v5(void)
{
	struct weft_secret s = secret("turn-secret");
	struct weft_turn_credential c;
	char password[WEFT_TURN_PASSWORD_SIZE];

	weft_turn_credential_make(&c, &s, 1767225600);
	g_assert_cmpstr(c.user, ==, "1767225600");
	g_assert_cmpstr(c.password, ==, "pIEpdcDWmaQ6clQuKcvrIphz/Xg=");
	weft_turn_password(password, &s, "1767225600:alice", 10);
	g_assert_cmpstr(password, ==, c.password);
	weft_turn_password(password, &s, "1767225600:alice", 16);
	g_assert_cmpstr(password, !=, c.password);
}

static const struct {
	const char *user;
	bool ok;
	int64_t expires_s;
} users[] = {
	{ "1767225600", true, 1767225600 },
	{ "1767225600:alice", true, 1767225600 },
	{ "1767225600:", true, 1767225600 },
	{ "1767225600:a:b", true, 1767225600 },
	{ "0", true, 0 },
	{ "000001", true, 1 },
	{ "999999999999999999", true, G_GINT64_CONSTANT(999999999999999999) },
	{ "1000000000000000000", false, 0 },
	{ "99999999999999999999999999:x", false, 0 },
	{ "", false, 0 },
	{ ":", false, 0 },
	{ ":1767225600", false, 0 },
	{ "alice", false, 0 },
	{ "alice:1767225600", false, 0 },
	{ "1767225600x", false, 0 },
	{ "-1", false, 0 },
	{ "+1", false, 0 },
	{ " 1", false, 0 },
	{ "1 ", false, 0 },
	{ "0x10", false, 0 },
};

static void
test_the_expiry_in_a_turn_user(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(users); i++) {
		int64_t expires_s = -7;
		bool ok = weft_turn_user_expiry(&expires_s, users[i].user, strlen(users[i].user));

		g_test_message("\"%s\"", users[i].user);
		g_assert_cmpint(ok, ==, users[i].ok);
		g_assert_cmpint(expires_s, ==, ok ? users[i].expires_s : -7);
	}
	g_assert_false(weft_turn_user_expiry(&(int64_t){ 0 }, "1\0002", 3));
}

static void
test_relay_vectors_v6_and_v7(void)
{
	struct weft_secret s = secret("relay-secret");
	struct weft_relay_token token;
	uint8_t wire[WEFT_RELAY_TOKEN_WIRE_MAX];
	static const char expected[] =
		"\x01\x54\xa7\x41\x19\x64\xf2\x5d\x29\xb1\x6b\x54\x7c\x7d\xbc\x48\x97\xe5\xd4\xb0"
		"\xfe\xae\xd0\xfa\xa0\xe3\x7f\x24\x03\x99\xf9\xe9\x94"
		"1767225600";

	weft_relay_token_make(&token, &s, 1767225600);
	g_assert_cmpstr(token.payload, ==, "1767225600");
	g_assert_cmpstr(token.signature, ==, "VKdBGWTyXSmxa1R8fbxIl+XUsP6u0Pqg438kA5n56ZQ=");
	g_assert_cmpuint(weft_relay_token_to_wire(&token, wire, sizeof wire), ==, 43);
	g_assert_cmpmem(wire, 43, expected, sizeof expected - 1);
	g_assert_cmpuint(weft_relay_token_to_wire(&token, wire, 43), ==, 43);
	g_assert_cmpuint(weft_relay_token_to_wire(&token, wire, 42), ==, 0);
	g_assert_cmpuint(weft_relay_token_to_wire(&token, NULL, 0), ==, 0);
}

static void
test_malformed_parts_have_no_wire_form(void)
{
	static const struct weft_relay_token bad[] = {
		{ "", "VKdBGWTyXSmxa1R8fbxIl+XUsP6u0Pqg438kA5n56ZQ=" },
		{ "1767225600", "" },
		{ "1767225600", "VKdBGWTyXSmxa1R8fbxIl+XUsP6u0Pqg438kA5n56ZQ" },
		{ "1767225600", "VKdBGWTyXSmxa1R8fbxIl+XUsP6u0Pqg438kA5n5" },
		{ "1767225600", "VKdBGWTyXSmxa1R8fbxIl+XUsP6u0Pqg438kA5n56ZQA" },
		{ "1767225600", "VKdBGWTyXSmxa1R8fbxIl-XUsP6u0Pqg438kA5n56ZQ=" },
	};
	struct weft_relay_token unterminated;
	uint8_t wire[WEFT_RELAY_TOKEN_WIRE_MAX];

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_cmpuint(weft_relay_token_to_wire(&bad[i], wire, sizeof wire), ==, 0);
	memset(&unterminated, '1', sizeof unterminated);
	g_assert_cmpuint(weft_relay_token_to_wire(&unterminated, wire, sizeof wire), ==, 0);
}

static size_t
make_wire(uint8_t *wire, const struct weft_secret *s, int64_t expires_s)
{
	struct weft_relay_token token;

	weft_relay_token_make(&token, s, expires_s);
	return weft_relay_token_to_wire(&token, wire, WEFT_RELAY_TOKEN_WIRE_MAX);
}

static void
test_a_token_is_good_until_its_second_is_over(void)
{
	struct weft_secret s = secret("relay-secret");
	uint8_t wire[WEFT_RELAY_TOKEN_WIRE_MAX];
	size_t len = make_wire(wire, &s, 1767225600);

	g_assert_cmpint(weft_relay_token_check(wire, len, &s, 1, 0), ==, WEFT_TOKEN_OK);
	g_assert_cmpint(weft_relay_token_check(wire, len, &s, 1, 1767225600), ==, WEFT_TOKEN_OK);
	g_assert_cmpint(weft_relay_token_check(wire, len, &s, 1, 1767225601), ==,
			WEFT_TOKEN_EXPIRED);
}

static void
test_any_of_several_secrets_will_do(void)
{
	const struct weft_secret all[] = { secret("new"), secret("old"), secret("older") };
	struct weft_secret foreign = secret("foreign");
	uint8_t wire[WEFT_RELAY_TOKEN_WIRE_MAX];
	size_t len;

	for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
		len = make_wire(wire, &all[i], 1767225600);
		g_assert_cmpint(weft_relay_token_check(wire, len, all, 3, 0), ==, WEFT_TOKEN_OK);
		g_assert_cmpint(weft_relay_token_check(wire, len, all, i, 0), ==,
				WEFT_TOKEN_FORGED);
	}
	len = make_wire(wire, &foreign, 1767225600);
	g_assert_cmpint(weft_relay_token_check(wire, len, all, 3, 0), ==, WEFT_TOKEN_FORGED);
	/* A forger does not learn that his token would have been too old. */
	g_assert_cmpint(weft_relay_token_check(wire, len, all, 3, 1900000000), ==,
			WEFT_TOKEN_FORGED);
}

static void
test_every_flipped_bit_is_refused(void)
{
	struct weft_secret s = secret("relay-secret");
	uint8_t wire[WEFT_RELAY_TOKEN_WIRE_MAX];
	size_t len = make_wire(wire, &s, 1767225600);

	for (size_t bit = 0; bit < 8 * len; bit++) {
		wire[bit / 8] ^= (uint8_t) (1 << bit % 8);
		g_assert_cmpint(weft_relay_token_check(wire, len, &s, 1, 0), !=, WEFT_TOKEN_OK);
		wire[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		g_assert_cmpint(weft_relay_token_check(wire, cut, &s, 1, 0), !=, WEFT_TOKEN_OK);
	wire[len] = '0'; /* one digit more would be ten times later */
	g_assert_cmpint(weft_relay_token_check(wire, len + 1, &s, 1, 0), ==, WEFT_TOKEN_FORGED);
	g_assert_cmpint(weft_relay_token_check(wire, len, &s, 1, 0), ==, WEFT_TOKEN_OK);
}

static void
test_malformed_tokens_are_told_from_forged_ones(void)
{
	struct weft_secret s = secret("relay-secret");
	uint8_t wire[WEFT_RELAY_TOKEN_WIRE_MAX] = { 1 };

	g_assert_cmpint(weft_relay_token_check(wire, 0, &s, 1, 0), ==, WEFT_TOKEN_MALFORMED);
	g_assert_cmpint(weft_relay_token_check(wire, 33, &s, 1, 0), ==, WEFT_TOKEN_MALFORMED);
	memset(wire + 33, '1', 30);
	g_assert_cmpint(weft_relay_token_check(wire, 33 + 18, &s, 1, 0), ==, WEFT_TOKEN_FORGED);
	g_assert_cmpint(weft_relay_token_check(wire, 33 + 19, &s, 1, 0), ==, WEFT_TOKEN_MALFORMED);
	wire[40] = ' ';
	g_assert_cmpint(weft_relay_token_check(wire, 33 + 18, &s, 1, 0), ==, WEFT_TOKEN_MALFORMED);
	wire[40] = '1';
	wire[0] = 2;
	g_assert_cmpint(weft_relay_token_check(wire, 33 + 18, &s, 1, 0), ==, WEFT_TOKEN_MALFORMED);
}

static void
test_every_status_has_a_name(void)
{
	for (int i = 0; i < WEFT_TOKEN_STATUS_COUNT_; i++)
		g_assert_cmpstr(weft_token_status_name((enum weft_token_status) i), !=, "unknown");
	g_assert_cmpstr(weft_token_status_name(WEFT_TOKEN_STATUS_COUNT_), ==, "unknown");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/token/turn-vector-v5", test_turn_vector_v5);
	g_test_add_func("/base/token/the-expiry-in-a-turn-user", test_the_expiry_in_a_turn_user);
	g_test_add_func("/base/token/relay-vectors-v6-and-v7", test_relay_vectors_v6_and_v7);
	g_test_add_func("/base/token/malformed-parts-have-no-wire-form",
			test_malformed_parts_have_no_wire_form);
	g_test_add_func("/base/token/a-token-is-good-until-its-second-is-over",
			test_a_token_is_good_until_its_second_is_over);
	g_test_add_func("/base/token/any-of-several-secrets-will-do",
			test_any_of_several_secrets_will_do);
	g_test_add_func("/base/token/every-flipped-bit-is-refused",
			test_every_flipped_bit_is_refused);
	g_test_add_func("/base/token/malformed-tokens-are-told-from-forged-ones",
			test_malformed_tokens_are_told_from_forged_ones);
	g_test_add_func("/base/token/every-status-has-a-name", test_every_status_has_a_name);
	return g_test_run();
}

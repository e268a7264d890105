/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The small vectors of tests/vectors/basic.json, which a Python program computes from the
 * definitions without any code of ours. */
#include "base/address.h"
#include "base/box.h"
#include "base/env.h"
#include "base/hash.h"
#include "base/token.h"
#include "tests/unit/base/hex.h"

#include <json-glib/json-glib.h>
#include <string.h>

static JsonObject *basic;

static const char *
text(const char *name)
{
	g_assert_true(json_object_has_member(basic, name));
	return json_object_get_string_member(basic, name);
}

struct bytes {
	uint8_t b[512];
	size_t len;
};

static struct bytes
bytes(const char *name)
{
	struct bytes out;

	out.len = unhex(out.b, sizeof out.b, text(name));
	return out;
}

static struct weft_key
key(const char *name)
{
	struct weft_key k;

	g_assert_true(weft_key_from_text(&k, text(name), strlen(text(name))));
	return k;
}

static struct weft_secret
secret(const char *name)
{
	return (struct weft_secret){ (const uint8_t *) text(name), strlen(text(name)) };
}

static void
test_keys(void)
{
	static const char *const pairs[][2] = { { "client_private", "client_public" },
						{ "server_private", "server_public" } };
	struct weft_key client = key("client_public");
	struct weft_key server = key("server_public");
	const struct weft_key *controller =
		weft_key_text_compare(&client, &server) > 0 ? &client : &server;

	for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
		struct weft_key priv = key(pairs[i][0]);
		struct weft_key pub;

		weft_key_public(&pub, &priv);
		g_assert_cmpstr(weft_key_to_text(&pub).s, ==, text(pairs[i][1]));
	}
	g_assert_cmpstr(weft_key_to_text(controller).s, ==, text("controller"));
}

static void
fixed_random(void *user, void *buf, size_t len)
{
	const struct bytes *nonce = user;

	g_assert_cmpuint(len, ==, nonce->len);
	memcpy(buf, nonce->b, len);
}

static void
check_box(const struct bytes *plain, struct bytes *nonce, const struct bytes *body)
{
	static const char *const ends[][2] = { { "server_public", "client_private" },
					       { "client_public", "server_private" } };
	const struct weft_env env = { .random = fixed_random, .user = nonce };
	struct bytes shared = bytes("box_shared_hex");

	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
		struct weft_key pub = key(ends[i][0]);
		struct weft_key priv = key(ends[i][1]);
		struct weft_box_key box;
		uint8_t out[512];

		g_assert_true(weft_box_key_init(&box, &pub, &priv));
		g_assert_cmpmem(box.shared.b, sizeof box.shared.b, shared.b, shared.len);
		weft_box_seal(out, plain->b, plain->len, &box, &env);
		g_assert_cmpmem(out, plain->len + WEFT_BOX_OVERHEAD, body->b, body->len);
		g_assert_true(weft_box_open(out, body->b, body->len, &box));
		g_assert_cmpmem(out, body->len - WEFT_BOX_OVERHEAD, plain->b, plain->len);
	}
}

static void
test_boxes(void)
{
	struct bytes nonce = bytes("login_nonce_hex");
	struct bytes plain = bytes("login_request_hex");
	struct bytes body = bytes("login_body_hex");
	struct bytes empty = { .len = 0 };
	struct bytes empty_body = bytes("empty_body_hex");
	struct bytes offer = bytes("offer_body_hex");
	struct bytes offer_nonce = bytes("offer_nonce_hex");
	struct bytes envelope = bytes("offer_envelope_hex");
	struct bytes offer_body = { .len = offer.len + WEFT_BOX_OVERHEAD };

	check_box(&plain, &nonce, &body);
	check_box(&empty, &nonce, &empty_body);
	/* The body is the last field of the envelope. */
	memcpy(offer_body.b, envelope.b + envelope.len - offer_body.len, offer_body.len);
	check_box(&offer, &offer_nonce, &offer_body);
}

static void
test_turn_credential(void)
{
	struct weft_secret s = secret("turn_secret");
	struct weft_turn_credential c;

	weft_turn_credential_make(&c, &s, g_ascii_strtoll(text("turn_user"), NULL, 10));
	g_assert_cmpstr(c.user, ==, text("turn_user"));
	g_assert_cmpstr(c.password, ==, text("turn_password"));
}

static void
test_relay_token(void)
{
	struct weft_secret s = secret("relay_secret");
	struct bytes relay_key = bytes("relay_key_hex");
	struct bytes wire = bytes("relay_token_wire_hex");
	int64_t expires_s = g_ascii_strtoll(text("relay_token_payload"), NULL, 10);
	struct weft_relay_token token;
	uint8_t out[WEFT_RELAY_TOKEN_WIRE_MAX];

	weft_sha256(out, s.p, s.len);
	g_assert_cmpmem(out, WEFT_SHA256_LEN, relay_key.b, relay_key.len);
	weft_relay_token_make(&token, &s, expires_s);
	g_assert_cmpstr(token.payload, ==, text("relay_token_payload"));
	g_assert_cmpstr(token.signature, ==, text("relay_token_signature"));
	g_assert_cmpmem(out, weft_relay_token_to_wire(&token, out, sizeof out), wire.b, wire.len);
	g_assert_cmpint(weft_relay_token_check(wire.b, wire.len, &s, 1, expires_s), ==,
			WEFT_TOKEN_OK);
}

/* protocol.md 5.3: "sha-" and the digest of the key's text. */
static void
test_relay_ids(void)
{
	static const char *const rows[][2] = { { "client_public", "relay_client_id_hex" },
					       { "server_public", "relay_server_id_hex" } };

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct bytes id = bytes(rows[i][1]);
		uint8_t digest[WEFT_SHA256_LEN];

		weft_sha256(digest, text(rows[i][0]), WEFT_KEY_TEXT_LEN);
		g_assert_cmpmem(id.b, 4, "sha-", 4);
		g_assert_cmpmem(id.b + 4, id.len - 4, digest, sizeof digest);
	}
}

static void
check_compact(JsonObject *object, const char *name, JsonNode *node, void *user)
{
	struct bytes expected;
	struct weft_prefix p;
	char out[WEFT_PREFIX_TEXT_SIZE];
	uint8_t compact[WEFT_PREFIX_COMPACT_MAX];

	expected.len = unhex(expected.b, sizeof expected.b, json_node_get_string(node));
	g_assert_true(weft_prefix_parse(&p, name, strlen(name), true));
	g_assert_cmpmem(compact, weft_prefix_to_compact(&p, compact), expected.b, expected.len);
	g_assert_true(weft_prefix_from_compact(&p, expected.b, expected.len));
	g_assert_cmpstr(weft_prefix_format(&p, out), ==, name);
}

static void
test_compact_prefixes(void)
{
	JsonObject *all = json_object_get_object_member(basic, "compact_prefixes");

	g_assert_cmpuint(json_object_get_size(all), >=, 4);
	json_object_foreach_member(all, check_compact, NULL);
}

int
main(int argc, char **argv)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	const char *top = g_getenv("top_srcdir");
	g_autofree char *path =
		g_build_filename(top != NULL ? top : ".", "tests/vectors/basic.json", NULL);
	g_autoptr(GError) error = NULL;

	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
	json_parser_load_from_file(parser, path, &error);
	g_assert_no_error(error);
	basic = json_node_get_object(json_parser_get_root(parser));
	g_test_add_func("/base/vectors/keys", test_keys);
	g_test_add_func("/base/vectors/boxes", test_boxes);
	g_test_add_func("/base/vectors/turn-credential", test_turn_credential);
	g_test_add_func("/base/vectors/relay-token", test_relay_token);
	g_test_add_func("/base/vectors/relay-ids", test_relay_ids);
	g_test_add_func("/base/vectors/compact-prefixes", test_compact_prefixes);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/box.h"

#include "base/env.h"
#include "tests/unit/base/hex.h"

#include <glib.h>
#include <string.h>

/* The published example of NaCl ("Cryptography in NaCl", 10). */
#define ALICE_PRIV  "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define BOB_PUB     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
#define FIRST_KEY   "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389"
#define NONCE       "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37"
#define MESSAGE_LEN 131
#define MESSAGE                                                                                    \
	"be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d4" \
	"5e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a" \
	"024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705"
#define BOXED                                                                                      \
	"f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c5" \
	"31a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8a" \
	"b932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622" \
	"a43d14a6599b1f654cb45a74e355a5"

static struct weft_box_key
example_key(void)
{
	struct weft_key alice, bob;
	struct weft_box_key key;

	unhex(alice.b, sizeof alice.b, ALICE_PRIV);
	unhex(bob.b, sizeof bob.b, BOB_PUB);
	g_assert_true(weft_box_key_init(&key, &bob, &alice));
	return key;
}

/* The nonce alone comes from the environment. */
static void
fixed_random(void *user, void *buf, size_t len)
{
	g_assert_cmpuint(len, ==, WEFT_BOX_NONCE_LEN);
	memcpy(buf, user, len);
}

static void
test_nacl_example(void)
{
	struct weft_box_key key = example_key();
	uint8_t nonce[WEFT_BOX_NONCE_LEN], plain[MESSAGE_LEN], first[WEFT_KEY_LEN];
	uint8_t boxed[MESSAGE_LEN + WEFT_BOX_TAG_LEN];
	uint8_t body[MESSAGE_LEN + WEFT_BOX_OVERHEAD];
	uint8_t opened[MESSAGE_LEN];
	const struct weft_env env = { .random = fixed_random, .user = nonce };

	unhex(first, sizeof first, FIRST_KEY);
	g_assert_cmpmem(key.shared.b, sizeof key.shared.b, first, sizeof first);
	unhex(nonce, sizeof nonce, NONCE);
	g_assert_cmpuint(unhex(plain, sizeof plain, MESSAGE), ==, sizeof plain);
	g_assert_cmpuint(unhex(boxed, sizeof boxed, BOXED), ==, sizeof boxed);
	weft_box_seal(body, plain, sizeof plain, &key, &env);
	g_assert_cmpmem(body, sizeof nonce, nonce, sizeof nonce);
	g_assert_cmpmem(body + sizeof nonce, sizeof boxed, boxed, sizeof boxed);
	g_assert_true(weft_box_open(opened, body, sizeof body, &key));
	g_assert_cmpmem(opened, sizeof opened, plain, sizeof plain);
}

static void
test_both_ends_compute_the_same_key(void)
{
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 1);
	for (int i = 0; i < 20; i++) {
		struct weft_key a, b, a_pub, b_pub;
		struct weft_box_key ab, ba;

		weft_key_generate(&a, &fake.env);
		weft_key_generate(&b, &fake.env);
		weft_key_public(&a_pub, &a);
		weft_key_public(&b_pub, &b);
		g_assert_true(weft_box_key_init(&ab, &b_pub, &a));
		g_assert_true(weft_box_key_init(&ba, &a_pub, &b));
		g_assert_true(weft_key_equal(&ab.shared, &ba.shared));
	}
}

static void
test_every_flipped_bit_is_refused(void)
{
	struct weft_box_key key = example_key();
	struct weft_env_fake fake;
	uint8_t body[WEFT_BOX_OVERHEAD + 20];
	uint8_t out[20];

	weft_env_fake_init(&fake, 2);
	weft_box_seal(body, (const uint8_t *) "twenty octets of it.", 20, &key, &fake.env);
	for (size_t bit = 0; bit < 8 * sizeof body; bit++) {
		body[bit / 8] ^= (uint8_t) (1 << bit % 8);
		g_assert_false(weft_box_open(out, body, sizeof body, &key));
		body[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	for (size_t bit = 0; bit < 256; bit++) {
		struct weft_box_key other = key;

		other.shared.b[bit / 8] ^= (uint8_t) (1 << bit % 8);
		g_assert_false(weft_box_open(out, body, sizeof body, &other));
	}
	for (size_t len = 0; len < sizeof body; len++)
		g_assert_false(weft_box_open(out, body, len, &key));
	g_assert_true(weft_box_open(out, body, sizeof body, &key));
	g_assert_cmpmem(out, sizeof out, "twenty octets of it.", 20);
}

static void
test_an_empty_message_is_forty_octets(void)
{
	struct weft_box_key key = example_key();
	struct weft_env_fake fake;
	uint8_t body[WEFT_BOX_OVERHEAD];
	uint8_t out[1] = { 7 };

	g_assert_cmpuint(WEFT_BOX_OVERHEAD, ==, 40);
	weft_env_fake_init(&fake, 3);
	weft_box_seal(body, NULL, 0, &key, &fake.env);
	g_assert_true(weft_box_open(out, body, sizeof body, &key));
	g_assert_cmpuint(out[0], ==, 7);
	body[39] ^= 1;
	g_assert_false(weft_box_open(out, body, sizeof body, &key));
}

/* Lengths around the 64 octets of a Salsa20 block and the 32 that the tag's key takes of it. */
static void
test_in_place_at_every_length(void)
{
	struct weft_box_key key = example_key();
	struct weft_env_fake fake;
	uint8_t plain[300];

	weft_env_fake_init(&fake, 4);
	weft_env_random(&fake.env, plain, sizeof plain);
	for (size_t len = 0; len <= sizeof plain; len++) {
		uint8_t body[sizeof plain + WEFT_BOX_OVERHEAD];
		uint8_t apart[sizeof plain];

		memcpy(body + WEFT_BOX_OVERHEAD, plain, len);
		weft_box_seal(body, body + WEFT_BOX_OVERHEAD, len, &key, &fake.env);
		g_assert_true(weft_box_open(apart, body, len + WEFT_BOX_OVERHEAD, &key));
		g_assert_cmpmem(apart, len, plain, len);
		g_assert_true(weft_box_open(body, body, len + WEFT_BOX_OVERHEAD, &key));
		g_assert_cmpmem(body, len, plain, len);
	}
}

static void
test_nonces_are_fresh(void)
{
	struct weft_box_key key = example_key();
	uint8_t a[WEFT_BOX_OVERHEAD + 1], b[WEFT_BOX_OVERHEAD + 1];

	weft_box_seal(a, (const uint8_t *) "x", 1, &key, weft_env_system());
	weft_box_seal(b, (const uint8_t *) "x", 1, &key, weft_env_system());
	g_assert_cmpint(memcmp(a, b, WEFT_BOX_NONCE_LEN), !=, 0);
}

/* The points of small order of RFC 7748's curve (order 1, 2, 4 and 8) and their other encodings. */
static const char *const small_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void
test_points_of_small_order_are_refused(void)
{
	struct weft_key priv;

	unhex(priv.b, sizeof priv.b, ALICE_PRIV);
	for (size_t i = 0; i < G_N_ELEMENTS(small_order); i++) {
		struct weft_key pub;
		struct weft_box_key key = { { { 5 } } };

		unhex(pub.b, sizeof pub.b, small_order[i]);
		g_assert_false(weft_box_key_init(&key, &pub, &priv));
		g_assert_cmpuint(key.shared.b[0], ==, 5);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
	g_test_add_func("/base/box/nacl-example", test_nacl_example);
	g_test_add_func("/base/box/both-ends-compute-the-same-key",
			test_both_ends_compute_the_same_key);
	g_test_add_func("/base/box/every-flipped-bit-is-refused",
			test_every_flipped_bit_is_refused);
	g_test_add_func("/base/box/an-empty-message-is-forty-octets",
			test_an_empty_message_is_forty_octets);
	g_test_add_func("/base/box/in-place-at-every-length", test_in_place_at_every_length);
	g_test_add_func("/base/box/nonces-are-fresh", test_nonces_are_fresh);
	g_test_add_func("/base/box/points-of-small-order-are-refused",
			test_points_of_small_order_are_refused);
	return g_test_run();
}

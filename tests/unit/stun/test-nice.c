/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The codec against libnice's, which shares nothing with it but the numbers: what one writes the
 * other must read and find intact. */
#include "stun/client.h"

#include "stun/build.h"

#include <glib.h>

#include <arpa/inet.h>
#include <string.h>
#include <stun/stunagent.h>
#include <stun/usages/bind.h>
#include <stun/usages/ice.h>
#include <stun/usages/turn.h>

#define USER     "ufragB:ufragA"
#define PASSWORD "a password of the remote agent"

static const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN] = "abcdefghijkl";

static void
ice_agent(StunAgent *agent)
{
	stun_agent_init(agent, STUN_ALL_KNOWN_ATTRIBUTES, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
}

static void
test_ice_check_of_libnice_is_read(void)
{
	StunAgent agent;
	StunMessage theirs;
	struct weft_stun_message m;
	uint8_t buf[512];
	size_t len;

	ice_agent(&agent);
	len = stun_usage_ice_conncheck_create(
		&agent, &theirs, buf, sizeof(buf), (const uint8_t *) USER, strlen(USER),
		(const uint8_t *) PASSWORD, strlen(PASSWORD), true, true, 1853824767,
		0x1122334455667788, "1", STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	g_assert_cmpuint(len, >, 0);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpuint(m.len, ==, len);
	g_assert_cmpmem(m.username.p, m.username.len, USER, strlen(USER));
	g_assert_cmpuint(m.priority, ==, 1853824767);
	g_assert_true(m.controlling);
	g_assert_cmphex(m.tie_breaker, ==, 0x1122334455667788);
	g_assert_true(weft_stun_has(&m, WEFT_STUN_HAS_USE_CANDIDATE));
	g_assert_true(weft_stun_check_fingerprint(&m));
	g_assert_true(
		weft_stun_check_integrity(&m, (struct weft_bytes){ PASSWORD, strlen(PASSWORD) }));
}

static size_t
our_check(uint8_t *buf, size_t size)
{
	struct weft_stun_builder b =
		weft_stun_begin(buf, size, WEFT_STUN_REQUEST, WEFT_STUN_BINDING, transaction);

	weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, USER, strlen(USER));
	weft_stun_put_u64(&b, WEFT_STUN_ATTR_ICE_CONTROLLED, 0x1122334455667788);
	weft_stun_put_u32(&b, WEFT_STUN_ATTR_PRIORITY, 77);
	weft_stun_put_integrity(&b, (struct weft_bytes){ PASSWORD, strlen(PASSWORD) });
	weft_stun_put_fingerprint(&b);
	return weft_stun_finish(&b);
}

static void
test_our_ice_check_is_validated_by_libnice(void)
{
	StunDefaultValidaterData credentials[] = {
		{ (uint8_t *) USER, strlen(USER), (uint8_t *) PASSWORD, strlen(PASSWORD) },
		{ NULL, 0, NULL, 0 },
	};
	StunAgent agent;
	StunMessage theirs;
	uint8_t buf[512];
	size_t len = our_check(buf, sizeof(buf));

	ice_agent(&agent);
	g_assert_cmpint(stun_agent_validate(&agent, &theirs, buf, len, stun_agent_default_validater,
					    credentials),
			==, STUN_VALIDATION_SUCCESS);
	g_assert_cmpuint(stun_usage_ice_conncheck_priority(&theirs), ==, 77);
	buf[40] ^= 1;
	g_assert_cmpint(stun_agent_validate(&agent, &theirs, buf, len, stun_agent_default_validater,
					    credentials),
			!=, STUN_VALIDATION_SUCCESS);
}

/* A Binding request of libnice's, answered by us, read by it. */
static void
test_our_answer_is_accepted_by_libnice(void)
{
	struct weft_endpoint seen = { .addr = weft_address_v4(0xc0000207), .port = 4711 };
	StunAgent agent;
	StunMessage request, answer;
	uint8_t buf[256], out[256];
	struct weft_stun_message m;
	struct weft_stun_builder b;
	struct sockaddr_storage addr = { 0 }, other = { 0 };
	socklen_t addr_len = sizeof(addr), other_len = sizeof(other);
	size_t len;

	stun_agent_init(&agent, STUN_ALL_KNOWN_ATTRIBUTES, STUN_COMPATIBILITY_RFC5389, 0);
	len = stun_usage_bind_create(&agent, &request, buf, sizeof(buf));
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	b = weft_stun_begin_answer(out, sizeof(out), WEFT_STUN_SUCCESS, &m);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, &seen);
	weft_stun_put_fingerprint(&b);
	len = weft_stun_finish(&b);
	g_assert_cmpint(stun_agent_validate(&agent, &answer, out, len, NULL, NULL), ==,
			STUN_VALIDATION_SUCCESS);
	g_assert_cmpint(stun_usage_bind_process(&answer, (struct sockaddr *) &addr, &addr_len,
						(struct sockaddr *) &other, &other_len),
			==, STUN_USAGE_BIND_RETURN_SUCCESS);
	g_assert_cmpuint(ntohs(((struct sockaddr_in *) &addr)->sin_port), ==, 4711);
	g_assert_cmphex(ntohl(((struct sockaddr_in *) &addr)->sin_addr.s_addr), ==, 0xc0000207);
}

/* Allocate of libnice's, challenged by us; its second request must verify with our key. */
static void
test_long_term_credentials_of_libnice(void)
{
	const struct weft_bytes user = { "user", 4 }, realm = { "realm", 5 },
				password = { "pw", 2 };
	StunAgent agent;
	StunMessage request, answer, again;
	uint8_t buf[512], out[512], key[WEFT_STUN_KEY_MAX];
	struct weft_stun_message m;
	struct weft_stun_builder b;
	size_t len, key_len;

	stun_agent_init(&agent, STUN_ALL_KNOWN_ATTRIBUTES, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_LONG_TERM_CREDENTIALS);
	len = stun_usage_turn_create(&agent, &request, buf, sizeof(buf), NULL, 0, -1, 600,
				     (uint8_t *) "user", 4, (uint8_t *) "pw", 2,
				     STUN_USAGE_TURN_COMPATIBILITY_RFC5766);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpint(m.method, ==, WEFT_STUN_ALLOCATE);
	g_assert_cmpuint(m.requested_transport, ==, WEFT_STUN_TRANSPORT_UDP);
	b = weft_stun_begin_answer(out, sizeof(out), WEFT_STUN_ERROR, &m);
	weft_stun_put_error(&b, WEFT_STUN_ERROR_UNAUTHENTICATED);
	weft_stun_put(&b, WEFT_STUN_ATTR_REALM, "realm", 5);
	weft_stun_put(&b, WEFT_STUN_ATTR_NONCE, "nonce", 5);
	len = weft_stun_finish(&b);
	/* Unauthorized is what libnice calls a 401 that it will follow. */
	stun_agent_validate(&agent, &answer, out, len, NULL, NULL);
	len = stun_usage_turn_create(&agent, &again, buf, sizeof(buf), &answer, 0, -1, 600,
				     (uint8_t *) "user", 4, (uint8_t *) "pw", 2,
				     STUN_USAGE_TURN_COMPATIBILITY_RFC5766);
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpmem(m.nonce.p, m.nonce.len, "nonce", 5);
	key_len = weft_stun_long_term_key(key, WEFT_STUN_MD5, user, realm, password);
	g_assert_true(weft_stun_check_integrity(&m, (struct weft_bytes){ key, key_len }));
}

/* Random bytes: neither reads what the other calls no message, and where both read one they agree
 * on its length. */
static void
test_framing_agrees(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);
	unsigned good = 0;

	for (int round = 0; round < 20000; round++) {
		uint8_t buf[64];
		struct weft_stun_message m;
		size_t len = (size_t) g_rand_int_range(rand, 20, 64), n = 0;
		int theirs;

		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t) g_rand_int(rand);
		memcpy(buf, "\x00\x01\x00\x00\x21\x12\xa4\x42", 8);
		buf[3] = (uint8_t) g_rand_int_range(rand, 0, 44);
		/* Short attributes of an unknown optional type, some of them cut. */
		for (n = 20; n + 4 <= len; n += 4 + ((buf[n + 3] + 3u) & ~3u)) {
			buf[n] = 0xf0;
			buf[n + 2] = 0;
			buf[n + 3] = (uint8_t) g_rand_int_range(rand, 0, 13);
		}
		theirs = stun_message_validate_buffer_length(buf, len, true);
		switch (weft_stun_parse(&m, buf, len)) {
		case WEFT_STUN_OK:
			good++;
			g_assert_cmpint(theirs, ==, m.wire_len);
			break;
		case WEFT_STUN_TRUNCATED:
			g_assert_cmpint(theirs, ==, 0);
			break;
		case WEFT_STUN_NOT_STUN:
		case WEFT_STUN_MALFORMED:
		case WEFT_STUN_STATUS_COUNT_:
			g_assert_cmpint(theirs, <=, 0);
			break;
		}
	}
	g_assert_cmpuint(good, >, 500);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stun/nice/ice-check-of-libnice-is-read",
			test_ice_check_of_libnice_is_read);
	g_test_add_func("/stun/nice/our-ice-check-is-validated-by-libnice",
			test_our_ice_check_is_validated_by_libnice);
	g_test_add_func("/stun/nice/our-answer-is-accepted-by-libnice",
			test_our_answer_is_accepted_by_libnice);
	g_test_add_func("/stun/nice/long-term-credentials-of-libnice",
			test_long_term_credentials_of_libnice);
	g_test_add_func("/stun/nice/framing-agrees", test_framing_agrees);
	return g_test_run();
}

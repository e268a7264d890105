/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fake.h"

#include "netlink/wg-uapi-text.h"

#include <errno.h>
#include <string.h>

#define K1 "0100000000000000000000000000000000000000000000000000000000000000"
#define K2 "0200000000000000000000000000000000000000000000000000000000000000"

static void
test_a_request_as_text(void)
{
	const struct weft_prefix allowed[] = { fake_prefix("10.9.0.0/16"),
					       fake_prefix("fd09::1/128") };
	const struct weft_nl_wg_change changes[] = {
		{ .public_key = { .b = { 1 } },
		  .flags = WEFT_NL_WG_CHANGE_REPLACE_ALLOWED | WEFT_NL_WG_CHANGE_UPDATE_ONLY |
			   WEFT_NL_WG_CHANGE_PRESHARED_KEY | WEFT_NL_WG_CHANGE_ENDPOINT |
			   WEFT_NL_WG_CHANGE_KEEPALIVE,
		  .preshared_key = { .b = { 2 } },
		  .endpoint = fake_endpoint("[fd09::7]:51820"),
		  .keepalive_s = 25,
		  .allowed = allowed,
		  .n_allowed = 2 },
		{ .public_key = { .b = { 2 } }, .flags = WEFT_NL_WG_CHANGE_REMOVE },
	};
	const struct weft_nl_wg_set set = { .flags = 15,
					    .private_key = { .b = { 1 } },
					    .listen_port = 51820,
					    .fwmark = 0x5745,
					    .changes = changes,
					    .n_changes = 2 };
	size_t len;
	g_autofree char *text = weft_nl_uapi_format_set(&set, &len);
	g_autofree char *copy = g_strndup(text, len);

	g_assert_cmpstr(copy, ==,
			"set=1\nprivate_key=" K1
			"\nlisten_port=51820\nfwmark=22341\nreplace_peers=true\npublic_key=" K1
			"\nupdate_only=true\npreshared_key=" K2
			"\nendpoint=[fd09::7]:51820\nreplace_allowed_ips=true\n"
			"allowed_ip=10.9.0.0/16\nallowed_ip=fd09::1/128\n"
			"persistent_keepalive_interval=25\npublic_key=" K2 "\nremove=true\n\n");
}

/* The longest values that there are. */
static void
test_large_requests_fit(void)
{
	struct weft_nl_wg_change changes[50];
	struct weft_prefix allowed[40];
	const struct weft_nl_wg_set set = { .flags = 15,
					    .listen_port = 65535,
					    .fwmark = UINT32_MAX,
					    .changes = changes,
					    .n_changes = G_N_ELEMENTS(changes) };
	size_t len;
	g_autofree char *text = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(allowed); i++)
		allowed[i] = fake_prefix("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	for (size_t i = 0; i < G_N_ELEMENTS(changes); i++)
		changes[i] = (struct weft_nl_wg_change){
			.public_key = fake_key((uint32_t) i),
			.flags = 0x3f & ~(uint32_t) WEFT_NL_WG_CHANGE_REMOVE,
			.endpoint =
				fake_endpoint("[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
			.keepalive_s = 65535,
			.allowed = allowed,
			.n_allowed = G_N_ELEMENTS(allowed),
		};
	text = weft_nl_uapi_format_set(&set, &len);
	g_assert_cmpmem(text + len - 2, 2, "\n\n", 2);
}

static void
test_a_device_is_read(void)
{
	static const char text[] =
		"private_key=e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a\n"
		"listen_port=12912\nfwmark=7\npublic_key=" K1 "\npreshared_key=" K2
		"\nprotocol_version=1\nendpoint=[abcd:23::33%2]:51820\n"
		"last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=250000000\n"
		"tx_bytes=38333\nrx_bytes=2224\npersistent_keepalive_interval=111\n"
		"allowed_ip=192.168.4.4/32\nallowed_ip=fd09::/64\nsomething_new=7\npublic_key=" K2
		"\nendpoint=182.122.22.19:3233\nerrno=0\n\n";
	g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
	int err = 0;
	const struct weft_nl_wg_peer *peer;
	struct weft_endpoint e = fake_endpoint("[abcd:23::33]:51820");

	g_assert_cmpint(weft_nl_uapi_parse(dev, text, sizeof text - 1, &err), ==, WEFT_NL_UAPI_OK);
	g_assert_cmpuint(dev->listen_port, ==, 12912);
	g_assert_cmpuint(dev->fwmark, ==, 7);
	g_assert_false(weft_key_is_zero(&dev->public_key));
	g_assert_cmpuint(dev->n_peers, ==, 2);
	peer = &dev->peers[0];
	g_assert_cmpuint(peer->preshared_key.b[0], ==, 2);
	g_assert_true(weft_endpoint_equal(&peer->endpoint, &e));
	g_assert_cmpint(peer->last_handshake_us, ==, G_GINT64_CONSTANT(1700000000250000));
	g_assert_cmpuint(peer->tx_bytes, ==, 38333);
	g_assert_cmpuint(peer->rx_bytes, ==, 2224);
	g_assert_cmpuint(peer->keepalive_s, ==, 111);
	g_assert_cmpuint(peer->n_allowed, ==, 2);
	g_assert_cmpuint(dev->peers[1].endpoint.port, ==, 3233);
}

static void
test_numbers_of_refusals(void)
{
	static const struct {
		const char *text;
		enum weft_nl_uapi_status status;
		int err;
	} rows[] = {
		{ "errno=0\n\n", WEFT_NL_UAPI_OK, 0 },
		{ "errno=-22\n\n", WEFT_NL_UAPI_REFUSED, 22 },
		{ "errno=98\n\n", WEFT_NL_UAPI_REFUSED, 98 },
		{ "errno=-98\n\n", WEFT_NL_UAPI_REFUSED, EADDRINUSE },
		{ "something=else\nerrno=0\n\n", WEFT_NL_UAPI_OK, 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		int err = 0;

		g_assert_cmpint(weft_nl_uapi_parse(NULL, rows[i].text, strlen(rows[i].text), &err),
				==, rows[i].status);
		g_assert_cmpint(err, ==, rows[i].err);
	}
}

static void
test_malformed_answers(void)
{
	static const char *const rows[] = {
		"",
		"\n",
		"\n\n",
		"errno=0",
		"errno=0\n",
		"errno=0\n\nx",
		"errno=0\n\n\n",
		"errno=\n\n",
		"errno=--1\n\n",
		"errno=4096\n\n",
		"errno=0\nerrno=0\n\n",
		"errno=0\nlisten_port=1\n\n",
		"listen_port=1\n\n",
		"=1\nerrno=0\n\n",
		"nothing\nerrno=0\n\n",
		"listen_port=65536\nerrno=0\n\n",
		"listen_port=-1\nerrno=0\n\n",
		"listen_port= 1\nerrno=0\n\n",
		"fwmark=4294967296\nerrno=0\n\n",
		"private_key=" K1 "0\nerrno=0\n\n",
		"private_key=zz00000000000000000000000000000000000000000000000000000000000000\n"
		"errno=0\n\n",
		"preshared_key=" K1 "\nerrno=0\n\n", /* before any peer */
		"endpoint=1.2.3.4:5\nerrno=0\n\n",
		"allowed_ip=10.0.0.0/8\nerrno=0\n\n",
		"rx_bytes=1\nerrno=0\n\n",
		"public_key=" K1 "\nallowed_ip=10.0.0.0/33\nerrno=0\n\n",
		"public_key=" K1 "\nallowed_ip=10.0.0.0\nerrno=0\n\n",
		"public_key=" K1 "\nendpoint=1.2.3.4\nerrno=0\n\n",
		"public_key=" K1 "\nendpoint=[fe80::1%eth0:5\nerrno=0\n\n",
		"public_key=" K1 "\nlast_handshake_time_nsec=1000000000\nerrno=0\n\n",
		"public_key=" K1 "\nlast_handshake_time_sec=9223372036854775807\nerrno=0\n\n",
		"public_key=" K1 "\nprivate_key=" K1 "\nerrno=0\n\n", /* after a peer */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(WeftNlWgDevice) dev = weft_nl_wg_device_new("weft0");
		int err = 0;

		if (weft_nl_uapi_parse(dev, rows[i], strlen(rows[i]), &err) !=
		    WEFT_NL_UAPI_MALFORMED)
			g_error("taken for well-formed: %s", rows[i]);
	}
}

static void
test_a_line_has_a_limit(void)
{
	g_autofree char *value = g_strnfill(300, 'x');
	g_autofree char *text = g_strdup_printf("key=%s\nerrno=0\n\n", value);
	int err = 0;

	g_assert_cmpint(weft_nl_uapi_parse(NULL, text, strlen(text), &err), ==,
			WEFT_NL_UAPI_MALFORMED);
}

static void
test_a_set_answer_carries_no_device(void)
{
	static const char text[] = "listen_port=1\nerrno=0\n\n";
	int err = 0;

	g_assert_cmpint(weft_nl_uapi_parse(NULL, text, sizeof text - 1, &err), ==,
			WEFT_NL_UAPI_MALFORMED);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
#define ADD(path, func) g_test_add_func("/netlink/uapi-text/" path, func)
	ADD("a-request-as-text", test_a_request_as_text);
	ADD("large-requests-fit", test_large_requests_fit);
	ADD("a-device-is-read", test_a_device_is_read);
	ADD("numbers-of-refusals", test_numbers_of_refusals);
	ADD("malformed-answers", test_malformed_answers);
	ADD("a-line-has-a-limit", test_a_line_has_a_limit);
	ADD("a-set-answer-carries-no-device", test_a_set_answer_carries_no_device);
	return g_test_run();
}

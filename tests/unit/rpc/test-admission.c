/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/admission.h"

#include "base/address.h"
#include "base/env.h"
#include "rpc/server.h"

#include <glib.h>
#include <string.h>

static struct weft_endpoint
peer(const char *text)
{
	struct weft_endpoint e;

	g_assert_true(weft_endpoint_parse(&e, text, strlen(text)));
	return e;
}

static void
test_calls_per_address(void)
{
	const struct weft_rpc_server_config config = { .max_calls_per_address = 2 };
	struct weft_env_fake fake;
	struct weft_rpc_admissions *a;
	struct weft_endpoint one = peer("192.0.2.1:1"), again = peer("192.0.2.1:2");
	struct weft_endpoint two = peer("192.0.2.2:1");
	struct weft_rpc_admission *held[3];
	const char *refused;

	weft_env_fake_init(&fake, 1);
	a = weft_rpc_admissions_new(&config, &fake.env);
	g_assert_true(weft_rpc_admissions_wanted(a));
	held[0] = weft_rpc_admissions_enter(a, &one, 1, &refused);
	held[1] = weft_rpc_admissions_enter(a, &again, 2, &refused);
	g_assert_nonnull(held[0]);
	g_assert_true(held[0] == held[1]);
	g_assert_null(weft_rpc_admissions_enter(a, &one, 3, &refused));
	g_assert_cmpstr(refused, ==, "too many calls from this address");
	held[2] = weft_rpc_admissions_enter(a, &two, 3, &refused);
	g_assert_null(refused);
	weft_rpc_admissions_leave(a, held[0]);
	held[0] = weft_rpc_admissions_enter(a, &one, 3, &refused);
	g_assert_null(refused);
	for (unsigned i = 0; i < 3; i++)
		weft_rpc_admissions_leave(a, held[i]);
	g_assert_cmpuint(weft_rpc_admissions_size(a), ==, 0);
	weft_rpc_admissions_free(a);
}

static void
test_ipv6_counts_by_its_64(void)
{
	const struct weft_rpc_server_config config = { .max_calls_per_address = 1 };
	struct weft_env_fake fake;
	struct weft_rpc_admissions *a;
	struct weft_endpoint one = peer("[2001:db8::1]:1"), same = peer("[2001:db8::2:3:4:5]:1");
	struct weft_endpoint other = peer("[2001:db8:0:1::1]:1");
	struct weft_rpc_admission *first, *second;
	const char *refused;

	weft_env_fake_init(&fake, 1);
	a = weft_rpc_admissions_new(&config, &fake.env);
	first = weft_rpc_admissions_enter(a, &one, 1, &refused);
	g_assert_null(weft_rpc_admissions_enter(a, &same, 2, &refused));
	second = weft_rpc_admissions_enter(a, &other, 2, &refused);
	g_assert_nonnull(second);
	weft_rpc_admissions_leave(a, first);
	weft_rpc_admissions_leave(a, second);
	weft_rpc_admissions_free(a);
}

static void
test_rate(void)
{
	struct weft_rpc_server_config config = { .calls_per_second = 2, .calls_burst = 3 };
	struct weft_env_fake fake;
	struct weft_rpc_admissions *a;
	struct weft_endpoint one = peer("192.0.2.1:1");
	const char *refused;

	weft_env_fake_init(&fake, 1);
	a = weft_rpc_admissions_new(&config, &fake.env);
	for (unsigned i = 0; i < 3; i++)
		weft_rpc_admissions_leave(a, weft_rpc_admissions_enter(a, &one, 1, &refused));
	g_assert_null(refused);
	g_assert_null(weft_rpc_admissions_enter(a, &one, 1, &refused));
	g_assert_cmpstr(refused, ==, "calls from this address come too fast");
	weft_env_fake_advance(&fake, 500 * 1000);
	weft_rpc_admissions_leave(a, weft_rpc_admissions_enter(a, &one, 1, &refused));
	g_assert_null(refused);
	g_assert_null(weft_rpc_admissions_enter(a, &one, 1, &refused));
	config.calls_per_second = 0;
	weft_rpc_admissions_set(a, &config);
	g_assert_false(weft_rpc_admissions_wanted(a));
	weft_rpc_admissions_free(a);
}

static void
test_total(void)
{
	const struct weft_rpc_server_config config = { .max_calls = 5 };
	struct weft_env_fake fake;
	struct weft_rpc_admissions *a;

	weft_env_fake_init(&fake, 1);
	a = weft_rpc_admissions_new(&config, &fake.env);
	g_assert_false(weft_rpc_admissions_wanted(a));
	g_assert_null(weft_rpc_admissions_total(a, 5));
	g_assert_cmpstr(weft_rpc_admissions_total(a, 6), ==, "too many calls");
	weft_rpc_admissions_free(a);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rpc/admission/calls-per-address", test_calls_per_address);
	g_test_add_func("/rpc/admission/ipv6-counts-by-its-64", test_ipv6_counts_by_its_64);
	g_test_add_func("/rpc/admission/rate", test_rate);
	g_test_add_func("/rpc/admission/total", test_total);
	return g_test_run();
}

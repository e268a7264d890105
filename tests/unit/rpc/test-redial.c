/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/redial.h"

#include "base/backoff.h"
#include "base/env.h"
#include "rpc/status.h"

static const struct weft_backoff_config config = {
	.first_us = 1000,
	.cap_us = 4000,
	.factor_pct = 200,
};

static void
on_try(void *user)
{
	unsigned *tries = user;

	(*tries)++;
}

static void
test_pauses_grow_and_are_reset(void)
{
	struct weft_env_fake fake;
	unsigned tries = 0;
	WeftRpcRedial *redial;

	weft_env_fake_init(&fake, 1);
	redial = weft_rpc_redial_new(NULL, NULL, &config, &fake.env, on_try, &tries);
	g_assert_false(weft_rpc_redial_pending(redial));
	for (int64_t pause = 1000; pause <= 4000; pause *= 2) {
		unsigned before = tries;

		g_assert_cmpint(weft_rpc_redial_failed(redial), ==, pause);
		g_assert_true(weft_rpc_redial_pending(redial));
		g_assert_cmpint(weft_rpc_redial_failed(redial), ==, 0);
		while (tries == before)
			g_main_context_iteration(NULL, TRUE);
	}
	weft_rpc_redial_succeeded(redial);
	g_assert_cmpint(weft_rpc_redial_failed(redial), ==, 1000);
	weft_rpc_redial_free(redial);
	g_assert_cmpuint(tries, ==, 3);
}

static void
test_now_ends_the_pause(void)
{
	static const struct weft_backoff_config slow = {
		.first_us = INT64_C(3600000000),
		.cap_us = INT64_C(3600000000),
		.factor_pct = 100,
	};
	struct weft_env_fake fake;
	unsigned tries = 0;
	WeftRpcRedial *redial;

	weft_env_fake_init(&fake, 1);
	redial = weft_rpc_redial_new(NULL, NULL, &slow, &fake.env, on_try, &tries);
	weft_rpc_redial_now(redial);
	while (g_main_context_iteration(NULL, FALSE))
		;
	g_assert_cmpuint(tries, ==, 0);
	weft_rpc_redial_failed(redial);
	weft_rpc_redial_now(redial);
	while (tries == 0)
		g_main_context_iteration(NULL, TRUE);
	g_assert_false(weft_rpc_redial_pending(redial));
	weft_rpc_redial_free(redial);
}

static void
test_names(void)
{
	g_assert_cmpstr(weft_rpc_code_name(WEFT_RPC_OK), ==, "OK");
	g_assert_cmpstr(weft_rpc_code_name(WEFT_RPC_UNAUTHENTICATED), ==, "UNAUTHENTICATED");
	g_assert_cmpstr(weft_rpc_code_name((enum weft_rpc_code) 99), ==, "UNKNOWN");
	for (unsigned i = 0; i < WEFT_RPC_CODE_COUNT_; i++)
		g_assert_nonnull(weft_rpc_code_name(i));
	for (unsigned i = 0; i < WEFT_RPC_END_COUNT_; i++)
		g_assert_nonnull(weft_rpc_end_name(i));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rpc/redial/pauses-grow-and-are-reset", test_pauses_grow_and_are_reset);
	g_test_add_func("/rpc/redial/now-ends-the-pause", test_now_ends_the_pause);
	g_test_add_func("/rpc/status/names", test_names);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/rule.h"

#include "nftables/error.h"
#include "tests/unit/nftables/rules.h"

#include <errno.h>

static void
test_defects_are_found(void)
{
	const struct weft_nft_rule good = rule(WEFT_NFT_ACCEPT, "10.0.0.0/8", IPPROTO_TCP, 80, 90);
	struct {
		enum weft_nft_defect defect;
		struct weft_nft_rule rule;
	} rows[] = {
		{ WEFT_NFT_DEFECT_NONE, good },      { WEFT_NFT_DEFECT_DIRECTION, good },
		{ WEFT_NFT_DEFECT_ACTION, good },    { WEFT_NFT_DEFECT_FAMILY, good },
		{ WEFT_NFT_DEFECT_PREFIX, good },    { WEFT_NFT_DEFECT_HOST_BITS, good },
		{ WEFT_NFT_DEFECT_PROTOCOL, good },  { WEFT_NFT_DEFECT_PROTOCOL, good },
		{ WEFT_NFT_DEFECT_PORTS, good },     { WEFT_NFT_DEFECT_PORTS, good },
		{ WEFT_NFT_DEFECT_PORT_ZERO, good }, { WEFT_NFT_DEFECT_PORT_RANGE, good },
		{ WEFT_NFT_DEFECT_POLICY, good },    { WEFT_NFT_DEFECT_NONE, good },
	};
	const char *long_id = "1234567890123456789012345678901234567890123456789012345678901";

	rows[1].rule.direction = WEFT_NFT_DIRECTION_COUNT_;
	rows[2].rule.action = WEFT_NFT_ACTION_COUNT_;
	rows[3].rule.remote.addr.family = WEFT_FAMILY_NONE;
	rows[4].rule.remote.bits = 33;
	rows[5].rule.remote.addr.b[3] = 1;
	rows[6].rule.protocol = 256;
	rows[7].rule.protocol = WEFT_NFT_PROTOCOL_ICMP - 1;
	rows[8].rule.protocol = WEFT_NFT_PROTOCOL_ALL;
	rows[9].rule.protocol = IPPROTO_ICMP;
	rows[10].rule.port_first = 0;
	rows[11].rule.port_first = 91;
	rows[12].rule.policy = weft_nft_policy(long_id, strlen(long_id));
	rows[13].rule.policy = weft_nft_policy(NULL, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		g_assert_cmpint(weft_nft_rule_check(&rows[i].rule), ==, rows[i].defect);
	for (unsigned i = 0; i < WEFT_NFT_DEFECT_COUNT_; i++)
		g_assert_nonnull(weft_nft_defect_text((enum weft_nft_defect) i));
	g_assert_cmpstr(weft_nft_defect_text(WEFT_NFT_DEFECT_COUNT_), ==, "unknown");
}

static void
test_counter_names_are_reversible(void)
{
	const struct {
		const char *id;
		const char *name;
	} rows[] = {
		{ "", "none" },       { "d1abcEFG0", "p_d1abcEFG0" },
		{ "none", "p_none" }, { "a b", "x_612062" },
		{ "\xff", "x_ff" },   { "with-dash", "x_776974682d64617368" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct weft_nft_policy policy = weft_nft_policy(rows[i].id, strlen(rows[i].id));
		struct weft_nft_policy back;
		char name[WEFT_NFT_COUNTER_NAME_SIZE];

		g_assert_cmpstr(weft_nft_policy_counter(&policy, name), ==, rows[i].name);
		g_assert_true(weft_nft_policy_from_counter(&back, name));
		g_assert_cmpint(weft_nft_policy_compare(&policy, &back), ==, 0);
	}
}

static void
test_longest_id_fits(void)
{
	uint8_t id[WEFT_NFT_LIMIT_POLICY_ID];
	struct weft_nft_policy policy, back;
	char name[WEFT_NFT_COUNTER_NAME_SIZE];

	memset(id, 0xfe, sizeof id);
	policy = weft_nft_policy(id, sizeof id);
	g_assert_cmpuint(strlen(weft_nft_policy_counter(&policy, name)), ==, sizeof name - 1);
	g_assert_true(weft_nft_policy_from_counter(&back, name));
	g_assert_cmpint(weft_nft_policy_compare(&policy, &back), ==, 0);
}

static void
test_other_names_are_no_policies(void)
{
	static const char *const names[] = { "",           "p_",    "x_",   "x_6", "x_zz", "x_61",
					     "dropped_in", "p_a-b", "NONE", "P_a", "x_FF" };
	struct weft_nft_policy policy;

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		g_assert_false(weft_nft_policy_from_counter(&policy, names[i]));
}

static void
test_ids_are_ordered(void)
{
	struct weft_nft_policy a = weft_nft_policy("a", 1), ab = weft_nft_policy("ab", 2);
	struct weft_nft_policy b = weft_nft_policy("b", 1);

	g_assert_cmpint(weft_nft_policy_compare(&a, &ab), <, 0);
	g_assert_cmpint(weft_nft_policy_compare(&b, &ab), >, 0);
	g_assert_cmpint(weft_nft_policy_compare(&b, &b), ==, 0);
}

static void
test_rules_are_printed(void)
{
	char text[WEFT_NFT_RULE_TEXT_SIZE];
	struct weft_nft_rule r = rule(WEFT_NFT_ACCEPT, "100.64.0.0/16", IPPROTO_TCP, 80, 90);

	g_assert_cmpstr(weft_nft_rule_format(&r, text), ==,
			"in accept 100.64.0.0/16 tcp 80-90 policy p_p");
	r = rule(WEFT_NFT_DROP, "::/0", 47, 0, 0);
	r.direction = WEFT_NFT_OUT;
	r.policy.len = 0;
	g_assert_cmpstr(weft_nft_rule_format(&r, text), ==,
			"out drop ::/0 protocol 47 policy none");
	r.remote.addr.family = WEFT_FAMILY_NONE;
	g_assert_nonnull(strstr(weft_nft_rule_format(&r, text), "drop ? "));
}

static void
test_errors_have_names_and_texts(void)
{
	const struct {
		int err;
		enum weft_nft_error code;
	} rows[] = {
		{ EPERM, WEFT_NFT_ERROR_PERMISSION },   { EBUSY, WEFT_NFT_ERROR_BUSY },
		{ ENOBUFS, WEFT_NFT_ERROR_NO_BUFFERS }, { ERESTART, WEFT_NFT_ERROR_INTERRUPTED },
		{ ENFILE, WEFT_NFT_ERROR_FAILED },      { ENOENT, WEFT_NFT_ERROR_NOT_FOUND },
		{ EAGAIN, WEFT_NFT_ERROR_TIMEOUT },     { EEXIST, WEFT_NFT_ERROR_EXISTS }
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		g_assert_cmpint(weft_nft_error_from_errno(rows[i].err), ==, rows[i].code);
	for (unsigned i = 0; i < WEFT_NFT_ERROR_COUNT_; i++)
		g_assert_nonnull(weft_nft_error_name((enum weft_nft_error) i));
	for (int i = 0; i < 2; i++) {
		GError *error = NULL;

		weft_nft_error_set(&error, EPERM, i == 0 ? NULL : "because");
		g_assert_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_PERMISSION);
		g_assert_nonnull(strstr(error->message, i == 0 ? "not permitted" : "because"));
		g_assert_nonnull(strstr(error->message, "CAP_NET_ADMIN"));
		g_error_free(error);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nftables/rule/defects-are-found", test_defects_are_found);
	g_test_add_func("/nftables/rule/counter-names-are-reversible",
			test_counter_names_are_reversible);
	g_test_add_func("/nftables/rule/longest-id-fits", test_longest_id_fits);
	g_test_add_func("/nftables/rule/other-names-are-no-policies",
			test_other_names_are_no_policies);
	g_test_add_func("/nftables/rule/ids-are-ordered", test_ids_are_ordered);
	g_test_add_func("/nftables/rule/rules-are-printed", test_rules_are_printed);
	g_test_add_func("/nftables/error/errors-have-names-and-texts",
			test_errors_have_names_and_texts);
	return g_test_run();
}

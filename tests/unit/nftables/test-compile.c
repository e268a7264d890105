/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/model.h"

#include "nftables/error.h"
#include "tests/unit/nftables/rules.h"

#define V4 WEFT_FAMILY_IPV4
#define V6 WEFT_FAMILY_IPV6

static struct weft_nft_config
both_ways(void)
{
	struct weft_nft_config config = weft_nft_config_default();

	config.filter_output = true;
	return config;
}

static WeftNftModel *
compile_rows(const struct weft_nft_rule *rules, size_t n)
{
	struct weft_nft_config config = weft_nft_config_default();
	WeftNftModel *model = weft_nft_compile(&config, rules, n, NULL, NULL);

	g_assert_nonnull(model);
	return model;
}

static void
test_each_rule_has_its_shape(void)
{
	const struct {
		struct weft_nft_rule rule;
		enum weft_family family;
		enum weft_nft_shape shape;
	} rows[] = {
		{ rule(WEFT_NFT_ACCEPT, "10.0.0.1/32", -1, 0, 0), V4, WEFT_NFT_HOST },
		{ rule(WEFT_NFT_DROP, "fd00::1/128", -1, 0, 0), V6, WEFT_NFT_HOST },
		{ rule(WEFT_NFT_ACCEPT, "10.0.0.1/32", 6, 0, 0), V4, WEFT_NFT_HOST_PROTOCOL },
		{ rule(WEFT_NFT_ACCEPT, "10.0.0.1/32", -2, 0, 0), V4, WEFT_NFT_HOST_PROTOCOL },
		{ rule(WEFT_NFT_ACCEPT, "fd00::1/128", 6, 80, 80), V6, WEFT_NFT_HOST_PORT },
		{ rule(WEFT_NFT_DROP, "10.0.0.1/32", 6, 80, 81), V4, WEFT_NFT_RANGE_PORT },
		{ rule(WEFT_NFT_ACCEPT, "10.0.0.0/8", 6, 80, 80), V4, WEFT_NFT_RANGE_PORT },
		{ rule(WEFT_NFT_ACCEPT, "::/0", -1, 0, 0), V6, WEFT_NFT_RANGE_PROTOCOL },
		{ rule(WEFT_NFT_ACCEPT, "fd00::/64", -2, 0, 0), V6, WEFT_NFT_RANGE_PROTOCOL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(WeftNftModel) model = compile_rows(&rows[i].rule, 1);

		g_assert_cmpuint(weft_nft_model_element_count(model), ==, 1);
		g_assert_cmpuint(
			set_size(model, rows[i].family, rows[i].rule.action, rows[i].shape), ==, 1);
		g_assert_cmpuint(weft_nft_model_counter_count(model), ==, 1);
		g_assert_cmpstr(weft_nft_model_counter(model, 0), ==, "p_p");
	}
}

/* What is said twice takes one element. */
static void
test_overlaps_are_merged(void)
{
	const struct {
		struct weft_nft_rule rules[3];
		size_t elements;
	} rows[] = {
		{ { rule(0, "10.0.0.1/32", 6, 80, 80), rule(0, "10.0.0.1/32", 6, 80, 80),
		    rule(0, "10.0.0.1/32", 6, 80, 80) },
		  1 },
		{ { rule(0, "10.0.0.1/32", 6, 80, 80), rule(0, "10.0.0.1/32", 6, 0, 0),
		    rule(0, "10.0.0.1/32", -1, 0, 0) },
		  1 },
		{ { rule(0, "10.0.0.1/32", 6, 80, 80), rule(0, "10.0.0.0/8", 6, 70, 90),
		    rule(0, "10.1.0.0/16", 6, 75, 80) },
		  1 },
		{ { rule(0, "10.0.0.0/8", 6, 70, 80), rule(0, "10.0.0.0/8", 6, 75, 90),
		    rule(0, "10.0.0.0/8", 6, 91, 95) },
		  1 },
		{ { rule(0, "10.0.0.0/8", 6, 70, 80), rule(0, "10.1.0.0/16", 6, 75, 90),
		    rule(0, "0.0.0.0/0", 17, 0, 0) },
		  3 },
		{ { rule(0, "10.0.0.0/8", -1, 0, 0), rule(1, "10.0.0.0/8", -1, 0, 0),
		    rule(0, "10.0.0.1/32", 6, 1, 1) },
		  2 },
		/* Neighbouring single ports stay exact. */
		{ { rule(0, "10.0.0.1/32", 6, 80, 80), rule(0, "10.0.0.1/32", 6, 81, 81),
		    rule(0, "10.0.0.1/32", 6, 82, 82) },
		  3 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(WeftNftModel) model = compile_rows(rows[i].rules, 3);

		g_assert_cmpuint(weft_nft_model_element_count(model), ==, rows[i].elements);
	}
}

static void
test_smaller_name_keeps_what_two_policies_say(void)
{
	struct weft_nft_rule rules[] = { rule(0, "10.0.0.1/32", 6, 80, 80),
					 rule(0, "10.0.0.1/32", 6, 80, 80) };

	rules[0].policy = weft_nft_policy("b", 1);
	rules[1].policy = weft_nft_policy("a", 1);
	for (int i = 0; i < 2; i++) {
		g_autoptr(WeftNftModel) model = compile_rows(rules, 2);
		struct weft_nft_rule first = rules[0];

		g_assert_cmpuint(weft_nft_model_counter_count(model), ==, 1);
		g_assert_cmpstr(weft_nft_model_counter(model, 0), ==, "p_a");
		rules[0] = rules[1];
		rules[1] = first;
	}
}

static void
test_an_impossible_rule_is_refused_alone(void)
{
	struct weft_nft_rule rules[] = { rule(0, "10.0.0.1/32", 6, 80, 80),
					 rule(0, "10.0.0.2/32", 6, 90, 80),
					 rule(0, "10.0.0.3/32", 6, 80, 80),
					 rule(0, "10.0.0.4/32", 6, 80, 80) };
	struct weft_nft_config config = weft_nft_config_default();
	g_autoptr(GArray) refusals = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_refusal));
	g_autoptr(WeftNftModel) model = NULL;

	rules[3].remote.bits = 40;
	model = weft_nft_compile(&config, rules, G_N_ELEMENTS(rules), refusals, NULL);
	g_assert_cmpuint(weft_nft_model_element_count(model), ==, 2);
	g_assert_cmpuint(refusals->len, ==, 2);
	g_assert_cmpuint(g_array_index(refusals, struct weft_nft_refusal, 0).rule, ==, 1);
	g_assert_cmpint(g_array_index(refusals, struct weft_nft_refusal, 0).defect, ==,
			WEFT_NFT_DEFECT_PORT_RANGE);
	g_assert_cmpuint(g_array_index(refusals, struct weft_nft_refusal, 1).rule, ==, 3);
	g_assert_cmpint(g_array_index(refusals, struct weft_nft_refusal, 1).defect, ==,
			WEFT_NFT_DEFECT_PREFIX);
}

static void
test_bad_configurations_are_refused(void)
{
	struct weft_nft_config rows[6];

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		rows[i] = weft_nft_config_default();
	rows[0].table[0] = '\0';
	memset(rows[1].table, 'a', sizeof rows[1].table);
	strcpy(rows[2].table, "1weft");
	strcpy(rows[3].interface, "a/b");
	memset(rows[4].interface, 'a', sizeof rows[4].interface);
	strcpy(rows[5].interface, "..");
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GError *error = NULL;

		g_assert_null(weft_nft_compile(&rows[i], NULL, 0, NULL, &error));
		g_assert_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INVALID);
		g_error_free(error);
	}
}

static void
test_set_numbers_are_reversible(void)
{
	g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	char name[WEFT_NFT_SET_NAME_SIZE];

	for (unsigned i = 0; i < WEFT_NFT_SET_COUNT; i++) {
		g_assert_cmpuint(weft_nft_set_index(weft_nft_set_id(i)), ==, i);
		g_assert_true(g_hash_table_add(names, g_strdup(weft_nft_set_name(i, name))));
		g_assert_cmpuint(weft_nft_set_key_len(i), <=, WEFT_NFT_KEY_SIZE);
	}
}

/* The kernel refuses elements of an interval set that overlap. */
static void
assert_disjoint(const WeftNftModel *model, unsigned set)
{
	size_t n;
	const struct weft_nft_element *e = weft_nft_model_elements(model, set, &n);
	unsigned address_len = weft_nft_set_id(set).family == V4 ? 4 : 16;
	unsigned len = weft_nft_set_key_len(set);

	for (size_t i = 0; i < n; i++) {
		g_assert_true(i == 0 || memcmp(e[i - 1].key, e[i].key, len) < 0);
		for (size_t k = i + 1; k < n && weft_nft_set_is_range(set); k++) {
			bool apart = false;

			for (unsigned at = 0; at < len;) {
				unsigned field = at == 0 ? address_len : 4;

				apart |= memcmp(e[i].end + at, e[k].key + at, field) < 0 ||
					 memcmp(e[k].end + at, e[i].key + at, field) < 0;
				at += field;
			}
			g_assert_true(apart);
		}
	}
}

static void
test_model_decides_as_the_rules_do(void)
{
	struct weft_env_fake fake;

	weft_env_fake_init(&fake, 1);
	for (int round = 0; round < 600; round++) {
		struct weft_nft_config config =
			round % 2 == 0 ? both_ways() : weft_nft_config_default();
		g_autoptr(GArray) rules = random_rules(&fake.env, 1 + below(&fake.env, 60));
		g_autoptr(WeftNftModel) model = compile(&config, rules);

		for (unsigned set = 0; set < WEFT_NFT_SET_COUNT; set++)
			assert_disjoint(model, set);
		for (int i = 0; i < 200; i++) {
			struct weft_nft_packet p = random_packet(&fake.env);
			enum weft_nft_action action = rules_decide(&config, rules, &p);
			uint32_t counter;

			g_assert_cmpint(weft_nft_model_decide(model, &p, &counter), ==, action);
			g_assert_true(counter == UINT32_MAX ||
				      counter < weft_nft_model_counter_count(model));
			g_assert_true(counter != UINT32_MAX || action == WEFT_NFT_DROP ||
				      !config.filter_output);
		}
	}
}

static void
test_order_does_not_matter(void)
{
	struct weft_env_fake fake;
	struct weft_nft_config config = both_ways();

	weft_env_fake_init(&fake, 2);
	for (int round = 0; round < 100; round++) {
		g_autoptr(GArray) rules = random_rules(&fake.env, 2 + below(&fake.env, 60));
		g_autoptr(WeftNftModel) model = compile(&config, rules);

		for (int shuffle = 0; shuffle < 5; shuffle++) {
			g_autoptr(WeftNftModel) again = NULL;
			struct weft_nft_rule *r = (void *) rules->data;

			for (unsigned i = rules->len; i-- > 1;) {
				unsigned k = below(&fake.env, i + 1);
				struct weft_nft_rule kept = r[i];

				r[i] = r[k];
				r[k] = kept;
			}
			again = compile(&config, rules);
			g_assert_true(weft_nft_model_equal(model, again));
		}
	}
}

/* A limit, not a flood: what would split into too many intervals is refused, the rest applies. */
static void
test_explosions_are_refused(void)
{
	struct weft_nft_config config = weft_nft_config_default();
	g_autoptr(GArray) rules = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_rule));
	g_autoptr(GArray) refusals = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_refusal));
	g_autoptr(WeftNftModel) model = NULL;
	struct weft_nft_packet last = { .remote = address("10.250.0.1"),
					.protocol = IPPROTO_UDP,
					.port = 53 };
	struct weft_nft_rule r;

	for (unsigned port = 1; port < 2000; port += 2) {
		r = rule(WEFT_NFT_ACCEPT, "0.0.0.0/0", IPPROTO_TCP, port, port);
		g_array_append_val(rules, r);
	}
	for (unsigned i = 0; i < 256; i++) {
		g_autofree char *text = g_strdup_printf("10.%u.0.0/16", i);

		r = rule(WEFT_NFT_ACCEPT, text, IPPROTO_TCP, 1, 60000);
		g_array_append_val(rules, r);
		r = rule(WEFT_NFT_ACCEPT, text, IPPROTO_TCP, 7, 9);
		g_array_append_val(rules, r);
	}
	r = rule(WEFT_NFT_ACCEPT, "10.250.0.1/32", IPPROTO_UDP, 53, 53);
	g_array_append_val(rules, r);
	model = weft_nft_compile(&config, (const void *) rules->data, rules->len, refusals, NULL);
	g_assert_cmpuint(refusals->len, >, 200);
	for (size_t i = 0; i < refusals->len; i++)
		g_assert_cmpint(g_array_index(refusals, struct weft_nft_refusal, i).defect, ==,
				WEFT_NFT_DEFECT_TOO_COMPLEX);
	g_assert_cmpuint(set_size(model, V4, WEFT_NFT_ACCEPT, WEFT_NFT_RANGE_PORT), <=,
			 WEFT_NFT_LIMIT_BOXES);
	g_assert_cmpint(weft_nft_model_decide(model, &last, NULL), ==, WEFT_NFT_ACCEPT);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nftables/compile/each-rule-has-its-shape", test_each_rule_has_its_shape);
	g_test_add_func("/nftables/compile/overlaps-are-merged", test_overlaps_are_merged);
	g_test_add_func("/nftables/compile/smaller-name-keeps-what-two-policies-say",
			test_smaller_name_keeps_what_two_policies_say);
	g_test_add_func("/nftables/compile/an-impossible-rule-is-refused-alone",
			test_an_impossible_rule_is_refused_alone);
	g_test_add_func("/nftables/compile/bad-configurations-are-refused",
			test_bad_configurations_are_refused);
	g_test_add_func("/nftables/model/set-numbers-are-reversible",
			test_set_numbers_are_reversible);
	g_test_add_func("/nftables/compile/model-decides-as-the-rules-do",
			test_model_decides_as_the_rules_do);
	g_test_add_func("/nftables/compile/order-does-not-matter", test_order_does_not_matter);
	g_test_add_func("/nftables/compile/explosions-are-refused", test_explosions_are_refused);
	return g_test_run();
}

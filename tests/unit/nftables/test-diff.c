/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/diff.h"

#include "tests/unit/nftables/rules.h"

/* A table as a kernel would hold it: "set key end" -> counter, and the counters there are. */
struct kernel {
	GHashTable *elements;
	GHashTable *counters;
};

static char *
element_text(unsigned set, const struct weft_nft_element *e)
{
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "%u ", set);
	for (size_t i = 0; i < sizeof e->key; i++)
		g_string_append_printf(text, "%02x%02x", e->key[i], e->end[i]);
	return g_string_free(text, FALSE);
}

static struct kernel
kernel_of(const WeftNftModel *model)
{
	struct kernel k = {
		.elements = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
		.counters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
	};

	for (uint32_t i = 0; i < weft_nft_model_counter_count(model); i++)
		g_hash_table_add(k.counters, g_strdup(weft_nft_model_counter(model, i)));
	for (unsigned set = 0; set < WEFT_NFT_SET_COUNT; set++) {
		size_t n;
		const struct weft_nft_element *e = weft_nft_model_elements(model, set, &n);

		for (size_t i = 0; i < n; i++)
			g_hash_table_insert(k.elements, element_text(set, &e[i]),
					    g_strdup(weft_nft_model_counter(model, e[i].counter)));
	}
	return k;
}

static void
kernel_clear(struct kernel *k)
{
	g_hash_table_unref(k->elements);
	g_hash_table_unref(k->counters);
}

/* As strict as nf_tables: no double addition, no deletion of what is not there, no element without
 * its counter, no deletion of a counter in use. */
static void
kernel_change(struct kernel *k, const WeftNftDiff *diff)
{
	size_t n;
	const char *const *names = weft_nft_diff_counters(diff, true, &n);
	const struct weft_nft_change *changes;

	for (size_t i = 0; i < n; i++)
		g_assert_true(g_hash_table_add(k->counters, g_strdup(names[i])));
	changes = weft_nft_diff_changes(diff, &n);
	for (size_t i = 0; i < n; i++) {
		char *text = element_text(changes[i].set, changes[i].element);

		if (changes[i].add) {
			g_assert_true(g_hash_table_contains(k->counters, changes[i].counter));
			g_assert_true(g_hash_table_insert(k->elements, text,
							  g_strdup(changes[i].counter)));
		} else {
			g_assert_true(g_hash_table_remove(k->elements, text));
			g_free(text);
		}
	}
	names = weft_nft_diff_counters(diff, false, &n);
	for (size_t i = 0; i < n; i++) {
		GHashTableIter iter;
		void *counter;

		g_hash_table_iter_init(&iter, k->elements);
		while (g_hash_table_iter_next(&iter, NULL, &counter))
			g_assert_cmpstr(counter, !=, names[i]);
		g_assert_true(g_hash_table_remove(k->counters, names[i]));
	}
}

static void
assert_kernel(const struct kernel *k, const WeftNftModel *model)
{
	struct kernel wanted = kernel_of(model);
	GHashTableIter iter;
	void *text, *counter;

	g_assert_cmpuint(g_hash_table_size(k->elements), ==, g_hash_table_size(wanted.elements));
	g_assert_cmpuint(g_hash_table_size(k->counters), ==, g_hash_table_size(wanted.counters));
	g_hash_table_iter_init(&iter, wanted.elements);
	while (g_hash_table_iter_next(&iter, &text, &counter))
		g_assert_cmpstr(g_hash_table_lookup(k->elements, text), ==, counter);
	kernel_clear(&wanted);
}

static bool
cut_covers(const struct weft_nft_cut *cut, const struct weft_nft_packet *p)
{
	return cut->direction == p->direction && weft_prefix_contains(&cut->remote, &p->remote) &&
	       (cut->protocol == 0 || cut->protocol == p->protocol) &&
	       ((cut->port_first == 0 && cut->port_last == 0) ||
		(p->port >= cut->port_first && p->port <= cut->port_last));
}

/* Every flow that loses its permission lies in a cut, and nothing that keeps it in an exact one. */
static void
assert_cuts(const WeftNftDiff *diff,
	    const WeftNftModel *old,
	    const WeftNftModel *new,
	    const struct weft_nft_packet *p)
{
	bool lost = weft_nft_model_decide(old, p, NULL) == WEFT_NFT_ACCEPT &&
		    weft_nft_model_decide(new, p, NULL) == WEFT_NFT_DROP;
	bool covered = false;
	size_t n;
	const struct weft_nft_cut *cuts = weft_nft_diff_cut_list(diff, &n);

	g_assert_cmpint(weft_nft_diff_cuts(diff, p), ==, lost);
	for (size_t i = 0; i < n; i++) {
		if (!cut_covers(&cuts[i], p))
			continue;
		covered = true;
		if (cuts[i].exact)
			g_assert_cmpint(weft_nft_model_decide(new, p, NULL), ==, WEFT_NFT_DROP);
	}
	g_assert_true(covered || !lost);
}

static struct weft_nft_config
random_config(const struct weft_env *env)
{
	struct weft_nft_config config = weft_nft_config_default();

	config.filter_output = below(env, 8) != 0;
	return config;
}

static void
test_result_is_the_new_model(void)
{
	struct weft_env_fake fake;
	unsigned rebuilds = 0;

	weft_env_fake_init(&fake, 3);
	for (int round = 0; round < 400; round++) {
		struct weft_nft_config config_old = random_config(&fake.env);
		struct weft_nft_config config_new = random_config(&fake.env);
		g_autoptr(GArray) rules = random_rules(&fake.env, 1 + below(&fake.env, 40));
		g_autoptr(WeftNftModel) old = compile(&config_old, rules);
		g_autoptr(WeftNftModel) new = NULL;
		g_autoptr(WeftNftDiff) diff = NULL;
		g_autoptr(WeftNftDiff) nothing = NULL;
		struct kernel k = kernel_of(old);

		/* Some rules go, some come. */
		g_array_set_size(rules, below(&fake.env, rules->len + 1));
		for (unsigned i = below(&fake.env, 20); i-- > 0;) {
			struct weft_nft_rule r = random_rule(&fake.env);

			g_array_append_val(rules, r);
		}
		new = compile(&config_new, rules);
		diff = weft_nft_diff(old, new);
		g_assert_cmpint(weft_nft_diff_is_rebuild(diff), ==,
				config_old.filter_output != config_new.filter_output);
		rebuilds += weft_nft_diff_is_rebuild(diff);
		if (!weft_nft_diff_is_rebuild(diff)) {
			kernel_change(&k, diff);
			assert_kernel(&k, new);
			g_assert_cmpint(weft_nft_diff_is_empty(diff), ==,
					weft_nft_model_equal(old, new));
		}
		for (int i = 0; i < 200; i++) {
			struct weft_nft_packet p = random_packet(&fake.env);

			assert_cuts(diff, old, new, &p);
		}
		nothing = weft_nft_diff(new, new);
		g_assert_true(weft_nft_diff_is_empty(nothing));
		kernel_clear(&k);
	}
	g_assert_cmpuint(rebuilds, >, 10);
}

static void
test_without_an_old_model_all_is_new(void)
{
	struct weft_nft_config config = weft_nft_config_default();
	struct weft_nft_rule r = rule(WEFT_NFT_ACCEPT, "10.0.0.1/32", -1, 0, 0);
	g_autoptr(WeftNftModel) model = weft_nft_compile(&config, &r, 1, NULL, NULL);
	g_autoptr(WeftNftDiff) diff = weft_nft_diff(NULL, model);
	size_t n;

	g_assert_true(weft_nft_diff_is_rebuild(diff));
	g_assert_false(weft_nft_diff_is_empty(diff));
	(void) weft_nft_diff_cut_list(diff, &n);
	g_assert_cmpuint(n, ==, 0);
}

/* One rule goes: one deletion, and one exact cut, though the peer keeps another port. */
static void
test_a_revoked_port_is_one_exact_cut(void)
{
	struct weft_nft_config config = weft_nft_config_default();
	const struct weft_nft_rule rules[] = {
		rule(WEFT_NFT_ACCEPT, "10.0.0.1/32", IPPROTO_TCP, 80, 80),
		rule(WEFT_NFT_ACCEPT, "10.0.0.2/32", -1, 0, 0),
		rule(WEFT_NFT_ACCEPT, "10.0.0.1/32", IPPROTO_TCP, 22, 22),
	};
	g_autoptr(WeftNftModel) old = weft_nft_compile(&config, rules, 3, NULL, NULL);
	g_autoptr(WeftNftModel) new = weft_nft_compile(&config, rules, 2, NULL, NULL);
	g_autoptr(WeftNftDiff) diff = weft_nft_diff(old, new);
	const struct weft_nft_cut *cuts;
	size_t n;

	(void) weft_nft_diff_changes(diff, &n);
	g_assert_cmpuint(n, ==, 1);
	cuts = weft_nft_diff_cut_list(diff, &n);
	g_assert_cmpuint(n, ==, 1);
	g_assert_true(cuts[0].exact);
	g_assert_cmpuint(cuts[0].protocol, ==, IPPROTO_TCP);
	g_assert_cmpuint(cuts[0].port_first, ==, 22);
	g_assert_cmpuint(cuts[0].remote.bits, ==, 32);
}

static void
test_a_narrowed_rule_is_a_partial_cut(void)
{
	struct weft_nft_config config = weft_nft_config_default();
	const struct weft_nft_rule wide = rule(WEFT_NFT_ACCEPT, "0.0.0.0/0", -1, 0, 0);
	const struct weft_nft_rule narrow =
		rule(WEFT_NFT_ACCEPT, "10.0.0.1/32", IPPROTO_TCP, 22, 22);
	g_autoptr(WeftNftModel) old = weft_nft_compile(&config, &wide, 1, NULL, NULL);
	g_autoptr(WeftNftModel) new = weft_nft_compile(&config, &narrow, 1, NULL, NULL);
	g_autoptr(WeftNftDiff) diff = weft_nft_diff(old, new);
	struct weft_nft_packet p = { .remote = address("10.0.0.1"),
				     .protocol = IPPROTO_TCP,
				     .port = 22 };
	const struct weft_nft_cut *cuts;
	size_t n;

	cuts = weft_nft_diff_cut_list(diff, &n);
	g_assert_cmpuint(n, ==, 1);
	g_assert_false(cuts[0].exact);
	g_assert_cmpuint(cuts[0].remote.bits, ==, 0);
	g_assert_false(weft_nft_diff_cuts(diff, &p));
	p.port = 23;
	g_assert_true(weft_nft_diff_cuts(diff, &p));
}

/* Thousands of intervals are not deleted one by one. */
static void
test_many_intervals_are_written_anew(void)
{
	struct weft_nft_config config = weft_nft_config_default();
	g_autoptr(GArray) rules = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_rule));
	g_autoptr(WeftNftModel) old = NULL;
	g_autoptr(WeftNftModel) fewer = NULL;
	g_autoptr(WeftNftModel) none = NULL;
	g_autoptr(WeftNftDiff) small = NULL;
	g_autoptr(WeftNftDiff) large = NULL;
	size_t n;

	for (unsigned i = 0; i < 3000; i++) {
		g_autofree char *text = g_strdup_printf("10.0.%u.%u/32", i / 250, i % 250);
		struct weft_nft_rule r = rule(WEFT_NFT_ACCEPT, text, IPPROTO_TCP, 80, 90);

		g_array_append_val(rules, r);
	}
	old = compile(&config, rules);
	g_array_set_size(rules, 2900);
	fewer = compile(&config, rules);
	g_array_set_size(rules, 0);
	none = compile(&config, rules);
	small = weft_nft_diff(old, fewer);
	large = weft_nft_diff(old, none);
	g_assert_false(weft_nft_diff_is_rebuild(small));
	g_assert_true(weft_nft_diff_is_rebuild(large));
	(void) weft_nft_diff_cut_list(large, &n);
	g_assert_cmpuint(n, ==, 3000);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nftables/diff/result-is-the-new-model", test_result_is_the_new_model);
	g_test_add_func("/nftables/diff/without-an-old-model-all-is-new",
			test_without_an_old_model_all_is_new);
	g_test_add_func("/nftables/diff/a-revoked-port-is-one-exact-cut",
			test_a_revoked_port_is_one_exact_cut);
	g_test_add_func("/nftables/diff/a-narrowed-rule-is-a-partial-cut",
			test_a_narrowed_rule_is_a_partial_cut);
	g_test_add_func("/nftables/diff/many-intervals-are-written-anew",
			test_many_intervals_are_written_anew);
	return g_test_run();
}

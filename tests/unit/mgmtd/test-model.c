/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/model/model.h"

#include "base/env.h"
#include "mgmtd/model/version.h"

#include <glib.h>
#include <string.h>

#define N_GROUPS 6

struct fixture {
	struct weft_env_fake fake;
	MgmtModel *model;
	MgmtAccount *account;
	struct mgmt_id groups[N_GROUPS];
};

static struct mgmt_account_row
make_row(const struct weft_env *env, const char *net)
{
	struct mgmt_account_row row = { .id = mgmt_id_new(env), .name = (char *) "a" };

	g_assert_true(weft_prefix_parse(&row.net, net, strlen(net), false));
	g_assert_true(weft_prefix_parse(&row.net6, "fd12:3456:789a:bcde::/64", 24, false));
	row.settings.dns_domain = (char *) "weft.internal";
	return row;
}

static void
setup(struct fixture *f, const char *net)
{
	struct mgmt_account_row row;

	weft_env_fake_init(&f->fake, 7);
	row = make_row(&f->fake.env, net);
	f->model = mgmt_model_new(&f->fake.env);
	f->account = mgmt_model_add_account(f->model, &row, NULL);
	for (unsigned i = 0; i < N_GROUPS; i++) {
		struct mgmt_group *g = g_new0(struct mgmt_group, 1);

		g->id = f->groups[i] = mgmt_id_new(&f->fake.env);
		g->name = i == 0 ? g_strdup("All") : g_strdup_printf("g%u", i);
		g->is_all = i == 0;
		mgmt_account_put_group(f->account, g, NULL, NULL);
	}
}

static void
teardown(struct fixture *f)
{
	mgmt_model_free(f->model);
}

static struct mgmt_peer *
make_peer(struct fixture *f, const char *hostname)
{
	struct mgmt_peer *p = g_new0(struct mgmt_peer, 1);

	p->id = mgmt_id_new(&f->fake.env);
	p->account_id = f->account->row.id;
	weft_key_generate(&p->key, &f->fake.env);
	p->key_text = weft_key_to_text(&p->key);
	p->name = g_strdup(hostname);
	p->user_id = g_strdup("");
	p->ssh_key = g_strdup("");
	p->connection_ip = g_strdup("");
	mgmt_meta_init(&p->meta);
	g_free(p->meta.version);
	p->meta.version = g_strdup("0.77.0");
	g_assert_true(mgmt_account_reserve_ip(f->account, &f->fake.env, &p->ip));
	g_assert_true(mgmt_account_reserve_ip6(f->account, &f->fake.env, &p->ip6));
	p->dns_label = mgmt_account_reserve_label(f->account, hostname, &p->ip);
	return p;
}

static GArray *
ids_new(void)
{
	return g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
}

static unsigned
below(struct fixture *f, unsigned n)
{
	return (unsigned) weft_env_random_below(&f->fake.env, n);
}

static GArray *
random_groups(struct fixture *f)
{
	GArray *a = ids_new();
	unsigned n = below(f, 3);

	for (unsigned i = 0; i < n; i++)
		g_array_append_val(a, f->groups[below(f, N_GROUPS)]);
	return a;
}

static struct mgmt_peer *
random_peer(struct fixture *f)
{
	const GPtrArray *peers = f->account->peers;

	for (unsigned tries = 0; tries < 50 && peers->len > 0; tries++) {
		struct mgmt_peer *p = g_ptr_array_index(peers, below(f, peers->len));

		if (p != NULL)
			return p;
	}
	return NULL;
}

static struct mgmt_policy *
random_policy(struct fixture *f, const struct mgmt_id *id)
{
	struct mgmt_policy *p = g_new0(struct mgmt_policy, 1);
	unsigned n = 1 + below(f, 3);

	p->id = id != NULL ? *id : mgmt_id_new(&f->fake.env);
	p->name = g_strdup("p");
	p->description = g_strdup("");
	p->enabled = below(f, 5) > 0;
	p->rules = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_rule_free);
	for (unsigned i = 0; i < n; i++) {
		struct mgmt_rule *r = g_new0(struct mgmt_rule, 1);
		struct mgmt_peer *peer = random_peer(f);

		r->id = mgmt_id_new(&f->fake.env);
		r->name = g_strdup("r");
		r->description = g_strdup("");
		r->enabled = below(f, 5) > 0;
		r->bidirectional = below(f, 2) == 0;
		r->sources = random_groups(f);
		r->destinations = random_groups(f);
		r->ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));
		r->port_ranges = g_array_new(FALSE, FALSE, sizeof(struct mgmt_port_range));
		if (peer != NULL && below(f, 4) == 0)
			r->source_resource = (struct mgmt_resource){ MGMT_RESOURCE_PEER, peer->id };
		if (peer != NULL && below(f, 4) == 0)
			r->destination_resource =
				(struct mgmt_resource){ MGMT_RESOURCE_PEER, peer->id };
		g_ptr_array_add(p->rules, r);
	}
	return p;
}

/* management.md 17.2, read literally: is @p on this side of the rule? */
static bool
on_side(const struct fixture *f,
	const struct mgmt_peer *p,
	const struct mgmt_resource *resource,
	const GArray *groups)
{
	if (p->approval_required)
		return false;
	if (resource->type == MGMT_RESOURCE_PEER)
		return mgmt_id_equal(&resource->id, &p->id);
	for (guint i = 0; i < groups->len; i++) {
		const struct mgmt_group *g =
			mgmt_account_group(f->account, &g_array_index(groups, struct mgmt_id, i));

		if (g != NULL && mgmt_bitset_has(&g->members, p->index))
			return true;
	}
	return false;
}

/* What a peer's map depends on, as text: every (rule, role, other peer). */
static char *
naive_view(const struct fixture *f, const struct mgmt_peer *p)
{
	GString *view = g_string_new(NULL);

	for (guint i = 0; i < f->account->policies->len; i++) {
		const struct mgmt_policy *policy = g_ptr_array_index(f->account->policies, i);

		for (guint j = 0; policy->enabled && j < policy->rules->len; j++) {
			const struct mgmt_rule *r = g_ptr_array_index(policy->rules, j);
			bool in_s = on_side(f, p, &r->source_resource, r->sources);
			bool in_d = on_side(f, p, &r->destination_resource, r->destinations);

			for (guint k = 0; r->enabled && k < f->account->peers->len; k++) {
				const struct mgmt_peer *q = g_ptr_array_index(f->account->peers, k);

				if (q == NULL || q == p)
					continue;
				if (in_s &&
				    on_side(f, q, &r->destination_resource, r->destinations))
					g_string_append_printf(view, "%s>%s ", r->id.s, q->id.s);
				if (in_d && on_side(f, q, &r->source_resource, r->sources))
					g_string_append_printf(view, "%s<%s ", r->id.s, q->id.s);
			}
		}
	}
	return g_string_free(view, FALSE);
}

static char *
model_view(struct fixture *f, const struct mgmt_peer *p)
{
	GString *view = g_string_new(NULL);
	const GPtrArray *rules = mgmt_account_rules_of(f->account, p);

	for (guint i = 0; i < rules->len; i++) {
		const struct mgmt_compiled_rule *r = g_ptr_array_index(rules, i);
		bool in_s = mgmt_bitset_has(&r->sources, p->index);
		bool in_d = mgmt_bitset_has(&r->destinations, p->index);

		for (guint k = 0; k < f->account->peers->len; k++) {
			const struct mgmt_peer *q = g_ptr_array_index(f->account->peers, k);

			if (q == NULL || q == p)
				continue;
			if (in_s && mgmt_bitset_has(&r->destinations, k))
				g_string_append_printf(view, "%s>%s ", r->rule->id.s, q->id.s);
			if (in_d && mgmt_bitset_has(&r->sources, k))
				g_string_append_printf(view, "%s<%s ", r->rule->id.s, q->id.s);
		}
	}
	return g_string_free(view, FALSE);
}

/* Peer id -> naive view. */
static GHashTable *
all_views(struct fixture *f)
{
	GHashTable *views = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

	for (guint i = 0; i < f->account->peers->len; i++) {
		const struct mgmt_peer *p = g_ptr_array_index(f->account->peers, i);

		if (p != NULL)
			g_hash_table_insert(views, g_strdup(p->id.s), naive_view(f, p));
	}
	return views;
}

static void
mutate(struct fixture *f, struct mgmt_bitset *affected)
{
	struct mgmt_peer *p = random_peer(f);
	unsigned what = below(f, 7);

	if (what == 0 || p == NULL) {
		g_autoptr(GArray) groups = random_groups(f);

		mgmt_account_add_peer(f->account, make_peer(f, "host"), groups, affected);
	} else if (what == 1) {
		mgmt_account_remove_peer(f->account, p, affected);
	} else if (what == 2) {
		struct mgmt_peer *copy = mgmt_peer_copy(p);

		copy->approval_required = !copy->approval_required;
		mgmt_account_update_peer(f->account, copy, affected);
	} else if (what == 3) {
		struct mgmt_group *old =
			mgmt_account_group(f->account, &f->groups[1 + below(f, N_GROUPS - 1)]);
		g_autoptr(GArray) members = ids_new();

		for (guint i = 0; i < f->account->peers->len; i++) {
			struct mgmt_peer *q = g_ptr_array_index(f->account->peers, i);

			if (q != NULL && below(f, 3) == 0)
				g_array_append_val(members, q->id);
		}
		mgmt_account_put_group(f->account, mgmt_group_copy(old), members, affected);
	} else if (what == 4 && f->account->policies->len > 0) {
		mgmt_account_remove_policy(f->account,
					   g_ptr_array_index(f->account->policies,
							     below(f, f->account->policies->len)),
					   affected);
	} else if (what == 5 && f->account->policies->len > 0) {
		const struct mgmt_policy *old = g_ptr_array_index(
			f->account->policies, below(f, f->account->policies->len));

		mgmt_account_put_policy(f->account, random_policy(f, &old->id), affected);
	} else {
		mgmt_account_put_policy(f->account, random_policy(f, NULL), affected);
	}
}

static void
test_indexes_follow_every_change(void)
{
	struct fixture f = { 0 };

	setup(&f, "100.70.0.0/16");
	for (unsigned step = 0; step < 600; step++) {
		g_autoptr(GHashTable) before = all_views(&f);
		struct mgmt_bitset affected = { 0 };

		mutate(&f, &affected);
		for (guint i = 0; i < f.account->peers->len; i++) {
			const struct mgmt_peer *p = g_ptr_array_index(f.account->peers, i);
			g_autofree char *naive = NULL;
			g_autofree char *fast = NULL;
			const char *old;

			if (p == NULL) {
				g_assert_false(mgmt_bitset_has(&affected, i));
				continue;
			}
			naive = naive_view(&f, p);
			fast = model_view(&f, p);
			g_assert_cmpstr(naive, ==, fast);
			old = g_hash_table_lookup(before, p->id.s);
			if (g_strcmp0(old, naive) != 0)
				g_assert_true(mgmt_bitset_has(&affected, i));
		}
		mgmt_bitset_clear(&affected);
	}
	teardown(&f);
}

static void
test_a_policy_edit_leaves_unconnected_peers_alone(void)
{
	struct fixture f = { 0 };
	struct mgmt_bitset affected = { 0 };
	struct mgmt_policy *policy;
	struct mgmt_rule *rule;

	setup(&f, "100.70.0.0/16");
	for (unsigned i = 0; i < 20; i++) {
		g_autoptr(GArray) groups = ids_new();

		g_array_append_val(groups, f.groups[1 + i % 5]);
		mgmt_account_add_peer(f.account, make_peer(&f, "h"), groups, NULL);
	}
	policy = random_policy(&f, NULL);
	policy->enabled = true;
	g_ptr_array_set_size(policy->rules, 1);
	rule = g_ptr_array_index(policy->rules, 0);
	rule->enabled = true;
	rule->source_resource.type = rule->destination_resource.type = MGMT_RESOURCE_NONE;
	g_array_set_size(rule->sources, 0);
	g_array_set_size(rule->destinations, 0);
	g_array_append_val(rule->sources, f.groups[1]);
	g_array_append_val(rule->destinations, f.groups[2]);
	mgmt_account_put_policy(f.account, policy, &affected);
	g_assert_cmpuint(mgmt_bitset_count(&affected), ==, 8);
	mgmt_bitset_clear(&affected);
	teardown(&f);
}

static void
test_addresses_run_out_cleanly_and_come_back(void)
{
	struct fixture f = { 0 };
	struct weft_address ip;
	struct weft_address first = { 0 };
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	setup(&f, "100.70.0.0/28");
	for (unsigned i = 0; i < 14; i++) {
		char text[WEFT_ADDRESS_TEXT_SIZE];

		g_assert_true(mgmt_account_reserve_ip(f.account, &f.fake.env, &ip));
		if (i == 0)
			first = ip;
		g_assert_true(g_hash_table_add(seen, g_strdup(weft_address_format(&ip, text))));
	}
	g_assert_false(g_hash_table_contains(seen, "100.70.0.0"));
	g_assert_false(g_hash_table_contains(seen, "100.70.0.15"));
	g_assert_false(mgmt_account_reserve_ip(f.account, &f.fake.env, &ip));
	mgmt_account_release_ip(f.account, &first);
	g_assert_true(mgmt_account_reserve_ip(f.account, &f.fake.env, &ip));
	g_assert_true(weft_address_equal(&ip, &first));
	teardown(&f);
}

static const struct {
	const char *hostname, *label;
} labels[] = {
	{ "web", "web" },
	{ "Web.example.org", "web" }, /* taken: checked below to get octets */
	{ "ÄPFEL", "xn--pfel-koa" },
	{ "my_host  1", "my-host-1" },
	{ "___", "peer" },
	{ "a23456789012345678901234567890123456789012345678901234567890xyz",
	  "a2345678901234567890123456789012345678901234567890123456789" },
};

static void
test_labels_are_canonical_and_unique(void)
{
	struct fixture f = { 0 };
	struct weft_address ip = weft_address_v4(0x64460203);

	setup(&f, "100.70.0.0/16");
	for (size_t i = 0; i < G_N_ELEMENTS(labels); i++) {
		g_autofree char *label =
			mgmt_account_reserve_label(f.account, labels[i].hostname, &ip);

		if (i == 1)
			g_assert_cmpstr(label, ==, "web-2-3");
		else
			g_assert_cmpstr(label, ==, labels[i].label);
	}
	teardown(&f);
}

static void
test_an_old_client_flips_the_forwarder_port_for_all(void)
{
	struct fixture f = { 0 };
	struct mgmt_bitset affected = { 0 };
	struct mgmt_peer *old;

	setup(&f, "100.70.0.0/16");
	for (unsigned i = 0; i < 5; i++)
		mgmt_account_add_peer(f.account, make_peer(&f, "h"), NULL, NULL);
	old = make_peer(&f, "old");
	g_free(old->meta.version);
	old->meta.version = g_strdup("0.58.2");
	mgmt_account_add_peer(f.account, old, NULL, &affected);
	g_assert_cmpuint(mgmt_bitset_count(&affected), ==, 6);
	mgmt_bitset_zero(&affected);
	mgmt_account_remove_peer(f.account, old, &affected);
	g_assert_cmpuint(mgmt_bitset_count(&affected), ==, 5);
	mgmt_bitset_clear(&affected);
	teardown(&f);
}

static const struct {
	const char *version;
	bool at_least_0_60;
} versions[] = {
	{ "0.60.0", true },  { "0.59.9", false },    { "0.77.1", true },      { "1.0", true },
	{ "v0.60.0", true }, { "0.60.0-rc1", true }, { "development", true }, { "dev-abc", true },
	{ "ci-123", true },  { "", false },          { "banana", false },     { "0..1", false },
};

static void
test_versions_gate_features(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(versions); i++)
		g_assert_cmpint(mgmt_version_at_least(versions[i].version, 0, 60, 0), ==,
				versions[i].at_least_0_60);
}

static void
test_ids_are_ordered_unique_and_checked(void)
{
	struct weft_env_fake fake;
	struct mgmt_id last = { "" };
	struct mgmt_id parsed;

	weft_env_fake_init(&fake, 3);
	for (unsigned i = 0; i < 1000; i++) {
		struct mgmt_id id = mgmt_id_new(&fake.env);

		g_assert_cmpuint(strlen(id.s), ==, MGMT_ID_LEN);
		g_assert_false(mgmt_id_equal(&id, &last));
		g_assert_true(mgmt_id_parse(&parsed, id.s, MGMT_ID_LEN));
		last = id;
	}
	g_assert_false(mgmt_id_parse(&parsed, "0123456789abcdefghiz", 20));
	g_assert_false(mgmt_id_parse(&parsed, "0123456789abcdefghi1", 20));
	g_assert_false(mgmt_id_parse(&parsed, "0123456789", 10));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
	g_test_add_func("/mgmtd/model/indexes-follow-every-change",
			test_indexes_follow_every_change);
	g_test_add_func("/mgmtd/model/a-policy-edit-leaves-unconnected-peers-alone",
			test_a_policy_edit_leaves_unconnected_peers_alone);
	g_test_add_func("/mgmtd/model/addresses-run-out-cleanly-and-come-back",
			test_addresses_run_out_cleanly_and_come_back);
	g_test_add_func("/mgmtd/model/labels-are-canonical-and-unique",
			test_labels_are_canonical_and_unique);
	g_test_add_func("/mgmtd/model/an-old-client-flips-the-forwarder-port-for-all",
			test_an_old_client_flips_the_forwarder_port_for_all);
	g_test_add_func("/mgmtd/model/versions-gate-features", test_versions_gate_features);
	g_test_add_func("/mgmtd/model/ids-are-ordered-unique-and-checked",
			test_ids_are_ordered_unique_and_checked);
	return g_test_run();
}

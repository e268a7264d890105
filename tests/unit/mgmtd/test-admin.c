/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Operations from request to database and model, on SQLite and, where WEFT_TEST_POSTGRES names a
 * database, on PostgreSQL. */
#include "mgmtd/admin/admin.h"

#include "base/env.h"
#include "mgmtd/model/model.h"
#include "mgmtd/store/engine.h"
#include "mgmtd/store/store.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

static const struct mgmt_actor root = { .kind = MGMT_INITIATOR_ADMIN,
					.may_write = true,
					.id = "admin:0" };

struct fixture {
	char *dir, *url;
	MgmtModel *model;
	MgmtStore *store;
	MgmtAdmin *admin;
	MgmtAccount *account;
	char *default_key, *one_off_key;
	unsigned n_dirty, n_left;
};

struct outcome {
	bool done;
	GError *error;
	const void *object;
	char *secret;
};

static void
on_dirty(void *user, MgmtAccount *a, const struct mgmt_bitset *peers)
{
	((struct fixture *) user)->n_dirty += mgmt_bitset_count(peers);
}

static void
on_leaving(void *user, MgmtAccount *a, const struct mgmt_peer *peer)
{
	((struct fixture *) user)->n_left++;
}

static void
on_peer(void *user, MgmtAccount *a, const struct mgmt_peer *peer)
{
}

static void
on_account(void *user, MgmtAccount *a)
{
}

static bool
load_account(void *user, struct mgmt_account_row *row, GError **error)
{
	struct fixture *f = user;

	f->account = mgmt_model_add_account(f->model, row, error);
	return f->account != NULL;
}

static bool
load_group(void *user, struct mgmt_group *group, GArray *peers, GError **error)
{
	mgmt_account_put_group(((struct fixture *) user)->account, group, peers, NULL);
	return true;
}

static bool
load_peer(void *user, struct mgmt_peer *peer, GError **error)
{
	mgmt_account_add_peer(((struct fixture *) user)->account, peer, NULL, NULL);
	return true;
}

static bool
load_policy(void *user, struct mgmt_policy *policy, GError **error)
{
	mgmt_account_put_policy(((struct fixture *) user)->account, policy, NULL);
	return true;
}

static bool
load_setup_key(void *user, struct mgmt_setup_key *key, GError **error)
{
	mgmt_account_put_setup_key(((struct fixture *) user)->account, key);
	return true;
}

static bool
load_token(void *user, struct mgmt_token *token, GError **error)
{
	mgmt_account_put_token(((struct fixture *) user)->account, token);
	return true;
}

static void
start(struct fixture *f)
{
	const struct mgmt_admin_hooks hooks = { .dirty = on_dirty,
						.peer_leaving = on_leaving,
						.peer_changed = on_peer,
						.account_changed = on_account,
						.user = f };
	const struct mgmt_store_loader loader = {
		load_account, load_group, load_peer, load_policy, load_setup_key, load_token, f
	};
	const struct mgmt_store_config config = { .url = f->url,
						  .context = g_main_context_default(),
						  .env = weft_env_system() };
	GError *error = NULL;

	f->account = NULL;
	f->model = mgmt_model_new(weft_env_system());
	f->store = mgmt_store_open(&config, &error);
	g_assert_no_error(error);
	g_assert_true(mgmt_store_load(f->store, &loader, &error));
	g_assert_no_error(error);
	f->admin = mgmt_admin_new(f->model, f->store, weft_env_system(), &hooks);
}

static void
stop(struct fixture *f)
{
	mgmt_store_close(f->store);
	mgmt_admin_free(f->admin);
	mgmt_model_free(f->model);
}

static void
drop_tables(const char *url)
{
	MgmtEngine *e = mgmt_engine_open(url, true, NULL);

	g_assert_nonnull(e);
	g_assert_true(mgmt_exec(e, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", NULL));
	mgmt_engine_close(e);
}

static void
on_reply(void *user, const void *object, const GError *error)
{
	struct outcome *o = user;

	g_assert_false(o->done);
	o->done = true;
	o->object = object;
	o->error = error == NULL ? NULL : g_error_copy(error);
}

static struct mgmt_reply
reply_to(struct outcome *o)
{
	return (struct mgmt_reply){ on_reply, o };
}

static void
on_init_reply(void *user, const void *object, const GError *error)
{
	struct fixture *f = user;
	const struct mgmt_init_result *result = object;

	g_assert_no_error(error);
	f->account = mgmt_model_account(f->model, &result->account->row.id);
	f->default_key = g_strdup(result->default_key);
	f->one_off_key = g_strdup(result->one_off_key);
	g_assert_cmpuint(strlen(result->admin_token), ==, 40);
}

static void
wait_for(bool *done)
{
	gint64 deadline = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

	while (!*done) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		g_main_context_iteration(NULL, TRUE);
	}
}

/* Waits for a reply and takes its error away. */
static GError *
finish(struct outcome *o)
{
	wait_for(&o->done);
	return g_steal_pointer(&o->error);
}

static void
init(struct fixture *f)
{
	const struct mgmt_init_request request = { .account_name = "", .dns_domain = "" };

	mgmt_admin_init(f->admin, &root, &request, (struct mgmt_reply){ on_init_reply, f });
	while (f->account == NULL)
		g_main_context_iteration(NULL, TRUE);
}

static bool
setup(struct fixture *f, gconstpointer engine)
{
	const char *postgres = g_getenv("WEFT_TEST_POSTGRES");

	*f = (struct fixture){ 0 };
	if (strcmp(engine, "postgresql") == 0) {
		if (postgres == NULL) {
			g_test_skip("WEFT_TEST_POSTGRES names no database");
			return false;
		}
		f->url = g_strdup(postgres);
		drop_tables(f->url);
	} else {
		f->dir = g_dir_make_tmp("weft-admin-XXXXXX", NULL);
		f->url = g_strdup_printf("sqlite://%s/weft.db", f->dir);
	}
	start(f);
	init(f);
	return true;
}

static void
teardown(struct fixture *f)
{
	stop(f);
	if (f->dir != NULL) {
		const char *const names[] = { "weft.db", "weft.db-wal", "weft.db-shm",
					      "weft.db.lock" };

		for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
			g_autofree char *path = g_build_filename(f->dir, names[i], NULL);

			g_unlink(path);
		}
		g_rmdir(f->dir);
	}
	g_free(f->dir);
	g_free(f->url);
	g_free(f->default_key);
	g_free(f->one_off_key);
}

static void
request_registration(struct fixture *f, const char *hostname, const char *key, struct outcome *o)
{
	struct mgmt_meta meta;
	struct mgmt_register_request request = {
		.setup_key = key, .meta = &meta, .ssh_key = "", .connection_ip = "192.0.2.1"
	};
	int32_t capability = 2;

	mgmt_meta_init(&meta);
	g_free(meta.hostname);
	g_free(meta.version);
	meta.hostname = g_strdup(hostname);
	meta.version = g_strdup("0.77.0");
	g_array_append_val(meta.capabilities, capability);
	weft_key_generate(&request.key, weft_env_system());
	mgmt_admin_register(f->admin, &request, reply_to(o));
	mgmt_meta_clear(&meta);
}

static const struct mgmt_peer *
add_peer(struct fixture *f, const char *hostname)
{
	struct outcome o = { 0 };
	g_autoptr(GError) error = NULL;

	request_registration(f, hostname, f->default_key, &o);
	error = finish(&o);
	g_assert_no_error(error);
	return o.object;
}

static void
test_init_makes_an_account_once(gconstpointer engine)
{
	struct fixture f;
	struct outcome o = { 0 };
	const struct mgmt_init_request request = { .account_name = "x", .dns_domain = "" };
	g_autoptr(GError) error = NULL;

	if (!setup(&f, engine))
		return;
	g_assert_cmpuint(f.account->row.net.bits, ==, 16);
	g_assert_cmpint(weft_address_classify(&f.account->row.net.addr), ==, WEFT_ADDRESS_CGNAT);
	g_assert_cmpuint(f.account->row.net6.addr.b[0], ==, 0xfd);
	g_assert_cmpuint(f.account->policies->len, ==, 1);
	g_assert_cmpuint(f.account->setup_keys->len, ==, 2);
	mgmt_admin_init(f.admin, &root, &request, reply_to(&o));
	error = finish(&o);
	g_assert_error(error, MGMT_ERROR, MGMT_ERROR_EXISTS);
	teardown(&f);
}

static void
test_peers_survive_a_restart(gconstpointer engine)
{
	struct fixture f;
	const struct mgmt_peer *p;
	struct mgmt_id id;
	struct weft_address ip, ip6;
	uint64_t serial;

	if (!setup(&f, engine))
		return;
	p = add_peer(&f, "web'; DROP TABLE peers; --");
	add_peer(&f, "db");
	id = p->id;
	ip = p->ip;
	ip6 = p->ip6;
	g_assert_cmpint(ip6.family, ==, WEFT_FAMILY_IPV6);
	g_assert_cmpuint(f.n_dirty, ==, 3); /* the first alone, then both */
	serial = f.account->row.serial;
	g_assert_cmpuint(serial, ==, 2);
	stop(&f);
	start(&f);
	g_assert_cmpuint(f.account->n_peers, ==, 2);
	g_assert_cmpuint(f.account->row.serial, ==, serial);
	p = mgmt_account_peer(f.account, &id);
	g_assert_nonnull(p);
	g_assert_cmpstr(p->name, ==, "web'; DROP TABLE peers; --");
	g_assert_cmpstr(p->dns_label, ==, "web-drop-table-peers");
	g_assert_true(weft_address_equal(&p->ip, &ip));
	g_assert_true(weft_address_equal(&p->ip6, &ip6));
	g_assert_true(p->has_v6_capability);
	g_assert_true(mgmt_bitset_has(&f.account->all->members, p->index));
	teardown(&f);
}

#define RACERS 500

static void
test_one_wins_the_race_for_a_one_off_key(gconstpointer engine)
{
	struct fixture f;
	g_autofree struct outcome *o = g_new0(struct outcome, RACERS);
	unsigned won = 0;

	if (!setup(&f, engine))
		return;
	for (unsigned i = 0; i < RACERS; i++)
		request_registration(&f, "racer", f.one_off_key, &o[i]);
	for (unsigned i = 0; i < RACERS; i++) {
		g_autoptr(GError) error = finish(&o[i]);

		if (error == NULL)
			won++;
		else
			g_assert_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND);
	}
	g_assert_cmpuint(won, ==, 1);
	g_assert_cmpuint(f.account->n_peers, ==, 1);
	/* The addresses that the losers held are free again. */
	stop(&f);
	start(&f);
	g_assert_cmpuint(f.account->n_peers, ==, 1);
	teardown(&f);
}

static void
test_a_lower_case_key_is_the_same_key(gconstpointer engine)
{
	struct fixture f;
	struct outcome o = { 0 };
	g_autofree char *lower = NULL;
	g_autoptr(GError) error = NULL;

	if (!setup(&f, engine))
		return;
	lower = g_ascii_strdown(f.one_off_key, -1);
	request_registration(&f, "a", lower, &o);
	error = finish(&o);
	g_assert_no_error(error);
	teardown(&f);
}

static void
test_groups_policies_and_moves(gconstpointer engine)
{
	struct fixture f;
	struct outcome group = { 0 }, policy = { 0 }, move = { 0 }, refused = { 0 };
	struct mgmt_policy *copy;
	struct mgmt_rule *rule;
	struct mgmt_id group_id, policy_id, peer_id;
	g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	g_autoptr(GError) error = NULL;
	uint16_t port = 443;

	if (!setup(&f, engine))
		return;
	peer_id = add_peer(&f, "web")->id;
	mgmt_admin_put_group(f.admin, &root, &f.account->row.id, NULL, "web", NULL,
			     reply_to(&group));
	g_assert_null(finish(&group));
	group_id = ((const struct mgmt_group *) group.object)->id;
	copy = mgmt_policy_copy(g_ptr_array_index(f.account->policies, 0));
	copy->id.s[0] = '\0';
	g_free(copy->name);
	copy->name = g_strdup("to web");
	rule = g_ptr_array_index(copy->rules, 0);
	rule->id.s[0] = '\0';
	rule->protocol = MGMT_PROTOCOL_TCP;
	g_array_append_val(rule->ports, port);
	g_array_set_size(rule->destinations, 0);
	g_array_append_val(rule->destinations, group_id);
	mgmt_admin_put_policy(f.admin, &root, &f.account->row.id, copy, reply_to(&policy));
	mgmt_policy_free(copy);
	g_assert_null(finish(&policy));
	policy_id = ((const struct mgmt_policy *) policy.object)->id;
	g_array_append_val(groups, group_id);
	mgmt_admin_move_peer(f.admin, &root, &f.account->row.id, &peer_id, groups, reply_to(&move));
	g_assert_null(finish(&move));
	mgmt_admin_delete_group(f.admin, &root, &f.account->row.id, &group_id, reply_to(&refused));
	error = finish(&refused);
	g_assert_error(error, MGMT_ERROR, MGMT_ERROR_PRECONDITION);
	stop(&f);
	start(&f);
	g_assert_nonnull(mgmt_account_group(f.account, &group_id));
	g_assert_true(mgmt_bitset_has(&mgmt_account_group(f.account, &group_id)->members,
				      mgmt_account_peer(f.account, &peer_id)->index));
	rule = g_ptr_array_index(mgmt_account_policy(f.account, &policy_id)->rules, 0);
	g_assert_cmpint(rule->protocol, ==, MGMT_PROTOCOL_TCP);
	g_assert_cmpuint(g_array_index(rule->ports, uint16_t, 0), ==, 443);
	teardown(&f);
}

static void
test_a_deleted_peer_is_gone_and_its_address_free(gconstpointer engine)
{
	struct fixture f;
	struct outcome o = { 0 }, again = { 0 };
	struct mgmt_id id;
	g_autoptr(GError) error = NULL;

	if (!setup(&f, engine))
		return;
	id = add_peer(&f, "web")->id;
	mgmt_admin_delete_peer(f.admin, &root, &f.account->row.id, &id, reply_to(&o));
	g_assert_null(finish(&o));
	g_assert_cmpuint(f.n_left, ==, 1);
	g_assert_cmpuint(f.account->n_peers, ==, 0);
	mgmt_admin_delete_peer(f.admin, &root, &f.account->row.id, &id, reply_to(&again));
	error = finish(&again);
	g_assert_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND);
	stop(&f);
	start(&f);
	g_assert_cmpuint(f.account->n_peers, ==, 0);
	teardown(&f);
}

static void
test_reports_and_renames_do_not_undo_each_other(gconstpointer engine)
{
	struct fixture f;
	struct outcome report = { 0 }, rename = { 0 };
	const struct mgmt_peer *p;
	struct mgmt_meta meta;
	struct mgmt_id id;

	if (!setup(&f, engine))
		return;
	p = add_peer(&f, "web");
	id = p->id;
	mgmt_meta_copy(&meta, &p->meta);
	g_free(meta.kernel_version);
	meta.kernel_version = g_strdup("6.1.0");
	mgmt_admin_peer_report(f.admin, &f.account->row.id, &id, &meta, "ssh-ed25519 AAAA", NULL,
			       true, reply_to(&report));
	mgmt_admin_rename_peer(f.admin, &root, &f.account->row.id, &id, "front", reply_to(&rename));
	mgmt_meta_clear(&meta);
	g_assert_null(finish(&report));
	g_assert_null(finish(&rename));
	for (unsigned i = 0; i < 2; i++) {
		p = mgmt_account_peer(f.account, &id);
		g_assert_cmpstr(p->name, ==, "front");
		g_assert_cmpstr(p->dns_label, ==, "front");
		g_assert_cmpstr(p->meta.kernel_version, ==, "6.1.0");
		g_assert_cmpstr(p->ssh_key, ==, "ssh-ed25519 AAAA");
		stop(&f);
		start(&f);
	}
	teardown(&f);
}

static void
test_a_reader_may_not_write(gconstpointer engine)
{
	static const struct mgmt_actor reader = { .kind = MGMT_INITIATOR_ADMIN, .id = "admin:9" };
	struct fixture f;
	struct outcome o = { 0 };
	g_autoptr(GError) error = NULL;

	if (!setup(&f, engine))
		return;
	mgmt_admin_put_group(f.admin, &reader, &f.account->row.id, NULL, "x", NULL, reply_to(&o));
	error = finish(&o);
	g_assert_error(error, MGMT_ERROR, MGMT_ERROR_DENIED);
	teardown(&f);
}

static void
test_a_second_process_is_refused(gconstpointer engine)
{
	struct fixture f;
	const struct mgmt_store_config config = { .context = g_main_context_default(),
						  .env = weft_env_system() };
	struct mgmt_store_config second = config;
	g_autoptr(GError) error = NULL;

	if (!setup(&f, engine))
		return;
	second.url = f.url;
	g_assert_null(mgmt_store_open(&second, &error));
	g_assert_error(error, MGMT_STORE_ERROR, MGMT_STORE_ERROR_IN_USE);
	teardown(&f);
}

static void
test_the_box_key_is_kept(gconstpointer engine)
{
	struct fixture f;
	struct weft_key one, two;

	if (!setup(&f, engine))
		return;
	stop(&f);
	start(&f);
	g_assert_true(mgmt_store_box_key(f.store, &one, NULL));
	stop(&f);
	start(&f);
	g_assert_true(mgmt_store_box_key(f.store, &two, NULL));
	g_assert_true(weft_key_equal(&one, &two));
	teardown(&f);
}

static void
test_passwords_stay_out_of_messages(void)
{
	static const char *const urls[][2] = {
		{ "postgresql://u:secret@h/db", "postgresql://u@h/db" },
		{ "postgresql://h/db?password=secret", "postgresql://h/db" },
		{ "sqlite:///var/lib/x.db", "sqlite:///var/lib/x.db" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(urls); i++) {
		g_autofree char *shown = mgmt_engine_url_for_log(urls[i][0]);

		g_assert_cmpstr(shown, ==, urls[i][1]);
	}
}

static const struct {
	const char *name;
	GTestDataFunc fn;
} tests[] = {
	{ "init-makes-an-account-once", test_init_makes_an_account_once },
	{ "peers-survive-a-restart", test_peers_survive_a_restart },
	{ "one-wins-the-race-for-a-one-off-key", test_one_wins_the_race_for_a_one_off_key },
	{ "a-lower-case-key-is-the-same-key", test_a_lower_case_key_is_the_same_key },
	{ "groups-policies-and-moves", test_groups_policies_and_moves },
	{ "a-deleted-peer-is-gone-and-its-address-free",
	  test_a_deleted_peer_is_gone_and_its_address_free },
	{ "reports-and-renames-do-not-undo-each-other",
	  test_reports_and_renames_do_not_undo_each_other },
	{ "a-reader-may-not-write", test_a_reader_may_not_write },
	{ "a-second-process-is-refused", test_a_second_process_is_refused },
	{ "the-box-key-is-kept", test_the_box_key_is_kept },
};

int
main(int argc, char **argv)
{
	static const char *const engines[] = { "sqlite", "postgresql" };

	g_test_init(&argc, &argv, NULL);
	g_assert_true(weft_crypto_init());
	for (size_t e = 0; e < G_N_ELEMENTS(engines); e++) {
		for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
			g_autofree char *path =
				g_strdup_printf("/mgmtd/admin/%s/%s", engines[e], tests[i].name);

			g_test_add_data_func(path, engines[e], tests[i].fn);
		}
	}
	g_test_add_func("/mgmtd/store/passwords-stay-out-of-messages",
			test_passwords_stay_out_of_messages);
	return g_test_run();
}

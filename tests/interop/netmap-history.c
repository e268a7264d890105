/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Helper of test_mgmtd_history.py. Each line of input is a JSON object {"op": ...}; accounts and
 * their objects have the form of tests/peer/plainmap.py.
 *
 *   load {account}                                   forgets all, answers "ok"
 *   put_group {group}      remove_group {id}         answer "affected PEER-ID..."
 *   put_policy {policy}    remove_policy {id}
 *   add_peer {peer, groups: [id]}   update_peer {peer}   remove_peer {id}
 *   settings {account}
 *   maps {now_us}          for each peer "PEER-ID FULL KIND STREAM", where FULL is the whole map,
 *                          STREAM what its stream gets after what it got before (hex, "-" = empty),
 *                          then a line "."
 *
 * Every op may have "serial". */
#include "base/env.h"
#include "mgmtd/netmap/netmap.h"

#include <glib.h>
#include <json-glib/json-glib.h>

#include <stdio.h>
#include <string.h>

struct echo {
	MgmtModel *model;
	MgmtAccount *account;
	MgmtNetmap *netmap;
	GHashTable *states; /* peer id text -> struct mgmt_netmap_state * */
};

static const char *
text(JsonObject *o, const char *member)
{
	return json_object_get_string_member_with_default(o, member, "");
}

static bool
flag(JsonObject *o, const char *member)
{
	return json_object_get_boolean_member_with_default(o, member, FALSE);
}

static int64_t
number(JsonObject *o, const char *member)
{
	return json_object_get_int_member_with_default(o, member, 0);
}

static struct mgmt_id
id_of(const char *s)
{
	struct mgmt_id id;

	if (!mgmt_id_parse(&id, s, strlen(s)))
		g_error("'%s' is no id", s);
	return id;
}

static GArray *
ids(JsonObject *o, const char *member)
{
	GArray *out = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	JsonArray *list =
		json_object_has_member(o, member) ? json_object_get_array_member(o, member) : NULL;

	for (guint i = 0; list != NULL && i < json_array_get_length(list); i++) {
		struct mgmt_id id = id_of(json_array_get_string_element(list, i));

		g_array_append_val(out, id);
	}
	return out;
}

static struct weft_address
address(const char *s)
{
	struct weft_address a = { .family = WEFT_FAMILY_NONE };

	if (s[0] != '\0' && !weft_address_parse(&a, s, strlen(s)))
		g_error("'%s' is no address", s);
	return a;
}

static struct weft_prefix
prefix(const char *s)
{
	struct weft_prefix p;

	if (!weft_prefix_parse(&p, s, strlen(s), false))
		g_error("'%s' is no prefix", s);
	return p;
}

static void
read_meta(struct mgmt_meta *meta, JsonObject *o)
{
	JsonArray *capabilities = json_object_get_array_member(o, "capabilities");

	mgmt_meta_init(meta);
	g_free(meta->hostname);
	meta->hostname = g_strdup(text(o, "hostname"));
	g_free(meta->version);
	meta->version = g_strdup(text(o, "version"));
	meta->disable_ipv6 = flag(o, "disable_ipv6");
	meta->server_ssh_allowed = flag(o, "server_ssh_allowed");
	for (guint i = 0; i < json_array_get_length(capabilities); i++) {
		int32_t c = (int32_t) json_array_get_int_element(capabilities, i);

		g_array_append_val(meta->capabilities, c);
	}
}

static struct mgmt_peer *
read_peer(const struct echo *e, JsonObject *o)
{
	struct mgmt_peer *p = g_new0(struct mgmt_peer, 1);
	const char *key = text(o, "key");

	p->id = id_of(text(o, "id"));
	p->account_id = e->account->row.id;
	if (!weft_key_from_text(&p->key, key, strlen(key)))
		g_error("'%s' is no key", key);
	p->key_text = weft_key_to_text(&p->key);
	p->ip = address(text(o, "ip"));
	p->ip6 = address(text(o, "ip6"));
	p->name = g_strdup(text(o, "dns_label"));
	p->dns_label = g_strdup(text(o, "dns_label"));
	p->user_id = g_strdup(text(o, "user_id"));
	p->ssh_key = g_strdup(text(o, "ssh_key"));
	p->connection_ip = g_strdup("");
	p->ssh_enabled = flag(o, "ssh_enabled");
	p->login_expiration_enabled = flag(o, "login_expiration_enabled");
	p->approval_required = flag(o, "approval_required");
	p->last_login_us = number(o, "last_login_us");
	p->connected = flag(o, "connected");
	read_meta(&p->meta, json_object_get_object_member(o, "meta"));
	return p;
}

static struct mgmt_resource
read_resource(JsonObject *o, const char *member)
{
	struct mgmt_resource out = { .type = MGMT_RESOURCE_NONE };
	JsonObject *r;

	if (!json_object_has_member(o, member) || json_object_get_null_member(o, member))
		return out;
	r = json_object_get_object_member(o, member);
	if (!mgmt_resource_type_from_name(&out.type, text(r, "type")))
		g_error("resource type '%s'", text(r, "type"));
	out.id = id_of(text(r, "id"));
	return out;
}

static void
read_ports(struct mgmt_rule *r, JsonObject *o)
{
	JsonArray *ports = json_object_get_array_member(o, "ports");
	JsonArray *ranges = json_object_get_array_member(o, "port_ranges");

	r->ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));
	r->port_ranges = g_array_new(FALSE, FALSE, sizeof(struct mgmt_port_range));
	for (guint i = 0; i < json_array_get_length(ports); i++) {
		uint16_t port = (uint16_t) json_array_get_int_element(ports, i);

		g_array_append_val(r->ports, port);
	}
	for (guint i = 0; i < json_array_get_length(ranges); i++) {
		JsonObject *range = json_array_get_object_element(ranges, i);
		struct mgmt_port_range v = { (uint16_t) number(range, "start"),
					     (uint16_t) number(range, "end") };

		g_array_append_val(r->port_ranges, v);
	}
}

static struct mgmt_rule *
read_rule(JsonObject *o, const struct mgmt_id *policy_id)
{
	struct mgmt_rule *r = g_new0(struct mgmt_rule, 1);

	r->id = id_of(text(o, "id"));
	r->policy_id = *policy_id;
	r->name = g_strdup(text(o, "name"));
	r->description = g_strdup("");
	r->enabled = flag(o, "enabled");
	r->bidirectional = flag(o, "bidirectional");
	if (!mgmt_action_from_name(&r->action, text(o, "action")) ||
	    !mgmt_protocol_from_name(&r->protocol, text(o, "protocol")))
		g_error("rule '%s'", r->name);
	r->sources = ids(o, "sources");
	r->destinations = ids(o, "destinations");
	r->source_resource = read_resource(o, "source_resource");
	r->destination_resource = read_resource(o, "destination_resource");
	read_ports(r, o);
	return r;
}

static void
put_policy(struct echo *e, JsonObject *o, struct mgmt_bitset *affected)
{
	struct mgmt_policy *p = g_new0(struct mgmt_policy, 1);
	JsonArray *rules = json_object_get_array_member(o, "rules");

	p->id = id_of(text(o, "id"));
	p->account_id = e->account->row.id;
	p->name = g_strdup(text(o, "name"));
	p->description = g_strdup("");
	p->enabled = flag(o, "enabled");
	p->rules = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_rule_free);
	for (guint i = 0; i < json_array_get_length(rules); i++)
		g_ptr_array_add(p->rules,
				read_rule(json_array_get_object_element(rules, i), &p->id));
	mgmt_account_put_policy(e->account, p, affected);
}

static void
put_group(struct echo *e, JsonObject *o, struct mgmt_bitset *affected)
{
	struct mgmt_group *g = g_new0(struct mgmt_group, 1);
	g_autoptr(GArray) members = ids(o, "peers");

	g->id = id_of(text(o, "id"));
	g->account_id = e->account->row.id;
	g->name = g_strdup(text(o, "name"));
	g->is_all = strcmp(g->name, "All") == 0;
	mgmt_account_put_group(e->account, g, g->is_all ? NULL : members, affected);
}

static struct mgmt_account_row
read_row(JsonObject *account)
{
	JsonObject *settings = json_object_get_object_member(account, "settings");
	JsonObject *network = json_object_get_object_member(account, "network");
	struct mgmt_account_row row = { .id = id_of("000000000000000000g0") };

	row.name = g_strdup("account");
	row.net = prefix(text(network, "net"));
	row.net6 = prefix(text(network, "net6"));
	row.serial = (uint64_t) number(account, "serial");
	row.settings.dns_domain = g_strdup(text(settings, "dns_domain"));
	row.settings.lazy_connections = flag(settings, "lazy_connections");
	row.settings.routing_peer_dns = flag(settings, "routing_peer_dns");
	row.settings.login_expiration_enabled = flag(settings, "login_expiration_enabled");
	row.settings.login_expiration_us = number(settings, "login_expiration_us");
	row.settings.ipv6_enabled = true;
	row.settings.ipv6_groups = ids(settings, "ipv6_groups");
	return row;
}

static void
each(struct echo *e,
     JsonObject *o,
     const char *member,
     void (*f)(struct echo *, JsonObject *, struct mgmt_bitset *))
{
	JsonArray *list = json_object_get_array_member(o, member);

	for (guint i = 0; i < json_array_get_length(list); i++)
		f(e, json_array_get_object_element(list, i), NULL);
}

static void
add_peer(struct echo *e, JsonObject *o, struct mgmt_bitset *affected)
{
	mgmt_account_add_peer(e->account, read_peer(e, o), NULL, affected);
}

static void
unload(struct echo *e)
{
	mgmt_netmap_free(e->netmap);
	if (e->model != NULL)
		mgmt_model_free(e->model);
	e->netmap = NULL;
	e->model = NULL;
	g_hash_table_remove_all(e->states);
}

/* The group All has to be there before the peers, the other groups after them. */
static void
load(struct echo *e, JsonObject *account)
{
	struct mgmt_account_row row = read_row(account);
	JsonArray *groups = json_object_get_array_member(account, "groups");
	g_autoptr(GError) error = NULL;

	unload(e);
	e->model = mgmt_model_new(weft_env_system());
	e->account = mgmt_model_add_account(e->model, &row, &error);
	if (e->account == NULL)
		g_error("account: %s", error->message);
	mgmt_account_row_clear(&row);
	put_group(e, json_array_get_object_element(groups, 0), NULL);
	each(e, account, "peers", add_peer);
	for (guint i = 1; i < json_array_get_length(groups); i++)
		put_group(e, json_array_get_object_element(groups, i), NULL);
	each(e, account, "policies", put_policy);
	e->netmap = mgmt_netmap_new(e->account);
}

static void
change_peer(struct echo *e, JsonObject *o, const char *op, struct mgmt_bitset *affected)
{
	JsonObject *peer =
		json_object_has_member(o, "peer") ? json_object_get_object_member(o, "peer") : o;
	struct mgmt_id id = id_of(text(peer, "id"));
	struct mgmt_peer *old = mgmt_account_peer(e->account, &id);
	g_autoptr(GArray) groups = ids(o, "groups");

	if (strcmp(op, "add_peer") == 0) {
		struct mgmt_peer *added = read_peer(e, peer);

		mgmt_account_add_peer(e->account, added, groups, affected);
		mgmt_netmap_forget_peer(e->netmap, added->index);
		return;
	}
	mgmt_netmap_forget_peer(e->netmap, old->index);
	if (strcmp(op, "update_peer") == 0) {
		mgmt_account_update_peer(e->account, read_peer(e, peer), affected);
	} else {
		mgmt_account_remove_peer(e->account, old, affected);
		g_hash_table_remove(e->states, id.s);
	}
}

static void
change(struct echo *e, JsonObject *o, const char *op)
{
	struct mgmt_bitset affected = { 0 };

	if (g_str_has_suffix(op, "_peer")) {
		change_peer(e, o, op, &affected);
	} else if (strcmp(op, "put_group") == 0) {
		put_group(e, json_object_get_object_member(o, "group"), &affected);
	} else if (strcmp(op, "put_policy") == 0) {
		put_policy(e, json_object_get_object_member(o, "policy"), &affected);
	} else if (strcmp(op, "settings") == 0) {
		struct mgmt_account_row row = read_row(json_object_get_object_member(o, "account"));

		mgmt_account_set_row(e->account, &row, &affected);
		mgmt_account_row_clear(&row);
		mgmt_netmap_forget_all(e->netmap);
	} else {
		struct mgmt_id id = id_of(text(o, "id"));

		if (strcmp(op, "remove_group") == 0)
			mgmt_account_remove_group(e->account, mgmt_account_group(e->account, &id),
						  &affected);
		else if (strcmp(op, "remove_policy") == 0)
			mgmt_account_remove_policy(e->account, mgmt_account_policy(e->account, &id),
						   &affected);
		else
			g_error("op '%s'", op);
	}
	printf("affected");
	for (int64_t i = mgmt_bitset_next(&affected, 0); i >= 0;
	     i = mgmt_bitset_next(&affected, (uint32_t) i + 1)) {
		const struct mgmt_peer *p = (size_t) i < e->account->peers->len
						    ? g_ptr_array_index(e->account->peers, i)
						    : NULL;

		if (p != NULL)
			printf(" %s", p->id.s);
	}
	putchar('\n');
	mgmt_bitset_clear(&affected);
}

static void
print_hex(const GByteArray *bytes)
{
	for (guint i = 0; i < bytes->len; i++)
		printf("%02x", bytes->data[i]);
	if (bytes->len == 0)
		putchar('-');
}

static void
print_maps(struct echo *e, int64_t now_us)
{
	static const char *const kinds[] = { "unchanged", "full", "delta" };

	for (guint i = 0; i < e->account->peers->len; i++) {
		const struct mgmt_peer *p = g_ptr_array_index(e->account->peers, i);
		g_autoptr(GByteArray) full = g_byte_array_new();
		g_autoptr(GByteArray) stream = g_byte_array_new();
		struct mgmt_netmap_state *state;
		enum mgmt_netmap_kind kind;

		if (p == NULL)
			continue;
		state = g_hash_table_lookup(e->states, p->id.s);
		if (state == NULL) {
			state = mgmt_netmap_state_new();
			g_hash_table_insert(e->states, g_strdup(p->id.s), state);
		}
		mgmt_netmap_build(e->netmap, p, now_us, NULL, full);
		kind = mgmt_netmap_build(e->netmap, p, now_us, state, stream);
		printf("%s ", p->id.s);
		print_hex(full);
		printf(" %s ", kinds[kind]);
		print_hex(stream);
		putchar('\n');
	}
	puts(".");
}

static void
free_state(void *state)
{
	mgmt_netmap_state_free(state);
}

int
main(void)
{
	struct echo e = {
		.states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_state),
	};
	g_autoptr(JsonParser) parser = json_parser_new();
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		g_autoptr(GError) error = NULL;
		JsonObject *o;
		const char *op;

		if (!json_parser_load_from_data(parser, line, -1, &error))
			g_error("%s", error->message);
		o = json_node_get_object(json_parser_get_root(parser));
		op = text(o, "op");
		if (e.account != NULL && json_object_has_member(o, "serial"))
			e.account->row.serial = (uint64_t) number(o, "serial");
		if (strcmp(op, "load") == 0) {
			load(&e, json_object_get_object_member(o, "account"));
			puts("ok");
		} else if (strcmp(op, "maps") == 0) {
			print_maps(&e, number(o, "now_us"));
		} else {
			change(&e, o, op);
		}
		fflush(stdout);
	}
	unload(&e);
	g_hash_table_unref(e.states);
	free(line);
	return 0;
}

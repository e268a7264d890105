/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads accounts in the form of tests/peer/plainmap.py, one JSON document a line, and prints for
 * each
 * {"full": {peer id: hex of SyncResponse}, "delta": {...}}: the maps that mgmtd builds. From line
 * to line the second kind is continued as a stream would be, for peers that understand deltas. */
#include "mgmtd/model/model.h"
#include "mgmtd/netmap/netmap.h"

#include "base/env.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

static const char *
text(JsonObject *o, const char *name)
{
	return json_object_get_string_member_with_default(o, name, "");
}

static bool
flag(JsonObject *o, const char *name)
{
	return json_object_has_member(o, name) && json_object_get_boolean_member(o, name);
}

static void
get_id(struct mgmt_id *ret, const char *value)
{
	if (!mgmt_id_parse(ret, value, strlen(value)))
		g_error("'%s' is no id", value);
}

static GArray *
get_ids(JsonObject *o, const char *name)
{
	JsonArray *a = json_object_get_array_member(o, name);
	GArray *ids = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));

	for (guint i = 0; i < json_array_get_length(a); i++) {
		struct mgmt_id id;

		get_id(&id, json_array_get_string_element(a, i));
		g_array_append_val(ids, id);
	}
	return ids;
}

static void
get_meta(struct mgmt_meta *m, JsonObject *o, bool deltas)
{
	JsonArray *capabilities = json_object_get_array_member(o, "capabilities");

	mgmt_meta_init(m);
	g_free(m->hostname);
	m->hostname = g_strdup(text(o, "hostname"));
	g_free(m->version);
	m->version = g_strdup(text(o, "version"));
	m->disable_ipv6 = flag(o, "disable_ipv6");
	m->server_ssh_allowed = flag(o, "server_ssh_allowed");
	for (guint i = 0; i < json_array_get_length(capabilities); i++) {
		int32_t c = (int32_t) json_array_get_int_element(capabilities, i);

		g_array_append_val(m->capabilities, c);
	}
	if (deltas) {
		int32_t c = 15001;

		g_array_append_val(m->capabilities, c);
	}
}

static void
add_peer(MgmtAccount *a, JsonObject *o, bool deltas)
{
	struct mgmt_peer *p = g_new0(struct mgmt_peer, 1);
	const char *key = text(o, "key");
	const char *ip6 = text(o, "ip6");

	get_id(&p->id, text(o, "id"));
	p->account_id = a->row.id;
	g_assert_true(weft_key_from_text(&p->key, key, strlen(key)));
	p->key_text = weft_key_to_text(&p->key);
	g_assert_true(weft_address_parse(&p->ip, text(o, "ip"), strlen(text(o, "ip"))));
	if (ip6[0] != '\0')
		g_assert_true(weft_address_parse(&p->ip6, ip6, strlen(ip6)));
	p->name = g_strdup(text(o, "dns_label"));
	p->dns_label = g_strdup(text(o, "dns_label"));
	p->user_id = g_strdup(text(o, "user_id"));
	p->ssh_key = g_strdup(text(o, "ssh_key"));
	p->connection_ip = g_strdup("");
	p->ssh_enabled = flag(o, "ssh_enabled");
	p->login_expiration_enabled = flag(o, "login_expiration_enabled");
	p->approval_required = flag(o, "approval_required");
	p->last_login_us = json_object_get_int_member(o, "last_login_us");
	get_meta(&p->meta, json_object_get_object_member(o, "meta"), deltas);
	mgmt_account_add_peer(a, p, NULL, NULL);
}

static void
add_group(MgmtAccount *a, JsonObject *o)
{
	struct mgmt_group *g = g_new0(struct mgmt_group, 1);
	g_autoptr(GArray) members = get_ids(o, "peers");

	get_id(&g->id, text(o, "id"));
	g->name = g_strdup(text(o, "name"));
	g->is_all = strcmp(g->name, "All") == 0;
	mgmt_account_put_group(a, g, members, NULL);
}

static void
get_resource(struct mgmt_resource *ret, JsonObject *o, const char *name)
{
	JsonObject *r;

	if (!json_object_has_member(o, name) || json_object_get_null_member(o, name))
		return;
	r = json_object_get_object_member(o, name);
	/* Only peers count in the rules between peers (management.md 8). */
	if (mgmt_resource_type_from_name(&ret->type, text(r, "type")) &&
	    ret->type == MGMT_RESOURCE_PEER)
		get_id(&ret->id, text(r, "id"));
	else
		ret->type = MGMT_RESOURCE_NONE;
}

static struct mgmt_rule *
make_rule(JsonObject *o)
{
	struct mgmt_rule *r = g_new0(struct mgmt_rule, 1);
	JsonArray *ports = json_object_get_array_member(o, "ports");
	JsonArray *ranges = json_object_get_array_member(o, "port_ranges");

	get_id(&r->id, text(o, "id"));
	r->name = g_strdup("");
	r->description = g_strdup("");
	r->enabled = flag(o, "enabled");
	r->bidirectional = flag(o, "bidirectional");
	g_assert_true(mgmt_action_from_name(&r->action, text(o, "action")));
	g_assert_true(mgmt_protocol_from_name(&r->protocol, text(o, "protocol")));
	r->sources = get_ids(o, "sources");
	r->destinations = get_ids(o, "destinations");
	get_resource(&r->source_resource, o, "source_resource");
	get_resource(&r->destination_resource, o, "destination_resource");
	r->ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));
	r->port_ranges = g_array_new(FALSE, FALSE, sizeof(struct mgmt_port_range));
	for (guint i = 0; i < json_array_get_length(ports); i++) {
		uint16_t port = (uint16_t) json_array_get_int_element(ports, i);

		g_array_append_val(r->ports, port);
	}
	for (guint i = 0; i < json_array_get_length(ranges); i++) {
		JsonObject *e = json_array_get_object_element(ranges, i);
		struct mgmt_port_range range = {
			(uint16_t) json_object_get_int_member(e, "start"),
			(uint16_t) json_object_get_int_member(e, "end"),
		};

		g_array_append_val(r->port_ranges, range);
	}
	return r;
}

static void
add_policy(MgmtAccount *a, JsonObject *o)
{
	struct mgmt_policy *p = g_new0(struct mgmt_policy, 1);
	JsonArray *rules = json_object_get_array_member(o, "rules");

	get_id(&p->id, text(o, "id"));
	p->name = g_strdup("");
	p->description = g_strdup("");
	p->enabled = flag(o, "enabled");
	p->rules = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_rule_free);
	for (guint i = 0; i < json_array_get_length(rules); i++)
		g_ptr_array_add(p->rules, make_rule(json_array_get_object_element(rules, i)));
	mgmt_account_put_policy(a, p, NULL);
}

static void
each(JsonObject *o, const char *name, MgmtAccount *a, void (*fn)(MgmtAccount *, JsonObject *))
{
	JsonArray *array = json_object_get_array_member(o, name);

	for (guint i = 0; i < json_array_get_length(array); i++)
		fn(a, json_array_get_object_element(array, i));
}

static void
add_plain_peer(MgmtAccount *a, JsonObject *o)
{
	add_peer(a, o, false);
}

static void
add_delta_peer(MgmtAccount *a, JsonObject *o)
{
	add_peer(a, o, true);
}

static MgmtAccount *
build(MgmtModel *model, JsonObject *o, bool deltas)
{
	JsonObject *network = json_object_get_object_member(o, "network");
	JsonObject *settings = json_object_get_object_member(o, "settings");
	const char *net = text(network, "net");
	const char *net6 = text(network, "net6");
	struct mgmt_account_row row = {
		.name = (char *) "x", .serial = (uint64_t) json_object_get_int_member(o, "serial")
	};
	MgmtAccount *a;

	get_id(&row.id, "00000000000000000000");
	g_assert_true(weft_prefix_parse(&row.net, net, strlen(net), false));
	g_assert_true(weft_prefix_parse(&row.net6, net6, strlen(net6), false));
	row.settings.dns_domain = (char *) (uintptr_t) text(settings, "dns_domain");
	row.settings.lazy_connections = flag(settings, "lazy_connections");
	row.settings.routing_peer_dns = flag(settings, "routing_peer_dns");
	row.settings.login_expiration_enabled = flag(settings, "login_expiration_enabled");
	row.settings.login_expiration_us =
		json_object_get_int_member(settings, "login_expiration_us");
	row.settings.ipv6_enabled = true;
	row.settings.ipv6_groups = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	a = mgmt_model_add_account(model, &row, NULL);
	each(o, "peers", a, deltas ? add_delta_peer : add_plain_peer);
	each(o, "groups", a, add_group);
	each(o, "policies", a, add_policy);
	g_array_append_val(row.settings.ipv6_groups, a->all->id);
	mgmt_account_set_row(a, &row, NULL);
	g_array_unref(row.settings.ipv6_groups);
	return a;
}

static void
print_hex(const GByteArray *bytes)
{
	for (guint i = 0; i < bytes->len; i++)
		printf("%02x", bytes->data[i]);
}

/* @states NULL: full maps. */
static void
print_maps(JsonObject *o, MgmtAccount *a, GHashTable *states)
{
	MgmtNetmap *netmap = mgmt_netmap_new(a);
	int64_t now_us = json_object_get_int_member(o, "now_us");
	bool first = true;

	for (guint i = 0; i < a->peers->len; i++) {
		const struct mgmt_peer *p = g_ptr_array_index(a->peers, i);
		g_autoptr(GByteArray) out = g_byte_array_new();
		struct mgmt_netmap_state *state = NULL;

		if (p == NULL)
			continue;
		if (states != NULL) {
			state = g_hash_table_lookup(states, p->id.s);
			if (state == NULL) {
				state = mgmt_netmap_state_new();
				g_hash_table_insert(states, g_strdup(p->id.s), state);
			}
		}
		mgmt_netmap_build(netmap, p, now_us, state, out);
		printf("%s\"%s\": \"", first ? "" : ", ", p->id.s);
		print_hex(out);
		printf("\"");
		first = false;
	}
	mgmt_netmap_free(netmap);
}

int
main(void)
{
	g_autoptr(GHashTable) states = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, (GDestroyNotify) mgmt_netmap_state_free);
	char *line = NULL;
	size_t size = 0;

	if (!weft_crypto_init())
		return 1;
	while (getline(&line, &size, stdin) > 0) {
		g_autoptr(JsonParser) parser = json_parser_new();
		g_autoptr(GError) error = NULL;
		JsonObject *o;
		MgmtModel *model;

		if (!json_parser_load_from_data(parser, line, -1, &error))
			g_error("%s", error->message);
		o = json_node_get_object(json_parser_get_root(parser));
		model = mgmt_model_new(weft_env_system());
		printf("{\"full\": {");
		print_maps(o, build(model, o, false), NULL);
		mgmt_model_free(model);
		model = mgmt_model_new(weft_env_system());
		printf("}, \"delta\": {");
		print_maps(o, build(model, o, true), states);
		mgmt_model_free(model);
		printf("}}\n");
		fflush(stdout);
	}
	free(line);
	return 0;
}

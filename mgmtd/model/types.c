/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/model/types.h"

#include <string.h>

static const char *const protocol_names[MGMT_PROTOCOL_COUNT_] = {
	[MGMT_PROTOCOL_ALL] = "all",
	[MGMT_PROTOCOL_TCP] = "tcp",
	[MGMT_PROTOCOL_UDP] = "udp",
	[MGMT_PROTOCOL_ICMP] = "icmp",
	[MGMT_PROTOCOL_NETBIRD_SSH] = "netbird-ssh",
};

static const char *const action_names[MGMT_ACTION_COUNT_] = {
	[MGMT_ACTION_ACCEPT] = "accept",
	[MGMT_ACTION_DROP] = "drop",
};

static const char *const resource_names[MGMT_RESOURCE_COUNT_] = {
	[MGMT_RESOURCE_NONE] = "",         [MGMT_RESOURCE_PEER] = "peer",
	[MGMT_RESOURCE_DOMAIN] = "domain", [MGMT_RESOURCE_HOST] = "host",
	[MGMT_RESOURCE_SUBNET] = "subnet",
};

static int
name_index(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

const char *
mgmt_protocol_name(enum mgmt_protocol protocol)
{
	return protocol_names[protocol];
}

bool
mgmt_protocol_from_name(enum mgmt_protocol *ret, const char *name)
{
	int i = name_index(protocol_names, MGMT_PROTOCOL_COUNT_, name);

	if (i < 0)
		return false;
	*ret = (enum mgmt_protocol) i;
	return true;
}

const char *
mgmt_action_name(enum mgmt_action action)
{
	return action_names[action];
}

bool
mgmt_action_from_name(enum mgmt_action *ret, const char *name)
{
	int i = name_index(action_names, MGMT_ACTION_COUNT_, name);

	if (i < 0)
		return false;
	*ret = (enum mgmt_action) i;
	return true;
}

const char *
mgmt_resource_type_name(enum mgmt_resource_type type)
{
	return resource_names[type];
}

bool
mgmt_resource_type_from_name(enum mgmt_resource_type *ret, const char *name)
{
	int i = name_index(resource_names, MGMT_RESOURCE_COUNT_, name);

	if (i < 0)
		return false;
	*ret = (enum mgmt_resource_type) i;
	return true;
}

static void
wipe_string(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	g_free(s);
}

static GArray *
array_copy(const GArray *a, guint element_size)
{
	GArray *copy = g_array_new(FALSE, FALSE, element_size);

	if (a != NULL && a->len > 0)
		g_array_append_vals(copy, a->data, a->len);
	return copy;
}

static void
array_free(GArray *a)
{
	if (a != NULL)
		g_array_unref(a);
}

void
mgmt_rule_free(struct mgmt_rule *rule)
{
	if (rule == NULL)
		return;
	g_free(rule->name);
	g_free(rule->description);
	array_free(rule->sources);
	array_free(rule->destinations);
	array_free(rule->ports);
	array_free(rule->port_ranges);
	g_free(rule);
}

static struct mgmt_rule *
rule_copy(const struct mgmt_rule *rule)
{
	struct mgmt_rule *copy = g_new(struct mgmt_rule, 1);

	*copy = *rule;
	copy->name = g_strdup(rule->name);
	copy->description = g_strdup(rule->description);
	copy->sources = array_copy(rule->sources, sizeof(struct mgmt_id));
	copy->destinations = array_copy(rule->destinations, sizeof(struct mgmt_id));
	copy->ports = array_copy(rule->ports, sizeof(uint16_t));
	copy->port_ranges = array_copy(rule->port_ranges, sizeof(struct mgmt_port_range));
	return copy;
}

void
mgmt_policy_free(struct mgmt_policy *policy)
{
	if (policy == NULL)
		return;
	g_free(policy->name);
	g_free(policy->description);
	if (policy->rules != NULL)
		g_ptr_array_unref(policy->rules);
	g_free(policy);
}

struct mgmt_policy *
mgmt_policy_copy(const struct mgmt_policy *policy)
{
	struct mgmt_policy *copy = g_new(struct mgmt_policy, 1);

	*copy = *policy;
	copy->name = g_strdup(policy->name);
	copy->description = g_strdup(policy->description);
	copy->rules = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_rule_free);
	for (guint i = 0; policy->rules != NULL && i < policy->rules->len; i++)
		g_ptr_array_add(copy->rules, rule_copy(g_ptr_array_index(policy->rules, i)));
	return copy;
}

void
mgmt_group_free(struct mgmt_group *group)
{
	if (group == NULL)
		return;
	g_free(group->name);
	mgmt_bitset_clear(&group->members);
	g_free(group);
}

struct mgmt_group *
mgmt_group_copy(const struct mgmt_group *group)
{
	struct mgmt_group *copy = g_new(struct mgmt_group, 1);

	*copy = *group;
	copy->name = g_strdup(group->name);
	copy->members = (struct mgmt_bitset){ 0 };
	return copy;
}

/* The strings of PeerSystemMeta: one table instead of four lists that must agree. */
static const size_t meta_strings[] = {
	offsetof(struct mgmt_meta, hostname),      offsetof(struct mgmt_meta, goos),
	offsetof(struct mgmt_meta, kernel),        offsetof(struct mgmt_meta, core),
	offsetof(struct mgmt_meta, platform),      offsetof(struct mgmt_meta, os),
	offsetof(struct mgmt_meta, os_version),    offsetof(struct mgmt_meta, version),
	offsetof(struct mgmt_meta, ui_version),    offsetof(struct mgmt_meta, kernel_version),
	offsetof(struct mgmt_meta, serial_number), offsetof(struct mgmt_meta, product_name),
	offsetof(struct mgmt_meta, manufacturer),  offsetof(struct mgmt_meta, cloud),
	offsetof(struct mgmt_meta, environment),
};

static const size_t meta_flags[] = {
	offsetof(struct mgmt_meta, rosenpass_enabled),
	offsetof(struct mgmt_meta, rosenpass_permissive),
	offsetof(struct mgmt_meta, server_ssh_allowed),
	offsetof(struct mgmt_meta, disable_client_routes),
	offsetof(struct mgmt_meta, disable_server_routes),
	offsetof(struct mgmt_meta, disable_dns),
	offsetof(struct mgmt_meta, disable_firewall),
	offsetof(struct mgmt_meta, block_lan_access),
	offsetof(struct mgmt_meta, block_inbound),
	offsetof(struct mgmt_meta, disable_ipv6),
	offsetof(struct mgmt_meta, lazy_connection_enabled),
};

static char **
meta_string(const struct mgmt_meta *meta, size_t i)
{
	return (char **) (void *) ((char *) (uintptr_t) meta + meta_strings[i]);
}

static bool
meta_flag(const struct mgmt_meta *meta, size_t i)
{
	return *(const bool *) ((const char *) meta + meta_flags[i]);
}

static void
network_address_clear(void *p)
{
	struct mgmt_network_address *a = p;

	g_free(a->prefix);
	g_free(a->mac);
}

static GArray *
network_addresses_new(void)
{
	GArray *a = g_array_new(FALSE, FALSE, sizeof(struct mgmt_network_address));

	g_array_set_clear_func(a, network_address_clear);
	return a;
}

void
mgmt_meta_init(struct mgmt_meta *meta)
{
	*meta = (struct mgmt_meta){ 0 };
	for (size_t i = 0; i < G_N_ELEMENTS(meta_strings); i++)
		*meta_string(meta, i) = g_strdup("");
	meta->network_addresses = network_addresses_new();
	meta->capabilities = g_array_new(FALSE, FALSE, sizeof(int32_t));
}

void
mgmt_meta_clear(struct mgmt_meta *meta)
{
	for (size_t i = 0; i < G_N_ELEMENTS(meta_strings); i++)
		g_free(*meta_string(meta, i));
	array_free(meta->network_addresses);
	array_free(meta->capabilities);
	*meta = (struct mgmt_meta){ 0 };
}

void
mgmt_meta_copy(struct mgmt_meta *dst, const struct mgmt_meta *src)
{
	struct mgmt_meta copy = *src;

	for (size_t i = 0; i < G_N_ELEMENTS(meta_strings); i++)
		*meta_string(&copy, i) = g_strdup(*meta_string(src, i));
	copy.network_addresses = network_addresses_new();
	for (guint i = 0; src->network_addresses != NULL && i < src->network_addresses->len; i++) {
		const struct mgmt_network_address *a =
			&g_array_index(src->network_addresses, struct mgmt_network_address, i);
		struct mgmt_network_address b = { g_strdup(a->prefix), g_strdup(a->mac) };

		g_array_append_val(copy.network_addresses, b);
	}
	copy.capabilities = array_copy(src->capabilities, sizeof(int32_t));
	*dst = copy;
}

bool
mgmt_meta_has_capability(const struct mgmt_meta *meta, int32_t capability)
{
	for (guint i = 0; meta->capabilities != NULL && i < meta->capabilities->len; i++)
		if (g_array_index(meta->capabilities, int32_t, i) == capability)
			return true;
	return false;
}

static guint
array_len(const GArray *a)
{
	return a == NULL ? 0 : a->len;
}

static bool
network_addresses_equal(const GArray *a, const GArray *b)
{
	if (array_len(a) != array_len(b))
		return false;
	for (guint i = 0; i < array_len(a); i++) {
		const struct mgmt_network_address *x =
			&g_array_index(a, struct mgmt_network_address, i);
		const struct mgmt_network_address *y =
			&g_array_index(b, struct mgmt_network_address, i);

		if (g_strcmp0(x->prefix, y->prefix) != 0 || g_strcmp0(x->mac, y->mac) != 0)
			return false;
	}
	return true;
}

bool
mgmt_meta_equal(const struct mgmt_meta *a, const struct mgmt_meta *b)
{
	for (size_t i = 0; i < G_N_ELEMENTS(meta_strings); i++)
		if (g_strcmp0(*meta_string(a, i), *meta_string(b, i)) != 0)
			return false;
	for (size_t i = 0; i < G_N_ELEMENTS(meta_flags); i++)
		if (meta_flag(a, i) != meta_flag(b, i))
			return false;
	if (a->sync_message_version != b->sync_message_version ||
	    array_len(a->capabilities) != array_len(b->capabilities))
		return false;
	if (array_len(a->capabilities) > 0 && memcmp(a->capabilities->data, b->capabilities->data,
						     a->capabilities->len * sizeof(int32_t)) != 0)
		return false;
	return network_addresses_equal(a->network_addresses, b->network_addresses);
}

void
mgmt_peer_free(struct mgmt_peer *peer)
{
	if (peer == NULL)
		return;
	g_free(peer->name);
	g_free(peer->dns_label);
	g_free(peer->user_id);
	g_free(peer->ssh_key);
	g_free(peer->connection_ip);
	mgmt_meta_clear(&peer->meta);
	mgmt_bitset_clear(&peer->groups);
	g_free(peer);
}

struct mgmt_peer *
mgmt_peer_copy(const struct mgmt_peer *peer)
{
	struct mgmt_peer *copy = g_new(struct mgmt_peer, 1);

	*copy = *peer;
	copy->name = g_strdup(peer->name);
	copy->dns_label = g_strdup(peer->dns_label);
	copy->user_id = g_strdup(peer->user_id);
	copy->ssh_key = g_strdup(peer->ssh_key);
	copy->connection_ip = g_strdup(peer->connection_ip);
	mgmt_meta_copy(&copy->meta, &peer->meta);
	copy->groups = (struct mgmt_bitset){ 0 };
	mgmt_bitset_copy(&copy->groups, &peer->groups);
	return copy;
}

void
mgmt_setup_key_free(struct mgmt_setup_key *key)
{
	if (key == NULL)
		return;
	g_free(key->name);
	wipe_string(key->hash);
	g_free(key->masked);
	array_free(key->auto_groups);
	g_free(key);
}

struct mgmt_setup_key *
mgmt_setup_key_copy(const struct mgmt_setup_key *key)
{
	struct mgmt_setup_key *copy = g_new(struct mgmt_setup_key, 1);

	*copy = *key;
	copy->name = g_strdup(key->name);
	copy->hash = g_strdup(key->hash);
	copy->masked = g_strdup(key->masked);
	copy->auto_groups = array_copy(key->auto_groups, sizeof(struct mgmt_id));
	return copy;
}

void
mgmt_token_free(struct mgmt_token *token)
{
	if (token == NULL)
		return;
	g_free(token->name);
	wipe_string(token->hash);
	g_free(token);
}

void
mgmt_event_clear(struct mgmt_event *event)
{
	g_free(event->initiator);
	g_free(event->target);
	g_free(event->meta);
	*event = (struct mgmt_event){ 0 };
}

void
mgmt_account_row_copy(struct mgmt_account_row *dst, const struct mgmt_account_row *src)
{
	struct mgmt_account_row copy = *src;

	copy.name = g_strdup(src->name);
	copy.settings.dns_domain = g_strdup(src->settings.dns_domain);
	copy.settings.ipv6_groups = array_copy(src->settings.ipv6_groups, sizeof(struct mgmt_id));
	*dst = copy;
}

void
mgmt_account_row_clear(struct mgmt_account_row *row)
{
	g_free(row->name);
	g_free(row->settings.dns_domain);
	array_free(row->settings.ipv6_groups);
	*row = (struct mgmt_account_row){ 0 };
}

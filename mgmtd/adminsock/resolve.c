/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What administrators call things. */
#include "mgmtd/adminsock/internal.h"

#include <string.h>

static void *
decide(void *found, unsigned matches, const char *what, const char *name, GError **error)
{
	if (matches == 1)
		return found;
	if (matches == 0)
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND, "no %s '%s'", what, name);
	else
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
			    "%u %ss are called '%s': use the id", matches, what, name);
	return NULL;
}

struct mgmt_peer *
mgmt_resolve_peer(const MgmtAccount *a, const char *name, GError **error)
{
	struct mgmt_peer *found = NULL;
	struct weft_address ip;
	struct mgmt_id id;
	unsigned matches = 0;

	if (mgmt_id_parse(&id, name, strlen(name)))
		found = mgmt_account_peer(a, &id);
	if (found == NULL && weft_address_parse(&ip, name, strlen(name)))
		found = mgmt_account_peer_by_ip(a, &ip);
	if (found == NULL)
		found = mgmt_account_peer_by_label(a, name);
	if (found != NULL)
		return found;
	for (guint i = 0; i < a->peers->len; i++) {
		struct mgmt_peer *p = g_ptr_array_index(a->peers, i);

		if (p == NULL || (strcmp(p->name, name) != 0 && strcmp(p->key_text.s, name) != 0))
			continue;
		found = p;
		matches++;
	}
	return decide(found, matches, "peer", name, error);
}

struct mgmt_group *
mgmt_resolve_group(const MgmtAccount *a, const char *name, GError **error)
{
	struct mgmt_group *found = NULL;
	struct mgmt_id id;

	if (mgmt_id_parse(&id, name, strlen(name)))
		found = mgmt_account_group(a, &id);
	if (found == NULL)
		found = mgmt_account_group_by_name(a, name);
	return decide(found, found != NULL, "group", name, error);
}

struct mgmt_policy *
mgmt_resolve_policy(const MgmtAccount *a, const char *name, GError **error)
{
	struct mgmt_policy *found = NULL;
	unsigned matches = 0;

	for (guint i = 0; i < a->policies->len; i++) {
		struct mgmt_policy *p = g_ptr_array_index(a->policies, i);

		if (strcmp(p->id.s, name) == 0)
			return p;
		if (strcmp(p->name, name) == 0) {
			found = p;
			matches++;
		}
	}
	return decide(found, matches, "policy", name, error);
}

struct mgmt_setup_key *
mgmt_resolve_setup_key(const MgmtAccount *a, const char *name, GError **error)
{
	struct mgmt_setup_key *found = NULL;
	unsigned matches = 0;

	for (guint i = 0; i < a->setup_keys->len; i++) {
		struct mgmt_setup_key *k = g_ptr_array_index(a->setup_keys, i);

		if (strcmp(k->id.s, name) == 0)
			return k;
		if (strcmp(k->name, name) == 0) {
			found = k;
			matches++;
		}
	}
	return decide(found, matches, "setup key", name, error);
}

struct mgmt_token *
mgmt_resolve_token(const MgmtAccount *a, const char *name, GError **error)
{
	struct mgmt_token *found = NULL;
	unsigned matches = 0;

	for (guint i = 0; i < a->tokens->len; i++) {
		struct mgmt_token *t = g_ptr_array_index(a->tokens, i);

		if (strcmp(t->id.s, name) == 0)
			return t;
		if (strcmp(t->name, name) == 0) {
			found = t;
			matches++;
		}
	}
	return decide(found, matches, "token", name, error);
}

GArray *
mgmt_resolve_groups(const MgmtAccount *a, char *const *names, size_t n, GError **error)
{
	g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));

	for (size_t i = 0; i < n; i++) {
		const struct mgmt_group *g = mgmt_resolve_group(a, names[i], error);

		if (g == NULL)
			return NULL;
		g_array_append_val(ids, g->id);
	}
	return g_steal_pointer(&ids);
}

GArray *
mgmt_resolve_peers(const MgmtAccount *a, char *const *names, size_t n, GError **error)
{
	g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));

	for (size_t i = 0; i < n; i++) {
		const struct mgmt_peer *p = mgmt_resolve_peer(a, names[i], error);

		if (p == NULL)
			return NULL;
		g_array_append_val(ids, p->id);
	}
	return g_steal_pointer(&ids);
}

static bool
resolve_ports(const Weft__Admin__Rule *request, struct mgmt_rule *rule, GError **error)
{
	for (size_t i = 0; i < request->n_ports; i++) {
		g_auto(GStrv) ends = g_strsplit(request->ports[i], "-", 2);
		struct mgmt_port_range range;
		guint64 start, end;

		if (!g_ascii_string_to_unsigned(ends[0] == NULL ? "" : ends[0], 10, 1, 65535,
						&start, NULL) ||
		    (ends[1] != NULL &&
		     (!g_ascii_string_to_unsigned(ends[1], 10, 1, 65535, &end, NULL) ||
		      end < start))) {
			g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
				    "'%s' is no port (1 to 65535) and no range (as 6000-6010)",
				    request->ports[i]);
			return false;
		}
		range.start = (uint16_t) start;
		range.end = ends[1] == NULL ? range.start : (uint16_t) end;
		if (ends[1] == NULL)
			g_array_append_val(rule->ports, range.start);
		else
			g_array_append_val(rule->port_ranges, range);
	}
	/* Clients read either ports or ranges (management.md 17.3): single ports become ranges. */
	for (guint i = 0; rule->port_ranges->len > 0 && i < rule->ports->len; i++) {
		uint16_t port = g_array_index(rule->ports, uint16_t, i);
		struct mgmt_port_range range = { port, port };

		g_array_append_val(rule->port_ranges, range);
	}
	if (rule->port_ranges->len > 0)
		g_array_set_size(rule->ports, 0);
	return true;
}

static bool
resolve_side(const MgmtAccount *a,
	     const char *peer,
	     char *const *groups,
	     size_t n_groups,
	     struct mgmt_resource *ret_resource,
	     GArray **ret_groups,
	     GError **error)
{
	const struct mgmt_peer *p;

	*ret_groups = mgmt_resolve_groups(a, groups, n_groups, error);
	if (*ret_groups == NULL)
		return false;
	if (peer[0] == '\0')
		return true;
	p = mgmt_resolve_peer(a, peer, error);
	if (p != NULL)
		*ret_resource = (struct mgmt_resource){ MGMT_RESOURCE_PEER, p->id };
	return p != NULL;
}

static bool
resolve_rule(const MgmtAccount *a,
	     const Weft__Admin__Rule *request,
	     struct mgmt_rule *rule,
	     GError **error)
{
	rule->name = g_strdup(request->name);
	rule->description = g_strdup(request->description);
	rule->enabled = request->enabled;
	rule->bidirectional = request->bidirectional;
	rule->ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));
	rule->port_ranges = g_array_new(FALSE, FALSE, sizeof(struct mgmt_port_range));
	if (request->id[0] != '\0' && !mgmt_id_parse(&rule->id, request->id, strlen(request->id))) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID, "'%s' is no id of a rule",
			    request->id);
		return false;
	}
	if (!mgmt_action_from_name(&rule->action,
				   request->action[0] == '\0' ? "accept" : request->action)) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
			    "action '%s' is neither accept nor drop", request->action);
		return false;
	}
	if (!mgmt_protocol_from_name(&rule->protocol,
				     request->protocol[0] == '\0' ? "all" : request->protocol)) {
		g_set_error(error, MGMT_ERROR, MGMT_ERROR_INVALID,
			    "protocol '%s' is none of all, tcp, udp, icmp, netbird-ssh",
			    request->protocol);
		return false;
	}
	return resolve_ports(request, rule, error) &&
	       resolve_side(a, request->source_peer, request->sources, request->n_sources,
			    &rule->source_resource, &rule->sources, error) &&
	       resolve_side(a, request->destination_peer, request->destinations,
			    request->n_destinations, &rule->destination_resource,
			    &rule->destinations, error);
}

struct mgmt_policy *
mgmt_resolve_policy_request(const MgmtAccount *a,
			    const Weft__Admin__Policy *request,
			    GError **error)
{
	struct mgmt_policy *policy = g_new0(struct mgmt_policy, 1);

	policy->name = g_strdup(request->name);
	policy->description = g_strdup(request->description);
	policy->enabled = request->enabled;
	policy->rules = g_ptr_array_new_with_free_func((GDestroyNotify) mgmt_rule_free);
	if (request->id[0] != '\0') {
		const struct mgmt_policy *old = mgmt_resolve_policy(a, request->id, error);

		if (old == NULL) {
			mgmt_policy_free(policy);
			return NULL;
		}
		policy->id = old->id;
	}
	for (size_t i = 0; i < request->n_rules; i++) {
		struct mgmt_rule *rule = g_new0(struct mgmt_rule, 1);

		g_ptr_array_add(policy->rules, rule);
		if (!resolve_rule(a, request->rules[i], rule, error)) {
			g_prefix_error(error, "rule %zu: ", i + 1);
			mgmt_policy_free(policy);
			return NULL;
		}
	}
	return policy;
}

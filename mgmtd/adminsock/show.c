/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects of the model as messages. */
#include "base/env.h"
#include "mgmtd/adminsock/internal.h"
#include "mgmtd/netmap/fragments.h"

#include <string.h>

void *
scope_alloc(struct scope *s, size_t size)
{
	void *p = g_malloc0(MAX(size, 1));

	if (s->owned == NULL)
		s->owned = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(s->owned, p);
	return p;
}

char *
scope_take(struct scope *s, char *text)
{
	if (s->owned == NULL)
		s->owned = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(s->owned, text);
	return text;
}

char *
scope_text(struct scope *s, const char *text)
{
	return scope_take(s, g_strdup(text));
}

void
scope_clear(struct scope *s)
{
	g_clear_pointer(&s->owned, g_ptr_array_unref);
}

static char *
show_address(struct scope *s, const struct weft_address *a)
{
	char text[WEFT_ADDRESS_TEXT_SIZE];

	return scope_text(s, a->family == WEFT_FAMILY_NONE ? "" : weft_address_format(a, text));
}

static char *
show_prefix(struct scope *s, const struct weft_prefix *p)
{
	char text[WEFT_PREFIX_TEXT_SIZE];

	return scope_text(s, weft_prefix_format(p, text));
}

/* Names of groups given by ids; an id that is gone stands for itself. */
static char **
show_groups(struct scope *s, const MgmtAccount *a, const GArray *ids, size_t *ret_n)
{
	size_t n = ids == NULL ? 0 : ids->len;
	char **names = scope_alloc(s, n * sizeof *names);

	for (size_t i = 0; i < n; i++) {
		const struct mgmt_id *id = &g_array_index(ids, struct mgmt_id, i);
		const struct mgmt_group *g = mgmt_account_group(a, id);

		names[i] = scope_text(s, g == NULL ? id->s : g->name);
	}
	*ret_n = n;
	return names;
}

void
mgmt_show_account(MgmtAdminSock *sock,
		  struct scope *s,
		  const MgmtAccount *a,
		  Weft__Admin__Account *ret)
{
	const struct mgmt_settings *settings = &a->row.settings;

	weft__admin__account__init(ret);
	ret->id = scope_text(s, a->row.id.s);
	ret->name = scope_text(s, a->row.name);
	ret->created = a->row.created_us;
	ret->network = show_prefix(s, &a->row.net);
	ret->network6 = show_prefix(s, &a->row.net6);
	ret->serial = a->row.serial;
	ret->dns_domain = scope_text(s, settings->dns_domain);
	ret->lazy_connections = settings->lazy_connections;
	ret->peer_approval = settings->peer_approval;
	ret->ipv6 = settings->ipv6_enabled;
	ret->ipv6_groups = show_groups(s, a, settings->ipv6_groups, &ret->n_ipv6_groups);
	ret->routing_peer_dns = settings->routing_peer_dns;
	ret->login_expiration = settings->login_expiration_enabled;
	ret->login_expiration_us = settings->login_expiration_us;
	ret->peers = a->n_peers;
	for (guint i = 0; i < a->peers->len; i++) {
		const struct mgmt_peer *p = g_ptr_array_index(a->peers, i);

		if (p != NULL && mgmt_push_is_connected(sock->push, &p->id))
			ret->connected++;
	}
}

void
mgmt_show_peer(MgmtAdminSock *sock,
	       struct scope *s,
	       const MgmtAccount *a,
	       const struct mgmt_peer *p,
	       Weft__Admin__Peer *ret)
{
	size_t n = 0;

	weft__admin__peer__init(ret);
	ret->id = scope_text(s, p->id.s);
	ret->name = scope_text(s, p->name);
	ret->fqdn = scope_take(s, mgmt_peer_fqdn(a, p));
	ret->ip = show_address(s, &p->ip);
	ret->ip6 = show_address(s, &p->ip6);
	ret->key = scope_text(s, p->key_text.s);
	ret->connected = mgmt_push_is_connected(sock->push, &p->id);
	ret->last_seen = p->last_seen_us;
	ret->created = p->created_us;
	ret->version = scope_text(s, p->meta.version);
	ret->ui_version = scope_text(s, p->meta.ui_version);
	ret->os = scope_take(s, g_strdup_printf("%s %s", p->meta.os, p->meta.os_version));
	ret->hostname = scope_text(s, p->meta.hostname);
	ret->connection_ip = scope_text(s, p->connection_ip);
	ret->approval_required = p->approval_required;
	ret->ephemeral = p->ephemeral;
	ret->login_expired = p->login_expired;
	ret->groups = scope_alloc(s, mgmt_bitset_count(&p->groups) * sizeof *ret->groups);
	for (int64_t i = mgmt_bitset_next(&p->groups, 0); i >= 0;
	     i = mgmt_bitset_next(&p->groups, i + 1)) {
		const struct mgmt_group *g = g_ptr_array_index(a->groups, (guint) i);

		ret->groups[n++] = scope_text(s, g->name);
	}
	ret->n_groups = n;
}

void
mgmt_show_group(struct scope *s,
		const MgmtAccount *a,
		const struct mgmt_group *g,
		Weft__Admin__Group *ret)
{
	size_t n = 0;

	weft__admin__group__init(ret);
	ret->id = scope_text(s, g->id.s);
	ret->name = scope_text(s, g->name);
	ret->is_all = g->is_all;
	ret->created = g->created_us;
	ret->peers = scope_alloc(s, mgmt_bitset_count(&g->members) * sizeof *ret->peers);
	for (int64_t i = mgmt_bitset_next(&g->members, 0); i >= 0;
	     i = mgmt_bitset_next(&g->members, i + 1)) {
		const struct mgmt_peer *p = g_ptr_array_index(a->peers, (guint) i);

		ret->peers[n++] = scope_text(s, p->name);
	}
	ret->n_peers = n;
}

static char *
show_resource(struct scope *s, const MgmtAccount *a, const struct mgmt_resource *resource)
{
	const struct mgmt_peer *p;

	if (resource->type == MGMT_RESOURCE_NONE)
		return scope_text(s, "");
	p = resource->type == MGMT_RESOURCE_PEER ? mgmt_account_peer(a, &resource->id) : NULL;
	return scope_text(s, p == NULL ? resource->id.s : p->name);
}

static void
show_ports(struct scope *s, const struct mgmt_rule *r, Weft__Admin__Rule *ret)
{
	size_t n = 0;

	ret->ports = scope_alloc(s, (r->ports->len + r->port_ranges->len) * sizeof *ret->ports);
	for (guint i = 0; i < r->ports->len; i++)
		ret->ports[n++] =
			scope_take(s, g_strdup_printf("%u", g_array_index(r->ports, uint16_t, i)));
	for (guint i = 0; i < r->port_ranges->len; i++) {
		struct mgmt_port_range range =
			g_array_index(r->port_ranges, struct mgmt_port_range, i);

		ret->ports[n++] =
			scope_take(s, range.start == range.end
					      ? g_strdup_printf("%u", range.start)
					      : g_strdup_printf("%u-%u", range.start, range.end));
	}
	ret->n_ports = n;
}

static void
show_rule(struct scope *s, const MgmtAccount *a, const struct mgmt_rule *r, Weft__Admin__Rule *ret)
{
	weft__admin__rule__init(ret);
	ret->id = scope_text(s, r->id.s);
	ret->name = scope_text(s, r->name);
	ret->description = scope_text(s, r->description);
	ret->enabled = r->enabled;
	ret->action = scope_text(s, mgmt_action_name(r->action));
	ret->protocol = scope_text(s, mgmt_protocol_name(r->protocol));
	ret->bidirectional = r->bidirectional;
	ret->sources = show_groups(s, a, r->sources, &ret->n_sources);
	ret->destinations = show_groups(s, a, r->destinations, &ret->n_destinations);
	ret->source_peer = show_resource(s, a, &r->source_resource);
	ret->destination_peer = show_resource(s, a, &r->destination_resource);
	show_ports(s, r, ret);
}

void
mgmt_show_policy(struct scope *s,
		 const MgmtAccount *a,
		 const struct mgmt_policy *p,
		 Weft__Admin__Policy *ret)
{
	weft__admin__policy__init(ret);
	ret->id = scope_text(s, p->id.s);
	ret->name = scope_text(s, p->name);
	ret->description = scope_text(s, p->description);
	ret->enabled = p->enabled;
	ret->created = p->created_us;
	ret->n_rules = p->rules->len;
	ret->rules = scope_alloc(s, p->rules->len * sizeof *ret->rules);
	for (guint i = 0; i < p->rules->len; i++) {
		ret->rules[i] = scope_alloc(s, sizeof **ret->rules);
		show_rule(s, a, g_ptr_array_index(p->rules, i), ret->rules[i]);
	}
}

void
mgmt_show_setup_key(MgmtAdminSock *sock,
		    struct scope *s,
		    const MgmtAccount *a,
		    const struct mgmt_setup_key *k,
		    Weft__Admin__SetupKey *ret)
{
	int64_t now_us = weft_env_wall_us(sock->env);

	weft__admin__setup_key__init(ret);
	ret->id = scope_text(s, k->id.s);
	ret->name = scope_text(s, k->name);
	ret->type = scope_text(s, k->type == MGMT_SETUP_KEY_ONE_OFF ? "one-off" : "reusable");
	ret->masked = scope_text(s, k->masked);
	ret->revoked = k->revoked;
	ret->valid = !k->revoked && (k->expires_us == 0 || k->expires_us > now_us) &&
		     (k->usage_limit == 0 || k->used_times < k->usage_limit);
	ret->ephemeral = k->ephemeral;
	ret->allow_extra_dns_labels = k->allow_extra_dns_labels;
	ret->created = k->created_us;
	ret->expires = k->expires_us;
	ret->last_used = k->last_used_us;
	ret->used_times = k->used_times;
	ret->usage_limit = k->usage_limit;
	ret->groups = show_groups(s, a, k->auto_groups, &ret->n_groups);
}

void
mgmt_show_token(struct scope *s, const struct mgmt_token *t, Weft__Admin__Token *ret)
{
	weft__admin__token__init(ret);
	ret->id = scope_text(s, t->id.s);
	ret->name = scope_text(s, t->name);
	ret->created = t->created_us;
	ret->expires = t->expires_us;
}

/* The texts of management.md 16 for what can happen so far. */
static const struct {
	int activity;
	const char *code;
} codes[] = {
	{ 1, "peer.setupkey.add" },
	{ 4, "account.create" },
	{ 5, "user.peer.delete" },
	{ 9, "policy.add" },
	{ 10, "policy.update" },
	{ 11, "policy.delete" },
	{ 12, "setupkey.add" },
	{ 14, "setupkey.revoke" },
	{ 15, "setupkey.overuse" },
	{ 16, "group.add" },
	{ 17, "group.update" },
	{ 18, "peer.group.add" },
	{ 19, "peer.group.delete" },
	{ 32, "peer.rename" },
	{ 38, "account.setting.peer.login.expiration.enable" },
	{ 39, "account.setting.peer.login.expiration.disable" },
	{ 40, "account.setting.peer.login.expiration.update" },
	{ 41, "personal.access.token.create" },
	{ 42, "personal.access.token.delete" },
	{ 48, "group.delete" },
	{ 55, "account.setting.peer.approval.enable" },
	{ 56, "account.setting.peer.approval.disable" },
	{ 57, "peer.approve" },
	{ 71, "account.setting.routing.peer.dns.resolution.enable" },
	{ 72, "account.setting.routing.peer.dns.resolution.disable" },
	{ 84, "account.dns.domain.update" },
	{ 85, "account.setting.lazy.connection.enable" },
	{ 86, "account.setting.lazy.connection.disable" },
	{ 121, "account.setting.ipv6.enable" },
	{ 122, "account.setting.ipv6.disable" },
	{ 15001, "account.rename" },
};

const char *
mgmt_activity_code(int activity)
{
	for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
		if (codes[i].activity == activity)
			return codes[i].code;
	return "";
}

void
mgmt_show_event(const struct mgmt_event *e, Weft__Admin__Event *ret)
{
	weft__admin__event__init(ret);
	ret->id = e->id;
	ret->time = e->time_us;
	ret->activity = e->activity;
	ret->code = (char *) (uintptr_t) mgmt_activity_code(e->activity);
	ret->initiator = e->initiator;
	ret->target = e->target;
	ret->meta = e->meta;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/netmap/view.h"

#include "mgmtd/model/internal.h"
#include "mgmtd/model/version.h"
#include "mgmtd/netmap/netmap.h"
#include "mgmtd/netmap/pack.h"

#include <string.h>

#define PORT_SSH           22
#define PORT_NATIVE_SSH    22022

#define FORWARDER_PORT     22054
#define FORWARDER_PORT_OLD 5353

enum { DIRECTION_IN = 0, DIRECTION_OUT = 1 };

/* What one port entry becomes (management.md 17.3). */
struct port_spec {
	enum { PORT_ANY, PORT_ONE, PORT_RANGE } kind;
	uint16_t start, end;
};

static void
add_spec(GArray *specs, int kind, uint16_t start, uint16_t end)
{
	struct port_spec s = { .kind = kind, .start = start, .end = end };

	g_array_append_val(specs, s);
}

/* Whether the rule itself names the port, whatever this client can be told of it. */
static bool
covers(const struct mgmt_rule *rule, uint16_t port)
{
	for (guint i = 0; i < rule->ports->len; i++)
		if (g_array_index(rule->ports, uint16_t, i) == port)
			return true;
	for (guint i = 0; i < rule->port_ranges->len; i++) {
		struct mgmt_port_range r =
			g_array_index(rule->port_ranges, struct mgmt_port_range, i);

		if (r.start <= port && port <= r.end)
			return true;
	}
	return false;
}

static void
add_ranges(GArray *specs, const struct mgmt_rule *rule, bool knows_ranges)
{
	for (guint i = 0; i < rule->port_ranges->len; i++) {
		struct mgmt_port_range r =
			g_array_index(rule->port_ranges, struct mgmt_port_range, i);

		if (knows_ranges)
			add_spec(specs, PORT_RANGE, r.start, r.end);
		else if (r.start == r.end)
			add_spec(specs, PORT_ONE, r.start, r.start);
	}
}

static GArray *
expand_ports(const struct mgmt_rule *rule, const struct mgmt_peer *receiver)
{
	GArray *specs = g_array_new(FALSE, FALSE, sizeof(struct port_spec));
	bool ssh = rule->protocol == MGMT_PROTOCOL_NETBIRD_SSH;
	bool native = ssh || (rule->protocol == MGMT_PROTOCOL_TCP && receiver->ssh_enabled &&
			      receiver->meta.server_ssh_allowed &&
			      mgmt_version_at_least(receiver->meta.version, 0, 60, 0));
	bool native_too = false;

	for (guint i = 0; i < rule->ports->len; i++) {
		uint16_t port = g_array_index(rule->ports, uint16_t, i);

		add_spec(specs, PORT_ONE, port, port);
	}
	if (rule->ports->len == 0)
		add_ranges(specs, rule, mgmt_version_at_least(receiver->meta.version, 0, 48, 0));
	if (rule->ports->len == 0 && rule->port_ranges->len == 0) {
		/* An SSH rule without ports means SSH, not every port (protocol.md 10.3). */
		if (ssh)
			add_spec(specs, PORT_ONE, PORT_SSH, PORT_SSH);
		else
			add_spec(specs, PORT_ANY, 0, 0);
		native_too = ssh;
	}
	if (native_too || (native && covers(rule, PORT_SSH) && !covers(rule, PORT_NATIVE_SSH)))
		add_spec(specs, PORT_ONE, PORT_NATIVE_SSH, PORT_NATIVE_SSH);
	return specs;
}

static unsigned
wire_protocol(enum mgmt_protocol protocol)
{
	static const unsigned numbers[MGMT_PROTOCOL_COUNT_] = {
		[MGMT_PROTOCOL_ALL] = 1,  [MGMT_PROTOCOL_TCP] = 2,         [MGMT_PROTOCOL_UDP] = 3,
		[MGMT_PROTOCOL_ICMP] = 4, [MGMT_PROTOCOL_NETBIRD_SSH] = 2,
	};

	return numbers[protocol];
}

/* PortInfo: a range, {0, 0} (and so without fields) when unrestricted. */
static void
pack_port_info(GByteArray *out, const struct port_spec *spec)
{
	g_autoptr(GByteArray) range = g_byte_array_new();
	g_autoptr(GByteArray) info = g_byte_array_new();

	mgmt_pack_uint(range, 1, spec->start);
	mgmt_pack_uint(range, 2, spec->end);
	mgmt_pack_message(info, 2, range);
	mgmt_pack_message(out, 6, info);
}

static GByteArray *
pack_variant(const struct mgmt_compiled_rule *r, unsigned direction, const struct port_spec *spec)
{
	GByteArray *out = g_byte_array_new();
	bool has_ports =
		wire_protocol(r->rule->protocol) == 2 || wire_protocol(r->rule->protocol) == 3;
	char port[8];

	mgmt_pack_uint(out, 2, direction);
	mgmt_pack_uint(out, 3, r->rule->action == MGMT_ACTION_DROP ? 1 : 0);
	mgmt_pack_uint(out, 4, wire_protocol(r->rule->protocol));
	if (spec->kind == PORT_ONE) {
		g_snprintf(port, sizeof port, "%u", spec->start);
		mgmt_pack_text(out, 5, port);
	} else if (has_ports) {
		pack_port_info(out, spec);
	}
	mgmt_pack_bytes(out, 7, r->policy->id.s, strlen(r->policy->id.s));
	return out;
}

static void
view_rule_free(void *p)
{
	struct mgmt_view_rule *r = p;

	g_ptr_array_unref(r->variants);
	mgmt_bitset_clear(&r->peers);
	g_free(r);
}

static void
variant_free(void *p)
{
	g_byte_array_unref(p);
}

/* Takes the contents of @peers. */
static void
add_direction(struct mgmt_view *view,
	      const struct mgmt_compiled_rule *r,
	      unsigned direction,
	      const GArray *specs,
	      struct mgmt_bitset *peers)
{
	struct mgmt_view_rule *out;

	/* Without a port entry that this client understands there is nothing to say; an entry in
	 * the list would make a map without rules look as if it had some, which clients read as
	 * "allow everything". */
	if (mgmt_bitset_is_empty(peers) || specs->len == 0) {
		mgmt_bitset_clear(peers);
		return;
	}
	out = g_new0(struct mgmt_view_rule, 1);
	out->variants = g_ptr_array_new_with_free_func(variant_free);
	for (guint i = 0; i < specs->len; i++)
		g_ptr_array_add(
			out->variants,
			pack_variant(r, direction, &g_array_index(specs, struct port_spec, i)));
	/* Low bits for the variant: a rule has at most a few thousand port entries. */
	out->id = mgmt_pack_hash(r->rule->id.s, MGMT_ID_LEN, direction + 1) << 16 | 1;
	out->peers = *peers;
	*peers = (struct mgmt_bitset){ 0 };
	g_ptr_array_add(view->rules, out);
}

/* Clients from this version on have a stateful firewall and skip OUT rules (protocol.md 2.9). */
static bool
reads_out_rules(const struct mgmt_peer *receiver)
{
	return !receiver->has_deltas && !mgmt_version_at_least(receiver->meta.version, 0, 60, 0);
}

/* Rules that mean SSH without saying so: all, or tcp with one of SSH's ports. */
static bool
is_legacy_ssh(const struct mgmt_rule *rule)
{
	if (rule->protocol == MGMT_PROTOCOL_ALL)
		return true;
	if (rule->protocol != MGMT_PROTOCOL_TCP)
		return false;
	return covers(rule, PORT_SSH) || covers(rule, PORT_NATIVE_SSH);
}

static void
add_rule(struct mgmt_view *view, const struct mgmt_compiled_rule *r, const struct mgmt_peer *peer)
{
	bool in_s = mgmt_bitset_has(&r->sources, peer->index);
	bool in_d = mgmt_bitset_has(&r->destinations, peer->index);
	struct mgmt_bitset in = { 0 };
	struct mgmt_bitset out = { 0 };
	g_autoptr(GArray) specs = expand_ports(r->rule, peer);

	if (in_d && (r->rule->protocol == MGMT_PROTOCOL_NETBIRD_SSH ||
		     (peer->ssh_enabled && is_legacy_ssh(r->rule))))
		view->ssh_any_user = true;
	if (in_d)
		mgmt_bitset_or(&in, &r->sources);
	if (in_s && r->rule->bidirectional)
		mgmt_bitset_or(&in, &r->destinations);
	if (in_s)
		mgmt_bitset_or(&out, &r->destinations);
	if (in_d && r->rule->bidirectional)
		mgmt_bitset_or(&out, &r->sources);
	mgmt_bitset_remove(&in, peer->index);
	mgmt_bitset_remove(&out, peer->index);
	add_direction(view, r, DIRECTION_IN, specs, &in);
	if (reads_out_rules(peer))
		add_direction(view, r, DIRECTION_OUT, specs, &out);
	mgmt_bitset_clear(&out);
}

/* management.md 17.4. */
static bool
login_expired(const MgmtAccount *a, const struct mgmt_peer *peer, int64_t now_us)
{
	const struct mgmt_settings *s = &a->row.settings;

	if (peer->user_id[0] == '\0' || !s->login_expiration_enabled ||
	    !peer->login_expiration_enabled)
		return false;
	return peer->login_expired || peer->last_login_us + s->login_expiration_us <= now_us;
}

static void
fragments_unref(void *p)
{
	mgmt_fragments_unref(p);
}

static void
add_peers(struct mgmt_view *view,
	  const struct mgmt_view_source *src,
	  const struct mgmt_peer *peer,
	  int64_t now_us)
{
	MgmtAccount *a = src->account;
	struct mgmt_bitset acl = { 0 };

	mgmt_account_acl_peers(a, peer, &acl);
	g_ptr_array_set_size(view->peers, (gint) a->peers->len);
	for (int64_t i = mgmt_bitset_next(&acl, 0); i >= 0; i = mgmt_bitset_next(&acl, i + 1)) {
		const struct mgmt_peer *q = g_ptr_array_index(a->peers, (guint) i);

		g_ptr_array_index(view->peers, (guint) i) =
			mgmt_fragments_ref(src->fragments(src->user, q));
		if (login_expired(a, q, now_us))
			mgmt_bitset_add(&view->offline, (uint32_t) i);
	}
	mgmt_bitset_clear(&acl);
}

static void
hash_in(struct mgmt_view *view, uint64_t value)
{
	view->hash[0] = mgmt_pack_hash(&value, sizeof value, view->hash[0]);
	view->hash[1] =
		(view->hash[1] << 7 | view->hash[1] >> 57) * UINT64_C(0x9fb21c651e98df25) + value;
}

static void
hash_view(struct mgmt_view *view, uint64_t seed)
{
	view->hash[0] = view->hash[1] = seed;
	hash_in(view, mgmt_pack_hash(view->peer_config->data, view->peer_config->len, seed));
	hash_in(view, view->forwarder_port | (uint64_t) view->v6 << 32 |
			      (uint64_t) view->ssh_any_user << 33);
	hash_in(view, view->self == NULL ? 0 : view->self->stamp);
	for (guint i = 0; i < view->peers->len; i++) {
		const struct mgmt_fragments *f = g_ptr_array_index(view->peers, i);

		if (f != NULL)
			hash_in(view, f->stamp ^ (mgmt_bitset_has(&view->offline, i) ? 1 : 0));
	}
	for (guint i = 0; i < view->rules->len; i++) {
		const struct mgmt_view_rule *r = g_ptr_array_index(view->rules, i);

		hash_in(view, r->id);
		for (guint j = 0; j < r->variants->len; j++) {
			const GByteArray *v = g_ptr_array_index(r->variants, j);

			hash_in(view, mgmt_pack_hash(v->data, v->len, seed));
		}
		/* Trailing empty words come and go with the set's capacity. */
		for (uint32_t w = 0; w < r->peers.n_words; w++)
			if (r->peers.words[w] != 0)
				hash_in(view, r->peers.words[w] ^ (uint64_t) w << 40);
	}
}

uint32_t
mgmt_view_forwarder_port(const MgmtAccount *account)
{
	return account->index->n_old_dns == 0 ? FORWARDER_PORT : FORWARDER_PORT_OLD;
}

struct mgmt_view *
mgmt_view_new(const struct mgmt_view_source *src, const struct mgmt_peer *peer, int64_t now_us)
{
	struct mgmt_view *view = g_new0(struct mgmt_view, 1);

	view->peers = g_ptr_array_new_with_free_func(fragments_unref);
	view->rules = g_ptr_array_new_with_free_func(view_rule_free);
	view->peer_config = g_byte_array_new();
	view->v6 = mgmt_peer_uses_v6(src->account, peer);
	view->forwarder_port = mgmt_view_forwarder_port(src->account);
	mgmt_netmap_peer_config(src->account, peer, view->peer_config);
	if (!peer->approval_required) {
		const GPtrArray *rules = mgmt_account_rules_of(src->account, peer);

		view->self = mgmt_fragments_ref(src->fragments(src->user, peer));
		add_peers(view, src, peer, now_us);
		for (guint i = 0; i < rules->len; i++)
			add_rule(view, g_ptr_array_index(rules, i), peer);
	}
	hash_view(view, src->seed);
	return view;
}

void
mgmt_view_free(struct mgmt_view *view)
{
	if (view == NULL)
		return;
	g_ptr_array_unref(view->peers);
	mgmt_bitset_clear(&view->offline);
	g_ptr_array_unref(view->rules);
	g_byte_array_unref(view->peer_config);
	mgmt_fragments_unref(view->self);
	g_free(view);
}

bool
mgmt_view_equal(const struct mgmt_view *a, const struct mgmt_view *b)
{
	return a->hash[0] == b->hash[0] && a->hash[1] == b->hash[1];
}

unsigned
mgmt_view_peer_count(const struct mgmt_view *view, bool offline)
{
	unsigned n = 0;

	for (guint i = 0; i < view->peers->len; i++)
		if (g_ptr_array_index(view->peers, i) != NULL &&
		    mgmt_bitset_has(&view->offline, i) == offline)
			n++;
	return n;
}

/* Users come with single sign-on: until then "everybody" is an empty list. */
void
mgmt_view_pack_ssh_auth(const struct mgmt_view *view, unsigned field, GByteArray *out)
{
	g_autoptr(GByteArray) auth = g_byte_array_new();
	g_autoptr(GByteArray) entry = g_byte_array_new();

	mgmt_pack_text(auth, 1, "sub");
	if (view->ssh_any_user) {
		mgmt_pack_text(entry, 1, "*");
		mgmt_pack_empty(entry, 2);
		mgmt_pack_message(auth, 3, entry);
	}
	mgmt_pack_message(out, field, auth);
}

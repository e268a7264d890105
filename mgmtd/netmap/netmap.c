/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/netmap/netmap.h"

#include "base/env.h"
#include "mgmtd/model/internal.h"
#include "mgmtd/model/version.h"
#include "mgmtd/netmap/delta.h"
#include "mgmtd/netmap/fragments.h"
#include "mgmtd/netmap/pack.h"
#include "mgmtd/netmap/view.h"

#include <string.h>

/* Field tags of one byte, for the entries that are written by the thousand. */
#define TAG_REMOTE_PEER  0x1a /* NetworkMap.remotePeers = 3; also SyncResponse.remotePeers */
#define TAG_OFFLINE_PEER 0x3a /* NetworkMap.offlinePeers = 7 */
#define TAG_RULE         0x42 /* NetworkMap.FirewallRules = 8 */
#define TAG_RECORD       0x12 /* CustomZone.Records = 2 */

#define SYNC_WEFT_DELTA  15001

struct mgmt_netmap {
	MgmtAccount *account;
	GPtrArray *fragments; /* by peer number, NULL = to be made */
	GByteArray *map;      /* scratch: the NetworkMap under construction */
	GByteArray *dns;      /* scratch */
	uint64_t seed;
};

struct mgmt_netmap_state {
	struct mgmt_view *view; /* NULL: nothing sent yet */
	uint64_t serial;
	int64_t session_us; /* session_end_us() as sent */
};

static void
fragments_unref(void *p)
{
	mgmt_fragments_unref(p);
}

MgmtNetmap *
mgmt_netmap_new(MgmtAccount *account)
{
	MgmtNetmap *n = g_new0(MgmtNetmap, 1);

	n->account = account;
	n->fragments = g_ptr_array_new_with_free_func(fragments_unref);
	n->map = g_byte_array_new();
	n->dns = g_byte_array_new();
	n->seed = weft_env_random_u64(weft_env_system());
	return n;
}

void
mgmt_netmap_free(MgmtNetmap *n)
{
	if (n == NULL)
		return;
	g_ptr_array_unref(n->fragments);
	g_byte_array_unref(n->map);
	g_byte_array_unref(n->dns);
	g_free(n);
}

void
mgmt_netmap_forget_peer(MgmtNetmap *n, uint32_t peer_index)
{
	if (peer_index >= n->fragments->len)
		return;
	mgmt_fragments_unref(g_ptr_array_index(n->fragments, peer_index));
	g_ptr_array_index(n->fragments, peer_index) = NULL;
}

void
mgmt_netmap_forget_all(MgmtNetmap *n)
{
	g_ptr_array_set_size(n->fragments, 0);
}

static struct mgmt_fragments *
get_fragments(void *user, const struct mgmt_peer *peer)
{
	MgmtNetmap *n = user;

	if (peer->index >= n->fragments->len)
		g_ptr_array_set_size(n->fragments,
				     (gint) MAX(n->account->peers->len, peer->index + 1));
	if (g_ptr_array_index(n->fragments, peer->index) == NULL)
		g_ptr_array_index(n->fragments, peer->index) =
			mgmt_fragments_new(n->account, peer, n->seed);
	return g_ptr_array_index(n->fragments, peer->index);
}

struct mgmt_netmap_state *
mgmt_netmap_state_new(void)
{
	return g_new0(struct mgmt_netmap_state, 1);
}

void
mgmt_netmap_state_free(struct mgmt_netmap_state *state)
{
	if (state == NULL)
		return;
	mgmt_view_free(state->view);
	g_free(state);
}

/* SSH is on when the peer offers it or a rule asks for it (management.md 17.8). */
static bool
ssh_is_on(MgmtAccount *account, const struct mgmt_peer *peer)
{
	const GPtrArray *rules;

	if (peer->ssh_enabled)
		return true;
	rules = mgmt_account_rules_of(account, peer);
	for (guint i = 0; i < rules->len; i++) {
		const struct mgmt_compiled_rule *r = g_ptr_array_index(rules, i);

		if (r->rule->protocol == MGMT_PROTOCOL_NETBIRD_SSH &&
		    mgmt_bitset_has(&r->destinations, peer->index))
			return true;
	}
	return false;
}

void
mgmt_netmap_peer_config(MgmtAccount *account, const struct mgmt_peer *peer, GByteArray *out)
{
	const struct mgmt_settings *s = &account->row.settings;
	struct weft_prefix address = { peer->ip, account->row.net.bits };
	char text[WEFT_PREFIX_TEXT_SIZE];
	g_autofree char *fqdn = mgmt_peer_fqdn(account, peer);
	g_autoptr(GByteArray) ssh = g_byte_array_new();
	g_autoptr(GByteArray) update = g_byte_array_new();

	mgmt_pack_text(out, 1, weft_prefix_format(&address, text));
	mgmt_pack_uint(ssh, 1, ssh_is_on(account, peer));
	mgmt_pack_message(out, 3, ssh);
	mgmt_pack_text(out, 4, fqdn);
	mgmt_pack_uint(out, 5, s->routing_peer_dns);
	mgmt_pack_uint(out, 6, s->lazy_connections);
	mgmt_pack_text(update, 1, "disabled");
	mgmt_pack_message(out, 8, update);
	if (mgmt_peer_uses_v6(account, peer)) {
		uint8_t compact[WEFT_PREFIX_COMPACT_MAX];
		struct weft_prefix v6 = { peer->ip6, account->row.net6.bits };

		mgmt_pack_bytes(out, 9, compact, weft_prefix_to_compact(&v6, compact));
	}
}

static void
append_tagged(GByteArray *out, uint8_t tag, const GByteArray *delimited)
{
	g_byte_array_append(out, &tag, 1);
	g_byte_array_append(out, delimited->data, delimited->len);
}

static void
append_peers(GByteArray *out, const struct mgmt_view *view, bool offline, uint8_t tag)
{
	for (guint i = 0; i < view->peers->len; i++) {
		const struct mgmt_fragments *f = g_ptr_array_index(view->peers, i);

		if (f != NULL && mgmt_bitset_has(&view->offline, i) == offline)
			append_tagged(out, tag, view->v6 ? f->remote6 : f->remote4);
	}
}

static void
append_records(GByteArray *out, const struct mgmt_fragments *f, bool v6)
{
	append_tagged(out, TAG_RECORD, f->record_a);
	if (v6 && f->record_aaaa != NULL)
		append_tagged(out, TAG_RECORD, f->record_aaaa);
}

/* The peer zone (management.md 17.7); @out receives a DNSConfig body. */
static void
append_dns(MgmtNetmap *n, GByteArray *out, const struct mgmt_view *view)
{
	g_autofree char *domain = g_strconcat(n->account->row.settings.dns_domain, ".", NULL);

	if (view->self != NULL) {
		g_byte_array_set_size(n->dns, 0);
		mgmt_pack_uint(out, 1, 1);
		mgmt_pack_text(n->dns, 1, domain);
		append_records(n->dns, view->self, view->v6);
		for (guint i = 0; i < view->peers->len; i++)
			if (g_ptr_array_index(view->peers, i) != NULL)
				append_records(n->dns, g_ptr_array_index(view->peers, i), view->v6);
		mgmt_pack_message(out, 3, n->dns);
	}
	mgmt_pack_uint(out, 4, view->forwarder_port);
}

static void
append_one_rule(GByteArray *out,
		const struct mgmt_fragments *f,
		unsigned family,
		const GByteArray *variant,
		bool prefixes)
{
	const GByteArray *head = f->rule_head[family];
	const GByteArray *tail = f->rule_tail[family];
	uint8_t tag = TAG_RULE;

	g_byte_array_append(out, &tag, 1);
	mgmt_pack_varint(out, head->len + variant->len + (prefixes ? tail->len : 0));
	g_byte_array_append(out, head->data, head->len);
	g_byte_array_append(out, variant->data, variant->len);
	if (prefixes)
		g_byte_array_append(out, tail->data, tail->len);
}

static void
append_rules(GByteArray *out,
	     const struct mgmt_view *view,
	     const struct mgmt_view_rule *r,
	     bool prefixes)
{
	for (int64_t i = mgmt_bitset_next(&r->peers, 0); i >= 0;
	     i = mgmt_bitset_next(&r->peers, i + 1)) {
		const struct mgmt_fragments *f = g_ptr_array_index(view->peers, (guint) i);

		for (unsigned family = 0; family < (view->v6 && f->has_v6 ? 2 : 1); family++)
			for (guint j = 0; j < r->variants->len; j++)
				append_one_rule(out, f, family, g_ptr_array_index(r->variants, j),
						prefixes);
	}
}

static void
build_map(MgmtNetmap *n, const struct mgmt_view *view, const struct mgmt_peer *peer)
{
	GByteArray *map = n->map;
	g_autoptr(GByteArray) dns = g_byte_array_new();
	bool no_peers = mgmt_view_peer_count(view, false) == 0;

	g_byte_array_set_size(map, 0);
	mgmt_pack_uint(map, 1, n->account->row.serial);
	mgmt_pack_message(map, 2, view->peer_config);
	append_peers(map, view, false, TAG_REMOTE_PEER);
	mgmt_pack_uint(map, 4, no_peers);
	append_dns(n, dns, view);
	mgmt_pack_message(map, 6, dns);
	append_peers(map, view, true, TAG_OFFLINE_PEER);
	for (guint i = 0; i < view->rules->len; i++)
		append_rules(map, view, g_ptr_array_index(view->rules, i),
			     peer->has_source_prefixes);
	mgmt_pack_uint(map, 9, view->rules->len == 0);
	mgmt_pack_uint(map, 11, 1);
	mgmt_view_pack_ssh_auth(view, 13, map);
}

/* When the login of a peer ends, 0 = never. */
static int64_t
session_end_us(const MgmtAccount *a, const struct mgmt_peer *peer)
{
	if (peer->user_id[0] == '\0' || !a->row.settings.login_expiration_enabled ||
	    !peer->login_expiration_enabled)
		return 0;
	return peer->last_login_us + a->row.settings.login_expiration_us;
}

/* SSO peers: when the login ends; setup-key peers: explicitly never (protocol.md 10.2). */
static void
append_session_expiry(const MgmtAccount *a, const struct mgmt_peer *peer, GByteArray *out)
{
	g_autoptr(GByteArray) stamp = g_byte_array_new();
	int64_t at_us = session_end_us(a, peer);

	if (at_us != 0) {
		mgmt_pack_uint(stamp, 1, (uint64_t) (at_us / 1000000));
		mgmt_pack_uint(stamp, 2, (uint64_t) (at_us % 1000000) * 1000);
	}
	mgmt_pack_message(out, 7, stamp);
}

static void
append_full(MgmtNetmap *n,
	    const struct mgmt_view *view,
	    const struct mgmt_peer *peer,
	    GByteArray *out)
{
	build_map(n, view, peer);
	mgmt_pack_message(out, 2, view->peer_config);
	if (!mgmt_version_at_least(peer->meta.version, 0, 29, 3))
		append_peers(out, view, false, TAG_REMOTE_PEER);
	mgmt_pack_uint(out, 4, mgmt_view_peer_count(view, false) == 0);
	mgmt_pack_message(out, 5, n->map);
	append_session_expiry(n->account, peer, out);
}

enum mgmt_netmap_kind
mgmt_netmap_build(MgmtNetmap *n,
		  const struct mgmt_peer *peer,
		  int64_t now_us,
		  struct mgmt_netmap_state *state,
		  GByteArray *out)
{
	struct mgmt_view_source src = { n->account, get_fragments, n, n->seed };
	struct mgmt_view *view = mgmt_view_new(&src, peer, now_us);
	bool delta = state != NULL && peer->has_deltas;
	enum mgmt_netmap_kind kind = MGMT_NETMAP_FULL;

	if (state != NULL && state->view != NULL && mgmt_view_equal(state->view, view) &&
	    state->session_us == session_end_us(n->account, peer)) {
		mgmt_view_free(view);
		return MGMT_NETMAP_UNCHANGED;
	}
	if (delta) {
		g_autoptr(GByteArray) message = g_byte_array_new();
		struct mgmt_delta_serials serials = { state->serial, n->account->row.serial };

		mgmt_delta_pack(n->account, state->view, view, &serials, message);
		mgmt_pack_message(out, SYNC_WEFT_DELTA, message);
		append_session_expiry(n->account, peer, out);
		kind = MGMT_NETMAP_DELTA;
	} else {
		append_full(n, view, peer, out);
	}
	if (state == NULL) {
		mgmt_view_free(view);
		return kind;
	}
	mgmt_view_free(state->view);
	state->view = view;
	state->serial = n->account->row.serial;
	state->session_us = session_end_us(n->account, peer);
	return kind;
}

void
mgmt_netmap_farewell(const MgmtAccount *account, const struct mgmt_peer *peer, GByteArray *out)
{
	g_autoptr(GByteArray) map = g_byte_array_new();
	g_autoptr(GByteArray) dns = g_byte_array_new();

	mgmt_pack_uint(dns, 4, mgmt_view_forwarder_port(account));
	mgmt_pack_uint(map, 1, account->row.serial);
	if (peer->has_deltas) {
		mgmt_pack_message(map, 6, dns);
		mgmt_pack_uint(map, 21, 1); /* resync: this is all there is */
		mgmt_pack_message(out, SYNC_WEFT_DELTA, map);
		return;
	}
	mgmt_pack_uint(map, 4, 1);
	mgmt_pack_message(map, 6, dns);
	mgmt_pack_uint(map, 9, 1);
	mgmt_pack_uint(out, 4, 1);
	mgmt_pack_message(out, 5, map);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/netmap/delta.h"

#include "mgmtd/netmap/pack.h"

#include <string.h>

static struct mgmt_fragments *
fragments_at(const struct mgmt_view *view, uint32_t index)
{
	if (view == NULL || index >= view->peers->len)
		return NULL;
	return g_ptr_array_index(view->peers, index);
}

static bool
same_peer(const struct mgmt_fragments *a, const struct mgmt_fragments *b)
{
	return a == b ||
	       (a != NULL && b != NULL && a->stamp == b->stamp && weft_key_equal(&a->key, &b->key));
}

static void
pack_tagged(GByteArray *out, unsigned field, const GByteArray *delimited)
{
	mgmt_pack_varint(out, (uint64_t) field << 3 | 2);
	g_byte_array_append(out, delimited->data, delimited->len);
}

/* Peers of one list that are new in it or differ. */
static void
pack_peers(GByteArray *out,
	   const struct mgmt_view *old,
	   const struct mgmt_view *view,
	   bool offline,
	   unsigned field)
{
	for (guint i = 0; i < view->peers->len; i++) {
		const struct mgmt_fragments *f = fragments_at(view, i);
		bool was_there = fragments_at(old, i) != NULL &&
				 mgmt_bitset_has(&old->offline, i) == offline;

		if (f == NULL || mgmt_bitset_has(&view->offline, i) != offline)
			continue;
		if (was_there && same_peer(fragments_at(old, i), f))
			continue;
		pack_tagged(out, field, view->v6 ? f->remote6 : f->remote4);
	}
}

/* Keys that neither list holds any more. */
static void
pack_removed_peers(GByteArray *out, const struct mgmt_view *old, const struct mgmt_view *view)
{
	for (guint i = 0; old != NULL && i < old->peers->len; i++) {
		const struct mgmt_fragments *f = fragments_at(old, i);
		const struct mgmt_fragments *now = fragments_at(view, i);

		if (f != NULL && (now == NULL || !weft_key_equal(&f->key, &now->key)))
			mgmt_pack_bytes(out, 22, f->key.b, sizeof f->key.b);
	}
}

static void
pack_records(GByteArray *out, unsigned field, const struct mgmt_fragments *f, bool v6)
{
	if (f == NULL)
		return;
	pack_tagged(out, field, f->record_a);
	if (v6 && f->record_aaaa != NULL)
		pack_tagged(out, field, f->record_aaaa);
}

static void
pack_dns_config(const MgmtAccount *account, GByteArray *out, const struct mgmt_view *view)
{
	g_autofree char *domain = g_strconcat(account->row.settings.dns_domain, ".", NULL);
	g_autoptr(GByteArray) zone = g_byte_array_new();
	g_autoptr(GByteArray) dns = g_byte_array_new();

	if (view->self != NULL) {
		mgmt_pack_uint(dns, 1, 1);
		mgmt_pack_text(zone, 1, domain);
		pack_records(zone, 2, view->self, view->v6);
		for (guint i = 0; i < view->peers->len; i++)
			pack_records(zone, 2, fragments_at(view, i), view->v6);
		mgmt_pack_message(dns, 3, zone);
	}
	mgmt_pack_uint(dns, 4, view->forwarder_port);
	mgmt_pack_message(out, 6, dns);
}

/* True if the records alone changed, so that a zone delta says it all. */
static bool
dns_frame_is_same(const struct mgmt_view *old, const struct mgmt_view *view)
{
	return old->forwarder_port == view->forwarder_port &&
	       (old->self == NULL) == (view->self == NULL) && same_peer(old->self, view->self);
}

static void
pack_zone_delta(const MgmtAccount *account,
		GByteArray *out,
		const struct mgmt_view *old,
		const struct mgmt_view *view)
{
	g_autofree char *domain = g_strconcat(account->row.settings.dns_domain, ".", NULL);
	g_autoptr(GByteArray) added = g_byte_array_new();
	g_autoptr(GByteArray) removed = g_byte_array_new();
	g_autoptr(GByteArray) zone = g_byte_array_new();
	guint n = MAX(old->peers->len, view->peers->len);

	for (guint i = 0; view->self != NULL && i < n; i++) {
		if (same_peer(fragments_at(old, i), fragments_at(view, i)))
			continue;
		pack_records(removed, 3, fragments_at(old, i), old->v6);
		pack_records(added, 2, fragments_at(view, i), view->v6);
	}
	if (added->len == 0 && removed->len == 0)
		return;
	mgmt_pack_text(zone, 1, domain);
	g_byte_array_append(zone, added->data, added->len);
	g_byte_array_append(zone, removed->data, removed->len);
	mgmt_pack_message(out, 28, zone);
}

static unsigned
families(const struct mgmt_view *view, const struct mgmt_fragments *f)
{
	return view->v6 && f->has_v6 ? 2 : 1;
}

static void
pack_prefixes(GByteArray *out, unsigned field, const struct mgmt_view *view, uint32_t index)
{
	const struct mgmt_fragments *f = fragments_at(view, index);

	for (unsigned family = 0; family < families(view, f); family++)
		mgmt_pack_bytes(out, field, f->compact[family], f->compact_len[family]);
}

static unsigned
prefix_count(const struct mgmt_view *view, const struct mgmt_view_rule *r)
{
	unsigned n = 0;

	for (int64_t i = mgmt_bitset_next(&r->peers, 0); i >= 0;
	     i = mgmt_bitset_next(&r->peers, i + 1))
		n += families(view, fragments_at(view, (uint32_t) i));
	return n;
}

/* The old rule with this id, if its variant @j is defined alike. */
static const struct mgmt_view_rule *
same_variant(const struct mgmt_view *old, const struct mgmt_view_rule *rule, guint j)
{
	const GByteArray *want = g_ptr_array_index(rule->variants, j);

	for (guint i = 0; old != NULL && i < old->rules->len; i++) {
		const struct mgmt_view_rule *r = g_ptr_array_index(old->rules, i);
		const GByteArray *have;

		if (r->id != rule->id)
			continue;
		if (j >= r->variants->len)
			return NULL;
		have = g_ptr_array_index(r->variants, j);
		if (have->len == want->len && memcmp(have->data, want->data, want->len) == 0)
			return r;
		return NULL;
	}
	return NULL;
}

/* Prefixes that came and went between two states of a rule. */
static void
pack_prefix_changes(GByteArray *out,
		    const struct mgmt_view *old,
		    const struct mgmt_view_rule *before,
		    const struct mgmt_view *view,
		    const struct mgmt_view_rule *now)
{
	g_autoptr(GByteArray) removed = g_byte_array_new();
	struct mgmt_bitset all = { 0 };

	if (before != NULL)
		mgmt_bitset_or(&all, &before->peers);
	mgmt_bitset_or(&all, &now->peers);
	for (int64_t i = mgmt_bitset_next(&all, 0); i >= 0; i = mgmt_bitset_next(&all, i + 1)) {
		bool had = before != NULL && mgmt_bitset_has(&before->peers, (uint32_t) i);
		bool has = mgmt_bitset_has(&now->peers, (uint32_t) i);

		if (had && has &&
		    same_peer(fragments_at(old, (uint32_t) i), fragments_at(view, (uint32_t) i)))
			continue;
		if (has)
			pack_prefixes(out, 3, view, (uint32_t) i);
		if (had)
			pack_prefixes(removed, 4, old, (uint32_t) i);
	}
	g_byte_array_append(out, removed->data, removed->len);
	mgmt_bitset_clear(&all);
}

static void
pack_rule(GByteArray *out,
	  const struct mgmt_view *old,
	  const struct mgmt_view *view,
	  const struct mgmt_view_rule *rule,
	  guint j)
{
	const struct mgmt_view_rule *before = same_variant(old, rule, j);
	g_autoptr(GByteArray) message = g_byte_array_new();
	guint header;

	mgmt_pack_uint(message, 1, rule->id + j);
	header = message->len;
	if (before == NULL)
		mgmt_pack_message(message, 2, g_ptr_array_index(rule->variants, j));
	pack_prefix_changes(message, old, before, view, rule);
	if (message->len > header)
		mgmt_pack_message(out, 23, message);
}

static bool
has_variant(const struct mgmt_view *view, uint64_t id, guint j)
{
	for (guint i = 0; i < view->rules->len; i++) {
		const struct mgmt_view_rule *r = g_ptr_array_index(view->rules, i);

		if (r->id == id)
			return j < r->variants->len;
	}
	return false;
}

static void
pack_removed_rules(GByteArray *out, const struct mgmt_view *old, const struct mgmt_view *view)
{
	g_autoptr(GByteArray) ids = g_byte_array_new();

	for (guint i = 0; old != NULL && i < old->rules->len; i++) {
		const struct mgmt_view_rule *r = g_ptr_array_index(old->rules, i);

		for (guint j = 0; j < r->variants->len; j++)
			if (!has_variant(view, r->id, j))
				mgmt_pack_varint(ids, r->id + j);
	}
	if (ids->len > 0)
		mgmt_pack_message(out, 24, ids); /* packed repeated */
}

static void
pack_counts(GByteArray *out, const struct mgmt_view *view)
{
	unsigned rules = 0;
	unsigned prefixes = 0;

	for (guint i = 0; i < view->rules->len; i++) {
		const struct mgmt_view_rule *r = g_ptr_array_index(view->rules, i);

		rules += r->variants->len;
		prefixes += r->variants->len * prefix_count(view, r);
	}
	mgmt_pack_uint(out, 30, mgmt_view_peer_count(view, false));
	mgmt_pack_uint(out, 31, mgmt_view_peer_count(view, true));
	mgmt_pack_uint(out, 32, rules);
	mgmt_pack_uint(out, 33, prefixes);
}

static bool
peer_config_is_same(const struct mgmt_view *old, const struct mgmt_view *view)
{
	return old->peer_config->len == view->peer_config->len &&
	       memcmp(old->peer_config->data, view->peer_config->data, view->peer_config->len) == 0;
}

void
mgmt_delta_pack(const MgmtAccount *account,
		const struct mgmt_view *old,
		const struct mgmt_view *view,
		const struct mgmt_delta_serials *serials,
		GByteArray *out)
{
	/* A receiver that gains or loses IPv6 sees every entry change. */
	if (old != NULL && old->v6 != view->v6)
		old = NULL;
	mgmt_pack_uint(out, 1, serials->now);
	if (old == NULL || !peer_config_is_same(old, view))
		mgmt_pack_message(out, 2, view->peer_config);
	pack_peers(out, old, view, false, 3);
	if (old == NULL || !dns_frame_is_same(old, view))
		pack_dns_config(account, out, view);
	pack_peers(out, old, view, true, 7);
	if (old == NULL || old->ssh_any_user != view->ssh_any_user)
		mgmt_view_pack_ssh_auth(view, 13, out);
	if (old == NULL)
		mgmt_pack_uint(out, 21, 1);
	else
		mgmt_pack_uint(out, 20, serials->base);
	pack_removed_peers(out, old, view);
	for (guint i = 0; i < view->rules->len; i++) {
		const struct mgmt_view_rule *r = g_ptr_array_index(view->rules, i);

		for (guint j = 0; j < r->variants->len; j++)
			pack_rule(out, old, view, r, j);
	}
	pack_removed_rules(out, old, view);
	if (old != NULL && dns_frame_is_same(old, view))
		pack_zone_delta(account, out, old, view);
	pack_counts(out, view);
}

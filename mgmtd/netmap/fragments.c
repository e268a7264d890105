/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/netmap/fragments.h"

#include "mgmtd/netmap/pack.h"

#include <string.h>

#define DNS_TYPE_A    1
#define DNS_TYPE_AAAA 28
#define DNS_TTL_S     300

char *
mgmt_peer_fqdn(const MgmtAccount *account, const struct mgmt_peer *peer)
{
	return g_strdup_printf("%s.%s", peer->dns_label, account->row.settings.dns_domain);
}

bool
mgmt_peer_has_v6(const MgmtAccount *account, const struct mgmt_peer *peer)
{
	const GArray *ids = account->row.settings.ipv6_groups;

	if (!account->row.settings.ipv6_enabled || peer->ip6.family != WEFT_FAMILY_IPV6)
		return false;
	for (guint i = 0; ids != NULL && i < ids->len; i++) {
		const struct mgmt_group *g =
			mgmt_account_group(account, &g_array_index(ids, struct mgmt_id, i));

		if (g != NULL && mgmt_bitset_has(&g->members, peer->index))
			return true;
	}
	return false;
}

bool
mgmt_peer_uses_v6(const MgmtAccount *account, const struct mgmt_peer *peer)
{
	return peer->has_v6_capability && mgmt_peer_has_v6(account, peer);
}

/* length || body; @body is freed. */
static GByteArray *
delimited(GByteArray *body)
{
	GByteArray *out = g_byte_array_sized_new(body->len + 3);

	mgmt_pack_varint(out, body->len);
	g_byte_array_append(out, body->data, body->len);
	g_byte_array_unref(body);
	return out;
}

static GByteArray *
pack_remote(const struct mgmt_peer *peer, const char *fqdn, const char *const *allowed_ips)
{
	GByteArray *body = g_byte_array_new();
	GByteArray *ssh = g_byte_array_new();

	mgmt_pack_text(body, 1, peer->key_text.s);
	for (; *allowed_ips != NULL; allowed_ips++)
		mgmt_pack_text(body, 2, *allowed_ips);
	if (peer->ssh_key[0] != '\0')
		mgmt_pack_bytes(ssh, 2, peer->ssh_key, strlen(peer->ssh_key));
	mgmt_pack_message(body, 3, ssh);
	mgmt_pack_text(body, 4, fqdn);
	mgmt_pack_text(body, 5, peer->meta.version);
	g_byte_array_unref(ssh);
	return delimited(body);
}

static GByteArray *
pack_record(const char *fqdn, unsigned type, const char *rdata)
{
	GByteArray *body = g_byte_array_new();

	mgmt_pack_text(body, 1, fqdn);
	mgmt_pack_uint(body, 2, type);
	mgmt_pack_text(body, 3, "IN");
	mgmt_pack_uint(body, 4, DNS_TTL_S);
	mgmt_pack_text(body, 5, rdata);
	return delimited(body);
}

static void
pack_rule_parts(struct mgmt_fragments *f, unsigned i, const struct weft_address *ip)
{
	char text[WEFT_ADDRESS_TEXT_SIZE];
	struct weft_prefix host = weft_prefix_host(ip);

	f->compact_len[i] = (uint8_t) weft_prefix_to_compact(&host, f->compact[i]);
	f->rule_head[i] = g_byte_array_new();
	mgmt_pack_text(f->rule_head[i], 1, weft_address_format(ip, text));
	f->rule_tail[i] = g_byte_array_new();
	mgmt_pack_bytes(f->rule_tail[i], 9, f->compact[i], f->compact_len[i]);
}

static uint64_t
hash_part(const GByteArray *part, uint64_t seed)
{
	return part == NULL ? seed : mgmt_pack_hash(part->data, part->len, seed);
}

struct mgmt_fragments *
mgmt_fragments_new(const MgmtAccount *account, const struct mgmt_peer *peer, uint64_t seed)
{
	struct mgmt_fragments *f = g_new0(struct mgmt_fragments, 1);
	g_autofree char *fqdn = mgmt_peer_fqdn(account, peer);
	char text[WEFT_ADDRESS_TEXT_SIZE];
	char prefix4[WEFT_PREFIX_TEXT_SIZE];
	char prefix6[WEFT_PREFIX_TEXT_SIZE];
	struct weft_prefix host = weft_prefix_host(&peer->ip);
	const char *allowed[3] = { weft_prefix_format(&host, prefix4), NULL, NULL };

	g_atomic_ref_count_init(&f->ref);
	f->index = peer->index;
	f->key = peer->key;
	f->has_v6 = mgmt_peer_has_v6(account, peer);
	f->remote4 = pack_remote(peer, fqdn, allowed);
	f->record_a = pack_record(fqdn, DNS_TYPE_A, weft_address_format(&peer->ip, text));
	pack_rule_parts(f, 0, &peer->ip);
	if (f->has_v6) {
		host = weft_prefix_host(&peer->ip6);
		allowed[1] = weft_prefix_format(&host, prefix6);
		f->remote6 = pack_remote(peer, fqdn, allowed);
		if (peer->has_v6_capability)
			f->record_aaaa = pack_record(fqdn, DNS_TYPE_AAAA,
						     weft_address_format(&peer->ip6, text));
		pack_rule_parts(f, 1, &peer->ip6);
	} else {
		f->remote6 = g_byte_array_ref(f->remote4);
	}
	f->stamp = hash_part(f->record_aaaa, hash_part(f->remote6, seed));
	return f;
}

struct mgmt_fragments *
mgmt_fragments_ref(struct mgmt_fragments *f)
{
	g_atomic_ref_count_inc(&f->ref);
	return f;
}

void
mgmt_fragments_unref(struct mgmt_fragments *f)
{
	if (f == NULL || !g_atomic_ref_count_dec(&f->ref))
		return;
	g_byte_array_unref(f->remote4);
	g_byte_array_unref(f->remote6);
	g_byte_array_unref(f->record_a);
	g_clear_pointer(&f->record_aaaa, g_byte_array_unref);
	for (unsigned i = 0; i < 2; i++) {
		g_clear_pointer(&f->rule_head[i], g_byte_array_unref);
		g_clear_pointer(&f->rule_tail[i], g_byte_array_unref);
	}
	g_free(f);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses and DNS labels of an account: what is free, held or reserved. */
#include "mgmtd/model/internal.h"

#include "base/env.h"

#include <string.h>

static uint32_t
network_host_order(const MgmtAccount *a)
{
	struct weft_prefix net = weft_prefix_mask(&a->row.net);

	return weft_address_v4_host_order(&net.addr);
}

/* Host numbers 1..n are usable: neither the network's own nor the broadcast address. */
static uint32_t
usable_hosts(const MgmtAccount *a)
{
	uint32_t host_bits = 32u - a->row.net.bits;

	return host_bits < 2 ? 0 : (uint32_t) ((UINT64_C(1) << host_bits) - 2);
}

static bool
host_number(const MgmtAccount *a, const struct weft_address *ip, uint32_t *ret)
{
	if (!weft_prefix_contains(&a->row.net, ip))
		return false;
	*ret = weft_address_v4_host_order(ip) - network_host_order(a);
	return true;
}

void
mgmt_pool_take(MgmtAccount *a, const struct weft_address *ip)
{
	uint32_t host;

	if (!host_number(a, ip, &host) || mgmt_bitset_has(&a->index->taken_ip, host))
		return;
	mgmt_bitset_add(&a->index->taken_ip, host);
	a->index->n_taken_ip++;
}

/* The first free host number in [from, to], or 0. */
static uint32_t
first_free(const MgmtAccount *a, uint32_t from, uint32_t to)
{
	const struct mgmt_bitset *taken = &a->index->taken_ip;

	for (uint32_t host = from; host <= to;) {
		if (host % 64 == 0 && host / 64 < taken->n_words &&
		    taken->words[host / 64] == ~UINT64_C(0)) {
			host += 64;
			continue;
		}
		if (!mgmt_bitset_has(taken, host))
			return host;
		host++;
	}
	return 0;
}

bool
mgmt_account_reserve_ip(MgmtAccount *a, const struct weft_env *env, struct weft_address *ret)
{
	uint32_t usable = usable_hosts(a);
	uint32_t start;
	uint32_t host;

	if (usable == 0 || a->index->n_taken_ip >= usable)
		return false;
	start = 1 + (uint32_t) weft_env_random_below(env, usable);
	host = first_free(a, start, usable);
	if (host == 0)
		host = first_free(a, 1, start);
	if (host == 0)
		return false;
	*ret = weft_address_v4(network_host_order(a) + host);
	mgmt_pool_take(a, ret);
	return true;
}

void
mgmt_account_release_ip(MgmtAccount *a, const struct weft_address *ip)
{
	uint32_t host;

	if (!host_number(a, ip, &host) || !mgmt_bitset_has(&a->index->taken_ip, host))
		return;
	mgmt_bitset_remove(&a->index->taken_ip, host);
	a->index->n_taken_ip--;
}

bool
mgmt_account_reserve_ip6(MgmtAccount *a, const struct weft_env *env, struct weft_address *ret)
{
	struct weft_prefix net = weft_prefix_mask(&a->row.net6);

	if (net.addr.family != WEFT_FAMILY_IPV6 || net.bits != 64)
		return false;
	/* 64 random bits: a second round is a curiosity, a tenth impossible. */
	for (unsigned tries = 0; tries < 10; tries++) {
		struct weft_address ip = net.addr;

		weft_env_random(env, ip.b + 8, 8);
		if (memcmp(ip.b + 8, "\0\0\0\0\0\0\0\0", 8) == 0 ||
		    memcmp(ip.b + 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) == 0)
			continue;
		if (g_hash_table_contains(a->index->peers_by_ip, &ip) ||
		    g_hash_table_contains(a->index->reserved_ip6, &ip))
			continue;
		g_hash_table_add(a->index->reserved_ip6, g_memdup2(&ip, sizeof ip));
		*ret = ip;
		return true;
	}
	return false;
}

void
mgmt_account_release_ip6(MgmtAccount *a, const struct weft_address *ip6)
{
	g_hash_table_remove(a->index->reserved_ip6, ip6);
}

#define LABEL_MAX 59 /* management.md 4: room for "-octet-octet" within 63 */

/* The first part of the host name as a label: lower case, runs of foreign characters to '-'. */
static char *
label_of(const char *hostname)
{
	g_autofree char *first = g_strndup(hostname, strcspn(hostname, "."));
	g_autofree char *ascii = g_hostname_to_ascii(first);
	const char *p = ascii == NULL ? first : ascii;
	GString *label = g_string_new(NULL);

	for (; *p != '\0' && label->len < LABEL_MAX; p++) {
		if (g_ascii_isalnum(*p))
			g_string_append_c(label, g_ascii_tolower(*p));
		else if (label->len == 0 || label->str[label->len - 1] != '-' || *p == '-')
			g_string_append_c(label, '-');
	}
	while (label->len > 0 && label->str[label->len - 1] == '-')
		g_string_truncate(label, label->len - 1);
	while (label->len > 0 && label->str[0] == '-')
		g_string_erase(label, 0, 1);
	if (label->len == 0)
		g_string_assign(label, "peer");
	return g_string_free(label, FALSE);
}

static bool
label_is_free(const MgmtAccount *a, const char *label)
{
	return !g_hash_table_contains(a->index->peers_by_label, label) &&
	       !g_hash_table_contains(a->index->reserved_labels, label);
}

char *
mgmt_account_reserve_new_label(MgmtAccount *a, const struct mgmt_peer *peer, const char *name)
{
	g_autofree char *plain = label_of(name);
	g_autofree char *octets =
		g_strdup_printf("%.50s-%u-%u", plain, peer->ip.b[2], peer->ip.b[3]);

	if (strcmp(plain, peer->dns_label) == 0 ||
	    (!label_is_free(a, plain) && strcmp(octets, peer->dns_label) == 0))
		return NULL;
	return mgmt_account_reserve_label(a, name, &peer->ip);
}

char *
mgmt_account_reserve_label(MgmtAccount *a, const char *hostname, const struct weft_address *ip)
{
	g_autofree char *plain = label_of(hostname);
	char *label = g_strdup(plain);

	if (!label_is_free(a, label)) {
		g_free(label);
		label = g_strdup_printf("%.50s-%u-%u", plain, ip->b[2], ip->b[3]);
	}
	/* In a network wider than /16 two addresses may share their last octets. */
	for (unsigned i = 2; !label_is_free(a, label); i++) {
		g_free(label);
		label = g_strdup_printf("%.40s-%u-%u-%u", plain, ip->b[2], ip->b[3], i);
	}
	g_hash_table_add(a->index->reserved_labels, g_strdup(label));
	return label;
}

void
mgmt_account_release_label(MgmtAccount *a, const char *label)
{
	g_hash_table_remove(a->index->reserved_labels, label);
}

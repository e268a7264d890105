/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules and packets for the tests of this room: written by hand, or drawn at random from a small
 * world, so that they overlap in every way; and what rules mean, said in the simplest way. */
#pragma once

#include <glib.h>
#include <string.h>

#include <netinet/in.h>

#include "base/env.h"
#include "nftables/model.h"

static inline struct weft_prefix
prefix(const char *text)
{
	struct weft_prefix p;

	g_assert_true(weft_prefix_parse(&p, text, strlen(text), true));
	return p;
}

static inline struct weft_address
address(const char *text)
{
	struct weft_address a;

	g_assert_true(weft_address_parse(&a, text, strlen(text)));
	return a;
}

/* first 0: no ports */
static inline struct weft_nft_rule
rule(enum weft_nft_action action, const char *remote, int protocol, unsigned first, unsigned last)
{
	return (struct weft_nft_rule){ .direction = WEFT_NFT_IN,
				       .action = action,
				       .remote = prefix(remote),
				       .protocol = protocol,
				       .has_ports = first != 0,
				       .port_first = (uint16_t) first,
				       .port_last = (uint16_t) last,
				       .policy = weft_nft_policy("p", 1) };
}

static inline unsigned
below(const struct weft_env *env, unsigned n)
{
	return (unsigned) weft_env_random_below(env, n);
}

/* Protocols and ports that meet each other often, with both ends of the line. */
static inline int
random_protocol(const struct weft_env *env)
{
	static const int protocols[] = { WEFT_NFT_PROTOCOL_ALL,
					 WEFT_NFT_PROTOCOL_ICMP,
					 IPPROTO_TCP,
					 IPPROTO_TCP,
					 IPPROTO_UDP,
					 IPPROTO_SCTP,
					 0,
					 255,
					 IPPROTO_ICMP,
					 IPPROTO_GRE };

	return protocols[below(env, G_N_ELEMENTS(protocols))];
}

static inline uint16_t
random_port(const struct weft_env *env)
{
	static const uint16_t edges[] = { 1, 2, 65534, 65535 };

	return below(env, 8) == 0 ? edges[below(env, G_N_ELEMENTS(edges))]
				  : (uint16_t) (80 + below(env, 12));
}

/* One of 32 neighbouring hosts, of either family. */
static inline struct weft_address
random_address(const struct weft_env *env)
{
	struct weft_address a = address(below(env, 2) == 0 ? "100.64.0.0" : "fd00::100");

	a.b[weft_address_bits(&a) / 8 - 1] |= (uint8_t) below(env, 32);
	return a;
}

static inline struct weft_nft_rule
random_rule(const struct weft_env *env)
{
	static const char *const policies[] = { "a", "b", "c", "with space" };
	const char *policy = policies[below(env, G_N_ELEMENTS(policies))];
	struct weft_nft_rule r = { .direction = below(env, 4) == 0 ? WEFT_NFT_OUT : WEFT_NFT_IN,
				   .action = below(env, 4) == 0 ? WEFT_NFT_DROP : WEFT_NFT_ACCEPT,
				   .protocol = random_protocol(env) };
	uint8_t bits;

	r.remote.addr = random_address(env);
	bits = weft_address_bits(&r.remote.addr);
	if (below(env, 3) == 0)
		bits = below(env, 8) == 0 ? 0 : (uint8_t) (bits - below(env, 7));
	r.remote.bits = bits;
	r.remote = weft_prefix_mask(&r.remote);
	if ((r.protocol == IPPROTO_TCP || r.protocol == IPPROTO_UDP) && below(env, 4) != 0) {
		uint16_t a = random_port(env), b = below(env, 2) == 0 ? a : random_port(env);

		r.has_ports = true;
		r.port_first = MIN(a, b);
		r.port_last = MAX(a, b);
	}
	r.policy = weft_nft_policy(policy, strlen(policy));
	return r;
}

static inline GArray *
random_rules(const struct weft_env *env, unsigned n)
{
	GArray *rules = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_rule));

	for (unsigned i = 0; i < n; i++) {
		struct weft_nft_rule r = random_rule(env);

		g_array_append_val(rules, r);
	}
	return rules;
}

static inline struct weft_nft_packet
random_packet(const struct weft_env *env)
{
	static const uint8_t protocols[] = {
		IPPROTO_TCP,    IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP,
		IPPROTO_ICMPV6, IPPROTO_GRE, 0,           255
	};
	struct weft_nft_packet p = { .direction = below(env, 4) == 0 ? WEFT_NFT_OUT : WEFT_NFT_IN,
				     .remote = random_address(env),
				     .protocol = protocols[below(env, G_N_ELEMENTS(protocols))] };

	if (below(env, 16) == 0)
		p.remote = address(below(env, 2) == 0 ? "255.255.255.255" : "ffff::1");
	if (p.protocol == IPPROTO_TCP || p.protocol == IPPROTO_UDP)
		p.port = random_port(env);
	return p;
}

static inline bool
rule_matches(const struct weft_nft_rule *r, const struct weft_nft_packet *p)
{
	int protocol = r->protocol;

	if (protocol == WEFT_NFT_PROTOCOL_ICMP)
		protocol =
			r->remote.addr.family == WEFT_FAMILY_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return r->direction == p->direction && weft_prefix_contains(&r->remote, &p->remote) &&
	       (protocol == WEFT_NFT_PROTOCOL_ALL || protocol == p->protocol) &&
	       (!r->has_ports || (p->port >= r->port_first && p->port <= r->port_last));
}

/* What rules mean: any drop, then any accept, else drop. */
static inline enum weft_nft_action
rules_decide(const struct weft_nft_config *config,
	     const GArray *rules,
	     const struct weft_nft_packet *p)
{
	enum weft_nft_action action = WEFT_NFT_DROP;

	if (p->direction == WEFT_NFT_OUT && !config->filter_output)
		return WEFT_NFT_ACCEPT;
	for (size_t i = 0; i < rules->len; i++) {
		const struct weft_nft_rule *r = &g_array_index(rules, struct weft_nft_rule, i);

		if (weft_nft_rule_check(r) != WEFT_NFT_DEFECT_NONE || !rule_matches(r, p))
			continue;
		if (r->action == WEFT_NFT_DROP)
			return WEFT_NFT_DROP;
		action = WEFT_NFT_ACCEPT;
	}
	return action;
}

static inline WeftNftModel *
compile(const struct weft_nft_config *config, const GArray *rules)
{
	GError *error = NULL;
	WeftNftModel *model =
		weft_nft_compile(config, (const void *) rules->data, rules->len, NULL, &error);

	g_assert_no_error(error);
	return model;
}

static inline size_t
set_size(const WeftNftModel *model,
	 enum weft_family family,
	 enum weft_nft_action action,
	 enum weft_nft_shape shape)
{
	size_t n;
	struct weft_nft_set_id id = { WEFT_NFT_IN, family, action, shape };

	(void) weft_nft_model_elements(model, weft_nft_set_index(id), &n);
	return n;
}

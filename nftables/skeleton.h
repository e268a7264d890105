/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Everything of our table but set elements and policies' counters: chains and rules, which follow
 * from the configuration alone. Private to the room.
 *
 * Later chains (routed traffic, NAT) are further rows here: nothing else knows what chains hold. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nftables/model.h"

struct nftnl_rule;

struct weft_nft_chain {
	const char *name;
	bool base;
	uint32_t hook; /* NF_INET_* of base chains */
	int32_t priority;
	uint32_t policy; /* NF_ACCEPT */
};

/* In the order of their numbers. */
GArray *weft_nft_skeleton_chains(const struct weft_nft_config *config); /* struct weft_nft_chain */

/* The rules of all chains, in order; owned by the array. */
GPtrArray *weft_nft_skeleton_rules(const struct weft_nft_config *config); /* struct nftnl_rule */

/* Counters that are there without any policy; NULL at the end. */
extern const char *const weft_nft_skeleton_counters[];

/* Whether the table has that set: those of OUT rules only where output is filtered. */
bool weft_nft_skeleton_has_set(const struct weft_nft_config *config, unsigned set);

/* What a set is in the kernel. */
struct weft_nft_set_form {
	uint32_t flags;    /* NFT_SET_* */
	uint32_t key_type; /* as nft numbers its types, for listings */
	uint32_t key_len;
	uint8_t fields[3]; /* lengths in octets of a concatenation's parts */
	uint8_t field_count;
};
struct weft_nft_set_form weft_nft_skeleton_set(unsigned set);

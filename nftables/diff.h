/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What leads from one model to another: elements and counters to add and to delete, or a rebuild of
 * the whole table; and which live flows lose their permission on the way. Pure. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "nftables/model.h"

typedef struct weft_nft_diff WeftNftDiff;

/* One element change; pointers into the models. */
struct weft_nft_change {
	unsigned set;
	bool add; /* else delete */
	const struct weft_nft_element *element;
	const char *counter;
};

/* @old NULL: nothing is there. The diff keeps both models. */
WeftNftDiff *weft_nft_diff(const WeftNftModel *old, const WeftNftModel *new_model);
void weft_nft_diff_free(WeftNftDiff *diff);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNftDiff, weft_nft_diff_free)

bool weft_nft_diff_is_empty(const WeftNftDiff *diff);

/* The table is to be written anew: there is none, it has another configuration, or deleting
 * interval after interval would take longer. The changes are empty then. */
bool weft_nft_diff_is_rebuild(const WeftNftDiff *diff);

/* In the order in which a transaction must hold them: deletions, then additions; each by set and
 * key. */
const struct weft_nft_change *weft_nft_diff_changes(const WeftNftDiff *diff, size_t *ret_n);

/* Names of counters to add before, and to delete after the elements; sorted, borrowed. */
const char *const *weft_nft_diff_counters(const WeftNftDiff *diff, bool add, size_t *ret_n);

/* Flows that the old model let in and the new one does not. They keep running as "established"
 * until their conntrack entries are deleted. */
struct weft_nft_cut {
	enum weft_nft_direction direction;
	struct weft_prefix remote;      /* source of IN flows, destination of OUT flows */
	uint8_t protocol;               /* 0: any */
	uint16_t port_first, port_last; /* destination port; 0, 0: any */
	/* Everything in it lost its permission. Otherwise ask weft_nft_diff_cuts() about each flow:
	 * a wide rule went while narrower ones inside of it stay. */
	bool exact;
};

/* Where such flows may be; together they cover all of them. Empty if nothing was revoked. */
const struct weft_nft_cut *weft_nft_diff_cut_list(const WeftNftDiff *diff, size_t *ret_n);

/* The exact answer for one flow, by its first packet. */
bool weft_nft_diff_cuts(const WeftNftDiff *diff, const struct weft_nft_packet *flow);

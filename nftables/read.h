/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our table as the kernel has it. Private to the room. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "nftables/model.h"
#include "nftables/socket.h"
#include "nftables/table.h"

struct weft_nft_state {
	enum weft_nft_found found;
	uint32_t generation;
	WeftNftModel *model; /* NULL unless FOUND_INTACT */
	char *why;           /* what differs, of FOUND_ALTERED */
};

void weft_nft_state_clear(struct weft_nft_state *state);

/* Reads the table that @config describes, all of one generation. A table without our mark is
 * WEFT_NFT_ERROR_FOREIGN. @ret must be zeroed. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_read(WeftNftSocket *s,
					     const struct weft_nft_config *config,
					     struct weft_nft_state *ret,
					     GError **error);

/* Only the mark: NOTHING, or INTACT for a table that is ours. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_read_mark(WeftNftSocket *s,
						  const char *table,
						  enum weft_nft_found *ret,
						  GError **error);

/* All counters of the table. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_read_counters(
	WeftNftSocket *s, const char *table, WeftNftCountFunc func, void *user, GError **error);

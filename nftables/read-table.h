/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests about one table: its mark, and what all readings share. Private to the room. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "nftables/socket.h"

struct weft_nft_mark {
	bool found;
	bool ours;
	uint32_t flags; /* NFT_TABLE_F_* */
};

/* @ret must be zeroed. A table that is not ours is WEFT_NFT_ERROR_FOREIGN. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_read_table(WeftNftSocket *s,
						   const char *table,
						   struct weft_nft_mark *ret,
						   GError **error);

/* A request about @table; @table_attr: the attribute that holds its name, 0: not restricted to it.
 * @set (or NULL): the set whose elements are wanted. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_ask(WeftNftSocket *s,
					    struct weft_nft_request request,
					    uint16_t table_attr,
					    const char *table,
					    const char *set,
					    GError **error);

/* Sets WEFT_NFT_ERROR_PROTOCOL and returns false. */
bool weft_nft_malformed(GError **error, const char *what);

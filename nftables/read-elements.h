/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Set elements out of the kernel's messages. Private to the room. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "nftables/model.h"

struct nlmsghdr;

enum weft_nft_parsed {
	WEFT_NFT_PARSED_OK,
	WEFT_NFT_PARSED_ODD,       /* well-formed, but nothing that this room writes */
	WEFT_NFT_PARSED_MALFORMED, /* or more than limits.h allows */
};

/* Appends the elements of one NFT_MSG_NEWSETELEM message for @set of @table to @elements (array of
 * struct weft_nft_element); the index of their counter is what @counters (name -> index + 1) says.
 * Elements of other sets are skipped. */
enum weft_nft_parsed weft_nft_parse_elements(const struct nlmsghdr *msg,
					     const char *table,
					     unsigned set,
					     GHashTable *counters,
					     GArray *elements);

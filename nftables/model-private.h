/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The body of a model, for those who make one: the compiler and the reader. */
#pragma once

#include <glib.h>

#include "nftables/model.h"

struct weft_nft_model {
	unsigned refs;
	struct weft_nft_config config;
	GPtrArray *counters;                  /* char *, sorted */
	GArray *elements[WEFT_NFT_SET_COUNT]; /* struct weft_nft_element, sorted by key */
};

/* Without elements and counters. */
WeftNftModel *weft_nft_model_new(const struct weft_nft_config *config);

/* Sorts the elements of every set, throws away counters that no element names and sorts the rest.
 * Elements name counters by any index into @model->counters before. */
void weft_nft_model_finish(WeftNftModel *model);

/* Order within a set: key, then end. */
int weft_nft_element_compare(const struct weft_nft_element *a, const struct weft_nft_element *b);

/* Offsets of the protocol and the port in a key of @family. */
#define WEFT_NFT_KEY_ADDRESS_LEN(family) ((family) == WEFT_FAMILY_IPV4 ? 4U : 16U)
#define WEFT_NFT_KEY_PROTOCOL(family)    (WEFT_NFT_KEY_ADDRESS_LEN(family))
#define WEFT_NFT_KEY_PORT(family)        (WEFT_NFT_KEY_ADDRESS_LEN(family) + 4U)

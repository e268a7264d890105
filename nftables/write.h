/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Models and differences as transactions. Private to the room. */
#pragma once

#include "nftables/batch.h"
#include "nftables/diff.h"
#include "nftables/model.h"

/* Deletes the table; with @create it is added before, so that it need not be there. */
void weft_nft_write_delete(WeftNftBatch *batch, const char *table, bool create);

/* The whole table anew, whether there is one or not. Counters go on from @counts (name -> struct
 * weft_nft_count), or NULL. */
void weft_nft_write_model(WeftNftBatch *batch, const WeftNftModel *model, GHashTable *counts);

/* The changes of a difference that is no rebuild. */
void weft_nft_write_diff(WeftNftBatch *batch, const char *table, const WeftNftDiff *diff);

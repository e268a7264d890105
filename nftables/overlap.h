/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Does a model let anything of a region pass? */
#pragma once

#include <stdbool.h>

#include "nftables/model.h"

/* True if an ACCEPT element of @id's direction and family may touch the region of @e, an element of
 * the set @id. Errs on the side of true for wide regions with thousands of elements inside. */
bool weft_nft_model_accepts_part(const WeftNftModel *model,
				 struct weft_nft_set_id id,
				 const struct weft_nft_element *e);

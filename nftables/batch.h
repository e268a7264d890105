/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A transaction being written: messages between the two batch markers. Private to the room. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;

typedef struct weft_nft_batch WeftNftBatch;

WeftNftBatch *weft_nft_batch_new(void);
void weft_nft_batch_free(WeftNftBatch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNftBatch, weft_nft_batch_free)

/* The transaction fails with WEFT_NFT_ERROR_INTERRUPTED if the ruleset is of another generation. */
void weft_nft_batch_require_generation(WeftNftBatch *batch, uint32_t generation);

/* Begins a message of WEFT_NFT_MESSAGE_SIZE octets at most; family inet. @what: what it does, for
 * error texts ("add chain input"); copied. */
struct nlmsghdr *weft_nft_batch_begin(WeftNftBatch *batch,
				      uint16_t type,
				      uint16_t flags,
				      const char *what);

/* Takes the begun message in. */
void weft_nft_batch_end(WeftNftBatch *batch);

size_t weft_nft_batch_count(const WeftNftBatch *batch);

/* Numbers the messages from @seq on, adds the markers and asks for an acknowledgement of the last
 * message. Returns the transaction, owned by the batch; NULL if there are no messages or too many
 * octets. @ret_last: number of the message that is acknowledged. */
const void *weft_nft_batch_finish(WeftNftBatch *batch,
				  uint32_t seq,
				  size_t *ret_len,
				  uint32_t *ret_last);

/* What the message with that number does; "commit" for others. */
const char *weft_nft_batch_what(const WeftNftBatch *batch, uint32_t seq);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our table in the kernel: keeps it equal to a model, one transaction for each change.
 *
 * The table carries a mark of ownership. A table of the same name without it is someone else's and
 * is left alone; other tables are never changed. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nftables/diff.h"
#include "nftables/model.h"
#include "nftables/socket.h"

/* The comment of our table, as "nft list ruleset" shows it. */
#define WEFT_NFT_OWNER "owned by weftd"

typedef struct weft_nft_table WeftNftTable;

/* Takes over @socket. @config must be valid. The kernel is not asked yet. */
WeftNftTable *weft_nft_table_new(WeftNftSocket *socket, const struct weft_nft_config *config);
void weft_nft_table_free(WeftNftTable *table); /* leaves the kernel's table as it is */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNftTable, weft_nft_table_free)

enum weft_nft_found {
	WEFT_NFT_FOUND_NOTHING, /* there is no such table */
	WEFT_NFT_FOUND_INTACT,  /* ours, as this room writes it */
	WEFT_NFT_FOUND_ALTERED, /* ours by its mark, but chains, rules, sets or counters differ */
	WEFT_NFT_FOUND_COUNT_
};
const char *weft_nft_found_name(enum weft_nft_found found);

/* Reads the kernel's table, so that the next apply changes only what differs: at start, and when
 * the state has become unknown. A foreign table is WEFT_NFT_ERROR_FOREIGN. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_table_read(WeftNftTable *table,
						   enum weft_nft_found *ret_found,
						   GError **error);

/* What the last reading found altered, e.g. "chain in4 differs": for the log. "" if nothing.
 * Borrowed until the next call. */
const char *weft_nft_table_why(const WeftNftTable *table);

/* What the kernel is believed to hold; NULL if unknown or not there. Borrowed until the next call.
 */
const WeftNftModel *weft_nft_table_current(const WeftNftTable *table);

struct weft_nft_applied {
	bool rebuilt; /* the table was written anew; its counters go on as they were read before */
	size_t added; /* elements */
	size_t deleted; /* elements */
	unsigned tries; /* transactions sent; more than 1 after a collision with others */
	/* Flows to cut; see diff.h. Freed by weft_nft_applied_clear(). NULL if nothing was revoked,
	 * or if nothing is known of what was in force. */
	WeftNftDiff *revoked;
};

void weft_nft_applied_clear(struct weft_nft_applied *applied);

/* Makes the kernel's table equal to @model in one transaction: by the difference to what is there,
 * which is read first where it is not known, or by a rebuild if that is nothing of ours. Takes over
 * @model, also on failure. @ret may be NULL. On failure the old rules are in force. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_table_apply(WeftNftTable *table,
						    WeftNftModel *model,
						    struct weft_nft_applied *ret,
						    GError **error);

/* Compares the kernel's table with what was applied last, or if nothing was, with what this room
 * could have written. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_table_verify(WeftNftTable *table,
						     enum weft_nft_found *ret_found,
						     GError **error);

/* Verifies, and writes the table anew if it is gone or altered. @ret_repaired may be NULL. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_table_repair(WeftNftTable *table,
						     bool *ret_repaired,
						     GError **error);

/* Deletes our table. That there is none is no error. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_table_remove(WeftNftTable *table, GError **error);

/* One named counter. */
struct weft_nft_count {
	const char *name;              /* "dropped_in", "p_...", ... */
	struct weft_nft_policy policy; /* of "p_..." and "x_..."; length 0 otherwise */
	uint64_t packets;
	uint64_t bytes;
};
typedef void (*WeftNftCountFunc)(const struct weft_nft_count *count, void *user);

G_GNUC_WARN_UNUSED_RESULT bool weft_nft_table_counts(WeftNftTable *table,
						     WeftNftCountFunc func,
						     void *user,
						     GError **error);

uint32_t weft_nft_table_port_id(const WeftNftTable *table); /* for weft_nft_monitor_new() */

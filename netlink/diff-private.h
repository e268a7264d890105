/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the diff share. Internal to the room. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "netlink/diff.h"
#include "netlink/error.h"

struct weft_nl_ops {
	char link[WEFT_NL_LINK_NAME_SIZE];
	GArray *ops;     /* struct weft_nl_op */
	GPtrArray *pool; /* arrays of prefixes that operations point to */
};

/* One diff under construction. */
struct weft_nl_diff {
	const struct weft_nl_state *desired;
	const struct weft_nl_state *dumped;
	GPtrArray *problems; /* or NULL */
	WeftNlOps *ops;
	bool v4_flushed;          /* no IPv4 address stays, so all IPv4 routes of the link go */
	GHashTable *gone_sources; /* struct weft_address: routes with this source may go, too */
};

/* Appends an operation with everything else zero. Valid until the next one. */
struct weft_nl_op *weft_nl_ops_append(WeftNlOps *ops, enum weft_nl_op_kind kind);
/* Operations were appended as they were found: brings them into the order of the kinds. */
void weft_nl_ops_order(WeftNlOps *ops);

void weft_nl_diff_report(struct weft_nl_diff *d, enum weft_nl_error code, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

void weft_nl_diff_peers(struct weft_nl_diff *d);
void weft_nl_diff_addrs(struct weft_nl_diff *d);
void weft_nl_diff_routes(struct weft_nl_diff *d); /* after the addresses */
void weft_nl_diff_rules(struct weft_nl_diff *d);

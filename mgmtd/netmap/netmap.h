/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The network map of one peer (management.md 17 and 18), as packed protobuf bytes.
 *
 * Entries that many receivers share (a remote peer, a firewall rule about it, its DNS record) are
 * packed once per account and concatenated for each receiver. Pure: the clock is a parameter.
 * Main thread only. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "mgmtd/model/model.h"

typedef struct mgmt_netmap MgmtNetmap; /* the fragment cache of one account */

MgmtNetmap *mgmt_netmap_new(MgmtAccount *account); /* @account is borrowed */
void mgmt_netmap_free(MgmtNetmap *netmap);

/* To be called after the model changed: drops the fragments of one peer (name, key, address,
 * version), or of everything that depends on the account row (domain, network). */
void mgmt_netmap_forget_peer(MgmtNetmap *netmap, uint32_t peer_index);
void mgmt_netmap_forget_all(MgmtNetmap *netmap);

/* What the receiver last got, for skipping and for deltas. */
struct mgmt_netmap_state;
struct mgmt_netmap_state *mgmt_netmap_state_new(void);
void mgmt_netmap_state_free(struct mgmt_netmap_state *state);

enum mgmt_netmap_kind {
	MGMT_NETMAP_UNCHANGED, /* nothing to send */
	MGMT_NETMAP_FULL,
	MGMT_NETMAP_DELTA
};

/* Appends to @out the packed fields of a SyncResponse for @peer except netbirdConfig: peerConfig,
 * the deprecated twins, NetworkMap, sessionExpiresAt; or, for a receiver with deltas whose @state
 * is known, the delta field. @state NULL: always full. @state is updated to what @out now contains.
 * @serial is the account's serial. */
enum mgmt_netmap_kind mgmt_netmap_build(MgmtNetmap *netmap,
					const struct mgmt_peer *peer,
					int64_t now_us,
					struct mgmt_netmap_state *state,
					GByteArray *out);

/* The last message for a deleted or expired peer (protocol.md 10.2 "Farewell"): empty, in the form
 * that @peer gets its maps in. */
void mgmt_netmap_farewell(const MgmtAccount *account,
			  const struct mgmt_peer *peer,
			  GByteArray *out);

/* Packed PeerConfig of @peer, the same bytes in LoginResponse and SyncResponse. */
void mgmt_netmap_peer_config(MgmtAccount *account, const struct mgmt_peer *peer, GByteArray *out);

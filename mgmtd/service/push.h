/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams of the management service and what is due to them: one dirty slot per stream, coalesced
 * and damped; maps are built on the main thread in slices, boxed and sent by workers in chunks. */
#pragma once

#include <glib.h>

#include "mgmtd/model/model.h"

typedef struct mgmt_push MgmtPush;

/* Marks the streams of these peers dirty. The first change after a quiet time is sent within
 * milliseconds; further ones are gathered for a bounded time. */
void mgmt_push_dirty(MgmtPush *push, MgmtAccount *account, const struct mgmt_bitset *peers);

/* Queues the farewell as the last message of the peer's Sync stream and ends it with OK; it cannot
 * be lost to coalescing. */
void mgmt_push_farewell(MgmtPush *push, MgmtAccount *account, const struct mgmt_peer *peer);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sync streams and what is due to them: one dirty slot per stream, coalesced and damped. Maps are
 * built on the main thread in slices of a few milliseconds; workers box and send them, a bounded
 * number at a time, so that a registration during a push of a thousand maps is answered at once.
 *
 * Main thread only. */
#pragma once

#include <glib.h>

#include "base/box.h"
#include "base/glib/conf.h"
#include "base/glib/metrics.h"
#include "mgmtd/model/model.h"
#include "mgmtd/netmap/netmap.h"
#include "rpc/call.h"
#include "rpc/runtime.h"

struct weft_env;

typedef struct mgmt_push MgmtPush;

struct mgmt_push_config {
	WeftRpcRuntime *runtime;
	GMainContext *context;
	const struct weft_env *env;
	MgmtModel *model;
	const WeftConf *conf; /* may be replaced by mgmt_push_set_conf() */
	struct weft_key_text server_public;
	WeftMetrics *metrics;
	unsigned workers; /* 0 = as many as processors, at most 4 */

	/* A peer's stream was opened, or its last one is gone. */
	void (*on_status)(void *user,
			  const struct mgmt_id *account,
			  const struct mgmt_id *peer,
			  bool connected);
	void *user;
};

MgmtPush *mgmt_push_new(const struct mgmt_push_config *config);
void mgmt_push_free(MgmtPush *push); /* after the server is down; waits for the workers */
void mgmt_push_set_conf(MgmtPush *push, const WeftConf *conf);

/* Takes over an accepted Sync call of @peer: an older stream of the peer ends with OK, this one
 * gets the configuration and its first map at once. Takes its own reference of @call, whose on_done
 * has to call mgmt_push_closed(). */
void mgmt_push_open(MgmtPush *push,
		    MgmtAccount *account,
		    const struct mgmt_peer *peer,
		    const struct weft_box_key *box,
		    WeftRpcCall *call);
void mgmt_push_closed(MgmtPush *push, WeftRpcCall *call);
/* For the call's on_drain. */
void mgmt_push_drained(MgmtPush *push, WeftRpcCall *call);

bool mgmt_push_is_connected(const MgmtPush *push, const struct mgmt_id *peer);
unsigned mgmt_push_stream_count(const MgmtPush *push);

/* The hooks of admin/. */
void mgmt_push_dirty(MgmtPush *push, MgmtAccount *account, const struct mgmt_bitset *peers);
/* The farewell is the last message of the stream, which then ends with OK; nothing coalesces it
 * away. */
void mgmt_push_farewell(MgmtPush *push, MgmtAccount *account, const struct mgmt_peer *peer);
void mgmt_push_peer_changed(MgmtPush *push, MgmtAccount *account, const struct mgmt_peer *peer);
void mgmt_push_account_changed(MgmtPush *push, MgmtAccount *account);

/* The packed PeerConfig of a LoginResponse comes from the same cache. */
MgmtNetmap *mgmt_push_netmap(MgmtPush *push, MgmtAccount *account);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The streams: Sync and Job. */
#include "base/env.h"
#include "mgmtd/service/internal.h"
#include "mgmtd/service/meta.h"

#include <string.h>

/* A Sync call between its request and its place in push/. */
struct opening {
	MgmtService *service;
	WeftRpcCall *call;
	struct mgmt_id account_id, peer_id;
	struct weft_box_key box;
};

/* The peer's news are stored, or the store is away: in either case it is served. */
static void
on_reported(void *user, const void *object, const GError *error)
{
	struct opening *o = user;
	MgmtModel *model = mgmt_admin_model(o->service->config.admin);
	MgmtAccount *a = mgmt_model_account(model, &o->account_id);
	const struct mgmt_peer *peer = a == NULL ? NULL : mgmt_account_peer(a, &o->peer_id);

	if (peer == NULL)
		weft_rpc_call_finish(o->call, WEFT_RPC_PERMISSION_DENIED, "peer is not registered");
	else if (weft_rpc_call_data(o->call) == o->service)
		mgmt_push_open(o->service->config.push, a, peer, &o->box, o->call);
	weft_key_wipe(&o->box.shared);
	weft_rpc_call_unref(o->call);
	g_free(o);
}

static void
on_sync(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	MgmtService *s = user;
	struct mgmt_request r;
	const Management__SyncRequest *request = (const void *) mgmt_service_open(
		s, call, msg, &management__sync_request__descriptor, &r);
	MgmtAccount *account;
	const struct mgmt_peer *peer;
	struct mgmt_meta meta;
	struct opening *o;
	char address[WEFT_ADDRESS_TEXT_SIZE];

	if (request == NULL)
		return;
	peer = mgmt_service_peer(s, &r, &account);
	if (peer == NULL) {
		weft_rpc_call_finish(call, WEFT_RPC_PERMISSION_DENIED, "peer is not registered");
	} else if (peer->login_expired) {
		weft_rpc_call_finish(call, WEFT_RPC_PERMISSION_DENIED,
				     "peer login has expired, please log in once more");
	} else {
		/* The data says that the call is alive: cleared by on_done. */
		weft_rpc_call_set_data(call, s, NULL);
		o = g_new0(struct opening, 1);
		o->service = s;
		o->call = weft_rpc_call_ref(call);
		o->account_id = account->row.id;
		o->peer_id = peer->id;
		o->box = r.box;
		mgmt_service_address(call, address);
		if (request->meta != NULL)
			mgmt_meta_from_proto(&meta, request->meta);
		mgmt_admin_peer_report(s->config.admin, &account->row.id, &peer->id,
				       request->meta == NULL ? NULL : &meta, NULL, address, false,
				       (struct mgmt_reply){ on_reported, o });
		if (request->meta != NULL)
			mgmt_meta_clear(&meta);
	}
	mgmt_request_clear(&r);
}

static void
on_sync_drain(WeftRpcCall *call, void *user)
{
	MgmtService *s = user;

	mgmt_push_drained(s->config.push, call);
}

static void
on_sync_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	MgmtService *s = user;

	weft_rpc_call_set_data(call, NULL, NULL);
	mgmt_push_closed(s->config.push, call);
}

const struct weft_rpc_handler mgmt_sync_handler = {
	.on_message = on_sync,
	.on_drain = on_sync_drain,
	.on_done = on_sync_done,
};

/* Job: the first message says who it is; the stream stays open. Nothing is asked of clients yet. */
static void
on_job(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	MgmtService *s = user;
	struct mgmt_request r;
	const struct mgmt_peer *peer;
	MgmtAccount *account;
	WeftRpcCall *old;

	if (weft_rpc_call_data(call) != NULL)
		return; /* answers to jobs that were never given */
	if (mgmt_service_open(s, call, msg, &management__job_request__descriptor, &r) == NULL)
		return;
	peer = mgmt_service_peer(s, &r, &account);
	mgmt_request_clear(&r);
	if (peer == NULL) {
		weft_rpc_call_finish(call, WEFT_RPC_PERMISSION_DENIED, "peer is not registered");
		return;
	}
	old = g_hash_table_lookup(s->jobs, peer->id.s);
	if (old != NULL)
		weft_rpc_call_finish(old, WEFT_RPC_OK, NULL);
	weft_rpc_call_set_data(call, g_strdup(peer->id.s), g_free);
	g_hash_table_replace(s->jobs, g_strdup(peer->id.s), weft_rpc_call_ref(call));
}

static void
on_job_half_close(WeftRpcCall *call, void *user)
{
	weft_rpc_call_finish(call, WEFT_RPC_OK, NULL);
}

static void
on_job_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	MgmtService *s = user;
	const char *peer_id = weft_rpc_call_data(call);

	if (peer_id != NULL && g_hash_table_lookup(s->jobs, peer_id) == call)
		g_hash_table_remove(s->jobs, peer_id);
}

const struct weft_rpc_handler mgmt_job_handler = {
	.on_message = on_job,
	.on_half_close = on_job_half_close,
	.on_done = on_job_done,
};

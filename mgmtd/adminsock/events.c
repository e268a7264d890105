/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The activity log: what is stored, then what happens. */
#include "mgmtd/adminsock/internal.h"

#define DEFAULT_LIMIT 100
#define MAX_LIMIT     10000

struct listing {
	MgmtAdminSock *sock;
	WeftRpcCall *call;
	struct mgmt_id account;
	unsigned limit;
	int64_t after; /* followers: events beyond this id */
	bool follow;
	GPtrArray *events;
};

static bool
on_run(MgmtTx *tx, void *data, GError **error)
{
	struct listing *l = data;

	g_clear_pointer(&l->events, g_ptr_array_unref);
	return mgmt_tx_list_events(tx, &l->account, l->after, l->limit, &l->events, error);
}

static bool
send_event(WeftRpcCall *call, const struct mgmt_event *event)
{
	Weft__Admin__Event message;
	enum weft_rpc_send sent;

	mgmt_show_event(event, &message);
	sent = weft_rpc_call_send(call, &message.base);
	return sent == WEFT_RPC_SEND_OK || sent == WEFT_RPC_SEND_REPLACED;
}

static void
on_done(void *data, const GError *error)
{
	struct listing *l = data;

	if (error != NULL) {
		weft_rpc_call_finish(l->call, WEFT_RPC_UNAVAILABLE, error->message);
	} else {
		for (guint i = 0; i < l->events->len; i++) {
			const struct mgmt_event *e = g_ptr_array_index(l->events, i);

			if (!send_event(l->call, e))
				break;
		}
		if (l->follow)
			g_ptr_array_add(l->sock->followers, weft_rpc_call_ref(l->call));
		else
			weft_rpc_call_finish(l->call, WEFT_RPC_OK, NULL);
	}
	g_clear_pointer(&l->events, g_ptr_array_unref);
	weft_rpc_call_unref(l->call);
	g_free(l);
}

void
mgmt_adminsock_list_events(MgmtAdminSock *sock,
			   WeftRpcCall *call,
			   const Weft__Admin__EventsRequest *request)
{
	struct listing *l = g_new0(struct listing, 1);

	l->sock = sock;
	l->call = weft_rpc_call_ref(call);
	l->account = mgmt_adminsock_account(sock, NULL)->row.id;
	l->limit = request->limit == 0 ? DEFAULT_LIMIT : MIN(request->limit, MAX_LIMIT);
	l->follow = request->follow;
	l->after = -1; /* the newest ones */
	weft_rpc_call_send_headers(call);
	mgmt_store_submit(sock->store, on_run, on_done, l);
}

void
mgmt_adminsock_unfollow(MgmtAdminSock *sock, WeftRpcCall *call)
{
	g_ptr_array_remove(sock->followers, call);
}

void
mgmt_adminsock_event(MgmtAdminSock *sock, const struct mgmt_event *event)
{
	if (sock == NULL)
		return;
	for (guint i = sock->followers->len; i-- > 0;) {
		WeftRpcCall *call = g_ptr_array_index(sock->followers, i);

		if (!send_event(call, event))
			weft_rpc_call_finish(call, WEFT_RPC_RESOURCE_EXHAUSTED,
					     "too slow for the events");
	}
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connection state of peers: in the model at once, in the store in batches, since a thousand
 * streams that open after a restart must not be a thousand commits. */
#include "base/env.h"
#include "mgmtd/admin/op.h"

struct status_batch {
	MgmtAdmin *admin;
	GArray *rows; /* of struct mgmt_peer_status */
};

static bool
on_run(MgmtTx *tx, void *data, GError **error)
{
	struct status_batch *b = data;

	return mgmt_tx_put_status(tx, (const struct mgmt_peer_status *) (void *) b->rows->data,
				  b->rows->len, error);
}

static void flush(MgmtAdmin *admin);

static void
on_done(void *data, const GError *error)
{
	struct status_batch *b = data;
	MgmtAdmin *admin = b->admin;

	admin->status_in_store = false;
	for (guint i = 0; error != NULL && i < b->rows->len; i++) {
		struct mgmt_peer_status *row = &g_array_index(b->rows, struct mgmt_peer_status, i);

		/* Newer news about the peer may have come meanwhile. */
		if (!g_hash_table_contains(admin->status, row->peer.s)) {
			struct mgmt_peer_status *kept = g_memdup2(row, sizeof *row);

			g_hash_table_insert(admin->status, kept->peer.s, kept);
		}
	}
	g_array_unref(b->rows);
	g_free(b);
	if (error == NULL && g_hash_table_size(admin->status) > 0)
		flush(admin);
}

static void
flush(MgmtAdmin *admin)
{
	struct status_batch *b = g_new0(struct status_batch, 1);
	GHashTableIter iter;
	gpointer row;

	b->admin = admin;
	b->rows = g_array_new(FALSE, FALSE, sizeof(struct mgmt_peer_status));
	g_hash_table_iter_init(&iter, admin->status);
	while (g_hash_table_iter_next(&iter, NULL, &row))
		g_array_append_vals(b->rows, row, 1);
	g_hash_table_remove_all(admin->status);
	admin->status_in_store = true;
	mgmt_store_submit(admin->store, on_run, on_done, b);
}

void
mgmt_admin_flush_status(MgmtAdmin *admin)
{
	if (!admin->status_in_store && g_hash_table_size(admin->status) > 0)
		flush(admin);
}

void
mgmt_admin_peer_status(MgmtAdmin *admin,
		       const struct mgmt_id *account,
		       const struct mgmt_id *peer_id,
		       bool connected)
{
	MgmtAccount *a = mgmt_model_account(admin->model, account);
	struct mgmt_peer *peer = a == NULL ? NULL : mgmt_account_peer(a, peer_id);
	struct mgmt_peer_status *row;

	if (peer == NULL)
		return;
	peer->connected = connected;
	peer->last_seen_us = weft_env_wall_us(admin->env);
	row = g_new0(struct mgmt_peer_status, 1);
	row->peer = peer->id;
	row->last_seen_us = peer->last_seen_us;
	row->connected = connected;
	g_hash_table_replace(admin->status, row->peer.s, row);
}

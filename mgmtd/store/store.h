/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The database of mgmtd: one SQL text on SQLite and PostgreSQL.
 *
 * One writer thread owns the connection. Work reaches it as operations: a function that runs SQL
 * inside a savepoint, and a function that is called back on the main context once the outcome is
 * durable. The thread takes all operations that are queued (at most 64) into one transaction, so
 * that concurrent registrations share a commit; an operation whose function fails is rolled back
 * alone. Outcomes are delivered in the order of submission. Nothing here blocks the main loop.
 *
 * While the database is away (PostgreSQL restarting) operations fail with MGMT_STORE_ERROR_DOWN and
 * the thread reconnects with back-off; a transaction whose commit outcome is unknown is resolved by
 * looking up its journal row after reconnecting before anything is reported. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "mgmtd/model/types.h"

struct weft_env;

typedef struct mgmt_store MgmtStore;
typedef struct mgmt_tx MgmtTx; /* valid inside an operation's run function only */

#define MGMT_STORE_ERROR mgmt_store_error_quark()
enum mgmt_store_error {
	MGMT_STORE_ERROR_DOWN,     /* database not reachable: try later */
	MGMT_STORE_ERROR_CONFLICT, /* a unique index refused the row */
	MGMT_STORE_ERROR_REFUSED,  /* a condition of the statement did not hold (key used up) */
	MGMT_STORE_ERROR_SCHEMA,   /* newer schema than this program knows */
	MGMT_STORE_ERROR_IN_USE,   /* another mgmtd serves this store */
	MGMT_STORE_ERROR_FAILED    /* anything else, with the engine's text */
};
GQuark mgmt_store_error_quark(void);

struct mgmt_store_config {
	const char *url;       /* sqlite:///path or postgresql://... */
	GMainContext *context; /* where outcomes are delivered */
	const struct weft_env *env;
	unsigned max_batch; /* operations per commit; 0 = 64 */
};

/* Opens, locks against a second process, copies (SQLite) and migrates. Blocking: before the main
 * loop. */
MgmtStore *mgmt_store_open(const struct mgmt_store_config *config, GError **error);
/* Finishes what is queued, delivers the outcomes (running the main context until it has nothing
 * pending), closes. */
void mgmt_store_close(MgmtStore *store);

/* Everything that the model needs, read in one snapshot. Blocking: before the main loop, and on a
 * reload after a restore. The callbacks own what they are given. */
struct mgmt_store_loader {
	bool (*account)(void *user, struct mgmt_account_row *row, GError **error);
	bool (*group)(void *user, struct mgmt_group *group, GArray *peer_ids, GError **error);
	bool (*peer)(void *user, struct mgmt_peer *peer, GError **error);
	bool (*policy)(void *user, struct mgmt_policy *policy, GError **error);
	bool (*setup_key)(void *user, struct mgmt_setup_key *key, GError **error);
	bool (*token)(void *user, struct mgmt_token *token, GError **error);
	void *user;
};
/* Order of calls: accounts, peers, groups, policies, setup keys, tokens. */
bool mgmt_store_load(MgmtStore *store, const struct mgmt_store_loader *loader, GError **error);

/* The box key of the deployment: read, or made and stored on first use. */
bool mgmt_store_box_key(MgmtStore *store, struct weft_key *ret_private, GError **error);

/* @run is called on the writer thread, perhaps twice (after a lost connection); it must only use
 * @tx and @data. @done is called on the main context with @error NULL on success. */
typedef bool (*mgmt_store_run)(MgmtTx *tx, void *data, GError **error);
typedef void (*mgmt_store_done)(void *data, const GError *error);
void mgmt_store_submit(MgmtStore *store, mgmt_store_run run, mgmt_store_done done, void *data);

/* "sqlite" or "postgresql". */
const char *mgmt_store_engine(const MgmtStore *store);

/* True while the database answers. */
bool mgmt_store_is_up(const MgmtStore *store);

/* Inside a run function. Rows are whole objects; ids are chosen by the caller. */
/* The serial is written at insertion only; afterwards mgmt_tx_bump_serial() alone changes it. */
bool mgmt_tx_put_account(MgmtTx *tx, const struct mgmt_account_row *row, GError **error);
/* Increments the account's serial and returns it. */
bool mgmt_tx_bump_serial(MgmtTx *tx,
			 const struct mgmt_id *account,
			 uint64_t *ret_serial,
			 GError **error);
bool mgmt_tx_insert_peer(MgmtTx *tx, const struct mgmt_peer *peer, GError **error);
/* Writes only the columns of @fields (enum mgmt_peer_field): several changes of one peer may be on
 * their way at once and must not undo each other. */
enum mgmt_peer_field {
	MGMT_PEER_NAME = 1 << 0,     /* name, dns_label */
	MGMT_PEER_REPORT = 1 << 1,   /* meta, ssh_key, connection_ip, last_login, ip6 */
	MGMT_PEER_APPROVAL = 1 << 2, /* approval_required */
	MGMT_PEER_EXPIRY = 1 << 3    /* login_expired, login_expiration_enabled, ssh_enabled */
};
bool mgmt_tx_update_peer(MgmtTx *tx, const struct mgmt_peer *peer, unsigned fields, GError **error);
bool mgmt_tx_delete_peer(MgmtTx *tx, const struct mgmt_id *peer, GError **error);
bool mgmt_tx_put_group(MgmtTx *tx, const struct mgmt_group *group, GError **error);
bool mgmt_tx_delete_group(MgmtTx *tx, const struct mgmt_id *group, GError **error);
bool mgmt_tx_add_member(MgmtTx *tx,
			const struct mgmt_id *group,
			const struct mgmt_id *peer,
			GError **error);
bool mgmt_tx_remove_member(MgmtTx *tx,
			   const struct mgmt_id *group,
			   const struct mgmt_id *peer,
			   GError **error);
bool mgmt_tx_put_policy(MgmtTx *tx, const struct mgmt_policy *policy, GError **error);
bool mgmt_tx_delete_policy(MgmtTx *tx, const struct mgmt_id *policy, GError **error);
bool mgmt_tx_put_setup_key(MgmtTx *tx, const struct mgmt_setup_key *key, GError **error);
/* One UPDATE ... WHERE valid ... RETURNING: consumes one use, or fails with
 * MGMT_STORE_ERROR_REFUSED. @ret_used is the number of uses afterwards. */
/* Sets revoked and updated_at only: uses are counted meanwhile. */
bool mgmt_tx_revoke_setup_key(MgmtTx *tx,
			      const struct mgmt_id *key,
			      int64_t now_us,
			      GError **error);
bool mgmt_tx_use_setup_key(
	MgmtTx *tx, const struct mgmt_id *key, int64_t now_us, int64_t *ret_used, GError **error);
bool mgmt_tx_put_token(MgmtTx *tx, const struct mgmt_token *token, GError **error);
bool mgmt_tx_delete_token(MgmtTx *tx, const struct mgmt_id *token, GError **error);
/* Last-seen and connection state of many peers, batched by the caller. */
struct mgmt_peer_status {
	struct mgmt_id peer;
	int64_t last_seen_us;
	bool connected;
};
bool mgmt_tx_put_status(MgmtTx *tx, const struct mgmt_peer_status *rows, size_t n, GError **error);
bool mgmt_tx_add_event(MgmtTx *tx, const struct mgmt_event *event, GError **error);
/* Events with id > @after, at most @limit, oldest first; with @after -1 the newest @limit:
 * GPtrArray of struct mgmt_event *. */
bool mgmt_tx_list_events(MgmtTx *tx,
			 const struct mgmt_id *account,
			 int64_t after,
			 unsigned limit,
			 GPtrArray **ret,
			 GError **error);

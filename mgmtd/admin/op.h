/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The frame of every operation. An operation type embeds struct mgmt_op first and fills in its
 * steps; op.c calls them in this order:
 *
 *	check    main thread, when it is its turn: permission is already decided; false = refused
 *	run      store thread, inside a savepoint, maybe twice
 *	apply    main thread, after the commit: changes the model, fills object and affected
 *	release  main thread, instead of apply, when it failed: gives reservations back
 *	clear    main thread, last, after the reply: frees what the type owns (the frame frees
 *itself)
 */
#pragma once

#include <glib.h>

#include "mgmtd/admin/admin.h"

struct mgmt_op;

struct mgmt_op_type {
	const char *name;                                  /* for messages: "create group" */
	bool exclusive;                                    /* one after the other; else at once */
	bool changes_maps;                                 /* increments the account's serial */
	bool (*check)(struct mgmt_op *op, GError **error); /* may be NULL */
	bool (*run)(MgmtTx *tx, struct mgmt_op *op, GError **error);
	void (*apply)(struct mgmt_op *op);
	void (*release)(struct mgmt_op *op); /* may be NULL */
	void (*clear)(struct mgmt_op *op);   /* may be NULL */
};

struct mgmt_op {
	const struct mgmt_op_type *type;
	MgmtAdmin *admin;
	struct mgmt_actor actor;
	struct mgmt_id account_id;
	struct mgmt_reply reply;
	bool nothing_to_do; /* set by check: skip the store and the model, reply with object */
	bool reserved;      /* set by check once release has something to give back */
	const void *object;
	struct mgmt_bitset affected;
	GArray *events; /* of struct mgmt_event, written with the change */
	uint64_t serial;
};

struct mgmt_admin {
	MgmtModel *model;
	MgmtStore *store;
	const struct weft_env *env;
	struct mgmt_admin_hooks hooks;
	GQueue waiting; /* exclusive operations behind the current one */
	struct mgmt_op *current;
	unsigned n_in_store;
	GHashTable *registering; /* set of struct weft_key: registrations under way */
	GHashTable *status;      /* peer id text -> struct mgmt_peer_status, not written yet */
	bool status_in_store;
};

/* Allocates @size bytes for an operation of @type. */
void *mgmt_op_new(MgmtAdmin *admin,
		  const struct mgmt_op_type *type,
		  size_t size,
		  const struct mgmt_actor *actor,
		  const struct mgmt_id *account,
		  struct mgmt_reply reply);
/* Takes ownership; the reply may come before this returns. */
void mgmt_op_start(struct mgmt_op *op);

/* The account, or NULL with MGMT_ERROR_NOT_FOUND. */
MgmtAccount *mgmt_op_account(const struct mgmt_op *op, GError **error);

/* Adds an event; @meta is a NULL-terminated list of key, value pairs of text. */
void mgmt_op_event(struct mgmt_op *op, int activity, const struct mgmt_id *target, ...)
	G_GNUC_NULL_TERMINATED;

/* Events by their permanent numbers (management.md 16). */
enum mgmt_activity {
	MGMT_ACTIVITY_PEER_ADDED_BY_SETUP_KEY = 1,
	MGMT_ACTIVITY_ACCOUNT_CREATED = 4,
	MGMT_ACTIVITY_PEER_REMOVED = 5,
	MGMT_ACTIVITY_POLICY_ADDED = 9,
	MGMT_ACTIVITY_POLICY_UPDATED = 10,
	MGMT_ACTIVITY_POLICY_REMOVED = 11,
	MGMT_ACTIVITY_SETUP_KEY_CREATED = 12,
	MGMT_ACTIVITY_SETUP_KEY_REVOKED = 14,
	MGMT_ACTIVITY_SETUP_KEY_OVERUSED = 15,
	MGMT_ACTIVITY_GROUP_CREATED = 16,
	MGMT_ACTIVITY_GROUP_UPDATED = 17,
	MGMT_ACTIVITY_GROUP_ADDED_TO_PEER = 18,
	MGMT_ACTIVITY_GROUP_REMOVED_FROM_PEER = 19,
	MGMT_ACTIVITY_PEER_RENAMED = 32,
	MGMT_ACTIVITY_LOGIN_EXPIRATION_ON = 38,
	MGMT_ACTIVITY_LOGIN_EXPIRATION_OFF = 39,
	MGMT_ACTIVITY_LOGIN_EXPIRATION_PERIOD = 40,
	MGMT_ACTIVITY_TOKEN_CREATED = 41,
	MGMT_ACTIVITY_TOKEN_REVOKED = 42,
	MGMT_ACTIVITY_GROUP_DELETED = 48,
	MGMT_ACTIVITY_PEER_APPROVAL_ON = 55,
	MGMT_ACTIVITY_PEER_APPROVAL_OFF = 56,
	MGMT_ACTIVITY_PEER_APPROVED = 57,
	MGMT_ACTIVITY_ROUTING_PEER_DNS_ON = 71,
	MGMT_ACTIVITY_ROUTING_PEER_DNS_OFF = 72,
	MGMT_ACTIVITY_DNS_DOMAIN = 84,
	MGMT_ACTIVITY_LAZY_ON = 85,
	MGMT_ACTIVITY_LAZY_OFF = 86,
	MGMT_ACTIVITY_IPV6_ON = 121,
	MGMT_ACTIVITY_IPV6_OFF = 122,
	/* Ours, for what has no number upstream. */
	MGMT_ACTIVITY_ACCOUNT_RENAMED = 15001,
};

/* Checks of text from outside: 1 to @max bytes of UTF-8 without control characters (an empty one
 * only if @empty_ok). */
bool mgmt_check_text(const char *what, const char *text, size_t max, bool empty_ok, GError **error);

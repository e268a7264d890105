/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every change of an account is one operation here: permission, check against the model, one store
 * transaction with its activity event, model, dirty peers. The transports (admin socket, management
 * service, later REST) only translate. Main thread; outcomes arrive later through a callback. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "mgmtd/model/model.h"
#include "mgmtd/store/store.h"

struct weft_env;

typedef struct mgmt_admin MgmtAdmin;

#define MGMT_ERROR mgmt_error_quark()
/* Transports map these: gRPC status of protocol.md 2.3, exit codes of weft-admin. */
enum mgmt_error {
	MGMT_ERROR_INVALID,      /* 3 INVALID_ARGUMENT */
	MGMT_ERROR_NOT_FOUND,    /* 5 */
	MGMT_ERROR_EXISTS,       /* 6 ALREADY_EXISTS */
	MGMT_ERROR_DENIED,       /* 7 PERMISSION_DENIED */
	MGMT_ERROR_EXHAUSTED,    /* 8 no address left, limits */
	MGMT_ERROR_PRECONDITION, /* 9 */
	MGMT_ERROR_UNAVAILABLE,  /* 14 the store is away */
	MGMT_ERROR_INTERNAL      /* 13 */
};
GQuark mgmt_error_quark(void);

/* Who asks. */
struct mgmt_actor {
	enum mgmt_initiator_kind kind;
	bool may_write;
	char id[64]; /* "admin:0", setup-key id, "sys" */
};

struct mgmt_admin_hooks {
	/* Peers of @account whose map may have changed (never empty). */
	void (*dirty)(void *user, MgmtAccount *account, const struct mgmt_bitset *peers);
	/* The peer is about to leave the model: say farewell and end its streams. */
	void (*peer_leaving)(void *user, MgmtAccount *account, const struct mgmt_peer *peer);
	/* Fields that are packed into shared fragments changed. */
	void (*peer_changed)(void *user, MgmtAccount *account, const struct mgmt_peer *peer);
	void (*account_changed)(void *user, MgmtAccount *account);
	void *user;
};

MgmtAdmin *mgmt_admin_new(MgmtModel *model,
			  MgmtStore *store,
			  const struct weft_env *env,
			  const struct mgmt_admin_hooks *hooks);
void mgmt_admin_free(MgmtAdmin *admin);

/* @object: the created or changed object, borrowed from the model, NULL for deletions and errors.
 */
typedef void (*mgmt_admin_done)(void *user, const void *object, const GError *error);

struct mgmt_init_request {
	const char *account_name;          /* "" = "default" */
	const struct weft_prefix *network; /* NULL = random /16 */
	bool default_deny;
};
struct mgmt_init_result { /* secrets are shown once */
	const MgmtAccount *account;
	const char *default_key, *one_off_key, *admin_token;
};
void mgmt_admin_init(MgmtAdmin *admin,
		     const struct mgmt_actor *actor,
		     const struct mgmt_init_request *request,
		     mgmt_admin_done done,
		     void *user);

struct mgmt_register_request {
	struct weft_key key;
	const char *setup_key; /* text as sent */
	const struct mgmt_meta *meta;
	const char *ssh_key;
	const char *connection_ip;
	const char *const *dns_labels; /* NULL-terminated or NULL */
};
/* Registers a peer by setup key: consumes it, allocates address and label, inserts. */
void mgmt_admin_register(MgmtAdmin *admin,
			 const struct mgmt_register_request *request,
			 mgmt_admin_done done,
			 void *user);
/* A known peer logs in or syncs with other meta data. */
void mgmt_admin_peer_meta(MgmtAdmin *admin,
			  struct mgmt_peer *peer,
			  const struct mgmt_meta *meta,
			  const char *ssh_key,
			  const char *connection_ip,
			  mgmt_admin_done done,
			  void *user);

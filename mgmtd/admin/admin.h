/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every change of an account is one operation here: permission, check against the model, one store
 * transaction with its activity event, model, dirty peers. The transports (admin socket, management
 * service, later REST) only translate. Main thread; outcomes arrive later through a callback,
 * always exactly once.
 *
 * Operations of administrators run one after the other, each checked against the outcome of those
 * before it. Registrations and peers' own reports run side by side and share commits; what they
 * could collide on is reserved in the model (address, label, key) or decided by one SQL statement.
 */
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
	char id[64]; /* "admin:0", "sys" */
};

struct mgmt_admin_hooks {
	/* Peers of @account whose map may have changed (never empty). */
	void (*dirty)(void *user, MgmtAccount *account, const struct mgmt_bitset *peers);
	/* The peer is about to leave the model: say farewell and end its streams. */
	void (*peer_leaving)(void *user, MgmtAccount *account, const struct mgmt_peer *peer);
	/* The peer was added or fields that are packed into shared fragments changed. */
	void (*peer_changed)(void *user, MgmtAccount *account, const struct mgmt_peer *peer);
	/* The account was added, or its domain, network or settings changed. */
	void (*account_changed)(void *user, MgmtAccount *account);
	/* An activity event became durable. May be NULL. */
	void (*event)(void *user, const struct mgmt_event *event);
	void *user;
};

/* All borrowed; they must outlive the object. */
MgmtAdmin *mgmt_admin_new(MgmtModel *model,
			  MgmtStore *store,
			  const struct weft_env *env,
			  const struct mgmt_admin_hooks *hooks);
/* After mgmt_store_close(), which ends what is under way. */
void mgmt_admin_free(MgmtAdmin *admin);

MgmtModel *mgmt_admin_model(const MgmtAdmin *admin);

/* @object: the created or changed object as documented at each operation, borrowed; NULL for
 * deletions and errors. */
typedef void (*mgmt_admin_done)(void *user, const void *object, const GError *error);

/* Where the answer goes; stands at the end of every operation. */
struct mgmt_reply {
	mgmt_admin_done done;
	void *user;
};

/* account.c */
struct mgmt_init_request {
	const char *account_name;          /* "" = "default" */
	const struct weft_prefix *network; /* NULL = random /16 of 100.64.0.0/10 */
	const char *dns_domain;            /* "" = weft.internal */
	bool default_deny;
};
struct mgmt_init_result { /* the secrets are shown this once */
	const MgmtAccount *account;
	const char *default_key, *one_off_key, *admin_token;
};
/* MGMT_ERROR_EXISTS if there is an account already. @object: struct mgmt_init_result *. */
void mgmt_admin_init(MgmtAdmin *admin,
		     const struct mgmt_actor *actor,
		     const struct mgmt_init_request *request,
		     struct mgmt_reply reply);

/* Only what is set changes. @object: MgmtAccount *. */
struct mgmt_account_change {
	const char *name;       /* NULL = keep */
	const char *dns_domain; /* NULL = keep */
	/* -1 = keep, 0, 1 */
	int lazy_connections, peer_approval, ipv6, routing_peer_dns, login_expiration;
	int64_t login_expiration_us; /* 0 = keep */
	const GArray *ipv6_groups;   /* of struct mgmt_id; NULL = keep */
};
void mgmt_admin_set_account(MgmtAdmin *admin,
			    const struct mgmt_actor *actor,
			    const struct mgmt_id *account,
			    const struct mgmt_account_change *change,
			    struct mgmt_reply reply);

/* register.c */
struct mgmt_register_request {
	struct weft_key key;
	const char *setup_key; /* text as sent */
	const struct mgmt_meta *meta;
	const char *ssh_key; /* "" = none */
	const char *connection_ip;
	unsigned n_dns_labels; /* extra labels asked for */
};
/* Registers a peer by setup key: consumes it, allocates address and label, inserts.
 * @object: struct mgmt_peer *. Errors: NOT_FOUND for any key that cannot be used, PRECONDITION for
 * a key being registered already, EXHAUSTED without a free address. */
void mgmt_admin_register(MgmtAdmin *admin,
			 const struct mgmt_register_request *request,
			 struct mgmt_reply reply);

/* peers.c */
/* A known peer logs in or syncs; writes only if something differs from what is stored.
 * @object: struct mgmt_peer *. @login: counts as a login. */
void mgmt_admin_peer_report(MgmtAdmin *admin,
			    const struct mgmt_id *account,
			    const struct mgmt_id *peer,
			    const struct mgmt_meta *meta,
			    const char *ssh_key,
			    const char *connection_ip,
			    bool login,
			    struct mgmt_reply reply);
/* Connection state of streams; gathered and written once a second at most, no reply. */
void mgmt_admin_peer_status(MgmtAdmin *admin,
			    const struct mgmt_id *account,
			    const struct mgmt_id *peer,
			    bool connected);
/* Writes what has gathered: to be called once a second. */
void mgmt_admin_flush_status(MgmtAdmin *admin);
void mgmt_admin_rename_peer(MgmtAdmin *admin,
			    const struct mgmt_actor *actor,
			    const struct mgmt_id *account,
			    const struct mgmt_id *peer,
			    const char *name,
			    struct mgmt_reply reply);
void mgmt_admin_approve_peer(MgmtAdmin *admin,
			     const struct mgmt_actor *actor,
			     const struct mgmt_id *account,
			     const struct mgmt_id *peer,
			     struct mgmt_reply reply);
/* Sets the groups of a peer besides All. @groups: GArray of struct mgmt_id. */
void mgmt_admin_move_peer(MgmtAdmin *admin,
			  const struct mgmt_actor *actor,
			  const struct mgmt_id *account,
			  const struct mgmt_id *peer,
			  const GArray *groups,
			  struct mgmt_reply reply);
/* By an administrator, by itself (Logout), or by the system (ephemeral). */
void mgmt_admin_delete_peer(MgmtAdmin *admin,
			    const struct mgmt_actor *actor,
			    const struct mgmt_id *account,
			    const struct mgmt_id *peer,
			    struct mgmt_reply reply);

/* groups.c. @object: struct mgmt_group *. */
/* @id NULL: create. @name NULL: keep. @peers (GArray of struct mgmt_id) NULL: keep. */
void mgmt_admin_put_group(MgmtAdmin *admin,
			  const struct mgmt_actor *actor,
			  const struct mgmt_id *account,
			  const struct mgmt_id *id,
			  const char *name,
			  const GArray *peers,
			  struct mgmt_reply reply);
/* Refused while a policy or setup key names it. */
void mgmt_admin_delete_group(MgmtAdmin *admin,
			     const struct mgmt_actor *actor,
			     const struct mgmt_id *account,
			     const struct mgmt_id *id,
			     struct mgmt_reply reply);

/* policies.c. @object: struct mgmt_policy *. */
/* Creates, if policy->id is none, or replaces; rule ids that are none are given. @policy is copied.
 */
void mgmt_admin_put_policy(MgmtAdmin *admin,
			   const struct mgmt_actor *actor,
			   const struct mgmt_id *account,
			   const struct mgmt_policy *policy,
			   struct mgmt_reply reply);
void mgmt_admin_delete_policy(MgmtAdmin *admin,
			      const struct mgmt_actor *actor,
			      const struct mgmt_id *account,
			      const struct mgmt_id *id,
			      struct mgmt_reply reply);

/* keys.c */
struct mgmt_setup_key_request {
	const char *name;
	enum mgmt_setup_key_type type;
	int64_t expires_in_us; /* 0 = never */
	int64_t usage_limit;   /* 0 = unlimited; one-off: ignored, 1 */
	bool ephemeral, allow_extra_dns_labels;
	const GArray *auto_groups; /* of struct mgmt_id or NULL */
};
struct mgmt_secret_result {                     /* of what is shown once */
	const struct mgmt_setup_key *setup_key; /* or NULL */
	const struct mgmt_token *token;         /* or NULL */
	const char *secret;
};
/* @object: struct mgmt_secret_result *. */
void mgmt_admin_create_setup_key(MgmtAdmin *admin,
				 const struct mgmt_actor *actor,
				 const struct mgmt_id *account,
				 const struct mgmt_setup_key_request *request,
				 struct mgmt_reply reply);
/* @object: struct mgmt_setup_key *. */
void mgmt_admin_revoke_setup_key(MgmtAdmin *admin,
				 const struct mgmt_actor *actor,
				 const struct mgmt_id *account,
				 const struct mgmt_id *id,
				 struct mgmt_reply reply);
/* @object: struct mgmt_secret_result *. @expires_in_us 0 = never. */
void mgmt_admin_create_token(MgmtAdmin *admin,
			     const struct mgmt_actor *actor,
			     const struct mgmt_id *account,
			     const char *name,
			     int64_t expires_in_us,
			     struct mgmt_reply reply);
void mgmt_admin_revoke_token(MgmtAdmin *admin,
			     const struct mgmt_actor *actor,
			     const struct mgmt_id *account,
			     const struct mgmt_id *id,
			     struct mgmt_reply reply);

/* The stored form of a setup key (management.md 1); free with g_free(). */
char *mgmt_setup_key_hash(const char *text);

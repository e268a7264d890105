/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of adminsock/ share. */
#pragma once

#include "mgmtd/adminsock/adminsock.h"
#include "proto/admin.pb-c.h"
#include "rpc/call.h"
#include "rpc/server.h"

struct mgmt_adminsock {
	const struct weft_env *env;
	MgmtAdmin *admin;
	MgmtPush *push;
	MgmtStore *store;
	WeftRpcRuntime *runtime;
	WeftRpcServer *server;
	uid_t own_uid;
	gid_t group; /* (gid_t) -1: none */
	int64_t started_us;
	GPtrArray *followers; /* of WeftRpcCall *, in the order in which they came */
	int64_t last_event;   /* id of the newest event told to followers */
};

/* Memory of one answer: everything allocated through it goes at once. */
struct scope {
	GPtrArray *owned;
};

void *scope_alloc(struct scope *s, size_t size);
char *scope_text(struct scope *s, const char *text);
char *scope_take(struct scope *s, char *text); /* g_free()s it in the end */
void scope_clear(struct scope *s);

/* The one account there is so far; NULL with an error that says what to do. */
MgmtAccount *mgmt_adminsock_account(MgmtAdminSock *sock, GError **error);

/* References to objects; NULL with MGMT_ERROR_NOT_FOUND, or MGMT_ERROR_INVALID if a name fits
 * several. */
struct mgmt_peer *mgmt_resolve_peer(const MgmtAccount *a, const char *name, GError **error);
struct mgmt_group *mgmt_resolve_group(const MgmtAccount *a, const char *name, GError **error);
struct mgmt_policy *mgmt_resolve_policy(const MgmtAccount *a, const char *name, GError **error);
struct mgmt_setup_key *mgmt_resolve_setup_key(const MgmtAccount *a,
					      const char *name,
					      GError **error);
struct mgmt_token *mgmt_resolve_token(const MgmtAccount *a, const char *name, GError **error);
/* Lists of references as ids; NULL on the first that fails. */
GArray *mgmt_resolve_groups(const MgmtAccount *a, char *const *names, size_t n, GError **error);
GArray *mgmt_resolve_peers(const MgmtAccount *a, char *const *names, size_t n, GError **error);
/* A policy as the administrator wrote it. */
struct mgmt_policy *mgmt_resolve_policy_request(const MgmtAccount *a,
						const Weft__Admin__Policy *request,
						GError **error);

/* Objects as messages. */
void mgmt_show_account(MgmtAdminSock *sock,
		       struct scope *s,
		       const MgmtAccount *a,
		       Weft__Admin__Account *ret);
void mgmt_show_peer(MgmtAdminSock *sock,
		    struct scope *s,
		    const MgmtAccount *a,
		    const struct mgmt_peer *peer,
		    Weft__Admin__Peer *ret);
void mgmt_show_group(struct scope *s,
		     const MgmtAccount *a,
		     const struct mgmt_group *group,
		     Weft__Admin__Group *ret);
void mgmt_show_policy(struct scope *s,
		      const MgmtAccount *a,
		      const struct mgmt_policy *policy,
		      Weft__Admin__Policy *ret);
void mgmt_show_setup_key(MgmtAdminSock *sock,
			 struct scope *s,
			 const MgmtAccount *a,
			 const struct mgmt_setup_key *key,
			 Weft__Admin__SetupKey *ret);
void mgmt_show_token(struct scope *s, const struct mgmt_token *token, Weft__Admin__Token *ret);
void mgmt_show_event(const struct mgmt_event *event, Weft__Admin__Event *ret);

/* "peer.setupkey.add"; "" for a number without a name. */
const char *mgmt_activity_code(int activity);

/* events.c */
void mgmt_adminsock_list_events(MgmtAdminSock *sock,
				WeftRpcCall *call,
				const Weft__Admin__EventsRequest *request);
void mgmt_adminsock_unfollow(MgmtAdminSock *sock, WeftRpcCall *call);

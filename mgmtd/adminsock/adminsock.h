/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The administrator's socket (proto/admin.proto over a unix socket with peer credentials):
 * translates into operations of admin/ and answers out of the model. Root may do everything,
 * members of the configured group too, anybody else nothing. */
#pragma once

#include "mgmtd/admin/admin.h"
#include "mgmtd/service/push.h"
#include "mgmtd/store/store.h"
#include "rpc/runtime.h"

typedef struct mgmt_adminsock MgmtAdminSock;

struct mgmt_adminsock_config {
	const char *runtime_dir; /* the socket is admin.sock in it; made if it is missing */
	const char *group;       /* "" = root only */
	const struct weft_env *env;
};

/* Serves at once. All borrowed. */
MgmtAdminSock *mgmt_adminsock_new(const struct mgmt_adminsock_config *config,
				  WeftRpcRuntime *runtime,
				  MgmtAdmin *admin,
				  MgmtPush *push,
				  MgmtStore *store,
				  GError **error);
/* Ends calls that are open, `events --follow` among them. Takes NULL. */
void mgmt_adminsock_free(MgmtAdminSock *sock);

/* For followers of the event log. */
void mgmt_adminsock_event(MgmtAdminSock *sock, const struct mgmt_event *event);

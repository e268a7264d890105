/* SPDX-License-Identifier: GPL-3.0-or-later */
/* management.ManagementService on rpc/: translates calls into operations of admin/ and their
 * outcomes into statuses (protocol.md 1.1, 2.2-2.4, 8). */
#pragma once

#include "base/glib/conf.h"
#include "base/glib/metrics.h"
#include "mgmtd/admin/admin.h"
#include "mgmtd/service/push.h"
#include "rpc/server.h"

typedef struct mgmt_service MgmtService;

struct mgmt_service_config {
	MgmtAdmin *admin;
	MgmtPush *push;
	const struct weft_env *env;
	const WeftConf *conf;
	struct weft_key server_private;
	struct weft_key_text server_public;
	WeftMetrics *metrics;
};

/* Adds the methods to @server, before it is started. All borrowed. */
MgmtService *mgmt_service_new(const struct mgmt_service_config *config, WeftRpcServer *server);
void mgmt_service_free(MgmtService *service); /* after the server; wipes the key */
void mgmt_service_set_conf(MgmtService *service, const WeftConf *conf);

/* Ends a call with the status and text of an error of admin/. */
void mgmt_service_fail(WeftRpcCall *call, const GError *error);

/* gRPC status of an error of admin/. */
enum weft_rpc_code mgmt_service_code(const GError *error);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of service/ share. */
#pragma once

#include "mgmtd/service/envelope.h"
#include "mgmtd/service/service.h"
#include "proto/decode.h"
#include "proto/management.pb-c.h"

enum mgmt_login_result {
	MGMT_LOGIN_OK,
	MGMT_LOGIN_REGISTERED,
	MGMT_LOGIN_UNKNOWN,
	MGMT_LOGIN_REFUSED,
	MGMT_LOGIN_INVALID,
	MGMT_LOGIN_FAILED,
	MGMT_LOGIN_COUNT_
};

struct mgmt_service {
	struct mgmt_service_config config;
	WeftArena *arena; /* of the request being handled */
	GHashTable *jobs; /* peer id text -> WeftRpcCall *: the Job stream that counts */
	struct weft_metric_cell *logins[MGMT_LOGIN_COUNT_];
};

/* Opens the request and decodes its plaintext as @desc; answers the call itself and returns NULL if
 * that fails. The message lives in the service's arena until the next request. */
const ProtobufCMessage *mgmt_service_open(MgmtService *s,
					  WeftRpcCall *call,
					  const ProtobufCMessage *msg,
					  const ProtobufCMessageDescriptor *desc,
					  struct mgmt_request *ret);

/* The registered peer that sent a request, or NULL. */
struct mgmt_peer *mgmt_service_peer(MgmtService *s,
				    const struct mgmt_request *r,
				    MgmtAccount **ret_account);

/* Boxes a packed message and ends the unary call with it. */
void mgmt_service_reply(MgmtService *s,
			WeftRpcCall *call,
			const struct weft_box_key *box,
			const GByteArray *plain);
void mgmt_service_reply_empty(WeftRpcCall *call);

/* The address a call came from as text, "" for none. */
void mgmt_service_address(WeftRpcCall *call, char ret[WEFT_ADDRESS_TEXT_SIZE]);

extern const struct weft_rpc_handler mgmt_login_handler;
extern const struct weft_rpc_handler mgmt_sync_handler;
extern const struct weft_rpc_handler mgmt_job_handler;

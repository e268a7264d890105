/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/service/service.h"

#include "base/env.h"
#include "mgmtd/service/internal.h"
#include "mgmtd/service/meta.h"
#include "proto/methods.h"

#include <string.h>

/* A map of thousands of peers over a slow line: as long as something moves, it may take its time.
 */
#define SYNC_SEND_TIMEOUT_MS 60000

static const char *const results[MGMT_LOGIN_COUNT_ + 1] = {
	[MGMT_LOGIN_OK] = "ok",           [MGMT_LOGIN_REGISTERED] = "registered",
	[MGMT_LOGIN_UNKNOWN] = "unknown", [MGMT_LOGIN_REFUSED] = "refused",
	[MGMT_LOGIN_INVALID] = "invalid", [MGMT_LOGIN_FAILED] = "failed",
};

static const struct weft_metric_def logins_def = {
	.name = "weft_mgmtd_logins_total",
	.help = "Login calls by result.",
	.type = WEFT_METRIC_COUNTER,
	.labels = { { "result", results } },
};

enum weft_rpc_code
mgmt_service_code(const GError *error)
{
	if (error->domain != MGMT_ERROR)
		return WEFT_RPC_INTERNAL;
	switch ((enum mgmt_error) error->code) {
	case MGMT_ERROR_INVALID:
		return WEFT_RPC_INVALID_ARGUMENT;
	case MGMT_ERROR_NOT_FOUND:
		return WEFT_RPC_NOT_FOUND;
	case MGMT_ERROR_EXISTS:
		return WEFT_RPC_ALREADY_EXISTS;
	case MGMT_ERROR_DENIED:
		return WEFT_RPC_PERMISSION_DENIED;
	case MGMT_ERROR_EXHAUSTED:
		return WEFT_RPC_RESOURCE_EXHAUSTED;
	case MGMT_ERROR_PRECONDITION:
		return WEFT_RPC_FAILED_PRECONDITION;
	case MGMT_ERROR_UNAVAILABLE:
		return WEFT_RPC_UNAVAILABLE;
	case MGMT_ERROR_INTERNAL:
		break;
	}
	return WEFT_RPC_INTERNAL;
}

void
mgmt_service_fail(WeftRpcCall *call, const GError *error)
{
	weft_rpc_call_finish(call, mgmt_service_code(error), error->message);
}

void
mgmt_service_address(WeftRpcCall *call, char ret[WEFT_ADDRESS_TEXT_SIZE])
{
	struct weft_endpoint peer;

	if (weft_rpc_call_peer(call, &peer))
		weft_address_format(&peer.addr, ret);
	else
		ret[0] = '\0';
}

const ProtobufCMessage *
mgmt_service_open(MgmtService *s,
		  WeftRpcCall *call,
		  const ProtobufCMessage *msg,
		  const ProtobufCMessageDescriptor *desc,
		  struct mgmt_request *ret)
{
	const Management__EncryptedMessage *encrypted = (const Management__EncryptedMessage *) msg;
	ProtobufCMessage *plain = NULL;
	g_autofree char *text = NULL;
	enum weft_rpc_code code;

	if (!mgmt_envelope_open(ret, encrypted, &s->config.server_private, &code, &text)) {
		weft_rpc_call_finish(call, code, text);
		return NULL;
	}
	weft_arena_reset(s->arena, 64 * 1024);
	if (weft_proto_decode(&plain, desc, ret->plain->data, ret->plain->len,
			      WEFT_PROTO_BUDGET_FOR(ret->plain->len), s->arena) != WEFT_PROTO_OK) {
		mgmt_request_clear(ret);
		weft_rpc_call_finish(call, WEFT_RPC_INVALID_ARGUMENT, "invalid request message");
		return NULL;
	}
	return plain;
}

struct mgmt_peer *
mgmt_service_peer(MgmtService *s, const struct mgmt_request *r, MgmtAccount **ret_account)
{
	MgmtModel *model = mgmt_admin_model(s->config.admin);
	struct mgmt_peer *peer = mgmt_model_peer_by_key(model, &r->sender);

	*ret_account = peer == NULL ? NULL : mgmt_model_account(model, &peer->account_id);
	return peer;
}

void
mgmt_service_reply(MgmtService *s,
		   WeftRpcCall *call,
		   const struct weft_box_key *box,
		   const GByteArray *plain)
{
	g_autoptr(WeftRpcBytes) bytes = mgmt_envelope_seal(plain->data, plain->len, box,
							   &s->config.server_public, s->config.env);

	weft_rpc_call_reply_bytes(call, bytes);
}

void
mgmt_service_reply_empty(WeftRpcCall *call)
{
	Management__Empty empty = MANAGEMENT__EMPTY__INIT;

	weft_rpc_call_reply(call, &empty.base);
}

/* ---- unencrypted ---- */

static void
on_server_key(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	MgmtService *s = user;
	Management__ServerKeyResponse reply = MANAGEMENT__SERVER_KEY_RESPONSE__INIT;
	Google__Protobuf__Timestamp expires = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	/* The key does not expire: it is kept in the store. Clients ignore the field. */
	expires.seconds = weft_env_wall_us(s->config.env) / G_USEC_PER_SEC + 86400;
	reply.key = s->config.server_public.s;
	reply.expiresat = &expires;
	weft_rpc_call_reply(call, &reply.base);
}

static void
on_healthy(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	mgmt_service_reply_empty(call);
}

/* ---- SyncMeta, Logout ---- */

static void
on_report_reply(void *user, const void *object, const GError *error)
{
	WeftRpcCall *call = user;

	if (error != NULL)
		mgmt_service_fail(call, error);
	else
		mgmt_service_reply_empty(call);
	weft_rpc_call_unref(call);
}

static void
on_sync_meta(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	MgmtService *s = user;
	struct mgmt_request r;
	const Management__SyncMetaRequest *request = (const void *) mgmt_service_open(
		s, call, msg, &management__sync_meta_request__descriptor, &r);
	MgmtAccount *account;
	struct mgmt_peer *peer;
	struct mgmt_meta meta;

	if (request == NULL)
		return;
	peer = mgmt_service_peer(s, &r, &account);
	if (peer == NULL) {
		weft_rpc_call_finish(call, WEFT_RPC_NOT_FOUND,
				     "account not found: index lookup failed");
	} else if (request->meta == NULL) {
		weft_rpc_call_finish(call, WEFT_RPC_FAILED_PRECONDITION,
				     "peer system meta has to be provided");
	} else {
		mgmt_meta_from_proto(&meta, request->meta);
		mgmt_admin_peer_report(
			s->config.admin, &account->row.id, &peer->id, &meta, NULL, NULL, false,
			(struct mgmt_reply){ on_report_reply, weft_rpc_call_ref(call) });
		mgmt_meta_clear(&meta);
	}
	mgmt_request_clear(&r);
}

static void
on_logout(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	static const struct mgmt_actor self = { .kind = MGMT_INITIATOR_SYSTEM,
						.may_write = true,
						.id = "sys" };
	MgmtService *s = user;
	struct mgmt_request r;
	MgmtAccount *account;
	struct mgmt_peer *peer;

	if (mgmt_service_open(s, call, msg, &management__empty__descriptor, &r) == NULL)
		return;
	peer = mgmt_service_peer(s, &r, &account);
	if (peer == NULL) {
		struct weft_key_text key = weft_key_to_text(&r.sender);
		g_autofree char *text = g_strdup_printf("peer not found: %s", key.s);

		weft_rpc_call_finish(call, WEFT_RPC_NOT_FOUND, text);
	} else {
		mgmt_admin_delete_peer(
			s->config.admin, &self, &account->row.id, &peer->id,
			(struct mgmt_reply){ on_report_reply, weft_rpc_call_ref(call) });
	}
	mgmt_request_clear(&r);
}

/* ---- what is not offered ---- */

static void
on_sso_flow(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	MgmtService *s = user;
	struct mgmt_request r;

	/* The requests are empty; any plaintext that opens will do. */
	if (mgmt_service_open(s, call, msg, &management__empty__descriptor, &r) == NULL)
		return;
	mgmt_request_clear(&r);
	weft_rpc_call_finish(call, WEFT_RPC_NOT_FOUND, "no single sign-on provider is configured");
}

static void
on_extend_session(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	MgmtService *s = user;
	struct mgmt_request r;
	const Management__ExtendAuthSessionRequest *request = (const void *) mgmt_service_open(
		s, call, msg, &management__extend_auth_session_request__descriptor, &r);

	if (request == NULL)
		return;
	mgmt_request_clear(&r);
	if (request->jwttoken[0] == '\0')
		weft_rpc_call_finish(call, WEFT_RPC_INVALID_ARGUMENT, "jwt token is required");
	else
		weft_rpc_call_finish(call, WEFT_RPC_UNIMPLEMENTED,
				     "no single sign-on provider is configured");
}

static void
on_expose(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	MgmtService *s = user;
	struct mgmt_request r;
	MgmtAccount *account;
	g_autofree char *text = NULL;
	enum weft_rpc_code code;

	if (!mgmt_envelope_open(&r, (const Management__EncryptedMessage *) msg,
				&s->config.server_private, &code, &text)) {
		weft_rpc_call_finish(call, code, text);
		return;
	}
	if (mgmt_service_peer(s, &r, &account) == NULL)
		weft_rpc_call_finish(call, WEFT_RPC_PERMISSION_DENIED, "peer is not registered");
	else
		weft_rpc_call_finish(call, WEFT_RPC_UNIMPLEMENTED,
				     "this server does not publish services");
	mgmt_request_clear(&r);
}

static const struct weft_rpc_handler server_key_handler = { .on_message = on_server_key };
static const struct weft_rpc_handler healthy_handler = { .on_message = on_healthy };
static const struct weft_rpc_handler sync_meta_handler = { .on_message = on_sync_meta };
static const struct weft_rpc_handler logout_handler = { .on_message = on_logout };
static const struct weft_rpc_handler sso_handler = { .on_message = on_sso_flow };
static const struct weft_rpc_handler extend_handler = { .on_message = on_extend_session };
static const struct weft_rpc_handler expose_handler = { .on_message = on_expose };

#define METHOD(name) &weft_proto_methods[WEFT_METHOD_MANAGEMENT_SERVICE_##name]

/* Not const: the table's addresses are filled in by the linker, the rest is static. */
static const struct {
	struct weft_rpc_method method;
	const struct weft_rpc_handler *handler;
} methods[] = {
	{ { METHOD(GET_SERVER_KEY) }, &server_key_handler },
	{ { METHOD(IS_HEALTHY) }, &healthy_handler },
	{ { METHOD(LOGIN) }, &mgmt_login_handler },
	{ { METHOD(SYNC), .queue_max_messages = 1, .send_timeout_ms = SYNC_SEND_TIMEOUT_MS },
	  &mgmt_sync_handler },
	{ { METHOD(SYNC_META) }, &sync_meta_handler },
	{ { METHOD(LOGOUT) }, &logout_handler },
	{ { METHOD(JOB) }, &mgmt_job_handler },
	{ { METHOD(GET_DEVICE_AUTHORIZATION_FLOW) }, &sso_handler },
	{ { METHOD(GET_PKCE_AUTHORIZATION_FLOW) }, &sso_handler },
	{ { METHOD(EXTEND_AUTH_SESSION) }, &extend_handler },
	{ { METHOD(CREATE_EXPOSE) }, &expose_handler },
	{ { METHOD(RENEW_EXPOSE) }, &expose_handler },
	{ { METHOD(STOP_EXPOSE) }, &expose_handler },
};

MgmtService *
mgmt_service_new(const struct mgmt_service_config *config, WeftRpcServer *server)
{
	MgmtService *s = g_new0(MgmtService, 1);
	WeftMetric *logins = weft_metrics_register(config->metrics, &logins_def);

	s->config = *config;
	s->arena = weft_arena_new();
	s->jobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
					(GDestroyNotify) weft_rpc_call_unref);
	for (unsigned i = 0; i < MGMT_LOGIN_COUNT_; i++)
		s->logins[i] = weft_metric_cell(logins, i);
	for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
		weft_rpc_server_add_method(server, &methods[i].method, methods[i].handler, s);
	return s;
}

void
mgmt_service_free(MgmtService *s)
{
	if (s == NULL)
		return;
	g_hash_table_unref(s->jobs);
	weft_arena_free(s->arena);
	weft_key_wipe(&s->config.server_private);
	g_free(s);
}

void
mgmt_service_set_conf(MgmtService *s, const WeftConf *conf)
{
	s->config.conf = conf;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Login: registration and every later start of an agent (protocol.md 2.2 to 2.4). */
#include "base/env.h"
#include "base/glib/log.h"
#include "mgmtd/netmap/pack.h"
#include "mgmtd/service/internal.h"
#include "mgmtd/service/meta.h"
#include "mgmtd/service/servers.h"

#include <string.h>

/* One Login under way. */
struct login {
	MgmtService *service;
	WeftRpcCall *call;
	struct weft_box_key box;
	bool registers;
};

static void
count(MgmtService *s, enum mgmt_login_result result)
{
	weft_metric_inc(s->logins[result]);
}

static void
login_free(struct login *l)
{
	weft_key_wipe(&l->box.shared);
	weft_rpc_call_unref(l->call);
	g_free(l);
}

static void
reply(struct login *l, const struct mgmt_peer *peer)
{
	MgmtService *s = l->service;
	MgmtAccount *a = mgmt_model_account(mgmt_admin_model(s->config.admin), &peer->account_id);
	g_autoptr(GByteArray) plain = g_byte_array_new();
	g_autoptr(GByteArray) part = g_byte_array_new();

	mgmt_servers_pack(s->config.conf, MGMT_SERVERS_LOGIN,
			  weft_env_wall_us(s->config.env) / G_USEC_PER_SEC, part);
	mgmt_pack_message(plain, 1, part);
	g_byte_array_set_size(part, 0);
	mgmt_netmap_peer_config(a, peer, part);
	mgmt_pack_message(plain, 2, part);
	mgmt_pack_empty(plain, 4); /* sessionExpiresAt: explicitly never */
	mgmt_service_reply(s, l->call, &l->box, plain);
}

static void
on_outcome(void *user, const void *object, const GError *error)
{
	struct login *l = user;

	if (error != NULL) {
		bool refused = g_error_matches(error, MGMT_ERROR, MGMT_ERROR_NOT_FOUND) ||
			       g_error_matches(error, MGMT_ERROR, MGMT_ERROR_PRECONDITION);

		count(l->service, refused ? MGMT_LOGIN_REFUSED : MGMT_LOGIN_FAILED);
		if (mgmt_service_code(error) == WEFT_RPC_INTERNAL) {
			/* Strangers learn nothing about the inside. */
			weft_log_limited(WEFT_LOG_ERROR, NULL, "login: %s", error->message);
			weft_rpc_call_finish(l->call, WEFT_RPC_INTERNAL, "internal error");
		} else {
			mgmt_service_fail(l->call, error);
		}
	} else if (object == NULL) {
		count(l->service, MGMT_LOGIN_FAILED);
		weft_rpc_call_finish(l->call, WEFT_RPC_PERMISSION_DENIED, "peer is not registered");
	} else {
		count(l->service, l->registers ? MGMT_LOGIN_REGISTERED : MGMT_LOGIN_OK);
		reply(l, object);
	}
	login_free(l);
}

static struct mgmt_reply
begin(MgmtService *s, WeftRpcCall *call, const struct mgmt_request *r, bool registers)
{
	struct login *l = g_new0(struct login, 1);

	l->service = s;
	l->call = weft_rpc_call_ref(call);
	l->box = r->box;
	l->registers = registers;
	return (struct mgmt_reply){ on_outcome, l };
}

static void
refuse(MgmtService *s,
       WeftRpcCall *call,
       enum mgmt_login_result result,
       enum weft_rpc_code code,
       const char *text)
{
	count(s, result);
	weft_rpc_call_finish(call, code, text);
}

static void
log_in_known(MgmtService *s,
	     WeftRpcCall *call,
	     const struct mgmt_request *r,
	     const Management__LoginRequest *request,
	     const struct mgmt_peer *peer)
{
	char address[WEFT_ADDRESS_TEXT_SIZE];
	g_autofree char *ssh_key = NULL;
	struct mgmt_meta meta;

	if (request->n_dnslabels > 0 && !peer->allow_extra_dns_labels) {
		refuse(s, call, MGMT_LOGIN_REFUSED, WEFT_RPC_FAILED_PRECONDITION,
		       "peer doesn't allow extra DNS labels");
		return;
	}
	if (peer->login_expired) {
		refuse(s, call, MGMT_LOGIN_REFUSED, WEFT_RPC_PERMISSION_DENIED,
		       "peer login has expired, please log in once more");
		return;
	}
	if (request->peerkeys != NULL && request->peerkeys->sshpubkey.len > 0)
		ssh_key = mgmt_ssh_key_from_bytes(request->peerkeys->sshpubkey.data,
						  request->peerkeys->sshpubkey.len);
	mgmt_service_address(call, address);
	mgmt_meta_from_proto(&meta, request->meta);
	mgmt_admin_peer_report(s->config.admin, &peer->account_id, &peer->id, &meta, ssh_key,
			       address, true, begin(s, call, r, false));
	mgmt_meta_clear(&meta);
}

static void
register_new(MgmtService *s,
	     WeftRpcCall *call,
	     const struct mgmt_request *r,
	     const Management__LoginRequest *request)
{
	char address[WEFT_ADDRESS_TEXT_SIZE];
	g_autofree char *ssh_key = NULL;
	struct mgmt_meta meta;
	struct mgmt_register_request registration = { .key = r->sender,
						      .setup_key = request->setupkey,
						      .meta = &meta,
						      .connection_ip = address,
						      .n_dns_labels =
							      (unsigned) request->n_dnslabels };

	if (request->setupkey[0] == '\0') {
		refuse(s, call, MGMT_LOGIN_UNKNOWN, WEFT_RPC_PERMISSION_DENIED,
		       "no peer auth method provided, please use a setup key or interactive SSO "
		       "login");
		return;
	}
	ssh_key = request->peerkeys == NULL
			  ? g_strdup("")
			  : mgmt_ssh_key_from_bytes(request->peerkeys->sshpubkey.data,
						    request->peerkeys->sshpubkey.len);
	registration.ssh_key = ssh_key;
	mgmt_service_address(call, address);
	mgmt_meta_from_proto(&meta, request->meta);
	mgmt_admin_register(s->config.admin, &registration, begin(s, call, r, true));
	mgmt_meta_clear(&meta);
}

static void
on_login(WeftRpcCall *call, const ProtobufCMessage *msg, void *user)
{
	MgmtService *s = user;
	struct mgmt_request r;
	const Management__LoginRequest *request = (const void *) mgmt_service_open(
		s, call, msg, &management__login_request__descriptor, &r);
	const struct mgmt_peer *peer;
	MgmtAccount *account;

	if (request == NULL) {
		count(s, MGMT_LOGIN_INVALID);
		return;
	}
	peer = mgmt_service_peer(s, &r, &account);
	if (request->meta == NULL)
		refuse(s, call, MGMT_LOGIN_INVALID, WEFT_RPC_FAILED_PRECONDITION,
		       "peer system meta has to be provided");
	else if (request->jwttoken[0] != '\0')
		refuse(s, call, MGMT_LOGIN_REFUSED, WEFT_RPC_INVALID_ARGUMENT,
		       "invalid jwt token: no single sign-on provider is configured");
	else if (peer != NULL)
		log_in_known(s, call, &r, request, peer);
	else
		register_new(s, call, &r, request);
	mgmt_request_clear(&r);
}

const struct weft_rpc_handler mgmt_login_handler = { .on_message = on_login };

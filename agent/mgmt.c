/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/mgmt.h"

#include "agent/envelope.h"
#include "agent/meta.h"
#include "base/backoff.h"
#include "base/env.h"
#include "base/glib/log.h"
#include "base/glib/source.h"
#include "proto/management.pb-c.h"
#include "proto/methods.h"
#include "rpc/channel.h"
#include "rpc/redial.h"

#include <string.h>

#define KEY_TIMEOUT_MS   5000
#define LOGIN_TIMEOUT_MS 20000
#define MAP_BYTES        ((size_t) 16 * 1024 * 1024)
#define RESYNC_PAUSE_US  (60 * G_USEC_PER_SEC)

static const struct weft_backoff_config backoff = {
	.first_us = 800000, .cap_us = 10000000, .factor_pct = 170, .jitter_pct = 90
};

static const struct weft_rpc_method get_key = {
	.proto = &weft_proto_methods[WEFT_METHOD_MANAGEMENT_SERVICE_GET_SERVER_KEY]
};
static const struct weft_rpc_method login_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_MANAGEMENT_SERVICE_LOGIN]
};
static const struct weft_rpc_method sync_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_MANAGEMENT_SERVICE_SYNC]
};
static const struct weft_rpc_method meta_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_MANAGEMENT_SERVICE_SYNC_META]
};
static const struct weft_rpc_method logout_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_MANAGEMENT_SERVICE_LOGOUT]
};

struct agent_mgmt {
	struct agent_mgmt_config config;
	char **addresses;
	char *hostname;
	struct weft_key_text public;
	struct weft_box_key box; /* with the server's key of this attempt */
	WeftRpcChannel *channel;
	WeftRpcRedial *redial;
	WeftRpcCall *call; /* the one that runs: key, login or sync */
	unsigned attempt;  /* number of that call: answers to others are late */
	WeftArena *arena;
	char *setup_key; /* until it was used */
	bool logged_in;  /* this run */
	bool refresh;    /* the map did not fit: begin at once */
	int64_t resync_us;
	enum agent_mgmt_state state;
	char *reason;
	int64_t since_us;
};

const char *
agent_mgmt_state_name(enum agent_mgmt_state state)
{
	static const char *const names[AGENT_MGMT_STATE_COUNT_] = {
		[AGENT_MGMT_CONNECTING] = "connecting",
		[AGENT_MGMT_REGISTERING] = "registering",
		[AGENT_MGMT_CONNECTED] = "connected",
		[AGENT_MGMT_NEEDS_LOGIN] = "needs-login",
	};

	return names[state];
}

static void
set_state(AgentMgmt *m, enum agent_mgmt_state state, const char *reason)
{
	g_autofree char *copy = g_strdup(reason);

	if (m->state != state)
		m->since_us = weft_env_wall_us(m->config.env);
	m->state = state;
	g_free(m->reason);
	m->reason = g_steal_pointer(&copy);
	m->config.ops->state(m->config.user, state, m->reason);
}

/* What a call's callbacks get: calls end after they were cancelled, even after agent_mgmt_free().
 */
struct attempt {
	AgentMgmt *mgmt;
	unsigned number;
};

static struct attempt *
attempt_new(AgentMgmt *m)
{
	struct attempt *a = g_new(struct attempt, 1);

	a->mgmt = g_rc_box_acquire(m);
	a->number = ++m->attempt;
	return a;
}

static void clear(gpointer p);

/* The server object if this call is still the one that counts, else NULL. */
static AgentMgmt *
attempt_end(struct attempt *a)
{
	AgentMgmt *m = a->number == a->mgmt->attempt ? a->mgmt : NULL;

	g_rc_box_release_full(a->mgmt, clear); /* the owner's reference is there if it counts */
	g_free(a);
	if (m != NULL)
		g_clear_pointer(&m->call, weft_rpc_call_unref);
	return m;
}

static void
drop_call(AgentMgmt *m)
{
	WeftRpcCall *call = g_steal_pointer(&m->call);

	m->attempt++;
	if (call == NULL)
		return;
	weft_rpc_call_cancel(call);
	weft_rpc_call_unref(call);
}

static void
failed(AgentMgmt *m, const struct weft_rpc_status *status, const char *what)
{
	g_autofree char *reason = g_strdup_printf(
		"%s: %s", what,
		status->message[0] != '\0' ? status->message : weft_rpc_code_name(status->code));

	weft_log_limited(WEFT_LOG_INFO, NULL, "management: %s", reason);
	set_state(m, AGENT_MGMT_CONNECTING, reason);
	weft_rpc_redial_failed(m->redial);
}

/* --- Sync --- */

static void send_login(AgentMgmt *m);

static bool
seal(AgentMgmt *m,
     const ProtobufCMessage *plain,
     Management__EncryptedMessage *ret,
     GByteArray **buf)
{
	*buf = agent_envelope_seal(plain, &m->box, m->config.env);
	management__encrypted_message__init(ret);
	ret->wgpubkey = m->public.s;
	ret->body = (ProtobufCBinaryData){ (*buf)->len, (*buf)->data };
	return true;
}

static const ProtobufCMessage *
open_reply(AgentMgmt *m, const ProtobufCMessage *reply, const ProtobufCMessageDescriptor *desc)
{
	const Management__EncryptedMessage *msg = (const void *) reply;

	weft_arena_reset(m->arena, 65536);
	return agent_envelope_open(desc, msg->body.data, msg->body.len, &m->box, m->arena);
}

static void
on_checks(const struct weft_rpc_status *status, const ProtobufCMessage *reply, void *user)
{
	if (status->code != WEFT_RPC_OK)
		weft_log_limited(WEFT_LOG_WARNING, NULL, "management: SyncMeta: %s",
				 status->message);
}

/* Posture checks ask which files are there: the answer is a SyncMeta. */
static void
answer_checks(AgentMgmt *m, const Management__SyncResponse *msg)
{
	Management__SyncMetaRequest request = MANAGEMENT__SYNC_META_REQUEST__INIT;
	const struct weft_rpc_call_options options = { .timeout_ms = LOGIN_TIMEOUT_MS };
	struct agent_meta *meta;
	Management__EncryptedMessage boxed;
	g_autoptr(GByteArray) buf = NULL;
	WeftRpcCall *call;

	if (msg->n_checks == 0)
		return;
	meta = agent_meta_new(m->hostname, (const char *const *) m->addresses, m->config.ipv6);
	for (size_t i = 0; i < msg->n_checks; i++)
		for (size_t k = 0; k < msg->checks[i]->n_files; k++)
			agent_meta_add_file(meta, msg->checks[i]->files[k]);
	request.meta = agent_meta_message(meta);
	seal(m, &request.base, &boxed, &buf);
	call = weft_rpc_channel_unary(m->channel, &meta_method, &boxed.base, &options, on_checks,
				      NULL);
	weft_rpc_call_unref(call);
	agent_meta_free(meta);
}

static void
on_sync_message(WeftRpcCall *call, const ProtobufCMessage *boxed, void *user)
{
	const struct attempt *a = user;
	AgentMgmt *m = a->mgmt;
	const Management__SyncResponse *msg;

	if (a->number != m->attempt)
		return;
	msg = (const void *) open_reply(m, boxed, &management__sync_response__descriptor);
	if (msg == NULL) {
		weft_log_limited(WEFT_LOG_WARNING, NULL,
				 "management: an update cannot be opened; connecting anew");
		weft_rpc_call_cancel(call);
		return;
	}
	weft_rpc_redial_succeeded(m->redial);
	answer_checks(m, msg);
	if (!m->config.ops->sync(m->config.user, msg)) {
		int64_t now = weft_env_now_us(m->config.env);

		m->refresh = m->resync_us == 0 || now - m->resync_us > RESYNC_PAUSE_US;
		m->resync_us = now;
		weft_rpc_call_cancel(call);
		return;
	}
	if (m->state != AGENT_MGMT_CONNECTED)
		set_state(m, AGENT_MGMT_CONNECTED, "");
}

static void
on_sync_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	AgentMgmt *m = attempt_end(user);

	if (m == NULL)
		return;
	if (status->code == WEFT_RPC_PERMISSION_DENIED) {
		m->logged_in = false;
		send_login(m);
		return;
	}
	failed(m, status, status->code == WEFT_RPC_OK ? "the server ended the stream" : "Sync");
	if (m->refresh)
		weft_rpc_redial_now(m->redial);
	m->refresh = false;
}

static void
send_sync(AgentMgmt *m)
{
	static const struct weft_rpc_handler handler = { .on_message = on_sync_message,
							 .on_done = on_sync_done };
	Management__SyncRequest request = MANAGEMENT__SYNC_REQUEST__INIT;
	struct agent_meta *meta =
		agent_meta_new(m->hostname, (const char *const *) m->addresses, m->config.ipv6);
	Management__EncryptedMessage boxed;
	g_autoptr(GByteArray) buf = NULL;

	request.meta = agent_meta_message(meta);
	seal(m, &request.base, &boxed, &buf);
	m->call = weft_rpc_call_new(m->channel, &sync_method, &handler, attempt_new(m), NULL);
	weft_rpc_call_send(m->call, &boxed.base);
	weft_rpc_call_half_close(m->call);
	weft_rpc_call_start(m->call);
	agent_meta_free(meta);
}

/* --- Login --- */

static void
wipe_setup_key(AgentMgmt *m)
{
	if (m->setup_key != NULL)
		weft_wipe(m->setup_key, strlen(m->setup_key));
	g_clear_pointer(&m->setup_key, g_free);
}

static void
on_login(const struct weft_rpc_status *status, const ProtobufCMessage *reply, void *user)
{
	AgentMgmt *m = attempt_end(user);
	const Management__LoginResponse *msg;

	if (m == NULL)
		return;
	if (status->code == WEFT_RPC_PERMISSION_DENIED ||
	    status->code == WEFT_RPC_INVALID_ARGUMENT ||
	    (status->code == WEFT_RPC_FAILED_PRECONDITION && m->setup_key != NULL)) {
		wipe_setup_key(m);
		weft_log_notice("management: login refused: %s", status->message);
		set_state(m, AGENT_MGMT_NEEDS_LOGIN, status->message);
		return;
	}
	if (reply == NULL) {
		failed(m, status, "Login");
		return;
	}
	msg = (const void *) open_reply(m, reply, &management__login_response__descriptor);
	if (msg == NULL) {
		failed(m, &(struct weft_rpc_status){ .code = WEFT_RPC_DATA_LOSS, .message = "" },
		       "Login: the answer cannot be opened");
		return;
	}
	wipe_setup_key(m);
	m->logged_in = true;
	send_sync(m);
	m->config.ops->login(m->config.user, msg);
}

static void
send_login(AgentMgmt *m)
{
	const struct weft_rpc_call_options options = { .timeout_ms = LOGIN_TIMEOUT_MS };
	Management__LoginRequest request = MANAGEMENT__LOGIN_REQUEST__INIT;
	Management__PeerKeys keys = MANAGEMENT__PEER_KEYS__INIT;
	struct agent_meta *meta =
		agent_meta_new(m->hostname, (const char *const *) m->addresses, m->config.ipv6);
	Management__EncryptedMessage boxed;
	g_autoptr(GByteArray) buf = NULL;

	request.meta = agent_meta_message(meta);
	if (m->setup_key != NULL)
		request.setupkey = m->setup_key;
	keys.wgpubkey = (ProtobufCBinaryData){ WEFT_KEY_TEXT_LEN, (uint8_t *) m->public.s };
	request.peerkeys = &keys;
	seal(m, &request.base, &boxed, &buf);
	set_state(m, AGENT_MGMT_REGISTERING, "");
	m->call = weft_rpc_channel_unary(m->channel, &login_method, &boxed.base, &options, on_login,
					 attempt_new(m));
	agent_meta_free(meta);
}

static void
on_key(const struct weft_rpc_status *status, const ProtobufCMessage *reply, void *user)
{
	AgentMgmt *m = attempt_end(user);
	const Management__ServerKeyResponse *msg = (const void *) reply;
	struct weft_key key;

	if (m == NULL)
		return;
	if (msg == NULL) {
		failed(m, status, "GetServerKey");
		return;
	}
	weft_key_wipe(&m->box.shared);
	if (!weft_key_from_text(&key, msg->key, strlen(msg->key)) ||
	    !weft_box_key_init(&m->box, &key, &m->config.private)) {
		failed(m, &(struct weft_rpc_status){ .code = WEFT_RPC_DATA_LOSS, .message = "" },
		       "GetServerKey: that is no key");
		return;
	}
	if (m->logged_in)
		send_sync(m);
	else
		send_login(m);
}

/* The server's key changes with each of its starts: asked for before every attempt. */
static void
on_try(void *user)
{
	static const Management__Empty empty = MANAGEMENT__EMPTY__INIT;
	const struct weft_rpc_call_options options = { .timeout_ms = KEY_TIMEOUT_MS,
						       .wait_ready = true };
	AgentMgmt *m = user;

	drop_call(m);
	m->call = weft_rpc_channel_unary(m->channel, &get_key, &empty.base, &options, on_key,
					 attempt_new(m));
}

/* --- Life --- */

AgentMgmt *
agent_mgmt_new(const struct agent_mgmt_config *config, const char *setup_key, GError **error)
{
	bool tls = false;
	g_autofree char *target = agent_url_target(config->url, &tls);
	const struct weft_rpc_channel_tls tls_config = { .ca_file = config->ca_file };
	const struct weft_rpc_channel_config channel = {
		.target = target,
		.tls = tls ? &tls_config : NULL,
		.user_agent = "weft/" PACKAGE_VERSION,
		.max_receive_bytes = MAP_BYTES,
		.keepalive_time_ms = 30000,
		.keepalive_timeout_ms = 10000,
	};
	AgentMgmt *m;

	if (target == NULL) {
		g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_TARGET,
			    "'%s' is no URL of a management server (http://HOST:PORT, "
			    "https://HOST)",
			    config->url);
		return NULL;
	}
	m = g_rc_box_new0(AgentMgmt);
	m->config = *config;
	m->hostname = g_strdup(config->hostname);
	m->addresses = g_strdupv((char **) (uintptr_t) config->addresses);
	m->public = weft_key_to_text(&config->public);
	m->setup_key = g_strdup(setup_key);
	m->reason = g_strdup("");
	m->arena = weft_arena_new();
	m->since_us = weft_env_wall_us(config->env);
	m->channel = weft_rpc_channel_new(config->runtime, &channel, error);
	if (m->channel == NULL) {
		agent_mgmt_free(m);
		return NULL;
	}
	m->redial = weft_rpc_redial_new(NULL, m->channel, &backoff, config->env, on_try, m);
	on_try(m);
	return m;
}

static void
clear(gpointer p)
{
	AgentMgmt *m = p;

	weft_arena_free(m->arena);
	weft_key_wipe(&m->box.shared);
	weft_key_wipe(&m->config.private);
	g_strfreev(m->addresses);
	g_free(m->hostname);
	g_free(m->reason);
}

void
agent_mgmt_free(AgentMgmt *m)
{
	if (m == NULL)
		return;
	drop_call(m);
	weft_rpc_redial_free(m->redial);
	weft_rpc_channel_free(m->channel);
	wipe_setup_key(m);
	g_rc_box_release_full(m, clear);
}

void
agent_mgmt_login(AgentMgmt *m, const char *setup_key)
{
	if (setup_key != NULL) {
		wipe_setup_key(m);
		m->setup_key = g_strdup(setup_key);
	}
	m->logged_in = false;
	set_state(m, AGENT_MGMT_CONNECTING, "");
	on_try(m);
}

struct leaving {
	void (*done)(void *user, const char *error);
	void *user;
};

static void
on_logout(const struct weft_rpc_status *status, const ProtobufCMessage *reply, void *user)
{
	struct leaving *l = user;

	l->done(l->user, status->code == WEFT_RPC_OK ? NULL : status->message);
	g_free(l);
}

void
agent_mgmt_logout(AgentMgmt *m, void (*done)(void *user, const char *error), void *user)
{
	const struct weft_rpc_call_options options = { .timeout_ms = LOGIN_TIMEOUT_MS };
	Management__Empty empty = MANAGEMENT__EMPTY__INIT;
	Management__EncryptedMessage boxed;
	g_autoptr(GByteArray) buf = NULL;
	struct leaving *l;

	if (weft_key_is_zero(&m->box.shared)) {
		done(user, "the server was not reached");
		return;
	}
	l = g_new0(struct leaving, 1);
	l->done = done;
	l->user = user;
	seal(m, &empty.base, &boxed, &buf);
	weft_rpc_call_unref(weft_rpc_channel_unary(m->channel, &logout_method, &boxed.base,
						   &options, on_logout, l));
}

void
agent_mgmt_retry_now(AgentMgmt *m)
{
	weft_rpc_redial_now(m->redial);
}

enum agent_mgmt_state
agent_mgmt_state(const AgentMgmt *m)
{
	return m->state;
}

const char *
agent_mgmt_reason(const AgentMgmt *m)
{
	return m->reason;
}

int64_t
agent_mgmt_since_us(const AgentMgmt *m)
{
	return m->since_us;
}

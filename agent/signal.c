/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/signal.h"

#include "agent/envelope.h"
#include "base/backoff.h"
#include "base/base64.h"
#include "base/env.h"
#include "base/glib/log.h"
#include "base/glib/source.h"
#include "proto/methods.h"
#include "proto/signalexchange.pb-c.h"
#include "rpc/channel.h"
#include "rpc/redial.h"

#include <string.h>

#define ID_HEADER         "x-wiretrustee-peer-id"
#define REGISTERED_HEADER "x-wiretrustee-peer-registered"
#define PROOF_HEADER      "x-weft-proof"
#define PROOF_PREFIX      "weft-signal-proof"
#define PROOF_PREFIX_LEN  17
#define PROOF_NONCE_LEN   16

#define SILENCE_US        (30 * G_USEC_PER_SEC) /* then a heartbeat to ourselves, protocol.md 3.7 */
#define ANSWER_US         (10 * G_USEC_PER_SEC)
#define SEND_TRIES        4
#define SEND_TIMEOUT_MS   10000
#define MESSAGE_BYTES     ((size_t) 1024 * 1024)

static const struct weft_backoff_config backoff = {
	.first_us = 500000, .cap_us = 10000000, .factor_pct = 170, .jitter_pct = 90
};
static const struct weft_rpc_method stream_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_SIGNAL_EXCHANGE_CONNECT_STREAM]
};
static const struct weft_rpc_method send_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_SIGNAL_EXCHANGE_SEND]
};

struct agent_signal {
	struct agent_signal_config config;
	struct weft_key_text public;
	struct weft_box_key self_box;
	WeftRpcChannel *channel;
	WeftRpcRedial *redial;
	WeftRpcCall *stream;
	unsigned attempt; /* number of that stream */
	GSource *watchdog;
	bool asked; /* a heartbeat is on its way */
	bool dead;  /* agent_signal_free() was called */
	enum agent_signal_state state;
	char *reason;
	int64_t since_us;
};

const char *
agent_signal_state_name(enum agent_signal_state state)
{
	static const char *const names[AGENT_SIGNAL_STATE_COUNT_] = {
		[AGENT_SIGNAL_CONNECTING] = "connecting",
		[AGENT_SIGNAL_CONNECTED] = "connected",
	};

	return names[state];
}

static void
set_state(AgentSignal *s, enum agent_signal_state state, const char *reason)
{
	if (s->state != state)
		s->since_us = weft_env_wall_us(s->config.env);
	s->state = state;
	g_free(s->reason);
	s->reason = g_strdup(reason);
	s->config.ops->state(s->config.user, state, s->reason);
}

static void
clear(gpointer p)
{
	AgentSignal *s = p;

	weft_key_wipe(&s->self_box.shared);
	weft_key_wipe(&s->config.private);
	g_free(s->reason);
}

/* --- Sending --- */

struct sending {
	AgentSignal *signal;
	WeftRpcBytes *bytes;
	unsigned tries;
};

static void send_again(struct sending *out);

static void
on_sent(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	struct sending *out = user;
	bool again =
		status->code == WEFT_RPC_UNAVAILABLE || status->code == WEFT_RPC_DEADLINE_EXCEEDED;

	if (again && !out->signal->dead && ++out->tries < SEND_TRIES) {
		send_again(out);
		return;
	}
	if (status->code != WEFT_RPC_OK && !out->signal->dead)
		weft_log_limited(WEFT_LOG_INFO, NULL, "signal: Send: %s", status->message);
	weft_rpc_bytes_unref(out->bytes);
	g_rc_box_release_full(out->signal, clear);
	g_free(out);
}

static void
send_again(struct sending *out)
{
	static const struct weft_rpc_handler handler = { .on_done = on_sent };
	const struct weft_rpc_call_options options = { .timeout_ms = SEND_TIMEOUT_MS,
						       .wait_ready = true };
	WeftRpcCall *call =
		weft_rpc_call_new(out->signal->channel, &send_method, &handler, out, &options);

	weft_rpc_call_send_bytes(call, out->bytes);
	weft_rpc_call_half_close(call);
	weft_rpc_call_start(call);
	weft_rpc_call_unref(call);
}

static void
send_body(AgentSignal *s, const struct weft_key *to, const uint8_t *body, size_t len)
{
	struct weft_key_text remote = weft_key_to_text(to);
	Signalexchange__EncryptedMessage msg = SIGNALEXCHANGE__ENCRYPTED_MESSAGE__INIT;
	struct sending *out = g_new0(struct sending, 1);

	msg.key = s->public.s;
	msg.remotekey = remote.s;
	msg.body = (ProtobufCBinaryData){ len, (uint8_t *) (uintptr_t) body };
	out->signal = g_rc_box_acquire(s);
	out->bytes = weft_rpc_bytes_pack(&msg.base);
	send_again(out);
}

void
agent_signal_send(AgentSignal *s,
		  const struct weft_key *to,
		  const struct weft_box_key *box,
		  const Signalexchange__Body *body)
{
	g_autoptr(GByteArray) buf = agent_envelope_seal(&body->base, box, s->config.env);

	send_body(s, to, buf->data, buf->len);
}

/* --- The stream --- */

struct stream {
	AgentSignal *signal;
	unsigned number;
};

static bool
is_current(const struct stream *st)
{
	return !st->signal->dead && st->number == st->signal->attempt;
}

bool
agent_signal_prove(uint8_t out[AGENT_SIGNAL_PROOF_LEN],
		   const char *text,
		   size_t len,
		   const struct weft_key *private,
		   const struct weft_env *env)
{
	uint8_t raw[WEFT_KEY_LEN + PROOF_NONCE_LEN];
	uint8_t plain[PROOF_PREFIX_LEN + PROOF_NONCE_LEN];
	struct weft_key server;
	struct weft_box_key box;
	size_t n;

	if (!weft_base64_decode(raw, sizeof raw, &n, text, len) || n != sizeof raw)
		return false;
	memcpy(server.b, raw, WEFT_KEY_LEN);
	if (!weft_box_key_init(&box, &server, private))
		return false;
	memcpy(plain, PROOF_PREFIX, PROOF_PREFIX_LEN);
	memcpy(plain + PROOF_PREFIX_LEN, raw + WEFT_KEY_LEN, PROOF_NONCE_LEN);
	weft_box_seal(out, plain, sizeof plain, &box, env);
	weft_key_wipe(&box.shared);
	return true;
}

static void
on_headers(WeftRpcCall *call, void *user)
{
	struct stream *st = user;
	AgentSignal *s = st->signal;
	uint8_t proof[AGENT_SIGNAL_PROOF_LEN];
	const char *text;
	size_t len;

	if (!is_current(st))
		return;
	if (weft_rpc_call_header(call, REGISTERED_HEADER, &len) == NULL) {
		weft_rpc_call_cancel(call);
		return;
	}
	text = weft_rpc_call_header(call, PROOF_HEADER, &len);
	if (text != NULL && agent_signal_prove(proof, text, len, &s->config.private, s->config.env))
		send_body(s, &s->config.public, proof, sizeof proof);
	weft_rpc_redial_succeeded(s->redial);
	s->asked = false;
	weft_source_arm_us(s->watchdog, SILENCE_US);
	set_state(s, AGENT_SIGNAL_CONNECTED, "");
}

static void
on_message(WeftRpcCall *call, const ProtobufCMessage *m, void *user)
{
	struct stream *st = user;
	AgentSignal *s = st->signal;
	const Signalexchange__EncryptedMessage *msg = (const void *) m;
	struct weft_key sender;

	if (!is_current(st))
		return;
	s->asked = false;
	weft_source_arm_us(s->watchdog, SILENCE_US);
	if (!weft_key_from_text(&sender, msg->key, strlen(msg->key)) ||
	    weft_key_equal(&sender, &s->config.public))
		return;
	s->config.ops->message(s->config.user, &sender, msg->body.data, msg->body.len);
}

static void
on_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	struct stream *st = user;
	AgentSignal *s = st->signal;

	if (is_current(st)) {
		g_autofree char *reason =
			g_strdup(status->message[0] != '\0' ? status->message
							    : weft_rpc_code_name(status->code));

		weft_rpc_call_unref(g_steal_pointer(&s->stream));
		weft_source_disarm(s->watchdog);
		weft_log_limited(WEFT_LOG_INFO, NULL, "signal: %s", reason);
		weft_rpc_redial_failed(s->redial);
		set_state(s, AGENT_SIGNAL_CONNECTING, reason);
	}
	g_rc_box_release_full(s, clear);
	g_free(st);
}

static void
drop_stream(AgentSignal *s)
{
	WeftRpcCall *call = g_steal_pointer(&s->stream);

	s->attempt++;
	if (call == NULL)
		return;
	weft_rpc_call_cancel(call);
	weft_rpc_call_unref(call);
}

static void
on_try(void *user)
{
	static const struct weft_rpc_handler handler = { .on_headers = on_headers,
							 .on_message = on_message,
							 .on_done = on_done };
	AgentSignal *s = user;
	struct stream *st = g_new0(struct stream, 1);

	drop_stream(s);
	st->signal = g_rc_box_acquire(s);
	st->number = s->attempt;
	s->stream = weft_rpc_call_new(s->channel, &stream_method, &handler, st, NULL);
	weft_rpc_call_add_header_text(s->stream, ID_HEADER, s->public.s);
	weft_rpc_call_start(s->stream);
}

/* Nothing was heard: is the stream alive? */
static gboolean
on_silence(gpointer user)
{
	AgentSignal *s = user;
	Signalexchange__Body body = SIGNALEXCHANGE__BODY__INIT;

	if (s->asked) {
		if (s->stream != NULL)
			weft_rpc_call_cancel(s->stream);
		return G_SOURCE_CONTINUE;
	}
	body.type = SIGNALEXCHANGE__BODY__TYPE__HEARTBEAT;
	s->asked = true;
	agent_signal_send(s, &s->config.public, &s->self_box, &body);
	weft_source_arm_us(s->watchdog, ANSWER_US);
	return G_SOURCE_CONTINUE;
}

/* --- Life --- */

AgentSignal *
agent_signal_new(const struct agent_signal_config *config, GError **error)
{
	bool tls = false;
	g_autofree char *target = agent_url_target(config->url, &tls);
	const struct weft_rpc_channel_tls tls_config = { .ca_file = config->ca_file };
	const struct weft_rpc_channel_config channel = {
		.target = target,
		.tls = tls ? &tls_config : NULL,
		.user_agent = "weft/" PACKAGE_VERSION,
		.max_receive_bytes = MESSAGE_BYTES,
		.keepalive_time_ms = 30000,
		.keepalive_timeout_ms = 10000,
	};
	AgentSignal *s;

	if (target == NULL) {
		g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_TARGET,
			    "'%s' is no URL of a signal server", config->url);
		return NULL;
	}
	s = g_rc_box_new0(AgentSignal);
	s->config = *config;
	s->config.url = s->config.ca_file = NULL; /* the caller's */
	s->public = weft_key_to_text(&config->public);
	s->reason = g_strdup("");
	s->since_us = weft_env_wall_us(config->env);
	s->channel = weft_rpc_channel_new(config->runtime, &channel, error);
	if (s->channel == NULL ||
	    !weft_box_key_init(&s->self_box, &config->public, &config->private)) {
		weft_rpc_channel_free(s->channel);
		g_rc_box_release_full(s, clear);
		return NULL;
	}
	s->watchdog = weft_source_timer(NULL, on_silence, s);
	s->redial = weft_rpc_redial_new(NULL, s->channel, &backoff, config->env, on_try, s);
	on_try(s);
	return s;
}

void
agent_signal_free(AgentSignal *s)
{
	if (s == NULL)
		return;
	s->dead = true;
	drop_stream(s);
	weft_source_cancel(&s->watchdog);
	weft_rpc_redial_free(s->redial);
	weft_rpc_channel_free(s->channel);
	g_rc_box_release_full(s, clear);
}

void
agent_signal_retry_now(AgentSignal *s)
{
	weft_rpc_redial_now(s->redial);
}

enum agent_signal_state
agent_signal_state(const AgentSignal *s)
{
	return s->state;
}

const char *
agent_signal_reason(const AgentSignal *s)
{
	return s->reason;
}

int64_t
agent_signal_since_us(const AgentSignal *s)
{
	return s->since_us;
}

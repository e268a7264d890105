/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "signald/service.h"

#include "base/env.h"
#include "base/ratelimit.h"
#include "proto/methods.h"
#include "signald/conf.h"
#include "signald/envelope.h"
#include "signald/registry.h"

#include <string.h>

#define ID_HEADER         "x-wiretrustee-peer-id"
#define REGISTERED_HEADER "x-wiretrustee-peer-registered"

#define SLOW_READER_MS    10000              /* protocol.md 3.2 */
#define QUEUE_MESSAGES    16384              /* a thousand peers that all call at once */
#define QUEUE_BYTES       (16 * 1024 * 1024) /* two dozen Rosenpass offers */
#define PROOF_TIMEOUT_US  (10 * G_USEC_PER_SEC)
#define LIMIT_SOURCES     65536 /* senders and pairs that the limits remember: 1 MiB each */

enum drop { DROP_UNKNOWN, DROP_RATE, DROP_MALFORMED, DROP_QUEUE, DROP_COUNT_ };
static const char *const drop_names[DROP_COUNT_ + 1] = {
	[DROP_UNKNOWN] = "unknown-recipient",
	[DROP_RATE] = "rate",
	[DROP_MALFORMED] = "malformed",
	[DROP_QUEUE] = "queue",
};

struct sig_service {
	const struct weft_env *env;
	SigRegistry *registry;
	struct sig_prover prover;
	WeftRatelimit *per_sender, *per_pair;
	WeftRpcBytes *empty; /* the answer to Send: a message without fields */
	struct weft_metric_cell *registrations, *replaced, *proven, *forwarded, *bytes;
	struct weft_metric_cell *dropped[DROP_COUNT_];
	struct weft_metric_cell *streams, *keys, *high_water;
	WeftMetric *latency;
};

static const struct weft_metric_def streams_def = {
	.name = "weft_signald_streams",
	.help = "Open streams.",
	.type = WEFT_METRIC_GAUGE,
};
static const struct weft_metric_def keys_def = {
	.name = "weft_signald_registered_keys",
	.help = "Keys that messages can be sent to.",
	.type = WEFT_METRIC_GAUGE,
};
static const struct weft_metric_def registrations_def = {
	.name = "weft_signald_registrations_total",
	.help = "Streams that registered a key.",
	.type = WEFT_METRIC_COUNTER,
};
static const struct weft_metric_def replaced_def = {
	.name = "weft_signald_replaced_total",
	.help = "Streams that lost their key to a newer one.",
	.type = WEFT_METRIC_COUNTER,
};
static const struct weft_metric_def proven_def = {
	.name = "weft_signald_proven_total",
	.help = "Streams that proved their key.",
	.type = WEFT_METRIC_COUNTER,
};
static const struct weft_metric_def forwarded_def = {
	.name = "weft_signald_forwarded_total",
	.help = "Messages given to a recipient's stream.",
	.type = WEFT_METRIC_COUNTER,
};
static const struct weft_metric_def bytes_def = {
	.name = "weft_signald_forwarded_bytes_total",
	.help = "Bytes of these messages.",
	.type = WEFT_METRIC_COUNTER,
};
static const struct weft_metric_def dropped_def = {
	.name = "weft_signald_dropped_total",
	.help = "Messages that reached nobody, by reason.",
	.type = WEFT_METRIC_COUNTER,
	.labels = { { "reason", drop_names } },
};
static const struct weft_metric_def high_water_def = {
	.name = "weft_signald_queue_bytes_max",
	.help = "Most bytes that have waited in one stream's send queue.",
	.type = WEFT_METRIC_GAUGE,
};
static const struct weft_metric_def latency_def = {
	.name = "weft_signald_forward_seconds",
	.help = "Time that forwarding a message took on this server.",
	.type = WEFT_METRIC_HISTOGRAM,
	.divisor = 1000000,
	.buckets = weft_metric_duration_buckets,
	.n_buckets = WEFT_METRIC_DURATION_BUCKETS,
};

static void
count_streams(SigService *s)
{
	weft_metric_set(s->streams, (int64_t) sig_registry_streams(s->registry));
	weft_metric_set(s->keys, (int64_t) sig_registry_keys(s->registry));
}

/* ---- ConnectStream ---- */

static void
end_replaced(SigService *s, WeftRpcCall *replaced)
{
	if (replaced == NULL)
		return;
	weft_metric_inc(s->replaced);
	weft_rpc_call_finish(replaced, WEFT_RPC_UNKNOWN, "peer registered again");
	weft_rpc_call_unref(replaced);
}

static void
on_connect(WeftRpcCall *call, void *user)
{
	SigService *s = user;
	size_t len = 0;
	const char *id = weft_rpc_call_header(call, ID_HEADER, &len);
	char text[SIG_PROOF_TEXT_SIZE];
	struct sig_challenge challenge;
	struct weft_key key;
	WeftRpcCall *replaced;

	if (id == NULL) {
		weft_rpc_call_finish(call, WEFT_RPC_FAILED_PRECONDITION,
				     "missing connection header: " ID_HEADER);
		return;
	}
	if (!weft_key_from_text(&key, id, len)) {
		weft_rpc_call_finish(call, WEFT_RPC_INVALID_ARGUMENT,
				     ID_HEADER " is no key: 44 characters of base64");
		return;
	}
	sig_challenge_make(&challenge, s->env);
	sig_challenge_text(&s->prover, &challenge, text);
	weft_rpc_call_add_header_text(call, REGISTERED_HEADER, "1");
	weft_rpc_call_add_header_text(call, SIG_PROOF_HEADER, text);
	/* At once, not with the first message: clients wait for it (protocol.md 3.2). */
	weft_rpc_call_send_headers(call);
	sig_registry_add(s->registry, call, &key, &challenge, weft_env_now_us(s->env), &replaced);
	weft_metric_inc(s->registrations);
	end_replaced(s, replaced);
	count_streams(s);
}

static void
on_connect_done(WeftRpcCall *call, const struct weft_rpc_status *status, void *user)
{
	SigService *s = user;

	sig_registry_remove(s->registry, call);
	count_streams(s);
}

/* ---- Send ---- */

static void
drop(SigService *s, enum drop reason)
{
	weft_metric_inc(s->dropped[reason]);
}

struct answer {
	const SigService *service;
	const struct sig_envelope *envelope;
};

static bool
proves(const struct sig_stream *stream, void *user)
{
	const struct answer *a = user;

	return !stream->proven &&
	       sig_proof_check(&a->service->prover, &stream->challenge, &stream->key,
			       a->envelope->body, a->envelope->body_len);
}

/* A message to oneself may be the answer to a challenge; it is consumed then. */
static bool
take_proof(SigService *s, const struct sig_envelope *e)
{
	struct answer answer = { s, e };
	struct sig_stream *stream;
	WeftRpcCall *replaced;

	if (e->body_len != SIG_PROOF_BODY_LEN || !weft_key_equal(&e->sender, &e->recipient))
		return false;
	stream = sig_registry_match(s->registry, &e->sender, proves, &answer);
	if (stream == NULL)
		return false;
	sig_registry_prove(s->registry, stream, &replaced);
	weft_metric_inc(s->proven);
	end_replaced(s, replaced);
	count_streams(s);
	return true;
}

static bool
within_limits(SigService *s, const struct sig_envelope *e)
{
	int64_t now_us = weft_env_now_us(s->env);
	uint8_t pair[2 * WEFT_KEY_LEN];

	memcpy(pair, e->sender.b, WEFT_KEY_LEN);
	memcpy(pair + WEFT_KEY_LEN, e->recipient.b, WEFT_KEY_LEN);
	/* What a pair is refused is not charged to its sender, who has others to talk to. */
	return weft_ratelimit_take_bytes(s->per_pair, pair, sizeof pair, 1, now_us) &&
	       weft_ratelimit_take_bytes(s->per_sender, e->sender.b, WEFT_KEY_LEN, 1, now_us);
}

static void
forward(SigService *s, const struct sig_envelope *e, WeftRpcBytes *bytes)
{
	struct sig_stream *to = sig_registry_find(s->registry, &e->recipient);
	enum weft_rpc_send sent;
	size_t queued;

	if (to == NULL) {
		drop(s, DROP_UNKNOWN);
		return;
	}
	sent = weft_rpc_call_send_bytes(to->call, bytes);
	if (sent != WEFT_RPC_SEND_OK && sent != WEFT_RPC_SEND_REPLACED) {
		drop(s, DROP_QUEUE);
		return;
	}
	weft_metric_inc(s->forwarded);
	weft_metric_add(s->bytes, weft_rpc_bytes_len(bytes));
	queued = weft_rpc_call_queued_bytes(to->call);
	if (queued > weft_metric_get(s->high_water))
		weft_metric_set(s->high_water, (int64_t) queued);
}

static void
on_send(WeftRpcCall *call, WeftRpcBytes *bytes, void *user)
{
	SigService *s = user;
	int64_t start_us = weft_env_now_us(s->env);
	struct sig_envelope e;
	const uint8_t *buf;
	size_t len;

	buf = weft_rpc_bytes_data(bytes, &len);
	if (!sig_envelope_scan(&e, buf, len)) {
		drop(s, DROP_MALFORMED);
		weft_rpc_call_finish(call, WEFT_RPC_INVALID_ARGUMENT,
				     "no message with key and remoteKey");
		return;
	}
	if (!within_limits(s, &e)) {
		drop(s, DROP_RATE);
		weft_rpc_call_finish(call, WEFT_RPC_RESOURCE_EXHAUSTED,
				     "too many messages; try again later");
		return;
	}
	if (!take_proof(s, &e))
		forward(s, &e, bytes);
	weft_rpc_call_reply_bytes(call, s->empty);
	weft_metric_observe(s->latency, 0, (uint64_t) (weft_env_now_us(s->env) - start_us));
}

static const struct weft_rpc_method connect_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_SIGNAL_EXCHANGE_CONNECT_STREAM],
	.raw = true,
	.policy = WEFT_RPC_QUEUE_DROP,
	.queue_max_bytes = QUEUE_BYTES,
	.queue_max_messages = QUEUE_MESSAGES,
	.send_timeout_ms = SLOW_READER_MS,
};
static const struct weft_rpc_method send_method = {
	.proto = &weft_proto_methods[WEFT_METHOD_SIGNAL_EXCHANGE_SEND],
	.raw = true,
};

/* Clients never write on their stream; what comes all the same is read and thrown away. */
static const struct weft_rpc_handler connect_handler = { .on_start = on_connect,
							 .on_done = on_connect_done };
static const struct weft_rpc_handler send_handler = { .on_bytes = on_send };

static WeftRatelimit *
make_limit(SigService *s, const WeftConf *conf, unsigned rate, unsigned burst)
{
	const struct weft_ratelimit_config config = {
		.per_s = (uint32_t) weft_conf_int(conf, rate),
		.burst = (uint32_t) weft_conf_int(conf, burst),
		.sources = LIMIT_SOURCES,
	};

	return weft_ratelimit_new(&config, s->env);
}

void
sig_service_set_conf(SigService *s, const WeftConf *conf)
{
	weft_ratelimit_free(s->per_sender);
	weft_ratelimit_free(s->per_pair);
	s->per_sender = make_limit(s, conf, SIG_CONF_MESSAGES_PER_SENDER, SIG_CONF_SENDER_BURST);
	s->per_pair = make_limit(s, conf, SIG_CONF_MESSAGES_PER_PAIR, SIG_CONF_PAIR_BURST);
}

static struct weft_metric_cell *
one_cell(WeftMetrics *metrics, const struct weft_metric_def *def)
{
	return weft_metric_cell(weft_metrics_register(metrics, def), 0);
}

SigService *
sig_service_new(const WeftConf *conf,
		const struct weft_env *env,
		WeftMetrics *metrics,
		WeftRpcServer *server)
{
	SigService *s = g_new0(SigService, 1);
	WeftMetric *dropped = weft_metrics_register(metrics, &dropped_def);

	s->env = env;
	s->registry = sig_registry_new();
	sig_prover_init(&s->prover, env);
	s->empty = weft_rpc_bytes_new(NULL, 0);
	s->streams = one_cell(metrics, &streams_def);
	s->keys = one_cell(metrics, &keys_def);
	s->registrations = one_cell(metrics, &registrations_def);
	s->replaced = one_cell(metrics, &replaced_def);
	s->proven = one_cell(metrics, &proven_def);
	s->forwarded = one_cell(metrics, &forwarded_def);
	s->bytes = one_cell(metrics, &bytes_def);
	s->high_water = one_cell(metrics, &high_water_def);
	for (unsigned i = 0; i < DROP_COUNT_; i++)
		s->dropped[i] = weft_metric_cell(dropped, i);
	s->latency = weft_metrics_register(metrics, &latency_def);
	sig_service_set_conf(s, conf);
	weft_rpc_server_add_method(server, &connect_method, &connect_handler, s);
	weft_rpc_server_add_method(server, &send_method, &send_handler, s);
	return s;
}

void
sig_service_free(SigService *s)
{
	if (s == NULL)
		return;
	sig_registry_free(s->registry);
	weft_ratelimit_free(s->per_sender);
	weft_ratelimit_free(s->per_pair);
	weft_rpc_bytes_unref(s->empty);
	weft_key_wipe(&s->prover.private);
	g_free(s);
}

static void
on_overdue(WeftRpcCall *call, void *user)
{
	weft_rpc_call_finish(call, WEFT_RPC_PERMISSION_DENIED,
			     "the key is registered by its proven owner");
}

void
sig_service_tick(SigService *s)
{
	sig_registry_expire(s->registry, weft_env_now_us(s->env) - PROOF_TIMEOUT_US, on_overdue, s);
}

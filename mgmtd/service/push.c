/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/service/push.h"

#include "base/env.h"
#include "base/glib/source.h"
#include "mgmtd/netmap/pack.h"
#include "mgmtd/service/envelope.h"
#include "mgmtd/service/servers.h"

#include <string.h>

/* One slice of building: what a registration may have to wait for. */
#define SLICE_US 4000

/* Messages that wait for or are with the workers: bounds the memory of plaintexts. */
#define MAX_IN_WORKERS 16

/* Pause between two maps of one stream: grows with what a map costs, so that a network that fills
 * up does not send every state of it to everybody. */
#define PAUSE_PER_PEER_US 250
#define PAUSE_MIN_US      20000
#define PAUSE_MAX_US      1000000

struct stream {
	MgmtPush *push;
	WeftRpcCall *call;
	struct mgmt_id account_id, peer_id;
	struct weft_box_key box;
	struct mgmt_netmap_state *state;
	bool dirty, in_worker, ended, first;
	bool queued;          /* in push->ready or push->later */
	GSequenceIter *later; /* in push->later */
	int64_t dirty_since_us;
	int64_t not_before_us;           /* pause after the last map */
	int64_t turn_at_us, relay_at_us; /* next refresh of credentials; 0 = none */
	GByteArray *farewell;
	WeftRpcBytes *held; /* did not fit into the send queue */
	bool held_is_last;
};

struct account_push {
	MgmtAccount *account;
	MgmtNetmap *netmap;
};

struct mgmt_push {
	struct mgmt_push_config config;
	GHashTable *accounts; /* id text -> struct account_push * */
	GHashTable *by_peer;  /* peer id text -> struct stream *: the one that counts */
	GHashTable *by_call;  /* WeftRpcCall * -> struct stream *, owned */
	GQueue ready;         /* of struct stream *: dirty and due */
	GSequence *later;     /* of struct stream *, by not_before_us */
	GSource *slice, *timer, *refresh;
	GThreadPool *workers;
	unsigned in_workers;
	GByteArray *scratch;
	bool closing;
	struct weft_metric_cell *maps[3], *bytes, *skipped;
	WeftMetric *latency;
};

/* What a worker is given, and gives back. */
struct job {
	struct stream *stream;
	MgmtPush *push;
	WeftRpcCall *call;
	GByteArray *plain;
	struct weft_box_key box;
	WeftRpcBytes *refused; /* the send queue was full */
	int64_t since_us;      /* when the change happened; 0 = no map */
	bool last;
};

static const char *const kinds[] = { "full", "delta", "config", NULL };

static const struct weft_metric_def maps_def = {
	.name = "weft_mgmtd_messages_total",
	.help = "Messages sent on Sync streams.",
	.type = WEFT_METRIC_COUNTER,
	.labels = { { "kind", kinds } },
};
static const struct weft_metric_def bytes_def = {
	.name = "weft_mgmtd_message_bytes_total",
	.help = "Bytes of these messages before boxing.",
	.type = WEFT_METRIC_COUNTER,
};
static const struct weft_metric_def skipped_def = {
	.name = "weft_mgmtd_maps_unchanged_total",
	.help = "Maps that were computed and not sent because nothing in them had changed.",
	.type = WEFT_METRIC_COUNTER,
};
static const struct weft_metric_def latency_def = {
	.name = "weft_mgmtd_push_seconds",
	.help = "Time from a change to the sending of a map that holds it.",
	.type = WEFT_METRIC_HISTOGRAM,
	.divisor = 1000000,
	.buckets = weft_metric_duration_buckets,
	.n_buckets = WEFT_METRIC_DURATION_BUCKETS,
};

static void pump(struct stream *s);

static double
read_streams(void *user, unsigned series)
{
	return mgmt_push_stream_count(user);
}

static const struct weft_metric_def streams_def = {
	.name = "weft_mgmtd_sync_streams",
	.help = "Open Sync streams.",
	.type = WEFT_METRIC_GAUGE,
	.read = read_streams,
};

/* ---- accounts ---- */

static void
account_push_free(void *p)
{
	struct account_push *a = p;

	mgmt_netmap_free(a->netmap);
	g_free(a);
}

static struct account_push *
get_account(MgmtPush *push, MgmtAccount *account)
{
	struct account_push *a = g_hash_table_lookup(push->accounts, account->row.id.s);

	if (a == NULL) {
		a = g_new0(struct account_push, 1);
		a->account = account;
		a->netmap = mgmt_netmap_new(account);
		g_hash_table_insert(push->accounts, g_strdup(account->row.id.s), a);
	}
	return a;
}

MgmtNetmap *
mgmt_push_netmap(MgmtPush *push, MgmtAccount *account)
{
	return get_account(push, account)->netmap;
}

/* ---- workers ---- */

static void on_job_done(void *data);

static void
on_work(gpointer data, gpointer user)
{
	struct job *j = data;
	MgmtPush *push = user;
	WeftRpcBytes *bytes = mgmt_envelope_seal(j->plain->data, j->plain->len, &j->box,
						 &push->config.server_public, push->config.env);

	if (weft_rpc_call_send_bytes(j->call, bytes) == WEFT_RPC_SEND_FULL)
		j->refused = weft_rpc_bytes_ref(bytes);
	else if (j->last)
		weft_rpc_call_finish(j->call, WEFT_RPC_OK, NULL);
	weft_rpc_bytes_unref(bytes);
	g_byte_array_unref(j->plain);
	weft_rpc_runtime_invoke(push->config.runtime, on_job_done, j);
}

/* Takes @plain. */
static void
submit(struct stream *s, GByteArray *plain, int64_t since_us, bool last)
{
	struct job *j = g_new0(struct job, 1);

	weft_metric_add(s->push->bytes, plain->len);
	j->stream = s;
	j->push = s->push;
	j->call = weft_rpc_call_ref(s->call);
	j->plain = plain;
	j->box = s->box;
	j->since_us = since_us;
	j->last = last;
	s->in_worker = true;
	s->push->in_workers++;
	g_thread_pool_push(s->push->workers, j, NULL);
}

/* ---- streams ---- */

static void
stream_free(void *p)
{
	struct stream *s = p;

	mgmt_netmap_state_free(s->state);
	weft_key_wipe(&s->box.shared);
	g_clear_pointer(&s->farewell, g_byte_array_unref);
	weft_rpc_bytes_unref(s->held);
	weft_rpc_call_unref(s->call);
	g_free(s);
}

static void
unqueue(struct stream *s)
{
	if (!s->queued)
		return;
	s->queued = false;
	if (s->later != NULL) {
		g_sequence_remove(s->later);
		s->later = NULL;
	} else {
		g_queue_remove(&s->push->ready, s);
	}
}

static gint
by_time(gconstpointer a, gconstpointer b, gpointer user)
{
	const struct stream *x = a;
	const struct stream *y = b;

	return x->not_before_us < y->not_before_us ? -1 : x->not_before_us > y->not_before_us;
}

static void wake(MgmtPush *push);

static void
enqueue(struct stream *s)
{
	MgmtPush *push = s->push;

	if (s->queued || s->in_worker || s->held != NULL || s->ended)
		return;
	s->queued = true;
	if (s->not_before_us > weft_env_now_us(push->config.env))
		s->later = g_sequence_insert_sorted(push->later, s, by_time, NULL);
	else
		g_queue_push_tail(&push->ready, s);
	wake(push);
}

static void
mark_dirty(struct stream *s)
{
	if (!s->dirty)
		s->dirty_since_us = weft_env_now_us(s->push->config.env);
	s->dirty = true;
	enqueue(s);
}

static const struct mgmt_peer *
stream_peer(const struct stream *s, MgmtAccount **ret_account)
{
	MgmtAccount *a = mgmt_model_account(s->push->config.model, &s->account_id);

	*ret_account = a;
	return a == NULL ? NULL : mgmt_account_peer(a, &s->peer_id);
}

static void
set_refresh(struct stream *s, int64_t now_us)
{
	int64_t turn = mgmt_servers_turn_refresh_us(s->push->config.conf);
	int64_t relay = mgmt_servers_relay_refresh_us(s->push->config.conf);

	s->turn_at_us = turn == 0 ? 0 : now_us + turn;
	s->relay_at_us = relay == 0 ? 0 : now_us + relay;
}

static int64_t
wall_s(const MgmtPush *push)
{
	return weft_env_wall_us(push->config.env) / G_USEC_PER_SEC;
}

/* A SyncResponse of nothing but netbirdConfig. */
static GByteArray *
pack_config(MgmtPush *push, enum mgmt_servers_part part)
{
	GByteArray *plain = g_byte_array_new();
	g_autoptr(GByteArray) config = g_byte_array_new();

	mgmt_servers_pack(push->config.conf, part, wall_s(push), config);
	mgmt_pack_message(plain, 1, config);
	return plain;
}

/* Credentials whose time has come; true if a message went out. */
static bool
refresh(struct stream *s, int64_t now_us)
{
	enum mgmt_servers_part part;

	if (s->first)
		return false; /* the first message brings everything */
	if (s->turn_at_us != 0 && now_us >= s->turn_at_us) {
		part = MGMT_SERVERS_TURN;
		s->turn_at_us = now_us + mgmt_servers_turn_refresh_us(s->push->config.conf);
	} else if (s->relay_at_us != 0 && now_us >= s->relay_at_us) {
		part = MGMT_SERVERS_RELAY;
		s->relay_at_us = now_us + mgmt_servers_relay_refresh_us(s->push->config.conf);
	} else {
		return false;
	}
	weft_metric_inc(s->push->maps[2]);
	submit(s, pack_config(s->push, part), 0, false);
	return true;
}

/* Builds what is due; the map goes out unless it equals the last one. */
static void
build(struct stream *s)
{
	MgmtPush *push = s->push;
	int64_t now_us = weft_env_now_us(push->config.env);
	MgmtAccount *a;
	const struct mgmt_peer *peer = stream_peer(s, &a);
	GByteArray *plain;
	enum mgmt_netmap_kind kind;
	int64_t since_us = s->dirty_since_us;

	if (peer == NULL)
		return; /* its farewell is on the way */
	s->dirty = false;
	if (s->first) {
		plain = pack_config(push, MGMT_SERVERS_FIRST);
		set_refresh(s, now_us);
	} else {
		plain = g_byte_array_new();
	}
	kind = mgmt_netmap_build(get_account(push, a)->netmap, peer,
				 weft_env_wall_us(push->config.env), s->state, plain);
	s->first = false;
	if (kind == MGMT_NETMAP_UNCHANGED) {
		weft_metric_inc(push->skipped);
		g_byte_array_unref(plain);
		return;
	}
	s->not_before_us = now_us + CLAMP((int64_t) a->n_peers * PAUSE_PER_PEER_US, PAUSE_MIN_US,
					  PAUSE_MAX_US);
	weft_metric_inc(push->maps[kind == MGMT_NETMAP_FULL ? 0 : 1]);
	submit(s, plain, since_us, false);
}

/* Brings the stream one step on, if it is free to. */
static void
pump(struct stream *s)
{
	if (s->in_worker || s->held != NULL || s->ended)
		return;
	if (s->farewell != NULL) {
		s->ended = true;
		submit(s, g_steal_pointer(&s->farewell), 0, true);
		return;
	}
	if (refresh(s, weft_env_now_us(s->push->config.env)))
		return;
	if (s->dirty)
		build(s);
}

/* Main thread: a worker is done with a stream's message. */
static void
on_job_done(void *data)
{
	struct job *j = data;
	MgmtPush *push = j->push;
	struct stream *s = g_hash_table_lookup(push->by_call, j->call);

	push->in_workers--;
	if (j->since_us != 0)
		weft_metric_observe(push->latency, 0,
				    (uint64_t) (weft_env_now_us(push->config.env) - j->since_us));
	if (s != NULL) {
		s->in_worker = false;
		if (j->refused != NULL) {
			s->held = g_steal_pointer(&j->refused);
			s->held_is_last = j->last;
			/* Room may have come before the refusal was known here. */
			mgmt_push_drained(push, s->call);
		} else if (s->farewell != NULL) {
			pump(s);
		} else if (s->dirty) {
			enqueue(s);
		}
	}
	weft_rpc_bytes_unref(j->refused);
	weft_key_wipe(&j->box.shared);
	weft_rpc_call_unref(j->call);
	g_free(j);
	if (!push->closing)
		wake(push);
}

void
mgmt_push_drained(MgmtPush *push, WeftRpcCall *call)
{
	struct stream *s = g_hash_table_lookup(push->by_call, call);

	if (s == NULL || s->held == NULL)
		return;
	if (weft_rpc_call_send_bytes(s->call, s->held) == WEFT_RPC_SEND_FULL)
		return;
	g_clear_pointer(&s->held, weft_rpc_bytes_unref);
	if (s->held_is_last)
		weft_rpc_call_finish(s->call, WEFT_RPC_OK, NULL);
	else if (s->farewell != NULL)
		pump(s);
	else if (s->dirty)
		enqueue(s);
}

/* ---- the loop ---- */

static gboolean
on_slice(gpointer user)
{
	MgmtPush *push = user;
	int64_t until_us = weft_env_now_us(push->config.env) + SLICE_US;

	while (push->in_workers < MAX_IN_WORKERS && push->ready.length > 0) {
		struct stream *s = g_queue_pop_head(&push->ready);

		s->queued = false;
		pump(s);
		if (s->dirty && !s->in_worker)
			enqueue(s);
		if (weft_env_now_us(push->config.env) >= until_us)
			break;
	}
	if (push->in_workers < MAX_IN_WORKERS && push->ready.length > 0)
		return G_SOURCE_CONTINUE;
	weft_source_cancel(&push->slice);
	return G_SOURCE_REMOVE;
}

/* Moves streams whose pause is over to the ready ones. */
static gboolean
on_timer(gpointer user)
{
	MgmtPush *push = user;
	int64_t now_us = weft_env_now_us(push->config.env);
	GSequenceIter *i;

	while (!g_sequence_iter_is_end(i = g_sequence_get_begin_iter(push->later))) {
		struct stream *s = g_sequence_get(i);

		if (s->not_before_us > now_us)
			break;
		g_sequence_remove(i);
		s->later = NULL;
		g_queue_push_tail(&push->ready, s);
	}
	wake(push);
	return G_SOURCE_CONTINUE;
}

static void
wake(MgmtPush *push)
{
	GSequenceIter *first = g_sequence_get_begin_iter(push->later);

	if (push->slice == NULL && push->ready.length > 0 && push->in_workers < MAX_IN_WORKERS)
		push->slice = weft_source_defer(push->config.context, on_slice, push);
	if (!g_sequence_iter_is_end(first)) {
		const struct stream *s = g_sequence_get(first);

		weft_source_arm_us(push->timer,
				   MAX(s->not_before_us - weft_env_now_us(push->config.env), 0));
	}
}

/* Once a second: credentials. Cheap: a comparison per stream. */
static gboolean
on_refresh(gpointer user)
{
	MgmtPush *push = user;
	int64_t now_us = weft_env_now_us(push->config.env);
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, push->by_call);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct stream *s = value;

		if (push->in_workers >= 4 * MAX_IN_WORKERS)
			break; /* the rest has its turn a second later */
		if (!s->in_worker && s->held == NULL && !s->ended)
			refresh(s, now_us);
	}
	return G_SOURCE_CONTINUE;
}

/* ---- interface ---- */

MgmtPush *
mgmt_push_new(const struct mgmt_push_config *config)
{
	MgmtPush *push = g_new0(MgmtPush, 1);
	WeftMetric *maps;
	unsigned workers =
		config->workers != 0 ? config->workers : CLAMP(g_get_num_processors(), 1, 4);

	push->config = *config;
	push->accounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, account_push_free);
	push->by_peer = g_hash_table_new(g_str_hash, g_str_equal);
	push->by_call = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, stream_free);
	g_queue_init(&push->ready);
	push->later = g_sequence_new(NULL);
	push->timer = weft_source_timer(config->context, on_timer, push);
	push->refresh = weft_source_timeout_us(config->context, G_USEC_PER_SEC, on_refresh, push);
	push->workers = g_thread_pool_new(on_work, push, (gint) workers, FALSE, NULL);
	maps = weft_metrics_register(config->metrics, &maps_def);
	for (unsigned k = 0; k < G_N_ELEMENTS(push->maps); k++)
		push->maps[k] = weft_metric_cell(maps, k);
	push->bytes = weft_metric_cell(weft_metrics_register(config->metrics, &bytes_def), 0);
	push->skipped = weft_metric_cell(weft_metrics_register(config->metrics, &skipped_def), 0);
	push->latency = weft_metrics_register(config->metrics, &latency_def);
	weft_metrics_register_read(config->metrics, &streams_def, push);
	return push;
}

void
mgmt_push_free(MgmtPush *push)
{
	if (push == NULL)
		return;
	push->closing = true;
	weft_source_cancel(&push->slice);
	weft_source_cancel(&push->timer);
	weft_source_cancel(&push->refresh);
	g_thread_pool_free(push->workers, FALSE, TRUE);
	while (push->in_workers > 0)
		g_main_context_iteration(push->config.context, TRUE);
	g_queue_clear(&push->ready);
	g_sequence_free(push->later);
	g_hash_table_unref(push->by_peer);
	g_hash_table_unref(push->by_call);
	g_hash_table_unref(push->accounts);
	g_free(push);
}

void
mgmt_push_set_conf(MgmtPush *push, const WeftConf *conf)
{
	int64_t now_us = weft_env_now_us(push->config.env);
	GHashTableIter iter;
	gpointer value;

	push->config.conf = conf;
	/* Everybody learns the new servers and credentials, spread over the next seconds. */
	g_hash_table_iter_init(&iter, push->by_call);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct stream *s = value;

		set_refresh(s, now_us);
		if (s->turn_at_us != 0)
			s->turn_at_us = now_us;
		else if (s->relay_at_us != 0)
			s->relay_at_us = now_us;
	}
}

void
mgmt_push_open(MgmtPush *push,
	       MgmtAccount *account,
	       const struct mgmt_peer *peer,
	       const struct weft_box_key *box,
	       WeftRpcCall *call)
{
	struct stream *old = g_hash_table_lookup(push->by_peer, peer->id.s);
	struct stream *s = g_new0(struct stream, 1);

	if (old != NULL) {
		g_hash_table_remove(push->by_peer, old->peer_id.s);
		unqueue(old);
		old->ended = true;
		weft_rpc_call_finish(old->call, WEFT_RPC_OK, NULL);
	}
	s->push = push;
	s->call = weft_rpc_call_ref(call);
	s->account_id = account->row.id;
	s->peer_id = peer->id;
	s->box = *box;
	s->state = mgmt_netmap_state_new();
	s->first = true;
	g_hash_table_insert(push->by_call, call, s);
	g_hash_table_insert(push->by_peer, s->peer_id.s, s);
	if (old == NULL)
		push->config.on_status(push->config.user, &s->account_id, &s->peer_id, true);
	mark_dirty(s);
}

void
mgmt_push_closed(MgmtPush *push, WeftRpcCall *call)
{
	struct stream *s = g_hash_table_lookup(push->by_call, call);

	if (s == NULL)
		return;
	unqueue(s);
	if (g_hash_table_lookup(push->by_peer, s->peer_id.s) == s) {
		g_hash_table_remove(push->by_peer, s->peer_id.s);
		push->config.on_status(push->config.user, &s->account_id, &s->peer_id, false);
	}
	g_hash_table_remove(push->by_call, call);
}

bool
mgmt_push_is_connected(const MgmtPush *push, const struct mgmt_id *peer)
{
	return g_hash_table_contains(push->by_peer, peer->s);
}

unsigned
mgmt_push_stream_count(const MgmtPush *push)
{
	return g_hash_table_size(push->by_call);
}

void
mgmt_push_dirty(MgmtPush *push, MgmtAccount *account, const struct mgmt_bitset *peers)
{
	for (int64_t i = mgmt_bitset_next(peers, 0); i >= 0; i = mgmt_bitset_next(peers, i + 1)) {
		const struct mgmt_peer *p = i < account->peers->len
						    ? g_ptr_array_index(account->peers, (guint) i)
						    : NULL;
		struct stream *s = p == NULL ? NULL : g_hash_table_lookup(push->by_peer, p->id.s);

		if (s != NULL)
			mark_dirty(s);
	}
}

void
mgmt_push_farewell(MgmtPush *push, MgmtAccount *account, const struct mgmt_peer *peer)
{
	struct stream *s = g_hash_table_lookup(push->by_peer, peer->id.s);

	mgmt_netmap_forget_peer(get_account(push, account)->netmap, peer->index);
	if (s == NULL)
		return;
	unqueue(s);
	s->dirty = false;
	s->farewell = g_byte_array_new();
	mgmt_netmap_farewell(account, peer, s->farewell);
	pump(s);
}

void
mgmt_push_peer_changed(MgmtPush *push, MgmtAccount *account, const struct mgmt_peer *peer)
{
	mgmt_netmap_forget_peer(get_account(push, account)->netmap, peer->index);
}

void
mgmt_push_account_changed(MgmtPush *push, MgmtAccount *account)
{
	mgmt_netmap_forget_all(get_account(push, account)->netmap);
}

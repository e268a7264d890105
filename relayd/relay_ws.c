/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections of the relay protocol. All of them live on worker 0, since any two may have to talk
 * to each other; the others' listeners hand theirs over. Buffers are lent while there is something
 * in them: an idle connection has none. */
#include "relayd/relay_ws.h"

#include "base/base64.h"
#include "base/token.h"
#include "relayd/core.h"
#include "relayd/relay_peers.h"
#include "relayd/settings.h"
#include "relayd/shared.h"
#include "ws/io.h"
#include "ws/session.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* protocol.md 5.4, 5.5 */
#define RELAY_VERSION  1
#define MESSAGE_MAX    8820
#define AUTH_MAX       212
#define HANDSHAKE_S    10
#define HEALTH_S       25
#define HEALTH_LIMIT_S 70 /* two lost answers and some time */

enum message_type {
	TYPE_TRANSPORT = 3,
	TYPE_CLOSE = 4,
	TYPE_HEALTH = 5,
	TYPE_AUTH = 6,
	TYPE_AUTH_RESPONSE = 7,
	TYPE_SUBSCRIBE = 8,
	TYPE_UNSUBSCRIBE = 9,
	TYPE_ONLINE = 10,
	TYPE_OFFLINE = 11,
};

#define IDS_PER_MESSAGE ((MESSAGE_MAX - 2) / RELAY_PEER_ID_LEN)

/* What waits for a slow reader at most; then its messages are dropped: WireGuard repeats what
 * matters, and a long queue helps nobody. */
#define BLOCK_SIZE  (64 * 1024)
#define BLOCKS_KEPT 64 /* free ones that are kept for reuse */

struct block {
	struct block *next;
};

struct conn {
	struct relay_source source; /* first */
	struct relay_member member;
	struct weft_ws_io io;
	struct weft_ws_session session;
	struct relay_later later;
	struct service *service;
	struct conn *prev, *next; /* all of them */
	struct relay_end client;
	uint32_t since_s, health_at_s, heard_s;
	uint64_t in, out, dropped;
	bool authenticated, dead, closing;
	uint32_t events;
};

struct handover {
	struct handover *next;
	int fd;
	struct relay_flow flow;
};

struct service {
	RelayWorker *worker;
	struct relay_core *core;
	RelayPeers *peers;
	struct conn *conns;
	struct block *free_blocks;
	unsigned n_free, n_conns;
	struct relay_tick tick;
	bool drained;
	pthread_mutex_t lock; /* of what other workers hand over */
	struct handover *handed;
};

/* ---- blocks ---- */

static uint8_t *
block_get(struct service *s)
{
	struct block *b = s->free_blocks;

	if (b == NULL)
		return malloc(BLOCK_SIZE);
	s->free_blocks = b->next;
	s->n_free--;
	return (uint8_t *) b;
}

static void
block_put(struct service *s, uint8_t *p)
{
	struct block *b = (struct block *) (void *) p;

	if (p == NULL)
		return;
	if (s->n_free >= BLOCKS_KEPT) {
		free(p);
		return;
	}
	b->next = s->free_blocks;
	s->free_blocks = b;
	s->n_free++;
}

/* Lends an output block if the connection has none. */
static bool
need_out(struct conn *c)
{
	struct weft_ws_session *w = &c->session;

	if (w->out == NULL) {
		w->out = block_get(c->service);
		w->out_size = w->out == NULL ? 0 : BLOCK_SIZE;
		w->out_start = w->out_end = 0;
	}
	return w->out != NULL;
}

static bool
need_in(struct conn *c)
{
	uint8_t *in;

	if (c->session.reader.buf != NULL)
		return true;
	in = block_get(c->service);
	if (in == NULL)
		return false;
	/* Nothing is held, so the move cannot fail. */
	return weft_ws_reader_move(&c->session.reader, in, BLOCK_SIZE);
}

/* Takes back what is empty. */
static void
give_back(struct conn *c)
{
	struct weft_ws_session *w = &c->session;
	size_t pending;

	(void) weft_ws_session_pending(w, &pending);
	if (pending == 0 && w->out != NULL && w->state != WEFT_WS_CONNECTING) {
		block_put(c->service, w->out);
		w->out = NULL;
		w->out_size = w->out_start = w->out_end = 0;
	}
	if (w->reader.buf != NULL && w->state != WEFT_WS_CONNECTING &&
	    weft_ws_reader_held(&w->reader) == 0) {
		uint8_t *in = w->reader.buf;

		if (weft_ws_reader_move(&w->reader, NULL, 0))
			block_put(c->service, in);
	}
}

/* ---- connections ---- */

static void
free_later(struct relay_later *later, RelayWorker *w)
{
	struct conn *c = (struct conn *) (void *) ((char *) later - offsetof(struct conn, later));

	block_put(c->service, c->session.out);
	block_put(c->service, c->session.reader.buf);
	free(c);
}

/* Ends the connection; its memory goes after the batch of events at hand. */
static void
kill_conn(struct conn *c)
{
	struct service *s = c->service;

	if (c->dead)
		return;
	c->dead = true;
	relay_peers_remove(s->peers, &c->member);
	relay_worker_unwatch(s->worker, &c->source);
	weft_ws_io_close(&c->io);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	s->n_conns--;
	c->later.run = free_later;
	relay_worker_later(s->worker, &c->later);
}

static void
set_gauges(struct service *s)
{
	atomic_store_explicit(&s->core->counters->relay_connections, s->n_conns,
			      memory_order_relaxed);
	atomic_store_explicit(&s->core->counters->relay_peers, relay_peers_count(s->peers),
			      memory_order_relaxed);
}

static void
update_events(struct conn *c)
{
	size_t pending;
	uint32_t events;

	(void) weft_ws_session_pending(&c->session, &pending);
	events = weft_ws_io_events(&c->io) | (pending > 0 ? (uint32_t) EPOLLOUT : 0);
	if (events == c->events)
		return;
	c->events = events;
	if (!relay_worker_rewatch(c->service->worker, &c->source, events))
		kill_conn(c);
}

/* Writes what waits, as far as it goes. */
static void
flush(struct conn *c)
{
	const uint8_t *p;
	size_t len;

	while (!c->dead && (p = weft_ws_session_pending(&c->session, &len), len > 0)) {
		struct iovec iov = { (void *) (uintptr_t) p, len };
		size_t written = 0;
		enum weft_ws_io_status status = weft_ws_io_writev(&c->io, &iov, 1, &written);

		if (status == WEFT_WS_IO_AGAIN)
			break;
		if (status != WEFT_WS_IO_OK) {
			kill_conn(c);
			return;
		}
		weft_ws_session_sent(&c->session, written);
	}
	if (c->dead)
		return;
	(void) weft_ws_session_pending(&c->session, &len);
	if (len == 0 && (c->closing || c->session.state == WEFT_WS_CLOSED)) {
		kill_conn(c);
		return;
	}
	give_back(c);
	update_events(c);
}

static void
flush_later(struct relay_later *later, RelayWorker *w)
{
	struct conn *c = (struct conn *) (void *) ((char *) later - offsetof(struct conn, later));

	flush(c);
}

/* One write for all that the batch brings to this connection. */
static void
schedule_flush(struct conn *c)
{
	if (c->dead || c->later.queued)
		return;
	c->later.run = flush_later;
	relay_worker_later(c->service->worker, &c->later);
}

/* False: no room, the message is dropped. */
static bool
send_message(struct conn *c, const void *head, size_t head_len, const void *data, size_t len)
{
	if (c->dead || c->closing || !need_out(c) ||
	    !weft_ws_session_send2(&c->session, WEFT_WS_BINARY, head, head_len, data, len))
		return false;
	schedule_flush(c);
	return true;
}

static void
send_short(struct conn *c, enum message_type type)
{
	const uint8_t head[2] = { RELAY_VERSION, (uint8_t) type };

	(void) send_message(c, head, sizeof head, NULL, 0); /* a full queue has it coming */
}

static struct conn *
conn_of(struct relay_member *m)
{
	return (struct conn *) (void *) ((char *) m - offsetof(struct conn, member));
}

static void
on_tell(void *user, struct relay_member *to, bool online, const uint8_t about[RELAY_PEER_ID_LEN])
{
	const uint8_t head[2] = { RELAY_VERSION, online ? TYPE_ONLINE : TYPE_OFFLINE };

	(void) send_message(conn_of(to), head, sizeof head, about, RELAY_PEER_ID_LEN);
}

static const struct relay_peers_ops peers_ops = { .tell = on_tell };

/* ---- messages ---- */

static bool
token_is_good(const struct service *s, const uint8_t *token, size_t len)
{
	const struct relay_settings *settings = s->core->settings;
	struct weft_secret secrets[RELAY_SECRETS_MAX];

	for (size_t i = 0; i < settings->n_relay_secrets; i++)
		secrets[i] = (struct weft_secret){ settings->relay_secrets[i].p,
						   settings->relay_secrets[i].len };
	return weft_relay_token_check(token, len, secrets, settings->n_relay_secrets,
				      s->core->wall_s) == WEFT_TOKEN_OK;
}

/* The first message: magic, id, token. Anything wrong ends the connection without a word. */
static void
take_auth(struct conn *c, const uint8_t *p, size_t len)
{
	struct service *s = c->service;
	const size_t fixed = 2 + 4 + RELAY_PEER_ID_LEN;
	static const uint8_t magic[4] = { 0x21, 0x12, 0xa4, 0x42 };
	const uint8_t head[2] = { RELAY_VERSION, TYPE_AUTH_RESPONSE };
	struct relay_member *old;
	bool ok;

	if (len <= fixed || len > AUTH_MAX || p[1] != TYPE_AUTH ||
	    memcmp(p + 2, magic, sizeof magic) != 0 || !token_is_good(s, p + fixed, len - fixed)) {
		relay_count(&s->core->counters->relay_auth_failed, 1);
		kill_conn(c);
		return;
	}
	memcpy(c->member.id, p + 6, RELAY_PEER_ID_LEN);
	c->authenticated = true;
	relay_count(&s->core->counters->relay_auth_ok, 1);
	old = relay_peers_add(s->peers, &c->member, &ok);
	if (old != NULL)
		kill_conn(conn_of(old));
	c->health_at_s = s->core->now_s + HEALTH_S;
	c->heard_s = s->core->now_s;
	(void) send_message(c, head, sizeof head, s->core->settings->relay_url,
			    strlen(s->core->settings->relay_url));
	set_gauges(s);
}

static void
take_transport(struct conn *c, uint8_t *p, size_t len)
{
	struct service *s = c->service;
	struct relay_member *to;

	if (len < 2 + RELAY_PEER_ID_LEN) {
		relay_count(&s->core->counters->relay_drop_malformed, 1);
		return;
	}
	to = relay_peers_find(s->peers, p + 2);
	c->in++;
	if (to == NULL) {
		relay_count(&s->core->counters->relay_drop_offline, 1);
		return;
	}
	/* The destination's place takes the source. */
	memcpy(p + 2, c->member.id, RELAY_PEER_ID_LEN);
	if (!send_message(conn_of(to), p, len, NULL, 0)) {
		conn_of(to)->dropped++;
		relay_count(&s->core->counters->relay_drop_slow, 1);
		return;
	}
	conn_of(to)->out++;
	relay_count(&s->core->counters->relay_messages, 1);
	relay_count(&s->core->counters->relay_bytes, len - 2 - RELAY_PEER_ID_LEN);
}

static void
take_list(struct conn *c, const uint8_t *p, size_t len, bool subscribe)
{
	struct service *s = c->service;
	uint8_t online[2 + IDS_PER_MESSAGE * RELAY_PEER_ID_LEN];
	size_t n = 2;

	if (len <= 2 || (len - 2) % RELAY_PEER_ID_LEN != 0) {
		relay_count(&s->core->counters->relay_drop_malformed, 1);
		return;
	}
	for (size_t at = 2; at < len; at += RELAY_PEER_ID_LEN) {
		if (!subscribe) {
			relay_peers_unsubscribe(s->peers, &c->member, p + at);
		} else if (relay_peers_subscribe(s->peers, &c->member, p + at)) {
			memcpy(online + n, p + at, RELAY_PEER_ID_LEN);
			n += RELAY_PEER_ID_LEN;
		}
	}
	online[0] = RELAY_VERSION;
	online[1] = TYPE_ONLINE;
	if (n > 2)
		(void) send_message(c, online, n, NULL, 0);
}

static void
take_message(struct conn *c, uint8_t *p, size_t len)
{
	if (len < 2 || p[0] != RELAY_VERSION) {
		kill_conn(c);
		return;
	}
	if (!c->authenticated) {
		take_auth(c, p, len);
		return;
	}
	switch (p[1]) {
	case TYPE_TRANSPORT:
		take_transport(c, p, len);
		break;
	case TYPE_HEALTH:
		c->heard_s = c->service->core->now_s;
		break;
	case TYPE_SUBSCRIBE:
		take_list(c, p, len, true);
		break;
	case TYPE_UNSUBSCRIBE:
		take_list(c, p, len, false);
		break;
	case TYPE_AUTH:
		break; /* a second one: ignored */
	default:       /* TYPE_CLOSE, and what only servers send or nobody knows */
		kill_conn(c);
		break;
	}
}

/* ---- events ---- */

static void
take_events(struct conn *c)
{
	struct weft_ws_message m;

	while (!c->dead) {
		switch (weft_ws_session_take(&c->session, &m)) {
		case WEFT_WS_SESSION_NONE:
			return;
		case WEFT_WS_SESSION_BINARY:
			take_message(c, m.data, m.len);
			break;
		case WEFT_WS_SESSION_TEXT:
			kill_conn(c);
			return;
		case WEFT_WS_SESSION_OPENED:
		case WEFT_WS_SESSION_PONG:
		case WEFT_WS_SESSION_REDIRECT:
			break;
		case WEFT_WS_SESSION_CLOSED:
			schedule_flush(c);
			return;
		}
	}
}

static void
read_all(struct conn *c)
{
	enum weft_ws_io_status status;
	size_t n, room;
	uint8_t *p;

	/* A bounded number of times: others have their turn; level triggering brings us back. */
	for (unsigned i = 0; i < 4 && !c->dead; i++) {
		/* Frames may have to be answered: pongs, refusals, the upgrade. */
		if (!need_in(c) || !need_out(c)) {
			kill_conn(c);
			return;
		}
		p = weft_ws_session_room(&c->session, &room);
		if (room == 0)
			break;
		status = weft_ws_io_read(&c->io, p, room, &n);
		if (status == WEFT_WS_IO_AGAIN)
			break;
		if (status != WEFT_WS_IO_OK) {
			kill_conn(c);
			return;
		}
		weft_ws_session_filled(&c->session, n);
		take_events(c);
		if (n < room && !weft_ws_io_pending(&c->io))
			break;
	}
	if (!c->dead)
		schedule_flush(c);
}

static void
on_ready(struct relay_source *source, RelayWorker *w, uint32_t events)
{
	struct conn *c = (struct conn *) (void *) source;

	if (c->dead)
		return;
	if (!c->io.established) {
		enum weft_ws_io_status status = weft_ws_io_handshake(&c->io);

		if (status == WEFT_WS_IO_AGAIN) {
			update_events(c);
			return;
		}
		if (status != WEFT_WS_IO_OK) {
			relay_count(&c->service->core->counters->tls_failed, 1);
			kill_conn(c);
			return;
		}
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP) || weft_ws_io_pending(&c->io))
		read_all(c);
	if (!c->dead && (events & EPOLLOUT))
		flush(c);
}

/* ---- accepting ---- */

static void
tune_socket(int fd)
{
	const int one = 1;
	const int lowat = BLOCK_SIZE;

	/* Failures cost speed only. */
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

static bool
open_streams(struct conn *c, int fd, const struct relay_flow *flow)
{
	struct service *s = c->service;
	uint8_t *in = block_get(s);
	uint8_t *out = block_get(s);

	if (in == NULL || out == NULL ||
	    !weft_ws_session_server(&c->session, s->core->env, "/relay", MESSAGE_MAX, in,
				    BLOCK_SIZE, out, BLOCK_SIZE)) {
		block_put(s, in);
		block_put(s, out);
		memset(&c->session, 0, sizeof c->session);
		return false;
	}
	if (flow->transport == RELAY_TLS)
		return s->core->settings->tls != NULL &&
		       weft_ws_io_tls_server(&c->io, fd, s->core->settings->tls);
	weft_ws_io_plain(&c->io, fd);
	return true;
}

static void
take_over(struct service *s, int fd, const struct relay_flow *flow)
{
	struct conn *c = NULL;

	if (s->drained || s->n_conns >= s->core->settings->relay_connections_max ||
	    (c = calloc(1, sizeof *c)) == NULL) {
		relay_count(&s->core->counters->streams_refused, 1);
		close(fd);
		return;
	}
	tune_socket(fd);
	c->service = s;
	c->client = flow->client;
	c->since_s = s->core->now_s;
	c->io.fd = -1;
	c->source.fd = fd;
	c->source.ready = on_ready;
	c->events = EPOLLIN;
	if (!open_streams(c, fd, flow) || !relay_worker_watch(s->worker, &c->source, EPOLLIN)) {
		if (c->io.fd >= 0)
			weft_ws_io_close(&c->io);
		else
			close(fd);
		block_put(s, c->session.out);
		block_put(s, c->session.reader.buf);
		free(c);
		return;
	}
	c->next = s->conns;
	if (c->next != NULL)
		c->next->prev = c;
	s->conns = c;
	s->n_conns++;
	relay_count(&s->core->counters->streams_accepted, 1);
	set_gauges(s);
}

static struct service *
service_of(RelayWorker *w)
{
	return relay_worker_slot(w, RELAY_SLOT_RELAY_WS);
}

static void
relay_ws_accept(RelayWorker *w, int fd, const struct relay_flow *flow)
{
	RelayWorker *home = relay_worker_index(w) == 0 ? w : relay_worker_other(w, 0);
	struct service *s = service_of(home);
	struct handover *h;

	if (home == w) {
		take_over(s, fd, flow);
		return;
	}
	h = malloc(sizeof *h);
	if (h == NULL || s == NULL) {
		free(h);
		close(fd);
		return;
	}
	h->fd = fd;
	h->flow = *flow;
	pthread_mutex_lock(&s->lock);
	h->next = s->handed;
	s->handed = h;
	pthread_mutex_unlock(&s->lock);
	relay_worker_wake(home);
}

/* Tells everybody to go elsewhere: clients redial after 1.5 s, maybe to another relay. */
static void
drain(struct service *s)
{
	if (s->drained)
		return;
	s->drained = true;
	for (struct conn *c = s->conns, *next; c != NULL; c = next) {
		next = c->next;
		if (!c->authenticated) {
			kill_conn(c);
			continue;
		}
		send_short(c, TYPE_CLOSE);
		c->closing = true;
		schedule_flush(c);
	}
}

static void
on_wake(RelayWorker *w, void *user)
{
	struct service *s = user;
	struct handover *list;

	if (atomic_load(&s->core->shared->draining))
		drain(s);
	pthread_mutex_lock(&s->lock);
	list = s->handed;
	s->handed = NULL;
	pthread_mutex_unlock(&s->lock);
	while (list != NULL) {
		struct handover *h = list;

		list = h->next;
		take_over(s, h->fd, &h->flow);
		free(h);
	}
}

static void
on_tick(struct relay_tick *t, RelayWorker *w)
{
	struct service *s =
		(struct service *) (void *) ((char *) t - offsetof(struct service, tick));
	uint32_t now_s = s->core->now_s;

	for (struct conn *c = s->conns, *next; c != NULL; c = next) {
		next = c->next;
		if (!c->authenticated) {
			if (now_s - c->since_s >= HANDSHAKE_S)
				kill_conn(c);
			continue;
		}
		if (now_s - c->heard_s >= HEALTH_LIMIT_S) {
			kill_conn(c);
			continue;
		}
		if (now_s >= c->health_at_s) {
			c->health_at_s = now_s + HEALTH_S;
			send_short(c, TYPE_HEALTH);
		}
	}
	set_gauges(s);
}

static bool
relay_ws_init(RelayWorker *w)
{
	struct service *s;

	/* Only the first worker serves; the others know where it is. */
	if (relay_worker_index(w) != 0)
		return true;
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return false;
	s->worker = w;
	s->core = relay_worker_core(w);
	s->peers = relay_peers_new(s->core->shared->hash_seed, &peers_ops, s);
	if (s->peers == NULL) {
		free(s);
		return false;
	}
	pthread_mutex_init(&s->lock, NULL);
	s->tick.tick = on_tick;
	relay_worker_each_second(w, &s->tick);
	relay_worker_on_wake(w, on_wake, s);
	relay_worker_set_slot(w, RELAY_SLOT_RELAY_WS, s);
	return true;
}

static void
relay_ws_clear(RelayWorker *w)
{
	struct service *s = service_of(w);

	if (s == NULL)
		return;
	for (struct conn *c = s->conns, *next; c != NULL; c = next) {
		next = c->next;
		relay_peers_remove(s->peers, &c->member);
		weft_ws_io_close(&c->io);
		free(c->session.out);
		free(c->session.reader.buf);
		free(c);
	}
	for (struct handover *h = s->handed, *next; h != NULL; h = next) {
		next = h->next;
		close(h->fd);
		free(h);
	}
	while (s->free_blocks != NULL) {
		struct block *b = s->free_blocks;

		s->free_blocks = b->next;
		free(b);
	}
	relay_peers_free(s->peers);
	pthread_mutex_destroy(&s->lock);
	relay_worker_set_slot(w, RELAY_SLOT_RELAY_WS, NULL);
	free(s);
}

static void
relay_ws_list(RelayWorker *w, struct relay_command *command)
{
	struct service *s = service_of(w);

	for (struct conn *c = s == NULL ? NULL : s->conns;
	     c != NULL && command->n_list < command->list_max; c = c->next) {
		struct relay_peer_info *info = &command->peers[command->n_list];

		if (!c->authenticated)
			continue;
		memcpy(info->id, c->member.id, 4);
		(void) weft_base64_encode(info->id + 4, sizeof info->id - 4, c->member.id + 4,
					  RELAY_PEER_ID_LEN - 4);
		info->client = c->client;
		info->connected_s = s->core->now_s - c->since_s;
		info->messages_in = c->in;
		info->messages_out = c->out;
		info->dropped = c->dropped;
		command->n_list++;
	}
}

const struct relay_service_ops relay_ws_ops = {
	.init = relay_ws_init,
	.clear = relay_ws_clear,
	.accept = relay_ws_accept,
	.list = relay_ws_list,
};

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TURN clients on TCP and TLS. A connection reads into the worker's scratch buffer and keeps only
 * the incomplete rest of a frame; it writes at once, and keeps a bounded backlog when the client
 * is slow. */
#include "relayd/worker_private.h"
#include "stun/frame.h"
#include "ws/io.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* What an unauthenticated client may have us keep of one frame. */
#define GREETING_FRAME_MAX 4096

/* Frames read from one connection before others have their turn. */
#define READS_MAX 8

struct relay_stream {
	struct relay_source source; /* first: casts back */
	struct weft_ws_io io;
	struct relay_flow flow;
	uint32_t index;
	uint32_t since, heard; /* seconds */
	uint8_t *rest;
	size_t rest_len;
	uint8_t *backlog;
	size_t backlog_start, backlog_end;
	uint32_t events; /* that epoll watches for */
	bool greeted;    /* has sent a whole frame */
	bool dying;
};

struct relay_streams {
	struct relay_tick tick;
	struct relay_later reap;
	struct relay_stream **table;
	uint32_t size, used, hint;
	bool any_dying;
};

static struct relay_streams *
streams_of(RelayWorker *w)
{
	return relay_worker_slot(w, RELAY_SLOT_TURN_TCP);
}

static void
stream_free(RelayWorker *w, struct relay_stream *s)
{
	struct relay_streams *all = streams_of(w);
	uint32_t alloc;

	relay_worker_unwatch(w, &s->source);
	/* RFC 8656 section 7: the allocation goes with its connection. */
	alloc = relay_alloc_find(w->core.tables, &s->flow);
	if (alloc != RELAY_NONE) {
		relay_to_peer_flush(w);
		relay_core_end(&w->core, alloc, RELAY_END_DISCONNECTED);
	}
	weft_ws_io_close(&s->io);
	all->table[s->index] = NULL;
	all->used--;
	relay_count(&w->counters.streams, (uint64_t) -1);
	free(s->rest);
	free(s->backlog);
	free(s);
}

/* Freed later: someone up the stack may still look at it. */
static void
stream_doom(RelayWorker *w, struct relay_stream *s)
{
	struct relay_streams *all = streams_of(w);

	s->dying = true;
	all->any_dying = true;
	relay_worker_later(w, &all->reap);
}

static void
on_reap(struct relay_later *later, RelayWorker *w)
{
	struct relay_streams *all = streams_of(w);

	(void) later;
	if (!all->any_dying)
		return;
	all->any_dying = false;
	for (uint32_t i = 0; i < all->size; i++)
		if (all->table[i] != NULL && all->table[i]->dying)
			stream_free(w, all->table[i]);
}

static void
update_events(RelayWorker *w, struct relay_stream *s)
{
	uint32_t events = weft_ws_io_events(&s->io);

	if (s->backlog_end > s->backlog_start)
		events |= EPOLLOUT;
	if (events != s->events && !s->dying) {
		s->events = events;
		if (!relay_worker_rewatch(w, &s->source, events))
			stream_doom(w, s);
	}
}

/* --- Writing --- */

static size_t
total(const struct iovec *iov, int n)
{
	size_t len = 0;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* Keeps what lies behind the first @skip bytes. False: no room, nothing kept. */
static bool
keep(struct relay_stream *s, const struct iovec *iov, int n, size_t skip)
{
	size_t len = total(iov, n) - skip, held = s->backlog_end - s->backlog_start;
	size_t max = skip > 0 ? 2 * RELAY_STREAM_BACKLOG : RELAY_STREAM_BACKLOG;

	if (held + len > max)
		return false;
	if (s->backlog == NULL) {
		s->backlog = malloc(2 * RELAY_STREAM_BACKLOG);
		if (s->backlog == NULL)
			return false;
	}
	if (s->backlog_start > 0) {
		memmove(s->backlog, s->backlog + s->backlog_start, held);
		s->backlog_start = 0;
		s->backlog_end = held;
	}
	for (int i = 0; i < n; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t part = iov[i].iov_len, cut = skip < part ? skip : part;

		skip -= cut;
		memcpy(s->backlog + s->backlog_end, p + cut, part - cut);
		s->backlog_end += part - cut;
	}
	return true;
}

/* False: the connection is lost. */
static bool
flush_backlog(struct relay_stream *s)
{
	while (s->backlog_end > s->backlog_start) {
		struct iovec iov = { s->backlog + s->backlog_start,
				     s->backlog_end - s->backlog_start };
		size_t n;

		switch (weft_ws_io_writev(&s->io, &iov, 1, &n)) {
		case WEFT_WS_IO_OK:
			s->backlog_start += n;
			break;
		case WEFT_WS_IO_AGAIN:
			return true;
		case WEFT_WS_IO_CLOSED:
		case WEFT_WS_IO_FAILED:
			return false;
		}
	}
	free(s->backlog);
	s->backlog = NULL;
	s->backlog_start = s->backlog_end = 0;
	return true;
}

void
relay_stream_write(
	RelayWorker *w, uint32_t stream, const struct iovec *iov, int n, unsigned packets)
{
	struct relay_streams *all = streams_of(w);
	struct relay_stream *s = stream < all->size ? all->table[stream] : NULL;
	size_t len = total(iov, n), sent = 0;

	if (s == NULL || s->dying)
		return;
	if (s->backlog_end == s->backlog_start) {
		switch (weft_ws_io_writev(&s->io, iov, n, &sent)) {
		case WEFT_WS_IO_OK:
		case WEFT_WS_IO_AGAIN:
			break;
		case WEFT_WS_IO_CLOSED:
		case WEFT_WS_IO_FAILED:
			stream_doom(w, s);
			return;
		}
		if (sent == len)
			return;
	}
	if (!keep(s, iov, n, sent)) {
		/* Half a frame cannot be taken back. */
		if (sent > 0)
			stream_doom(w, s);
		else
			relay_count(&w->counters.drop_backlog, packets > 0 ? packets : 1);
		return;
	}
	update_events(w, s);
}

/* --- Reading --- */

/* Takes the frames out of @len bytes; the incomplete rest is kept. False: close. */
static bool
take_frames(RelayWorker *w, struct relay_stream *s, const uint8_t *buf, size_t len)
{
	size_t at = 0;
	uint8_t *rest;

	for (;;) {
		bool known = relay_alloc_find(w->core.tables, &s->flow) != RELAY_NONE;
		struct weft_stun_frame f = weft_stun_frame_next(
			buf + at, len - at, known ? RELAY_STREAM_FRAME_MAX : GREETING_FRAME_MAX);

		if (f.kind == WEFT_STUN_FRAME_BAD) {
			relay_count(&w->counters.drop_malformed, 1);
			return false;
		}
		if (f.kind == WEFT_STUN_FRAME_MORE)
			break;
		s->greeted = true;
		relay_client_frame(w, &s->flow, s->index, buf + at, f.len);
		at += f.total;
		if (s->dying)
			return true;
	}
	/* Payloads that wait to be sent point into the scratch buffer. */
	relay_to_peer_flush(w);
	if (at == len) {
		free(s->rest);
		s->rest = NULL;
		s->rest_len = 0;
		return true;
	}
	rest = realloc(s->rest, len - at);
	if (rest == NULL)
		return false;
	memcpy(rest, buf + at, len - at);
	s->rest = rest;
	s->rest_len = len - at;
	return true;
}

/* False: close. */
static bool
read_frames(RelayWorker *w, struct relay_stream *s)
{
	size_t size;
	uint8_t *scratch = relay_worker_scratch(w, &size);

	for (int i = 0; i < READS_MAX || weft_ws_io_pending(&s->io); i++) {
		size_t n;

		if (s->rest_len > 0)
			memcpy(scratch, s->rest, s->rest_len);
		switch (weft_ws_io_read(&s->io, scratch + s->rest_len, size - s->rest_len, &n)) {
		case WEFT_WS_IO_OK:
			break;
		case WEFT_WS_IO_AGAIN:
			return true;
		case WEFT_WS_IO_FAILED:
			if (!s->io.established)
				relay_count(&w->counters.tls_failed, 1);
			return false;
		case WEFT_WS_IO_CLOSED:
			return false;
		}
		s->heard = w->core.now_s;
		if (!take_frames(w, s, scratch, s->rest_len + n))
			return false;
		if (s->dying)
			return true;
	}
	return true;
}

static void
on_stream_ready(struct relay_source *source, RelayWorker *w, uint32_t events)
{
	struct relay_stream *s = (struct relay_stream *) source;
	bool good = true;

	if (s->dying)
		return;
	if ((events & EPOLLOUT) != 0)
		good = flush_backlog(s);
	if (good)
		good = read_frames(w, s);
	if (!good)
		stream_doom(w, s);
	else
		update_events(w, s);
}

/* --- Coming and going --- */

/* A free place, or the place of the connection that has shown least for the longest time. */
static bool
find_place(RelayWorker *w, uint32_t *ret)
{
	struct relay_streams *all = streams_of(w);
	struct relay_stream *oldest = NULL;
	uint32_t max = w->core.settings->streams_max;

	if (max > all->size)
		max = all->size;
	if (all->used < max)
		for (uint32_t i = 0; i < all->size; i++) {
			uint32_t at = (all->hint + i) % all->size;

			if (all->table[at] == NULL) {
				all->hint = at + 1;
				*ret = at;
				return true;
			}
		}
	for (uint32_t i = 0; i < all->size; i++) {
		struct relay_stream *s = all->table[i];

		if (s != NULL && !s->greeted && !s->dying &&
		    (oldest == NULL || s->since < oldest->since))
			oldest = s;
	}
	if (oldest == NULL || oldest->since == w->core.now_s)
		return false;
	*ret = oldest->index;
	stream_free(w, oldest);
	return true;
}

static struct relay_stream *
stream_new(RelayWorker *w, const struct relay_listener *l, int fd)
{
	struct relay_stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	if (l->listen.transport != RELAY_TLS) {
		weft_ws_io_plain(&s->io, fd);
		return s;
	}
	if (w->core.settings->tls == NULL ||
	    !weft_ws_io_tls_server(&s->io, fd, w->core.settings->tls)) {
		free(s);
		return NULL;
	}
	return s;
}

void
relay_streams_accept(RelayWorker *w,
		     const struct relay_listener *l,
		     int fd,
		     const struct relay_flow *flow)
{
	struct relay_streams *all = streams_of(w);
	struct relay_stream *s;
	uint32_t place;
	int on = 1;

	if (!find_place(w, &place)) {
		relay_count(&w->counters.streams_refused, 1);
		close(fd);
		return;
	}
	s = stream_new(w, l, fd);
	if (s == NULL) {
		close(fd);
		return;
	}
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* a help only */
	s->source = (struct relay_source){ .fd = fd, .ready = on_stream_ready };
	s->flow = *flow;
	s->index = place;
	s->since = s->heard = w->core.now_s;
	s->events = EPOLLIN;
	if (!relay_worker_watch(w, &s->source, s->events)) {
		weft_ws_io_close(&s->io);
		free(s);
		return;
	}
	all->table[place] = s;
	all->used++;
	relay_count(&w->counters.streams, 1);
	relay_count(&w->counters.streams_accepted, 1);
}

/* Who is silent without an allocation has had its time. */
static void
on_tick(struct relay_tick *tick, RelayWorker *w)
{
	struct relay_streams *all = streams_of(w);

	(void) tick;
	for (uint32_t i = 0; all->used > 0 && i < all->size; i++) {
		struct relay_stream *s = all->table[i];
		uint32_t now = w->core.now_s;

		if (s == NULL)
			continue;
		if (!s->greeted) {
			if (now - s->since >= RELAY_STREAM_GREETING_S)
				stream_free(w, s);
		} else if (now - s->heard >= RELAY_STREAM_IDLE_S &&
			   relay_alloc_find(w->core.tables, &s->flow) == RELAY_NONE) {
			stream_free(w, s);
		}
	}
}

bool
relay_streams_init(RelayWorker *w)
{
	struct relay_streams *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return false;
	all->size = w->core.settings->streams_max > 0 ? w->core.settings->streams_max : 1;
	all->table = calloc(all->size, sizeof(struct relay_stream *));
	if (all->table == NULL) {
		free(all);
		return false;
	}
	all->tick.tick = on_tick;
	all->reap.run = on_reap;
	relay_worker_set_slot(w, RELAY_SLOT_TURN_TCP, all);
	relay_worker_each_second(w, &all->tick);
	return true;
}

void
relay_streams_clear(RelayWorker *w)
{
	struct relay_streams *all = streams_of(w);

	if (all == NULL)
		return;
	for (uint32_t i = 0; i < all->size; i++)
		if (all->table[i] != NULL)
			stream_free(w, all->table[i]);
	free(all->table);
	free(all);
	relay_worker_set_slot(w, RELAY_SLOT_TURN_TCP, NULL);
}

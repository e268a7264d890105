/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Permissions, channels, and the packets that they carry. */
#include "agent/ice/turn_private.h"

#include "base/address.h"
#include "base/env.h"
#include "stun/message.h"

#include <string.h>

#define PAYLOAD_MAX 65500

static guint
endpoint_hash(gconstpointer p)
{
	const struct weft_endpoint *e = p;
	guint h = e->port, w;
	unsigned i;

	for (i = 0; i < 16; i += 4) {
		memcpy(&w, e->addr.b + i, 4);
		h = (h ^ w) * 0x9e3779b1u;
	}
	return h;
}

static gboolean
endpoint_equal(gconstpointer a, gconstpointer b)
{
	return weft_endpoint_equal(a, b);
}

static void
drop_pending(struct turn_channel *c)
{
	unsigned i;

	for (i = 0; i < c->n_pending; i++)
		g_free(c->pending[i]);
	c->n_pending = 0;
}

static void
channel_free(void *p)
{
	drop_pending(p);
	g_free(p);
}

static struct turn_permission *
find_permission(const IceTurn *turn, const struct weft_address *peer)
{
	guint i;

	for (i = 0; i < turn->permissions->len; i++) {
		struct turn_permission *p = turn->permissions->pdata[i];

		if (weft_address_equal(&p->peer, peer))
			return p;
	}
	return NULL;
}

static struct turn_channel *
find_channel(const IceTurn *turn, const struct weft_endpoint *peer)
{
	return turn->by_endpoint != NULL ? g_hash_table_lookup(turn->by_endpoint, peer) : NULL;
}

static void
remove_channel(IceTurn *turn, struct turn_channel *c)
{
	turn->channels[c->number - WEFT_STUN_CHANNEL_FIRST] = NULL;
	(void) g_hash_table_remove(turn->by_endpoint, &c->peer);
}

/* The one not used for longest makes room. */
static void
make_room_permission(IceTurn *turn)
{
	guint i, oldest = 0;

	if (turn->permissions->len < ICE_TURN_PEERS_MAX)
		return;
	for (i = 1; i < turn->permissions->len; i++) {
		const struct turn_permission *p = turn->permissions->pdata[i];
		const struct turn_permission *o = turn->permissions->pdata[oldest];

		if (p->used_us < o->used_us)
			oldest = i;
	}
	g_ptr_array_remove_index_fast(turn->permissions, oldest);
}

static void
make_room_channel(IceTurn *turn)
{
	struct turn_channel *oldest = NULL, *c;
	GHashTableIter iter;

	if (g_hash_table_size(turn->by_endpoint) < ICE_TURN_PEERS_MAX)
		return;
	g_hash_table_iter_init(&iter, turn->by_endpoint);
	while (g_hash_table_iter_next(&iter, NULL, (void **) &c)) {
		if (oldest == NULL || c->used_us < oldest->used_us)
			oldest = c;
	}
	remove_channel(turn, oldest);
}

static struct turn_permission *
permit(IceTurn *turn, const struct weft_address *peer, int64_t now_us)
{
	struct turn_permission *p = find_permission(turn, peer);

	if (p == NULL) {
		make_room_permission(turn);
		p = g_new0(struct turn_permission, 1);
		p->peer = *peer;
		p->due_us = now_us;
		g_ptr_array_add(turn->permissions, p);
		if (turn->state == ICE_TURN_READY)
			(void) turn_begin(turn, &p->request, TURN_PERMIT);
	}
	p->used_us = now_us;
	return p;
}

void
ice_turn_permit(IceTurn *turn, const struct weft_address *peer)
{
	if (turn->state != ICE_TURN_STOPPED && peer->family != WEFT_FAMILY_NONE)
		(void) permit(turn, peer, turn_now(turn));
}

/* Numbers go round, so that one is not bound to another peer while the server may still remember
 * the former (RFC 8656 section 12). */
static struct turn_channel *
add_channel(IceTurn *turn, const struct weft_endpoint *peer, int64_t now_us)
{
	struct turn_channel *c = g_new0(struct turn_channel, 1);
	unsigned i;

	if (turn->by_endpoint == NULL)
		turn->by_endpoint =
			g_hash_table_new_full(endpoint_hash, endpoint_equal, NULL, channel_free);
	make_room_channel(turn);
	for (i = 0; turn->channels[turn->next_channel] != NULL && i < 2 * ICE_TURN_PEERS_MAX; i++)
		turn->next_channel = (turn->next_channel + 1) % G_N_ELEMENTS(turn->channels);
	c->peer = *peer;
	c->number = (uint16_t) (WEFT_STUN_CHANNEL_FIRST + turn->next_channel);
	c->due_us = now_us;
	c->used_us = now_us;
	turn->channels[turn->next_channel] = c;
	turn->next_channel = (turn->next_channel + 1) % G_N_ELEMENTS(turn->channels);
	g_hash_table_insert(turn->by_endpoint, &c->peer, c);
	(void) turn_begin(turn, &c->request, TURN_BIND);
	return c;
}

static bool
send_indication(IceTurn *turn, const struct weft_endpoint *peer, const uint8_t *buf, size_t len)
{
	uint8_t txid[WEFT_STUN_TRANSACTION_LEN];
	g_autofree uint8_t *large = len > 2048 ? g_malloc(len + 128) : NULL;
	uint8_t small[2048 + 128];
	uint8_t *out = large != NULL ? large : small;
	size_t n;

	weft_env_random(turn->env, txid, sizeof(txid));
	n = weft_stun_client_send(out, large != NULL ? len + 128 : sizeof(small), txid, peer,
				  (struct weft_bytes){ buf, len });
	return n > 0 && turn->ops->send(turn->user, out, n);
}

static void
keep_pending(struct turn_channel *c, const uint8_t *buf, size_t len)
{
	struct turn_packet *packet = g_malloc(sizeof(*packet) + len);

	packet->len = (uint16_t) len;
	memcpy(packet->buf, buf, len);
	if (c->n_pending == TURN_PENDING) {
		g_free(c->pending[0]);
		memmove(c->pending, c->pending + 1, (TURN_PENDING - 1) * sizeof(c->pending[0]));
		c->n_pending--;
	}
	c->pending[c->n_pending++] = packet;
}

static void
flush_pending(IceTurn *turn, struct turn_channel *c)
{
	unsigned i;

	for (i = 0; i < c->n_pending; i++)
		(void) send_indication(turn, &c->peer, c->pending[i]->buf, c->pending[i]->len);
	drop_pending(c);
}

/* The channel of that peer, asked for if need be, and whether something can be sent at all. */
static struct turn_channel *
channel_for_sending(IceTurn *turn, const struct weft_endpoint *peer, size_t len)
{
	struct turn_channel *c;

	if (turn->state != ICE_TURN_READY || len > PAYLOAD_MAX || peer->port == 0 ||
	    peer->addr.family != turn->relayed.addr.family)
		return NULL;
	turn_refresh_now(turn);
	c = find_channel(turn, peer);
	if (c == NULL) {
		(void) permit(turn, &peer->addr, turn_now(turn));
		c = add_channel(turn, peer, turn_now(turn));
	}
	c->used_us = turn_now(turn);
	return c;
}

static bool
send_unbound(IceTurn *turn, struct turn_channel *c, const uint8_t *buf, size_t len)
{
	const struct turn_permission *p = permit(turn, &c->peer.addr, turn_now(turn));

	if (p->granted)
		return send_indication(turn, &c->peer, buf, len);
	keep_pending(c, buf, len);
	return true;
}

bool
ice_turn_send(IceTurn *turn, const struct weft_endpoint *peer, const uint8_t *buf, size_t len)
{
	struct turn_channel *c = channel_for_sending(turn, peer, len);
	uint8_t small[2048];
	g_autofree uint8_t *large = NULL;
	uint8_t *out = small;
	size_t n = WEFT_STUN_CHANNEL_HEADER_LEN + len;

	if (c == NULL)
		return false;
	if (!c->bound)
		return send_unbound(turn, c, buf, len);
	if (n + ICE_TURN_TAILROOM > sizeof(small))
		out = large = g_malloc(n + ICE_TURN_TAILROOM);
	weft_stun_channel_header(out, c->number, (uint16_t) len);
	memcpy(out + WEFT_STUN_CHANNEL_HEADER_LEN, buf, len);
	if (turn->stream) {
		memset(out + n, 0, ICE_TURN_TAILROOM);
		n += weft_stun_padding(n);
	}
	return turn->ops->send(turn->user, out, n);
}

bool
ice_turn_send_in_place(IceTurn *turn, const struct weft_endpoint *peer, uint8_t *buf, size_t len)
{
	struct turn_channel *c = channel_for_sending(turn, peer, len);
	uint8_t *out = buf - ICE_TURN_HEADROOM;
	size_t n = ICE_TURN_HEADROOM + len;

	if (c == NULL)
		return false;
	if (!c->bound)
		return send_unbound(turn, c, buf, len);
	weft_stun_channel_header(out, c->number, (uint16_t) len);
	if (turn->stream) {
		memset(out + n, 0, ICE_TURN_TAILROOM);
		n += weft_stun_padding(n);
	}
	return turn->ops->send(turn->user, out, n);
}

size_t
turn_peer_write(IceTurn *turn, const struct turn_request *request, void *buf, size_t size)
{
	if (request->kind == TURN_PERMIT) {
		const struct turn_permission *p =
			(const void *) ((const char *) request -
					offsetof(struct turn_permission, request));
		struct weft_endpoint peer = { p->peer, 0 };

		return weft_stun_client_permission(buf, size, request->txid, &turn->auth, &peer, 1);
	} else {
		const struct turn_channel *c =
			(const void *) ((const char *) request -
					offsetof(struct turn_channel, request));

		return weft_stun_client_channel(buf, size, request->txid, &turn->auth, c->number,
						&c->peer);
	}
}

static void
on_granted(IceTurn *turn, struct turn_permission *p)
{
	GHashTableIter iter;
	struct turn_channel *c;

	p->granted = true;
	p->due_us = turn_now(turn) + TURN_PERMIT_US;
	turn_wake(turn, p->due_us);
	if (turn->by_endpoint == NULL)
		return;
	g_hash_table_iter_init(&iter, turn->by_endpoint);
	while (g_hash_table_iter_next(&iter, NULL, (void **) &c)) {
		if (weft_address_equal(&c->peer.addr, &p->peer))
			flush_pending(turn, c);
	}
}

static void
permission_response(IceTurn *turn, struct turn_permission *p, const struct weft_stun_message *m)
{
	enum weft_stun_verdict verdict = turn_judge(turn, &p->request, m);

	if (verdict == WEFT_STUN_VERDICT_FORGED)
		return;
	p->request.kind = TURN_NONE;
	switch (verdict) {
	case WEFT_STUN_VERDICT_OK:
		on_granted(turn, p);
		break;
	case WEFT_STUN_VERDICT_RETRY:
		(void) turn_begin(turn, &p->request, TURN_PERMIT);
		break;
	case WEFT_STUN_VERDICT_MISMATCH:
		turn_lost(turn, false);
		break;
	case WEFT_STUN_VERDICT_REDIRECT:
	case WEFT_STUN_VERDICT_REFUSED:
		/* 403: that peer is forbidden. It costs that peer, not the allocation. */
		p->granted = false;
		p->due_us = turn_now(turn) + TURN_REFUSED_US;
		turn_wake(turn, p->due_us);
		break;
	case WEFT_STUN_VERDICT_FORGED:
		break;
	}
}

static void
channel_response(IceTurn *turn, struct turn_channel *c, const struct weft_stun_message *m)
{
	enum weft_stun_verdict verdict = turn_judge(turn, &c->request, m);
	struct turn_permission *p;

	if (verdict == WEFT_STUN_VERDICT_FORGED)
		return;
	c->request.kind = TURN_NONE;
	switch (verdict) {
	case WEFT_STUN_VERDICT_OK:
		c->bound = true;
		c->due_us = turn_now(turn) + TURN_BIND_US;
		turn_wake(turn, c->due_us);
		/* It is a permission as well (RFC 8656 section 12.2). */
		p = find_permission(turn, &c->peer.addr);
		if (p != NULL && p->request.kind == TURN_NONE)
			on_granted(turn, p);
		else
			flush_pending(turn, c);
		break;
	case WEFT_STUN_VERDICT_RETRY:
		(void) turn_begin(turn, &c->request, TURN_BIND);
		break;
	case WEFT_STUN_VERDICT_MISMATCH:
		turn_lost(turn, false);
		break;
	case WEFT_STUN_VERDICT_REDIRECT:
	case WEFT_STUN_VERDICT_REFUSED:
		/* Send indications do as well. */
		c->bound = false;
		c->due_us = turn_now(turn) + TURN_REFUSED_US;
		turn_wake(turn, c->due_us);
		break;
	case WEFT_STUN_VERDICT_FORGED:
		break;
	}
}

static bool
matches(const struct turn_request *request, const struct weft_stun_message *m)
{
	return request->kind != TURN_NONE &&
	       memcmp(request->txid, m->transaction, sizeof(m->transaction)) == 0;
}

bool
turn_peer_response(IceTurn *turn, const struct weft_stun_message *m)
{
	GHashTableIter iter;
	struct turn_channel *c;
	guint i;

	for (i = 0; i < turn->permissions->len; i++) {
		struct turn_permission *p = turn->permissions->pdata[i];

		if (matches(&p->request, m)) {
			permission_response(turn, p, m);
			return true;
		}
	}
	if (turn->by_endpoint == NULL)
		return false;
	g_hash_table_iter_init(&iter, turn->by_endpoint);
	while (g_hash_table_iter_next(&iter, NULL, (void **) &c)) {
		if (matches(&c->request, m)) {
			channel_response(turn, c, m);
			return true;
		}
	}
	return false;
}

/* False if the transport or the allocation went. */
static bool
poll_request(IceTurn *turn, struct turn_request *request, int64_t now_us)
{
	switch (weft_stun_timer_poll(&request->timer, now_us)) {
	case WEFT_STUN_TIMER_WAIT:
		return true;
	case WEFT_STUN_TIMER_RESEND:
		turn_transmit(turn, request);
		return true;
	case WEFT_STUN_TIMER_EXPIRED:
		break;
	}
	turn_lost(turn, true);
	return false;
}

static bool
peer_in_use(const IceTurn *turn, const struct turn_permission *p, int64_t now_us)
{
	GHashTableIter iter;
	const struct turn_channel *c;

	if (now_us - p->used_us < TURN_PEER_IDLE_US)
		return true;
	if (turn->by_endpoint == NULL)
		return false;
	g_hash_table_iter_init(&iter, turn->by_endpoint);
	while (g_hash_table_iter_next(&iter, NULL, (void **) &c)) {
		if (weft_address_equal(&c->peer.addr, &p->peer) &&
		    now_us - c->used_us < TURN_PEER_IDLE_US)
			return true;
	}
	return false;
}

void
turn_peer_timer(IceTurn *turn, int64_t now_us)
{
	GHashTableIter iter;
	struct turn_channel *c;
	guint i;

	for (i = turn->permissions->len; i > 0; i--) {
		struct turn_permission *p = turn->permissions->pdata[i - 1];

		if (p->request.kind != TURN_NONE) {
			if (!poll_request(turn, &p->request, now_us))
				return;
		} else if (p->due_us <= now_us) {
			if (peer_in_use(turn, p, now_us))
				(void) turn_begin(turn, &p->request, TURN_PERMIT);
			else
				g_ptr_array_remove_index_fast(turn->permissions, i - 1);
		}
	}
	if (turn->by_endpoint == NULL)
		return;
	g_hash_table_iter_init(&iter, turn->by_endpoint);
	while (g_hash_table_iter_next(&iter, NULL, (void **) &c)) {
		if (c->request.kind != TURN_NONE) {
			if (!poll_request(turn, &c->request, now_us))
				return;
		} else if (c->due_us <= now_us) {
			if (now_us - c->used_us < TURN_PEER_IDLE_US) {
				(void) turn_begin(turn, &c->request, TURN_BIND);
			} else {
				turn->channels[c->number - WEFT_STUN_CHANNEL_FIRST] = NULL;
				g_hash_table_iter_remove(&iter);
			}
		}
	}
}

int64_t
turn_peer_next_us(const IceTurn *turn)
{
	int64_t next = INT64_MAX;
	GHashTableIter iter;
	const struct turn_channel *c;
	guint i;

	for (i = 0; i < turn->permissions->len; i++) {
		const struct turn_permission *p = turn->permissions->pdata[i];

		next = MIN(next,
			   p->request.kind != TURN_NONE ? p->request.timer.due_us : p->due_us);
	}
	if (turn->by_endpoint == NULL)
		return next;
	g_hash_table_iter_init(&iter, turn->by_endpoint);
	while (g_hash_table_iter_next(&iter, NULL, (void **) &c))
		next = MIN(next,
			   c->request.kind != TURN_NONE ? c->request.timer.due_us : c->due_us);
	return next;
}

void
turn_peer_reset(IceTurn *turn)
{
	GHashTableIter iter;
	struct turn_channel *c;
	guint i;

	for (i = 0; i < turn->permissions->len; i++) {
		struct turn_permission *p = turn->permissions->pdata[i];

		p->granted = false;
		p->request.kind = TURN_NONE;
		p->due_us = INT64_MIN;
	}
	if (turn->by_endpoint == NULL)
		return;
	g_hash_table_iter_init(&iter, turn->by_endpoint);
	while (g_hash_table_iter_next(&iter, NULL, (void **) &c)) {
		c->bound = false;
		c->request.kind = TURN_NONE;
		c->due_us = INT64_MIN;
	}
}

void
turn_peer_clear(IceTurn *turn)
{
	g_ptr_array_set_size(turn->permissions, 0);
	memset(turn->channels, 0, sizeof(turn->channels));
	if (turn->by_endpoint != NULL)
		g_hash_table_remove_all(turn->by_endpoint);
}

static bool
has_permission(const IceTurn *turn, const struct weft_address *peer)
{
	const struct turn_permission *p = find_permission(turn, peer);

	return p != NULL && p->granted;
}

/* Data: only from peers that were let in, whatever the server thinks. */
void
turn_peer_indication(IceTurn *turn, const struct weft_stun_message *m)
{
	if (turn->state != ICE_TURN_READY || m->method != WEFT_STUN_DATA ||
	    !weft_stun_has(m, WEFT_STUN_HAS_PEER | WEFT_STUN_HAS_DATA) || m->n_peers != 1 ||
	    !has_permission(turn, &m->peers[0].addr))
		return;
	turn->heard_us = turn_now(turn);
	turn->ops->receive(turn->user, &m->peers[0], m->data.p, m->data.len);
}

void
turn_peer_channel_data(IceTurn *turn, const uint8_t *buf, size_t len)
{
	const struct turn_channel *c;
	uint16_t number, payload;
	struct weft_endpoint peer;

	if (turn->state != ICE_TURN_READY ||
	    !weft_stun_channel_parse(buf, len, &number, &payload) ||
	    number > WEFT_STUN_CHANNEL_LAST) /* none that we would choose */
		return;
	c = turn->channels[number - WEFT_STUN_CHANNEL_FIRST];
	/* The first data may overtake the answer to ChannelBind: what was asked for counts. */
	if (c == NULL)
		return;
	turn->heard_us = turn_now(turn);
	peer = c->peer;
	turn->ops->receive(turn->user, &peer, buf + WEFT_STUN_CHANNEL_HEADER_LEN, payload);
}

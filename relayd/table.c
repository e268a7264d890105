/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/table.h"

#include <string.h>

/* Behind the head: buckets (uint32_t), allocations, extension blocks. */
#define ALIGN(n) (((n) + 63) & ~(size_t) 63)

static uint32_t
bucket_count(uint32_t size)
{
	uint32_t n = 64;

	while (n < size && n < 1u << 30)
		n *= 2;
	return n;
}

/* Extension blocks are rare: one for each four allocations. */
static uint32_t
more_count(uint32_t size)
{
	return size / 4 + RELAY_PERMISSIONS_MAX / RELAY_PERMISSIONS_INLINE + 1;
}

static size_t
buckets_at(void)
{
	return ALIGN(sizeof(struct relay_tables));
}

static size_t
allocs_at(uint32_t buckets)
{
	return buckets_at() + ALIGN((size_t) buckets * sizeof(uint32_t));
}

static size_t
more_at(uint32_t buckets, uint32_t size)
{
	return allocs_at(buckets) + ALIGN((size_t) size * sizeof(struct relay_alloc));
}

size_t
relay_tables_bytes(uint32_t size)
{
	return more_at(bucket_count(size), size) +
	       (size_t) more_count(size) * sizeof(struct relay_more);
}

static uint32_t *
bucket(const struct relay_tables *t, uint32_t i)
{
	return (uint32_t *) (void *) ((char *) t + buckets_at()) + i;
}

const struct relay_alloc *
relay_alloc_at_const(const struct relay_tables *t, uint32_t index)
{
	return (const struct relay_alloc *) (const void *) ((const char *) t +
							    allocs_at(t->buckets)) +
	       index;
}

struct relay_alloc *
relay_alloc_at(struct relay_tables *t, uint32_t index)
{
	return (struct relay_alloc *) relay_alloc_at_const(t, index);
}

uint32_t
relay_alloc_index(const struct relay_tables *t, const struct relay_alloc *a)
{
	return (uint32_t) (a - relay_alloc_at_const(t, 0));
}

static struct relay_more *
more_block(const struct relay_tables *t, uint32_t i)
{
	return (struct relay_more *) (void *) ((char *) t + more_at(t->buckets, t->size)) + i;
}

struct relay_tables *
relay_tables_init(void *memory, uint32_t size, const uint64_t seed[2])
{
	struct relay_tables *t = memory;

	t->seed[0] = seed[0];
	t->seed[1] = seed[1];
	t->size = size;
	t->more_size = more_count(size);
	t->buckets = bucket_count(size);
	t->free_alloc = t->free_more = RELAY_NONE;
	t->now = t->wheel_at = 1;
	memset(t->wheel, 0xff, sizeof(t->wheel));
	memset(bucket(t, 0), 0xff, (size_t) t->buckets * sizeof(uint32_t));
	return t;
}

/* Keyed, so that nobody chooses addresses that collide: two rounds of 64x64 multiplication. */
static uint64_t
mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128) a * b;

	return (uint64_t) product ^ (uint64_t) (product >> 64);
}

static uint32_t
flow_bucket(const struct relay_tables *t, const struct relay_flow *flow)
{
	uint64_t client[2], server[2], rest;

	memcpy(client, flow->client.addr, sizeof(client));
	memcpy(server, flow->server.addr, sizeof(server));
	rest = (uint64_t) flow->client.port << 32 | (uint64_t) flow->server.port << 8 |
	       flow->transport;
	rest ^= mix(client[0] ^ t->seed[0], client[1] ^ t->seed[1]);
	rest = mix(rest ^ server[0] ^ t->seed[1], server[1] ^ t->seed[0]);
	return (uint32_t) rest & (t->buckets - 1);
}

bool
relay_end_equal(const struct relay_end *a, const struct relay_end *b)
{
	return a->port == b->port && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static bool
flow_equal(const struct relay_flow *a, const struct relay_flow *b)
{
	return a->transport == b->transport && relay_end_equal(&a->client, &b->client) &&
	       relay_end_equal(&a->server, &b->server);
}

uint32_t
relay_alloc_find(const struct relay_tables *t, const struct relay_flow *flow)
{
	uint32_t i = *bucket(t, flow_bucket(t, flow));

	while (i != RELAY_NONE) {
		const struct relay_alloc *a = relay_alloc_at_const(t, i);

		if (flow_equal(&a->flow, flow))
			return a->expires > t->now ? i : RELAY_NONE;
		i = a->hash_next;
	}
	return RELAY_NONE;
}

/* --- The wheel: one slot per second; an entry beyond a turn waits for its round. --- */

static void
wheel_add(struct relay_tables *t, uint32_t index)
{
	struct relay_alloc *a = relay_alloc_at(t, index);
	/* What is overdue is found at the next turn. */
	uint32_t when = a->expires > t->wheel_at ? a->expires : t->wheel_at + 1;
	uint32_t *slot = &t->wheel[when % RELAY_WHEEL_SLOTS];

	a->timer_slot = when % RELAY_WHEEL_SLOTS;
	a->timer_prev = RELAY_NONE;
	a->timer_next = *slot;
	if (*slot != RELAY_NONE)
		relay_alloc_at(t, *slot)->timer_prev = index;
	*slot = index;
}

static void
wheel_remove(struct relay_tables *t, uint32_t index)
{
	struct relay_alloc *a = relay_alloc_at(t, index);

	if (a->timer_prev != RELAY_NONE)
		relay_alloc_at(t, a->timer_prev)->timer_next = a->timer_next;
	else
		t->wheel[a->timer_slot] = a->timer_next;
	if (a->timer_next != RELAY_NONE)
		relay_alloc_at(t, a->timer_next)->timer_prev = a->timer_prev;
}

uint32_t
relay_tables_expired(struct relay_tables *t, uint32_t now)
{
	t->now = now;
	for (;;) {
		uint32_t i = t->wheel[t->wheel_at % RELAY_WHEEL_SLOTS];

		for (; i != RELAY_NONE; i = relay_alloc_at(t, i)->timer_next)
			if (relay_alloc_at(t, i)->expires <= t->wheel_at)
				return i;
		if (t->wheel_at >= now)
			return RELAY_NONE;
		t->wheel_at++;
	}
}

/* --- Records --- */

static uint32_t
take_record(struct relay_tables *t)
{
	uint32_t index = t->free_alloc;

	if (index != RELAY_NONE) {
		t->free_alloc = relay_alloc_at(t, index)->hash_next;
		return index;
	}
	return t->fresh_alloc < t->size ? t->fresh_alloc++ : RELAY_NONE;
}

uint32_t
relay_alloc_add(struct relay_tables *t, const struct relay_flow *flow, uint32_t expires)
{
	uint32_t index = take_record(t), generation;
	uint32_t *head = bucket(t, flow_bucket(t, flow));
	struct relay_alloc *a;

	if (index == RELAY_NONE)
		return RELAY_NONE;
	a = relay_alloc_at(t, index);
	generation = a->generation + 1;
	memset(a, 0, sizeof(*a));
	a->flow = *flow;
	a->generation = generation;
	a->stream = RELAY_NONE;
	a->more = RELAY_NONE;
	a->fd[RELAY_V4] = a->fd[RELAY_V6] = -1;
	a->expires = expires;
	a->hash_next = *head;
	*head = index;
	wheel_add(t, index);
	t->used++;
	return index;
}

void
relay_alloc_extend(struct relay_tables *t, uint32_t index, uint32_t expires)
{
	wheel_remove(t, index);
	relay_alloc_at(t, index)->expires = expires;
	wheel_add(t, index);
}

void
relay_alloc_remove(struct relay_tables *t, uint32_t index)
{
	struct relay_alloc *a = relay_alloc_at(t, index);
	uint32_t *link = bucket(t, flow_bucket(t, &a->flow));

	while (*link != index)
		link = &relay_alloc_at(t, *link)->hash_next;
	*link = a->hash_next;
	wheel_remove(t, index);
	while (a->more != RELAY_NONE) {
		struct relay_more *m = more_block(t, a->more);
		uint32_t next = m->next;

		m->next = t->free_more;
		t->free_more = a->more;
		a->more = next;
	}
	a->expires = 0;
	explicit_bzero(a->key, sizeof(a->key));
	a->hash_next = t->free_alloc;
	t->free_alloc = index;
	t->used--;
}

/* --- Permissions and channels: seven in the record, then blocks of seven --- */

struct walk {
	const struct relay_tables *t;
	struct relay_permission *permissions;
	struct relay_channel *channels;
	uint32_t next;
	uint32_t blocks;
};

static struct walk
walk_start(const struct relay_tables *t, uint32_t index)
{
	struct relay_alloc *a = (struct relay_alloc *) relay_alloc_at_const(t, index);

	return (struct walk){ .t = t,
			      .permissions = a->permissions,
			      .channels = a->channels,
			      .next = a->more,
			      .blocks = 1 };
}

static bool
walk_next(struct walk *w)
{
	struct relay_more *m;

	if (w->next == RELAY_NONE)
		return false;
	m = more_block(w->t, w->next);
	w->permissions = m->permissions;
	w->channels = m->channels;
	w->next = m->next;
	w->blocks++;
	return true;
}

/* One more block for an allocation, put in front of its others; NULL if there is none. */
static struct relay_more *
add_block(struct relay_tables *t, uint32_t index)
{
	struct relay_alloc *a = relay_alloc_at(t, index);
	uint32_t i = t->free_more;
	struct relay_more *m;

	if (i != RELAY_NONE)
		t->free_more = more_block(t, i)->next;
	else if (t->fresh_more < t->more_size)
		i = t->fresh_more++;
	else
		return NULL;
	m = more_block(t, i);
	memset(m, 0, sizeof(*m));
	m->next = a->more;
	a->more = i;
	return m;
}

bool
relay_permission_has(const struct relay_tables *t, uint32_t index, const uint8_t addr[16])
{
	struct walk w = walk_start(t, index);

	do {
		for (unsigned i = 0; i < RELAY_PERMISSIONS_INLINE; i++)
			if (w.permissions[i].expires > t->now &&
			    memcmp(w.permissions[i].addr, addr, 16) == 0)
				return true;
	} while (walk_next(&w));
	return false;
}

bool
relay_permission_add(struct relay_tables *t, uint32_t index, const uint8_t addr[16])
{
	struct walk w = walk_start(t, index);
	struct relay_permission *free = NULL;
	struct relay_more *m;

	do {
		for (unsigned i = 0; i < RELAY_PERMISSIONS_INLINE; i++) {
			struct relay_permission *p = &w.permissions[i];

			if (p->expires > t->now && memcmp(p->addr, addr, 16) == 0) {
				p->expires = t->now + RELAY_PERMISSION_LIFETIME_S;
				return true;
			}
			if (p->expires <= t->now && free == NULL)
				free = p;
		}
	} while (walk_next(&w));
	if (free == NULL) {
		if (w.blocks * RELAY_PERMISSIONS_INLINE >= RELAY_PERMISSIONS_MAX)
			return false;
		m = add_block(t, index);
		if (m == NULL)
			return false;
		free = &m->permissions[0];
	}
	memcpy(free->addr, addr, 16);
	free->expires = t->now + RELAY_PERMISSION_LIFETIME_S;
	return true;
}

const struct relay_channel *
relay_channel_by_number(const struct relay_tables *t, uint32_t index, uint16_t number)
{
	struct walk w = walk_start(t, index);

	do {
		for (unsigned i = 0; i < RELAY_CHANNELS_INLINE; i++)
			if (w.channels[i].number == number)
				return w.channels[i].expires > t->now ? &w.channels[i] : NULL;
	} while (walk_next(&w));
	return NULL;
}

const struct relay_channel *
relay_channel_by_peer(const struct relay_tables *t, uint32_t index, const struct relay_end *peer)
{
	struct walk w = walk_start(t, index);

	do {
		for (unsigned i = 0; i < RELAY_CHANNELS_INLINE; i++)
			if (w.channels[i].expires > t->now &&
			    relay_end_equal(&w.channels[i].peer, peer))
				return &w.channels[i];
	} while (walk_next(&w));
	return NULL;
}

enum relay_bind
relay_channel_bind(struct relay_tables *t,
		   uint32_t index,
		   uint16_t number,
		   const struct relay_end *peer)
{
	struct walk w = walk_start(t, index);
	struct relay_channel *free = NULL;
	struct relay_more *m;

	do {
		for (unsigned i = 0; i < RELAY_CHANNELS_INLINE; i++) {
			struct relay_channel *c = &w.channels[i];
			bool live = c->expires > t->now;

			if (live && c->number == number && relay_end_equal(&c->peer, peer)) {
				c->expires = t->now + RELAY_CHANNEL_LIFETIME_S;
				return RELAY_BIND_OK;
			}
			if (live && (c->number == number || relay_end_equal(&c->peer, peer)))
				return RELAY_BIND_CONFLICT;
			if (!live && (free == NULL || c->number == number)) {
				/* An expired binding of this very number must go, or a search
				 * by number would end at it. */
				c->number = 0;
				free = c;
			}
		}
	} while (walk_next(&w));
	if (free == NULL) {
		if (w.blocks * RELAY_CHANNELS_INLINE >= RELAY_CHANNELS_MAX)
			return RELAY_BIND_FULL;
		m = add_block(t, index);
		if (m == NULL)
			return RELAY_BIND_FULL;
		free = &m->channels[0];
	}
	*free = (struct relay_channel){ .peer = *peer,
					.number = number,
					.expires = t->now + RELAY_CHANNEL_LIFETIME_S };
	return RELAY_BIND_OK;
}

void
relay_alloc_count(const struct relay_tables *t,
		  uint32_t index,
		  uint32_t *ret_permissions,
		  uint32_t *ret_channels)
{
	struct walk w = walk_start(t, index);

	*ret_permissions = *ret_channels = 0;
	do {
		for (unsigned i = 0; i < RELAY_PERMISSIONS_INLINE; i++)
			*ret_permissions += w.permissions[i].expires > t->now;
		for (unsigned i = 0; i < RELAY_CHANNELS_INLINE; i++)
			*ret_channels += w.channels[i].expires > t->now;
	} while (walk_next(&w));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/relay_peers.h"

#include <stdlib.h>
#include <string.h>

struct subscriber {
	struct relay_member *member;
	bool armed; /* online is still to be told */
};

/* One id that somebody subscribed to. */
struct relay_topic {
	uint8_t id[RELAY_PEER_ID_LEN];
	struct relay_topic *next;
	struct subscriber *list;
	uint32_t n, size;
};

struct relay_peers {
	const struct relay_peers_ops *ops;
	void *user;
	uint64_t seed[2];
	struct relay_member **members;
	struct relay_topic **topics;
	size_t n_members, n_topics;
	size_t member_buckets, topic_buckets; /* powers of two */
};

enum { BUCKETS_MIN = 64 };

static uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128) a * b;

	return (uint64_t) product ^ (uint64_t) (product >> 64);
}

static uint64_t
hash(const RelayPeers *p, const uint8_t id[RELAY_PEER_ID_LEN])
{
	uint64_t w[4];

	memcpy(w, id + 4, sizeof w); /* behind "sha-" */
	return fold(fold(w[0] ^ p->seed[0], w[1] ^ p->seed[1]) ^ w[2],
		    p->seed[1] ^ w[3] ^ UINT64_C(0x9e3779b97f4a7c15));
}

RelayPeers *
relay_peers_new(const uint64_t seed[2], const struct relay_peers_ops *ops, void *user)
{
	RelayPeers *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->ops = ops;
	p->user = user;
	memcpy(p->seed, seed, sizeof p->seed);
	p->member_buckets = p->topic_buckets = BUCKETS_MIN;
	p->members = calloc(BUCKETS_MIN, sizeof(struct relay_member *));
	p->topics = calloc(BUCKETS_MIN, sizeof(struct relay_topic *));
	if (p->members == NULL || p->topics == NULL) {
		relay_peers_free(p);
		return NULL;
	}
	return p;
}

static void
topic_free(struct relay_topic *t)
{
	free(t->list);
	free(t);
}

void
relay_peers_free(RelayPeers *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; p->topics != NULL && i < p->topic_buckets; i++) {
		for (struct relay_topic *t = p->topics[i], *next; t != NULL; t = next) {
			next = t->next;
			topic_free(t);
		}
	}
	free(p->topics);
	free(p->members);
	free(p);
}

/* Doubles the buckets when they are full on average; without memory they stay as they are. */
static void
grow_members(RelayPeers *p)
{
	size_t size = p->member_buckets * 2;
	struct relay_member **table;

	if (p->n_members < p->member_buckets || (table = calloc(size, sizeof *table)) == NULL)
		return;
	for (size_t i = 0; i < p->member_buckets; i++) {
		for (struct relay_member *m = p->members[i], *next; m != NULL; m = next) {
			size_t b = hash(p, m->id) & (size - 1);

			next = m->next;
			m->next = table[b];
			table[b] = m;
		}
	}
	free(p->members);
	p->members = table;
	p->member_buckets = size;
}

static void
grow_topics(RelayPeers *p)
{
	size_t size = p->topic_buckets * 2;
	struct relay_topic **table;

	if (p->n_topics < p->topic_buckets || (table = calloc(size, sizeof *table)) == NULL)
		return;
	for (size_t i = 0; i < p->topic_buckets; i++) {
		for (struct relay_topic *t = p->topics[i], *next; t != NULL; t = next) {
			size_t b = hash(p, t->id) & (size - 1);

			next = t->next;
			t->next = table[b];
			table[b] = t;
		}
	}
	free(p->topics);
	p->topics = table;
	p->topic_buckets = size;
}

struct relay_member *
relay_peers_find(const RelayPeers *p, const uint8_t id[RELAY_PEER_ID_LEN])
{
	struct relay_member *m = p->members[hash(p, id) & (p->member_buckets - 1)];

	while (m != NULL && memcmp(m->id, id, RELAY_PEER_ID_LEN) != 0)
		m = m->next;
	return m;
}

static struct relay_topic *
find_topic(const RelayPeers *p, const uint8_t id[RELAY_PEER_ID_LEN])
{
	struct relay_topic *t = p->topics[hash(p, id) & (p->topic_buckets - 1)];

	while (t != NULL && memcmp(t->id, id, RELAY_PEER_ID_LEN) != 0)
		t = t->next;
	return t;
}

static void
unlink_member(RelayPeers *p, struct relay_member *m)
{
	struct relay_member **at = &p->members[hash(p, m->id) & (p->member_buckets - 1)];

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	m->registered = false;
	p->n_members--;
}

static void
drop_topic(RelayPeers *p, struct relay_topic *t)
{
	struct relay_topic **at = &p->topics[hash(p, t->id) & (p->topic_buckets - 1)];

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	p->n_topics--;
	topic_free(t);
}

static struct subscriber *
find_subscriber(struct relay_topic *t, const struct relay_member *m)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->list[i].member == m)
			return &t->list[i];
	return NULL;
}

/* Takes @m off the list of @t, and @t away if nobody is left. */
static void
leave(RelayPeers *p, struct relay_topic *t, const struct relay_member *m)
{
	struct subscriber *s = find_subscriber(t, m);

	if (s != NULL)
		*s = t->list[--t->n];
	if (t->n == 0)
		drop_topic(p, t);
}

static void
leave_all(RelayPeers *p, struct relay_member *m)
{
	for (uint32_t i = 0; i < m->n_topics; i++)
		leave(p, m->topics[i], m);
	free(m->topics);
	m->topics = NULL;
	m->n_topics = m->topics_size = 0;
}

struct relay_member *
relay_peers_add(RelayPeers *p, struct relay_member *m, bool *ret_ok)
{
	struct relay_member *old = relay_peers_find(p, m->id);
	struct relay_topic *t;
	size_t b;

	*ret_ok = true;
	if (old != NULL) {
		/* Replaced silently: nobody is told that it went (protocol.md 5.5). */
		unlink_member(p, old);
		leave_all(p, old);
	}
	grow_members(p);
	b = hash(p, m->id) & (p->member_buckets - 1);
	m->next = p->members[b];
	p->members[b] = m;
	m->registered = true;
	p->n_members++;
	t = find_topic(p, m->id);
	for (uint32_t i = 0; t != NULL && i < t->n; i++) {
		if (!t->list[i].armed)
			continue;
		t->list[i].armed = false;
		p->ops->tell(p->user, t->list[i].member, true, m->id);
	}
	return old;
}

void
relay_peers_remove(RelayPeers *p, struct relay_member *m)
{
	struct relay_topic *t;

	leave_all(p, m);
	if (!m->registered)
		return;
	unlink_member(p, m);
	t = find_topic(p, m->id);
	for (uint32_t i = 0; t != NULL && i < t->n; i++)
		p->ops->tell(p->user, t->list[i].member, false, m->id);
}

static struct relay_topic *
get_topic(RelayPeers *p, const uint8_t id[RELAY_PEER_ID_LEN])
{
	struct relay_topic *t = find_topic(p, id);
	size_t b;

	if (t != NULL || (t = calloc(1, sizeof *t)) == NULL)
		return t;
	memcpy(t->id, id, RELAY_PEER_ID_LEN);
	grow_topics(p);
	b = hash(p, id) & (p->topic_buckets - 1);
	t->next = p->topics[b];
	p->topics[b] = t;
	p->n_topics++;
	return t;
}

static bool
room_for_subscriber(struct relay_topic *t)
{
	uint32_t size = t->size == 0 ? 2 : t->size * 2;
	struct subscriber *list;

	if (t->n < t->size)
		return true;
	list = realloc(t->list, size * sizeof *list);
	if (list == NULL)
		return false;
	t->list = list;
	t->size = size;
	return true;
}

static bool
room_for_topic(struct relay_member *m)
{
	uint32_t size = m->topics_size == 0 ? 8 : m->topics_size * 2;
	struct relay_topic **topics;

	if (m->n_topics < m->topics_size)
		return true;
	topics = realloc(m->topics, size * sizeof(struct relay_topic *));
	if (topics == NULL)
		return false;
	m->topics = topics;
	m->topics_size = size;
	return true;
}

bool
relay_peers_subscribe(RelayPeers *p, struct relay_member *m, const uint8_t id[RELAY_PEER_ID_LEN])
{
	bool online = relay_peers_find(p, id) != NULL;
	struct relay_topic *t = find_topic(p, id);
	struct subscriber *s = t == NULL ? NULL : find_subscriber(t, m);

	if (s != NULL) {
		s->armed = true;
		return online;
	}
	if (m->n_topics >= RELAY_SUBSCRIPTIONS_MAX || !room_for_topic(m))
		return online;
	t = get_topic(p, id);
	if (t == NULL)
		return online;
	if (!room_for_subscriber(t)) {
		if (t->n == 0)
			drop_topic(p, t);
		return online;
	}
	t->list[t->n++] = (struct subscriber){ m, true };
	m->topics[m->n_topics++] = t;
	return online;
}

void
relay_peers_unsubscribe(RelayPeers *p, struct relay_member *m, const uint8_t id[RELAY_PEER_ID_LEN])
{
	struct relay_topic *t = find_topic(p, id);

	if (t == NULL || find_subscriber(t, m) == NULL)
		return;
	for (uint32_t i = 0; i < m->n_topics; i++) {
		if (m->topics[i] == t) {
			m->topics[i] = m->topics[--m->n_topics];
			break;
		}
	}
	leave(p, t, m);
}

size_t
relay_peers_count(const RelayPeers *p)
{
	return p->n_members;
}

void
relay_peers_each(const RelayPeers *p, bool (*fn)(struct relay_member *m, void *user), void *user)
{
	for (size_t i = 0; i < p->member_buckets; i++)
		for (struct relay_member *m = p->members[i]; m != NULL; m = m->next)
			if (!fn(m, user))
				return;
}

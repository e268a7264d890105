/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/shared.h"

#include "base/env.h"
#include "base/hash.h"
#include "base/key.h"

#include <stdlib.h>
#include <string.h>

/* --- Ports --- */

static bool
port_take(struct relay_ports *p, unsigned port)
{
	uint64_t bit = 1ull << port % 64;

	return (atomic_fetch_or_explicit(&p->used[port / 64], bit, memory_order_acq_rel) & bit) ==
	       0;
}

void
relay_ports_give(struct relay_ports *p, uint16_t port)
{
	atomic_fetch_and_explicit(&p->used[port / 64], ~(1ull << port % 64), memory_order_acq_rel);
}

uint16_t
relay_ports_take(struct relay_ports *p,
		 const struct weft_env *env,
		 uint16_t first,
		 uint16_t last,
		 bool even,
		 bool pair)
{
	unsigned count = (unsigned) last - first + 1, start;

	if (last < first)
		return 0;
	start = (unsigned) weft_env_random_below(env, count);
	for (unsigned i = 0; i < count; i++) {
		unsigned port = first + (start + i) % count;

		if ((even || pair) && port % 2 != 0)
			continue;
		if (pair && port >= last)
			continue;
		if (!port_take(p, port))
			continue;
		if (!pair || port_take(p, port + 1))
			return (uint16_t) port;
		relay_ports_give(p, (uint16_t) port);
	}
	return 0;
}

/* --- The object --- */

struct relay_shared *
relay_shared_new(const struct weft_env *env, uint32_t allocations_max)
{
	struct relay_shared *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->quota_size = 1024;
	while (s->quota_size < 4ull * allocations_max && s->quota_size < 1u << 24)
		s->quota_size *= 2;
	s->quota = calloc(s->quota_size, sizeof(*s->quota));
	if (s->quota == NULL) {
		free(s);
		return NULL;
	}
	s->start_us = weft_env_now_us(env);
	weft_env_random(env, s->nonce_key, sizeof(s->nonce_key));
	weft_env_random(env, s->hash_seed, sizeof(s->hash_seed));
	return s;
}

void
relay_shared_free(struct relay_shared *s)
{
	if (s == NULL)
		return;
	free(s->quota);
	weft_wipe(s, sizeof(*s));
	free(s);
}

uint64_t
relay_shared_user(const struct relay_shared *s, const uint8_t *name, size_t len)
{
	uint8_t mac[WEFT_SHA256_LEN];
	uint64_t user;

	weft_hmac_sha256(mac, s->hash_seed, sizeof(s->hash_seed), name, len);
	memcpy(&user, mac, sizeof(user));
	return user;
}

/* --- Quotas: 44 bits of the user's hash, 20 of count in one word --- */

#define COUNT_BITS 20
#define COUNT_MASK ((1ull << COUNT_BITS) - 1)

/* The word of a user, or one that is free for it; NULL if its neighbourhood is full. */
static _Atomic uint64_t *
quota_word(struct relay_shared *s, uint64_t user, uint64_t *ret_seen)
{
	uint64_t tag = user & ~COUNT_MASK;
	_Atomic uint64_t *vacant = NULL;

	*ret_seen = 0;
	for (uint32_t i = 0; i < RELAY_QUOTA_PROBES; i++) {
		_Atomic uint64_t *word = &s->quota[((uint32_t) user + i) & (s->quota_size - 1)];
		uint64_t seen = atomic_load_explicit(word, memory_order_acquire);

		if ((seen & COUNT_MASK) == 0) {
			if (vacant == NULL) {
				vacant = word;
				*ret_seen = seen;
			}
		} else if ((seen & ~COUNT_MASK) == tag) {
			*ret_seen = seen;
			return word;
		}
	}
	return vacant;
}

static bool
count_user(struct relay_shared *s, uint64_t user, uint32_t per_user)
{
	for (;;) {
		uint64_t seen, next;
		_Atomic uint64_t *word = quota_word(s, user, &seen);

		if (word == NULL)
			return false;
		if ((seen & COUNT_MASK) == 0)
			next = (user & ~COUNT_MASK) | 1;
		else
			next = seen + 1;
		if ((next & COUNT_MASK) == 0 || (per_user > 0 && (next & COUNT_MASK) > per_user))
			return false;
		if (atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_acq_rel,
							  memory_order_relaxed))
			return true;
	}
}

enum relay_quota
relay_quota_take(struct relay_shared *s, uint64_t user, uint32_t per_user, uint32_t max)
{
	if (atomic_fetch_add_explicit(&s->allocations, 1, memory_order_acq_rel) >= max) {
		atomic_fetch_sub_explicit(&s->allocations, 1, memory_order_acq_rel);
		return RELAY_QUOTA_TOTAL;
	}
	if (!count_user(s, user, per_user)) {
		atomic_fetch_sub_explicit(&s->allocations, 1, memory_order_acq_rel);
		return RELAY_QUOTA_USER;
	}
	return RELAY_QUOTA_OK;
}

void
relay_quota_give(struct relay_shared *s, uint64_t user)
{
	atomic_fetch_sub_explicit(&s->allocations, 1, memory_order_acq_rel);
	for (;;) {
		uint64_t seen;
		_Atomic uint64_t *word = quota_word(s, user, &seen);

		if (word == NULL || (seen & COUNT_MASK) == 0)
			return;
		if (atomic_compare_exchange_weak_explicit(
			    word, &seen, seen - 1, memory_order_acq_rel, memory_order_relaxed))
			return;
	}
}

/* --- Reservations --- */

/* Makes a place ours if it is in state @from. */
static bool
claim(struct relay_reservation *r, uint32_t from)
{
	return atomic_compare_exchange_strong_explicit(&r->state, &from, RELAY_PLACE_BUSY,
						       memory_order_acq_rel, memory_order_relaxed);
}

static void
release(struct relay_reservation *r, enum relay_place state)
{
	atomic_store_explicit(&r->state, state, memory_order_release);
}

/* Everything but the state. */
static void
copy(struct relay_reservation *dst, const struct relay_reservation *src)
{
	memcpy(dst->token, src->token, sizeof(dst->token));
	dst->fd = src->fd;
	dst->relayed = src->relayed;
	dst->family = src->family;
	dst->address = src->address;
	dst->user = src->user;
	dst->expires_us = src->expires_us;
}

bool
relay_reservation_put(struct relay_shared *s, const struct relay_reservation *what)
{
	for (size_t i = 0; i < RELAY_RESERVATIONS_MAX; i++) {
		struct relay_reservation *r = &s->reservations[i];

		if (!claim(r, RELAY_PLACE_FREE))
			continue;
		copy(r, what);
		release(r, RELAY_PLACE_HELD);
		return true;
	}
	return false;
}

bool
relay_reservation_take(struct relay_shared *s,
		       const uint8_t token[8],
		       uint64_t user,
		       int64_t now_us,
		       struct relay_reservation *ret)
{
	for (size_t i = 0; i < RELAY_RESERVATIONS_MAX; i++) {
		struct relay_reservation *r = &s->reservations[i];

		if (!claim(r, RELAY_PLACE_HELD))
			continue;
		if (weft_equal_ct(r->token, token, sizeof(r->token)) && r->user == user &&
		    r->expires_us > now_us) {
			copy(ret, r);
			release(r, RELAY_PLACE_FREE);
			return true;
		}
		release(r, RELAY_PLACE_HELD);
	}
	return false;
}

bool
relay_reservation_expired(struct relay_shared *s, int64_t now_us, struct relay_reservation *ret)
{
	for (size_t i = 0; i < RELAY_RESERVATIONS_MAX; i++) {
		struct relay_reservation *r = &s->reservations[i];

		if (!claim(r, RELAY_PLACE_HELD))
			continue;
		if (r->expires_us <= now_us) {
			copy(ret, r);
			release(r, RELAY_PLACE_FREE);
			return true;
		}
		release(r, RELAY_PLACE_HELD);
	}
	return false;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each bucket is one time: when it would be full if nothing came any more (the generic cell rate
 * algorithm). A full bucket needs no place. The place is a set of WAYS buckets which a keyed hash
 * chooses, so that nobody can aim at the set of another; the hash also names the source, as two
 * with the same 64 bits are not to be expected. */
#include "base/ratelimit.h"

#include "base/address.h"
#include "base/env.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define WAYS       8
#define NS_PER_US  1000
#define NS_PER_MIN INT64_C(60000000000)

_Static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "the hash is one number");

struct bucket {
	uint64_t source;
	int64_t full_ns;
};

struct weft_ratelimit {
	uint8_t address_key[crypto_shorthash_KEYBYTES];
	uint8_t bytes_key[crypto_shorthash_KEYBYTES];
	int64_t event_ns; /* one event comes back in this time */
	int64_t burst_ns; /* a bucket fills in this time */
	uint32_t burst;
	int64_t now_ns; /* never goes back */
	size_t sets;    /* a power of two */
	struct weft_ratelimit_stats stats;
	struct bucket *buckets; /* sets * WAYS */
};

WeftRatelimit *
weft_ratelimit_new(const struct weft_ratelimit_config *config, const struct weft_env *env)
{
	int64_t per_min = (int64_t) config->per_s * 60 + config->per_min;
	int64_t event_ns = per_min > 0 ? NS_PER_MIN / per_min : 0;
	WeftRatelimit *limit;
	int64_t burst_ns;

	/* Sums of two such times and the clock must not overflow. */
	if (event_ns == 0 || config->burst == 0 || config->sources == 0 ||
	    __builtin_mul_overflow(event_ns, (int64_t) config->burst, &burst_ns) ||
	    burst_ns > INT64_MAX / 4)
		return NULL;
	limit = calloc(1, sizeof *limit);
	if (limit == NULL)
		return NULL;
	limit->event_ns = event_ns;
	limit->burst_ns = burst_ns;
	limit->burst = config->burst;
	for (limit->sets = 1; limit->sets * WAYS < config->sources;)
		limit->sets *= 2;
	limit->buckets = calloc(limit->sets * WAYS, sizeof *limit->buckets);
	if (limit->buckets == NULL) {
		free(limit);
		return NULL;
	}
	weft_env_random(env, limit->address_key, sizeof limit->address_key);
	weft_env_random(env, limit->bytes_key, sizeof limit->bytes_key);
	return limit;
}

void
weft_ratelimit_free(WeftRatelimit *limit)
{
	if (limit == NULL)
		return;
	free(limit->buckets);
	free(limit);
}

void
weft_ratelimit_clear(WeftRatelimit *limit)
{
	memset(limit->buckets, 0, limit->sets * WAYS * sizeof *limit->buckets);
}

struct weft_ratelimit_stats
weft_ratelimit_stats(const WeftRatelimit *limit)
{
	return limit->stats;
}

static uint64_t
bytes_source(const WeftRatelimit *limit, const void *id, size_t len)
{
	uint64_t source;

	/* always 0 */
	(void) crypto_shorthash((uint8_t *) &source, id, len, limit->bytes_key);
	return source;
}

static uint64_t
address_source(const WeftRatelimit *limit, const struct weft_address *addr)
{
	struct weft_address a = weft_address_canonical(addr);
	uint8_t id[9] = { a.family };
	uint64_t source;

	memcpy(id + 1, a.b, sizeof id - 1); /* the /64; an IPv4 address has zeros behind it */
	(void) crypto_shorthash((uint8_t *) &source, id, sizeof id, limit->address_key);
	return source;
}

static void
advance(WeftRatelimit *limit, int64_t now_us)
{
	int64_t now_ns;

	if (!__builtin_mul_overflow(now_us, NS_PER_US, &now_ns) && now_ns < INT64_MAX / 4 &&
	    now_ns > limit->now_ns)
		limit->now_ns = now_ns;
}

/* The bucket of @source, or else the one to give up for it. */
static struct bucket *
find(const WeftRatelimit *limit, uint64_t source)
{
	struct bucket *set = &limit->buckets[(source & (limit->sets - 1)) * WAYS];
	struct bucket *fullest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].source == source)
			return &set[i];
		if (set[i].full_ns < fullest->full_ns)
			fullest = &set[i];
	}
	return fullest;
}

/* When the bucket of @source is full, at the earliest now. */
static int64_t
full_ns_of(const WeftRatelimit *limit, const struct bucket *bucket, uint64_t source)
{
	bool known = bucket->source == source && bucket->full_ns > limit->now_ns;

	return known ? bucket->full_ns : limit->now_ns;
}

/* How much earlier the bucket would have to be full; <= 0 if there is enough in it. */
static int64_t
lack_ns(const WeftRatelimit *limit, int64_t full_ns, uint32_t cost)
{
	return full_ns - limit->now_ns + cost * limit->event_ns - limit->burst_ns;
}

static bool
take(WeftRatelimit *limit, uint64_t source, uint32_t cost, int64_t now_us)
{
	struct bucket *bucket = find(limit, source);
	int64_t full_ns;

	advance(limit, now_us);
	full_ns = full_ns_of(limit, bucket, source);
	if (cost > limit->burst || lack_ns(limit, full_ns, cost) > 0) {
		limit->stats.refused++;
		return false;
	}
	limit->stats.taken++;
	if (cost == 0)
		return true;
	if (bucket->source != source && bucket->full_ns > limit->now_ns)
		limit->stats.evicted++;
	*bucket = (struct bucket){ source, full_ns + cost * limit->event_ns };
	return true;
}

static int64_t
wait_us(WeftRatelimit *limit, uint64_t source, uint32_t cost, int64_t now_us)
{
	int64_t lack;

	if (cost > limit->burst)
		return INT64_MAX;
	advance(limit, now_us);
	lack = lack_ns(limit, full_ns_of(limit, find(limit, source), source), cost);
	return lack <= 0 ? 0 : (lack + NS_PER_US - 1) / NS_PER_US;
}

bool
weft_ratelimit_take(WeftRatelimit *limit,
		    const struct weft_address *addr,
		    uint32_t cost,
		    int64_t now_us)
{
	return take(limit, address_source(limit, addr), cost, now_us);
}

bool
weft_ratelimit_take_bytes(
	WeftRatelimit *limit, const void *id, size_t len, uint32_t cost, int64_t now_us)
{
	return take(limit, bytes_source(limit, id, len), cost, now_us);
}

int64_t
weft_ratelimit_wait_us(WeftRatelimit *limit,
		       const struct weft_address *addr,
		       uint32_t cost,
		       int64_t now_us)
{
	return wait_us(limit, address_source(limit, addr), cost, now_us);
}

int64_t
weft_ratelimit_wait_bytes_us(
	WeftRatelimit *limit, const void *id, size_t len, uint32_t cost, int64_t now_us)
{
	return wait_us(limit, bytes_source(limit, id, len), cost, now_us);
}

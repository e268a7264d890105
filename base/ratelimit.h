/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Token buckets for strangers: at most so many events per second from one source, with a burst. The
 * table has a fixed size, whoever asks.
 *
 * When more sources come than there is room for, the bucket that is nearest to being full again is
 * given up: it has least to remember, so that a flood from many addresses cannot wipe out the
 * memory of one that is at its limit. Whoever has more addresses than the table has buckets stays
 * below every limit per address; limits on the total are another matter. Not thread-safe: one table
 * per thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_address;
struct weft_env;

typedef struct weft_ratelimit WeftRatelimit;

/* Copied by weft_ratelimit_new(). */
struct weft_ratelimit_config {
	uint32_t per_s;   /* events that come back per second ... */
	uint32_t per_min; /* ... and per minute: the sum counts, and must not be 0 */
	uint32_t burst;   /* events at once after silence, > 0 */
	uint32_t sources; /* how many are remembered, > 0; rounded up to 8 times a power of two */
};

/* Takes 16 bytes per source, at once; @env only for the key of the table's hash. NULL without
 * memory or with a configuration that makes no sense. */
WeftRatelimit *weft_ratelimit_new(const struct weft_ratelimit_config *config,
				  const struct weft_env *env);
void weft_ratelimit_free(WeftRatelimit *limit);

/* Takes @cost events out of the bucket of @addr; false, and nothing taken, if there are not so
 * many. IPv6 addresses count by their /64, the least that one customer gets; those that carry an
 * IPv4 address (v4-mapped, as a dual-stack socket gives them, and so on) count as that one.
 * @now_us is the monotonic time; a time before that of an earlier call counts as that one. */
bool weft_ratelimit_take(WeftRatelimit *limit,
			 const struct weft_address *addr,
			 uint32_t cost,
			 int64_t now_us);

/* The same for another kind of source, named by @len bytes, such as a key. */
bool weft_ratelimit_take_bytes(
	WeftRatelimit *limit, const void *id, size_t len, uint32_t cost, int64_t now_us);

/* Microseconds until @cost events could be taken: 0 if now, INT64_MAX if never, as @cost is more
 * than the burst. Takes nothing. */
int64_t weft_ratelimit_wait_us(WeftRatelimit *limit,
			       const struct weft_address *addr,
			       uint32_t cost,
			       int64_t now_us);
int64_t weft_ratelimit_wait_bytes_us(
	WeftRatelimit *limit, const void *id, size_t len, uint32_t cost, int64_t now_us);

/* Forgets all sources. */
void weft_ratelimit_clear(WeftRatelimit *limit);

struct weft_ratelimit_stats {
	uint64_t taken;   /* calls that took something */
	uint64_t refused; /* calls that did not */
	uint64_t evicted; /* buckets that were given up before they were full */
};

struct weft_ratelimit_stats weft_ratelimit_stats(const WeftRatelimit *limit);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time and randomness as parameters, so that every state machine can be tested without sleeping
 * and every random test can be repeated. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct weft_env {
	/* Microseconds on the monotonic clock; never goes back. */
	int64_t (*now_us)(void *user);
	/* Microseconds since 1970-01-01 UTC; may jump. */
	int64_t (*wall_us)(void *user);
	/* Fills @len bytes. Cryptographically strong in the system environment. */
	void (*random)(void *user, void *buf, size_t len);
	void *user;
};

/* CLOCK_MONOTONIC, CLOCK_REALTIME and getrandom(2). Static, thread-safe. */
const struct weft_env *weft_env_system(void);

int64_t weft_env_now_us(const struct weft_env *env);
int64_t weft_env_wall_us(const struct weft_env *env);
void weft_env_random(const struct weft_env *env, void *buf, size_t len);
uint32_t weft_env_random_u32(const struct weft_env *env);
uint64_t weft_env_random_u64(const struct weft_env *env);

/* Uniform in [0, bound); @bound > 0. */
uint64_t weft_env_random_below(const struct weft_env *env, uint64_t bound);

/* An environment for tests: the clock stands still until it is advanced, randomness is a
 * repeatable stream out of @seed (xoshiro256**, not for secrets). The object is the caller's; its
 * `env` points back at it, so it must stay where it is. */
struct weft_env_fake {
	struct weft_env env;
	int64_t now_us;
	int64_t wall_us;
	uint64_t state[4];
};

/* Where its clocks start: neither is zero, so that nobody takes 0 for a time, and they differ. */
#define WEFT_ENV_FAKE_NOW_US  INT64_C(1000000000)
#define WEFT_ENV_FAKE_WALL_US INT64_C(1767225600000000) /* 2026-01-01 */

void weft_env_fake_init(struct weft_env_fake *fake, uint64_t seed);

/* Advances both clocks. */
void weft_env_fake_advance(struct weft_env_fake *fake, int64_t us);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define US_PER_S 1000000

static int64_t
clock_us(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		abort(); /* both clocks exist on every Linux */
	return (int64_t) ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

static int64_t
system_now_us(void *user)
{
	return clock_us(CLOCK_MONOTONIC);
}

static int64_t
system_wall_us(void *user)
{
	return clock_us(CLOCK_REALTIME);
}

static void
system_random(void *user, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR)
			abort(); /* going on without randomness would give keys away */
		if (n > 0) {
			p += n;
			len -= (size_t) n;
		}
	}
}

const struct weft_env *
weft_env_system(void)
{
	static const struct weft_env env = {
		.now_us = system_now_us,
		.wall_us = system_wall_us,
		.random = system_random,
	};

	return &env;
}

int64_t
weft_env_now_us(const struct weft_env *env)
{
	return env->now_us(env->user);
}

int64_t
weft_env_wall_us(const struct weft_env *env)
{
	return env->wall_us(env->user);
}

void
weft_env_random(const struct weft_env *env, void *buf, size_t len)
{
	env->random(env->user, buf, len);
}

uint32_t
weft_env_random_u32(const struct weft_env *env)
{
	uint32_t v;

	weft_env_random(env, &v, sizeof v);
	return v;
}

uint64_t
weft_env_random_u64(const struct weft_env *env)
{
	uint64_t v;

	weft_env_random(env, &v, sizeof v);
	return v;
}

uint64_t
weft_env_random_below(const struct weft_env *env, uint64_t bound)
{
	/* 2^64 mod bound: values below it would make the small results likelier. */
	uint64_t unfair = -bound % bound;
	uint64_t v;

	do {
		v = weft_env_random_u64(env);
	} while (v < unfair);
	return v % bound;
}

static int64_t
fake_now_us(void *user)
{
	const struct weft_env_fake *fake = user;

	return fake->now_us;
}

static int64_t
fake_wall_us(void *user)
{
	const struct weft_env_fake *fake = user;

	return fake->wall_us;
}

static uint64_t
rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static uint64_t
xoshiro256ss(uint64_t s[4])
{
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

static uint64_t
splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Little-endian on every machine, so that a seed means the same everywhere. */
static void
fake_random(void *user, void *buf, size_t len)
{
	struct weft_env_fake *fake = user;
	uint8_t *p = buf;
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++, v >>= 8) {
		if (i % 8 == 0)
			v = xoshiro256ss(fake->state);
		p[i] = (uint8_t) v;
	}
}

void
weft_env_fake_init(struct weft_env_fake *fake, uint64_t seed)
{
	*fake = (struct weft_env_fake){
		.env = {
			.now_us = fake_now_us,
			.wall_us = fake_wall_us,
			.random = fake_random,
			.user = fake,
		},
		.now_us = WEFT_ENV_FAKE_NOW_US,
		.wall_us = WEFT_ENV_FAKE_WALL_US,
	};
	for (size_t i = 0; i < 4; i++)
		fake->state[i] = splitmix64(&seed);
}

void
weft_env_fake_advance(struct weft_env_fake *fake, int64_t us)
{
	fake->now_us += us;
	fake->wall_us += us;
}

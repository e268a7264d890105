/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/backoff.h"

#include "base/env.h"

/* Percent of a value without overflowing on the way; INT64_MAX if the result does not fit. */
static int64_t
percent(int64_t v, uint32_t pct)
{
	int64_t whole;

	if (__builtin_mul_overflow(v / 100, (int64_t) pct, &whole) ||
	    __builtin_add_overflow(whole, v % 100 * (int64_t) pct / 100, &whole))
		return INT64_MAX;
	return whole;
}

static int64_t
within(int64_t v, int64_t cap)
{
	return v < cap ? v : cap;
}

void
weft_backoff_init(struct weft_backoff *b, const struct weft_backoff_config *config)
{
	*b = (struct weft_backoff){ .config = config };
	weft_backoff_reset(b);
}

int64_t
weft_backoff_next_us(struct weft_backoff *b, const struct weft_env *env)
{
	const struct weft_backoff_config *config = b->config;
	int64_t pause = b->base_us;
	int64_t span = percent(pause, config->jitter_pct);
	uint32_t growth = config->factor_pct < 100 ? 100 : config->factor_pct;

	b->base_us = within(percent(pause, growth), config->cap_us);
	if (b->failures < UINT32_MAX)
		b->failures++;
	if (span > 0)
		pause -= (int64_t) weft_env_random_below(env, (uint64_t) within(span, pause) + 1);
	return pause > 0 ? pause : 1;
}

void
weft_backoff_reset(struct weft_backoff *b)
{
	b->base_us = within(b->config->first_us, b->config->cap_us);
	b->failures = 0;
}

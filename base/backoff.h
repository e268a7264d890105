/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Capped exponential back-off with jitter: the only place that computes retry delays. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct weft_env;

/* Set by the caller, constant afterwards. */
struct weft_backoff_config {
	int64_t first_us;    /* pause after the first failure */
	int64_t cap_us;      /* longest pause */
	uint32_t factor_pct; /* growth per failure in percent, e.g. 170; at least 100 */
	uint32_t jitter_pct; /* 0..100: a pause of p becomes uniform in [p * (1 - jitter), p] */
};

struct weft_backoff {
	const struct weft_backoff_config *config; /* borrowed */
	int64_t base_us;                          /* next pause before jitter */
	uint32_t failures;
};

void weft_backoff_init(struct weft_backoff *b, const struct weft_backoff_config *config);

/* Counts one failure and returns the pause before the next try, in microseconds, > 0. */
int64_t weft_backoff_next_us(struct weft_backoff *b, const struct weft_env *env);

/* After a success. */
void weft_backoff_reset(struct weft_backoff *b);

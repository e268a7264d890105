/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/timer.h"

const struct weft_stun_timer_config weft_stun_timer_udp = {
	.rto_us = 500 * 1000,
	.requests = 7,
	.last_factor = 16,
};

const struct weft_stun_timer_config weft_stun_timer_stream = {
	.rto_us = 500 * 1000,
	.requests = 1,
	.last_factor = 79,
};

static int64_t
pause_after(const struct weft_stun_timer *t)
{
	const struct weft_stun_timer_config *c = t->config;

	if (t->sent >= c->requests)
		return c->rto_us * c->last_factor;
	return c->rto_cap_us > 0 && t->pause_us > c->rto_cap_us ? c->rto_cap_us : t->pause_us;
}

void
weft_stun_timer_start(struct weft_stun_timer *t,
		      const struct weft_stun_timer_config *config,
		      int64_t now_us)
{
	*t = (struct weft_stun_timer){ .config = config, .pause_us = config->rto_us, .sent = 1 };
	t->due_us = now_us + pause_after(t);
}

enum weft_stun_timer_event
weft_stun_timer_poll(struct weft_stun_timer *t, int64_t now_us)
{
	if (now_us < t->due_us)
		return WEFT_STUN_TIMER_WAIT;
	if (t->sent >= t->config->requests)
		return WEFT_STUN_TIMER_EXPIRED;
	t->sent++;
	t->pause_us *= 2;
	t->due_us = now_us + pause_after(t);
	return WEFT_STUN_TIMER_RESEND;
}

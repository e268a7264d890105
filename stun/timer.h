/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Retransmission of requests (RFC 8489 section 6.2.1) as a value: no clock, no callbacks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct weft_stun_timer_config {
	int64_t rto_us;       /* pause after the first transmission, doubling */
	uint32_t requests;    /* Rc: transmissions in all */
	uint32_t last_factor; /* Rm: pause after the last, in units of rto_us */
	int64_t rto_cap_us;   /* longest pause, 0 = none */
};

/* RTO 500 ms, Rc 7, Rm 16: gives up after 39.5 s. */
extern const struct weft_stun_timer_config weft_stun_timer_udp;

/* One transmission, Ti = 39.5 s (RFC 8489 section 6.2.2). */
extern const struct weft_stun_timer_config weft_stun_timer_stream;

struct weft_stun_timer {
	const struct weft_stun_timer_config *config; /* borrowed */
	int64_t due_us;                              /* monotonic */
	int64_t pause_us;
	uint32_t sent;
};

enum weft_stun_timer_event {
	WEFT_STUN_TIMER_WAIT,   /* nothing before due_us */
	WEFT_STUN_TIMER_RESEND, /* transmit once more; the timer has moved on */
	WEFT_STUN_TIMER_EXPIRED /* no answer came */
};

/* The first transmission happened at @now_us. */
void weft_stun_timer_start(struct weft_stun_timer *t,
			   const struct weft_stun_timer_config *config,
			   int64_t now_us);

/* What is to be done at @now_us. At most one retransmission is due at a time: after a late call
 * the next pause counts from @now_us, so that a stalled process sends no burst. */
enum weft_stun_timer_event weft_stun_timer_poll(struct weft_stun_timer *t, int64_t now_us);

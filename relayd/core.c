/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/core.h"

#include "base/env.h"
#include "relayd/core_private.h"
#include "relayd/settings.h"
#include "relayd/shared.h"

#include <string.h>

void
relay_core_tick(struct relay_core *core)
{
	core->now_us = weft_env_now_us(core->env);
	core->now_s = (uint32_t) ((core->now_us - core->start_us) / 1000000) + 1;
	core->now_ms = (uint32_t) ((core->now_us - core->start_us) / 1000);
	core->wall_s = weft_env_wall_us(core->env) / 1000000;
	core->tables->now = core->now_s;
}

/* --- Rate of answers without credentials --- */

/* An address, or the network of an IPv6 customer. */
static uint64_t
rate_hash(const struct relay_core *core, const struct relay_end *client)
{
	const uint64_t *seed = core->shared->hash_seed;
	uint64_t a, b;
	unsigned __int128 product;

	memcpy(&a, client->addr, sizeof(a));
	memcpy(&b, client->addr + 8, sizeof(b));
	if (relay_end_family(client) == RELAY_V6)
		b = 0;
	product = (unsigned __int128) (a ^ seed[0]) * (b ^ seed[1]);
	return (uint64_t) product ^ (uint64_t) (product >> 64);
}

/* True if one more may go out. */
static bool
rate_allows(struct relay_core *core, const struct relay_end *client)
{
	uint32_t limit = core->settings->binding_per_second;
	uint64_t hash;
	struct relay_rate *r;

	if (limit == 0)
		return true;
	hash = rate_hash(core, client);
	r = &core->rate[hash % RELAY_RATE_SIZE];
	if (r->tag != (uint32_t) (hash >> 32) || r->second != (uint16_t) core->now_s)
		*r = (struct relay_rate){ .tag = (uint32_t) (hash >> 32),
					  .second = (uint16_t) core->now_s };
	if (r->count >= limit || r->count == UINT16_MAX) {
		relay_count(&core->counters->drop_rate, 1);
		return false;
	}
	r->count++;
	return true;
}

/* --- Answers --- */

static void
count_error(struct relay_counters *c, unsigned code)
{
	switch (code) {
#define CASE(n)                                                                                    \
	case n:                                                                                    \
		relay_count(&c->err_##n, 1);                                                       \
		break
		CASE(400);
		CASE(401);
		CASE(403);
		CASE(420);
		CASE(437);
		CASE(438);
		CASE(440);
		CASE(441);
		CASE(442);
		CASE(443);
		CASE(486);
		CASE(508);
#undef CASE
	default:
		relay_count(&c->err_500, 1);
		break;
	}
}

struct weft_stun_builder
relay_answer_begin(struct relay_request *r)
{
	return weft_stun_begin_answer(r->out, RELAY_ANSWER_MAX, WEFT_STUN_SUCCESS, &r->m);
}

size_t
relay_answer_finish(struct relay_request *r, struct weft_stun_builder *b)
{
	const struct weft_bytes key = { r->id.key, r->id.key_len };

	if (r->authenticated) {
		if (r->id.sha256)
			weft_stun_put_integrity_sha256(b, key);
		else
			weft_stun_put_integrity(b, key);
	}
	/* Only to who uses it: an answer is to be no larger than it must. */
	if (weft_stun_has(&r->m, WEFT_STUN_HAS_FINGERPRINT))
		weft_stun_put_fingerprint(b);
	return weft_stun_finish(b);
}

size_t
relay_answer_error(struct relay_request *r, unsigned code)
{
	struct relay_core *core = r->core;
	struct weft_stun_builder b;

	count_error(core->counters, code);
	if (!r->authenticated && !rate_allows(core, &r->flow->client))
		return 0;
	b = weft_stun_begin_answer(r->out, RELAY_ANSWER_MAX, WEFT_STUN_ERROR, &r->m);
	weft_stun_put_error(&b, code);
	if (code == WEFT_STUN_ERROR_UNAUTHENTICATED || code == WEFT_STUN_ERROR_STALE_NONCE)
		relay_auth_challenge(&b, core->settings, core->shared, r->flow, core->now_s);
	if (code == WEFT_STUN_ERROR_UNKNOWN_ATTRIBUTE)
		weft_stun_put_unknown(&b, &r->m);
	return relay_answer_finish(r, &b);
}

/* --- Requests --- */

static size_t
binding(struct relay_request *r)
{
	struct weft_endpoint seen = relay_end_to(&r->flow->client);
	struct weft_stun_builder b;

	if (r->m.n_unknown > 0)
		return relay_answer_error(r, WEFT_STUN_ERROR_UNKNOWN_ATTRIBUTE);
	if (!rate_allows(r->core, &r->flow->client))
		return 0;
	b = relay_answer_begin(r);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, &seen);
	return relay_answer_finish(r, &b);
}

/* What all methods of TURN have in common: credentials first, then the attributes, then the
 * allocation (RFC 8656 section 5, RFC 8489 section 6.3). */
static size_t
turn_request(struct relay_request *r, size_t (*method)(struct relay_request *))
{
	struct relay_core *core = r->core;
	const struct relay_alloc *a = NULL;
	unsigned code;

	r->alloc = relay_alloc_find(core->tables, r->flow);
	if (r->alloc != RELAY_NONE)
		a = relay_alloc_at_const(core->tables, r->alloc);
	code = relay_auth_check(&r->id, core->settings, core->shared, r->flow, &r->m, a,
				core->now_s, core->wall_s);
	if (code != 0)
		return relay_answer_error(r, code);
	r->authenticated = true;
	if (r->m.n_unknown > 0)
		return relay_answer_error(r, WEFT_STUN_ERROR_UNKNOWN_ATTRIBUTE);
	if (method != relay_allocate) {
		if (a == NULL)
			return relay_answer_error(r, WEFT_STUN_ERROR_ALLOCATION_MISMATCH);
		if (a->user != r->id.user)
			return relay_answer_error(r, WEFT_STUN_ERROR_WRONG_CREDENTIALS);
	}
	return method(r);
}

static size_t
dispatch(struct relay_request *r)
{
	struct relay_counters *c = r->core->counters;

	switch (r->m.method) {
	case WEFT_STUN_BINDING:
		relay_count(&c->req_binding, 1);
		return binding(r);
	case WEFT_STUN_ALLOCATE:
		relay_count(&c->req_allocate, 1);
		return turn_request(r, relay_allocate);
	case WEFT_STUN_REFRESH:
		relay_count(&c->req_refresh, 1);
		return turn_request(r, relay_refresh);
	case WEFT_STUN_CREATE_PERMISSION:
		relay_count(&c->req_permission, 1);
		return turn_request(r, relay_create_permission);
	case WEFT_STUN_CHANNEL_BIND:
		relay_count(&c->req_channel, 1);
		return turn_request(r, relay_channel_bind_request);
	default:
		/* Unknown methods get no answer (RFC 8489 section 6.3). */
		relay_count(&c->req_other, 1);
		return 0;
	}
}

size_t
relay_core_request(struct relay_core *core,
		   const struct relay_flow *flow,
		   uint32_t stream,
		   const uint8_t *buf,
		   size_t len,
		   uint8_t out[RELAY_ANSWER_MAX])
{
	struct relay_request r;
	enum weft_stun_status status = weft_stun_parse(&r.m, buf, len);
	size_t answer;

	/* A fingerprint that is wrong says: this is no STUN (RFC 8489 section 7). */
	if (status == WEFT_STUN_OK && weft_stun_has(&r.m, WEFT_STUN_HAS_FINGERPRINT) &&
	    !weft_stun_check_fingerprint(&r.m))
		status = WEFT_STUN_NOT_STUN;
	if (status != WEFT_STUN_OK)
		relay_count(&core->counters->drop_malformed, 1);
	if ((status != WEFT_STUN_OK && status != WEFT_STUN_MALFORMED) ||
	    r.m.class != WEFT_STUN_REQUEST)
		return 0;
	r.core = core;
	r.flow = flow;
	r.stream = stream;
	r.authenticated = false;
	r.alloc = RELAY_NONE;
	r.out = out;
	if (status == WEFT_STUN_MALFORMED) {
		r.m.has = 0;
		return relay_answer_error(&r, WEFT_STUN_ERROR_BAD_REQUEST);
	}
	answer = dispatch(&r);
	if (r.authenticated)
		explicit_bzero(&r.id, sizeof(r.id));
	return answer;
}

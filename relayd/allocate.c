/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Allocate and Refresh (RFC 8656 sections 7 and 8), and the end of allocations. */
#include "base/env.h"
#include "relayd/core_private.h"
#include "relayd/settings.h"
#include "relayd/shared.h"

#include <errno.h>
#include <string.h>

/* Ports that another program holds are skipped, a few of them. */
#define OPEN_TRIES 32

static uint32_t
granted_lifetime(const struct relay_request *r)
{
	const struct relay_settings *s = r->core->settings;
	uint32_t wanted = s->lifetime_default_s;

	if (weft_stun_has(&r->m, WEFT_STUN_HAS_LIFETIME))
		wanted = r->m.lifetime_s;
	if (wanted > s->lifetime_max_s)
		wanted = s->lifetime_max_s;
	return wanted < s->lifetime_default_s ? s->lifetime_default_s : wanted;
}

static struct relay_ports *
ports_of(struct relay_shared *s, unsigned family, unsigned address)
{
	return family == RELAY_V4 ? &s->ports4[address] : &s->ports6[address];
}

/* One relayed transport address on its way into an allocation. */
struct relayed {
	int fd;
	uint8_t address;
	struct relay_end end; /* as told */
	/* The reserved successor, fd -1 without. */
	int next_fd;
	struct relay_end next;
};

static struct relay_end
told(const struct relay_address *a, uint16_t port)
{
	const struct weft_endpoint e = { .addr = a->external, .port = port };

	return relay_end_from(&e);
}

/* Binds @port of one relay address, and its successor if @pair. 0, or negative errno. */
static int
bind_ports(struct relay_core *core,
	   const struct relay_address *a,
	   uint16_t port,
	   bool pair,
	   struct relayed *ret)
{
	struct weft_endpoint local = { .addr = a->local, .port = port };

	ret->next_fd = -1;
	ret->fd = core->ports.open(core->ports.user, &local);
	if (ret->fd < 0)
		return ret->fd;
	ret->end = told(a, port);
	if (!pair)
		return 0;
	local.port++;
	ret->next_fd = core->ports.open(core->ports.user, &local);
	if (ret->next_fd < 0) {
		int error = ret->next_fd;

		core->ports.close(core->ports.user, ret->fd);
		ret->next_fd = ret->fd = -1;
		return error;
	}
	ret->next = told(a, local.port);
	return 0;
}

/* Opens a relayed address of @family. 0, or the error code. */
static unsigned
open_relayed(struct relay_core *core,
	     enum relay_family family,
	     bool even,
	     bool pair,
	     struct relayed *ret)
{
	const struct relay_settings *s = core->settings;
	const struct relay_address *list = family == RELAY_V4 ? s->addresses4 : s->addresses6;
	size_t n = family == RELAY_V4 ? s->n_addresses4 : s->n_addresses6;

	if (n == 0)
		return WEFT_STUN_ERROR_ADDRESS_FAMILY;
	for (unsigned i = 0; i < OPEN_TRIES; i++) {
		uint8_t address = (uint8_t) weft_env_random_below(core->env, n);
		struct relay_ports *ports = ports_of(core->shared, family, address);
		uint16_t port =
			relay_ports_take(ports, core->env, s->port_first, s->port_last, even, pair);
		int error;

		if (port == 0)
			continue;
		ret->address = address;
		error = bind_ports(core, &list[address], port, pair, ret);
		if (error == 0)
			return 0;
		relay_ports_give(ports, port);
		if (pair)
			relay_ports_give(ports, port + 1);
		if (error != -EADDRINUSE && error != -EACCES)
			break;
	}
	return WEFT_STUN_ERROR_CAPACITY;
}

static void
close_relayed(struct relay_core *core, unsigned family, unsigned address, int fd, uint16_t port)
{
	core->ports.close(core->ports.user, fd);
	relay_ports_give(ports_of(core->shared, family, address), port);
}

/* What the request asks for, checked by the rules of section 7.2. */
struct wanted {
	bool family[RELAY_FAMILIES];
	bool dual;
	bool even, reserve;
	bool token;
};

/* Rules 3 to 9 of RFC 8656 section 7.2. 0, or the error code. */
static unsigned
check_request(const struct relay_request *r, struct wanted *ret)
{
	const struct weft_stun_message *m = &r->m;
	bool family = weft_stun_has(m, WEFT_STUN_HAS_REQUESTED_FAMILY);
	bool additional = weft_stun_has(m, WEFT_STUN_HAS_ADDITIONAL_FAMILY);

	*ret = (struct wanted){
		.even = weft_stun_has(m, WEFT_STUN_HAS_EVEN_PORT),
		.token = weft_stun_has(m, WEFT_STUN_HAS_RESERVATION_TOKEN),
	};
	ret->reserve = ret->even && m->even_port_reserve;
	if (!weft_stun_has(m, WEFT_STUN_HAS_REQUESTED_TRANSPORT))
		return WEFT_STUN_ERROR_BAD_REQUEST;
	if (m->requested_transport != WEFT_STUN_TRANSPORT_UDP)
		return WEFT_STUN_ERROR_TRANSPORT;
	if (ret->token && (ret->even || family || additional))
		return WEFT_STUN_ERROR_BAD_REQUEST;
	if (family && additional)
		return WEFT_STUN_ERROR_BAD_REQUEST;
	if (family && m->requested_family != WEFT_STUN_IPV4 &&
	    m->requested_family != WEFT_STUN_IPV6)
		return WEFT_STUN_ERROR_ADDRESS_FAMILY;
	if (additional && (ret->reserve || m->additional_family != WEFT_STUN_IPV6))
		return WEFT_STUN_ERROR_BAD_REQUEST;
	ret->dual = additional;
	ret->family[RELAY_V6] = additional || (family && m->requested_family == WEFT_STUN_IPV6);
	ret->family[RELAY_V4] = !ret->family[RELAY_V6] || additional;
	return 0;
}

/* The answer to the Allocate that made @a. */
static size_t
allocate_answer(struct relay_request *r,
		const struct relay_alloc *a,
		const uint8_t *token,
		const unsigned failed[RELAY_FAMILIES])
{
	struct weft_endpoint seen = relay_end_to(&r->flow->client);
	struct weft_stun_builder b = relay_answer_begin(r);

	for (unsigned f = 0; f < RELAY_FAMILIES; f++) {
		struct weft_endpoint relayed = relay_end_to(&a->relayed[f]);

		if (a->fd[f] >= 0)
			weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_RELAYED_ADDRESS, &relayed);
	}
	weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, a->lifetime_s);
	if (token != NULL)
		weft_stun_put(&b, WEFT_STUN_ATTR_RESERVATION_TOKEN, token, WEFT_STUN_TOKEN_LEN);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, &seen);
	for (unsigned f = 0; f < RELAY_FAMILIES; f++)
		if (failed != NULL && failed[f] != 0)
			weft_stun_put_address_error(
				&b, f == RELAY_V4 ? WEFT_STUN_IPV4 : WEFT_STUN_IPV6, failed[f]);
	return relay_answer_finish(r, &b);
}

static void
install(struct relay_core *core, uint32_t index, unsigned family, const struct relayed *relayed)
{
	struct relay_alloc *a = relay_alloc_at(core->tables, index);

	a->fd[family] = relayed->fd;
	a->relayed[family] = relayed->end;
	a->address[family] = relayed->address;
}

/* Opens what is wanted into the record. Returns 0 if at least one family came about. */
static unsigned
open_wanted(struct relay_request *r,
	    uint32_t index,
	    const struct wanted *wanted,
	    struct relayed *last,
	    unsigned failed[RELAY_FAMILIES])
{
	bool any = false;
	unsigned code = 0;

	for (unsigned f = 0; f < RELAY_FAMILIES; f++) {
		if (!wanted->family[f])
			continue;
		failed[f] = open_relayed(r->core, (enum relay_family) f, wanted->even,
					 wanted->reserve, last);
		if (failed[f] == 0) {
			install(r->core, index, f, last);
			any = true;
		} else if (code == 0) {
			code = failed[f];
		}
	}
	return any ? 0 : code;
}

/* Takes over the port that @token stands for. */
static unsigned
open_reserved(struct relay_request *r, uint32_t index)
{
	struct relay_core *core = r->core;
	struct relay_reservation held;
	struct relayed relayed = { .next_fd = -1 };

	if (!relay_reservation_take(core->shared, r->m.reservation_token, r->id.user, core->now_us,
				    &held))
		return WEFT_STUN_ERROR_CAPACITY;
	relayed.fd = held.fd;
	relayed.end = held.relayed;
	relayed.address = held.address;
	install(core, index, held.family, &relayed);
	return 0;
}

/* Puts the successor port aside. False: it is closed again. */
static bool
reserve(struct relay_request *r, unsigned family, const struct relayed *relayed, uint8_t token[8])
{
	struct relay_core *core = r->core;
	struct relay_reservation held = {
		.fd = relayed->next_fd,
		.relayed = relayed->next,
		.family = (uint8_t) family,
		.address = relayed->address,
		.user = r->id.user,
		.expires_us = core->now_us + RELAY_RESERVATION_S * INT64_C(1000000),
	};

	weft_env_random(core->env, held.token, sizeof(held.token));
	if (!relay_reservation_put(core->shared, &held)) {
		close_relayed(core, family, relayed->address, relayed->next_fd, relayed->next.port);
		return false;
	}
	memcpy(token, held.token, sizeof(held.token));
	return true;
}

/* Closes the sockets of one family. */
static void
close_family(struct relay_core *core, struct relay_alloc *a, unsigned family)
{
	if (a->fd[family] < 0)
		return;
	close_relayed(core, family, a->address[family], a->fd[family], a->relayed[family].port);
	a->fd[family] = -1;
	a->relayed[family].port = 0;
}

static void
undo(struct relay_core *core, uint32_t index)
{
	struct relay_alloc *a = relay_alloc_at(core->tables, index);

	for (unsigned f = 0; f < RELAY_FAMILIES; f++)
		close_family(core, a, f);
	relay_quota_give(core->shared, a->user);
	relay_alloc_remove(core->tables, index);
}

static uint32_t
make_record(struct relay_request *r)
{
	struct relay_core *core = r->core;
	uint32_t lifetime_s = granted_lifetime(r);
	uint32_t index = relay_alloc_add(core->tables, r->flow, core->now_s + lifetime_s);
	struct relay_alloc *a;

	if (index == RELAY_NONE)
		return RELAY_NONE;
	a = relay_alloc_at(core->tables, index);
	a->stream = r->stream;
	a->lifetime_s = lifetime_s;
	a->user = r->id.user;
	a->key_len = r->id.key_len;
	a->sha256 = r->id.sha256;
	a->tokens_ms = core->now_ms;
	a->tokens = core->settings->bytes_per_second < UINT32_MAX
			    ? (uint32_t) core->settings->bytes_per_second
			    : UINT32_MAX;
	memcpy(a->key, r->id.key, sizeof(a->key));
	memcpy(a->name, r->id.name, sizeof(a->name));
	memcpy(a->transaction, r->m.transaction, sizeof(a->transaction));
	return index;
}

static size_t
allocate_new(struct relay_request *r, const struct wanted *wanted)
{
	struct relay_core *core = r->core;
	struct relayed relayed = { .fd = -1, .next_fd = -1 };
	unsigned failed[RELAY_FAMILIES] = { 0 }, code;
	uint8_t token[WEFT_STUN_TOKEN_LEN];
	bool reserved = false;
	struct relay_alloc *a;
	uint32_t index = make_record(r);

	if (index == RELAY_NONE) {
		relay_quota_give(core->shared, r->id.user);
		return relay_answer_error(r, WEFT_STUN_ERROR_CAPACITY);
	}
	code = wanted->token ? open_reserved(r, index)
			     : open_wanted(r, index, wanted, &relayed, failed);
	if (code == 0 && wanted->reserve) {
		unsigned family = wanted->family[RELAY_V4] ? RELAY_V4 : RELAY_V6;

		reserved = reserve(r, family, &relayed, token);
		if (!reserved)
			code = WEFT_STUN_ERROR_CAPACITY;
	}
	a = relay_alloc_at(core->tables, index);
	for (unsigned f = 0; code == 0 && f < RELAY_FAMILIES; f++)
		if (a->fd[f] >= 0 &&
		    !core->ports.watch(core->ports.user, index, (enum relay_family) f))
			code = WEFT_STUN_ERROR_CAPACITY;
	if (code != 0) {
		undo(core, index);
		return relay_answer_error(r, code);
	}
	relay_count(&core->counters->allocated, 1);
	relay_count(&core->counters->allocations, 1);
	return allocate_answer(r, a, reserved ? token : NULL, wanted->dual ? failed : NULL);
}

size_t
relay_allocate(struct relay_request *r)
{
	struct relay_core *core = r->core;
	const struct relay_settings *s = core->settings;
	struct wanted wanted;
	unsigned code;

	if (r->alloc != RELAY_NONE) {
		const struct relay_alloc *a = relay_alloc_at_const(core->tables, r->alloc);

		/* The answer was lost: the same again. A token is not told twice. */
		if (memcmp(a->transaction, r->m.transaction, sizeof(a->transaction)) == 0 &&
		    a->user == r->id.user)
			return allocate_answer(r, a, NULL, NULL);
		return relay_answer_error(r, WEFT_STUN_ERROR_ALLOCATION_MISMATCH);
	}
	code = check_request(r, &wanted);
	if (code != 0)
		return relay_answer_error(r, code);
	if (atomic_load_explicit(&core->shared->draining, memory_order_relaxed))
		return relay_answer_error(r, WEFT_STUN_ERROR_CAPACITY);
	switch (relay_quota_take(core->shared, r->id.user, s->allocations_per_user,
				 s->allocations_max)) {
	case RELAY_QUOTA_OK:
		break;
	case RELAY_QUOTA_USER:
		return relay_answer_error(r, WEFT_STUN_ERROR_QUOTA);
	case RELAY_QUOTA_TOTAL:
		return relay_answer_error(r, WEFT_STUN_ERROR_CAPACITY);
	}
	return allocate_new(r, &wanted);
}

/* Section 8.2: of two families one alone may be given up. */
static bool
release(struct relay_request *r)
{
	struct relay_core *core = r->core;
	struct relay_alloc *a = relay_alloc_at(core->tables, r->alloc);
	unsigned family = r->m.requested_family == WEFT_STUN_IPV4 ? RELAY_V4 : RELAY_V6;

	if (weft_stun_has(&r->m, WEFT_STUN_HAS_REQUESTED_FAMILY) && a->fd[RELAY_V4] >= 0 &&
	    a->fd[RELAY_V6] >= 0) {
		close_family(core, a, family);
		return false;
	}
	relay_core_end(core, r->alloc, RELAY_END_RELEASED);
	return true;
}

size_t
relay_refresh(struct relay_request *r)
{
	struct relay_core *core = r->core;
	struct relay_alloc *a = relay_alloc_at(core->tables, r->alloc);
	bool zero = weft_stun_has(&r->m, WEFT_STUN_HAS_LIFETIME) && r->m.lifetime_s == 0;
	struct weft_stun_builder b;

	if (weft_stun_has(&r->m, WEFT_STUN_HAS_REQUESTED_FAMILY)) {
		uint8_t family = r->m.requested_family;

		if ((family != WEFT_STUN_IPV4 && family != WEFT_STUN_IPV6) ||
		    a->fd[family == WEFT_STUN_IPV4 ? RELAY_V4 : RELAY_V6] < 0)
			return relay_answer_error(r, WEFT_STUN_ERROR_PEER_FAMILY);
	}
	if (zero) {
		(void) release(r); /* either way the answer is the same */
	} else {
		a->lifetime_s = granted_lifetime(r);
		relay_alloc_extend(core->tables, r->alloc, core->now_s + a->lifetime_s);
	}
	b = relay_answer_begin(r);
	weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, zero ? 0 : a->lifetime_s);
	return relay_answer_finish(r, &b);
}

void
relay_core_end(struct relay_core *core, uint32_t alloc, enum relay_end_reason reason)
{
	struct relay_counters *c = core->counters;

	switch (reason) {
	case RELAY_END_EXPIRED:
		relay_count(&c->expired, 1);
		break;
	case RELAY_END_RELEASED:
		relay_count(&c->released, 1);
		break;
	case RELAY_END_DROPPED:
		relay_count(&c->dropped, 1);
		break;
	case RELAY_END_DISCONNECTED:
		relay_count(&c->disconnected, 1);
		break;
	}
	relay_count(&c->allocations, (uint64_t) -1);
	undo(core, alloc);
}

void
relay_core_expire(struct relay_core *core)
{
	struct relay_reservation held;
	uint32_t index;

	while ((index = relay_tables_expired(core->tables, core->now_s)) != RELAY_NONE)
		relay_core_end(core, index, RELAY_END_EXPIRED);
	while (relay_reservation_expired(core->shared, core->now_us, &held))
		close_relayed(core, held.family, held.address, held.fd, held.relayed.port);
}

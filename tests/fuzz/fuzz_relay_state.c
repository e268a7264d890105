/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sequences of requests of two clients against one worker's core: each pair of bytes is a step.
 * After every step the books must balance: sockets, ports, quotas, records. */
#include "base/env.h"
#include "relayd/auth.h"
#include "relayd/core.h"
#include "relayd/settings.h"
#include "relayd/shared.h"
#include "stun/build.h"
#include "stun/message.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#define SIZE    3
#define CLIENTS 4 /* two users, two ports each */

struct world {
	struct weft_env_fake env;
	struct relay_settings *settings;
	struct relay_shared *shared;
	struct relay_counters counters;
	struct relay_core core;
	void *memory;
	int open;
	unsigned opens;
	uint32_t transaction;
};

static int
on_open(void *user, const struct weft_endpoint *local)
{
	struct world *w = user;

	FUZZ_REQUIRE(local->port >= 50000 && local->port <= 50007);
	if (++w->opens % 11 == 0)
		return -EADDRINUSE;
	w->open++;
	return 100 + w->open;
}

static bool
on_watch(void *user, uint32_t alloc, enum relay_family family)
{
	struct world *w = user;

	FUZZ_REQUIRE(relay_alloc_at_const(w->core.tables, alloc)->fd[family] >= 0);
	return w->opens % 13 != 0;
}

static void
on_close(void *user, int fd)
{
	struct world *w = user;

	FUZZ_REQUIRE(fd >= 0);
	w->open--;
}

static void
world_init(struct world *w)
{
	static const struct weft_address v4 = { .b = { 203, 0, 113, 1 },
						.family = WEFT_FAMILY_IPV4 };
	static const struct weft_address v6 = { .b = { 0x20, 1, 0xd, 0xb8, [15] = 1 },
						.family = WEFT_FAMILY_IPV6 };

	weft_env_fake_init(&w->env, 1);
	w->settings = relay_settings_new();
	strcpy(w->settings->realm, "r");
	FUZZ_REQUIRE(relay_settings_add_user(w->settings, "a", "p"));
	FUZZ_REQUIRE(relay_settings_add_user(w->settings, "b", "p"));
	FUZZ_REQUIRE(relay_settings_seal(w->settings));
	w->settings->addresses4[w->settings->n_addresses4++] = (struct relay_address){ v4, v4 };
	w->settings->addresses6[w->settings->n_addresses6++] = (struct relay_address){ v6, v6 };
	w->settings->port_first = 50000;
	w->settings->port_last = 50007;
	w->settings->allocations_max = SIZE;
	w->settings->allocations_per_user = 2;
	w->settings->bytes_per_second = 5000;
	w->shared = relay_shared_new(&w->env.env, SIZE);
	w->memory = calloc(1, relay_tables_bytes(SIZE));
	w->core = (struct relay_core){
		.settings = w->settings,
		.shared = w->shared,
		.tables = relay_tables_init(w->memory, SIZE, w->shared->hash_seed),
		.counters = &w->counters,
		.env = &w->env.env,
		.ports = { on_open, on_watch, on_close, w },
		.start_us = w->shared->start_us,
	};
	relay_core_tick(&w->core);
}

static struct relay_flow
flow_of(unsigned client)
{
	const struct weft_endpoint e = { .addr = weft_address_v4(0xc0000201 + client / 2),
					 .port = (uint16_t) (4000 + client) };

	return (struct relay_flow){ .client = relay_end_from(&e) };
}

static struct weft_endpoint
peer_of(unsigned v)
{
	struct weft_endpoint e = { .addr = weft_address_v4(0xc6336401 + v % 5), .port = 9 };

	if (v % 7 == 6)
		e.addr = weft_address_v4(0x7f000001); /* refused */
	if (v % 11 == 10)
		e.addr.family = WEFT_FAMILY_IPV6;
	return e;
}

static void
sign_and_send(struct world *w, unsigned client, struct weft_stun_builder *b)
{
	const char *user = client / 2 == 0 ? "a" : "b";
	struct relay_flow flow = flow_of(client);
	uint8_t key[WEFT_STUN_KEY_MAX], out[RELAY_ANSWER_MAX];
	char nonce[RELAY_NONCE_LEN + 1];
	struct weft_stun_message m;
	size_t n;

	relay_nonce_make(nonce, w->shared, &flow, w->core.now_s);
	weft_stun_put(b, WEFT_STUN_ATTR_USERNAME, user, 1);
	weft_stun_put(b, WEFT_STUN_ATTR_REALM, "r", 1);
	weft_stun_put(b, WEFT_STUN_ATTR_NONCE, nonce, RELAY_NONCE_LEN);
	n = weft_stun_long_term_key(key, WEFT_STUN_MD5, (struct weft_bytes){ user, 1 },
				    (struct weft_bytes){ "r", 1 }, (struct weft_bytes){ "p", 1 });
	weft_stun_put_integrity(b, (struct weft_bytes){ key, n });
	n = weft_stun_finish(b);
	FUZZ_REQUIRE(n > 0);
	n = relay_core_request(&w->core, &flow, RELAY_NONE, b->out.start, n, out);
	FUZZ_REQUIRE(n > 0 && weft_stun_parse(&m, out, n) == WEFT_STUN_OK);
	FUZZ_REQUIRE(m.class == WEFT_STUN_SUCCESS || m.error_code != 401);
	FUZZ_REQUIRE(weft_stun_check_integrity(&m, (struct weft_bytes){ key, 16 }));
}

static void
request(struct world *w, unsigned client, unsigned op, unsigned v)
{
	static const uint16_t methods[] = { WEFT_STUN_ALLOCATE, WEFT_STUN_REFRESH,
					    WEFT_STUN_CREATE_PERMISSION, WEFT_STUN_CHANNEL_BIND };
	uint8_t buf[600], id[WEFT_STUN_TRANSACTION_LEN] = { 0 }, r = v & 2 ? 0x80 : 0;
	struct weft_endpoint peer = peer_of(v);
	struct weft_stun_builder b;

	w->transaction += v & 1; /* sometimes a retransmission */
	memcpy(id, &w->transaction, sizeof(w->transaction));
	b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_REQUEST, methods[op], id);
	if (op == 0) {
		weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_TRANSPORT,
				    WEFT_STUN_TRANSPORT_UDP);
		if (v & 4)
			weft_stun_put(&b, WEFT_STUN_ATTR_EVEN_PORT, &r, 1);
		if (v & 8)
			weft_stun_put_octet(&b, WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY,
					    WEFT_STUN_IPV6);
		if (v & 16)
			weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY,
					    v & 32 ? WEFT_STUN_IPV4 : WEFT_STUN_IPV6);
	} else if (op == 1) {
		weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, v & 64 ? 0 : v * 20);
		if (v & 8)
			weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY,
					    v & 32 ? WEFT_STUN_IPV4 : WEFT_STUN_IPV6);
	} else {
		if (op == 3)
			weft_stun_put_channel(&b, (uint16_t) (0x4000 + v % 9));
		weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &peer);
	}
	sign_and_send(w, client, &b);
}

static void
data(struct world *w, unsigned client, unsigned v)
{
	const uint8_t channel[] = { 0x40, (uint8_t) (v % 9), 0, 4, 1, 2, 3, 4 };
	struct relay_flow flow = flow_of(client);
	struct weft_endpoint e = peer_of(v);
	struct relay_end peer = relay_end_from(&e);
	struct relay_hop hop, back;
	uint32_t alloc = relay_alloc_find(w->core.tables, &flow);

	if (relay_route_channel(w->core.tables, &flow, channel, sizeof(channel), &hop) ==
	    RELAY_ROUTE_OK) {
		FUZZ_REQUIRE(hop.alloc == alloc && hop.len == 4);
		/* What may go out may come back, by the same channel. */
		FUZZ_REQUIRE(relay_route_peer(w->core.tables, alloc, (enum relay_family) hop.family,
					      &hop.peer, &back) == RELAY_ROUTE_OK);
		FUZZ_REQUIRE(back.channel == hop.channel);
		(void) relay_core_bandwidth(&w->core, relay_alloc_at(w->core.tables, alloc),
					    v * 10);
	}
	if (alloc != RELAY_NONE &&
	    relay_route_peer(w->core.tables, alloc, RELAY_V4, &peer, &hop) == RELAY_ROUTE_OK)
		FUZZ_REQUIRE(relay_permission_has(w->core.tables, alloc, peer.addr));
}

static void
balance(struct world *w)
{
	uint32_t live = 0, held = 0, ports = 0;
	int sockets = 0;

	for (uint32_t i = 0; i < w->core.tables->fresh_alloc; i++) {
		const struct relay_alloc *a = relay_alloc_at_const(w->core.tables, i);

		if (a->expires == 0)
			continue;
		live++;
		for (int f = 0; f < RELAY_FAMILIES; f++)
			sockets += a->fd[f] >= 0;
	}
	for (size_t i = 0; i < RELAY_RESERVATIONS_MAX; i++)
		held += w->shared->reservations[i].state == RELAY_PLACE_HELD;
	for (unsigned p = 50000; p <= 50007; p++)
		ports += (w->shared->ports4[0].used[p / 64] >> p % 64 & 1) +
			 (w->shared->ports6[0].used[p / 64] >> p % 64 & 1);
	FUZZ_REQUIRE(live == w->core.tables->used && live <= SIZE);
	FUZZ_REQUIRE(live == atomic_load(&w->shared->allocations));
	FUZZ_REQUIRE(live == relay_counter_read(&w->counters.allocations));
	FUZZ_REQUIRE(sockets + (int) held == w->open);
	FUZZ_REQUIRE(ports == (unsigned) w->open);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct world *w = calloc(1, sizeof(*w));

	FUZZ_REQUIRE(w != NULL);
	world_init(w);
	for (size_t i = 0; i + 1 < size && i < 400; i += 2) {
		unsigned client = bytes[i] % CLIENTS, op = bytes[i] / CLIENTS % 7, v = bytes[i + 1];
		struct relay_flow flow = flow_of(client);
		uint8_t out[RELAY_ANSWER_MAX];

		if (op < 4) {
			request(w, client, op, v);
		} else if (op == 4) {
			data(w, client, v);
		} else if (op == 5) {
			weft_env_fake_advance(&w->env, v * INT64_C(7000000));
			relay_core_tick(&w->core);
			relay_core_expire(&w->core);
		} else {
			/* The rest of the input as it comes. */
			(void) relay_core_request(&w->core, &flow, RELAY_NONE, bytes + i, size - i,
						  out);
		}
		balance(w);
	}
	weft_env_fake_advance(&w->env, INT64_C(5000000000));
	relay_core_tick(&w->core);
	relay_core_expire(&w->core);
	balance(w);
	FUZZ_REQUIRE(w->open == 0);
	relay_settings_free(w->settings);
	relay_shared_free(w->shared);
	free(w->memory);
	free(w);
	return 0;
}

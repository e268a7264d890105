/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One worker's core in a test: a fake clock, ports that are numbers, a client that signs. */
#pragma once

#include "base/env.h"
#include "relayd/auth.h"
#include "relayd/core.h"
#include "relayd/settings.h"
#include "relayd/shared.h"
#include "stun/build.h"
#include "stun/message.h"

#include <glib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RIG_REALM "example.org"

struct rig {
	struct weft_env_fake env;
	struct relay_settings *settings;
	struct relay_shared *shared;
	struct relay_counters counters;
	struct relay_core *core;
	void *memory;
	struct relay_flow flow; /* of the client that speaks */
	uint8_t out[RELAY_ANSWER_MAX];
	struct weft_stun_message answer;
	int opened, closed, watched; /* sockets */
	int refuse_open;             /* errno that open() gives, 0: none */
	uint8_t request[2048];
	size_t request_len;
	uint32_t transaction;
};

static inline int
rig_open(void *user, const struct weft_endpoint *local)
{
	struct rig *rig = user;

	g_assert_cmpuint(local->port, >, 0);
	if (rig->refuse_open != 0)
		return -rig->refuse_open;
	return 1000 + rig->opened++;
}

static inline bool
rig_watch(void *user, uint32_t alloc, enum relay_family family)
{
	struct rig *rig = user;

	g_assert_cmpint(relay_alloc_at_const(rig->core->tables, alloc)->fd[family], >=, 1000);
	rig->watched++;
	return true;
}

static inline void
rig_close(void *user, int fd)
{
	struct rig *rig = user;

	g_assert_cmpint(fd, >=, 1000);
	rig->closed++;
}

static inline struct weft_endpoint
rig_endpoint(const char *text)
{
	struct weft_endpoint e;

	g_assert_true(weft_endpoint_parse(&e, text, strlen(text)));
	return e;
}

static inline void
rig_client(struct rig *rig, const char *client)
{
	struct weft_endpoint c = rig_endpoint(client), s = rig_endpoint("198.51.100.1:3478");

	rig->flow =
		(struct relay_flow){ .client = relay_end_from(&c), .server = relay_end_from(&s) };
}

static inline void
rig_address(struct relay_settings *s, const char *local, const char *external)
{
	struct relay_address a;

	g_assert_true(weft_address_parse(&a.local, local, strlen(local)));
	g_assert_true(weft_address_parse(&a.external, external, strlen(external)));
	if (a.local.family == WEFT_FAMILY_IPV4)
		s->addresses4[s->n_addresses4++] = a;
	else
		s->addresses6[s->n_addresses6++] = a;
}

static inline struct rig *
rig_new_sized(uint32_t size)
{
	struct rig *rig = g_new0(struct rig, 1);

	weft_env_fake_init(&rig->env, 7);
	rig->env.wall_us = 1700000000 * INT64_C(1000000);
	rig->settings = relay_settings_new();
	g_strlcpy(rig->settings->realm, RIG_REALM, sizeof(rig->settings->realm));
	g_assert_true(relay_settings_add_user(rig->settings, "u", "p"));
	g_assert_true(relay_settings_add_user(rig->settings, "other", "q"));
	g_assert_true(relay_settings_seal(rig->settings));
	rig_address(rig->settings, "10.0.0.1", "203.0.113.1");
	rig_address(rig->settings, "2001:db8::1", "2001:db8::1");
	rig->settings->allocations_max = size;
	rig->shared = relay_shared_new(&rig->env.env, size);
	rig->memory = g_malloc0(relay_tables_bytes(size));
	rig->core = g_new0(struct relay_core, 1);
	*rig->core = (struct relay_core){
		.settings = rig->settings,
		.shared = rig->shared,
		.tables = relay_tables_init(rig->memory, size, rig->shared->hash_seed),
		.counters = &rig->counters,
		.env = &rig->env.env,
		.ports = { rig_open, rig_watch, rig_close, rig },
		.start_us = rig->shared->start_us,
	};
	relay_core_tick(rig->core);
	rig_client(rig, "192.0.2.10:5000");
	return rig;
}

static inline struct rig *
rig_new(void)
{
	return rig_new_sized(64);
}

static inline void
rig_free(struct rig *rig)
{
	relay_settings_free(rig->settings);
	relay_shared_free(rig->shared);
	g_free(rig->memory);
	g_free(rig->core);
	g_free(rig);
}

static inline void
rig_advance(struct rig *rig, int64_t seconds)
{
	weft_env_fake_advance(&rig->env, seconds * 1000000);
	relay_core_tick(rig->core);
	relay_core_expire(rig->core);
}

/* --- Requests: begin, put attributes, then send signed or not --- */

static inline struct weft_stun_builder
rig_begin(struct rig *rig, uint16_t method)
{
	uint8_t id[WEFT_STUN_TRANSACTION_LEN] = { 0 };

	rig->transaction++;
	memcpy(id, &rig->transaction, sizeof(rig->transaction));
	return weft_stun_begin(rig->request, sizeof(rig->request), WEFT_STUN_REQUEST, method, id);
}

/* Hands the request over. The code of the error answer, 0 for success, -1 without an answer. */
static inline int
rig_deliver(struct rig *rig)
{
	size_t n = relay_core_request(rig->core, &rig->flow, RELAY_NONE, rig->request,
				      rig->request_len, rig->out);

	if (n == 0)
		return -1;
	g_assert_cmpint(weft_stun_parse(&rig->answer, rig->out, n), ==, WEFT_STUN_OK);
	return rig->answer.class == WEFT_STUN_SUCCESS ? 0 : rig->answer.error_code;
}

static inline int
rig_send(struct rig *rig, struct weft_stun_builder *b)
{
	rig->request_len = weft_stun_finish(b);
	g_assert_cmpuint(rig->request_len, >, 0);
	return rig_deliver(rig);
}

/* USERNAME, REALM and NONCE of @nonce, or of a fresh one. */
static inline void
rig_put_credentials(struct rig *rig,
		    struct weft_stun_builder *b,
		    const char *user,
		    const char *nonce)
{
	char fresh[RELAY_NONCE_LEN + 1];

	if (nonce == NULL) {
		relay_nonce_make(fresh, rig->shared, &rig->flow, rig->core->now_s);
		nonce = fresh;
	}
	weft_stun_put(b, WEFT_STUN_ATTR_USERNAME, user, strlen(user));
	weft_stun_put(b, WEFT_STUN_ATTR_REALM, RIG_REALM, strlen(RIG_REALM));
	weft_stun_put(b, WEFT_STUN_ATTR_NONCE, nonce, strlen(nonce));
}

static inline size_t
rig_key(uint8_t key[WEFT_STUN_KEY_MAX],
	enum weft_stun_algorithm algorithm,
	const char *user,
	const char *password)
{
	return weft_stun_long_term_key(key, algorithm, (struct weft_bytes){ user, strlen(user) },
				       (struct weft_bytes){ RIG_REALM, strlen(RIG_REALM) },
				       (struct weft_bytes){ password, strlen(password) });
}

static inline int
rig_send_as(struct rig *rig, struct weft_stun_builder *b, const char *user, const char *password)
{
	uint8_t key[WEFT_STUN_KEY_MAX];
	struct weft_bytes k = { key, rig_key(key, WEFT_STUN_MD5, user, password) };
	int code;

	rig_put_credentials(rig, b, user, NULL);
	weft_stun_put_integrity(b, k);
	code = rig_send(rig, b);
	if (code == 0)
		g_assert_true(weft_stun_check_integrity(&rig->answer, k));
	return code;
}

static inline int
rig_send_signed(struct rig *rig, struct weft_stun_builder *b)
{
	return rig_send_as(rig, b, "u", "p");
}

static inline struct weft_stun_builder
rig_allocate_begin(struct rig *rig)
{
	struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_ALLOCATE);

	weft_stun_put_octet(&b, WEFT_STUN_ATTR_REQUESTED_TRANSPORT, WEFT_STUN_TRANSPORT_UDP);
	return b;
}

static inline int
rig_allocate(struct rig *rig)
{
	struct weft_stun_builder b = rig_allocate_begin(rig);

	return rig_send_signed(rig, &b);
}

static inline int
rig_refresh(struct rig *rig, uint32_t lifetime_s)
{
	struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_REFRESH);

	weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, lifetime_s);
	return rig_send_signed(rig, &b);
}

static inline int
rig_permission(struct rig *rig, const char *peer)
{
	struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_CREATE_PERMISSION);
	struct weft_endpoint e = rig_endpoint(peer);

	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &e);
	return rig_send_signed(rig, &b);
}

static inline int
rig_bind(struct rig *rig, uint16_t channel, const char *peer)
{
	struct weft_stun_builder b = rig_begin(rig, WEFT_STUN_CHANNEL_BIND);
	struct weft_endpoint e = rig_endpoint(peer);

	weft_stun_put_channel(&b, channel);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &e);
	return rig_send_signed(rig, &b);
}

static inline uint32_t
rig_alloc(struct rig *rig)
{
	return relay_alloc_find(rig->core->tables, &rig->flow);
}

/* A Send indication; where it goes. */
static inline enum relay_route
rig_indication(
	struct rig *rig, const char *peer, const char *payload, struct relay_hop *ret, bool *ret_df)
{
	static const uint8_t id[WEFT_STUN_TRANSACTION_LEN];
	struct weft_stun_builder b = weft_stun_begin(rig->request, sizeof(rig->request),
						     WEFT_STUN_INDICATION, WEFT_STUN_SEND, id);
	struct weft_stun_message m;

	if (peer != NULL) {
		struct weft_endpoint e = rig_endpoint(peer);

		weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_PEER_ADDRESS, &e);
	}
	if (*ret_df)
		weft_stun_put_flag(&b, WEFT_STUN_ATTR_DONT_FRAGMENT);
	if (payload != NULL)
		weft_stun_put(&b, WEFT_STUN_ATTR_DATA, payload, strlen(payload));
	g_assert_cmpint(weft_stun_parse(&m, rig->request, weft_stun_finish(&b)), ==, WEFT_STUN_OK);
	return relay_core_send(rig->core, &rig->flow, &m, ret, ret_df);
}

static inline enum relay_route
rig_channel_data(struct rig *rig, uint16_t channel, const char *payload, struct relay_hop *ret)
{
	size_t len = strlen(payload);

	rig->request[0] = (uint8_t) (channel >> 8);
	rig->request[1] = (uint8_t) channel;
	rig->request[2] = (uint8_t) (len >> 8);
	rig->request[3] = (uint8_t) len;
	memcpy(rig->request + 4, payload, len);
	return relay_route_channel(rig->core->tables, &rig->flow, rig->request, len + 4, ret);
}

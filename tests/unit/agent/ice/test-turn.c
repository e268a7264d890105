/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The TURN client against a server made of a few lines, which can be restarted, filled up, silent
 * and hostile. */
#include "agent/ice/turn.h"

#include "base/address.h"
#include "base/env.h"
#include "stun/build.h"
#include "stun/frame.h"
#include "stun/message.h"

#include <glib.h>
#include <string.h>

#define S INT64_C(1000000)

struct server {
	/* The allocation. */
	bool allocated;
	uint32_t user; /* connection that it belongs to */
	int64_t expires_us;
	GHashTable *permissions; /* address text -> int64_t expiry */
	GHashTable *channels;    /* number -> endpoint text */
	unsigned nonce;          /* the present one */
	bool silent;
	unsigned refuse;        /* error code for the next Allocate requests */
	unsigned refuse_permit; /* for CreatePermission */
	unsigned n_allocate, n_refresh, n_permission, n_bind;
	/* What arrived for peers. */
	char last_peer[WEFT_ENDPOINT_TEXT_SIZE];
	uint8_t last[2048];
	size_t last_len;
	unsigned n_data, n_channel_data;
};

struct fixture {
	struct weft_env_fake env;
	struct ice_turn_config config;
	IceTurn *turn;
	struct server server;
	bool open;
	unsigned n_connect, n_disconnect, n_ready;
	uint32_t connection;
	unsigned n_received;
	char from[WEFT_ENDPOINT_TEXT_SIZE];
	uint8_t received[2048];
	size_t received_len;
	bool refuse_connections;
	GQueue datagrams; /* GBytes */
	const char *password;
};

static void
on_connect(void *user)
{
	struct fixture *f = user;

	f->n_connect++;
	f->connection++;
	f->open = !f->refuse_connections;
	g_queue_clear_full(&f->datagrams, (GDestroyNotify) g_bytes_unref);
	if (f->open)
		ice_turn_connected(f->turn);
	else
		ice_turn_disconnected(f->turn);
}

static void
on_disconnect(void *user)
{
	struct fixture *f = user;

	f->n_disconnect++;
	f->open = false;
}

static void
to_client(struct fixture *f, const void *buf, size_t len)
{
	g_queue_push_tail(&f->datagrams, g_bytes_new(buf, len));
}

static void
finish(struct fixture *f, struct weft_stun_builder *b, const uint8_t *key)
{
	if (key != NULL)
		weft_stun_put_integrity(b, (struct weft_bytes){ key, 16 });
	weft_stun_put_fingerprint(b);
	to_client(f, b->out.start, weft_stun_finish(b));
}

static void
fail(struct fixture *f, const struct weft_stun_message *m, unsigned code, const uint8_t *key)
{
	g_autofree char *nonce = g_strdup_printf("nonce%u", f->server.nonce);
	uint8_t buf[512];
	struct weft_stun_builder b = weft_stun_begin_answer(buf, sizeof(buf), WEFT_STUN_ERROR, m);

	weft_stun_put_error(&b, code);
	if (code == 401 || code == 438) {
		weft_stun_put(&b, WEFT_STUN_ATTR_REALM, "realm", 5);
		weft_stun_put(&b, WEFT_STUN_ATTR_NONCE, nonce, strlen(nonce));
		key = NULL;
	}
	finish(f, &b, key);
}

static const struct weft_endpoint relayed = { { { 198, 51, 100, 5 }, WEFT_FAMILY_IPV4 }, 50000 };
static const struct weft_endpoint mapped = { { { 203, 0, 113, 1 }, WEFT_FAMILY_IPV4 }, 40000 };

static bool
server_permits(struct fixture *f, const struct weft_address *peer)
{
	char text[WEFT_ADDRESS_TEXT_SIZE];
	const int64_t *expiry =
		g_hash_table_lookup(f->server.permissions, weft_address_format(peer, text));

	return expiry != NULL && *expiry > f->env.now_us;
}

static void
server_grant(struct fixture *f, const struct weft_address *peer)
{
	char text[WEFT_ADDRESS_TEXT_SIZE];
	int64_t expiry = f->env.now_us + 300 * S;

	g_hash_table_insert(f->server.permissions, g_strdup(weft_address_format(peer, text)),
			    g_memdup2(&expiry, sizeof(expiry)));
}

static void
server_allocate(struct fixture *f, const struct weft_stun_message *m, const uint8_t *key)
{
	struct server *s = &f->server;
	uint8_t buf[512];
	struct weft_stun_builder b = weft_stun_begin_answer(buf, sizeof(buf), WEFT_STUN_SUCCESS, m);

	s->n_allocate++;
	if (s->refuse != 0) {
		fail(f, m, s->refuse, key);
		return;
	}
	if (s->allocated && s->user == f->connection) {
		fail(f, m, 437, key);
		return;
	}
	s->allocated = true;
	s->user = f->connection;
	s->expires_us = f->env.now_us + 600 * S;
	g_hash_table_remove_all(s->permissions);
	g_hash_table_remove_all(s->channels);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_RELAYED_ADDRESS, &relayed);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
	weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, 600);
	finish(f, &b, key);
}

/* Refresh, CreatePermission, ChannelBind: on a live allocation. */
static void
server_other(struct fixture *f, const struct weft_stun_message *m, const uint8_t *key)
{
	struct server *s = &f->server;
	char text[WEFT_ENDPOINT_TEXT_SIZE];
	uint8_t buf[512];
	struct weft_stun_builder b = weft_stun_begin_answer(buf, sizeof(buf), WEFT_STUN_SUCCESS, m);

	if (!s->allocated || s->user != f->connection || s->expires_us < f->env.now_us) {
		fail(f, m, 437, key);
		return;
	}
	switch (m->method) {
	case WEFT_STUN_REFRESH:
		s->n_refresh++;
		s->allocated = m->lifetime_s > 0;
		s->expires_us = f->env.now_us + (int64_t) m->lifetime_s * S;
		weft_stun_put_u32(&b, WEFT_STUN_ATTR_LIFETIME, m->lifetime_s);
		break;
	case WEFT_STUN_CREATE_PERMISSION:
		s->n_permission++;
		if (s->refuse_permit != 0) {
			fail(f, m, s->refuse_permit, key);
			return;
		}
		g_assert_cmpuint(m->n_peers, ==, 1);
		server_grant(f, &m->peers[0].addr);
		break;
	case WEFT_STUN_CHANNEL_BIND:
		s->n_bind++;
		if (s->refuse_permit != 0) {
			fail(f, m, s->refuse_permit, key);
			return;
		}
		server_grant(f, &m->peers[0].addr);
		g_hash_table_insert(s->channels, GUINT_TO_POINTER(m->channel),
				    g_strdup(weft_endpoint_format(&m->peers[0], text)));
		break;
	default:
		g_assert_not_reached();
	}
	finish(f, &b, key);
}

static void
server_message(struct fixture *f, const uint8_t *buf, size_t len)
{
	g_autofree char *nonce = g_strdup_printf("nonce%u", f->server.nonce);
	uint8_t key[WEFT_STUN_KEY_MAX];
	struct weft_stun_message m;

	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	if (m.class == WEFT_STUN_INDICATION) {
		if (!server_permits(f, &m.peers[0].addr))
			return;
		weft_endpoint_format(&m.peers[0], f->server.last_peer);
		memcpy(f->server.last, m.data.p, m.data.len);
		f->server.last_len = m.data.len;
		f->server.n_data++;
		return;
	}
	g_assert_cmpuint(
		weft_stun_long_term_key(key, WEFT_STUN_MD5, (struct weft_bytes){ "user", 4 },
					(struct weft_bytes){ "realm", 5 },
					(struct weft_bytes){ f->password, strlen(f->password) }),
		==, 16);
	if (!weft_stun_has(&m, WEFT_STUN_HAS_INTEGRITY)) {
		fail(f, &m, 401, NULL);
	} else if (m.nonce.len != strlen(nonce) || memcmp(m.nonce.p, nonce, m.nonce.len) != 0) {
		fail(f, &m, 438, NULL);
	} else if (!weft_stun_check_integrity(&m, (struct weft_bytes){ key, 16 })) {
		fail(f, &m, 401, NULL);
	} else if (m.method == WEFT_STUN_ALLOCATE) {
		server_allocate(f, &m, key);
	} else {
		server_other(f, &m, key);
	}
}

static bool
on_send(void *user, const uint8_t *buf, size_t len)
{
	struct fixture *f = user;
	uint16_t number, payload;
	const char *peer;

	g_assert_true(f->open);
	if (f->config.stream)
		g_assert_cmpuint(len % 4, ==, 0);
	if (f->server.silent)
		return true;
	if (buf[0] < 0x40) {
		server_message(f, buf, len);
		return true;
	}
	g_assert_true(weft_stun_channel_parse(buf, len, &number, &payload));
	peer = g_hash_table_lookup(f->server.channels, GUINT_TO_POINTER(number));
	if (peer != NULL) {
		g_strlcpy(f->server.last_peer, peer, sizeof(f->server.last_peer));
		memcpy(f->server.last, buf + 4, payload);
		f->server.last_len = payload;
		f->server.n_data++;
		f->server.n_channel_data++;
	}
	return true;
}

static void
on_state(void *user, enum ice_turn_state state, const struct weft_endpoint *address)
{
	struct fixture *f = user;

	g_assert_cmpint(address != NULL, ==, state == ICE_TURN_READY);
	if (state == ICE_TURN_READY) {
		g_assert_true(weft_endpoint_equal(address, &relayed));
		f->n_ready++;
	}
}

static void
on_receive(void *user, const struct weft_endpoint *peer, const uint8_t *buf, size_t len)
{
	struct fixture *f = user;

	weft_endpoint_format(peer, f->from);
	memcpy(f->received, buf, len);
	f->received_len = len;
	f->n_received++;
}

static const struct ice_turn_ops ops = { on_connect, on_disconnect, on_send, on_state, on_receive };

static void
set_up(struct fixture *f, bool stream)
{
	memset(f, 0, sizeof(*f));
	weft_env_fake_init(&f->env, 1);
	f->password = "password";
	f->server.permissions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	f->server.channels = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	g_queue_init(&f->datagrams);
	f->config = (struct ice_turn_config){ .env = &f->env.env,
					      .ops = &ops,
					      .user = f,
					      .stream = stream,
					      .username = "user",
					      .password = "password" };
	f->turn = ice_turn_new(&f->config);
	g_assert_nonnull(f->turn);
}

static void
tear_down(struct fixture *f)
{
	ice_turn_free(f->turn);
	g_queue_clear_full(&f->datagrams, (GDestroyNotify) g_bytes_unref);
	g_hash_table_unref(f->server.permissions);
	g_hash_table_unref(f->server.channels);
}

/* Delivers what the server said; on streams byte by byte. */
static void
pump(struct fixture *f)
{
	GBytes *bytes;

	while ((bytes = g_queue_pop_head(&f->datagrams)) != NULL) {
		gsize len, i;
		const uint8_t *p = g_bytes_get_data(bytes, &len);

		for (i = 0; f->config.stream && i < len; i++)
			g_assert_true(ice_turn_input(f->turn, p + i, 1));
		if (!f->config.stream)
			g_assert_true(ice_turn_input(f->turn, p, len));
		g_bytes_unref(bytes);
	}
}

static void
run(struct fixture *f, int64_t us)
{
	int64_t end = f->env.now_us + us, next;

	pump(f);
	while ((next = ice_turn_next_us(f->turn)) <= end) {
		if (next > f->env.now_us)
			weft_env_fake_advance(&f->env, next - f->env.now_us);
		ice_turn_timer(f->turn);
		pump(f);
	}
	if (f->env.now_us < end)
		weft_env_fake_advance(&f->env, end - f->env.now_us);
}

static void
start(struct fixture *f)
{
	ice_turn_start(f->turn);
	run(f, S);
	g_assert_cmpint(ice_turn_state(f->turn), ==, ICE_TURN_READY);
}

static struct weft_endpoint
peer(unsigned n)
{
	return (struct weft_endpoint){ weft_address_v4(0xc0000200u + n), 51820 };
}

static void
test_allocate(gconstpointer data)
{
	struct weft_endpoint e, p = peer(1);
	struct fixture f;
	uint8_t buf[ICE_TURN_HEADROOM + 5 + ICE_TURN_TAILROOM] = { 0 };

	set_up(&f, data != NULL);
	g_assert_false(ice_turn_send(f.turn, &p, (const uint8_t *) "x", 1));
	start(&f);
	g_assert_true(ice_turn_relayed(f.turn, &e) && weft_endpoint_equal(&e, &relayed));
	g_assert_true(ice_turn_mapped(f.turn, &e) && weft_endpoint_equal(&e, &mapped));
	/* The first packet waits for its permission, the later ones take the channel. */
	g_assert_true(ice_turn_send(f.turn, &p, (const uint8_t *) "first", 5));
	g_assert_cmpuint(f.server.n_data, ==, 0);
	pump(&f);
	g_assert_cmpuint(f.server.n_data, ==, 1);
	g_assert_cmpmem(f.server.last, f.server.last_len, "first", 5);
	g_assert_true(ice_turn_send(f.turn, &p, (const uint8_t *) "second", 6));
	g_assert_cmpuint(f.server.n_channel_data, ==, 1);
	g_assert_cmpmem(f.server.last, f.server.last_len, "second", 6);
	g_assert_cmpstr(f.server.last_peer, ==, "192.0.2.1:51820");
	memcpy(buf + ICE_TURN_HEADROOM, "third", 5);
	g_assert_true(ice_turn_send_in_place(f.turn, &p, buf + ICE_TURN_HEADROOM, 5));
	g_assert_cmpmem(f.server.last, f.server.last_len, "third", 5);
	/* And back. */
	to_client(&f, "\x40\x00\x00\x04pong", 8);
	pump(&f);
	g_assert_cmpuint(f.n_received, ==, 1);
	g_assert_cmpstr(f.from, ==, "192.0.2.1:51820");
	g_assert_cmpmem(f.received, f.received_len, "pong", 4);
	ice_turn_stop(f.turn);
	g_assert_false(f.server.allocated);
	g_assert_false(f.open);
	g_assert_cmpint(ice_turn_next_us(f.turn), ==, INT64_MAX);
	tear_down(&f);
}

/* Half an hour: allocation, permission and channel never lapse while they are used. */
static void
test_refreshes(void)
{
	struct weft_endpoint p = peer(1), idle = peer(2);
	struct fixture f;
	unsigned i, n;

	set_up(&f, false);
	start(&f);
	ice_turn_permit(f.turn, &idle.addr);
	for (i = 0; i < 1800; i++) {
		g_assert_true(ice_turn_send(f.turn, &p, (const uint8_t *) "x", 1));
		run(&f, S);
		/* A nonce is good for a while only. */
		if (i % 100 == 99)
			f.server.nonce++;
	}
	g_assert_cmpuint(f.n_ready, ==, 1);
	g_assert_cmpuint(f.server.n_data, ==, 1800);
	g_assert_true(server_permits(&f, &p.addr));
	g_assert_false(server_permits(&f, &idle.addr));
	/* Idle ones fall silent. */
	run(&f, 1200 * S);
	n = f.server.n_permission + f.server.n_bind;
	run(&f, 1200 * S);
	g_assert_cmpuint(f.server.n_permission + f.server.n_bind, ==, n);
	g_assert_cmpint(ice_turn_state(f.turn), ==, ICE_TURN_READY);
	tear_down(&f);
}

/* Many requests under way when the nonce expires: all are repeated, none is refused. */
static void
test_stale_nonces(void)
{
	struct fixture f;
	unsigned i;

	set_up(&f, false);
	start(&f);
	f.server.nonce++;
	for (i = 0; i < 50; i++) {
		struct weft_endpoint p = peer(i);

		ice_turn_permit(f.turn, &p.addr);
	}
	run(&f, S);
	for (i = 0; i < 50; i++) {
		struct weft_endpoint p = peer(i);

		g_assert_true(server_permits(&f, &p.addr));
	}
	tear_down(&f);
}

static void
test_server_restart(void)
{
	struct weft_endpoint p = peer(1);
	struct fixture f;

	set_up(&f, false);
	start(&f);
	g_assert_true(ice_turn_send(f.turn, &p, (const uint8_t *) "x", 1));
	run(&f, 10 * S);
	/* It comes back without memory: the next packets find out, and go through. */
	f.server.allocated = false;
	f.server.nonce++;
	g_hash_table_remove_all(f.server.permissions);
	g_hash_table_remove_all(f.server.channels);
	g_assert_true(ice_turn_send(f.turn, &p, (const uint8_t *) "lost", 4));
	run(&f, S);
	g_assert_cmpuint(f.n_ready, ==, 2);
	g_assert_true(ice_turn_send(f.turn, &p, (const uint8_t *) "there", 5));
	g_assert_cmpmem(f.server.last, f.server.last_len, "there", 5);
	/* It is gone: another transport, again and again, until it answers. */
	f.server.silent = true;
	run(&f, 120 * S);
	g_assert_cmpint(ice_turn_state(f.turn), !=, ICE_TURN_READY);
	g_assert_cmpuint(f.n_connect, >, 3);
	f.server.silent = false;
	run(&f, 70 * S);
	g_assert_cmpint(ice_turn_state(f.turn), ==, ICE_TURN_READY);
	tear_down(&f);
}

/* Somebody's allocation on our 5-tuple: another port, at once. */
static void
test_mismatch(void)
{
	struct fixture f;

	set_up(&f, false);
	f.server.allocated = true;
	f.server.user = 1;
	start(&f);
	g_assert_cmpuint(f.n_connect, ==, 2);
	tear_down(&f);
}

static void
test_refusals(void)
{
	static const unsigned codes[] = { 508, 486, 400, 403, 300, 500 };
	struct weft_endpoint p = peer(1), other = peer(2);
	struct fixture f;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(codes); i++) {
		set_up(&f, false);
		f.server.refuse = codes[i];
		ice_turn_start(f.turn);
		run(&f, 100 * S);
		g_assert_cmpuint(f.server.n_allocate, >, 3);
		g_assert_cmpuint(f.server.n_allocate, <, 15);
		f.server.refuse = 0;
		run(&f, 70 * S);
		g_assert_cmpint(ice_turn_state(f.turn), ==, ICE_TURN_READY);
		tear_down(&f);
	}
	/* A forbidden peer costs that peer. */
	set_up(&f, false);
	start(&f);
	f.server.refuse_permit = 403;
	(void) ice_turn_send(f.turn, &p, (const uint8_t *) "x", 1);
	run(&f, S);
	f.server.refuse_permit = 0;
	(void) ice_turn_send(f.turn, &other, (const uint8_t *) "y", 1);
	run(&f, S);
	g_assert_cmpuint(f.n_ready, ==, 1);
	g_assert_cmpuint(f.server.n_data, ==, 1);
	tear_down(&f);
}

static void
test_credentials(void)
{
	struct fixture f;

	set_up(&f, false);
	f.password = "another";
	ice_turn_start(f.turn);
	run(&f, 5 * S);
	g_assert_cmpint(ice_turn_state(f.turn), !=, ICE_TURN_READY);
	g_assert_false(ice_turn_set_credentials(f.turn, "", "another"));
	g_assert_true(ice_turn_set_credentials(f.turn, "user", "another"));
	run(&f, S);
	g_assert_cmpint(ice_turn_state(f.turn), ==, ICE_TURN_READY);
	/* They expire in use: a new allocation with the new ones. */
	f.password = "third";
	g_assert_true(ice_turn_set_credentials(f.turn, "user", "third"));
	run(&f, 30 * S);
	g_assert_cmpint(ice_turn_state(f.turn), ==, ICE_TURN_READY);
	g_assert_cmpuint(f.n_ready, ==, 2);
	tear_down(&f);
}

static void
test_many_peers(void)
{
	struct fixture f;
	unsigned i;

	set_up(&f, true);
	start(&f);
	for (i = 0; i < 3 * ICE_TURN_PEERS_MAX; i++) {
		struct weft_endpoint p = { weft_address_v4(0x0a000000 + i), 1 };

		g_assert_true(ice_turn_send(f.turn, &p, (const uint8_t *) "x", 1));
		run(&f, 1000);
	}
	g_assert_cmpuint(f.server.n_data, ==, 3 * ICE_TURN_PEERS_MAX);
	g_assert_cmpuint(f.n_ready, ==, 1);
	tear_down(&f);
}

static void
test_hostile(void)
{
	static const uint8_t rubbish[] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
	struct fixture f;
	unsigned i;

	set_up(&f, true);
	ice_turn_start(f.turn);
	run(&f, S);
	g_assert_false(ice_turn_input(f.turn, rubbish, sizeof(rubbish)));
	g_assert_false(f.open);
	run(&f, 10 * S);
	g_assert_cmpint(ice_turn_state(f.turn), ==, ICE_TURN_READY);
	tear_down(&f);

	set_up(&f, false);
	start(&f);
	/* Data from peers that nobody let in, channels that nobody asked for, bytes. */
	to_client(&f, "\x40\x00\x00\x04pong", 8);
	pump(&f);
	for (i = 0; i < 20000; i++) {
		uint8_t buf[64];
		size_t len = weft_env_random_below(&f.env.env, sizeof(buf));

		weft_env_random(&f.env.env, buf, sizeof(buf));
		if (i % 2 == 0)
			memcpy(buf + 4, "\x21\x12\xa4\x42", 4);
		(void) ice_turn_input(f.turn, buf, len);
	}
	g_assert_cmpuint(f.n_received, ==, 0);
	g_assert_cmpint(ice_turn_state(f.turn), ==, ICE_TURN_READY);
	tear_down(&f);

	/* No connection to be had. */
	set_up(&f, true);
	f.refuse_connections = true;
	ice_turn_start(f.turn);
	run(&f, 300 * S);
	g_assert_cmpuint(f.n_connect, >, 5);
	g_assert_cmpuint(f.n_connect, <, 20);
	tear_down(&f);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/turn/allocate/datagram", NULL, test_allocate);
	g_test_add_data_func("/turn/allocate/stream", "", test_allocate);
	g_test_add_func("/turn/refreshes", test_refreshes);
	g_test_add_func("/turn/stale-nonces", test_stale_nonces);
	g_test_add_func("/turn/server-restart", test_server_restart);
	g_test_add_func("/turn/mismatch", test_mismatch);
	g_test_add_func("/turn/refusals", test_refusals);
	g_test_add_func("/turn/credentials", test_credentials);
	g_test_add_func("/turn/many-peers", test_many_peers);
	g_test_add_func("/turn/hostile", test_hostile);
	return g_test_run();
}

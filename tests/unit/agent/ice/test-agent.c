/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One agent and messages made by hand: what official clients sent, and what attackers would. */
#include "agent/ice/agent.h"

#include "base/env.h"
#include "stun/build.h"
#include "stun/message.h"

#include <glib.h>
#include <json-glib/json-glib.h>

#include <string.h>

#define S INT64_C(1000000)

struct fixture {
	struct weft_env_fake env;
	struct ice_ops ops;
	IceAgent *agent;
	IceSession *session;
	struct ice_credentials own, remote;
	unsigned n_sent, n_lines, n_events;
	uint8_t last[512];
	size_t last_len;
	struct ice_path last_to;
	struct ice_event event;
};

static void
on_send(void *user, const struct ice_path *to, const uint8_t *buf, size_t len)
{
	struct fixture *f = user;

	f->n_sent++;
	f->last_len = MIN(len, sizeof(f->last));
	memcpy(f->last, buf, f->last_len);
	f->last_to = *to;
}

static void
on_candidate(void *user, IceSession *session, const char *line, size_t len)
{
	struct fixture *f = user;

	(void) session;
	g_assert_cmpuint(strlen(line), ==, len);
	f->n_lines++;
}

static void
on_event(void *user, IceSession *session, const struct ice_event *event)
{
	struct fixture *f = user;

	(void) session;
	f->n_events++;
	f->event = *event;
}

static void
set_up(struct fixture *f, bool controlling)
{
	struct weft_address host = weft_address_v4(0x0a010002);
	struct ice_agent_config config = { .ops = &f->ops, .user = f, .port = 51820 };
	struct ice_session_config session = { .controlling = controlling };

	memset(f, 0, sizeof(*f));
	weft_env_fake_init(&f->env, 1);
	f->ops = (struct ice_ops){ on_send, on_candidate, on_event, NULL };
	config.env = &f->env.env;
	f->agent = ice_agent_new(&config);
	ice_agent_set_hosts(f->agent, &host, 1);
	ice_credentials_generate(&f->own, &f->env.env);
	ice_credentials_generate(&f->remote, &f->env.env);
	session.own = f->own;
	f->session = ice_session_new(f->agent, &session);
}

static void
tear_down(struct fixture *f)
{
	ice_session_free(f->session);
	ice_agent_free(f->agent);
}

static struct ice_path
path_of(uint32_t address, uint16_t port)
{
	return (struct ice_path){ .remote = { weft_address_v4(address), port } };
}

static size_t
request(const struct fixture *f, uint8_t *buf, size_t size, const char *pwd, uint16_t extra)
{
	static const uint8_t txid[12] = { 1, 2, 3 };
	struct weft_stun_builder b =
		weft_stun_begin(buf, size, WEFT_STUN_REQUEST, WEFT_STUN_BINDING, txid);
	g_autofree char *user = g_strdup_printf("%s:%s", f->own.ufrag, f->remote.ufrag);

	weft_stun_put(&b, WEFT_STUN_ATTR_USERNAME, user, strlen(user));
	weft_stun_put_u64(&b, WEFT_STUN_ATTR_ICE_CONTROLLING, 1);
	weft_stun_put_u32(&b, WEFT_STUN_ATTR_PRIORITY, 1000);
	if (extra != 0)
		weft_stun_put_u32(&b, extra, 0);
	weft_stun_put_integrity(&b, (struct weft_bytes){ pwd, strlen(pwd) });
	weft_stun_put_fingerprint(&b);
	return weft_stun_finish(&b);
}

static void
test_answers_from_the_start(void)
{
	struct ice_path from = path_of(0x0a010003, 1234);
	struct weft_stun_message m;
	struct fixture f;
	uint8_t buf[512];
	size_t len;

	set_up(&f, false);
	from.local = weft_address_v4(0x0a010002);
	len = request(&f, buf, sizeof(buf), f.own.pwd, 0);
	g_assert_cmpint(ice_agent_receive(f.agent, &from, buf, len), ==, ICE_RECEIVE_TAKEN);
	/* Answered, although nothing is known of the peer yet; no check of our own. */
	g_assert_cmpuint(f.n_sent, ==, 1);
	g_assert_cmpint(weft_stun_parse(&m, f.last, f.last_len), ==, WEFT_STUN_OK);
	g_assert_cmpint(m.class, ==, WEFT_STUN_SUCCESS);
	g_assert_true(weft_endpoint_equal(&m.mapped, &from.remote));
	g_assert_true(weft_address_equal(&f.last_to.local, &from.local));
	g_assert_true(
		weft_stun_check_integrity(&m, (struct weft_bytes){ f.own.pwd, strlen(f.own.pwd) }));
	g_assert_true(weft_stun_check_fingerprint(&m));
	/* The triggered check leaves as soon as it can be signed. */
	ice_session_set_remote(f.session, &f.remote);
	g_assert_cmpuint(f.n_sent, ==, 2);
	g_assert_true(ice_path_equal(&f.last_to, &from));
	tear_down(&f);
}

static void
test_forgeries(void)
{
	struct ice_path from = path_of(0x0a010003, 1234);
	struct weft_prefix overlay = { weft_address_v4(0x64400000), 10 };
	struct weft_stun_message m;
	struct fixture f;
	uint8_t buf[512];
	size_t len, i;

	set_up(&f, false);
	ice_session_set_remote(f.session, &f.remote);
	len = request(&f, buf, sizeof(buf), "some other password of ours", 0);
	g_assert_cmpint(ice_agent_receive(f.agent, &from, buf, len), ==, ICE_RECEIVE_REFUSED);
	len = request(&f, buf, sizeof(buf), f.own.pwd, 0);
	/* One bit wrong anywhere but in FINGERPRINT and in the length, which may cut it off: it is
	 * no secret. */
	for (i = 0; i < (len - 8) * 8; i++) {
		if (i / 8 == 2 || i / 8 == 3)
			continue;
		buf[i / 8] ^= (uint8_t) (1 << i % 8);
		g_assert_cmpint(ice_agent_receive(f.agent, &from, buf, len), !=, ICE_RECEIVE_TAKEN);
		buf[i / 8] ^= (uint8_t) (1 << i % 8);
	}
	/* Cut anywhere. */
	for (i = 0; i < len; i++) {
		g_autofree uint8_t *cut = g_memdup2(buf, MAX(i, 1));

		g_assert_cmpint(ice_agent_receive(f.agent, &from, cut, i), !=, ICE_RECEIVE_TAKEN);
	}
	g_assert_cmpuint(f.n_sent, ==, 0);
	/* From within the tunnel. */
	ice_agent_set_overlay(f.agent, &overlay, 1);
	from = path_of(0x64400001, 51820);
	g_assert_cmpint(ice_agent_receive(f.agent, &from, buf, len), ==, ICE_RECEIVE_REFUSED);
	/* An attribute that must be understood. */
	from = path_of(0x0a010003, 1234);
	len = request(&f, buf, sizeof(buf), f.own.pwd, 0x7fff);
	g_assert_cmpint(ice_agent_receive(f.agent, &from, buf, len), ==, ICE_RECEIVE_REFUSED);
	g_assert_cmpint(weft_stun_parse(&m, f.last, f.last_len), ==, WEFT_STUN_OK);
	g_assert_cmpuint(m.error_code, ==, 420);
	tear_down(&f);
}

/* A check, and answers to it: @from, signed with @pwd, with the same transaction or not. */
static enum ice_receive
answer(struct fixture *f, const struct ice_path *from, const char *pwd, bool same)
{
	struct weft_stun_message m;
	struct weft_stun_builder b;
	uint8_t buf[512], txid[12];

	g_assert_cmpint(weft_stun_parse(&m, f->last, f->last_len), ==, WEFT_STUN_OK);
	g_assert_cmpint(m.class, ==, WEFT_STUN_REQUEST);
	memcpy(txid, m.transaction, sizeof(txid));
	txid[11] ^= !same;
	b = weft_stun_begin(buf, sizeof(buf), WEFT_STUN_SUCCESS, WEFT_STUN_BINDING, txid);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, &from->remote);
	weft_stun_put_integrity(&b, (struct weft_bytes){ pwd, strlen(pwd) });
	weft_stun_put_fingerprint(&b);
	return ice_agent_receive(f->agent, from, buf, weft_stun_finish(&b));
}

static void
test_forged_answers(void)
{
	static const char line[] = "1 1 udp 2130706431 10.1.0.3 51820 typ host";
	struct ice_path right = path_of(0x0a010003, 51820), wrong = path_of(0x0a010004, 51820);
	struct fixture f;

	set_up(&f, true);
	g_assert_cmpint(ice_session_add_remote(f.session, line, strlen(line)), ==, ICE_LINE_OK);
	ice_session_set_remote(f.session, &f.remote);
	g_assert_cmpuint(f.n_sent, ==, 1);
	g_assert_cmpint(answer(&f, &wrong, f.remote.pwd, true), ==, ICE_RECEIVE_REFUSED);
	g_assert_cmpint(answer(&f, &right, f.own.pwd, true), ==, ICE_RECEIVE_REFUSED);
	g_assert_cmpint(answer(&f, &right, f.remote.pwd, false), !=, ICE_RECEIVE_TAKEN);
	g_assert_cmpuint(f.n_events, ==, 0);
	g_assert_cmpint(answer(&f, &right, f.remote.pwd, true), ==, ICE_RECEIVE_TAKEN);
	g_assert_cmpuint(f.n_events, ==, 1);
	g_assert_cmpint(f.event.type, ==, ICE_EVENT_USABLE);
	g_assert_cmpint(ice_session_state(f.session), ==, ICE_USABLE);
	tear_down(&f);
}

/* Strangers with the password, and a peer that talks nonsense, cost little. */
static void
test_floods(void)
{
	struct fixture f;
	uint8_t buf[512];
	size_t len;
	unsigned i, taken = 0;

	set_up(&f, false);
	ice_session_set_remote(f.session, &f.remote);
	for (i = 0; i < 10000; i++) {
		g_autofree char *line =
			g_strdup_printf("%u 1 udp %u 198.18.%u.%u 9 typ srflx raddr 0.0.0.0 "
					"rport %u cid x",
					i, i + 1, i >> 8, i & 255, i + 10);

		taken += ice_session_add_remote(f.session, line, strlen(line)) == ICE_LINE_OK;
	}
	g_assert_cmpuint(taken, <=, ICE_REMOTES_MAX);
	len = request(&f, buf, sizeof(buf), f.own.pwd, 0);
	for (i = 0; i < 10000; i++) {
		struct ice_path from = path_of(0x0a020000 + i, 1000);

		g_assert_cmpint(ice_agent_receive(f.agent, &from, buf, len), ==, ICE_RECEIVE_TAKEN);
	}
	/* One answer each, and checks at their pace only. */
	g_assert_cmpuint(f.n_sent, <=, 10000 + 2);
	tear_down(&f);
}

/* What two official clients said to each other is answered. */
static void
test_recorded(void)
{
	const char *top = g_getenv("top_srcdir");
	g_autoptr(GHashTable) passwords =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	static const char *const files[] = { "signal.json", "stun.json" };
	unsigned n = 0, k;
	guint i;

	for (k = 0; k < 2; k++) {
		g_autofree char *path = g_build_filename(top != NULL ? top : ".", "tests",
							 "vectors", files[k], NULL);
		g_autoptr(JsonParser) parser = json_parser_new();
		JsonArray *vectors;

		g_assert_true(json_parser_load_from_file(parser, path, NULL));
		vectors = json_object_get_array_member(
			json_node_get_object(json_parser_get_root(parser)), "vectors");
		for (i = 0; i < json_array_get_length(vectors); i++) {
			JsonObject *o = json_array_get_object_element(vectors, i);
			const char *decoded =
				json_object_get_string_member_with_default(o, "decoded", "");
			const char *hex = json_object_get_string_member_with_default(o, "hex", "");
			g_autofree uint8_t *buf = g_malloc0(strlen(hex) / 2 + 1);
			struct ice_path from = path_of(0x0a020002, 51820);
			struct weft_stun_message m;
			g_auto(GStrv) user = NULL;
			g_autofree char *name = NULL;
			const char *pwd;
			struct fixture f;
			size_t c, len = strlen(hex) / 2;

			if (k == 0) {
				const char *start = strstr(decoded, "payload: \"");

				if (start != NULL && strstr(decoded, "CANDIDATE") == NULL &&
				    start[26] == ':')
					g_hash_table_insert(passwords, g_strndup(start + 10, 16),
							    g_strndup(start + 27, 32));
				continue;
			}
			for (c = 0; c < len; c++)
				buf[c] = (uint8_t) (g_ascii_xdigit_value(hex[2 * c]) << 4 |
						    g_ascii_xdigit_value(hex[2 * c + 1]));
			if (weft_stun_parse(&m, buf, len) != WEFT_STUN_OK ||
			    m.class != WEFT_STUN_REQUEST || m.method != WEFT_STUN_BINDING ||
			    m.username.p == NULL)
				continue;
			name = g_strndup((const char *) m.username.p, m.username.len);
			user = g_strsplit(name, ":", 2);
			pwd = g_hash_table_lookup(passwords, user[0]);
			if (pwd == NULL)
				continue;
			set_up(&f, !m.controlling);
			g_strlcpy(f.own.ufrag, user[0], sizeof(f.own.ufrag));
			g_strlcpy(f.own.pwd, pwd, sizeof(f.own.pwd));
			g_assert_true(ice_session_restart(f.session, &f.own));
			g_assert_cmpint(ice_agent_receive(f.agent, &from, buf, len), ==,
					ICE_RECEIVE_TAKEN);
			g_assert_cmpuint(f.n_sent, ==, 1);
			tear_down(&f);
			n++;
		}
	}
	g_assert_cmpuint(n, >, 5);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/agent/answers-from-the-start", test_answers_from_the_start);
	g_test_add_func("/agent/forgeries", test_forgeries);
	g_test_add_func("/agent/forged-answers", test_forged_answers);
	g_test_add_func("/agent/floods", test_floods);
	g_test_add_func("/agent/recorded", test_recorded);
	return g_test_run();
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/relay/relay.h"

#include "agent/relay/server.h"
#include "base/backoff.h"
#include "base/env.h"
#include "base/glib/source.h"
#include "ws/io.h"

#include <gio/gio.h>
#include <string.h>

#define HOMES_MAX       7                               /* tried at once (protocol.md 5.1) */
#define PEER_WAIT_US    (30 * (int64_t) G_USEC_PER_SEC) /* protocol.md 5.5 */
#define FOREIGN_IDLE_US (5 * (int64_t) G_USEC_PER_SEC)
#define TICK_US         (G_USEC_PER_SEC)

/* Quick at first: a relay that restarts is back within a second. */
static const struct weft_backoff_config redial_config = {
	.first_us = 150000, .cap_us = 30000000, .factor_pct = 180, .jitter_pct = 30
};

/* One server: the home, a candidate for it, or a foreign one. */
struct server {
	AgentRelay *relay;
	RelayLink *link;        /* NULL between attempts */
	char *url;              /* configured, or the instance URL of a foreign one */
	char *instance;         /* as the server says; NULL before */
	struct weft_address ip; /* hint */
	bool foreign, connected;
	struct weft_backoff backoff;
	int64_t retry_at_us;   /* 0: no attempt is due */
	int64_t idle_since_us; /* foreign ones without peers */
	char problem[128];
};

struct relayed {
	struct weft_key key;
	uint8_t id[RELAY_ID_LEN];
	char *url;
	struct server *server;
	enum agent_relay_state state;
	int64_t give_up_us;
};

struct agent_relay {
	struct agent_relay_config config;
	struct ssl_ctx_st *tls;
	char **urls;
	char *token_payload, *token_signature;
	GPtrArray *servers;  /* of struct server *, owned */
	struct server *home; /* connected, or the one that was last; NULL */
	GHashTable *by_key;  /* struct weft_key -> struct relayed *, owned */
	GHashTable *by_id;   /* id -> struct relayed * */
	GSource *tick;
	bool freeing;
};

static const char *const state_names[AGENT_RELAY_STATE_COUNT_] = { "opening", "open", "closed" };

const char *
agent_relay_state_name(enum agent_relay_state state)
{
	return state_names[state];
}

static guint
hash_key(gconstpointer p)
{
	return (guint) weft_key_hash(p);
}

static gboolean
equal_key(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct weft_key)) == 0;
}

static guint
hash_id(gconstpointer p)
{
	guint h;

	memcpy(&h, (const uint8_t *) p + 4, sizeof h); /* a digest already */
	return h;
}

static gboolean
equal_id(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, RELAY_ID_LEN) == 0;
}

static int64_t
now_us(const AgentRelay *r)
{
	return weft_env_now_us(r->config.env);
}

/* ---- peers ---- */

static void
relayed_free(void *p)
{
	struct relayed *peer = p;

	g_free(peer->url);
	g_free(peer);
}

static void
set_state(AgentRelay *r, struct relayed *peer, enum agent_relay_state state)
{
	struct weft_key key = peer->key;

	if (peer->state == state)
		return;
	peer->state = state;
	if (state == AGENT_RELAY_OPENING)
		peer->give_up_us = now_us(r) + PEER_WAIT_US;
	if (state == AGENT_RELAY_CLOSED) {
		if (peer->server != NULL && peer->server->link != NULL)
			(void) relay_link_subscribe(peer->server->link, peer->id, false);
		g_hash_table_remove(r->by_id, peer->id);
		g_hash_table_remove(r->by_key, &key);
	}
	if (!r->freeing)
		r->config.ops->peer(r->config.user, &key, state);
}

static void
subscribe(struct relayed *peer)
{
	if (peer->server != NULL && peer->server->connected)
		(void) relay_link_subscribe(peer->server->link, peer->id, true);
}

static void
on_packet(void *user, const uint8_t id[RELAY_ID_LEN], const uint8_t *buf, size_t len)
{
	struct server *s = user;
	AgentRelay *r = s->relay;
	struct relayed *peer = g_hash_table_lookup(r->by_id, id);

	if (peer == NULL)
		return; /* not one of ours: nothing is owed to strangers */
	/* Packets may come before the news that the peer is there (protocol.md 10.2). */
	if (peer->state == AGENT_RELAY_OPENING && peer->server == s)
		set_state(r, peer, AGENT_RELAY_OPEN);
	r->config.ops->packet(r->config.user, &peer->key, buf, len);
}

static void
on_presence(void *user, bool online, const uint8_t *ids, size_t n)
{
	struct server *s = user;
	AgentRelay *r = s->relay;

	for (size_t i = 0; i < n; i++) {
		struct relayed *peer = g_hash_table_lookup(r->by_id, ids + i * RELAY_ID_LEN);

		if (peer == NULL || peer->server != s)
			continue;
		if (online) {
			set_state(r, peer, AGENT_RELAY_OPEN);
		} else {
			/* It may be back in a moment: wait for it. After an offline notice the
			 * server tells nothing more unless asked again (protocol.md 10.7). */
			set_state(r, peer, AGENT_RELAY_OPENING);
			subscribe(peer);
		}
	}
}

/* ---- servers ---- */

static void
server_free(void *p)
{
	struct server *s = p;

	relay_link_free(s->link);
	g_free(s->url);
	g_free(s->instance);
	g_free(s);
}

static void on_ready(void *user, const char *instance);
static void on_lost(void *user, const char *why);

static const struct relay_link_ops link_ops = {
	.ready = on_ready,
	.packet = on_packet,
	.presence = on_presence,
	.lost = on_lost,
};

static void
dial(struct server *s)
{
	AgentRelay *r = s->relay;
	const struct relay_link_config config = {
		.context = r->config.context,
		.env = r->config.env,
		.ops = &link_ops,
		.user = s,
		.url = s->url,
		.ip = &s->ip,
		.own = r->config.own,
		.token_payload = r->token_payload,
		.token_signature = r->token_signature,
		.tls = r->tls,
		.fwmark = r->config.fwmark,
	};

	s->retry_at_us = 0;
	s->link = relay_link_new(&config);
}

static struct server *
add_server(AgentRelay *r, const char *url, bool foreign)
{
	struct server *s = g_new0(struct server, 1);

	s->relay = r;
	s->url = g_strdup(url);
	s->foreign = foreign;
	weft_backoff_init(&s->backoff, &redial_config);
	g_ptr_array_add(r->servers, s);
	dial(s);
	return s;
}

/* The server that peers with this instance URL are reached through, if there is one. */
static struct server *
find_server(const AgentRelay *r, const char *url)
{
	for (guint i = 0; i < r->servers->len; i++) {
		struct server *s = g_ptr_array_index(r->servers, i);

		if ((s->instance != NULL && strcmp(s->instance, url) == 0) ||
		    (s->foreign && strcmp(s->url, url) == 0))
			return s;
	}
	return NULL;
}

static void
tell_home(AgentRelay *r)
{
	struct server *h = r->home;
	struct weft_address ip;

	if (h == NULL || !h->connected) {
		r->config.ops->home(r->config.user, NULL, NULL);
		return;
	}
	ip = relay_link_address(h->link);
	r->config.ops->home(r->config.user, h->instance, &ip);
}

/* The first of those tried at once wins; the others are let go. */
static void
win(AgentRelay *r, struct server *s)
{
	r->home = s;
	for (guint i = r->servers->len; i-- > 0;) {
		struct server *other = g_ptr_array_index(r->servers, i);

		if (other != s && !other->foreign)
			g_ptr_array_remove_index(r->servers, i);
	}
}

static void
on_ready(void *user, const char *instance)
{
	struct server *s = user;
	AgentRelay *r = s->relay;
	GHashTableIter iter;
	gpointer value;

	s->connected = true;
	s->problem[0] = '\0';
	weft_backoff_reset(&s->backoff);
	g_free(s->instance);
	s->instance = g_strdup(instance);
	g_hash_table_iter_init(&iter, r->by_key);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct relayed *peer = value;

		if (peer->server == NULL && strcmp(peer->url, instance) == 0)
			peer->server = s;
		if (peer->server == s)
			subscribe(peer);
	}
	if (!s->foreign) {
		win(r, s);
		tell_home(r);
	}
}

/* Home lost for longer than a moment: all configured servers race again. */
static void
race_homes(AgentRelay *r)
{
	for (unsigned i = 0; r->urls != NULL && r->urls[i] != NULL && i < HOMES_MAX; i++) {
		bool there = false;

		for (guint j = 0; j < r->servers->len; j++) {
			const struct server *s = g_ptr_array_index(r->servers, j);

			there |= !s->foreign && strcmp(s->url, r->urls[i]) == 0;
		}
		if (!there)
			add_server(r, r->urls[i], false);
	}
}

static void
on_lost(void *user, const char *why)
{
	struct server *s = user;
	AgentRelay *r = s->relay;
	bool was_connected = s->connected;
	g_autoptr(GList) peers = g_hash_table_get_values(r->by_key);

	g_strlcpy(s->problem, why, sizeof s->problem);
	s->connected = false;
	relay_link_free(s->link);
	s->link = NULL;
	s->retry_at_us = now_us(r) + weft_backoff_next_us(&s->backoff, r->config.env);
	weft_source_arm_us(r->tick, MAX(s->retry_at_us - now_us(r), 1000));
	for (GList *l = peers; l != NULL; l = l->next) {
		struct relayed *peer = l->data;

		if (peer->server == s)
			set_state(r, peer, AGENT_RELAY_OPENING);
	}
	if (r->home == s && was_connected)
		tell_home(r);
	if (r->home == s && s->backoff.failures >= 3)
		race_homes(r);
}

/* ---- time ---- */

static bool
has_peers(const AgentRelay *r, const struct server *s)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, r->by_key);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (((struct relayed *) value)->server == s)
			return true;
	return false;
}

static void
expire_peers(AgentRelay *r, int64_t now)
{
	g_autoptr(GList) peers = g_hash_table_get_values(r->by_key);

	for (GList *l = peers; l != NULL; l = l->next) {
		struct relayed *peer = l->data;

		if (peer->state == AGENT_RELAY_OPENING && peer->give_up_us <= now)
			set_state(r, peer, AGENT_RELAY_CLOSED);
	}
}

static gboolean
on_tick(gpointer user)
{
	AgentRelay *r = user;
	int64_t now = now_us(r);
	int64_t next = now + TICK_US;

	expire_peers(r, now);
	for (guint i = r->servers->len; i-- > 0;) {
		struct server *s = g_ptr_array_index(r->servers, i);

		if (s->link == NULL && s->retry_at_us <= now)
			dial(s);
		if (s->link == NULL)
			next = MIN(next, s->retry_at_us);
		if (!s->foreign || has_peers(r, s)) {
			s->idle_since_us = now;
		} else if (now - s->idle_since_us > FOREIGN_IDLE_US) {
			g_ptr_array_remove_index(r->servers, i);
		}
	}
	weft_source_arm_us(r->tick, MAX(next - now, 1000));
	return G_SOURCE_CONTINUE;
}

/* ---- interface ---- */

AgentRelay *
agent_relay_new(const struct agent_relay_config *config, GError **error)
{
	AgentRelay *r = g_new0(AgentRelay, 1);

	r->config = *config;
	r->tls = weft_ws_tls_client_new(config->ca_file);
	if (r->tls == NULL) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
			    "certificates of %s cannot be read",
			    config->ca_file == NULL ? "the system" : config->ca_file);
		g_free(r);
		return NULL;
	}
	r->token_payload = g_strdup("");
	r->token_signature = g_strdup("");
	r->servers = g_ptr_array_new_with_free_func(server_free);
	r->by_key = g_hash_table_new_full(hash_key, equal_key, NULL, relayed_free);
	r->by_id = g_hash_table_new(hash_id, equal_id);
	r->tick = weft_source_timer(config->context, on_tick, r);
	weft_source_arm_us(r->tick, TICK_US);
	return r;
}

void
agent_relay_free(AgentRelay *r)
{
	if (r == NULL)
		return;
	r->freeing = true;
	weft_source_cancel(&r->tick);
	g_ptr_array_unref(r->servers);
	g_hash_table_unref(r->by_id);
	g_hash_table_unref(r->by_key);
	weft_ws_tls_free(r->tls);
	g_strfreev(r->urls);
	explicit_bzero(r->token_signature, strlen(r->token_signature));
	g_free(r->token_payload);
	g_free(r->token_signature);
	g_free(r);
}

static bool
same_urls(char **a, const char *const *b)
{
	guint i = 0;

	if (a == NULL)
		return b[0] == NULL;
	for (; a[i] != NULL && b[i] != NULL; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return a[i] == NULL && b[i] == NULL;
}

static void
drop_homes(AgentRelay *r)
{
	g_autoptr(GList) peers = g_hash_table_get_values(r->by_key);

	for (GList *l = peers; l != NULL; l = l->next) {
		struct relayed *peer = l->data;

		if (peer->server != NULL && !peer->server->foreign) {
			peer->server = NULL;
			set_state(r, peer, AGENT_RELAY_OPENING);
		}
	}
	r->home = NULL;
	for (guint i = r->servers->len; i-- > 0;)
		if (!((struct server *) g_ptr_array_index(r->servers, i))->foreign)
			g_ptr_array_remove_index(r->servers, i);
}

void
agent_relay_set_servers(AgentRelay *r,
			const char *const *urls,
			const char *token_payload,
			const char *token_signature)
{
	bool same = same_urls(r->urls, urls);

	g_free(r->token_payload);
	explicit_bzero(r->token_signature, strlen(r->token_signature));
	g_free(r->token_signature);
	r->token_payload = g_strdup(token_payload);
	r->token_signature = g_strdup(token_signature);
	if (same)
		return;
	g_strfreev(r->urls);
	r->urls = g_strdupv((char **) (uintptr_t) urls);
	if (r->home != NULL && r->home->connected &&
	    g_strv_contains((const char *const *) r->urls, r->home->url))
		return; /* the one we have is still among them */
	drop_homes(r);
	tell_home(r);
	race_homes(r);
}

const char *
agent_relay_home(const AgentRelay *r)
{
	return r->home != NULL && r->home->connected ? r->home->instance : NULL;
}

void
agent_relay_open_peer(AgentRelay *r,
		      const struct weft_key *key,
		      const char *url,
		      const struct weft_address *ip)
{
	struct relayed *peer = g_hash_table_lookup(r->by_key, key);
	struct server *s = find_server(r, url);

	if (peer != NULL && strcmp(peer->url, url) == 0 && peer->server != NULL)
		return;
	if (s == NULL) {
		s = add_server(r, url, true);
		s->idle_since_us = now_us(r);
		if (ip != NULL)
			s->ip = *ip;
	}
	if (peer == NULL) {
		peer = g_new0(struct relayed, 1);
		peer->key = *key;
		relay_link_id(peer->id, key);
		g_hash_table_insert(r->by_key, &peer->key, peer);
		g_hash_table_insert(r->by_id, peer->id, peer);
	} else if (peer->server != NULL && peer->server->connected) {
		(void) relay_link_subscribe(peer->server->link, peer->id, false);
	}
	g_free(peer->url);
	peer->url = g_strdup(url);
	peer->server = s;
	peer->state = AGENT_RELAY_OPENING;
	peer->give_up_us = now_us(r) + PEER_WAIT_US;
	subscribe(peer);
}

void
agent_relay_close_peer(AgentRelay *r, const struct weft_key *key)
{
	struct relayed *peer = g_hash_table_lookup(r->by_key, key);

	if (peer == NULL)
		return;
	if (peer->server != NULL && peer->server->connected)
		(void) relay_link_subscribe(peer->server->link, peer->id, false);
	g_hash_table_remove(r->by_id, peer->id);
	g_hash_table_remove(r->by_key, key);
}

enum agent_relay_state
agent_relay_peer_state(const AgentRelay *r, const struct weft_key *key)
{
	const struct relayed *peer = g_hash_table_lookup(r->by_key, key);

	return peer == NULL ? AGENT_RELAY_CLOSED : peer->state;
}

bool
agent_relay_send(AgentRelay *r, const struct weft_key *key, const uint8_t *buf, size_t len)
{
	struct relayed *peer = g_hash_table_lookup(r->by_key, key);

	return peer != NULL && peer->server != NULL && peer->server->connected &&
	       relay_link_send(peer->server->link, peer->id, buf, len);
}

void
agent_relay_network_changed(AgentRelay *r)
{
	for (guint i = 0; i < r->servers->len; i++) {
		struct server *s = g_ptr_array_index(r->servers, i);

		weft_backoff_reset(&s->backoff);
		if (s->link == NULL)
			dial(s);
	}
}

size_t
agent_relay_servers(const AgentRelay *r, struct agent_relay_info *out, size_t max)
{
	size_t n = 0;

	for (guint i = 0; i < r->servers->len && n < max; i++, n++) {
		const struct server *s = g_ptr_array_index(r->servers, i);
		GHashTableIter iter;
		gpointer value;

		out[n] = (struct agent_relay_info){ .home = s == r->home,
						    .connected = s->connected };
		g_strlcpy(out[n].url, s->instance != NULL ? s->instance : s->url,
			  sizeof out[n].url);
		g_strlcpy(out[n].problem, s->problem, sizeof out[n].problem);
		g_hash_table_iter_init(&iter, r->by_key);
		while (g_hash_table_iter_next(&iter, NULL, &value))
			out[n].peers += ((struct relayed *) value)->server == s;
	}
	return n;
}

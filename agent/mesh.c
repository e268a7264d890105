/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/mesh.h"

#include "agent/conf.h"
#include "agent/envelope.h"
#include "base/env.h"
#include "base/glib/log.h"
#include "base/glib/source.h"
#include "netlink/ifaddr.h"
#include "proto/management.pb-c.h"
#include "proto/signalexchange.pb-c.h"

#include <string.h>

#define SOON_US        20000  /* changes of the kernel are looked at together */
#define NETWORK_US     200000 /* an address comes with routes and more */
#define POLL_US        (15 * G_USEC_PER_SEC)
#define SAVE_US        G_USEC_PER_SEC /* a storm of updates costs one write per second */
#define EARLY_US       (10 * G_USEC_PER_SEC)
#define EARLY_MESSAGES 256
#define EARLY_BYTES    4096 /* an offer of a peer with Rosenpass comes again */
#define PROBLEMS_MAX   64

static void apply(AgentMesh *m);

static void
changed(AgentMesh *m)
{
	m->ops->changed(m->user);
}

/* --- Peers --- */

static guint
hash_key(gconstpointer p)
{
	return (guint) weft_key_hash(p);
}

static gboolean
equal_key(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, WEFT_KEY_LEN) == 0;
}

static void
on_peer_send(void *user, AgentPeer *peer, const Signalexchange__Body *body)
{
	AgentMesh *m = user;

	if (m->signal != NULL)
		agent_signal_send(m->signal, &peer->key, &peer->box, body);
}

static void
on_peer_apply(void *user, AgentPeer *peer)
{
	AgentMesh *m = user;
	g_autoptr(GError) error = NULL;
	bool moved = peer->endpoint.addr.family != WEFT_FAMILY_NONE && peer->exact;

	if (m->reconcile == NULL || !m->applied)
		return; /* the next reconciling says it all */
	if (!agent_reconcile_set_peer(m->reconcile, &peer->key, moved ? &peer->endpoint : NULL,
				      peer->keepalive_s, &error)) {
		weft_log_limited(WEFT_LOG_WARNING, NULL, "peer %s: %s", peer->fqdn, error->message);
		weft_source_arm_us(m->soon, SOON_US);
	}
}

static void
on_peer_changed(void *user, AgentPeer *peer)
{
	changed(user);
}

static const struct agent_peer_ops peer_ops = { .send = on_peer_send,
						.apply = on_peer_apply,
						.changed = on_peer_changed };

struct early_message {
	struct weft_key sender;
	int64_t at_us;
	size_t len;
	uint8_t body[];
};

static void
receive(AgentMesh *m, AgentPeer *peer, const uint8_t *body, size_t len)
{
	WeftArena *arena = weft_arena_new();
	const ProtobufCMessage *msg = agent_envelope_open(&signalexchange__body__descriptor, body,
							  len, &peer->box, arena);

	if (msg != NULL)
		agent_peer_receive(peer, (const Signalexchange__Body *) msg);
	else
		weft_log_limited(WEFT_LOG_INFO, NULL, "peer %s: a message cannot be opened",
				 peer->fqdn);
	weft_arena_free(arena);
	agent_sockets_rearm(m->sockets);
}

static void
replay(AgentMesh *m, AgentPeer *peer)
{
	GList *next;

	for (GList *l = m->early.head; l != NULL; l = next) {
		struct early_message *e = l->data;

		next = l->next;
		if (!weft_key_equal(&e->sender, &peer->key))
			continue;
		g_queue_delete_link(&m->early, l);
		if (weft_env_now_us(m->env) - e->at_us < EARLY_US)
			receive(m, peer, e->body, e->len);
		g_free(e);
	}
}

static AgentPeer *
add_peer(AgentMesh *m, const struct agent_map_peer *entry)
{
	const struct agent_peer_config config = {
		.env = m->env,
		.ice = m->ice,
		.relay = m->relay,
		.own_public = &m->state.public,
		.own_private = &m->state.private,
		.port = m->state.port,
		.ops = &peer_ops,
		.user = m,
	};
	AgentPeer *peer = agent_peer_new(&config, entry);

	if (peer != NULL)
		g_hash_table_insert(m->peers, &peer->key, peer);
	return peer;
}

/* WireGuard's peers of before: whoever talked to us lately goes on doing so. */
static void
adopt(AgentMesh *m)
{
	g_autoptr(WeftNlWgDevice) dev = agent_reconcile_dump(m->reconcile);

	for (size_t i = 0; dev != NULL && i < dev->n_peers; i++) {
		const struct weft_nl_wg_peer *p = &dev->peers[i];
		AgentPeer *peer = g_hash_table_lookup(m->peers, &p->public_key);

		if (peer == NULL || p->endpoint.addr.family == WEFT_FAMILY_NONE ||
		    peer->path != AGENT_PATH_NONE ||
		    weft_address_classify(&p->endpoint.addr) == WEFT_ADDRESS_LOOPBACK)
			continue;
		agent_peer_adopt(peer, &p->endpoint, p->keepalive_s);
		agent_peer_wireguard(peer, p->last_handshake_us, p->rx_bytes, p->tx_bytes);
	}
}

static void
update_peers(AgentMesh *m)
{
	const GPtrArray *entries = agent_map_peers(m->map);
	bool online = m->signal != NULL && agent_signal_state(m->signal) == AGENT_SIGNAL_CONNECTED;
	GHashTableIter it;
	gpointer value;

	g_hash_table_iter_init(&it, m->peers);
	while (g_hash_table_iter_next(&it, NULL, &value)) {
		AgentPeer *peer = value;

		if (agent_map_find(m->map, &peer->key) != NULL)
			continue;
		weft_log_notice("peer %s: gone from the network", peer->fqdn);
		g_hash_table_iter_remove(&it);
	}
	for (guint i = 0; i < entries->len; i++) {
		const struct agent_map_peer *entry = entries->pdata[i];
		AgentPeer *peer = g_hash_table_lookup(m->peers, &entry->key);

		if (peer != NULL) {
			g_free(peer->fqdn);
			peer->fqdn = g_strdup(entry->fqdn);
			continue;
		}
		peer = add_peer(m, entry);
		if (peer == NULL)
			continue;
		replay(m, peer);
		if (online)
			agent_peer_offer(peer);
	}
	agent_sockets_rearm(m->sockets);
}

/* --- Kernel --- */

static bool
desired_peer(void *user, const struct weft_key *key, struct agent_desired_peer *ret)
{
	AgentMesh *m = user;
	const AgentPeer *peer = g_hash_table_lookup(m->peers, key);

	if (peer == NULL)
		return false;
	ret->endpoint = peer->endpoint;
	ret->keepalive_s = peer->keepalive_s;
	return true;
}

static void
apply(AgentMesh *m)
{
	const struct agent_desired_config config = {
		.interface = m->interface,
		.private = m->state.private,
		.port = m->state.port,
		.fwmark = (uint32_t) weft_conf_int(m->conf, AGENT_CONF_FWMARK),
		.ipv6 = weft_conf_bool(m->conf, AGENT_CONF_IPV6),
		.peer = desired_peer,
		.user = m,
	};

	if (m->map == NULL || m->reconcile == NULL)
		return;
	g_ptr_array_set_size(m->problems, 0);
	m->applied = agent_reconcile_apply(m->reconcile, m->map, &config, m->problems);
	for (guint i = 0; i < m->problems->len; i++)
		weft_log_limited(WEFT_LOG_WARNING, NULL, "%s", (char *) m->problems->pdata[i]);
	if (!m->applied)
		weft_source_arm_us(m->soon, G_USEC_PER_SEC);
}

static gboolean
on_soon(gpointer user)
{
	apply(user);
	changed(user);
	return G_SOURCE_CONTINUE;
}

static void
set_hosts(AgentMesh *m)
{
	g_autoptr(GArray) list = agent_reconcile_hosts(m->reconcile);
	struct weft_address hosts[ICE_HOSTS_MAX];
	size_t n = 0;

	for (guint i = 0; list != NULL && i < list->len && n < ICE_HOSTS_MAX; i++)
		hosts[n++] = g_array_index(list, struct weft_nl_addr, i).prefix.addr;
	if (list != NULL)
		ice_agent_set_hosts(m->ice, hosts, n);
}

static gboolean
on_network(gpointer user)
{
	AgentMesh *m = user;
	GHashTableIter it;
	gpointer value;

	agent_sockets_flush(m->sockets);
	set_hosts(m);
	ice_agent_network_changed(m->ice);
	if (m->mgmt != NULL)
		agent_mgmt_retry_now(m->mgmt);
	if (m->signal != NULL)
		agent_signal_retry_now(m->signal);
	if (m->relay != NULL)
		agent_relay_network_changed(m->relay);
	g_hash_table_iter_init(&it, m->peers);
	while (g_hash_table_iter_next(&it, NULL, &value))
		if (agent_path_wants_ice(((AgentPeer *) value)->path))
			agent_peer_offer(value);
	agent_sockets_rearm(m->sockets);
	return G_SOURCE_CONTINUE;
}

static void
on_ours_changed(void *user)
{
	AgentMesh *m = user;

	weft_source_arm_us(m->soon, SOON_US);
}

static void
on_network_changed(void *user)
{
	AgentMesh *m = user;

	weft_source_arm_us(m->network, NETWORK_US);
}

void
agent_mesh_poll(AgentMesh *m)
{
	g_autoptr(WeftNlWgDevice) dev = NULL;

	if (m->reconcile == NULL)
		return;
	dev = agent_reconcile_dump(m->reconcile);
	for (size_t i = 0; dev != NULL && i < dev->n_peers; i++) {
		const struct weft_nl_wg_peer *p = &dev->peers[i];
		AgentPeer *peer = g_hash_table_lookup(m->peers, &p->public_key);

		if (peer != NULL)
			agent_peer_wireguard(peer, p->last_handshake_us, p->rx_bytes, p->tx_bytes);
	}
}

static gboolean
on_poll(gpointer user)
{
	agent_mesh_poll(user);
	return G_SOURCE_CONTINUE;
}

/* --- ICE --- */

static void
on_ice_send(void *user, const struct ice_path *to, const uint8_t *buf, size_t len)
{
	AgentMesh *m = user;

	agent_sockets_send(m->sockets, to, buf, len);
}

static void
on_ice_candidate(void *user, IceSession *session, const char *line, size_t len)
{
	agent_peer_candidate(ice_session_user(session), line);
}

static void
on_ice_event(void *user, IceSession *session, const struct ice_event *event)
{
	agent_peer_ice_event(ice_session_user(session), event);
}

static const struct ice_ops ice_ops = { .send = on_ice_send,
					.candidate = on_ice_candidate,
					.event = on_ice_event };

static void
on_resolved(void *user, const struct weft_endpoint *endpoints, size_t n)
{
	AgentMesh *m = user;

	ice_agent_set_stun_servers(m->ice, endpoints, MIN(n, (size_t) ICE_STUN_SERVERS_MAX));
	agent_sockets_rearm(m->sockets);
}

/* --- Signal and relay --- */

static void
on_signal_message(void *user, const struct weft_key *sender, const uint8_t *body, size_t len)
{
	AgentMesh *m = user;
	AgentPeer *peer = g_hash_table_lookup(m->peers, sender);
	struct early_message *e;

	if (peer != NULL) {
		receive(m, peer, body, len);
		return;
	}
	/* The map that names the sender may be on its way. */
	if (len > EARLY_BYTES)
		return;
	if (m->early.length >= EARLY_MESSAGES)
		g_free(g_queue_pop_head(&m->early));
	e = g_malloc(sizeof *e + len);
	e->sender = *sender;
	e->at_us = weft_env_now_us(m->env);
	e->len = len;
	memcpy(e->body, body, len);
	g_queue_push_tail(&m->early, e);
}

static void
on_signal_state(void *user, enum agent_signal_state state, const char *reason)
{
	AgentMesh *m = user;
	GHashTableIter it;
	gpointer value;

	if (state == AGENT_SIGNAL_CONNECTED) {
		weft_log_info("signal: connected");
		g_hash_table_iter_init(&it, m->peers);
		while (g_hash_table_iter_next(&it, NULL, &value))
			if (agent_path_wants_ice(((AgentPeer *) value)->path))
				agent_peer_offer(value);
		agent_sockets_rearm(m->sockets);
	}
	changed(m);
}

static const struct agent_signal_ops signal_ops = { .message = on_signal_message,
						    .state = on_signal_state };

static void
set_signal(AgentMesh *m, const char *url)
{
	g_autoptr(GError) error = NULL;
	const struct agent_signal_config config = {
		.runtime = m->runtime,
		.env = m->env,
		.private = m->state.private,
		.public = m->state.public,
		.url = url,
		.ca_file = weft_conf_string(m->conf, AGENT_CONF_CA_FILE),
		.ops = &signal_ops,
		.user = m,
	};

	if (m->signal != NULL && g_strcmp0(m->signal_url, url) == 0)
		return;
	agent_signal_free(m->signal);
	g_free(m->signal_url);
	m->signal_url = g_strdup(url);
	m->signal = agent_signal_new(&config, &error);
	if (m->signal == NULL)
		weft_log_warning("signal: %s", error != NULL ? error->message : "no key");
}

static void
on_relay_home(void *user, const char *url, const struct weft_address *ip)
{
	AgentMesh *m = user;
	GHashTableIter it;
	gpointer value;

	g_hash_table_iter_init(&it, m->peers);
	while (url != NULL && g_hash_table_iter_next(&it, NULL, &value)) {
		agent_peer_relay_home(value);
		if (!agent_path_has_relay(((AgentPeer *) value)->path) && m->signal != NULL &&
		    agent_signal_state(m->signal) == AGENT_SIGNAL_CONNECTED)
			agent_peer_offer(value); /* it is to know our relay */
	}
	changed(m);
}

static void
on_relay_peer(void *user, const struct weft_key *key, enum agent_relay_state state)
{
	AgentMesh *m = user;
	AgentPeer *peer = g_hash_table_lookup(m->peers, key);

	if (peer != NULL)
		agent_peer_relay_state(peer, state);
}

static void
on_relay_packet(void *user, const struct weft_key *key, const uint8_t *buf, size_t len)
{
	AgentMesh *m = user;
	AgentPeer *peer = g_hash_table_lookup(m->peers, key);

	if (peer != NULL)
		agent_peer_relay_packet(peer, buf, len);
}

static const struct agent_relay_ops relay_ops = { .home = on_relay_home,
						  .peer = on_relay_peer,
						  .packet = on_relay_packet };

/* --- Management --- */

/* What the server tells of the others (protocol.md 2.5: absent is unchanged). */
static void
take_config(AgentMesh *m, const Management__NetbirdConfig *config, bool login)
{
	if (config == NULL)
		return;
	if (config->n_stuns > 0) {
		GPtrArray *uris = g_ptr_array_new();

		for (size_t i = 0; i < config->n_stuns && i < ICE_STUN_SERVERS_MAX; i++)
			g_ptr_array_add(uris, g_strdup(config->stuns[i]->uri));
		g_ptr_array_add(uris, NULL);
		g_strfreev(m->stuns);
		m->stuns = (char **) g_ptr_array_free(uris, FALSE);
		agent_resolve_start(m->resolve, (const char *const *) m->stuns);
	}
	if (config->signal != NULL && (login || m->signal == NULL)) {
		bool tls = config->signal->protocol == MANAGEMENT__HOST_CONFIG__PROTOCOL__HTTPS;
		g_autofree char *url =
			g_strdup_printf("%s://%s", tls ? "https" : "http", config->signal->uri);

		set_signal(m, url);
	}
	if (m->relay != NULL) {
		const Management__RelayConfig *relay = config->relay;
		g_autoptr(GPtrArray) urls = g_ptr_array_new();

		for (size_t i = 0; relay != NULL && i < relay->n_urls; i++)
			g_ptr_array_add(urls, relay->urls[i]);
		g_ptr_array_add(urls, NULL);
		agent_relay_set_servers(m->relay, (const char *const *) urls->pdata,
					relay != NULL ? relay->tokenpayload : "",
					relay != NULL ? relay->tokensignature : "");
	}
}

static void
set_map(AgentMesh *m, AgentMap *map, bool partial)
{
	const struct agent_map_self *self = agent_map_self(map);
	struct weft_prefix overlay[2];
	size_t n = 0;

	agent_map_unref(m->map);
	m->map = map;
	m->partial = partial;
	if (self->address.addr.family != WEFT_FAMILY_NONE)
		overlay[n++] = weft_prefix_mask(&self->address);
	if (self->address6.addr.family != WEFT_FAMILY_NONE)
		overlay[n++] = weft_prefix_mask(&self->address6);
	ice_agent_set_overlay(m->ice, overlay, n);
	update_peers(m);
	apply(m);
	changed(m);
}

static void
on_mgmt_login(void *user, const Management__LoginResponse *msg)
{
	AgentMesh *m = user;
	AgentMap *map;

	if (!m->state.enrolled) {
		g_autoptr(GError) error = NULL;

		m->state.enrolled = true;
		if (!agent_state_save(&m->state, &error))
			weft_log_warning("state: %s", error->message);
	}
	take_config(m, msg->netbirdconfig, true);
	/* The link can be there before the first map comes; a tunnel that is there stays as it is.
	 */
	if (m->map == NULL && msg->peerconfig != NULL) {
		g_autoptr(WeftNlWgDevice) dev = agent_reconcile_dump(m->reconcile);

		map = dev == NULL || dev->n_peers == 0
			      ? agent_map_from_peer_config(msg->peerconfig, NULL)
			      : NULL;
		if (map != NULL)
			set_map(m, map, true);
	}
}

static gboolean
on_save(gpointer user)
{
	AgentMesh *m = user;
	g_autoptr(GByteArray) packed = NULL;
	g_autoptr(GError) error = NULL;

	if (m->map == NULL || m->partial || m->cached)
		return G_SOURCE_CONTINUE;
	packed = agent_map_pack(m->map);
	if (!agent_state_save_map(&m->state, packed->data, packed->len, &error))
		weft_log_limited(WEFT_LOG_WARNING, NULL, "map cache: %s", error->message);
	return G_SOURCE_CONTINUE;
}

static void
tell_problems(const GPtrArray *problems)
{
	for (guint i = 0; i < problems->len; i++)
		weft_log_limited(WEFT_LOG_WARNING, NULL, "network map: %s",
				 (char *) problems->pdata[i]);
}

static bool
on_mgmt_sync(void *user, const Management__SyncResponse *msg)
{
	AgentMesh *m = user;
	g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
	AgentMap *map = NULL;

	take_config(m, msg->netbirdconfig, false);
	if (msg->weftdelta != NULL) {
		AgentMap *old = m->partial ? NULL : m->map;

		if (!msg->weftdelta->resync && !m->confirmed)
			old = NULL;
		if (agent_map_from_delta(&map, old != NULL ? old : NULL, msg->weftdelta,
					 &m->state.public, problems) != AGENT_MAP_OK) {
			weft_log_info("management: an update does not fit; asking for the map");
			return false;
		}
	} else if (msg->networkmap != NULL && msg->version == 0) {
		if (m->confirmed && msg->networkmap->serial < agent_map_serial(m->map))
			return true;
		map = agent_map_from_network_map(m->map, msg->networkmap, &m->state.public,
						 problems);
	}
	tell_problems(problems);
	if (map == NULL)
		return true;
	m->confirmed = true;
	m->cached = false;
	set_map(m, map, false);
	weft_source_arm_us(m->save, SAVE_US);
	return true;
}

static void
on_mgmt_state(void *user, enum agent_mgmt_state state, const char *reason)
{
	AgentMesh *m = user;

	if (state == AGENT_MGMT_CONNECTED)
		weft_log_info("management: connected, map %" G_GUINT64_FORMAT,
			      m->map != NULL ? agent_map_serial(m->map) : 0);
	if (state != AGENT_MGMT_CONNECTED)
		m->confirmed = false;
	if (state == AGENT_MGMT_NEEDS_LOGIN) {
		/* We were removed: nobody is to be reached through us any more. */
		g_autoptr(GError) error = NULL;

		m->state.enrolled = false;
		(void) agent_state_save(&m->state, NULL); /* the server says it again */
		agent_state_forget_map(&m->state);
		g_hash_table_remove_all(m->peers);
		g_clear_pointer(&m->map, agent_map_unref);
		if (!agent_reconcile_down(m->reconcile, &error))
			weft_log_warning("%s", error->message);
		m->applied = false;
	}
	changed(m);
}

static const struct agent_mgmt_ops mgmt_ops = { .login = on_mgmt_login,
						.sync = on_mgmt_sync,
						.state = on_mgmt_state };

/* --- Up and down --- */

static void
load_cache(AgentMesh *m)
{
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	g_autofree uint8_t *data = agent_state_load_map(&m->state, &len, &error);
	Management__NetworkMap *msg =
		data != NULL ? management__network_map__unpack(NULL, len, data) : NULL;
	AgentMap *map;

	if (error != NULL)
		weft_log_warning("map cache: %s", error->message);
	if (msg == NULL)
		return;
	map = agent_map_from_network_map(NULL, msg, &m->state.public, NULL);
	management__network_map__free_unpacked(msg, NULL);
	if (agent_map_self(map)->address.addr.family == WEFT_FAMILY_NONE) {
		agent_map_unref(map);
		return;
	}
	m->cached = true;
	m->map = map;
	update_peers(m);
	adopt(m);
	set_map(m, agent_map_ref(map), false);
}

static bool
choose_port(AgentMesh *m, GError **error)
{
	g_autoptr(WeftNlWgDevice) dev = agent_reconcile_dump(m->reconcile);
	uint16_t first = m->state.port != 0
				 ? m->state.port
				 : (uint16_t) weft_conf_int(m->conf, AGENT_CONF_LISTEN_PORT);

	if (dev != NULL && dev->listen_port != 0 &&
	    weft_key_equal(&dev->private_key, &m->state.private)) {
		m->state.port = dev->listen_port;
		return true;
	}
	m->state.port = agent_sockets_free_port(first);
	if (m->state.port != 0)
		return true;
	g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_AGAIN, "no UDP port from %u on is free",
		    first);
	return false;
}

static void
stop(AgentMesh *m)
{
	weft_source_disarm(m->soon);
	weft_source_disarm(m->network);
	weft_source_cancel(&m->poll);
	agent_mgmt_free(g_steal_pointer(&m->mgmt));
	agent_signal_free(g_steal_pointer(&m->signal));
	g_clear_pointer(&m->signal_url, g_free);
	g_hash_table_remove_all(m->peers);
	agent_relay_free(g_steal_pointer(&m->relay));
	agent_resolve_free(g_steal_pointer(&m->resolve));
	if (m->sockets != NULL)
		agent_sockets_free(g_steal_pointer(&m->sockets));
	ice_agent_free(g_steal_pointer(&m->ice));
	g_clear_pointer(&m->map, agent_map_unref);
	agent_reconcile_free(g_steal_pointer(&m->reconcile));
	m->confirmed = m->cached = m->partial = m->applied = false;
	g_queue_clear_full(&m->early, g_free);
}

static bool
open_kernel(AgentMesh *m, GError **error)
{
	static const struct agent_reconcile_ops ops = { .ours_changed = on_ours_changed,
							.network_changed = on_network_changed };
	const bool ipv6 = weft_conf_bool(m->conf, AGENT_CONF_IPV6);
	const struct agent_reconcile_config config = {
		.env = m->env,
		.interface = m->interface,
		.table = weft_conf_string(m->conf, AGENT_CONF_TABLE),
		.wireguard_go = weft_conf_string(m->conf, AGENT_CONF_WIREGUARD_GO),
		.firewall = weft_conf_bool(m->conf, AGENT_CONF_FIREWALL),
		.ipv6 = ipv6,
		.ops = &ops,
		.user = m,
	};
	struct ice_agent_config ice = {
		.env = m->env, .ops = &ice_ops, .user = m, .no_ipv6 = !ipv6
	};

	m->reconcile = agent_reconcile_new(&config, error);
	if (m->reconcile == NULL || !choose_port(m, error))
		return false;
	m->sockets = agent_sockets_open(
		m->state.port, (uint32_t) weft_conf_int(m->conf, AGENT_CONF_FWMARK), ipv6, error);
	if (m->sockets == NULL)
		return false;
	ice.port = m->state.port;
	m->ice = ice_agent_new(&ice);
	agent_sockets_attach(m->sockets, m->ice);
	m->resolve = agent_resolve_new(on_resolved, m);
	set_hosts(m);
	return true;
}

static bool
start(AgentMesh *m, const char *setup_key, GError **error)
{
	const struct agent_relay_config relay = {
		.env = m->env,
		.ops = &relay_ops,
		.user = m,
		.own = m->state.public,
		.ca_file = weft_conf_string(m->conf, AGENT_CONF_CA_FILE),
	};
	struct agent_mgmt_config config = {
		.runtime = m->runtime,
		.env = m->env,
		.private = m->state.private,
		.public = m->state.public,
		.url = m->state.management_url,
		.hostname = m->state.hostname,
		.ca_file = weft_conf_string(m->conf, AGENT_CONF_CA_FILE),
		.ipv6 = weft_conf_bool(m->conf, AGENT_CONF_IPV6),
		.ops = &mgmt_ops,
		.user = m,
	};

	g_free(m->interface);
	m->interface = g_strdup(
		m->state.interface != NULL ? m->state.interface : weft_conf_string(m->conf, AGENT_CONF_INTERFACE));
	if (!open_kernel(m, error)) {
		stop(m);
		return false;
	}
	m->relay = agent_relay_new(&relay, error);
	if (m->relay == NULL) {
		stop(m);
		return false;
	}
	load_cache(m);
	m->mgmt = agent_mgmt_new(&config, setup_key, error);
	weft_key_wipe(&config.private);
	if (m->mgmt == NULL) {
		stop(m);
		return false;
	}
	m->poll = weft_source_timeout_us(NULL, POLL_US, on_poll, m);
	return true;
}

static void
replace_text(char **text, const char *with, bool *differs)
{
	if (with == NULL || with[0] == '\0' || g_strcmp0(*text, with) == 0)
		return;
	g_free(*text);
	*text = g_strdup(with);
	*differs = true;
}

bool
agent_mesh_up(AgentMesh *m, const struct agent_mesh_up *up, GError **error)
{
	bool differs = false;
	bool tls;
	g_autofree char *target = up->management_url != NULL && up->management_url[0] != '\0'
					  ? agent_url_target(up->management_url, &tls)
					  : NULL;
	const char *key = up->setup_key != NULL && up->setup_key[0] != '\0' ? up->setup_key : NULL;

	if (up->management_url != NULL && up->management_url[0] != '\0' && target == NULL) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "'%s' is no URL of a management server", up->management_url);
		return false;
	}
	replace_text(&m->state.management_url, up->management_url, &differs);
	replace_text(&m->state.hostname, up->hostname, &differs);
	if (m->state.management_url == NULL) {
		g_set_error_literal(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
				    "no server is known; say --management-url URL");
		return false;
	}
	if (up->interface != NULL && up->interface[0] != '\0' &&
	    g_strcmp0(up->interface, m->interface) != 0) {
		if (m->reconcile != NULL)
			(void) agent_reconcile_down(m->reconcile, NULL); /* the old name */
		replace_text(&m->state.interface, up->interface, &differs);
	}
	if (up->port != 0 && up->port != m->state.port) {
		m->state.port = up->port;
		differs = true;
	}
	m->state.up = true;
	if (differs && m->mgmt != NULL)
		stop(m);
	if (m->mgmt == NULL) {
		if (!start(m, key, error))
			return false;
	} else if (key != NULL || agent_mgmt_state(m->mgmt) == AGENT_MGMT_NEEDS_LOGIN) {
		agent_mgmt_login(m->mgmt, key);
	}
	return agent_state_save(&m->state, error);
}

bool
agent_mesh_down(AgentMesh *m, GError **error)
{
	bool ok = true;

	m->state.up = false;
	if (m->reconcile != NULL)
		ok = agent_reconcile_down(m->reconcile, error);
	stop(m);
	changed(m);
	return agent_state_save(&m->state, ok ? error : NULL) && ok;
}

struct leaving {
	AgentMesh *mesh;
	void (*done)(void *user, const char *error);
	void *user;
};

static void
on_logout(void *user, const char *error)
{
	struct leaving *l = user;
	AgentMesh *m = l->mesh;

	m->state.enrolled = false;
	agent_state_forget_map(&m->state);
	(void) agent_mesh_down(m, NULL); /* saves the state as well; both are tried */
	l->done(l->user, error);
	g_free(l);
}

void
agent_mesh_logout(AgentMesh *m, void (*done)(void *user, const char *error), void *user)
{
	struct leaving *l = g_new0(struct leaving, 1);

	l->mesh = m;
	l->done = done;
	l->user = user;
	if (m->mgmt != NULL)
		agent_mgmt_logout(m->mgmt, on_logout, l);
	else
		on_logout(l, "the server was not asked: weftd is down");
}

enum agent_mesh_state
agent_mesh_state(const AgentMesh *m)
{
	if (m->mgmt == NULL)
		return AGENT_MESH_DOWN;
	if (agent_mgmt_state(m->mgmt) == AGENT_MGMT_NEEDS_LOGIN)
		return AGENT_MESH_NEEDS_LOGIN;
	return agent_mesh_reason(m)[0] == '\0' ? AGENT_MESH_UP : AGENT_MESH_CONNECTING;
}

const char *
agent_mesh_state_name(enum agent_mesh_state state)
{
	static const char *const names[AGENT_MESH_STATE_COUNT_] = {
		[AGENT_MESH_DOWN] = "down",
		[AGENT_MESH_CONNECTING] = "connecting",
		[AGENT_MESH_NEEDS_LOGIN] = "needs-login",
		[AGENT_MESH_UP] = "up",
	};

	return names[state];
}

const char *
agent_mesh_reason(const AgentMesh *m)
{
	if (m->mgmt == NULL)
		return "weft up was not said";
	if (agent_mgmt_state(m->mgmt) != AGENT_MGMT_CONNECTED)
		return agent_mgmt_reason(m->mgmt)[0] != '\0' ? agent_mgmt_reason(m->mgmt)
							     : "the management server is being "
							       "asked";
	if (m->signal == NULL)
		return "the server names no signal server";
	if (agent_signal_state(m->signal) != AGENT_SIGNAL_CONNECTED)
		return agent_signal_reason(m->signal)[0] != '\0' ? agent_signal_reason(m->signal)
								 : "the signal server is being "
								   "asked";
	if (!m->applied)
		return m->problems->len > 0 ? m->problems->pdata[0] : "the link is being made";
	return "";
}

AgentMesh *
agent_mesh_new(const WeftConf *conf,
	       WeftRpcRuntime *runtime,
	       const struct agent_mesh_ops *ops,
	       void *user,
	       GError **error)
{
	AgentMesh *m = g_new0(AgentMesh, 1);
	g_autoptr(GError) e = NULL;

	m->env = weft_env_system();
	m->conf = conf;
	m->runtime = runtime;
	m->ops = ops;
	m->user = user;
	m->peers =
		g_hash_table_new_full(hash_key, equal_key, NULL, (GDestroyNotify) agent_peer_free);
	m->problems = g_ptr_array_new_with_free_func(g_free);
	g_queue_init(&m->early);
	m->soon = weft_source_timer(NULL, on_soon, m);
	m->network = weft_source_timer(NULL, on_network, m);
	m->save = weft_source_timer(NULL, on_save, m);
	if (!agent_state_load(&m->state, weft_conf_string(conf, WEFT_MAIN_CONF_STATE_DIR), m->env,
			      error)) {
		agent_mesh_free(m);
		return NULL;
	}
	if (m->state.up && m->state.management_url != NULL && !start(m, NULL, &e))
		weft_log_error("cannot start: %s", e->message);
	return m;
}

void
agent_mesh_free(AgentMesh *m)
{
	if (m == NULL)
		return;
	if (m->save != NULL)
		(void) on_save(m);
	stop(m);
	weft_source_cancel(&m->soon);
	weft_source_cancel(&m->network);
	weft_source_cancel(&m->save);
	g_hash_table_unref(m->peers);
	g_ptr_array_unref(m->problems);
	g_strfreev(m->stuns);
	g_free(m->interface);
	agent_state_clear(&m->state);
	g_free(m);
}

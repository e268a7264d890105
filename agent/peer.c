/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/peer.h"

#include "base/env.h"
#include "base/glib/log.h"
#include "base/glib/source.h"
#include "proto/signalexchange.pb-c.h"

#include <string.h>

#define NETBIRD_VERSION "0.77.0"
#define KEEPALIVE_S     25
#define SETTLE_US       250000                /* notes on official clients: see agent_peer_apply */
#define EARLY_US        (10 * G_USEC_PER_SEC) /* a candidate may come before its offer */
#define DEAD_US         (60 * G_USEC_PER_SEC) /* two keepalives did not come */
#define DEAD_RELAY_US   (10 * G_USEC_PER_SEC) /* with another way at hand */
#define HANDSHAKE_US    (180 * G_USEC_PER_SEC)

static const struct weft_backoff_config offers = {
	.first_us = 1000000, .cap_us = 40000000, .factor_pct = 200, .jitter_pct = 20
};

/* --- Signalling --- */

static void
new_session(AgentPeer *p)
{
	weft_env_random(p->config.env, p->session, sizeof p->session);
	p->has_remote = p->has_remote_session = false;
}

static void
send_description(AgentPeer *p, Signalexchange__Body__Type type)
{
	Signalexchange__Body body = SIGNALEXCHANGE__BODY__INIT;
	Signalexchange__RosenpassConfig rosenpass = SIGNALEXCHANGE__ROSENPASS_CONFIG__INIT;
	char payload[ICE_CREDENTIALS_TEXT_SIZE];
	const char *relay = p->config.relay != NULL ? agent_relay_home(p->config.relay) : NULL;

	ice_credentials_format(&p->own, payload);
	body.type = type;
	body.payload = payload;
	body.wglistenport = p->config.port;
	body.netbirdversion = (char *) (uintptr_t) NETBIRD_VERSION;
	body.rosenpassconfig = &rosenpass;
	body.optional_session_id_case = SIGNALEXCHANGE__BODY__OPTIONAL_SESSION_ID_SESSION_ID;
	body.sessionid = (ProtobufCBinaryData){ sizeof p->session, p->session };
	body.weftfeatures = SIGNALEXCHANGE__WEFT_FEATURE__WEFT_FEATURE_SLOW_CONSENT;
	if (relay != NULL) {
		body.optional_relay_server_address_case =
			SIGNALEXCHANGE__BODY__OPTIONAL_RELAY_SERVER_ADDRESS_RELAY_SERVER_ADDRESS;
		body.relayserveraddress = (char *) (uintptr_t) relay;
	}
	p->offers_out++;
	p->config.ops->send(p->config.user, p, &body);
}

void
agent_peer_candidate(AgentPeer *p, const char *line)
{
	Signalexchange__Body body = SIGNALEXCHANGE__BODY__INIT;

	body.type = SIGNALEXCHANGE__BODY__TYPE__CANDIDATE;
	body.payload = (char *) (uintptr_t) line;
	p->candidates_out++;
	p->config.ops->send(p->config.user, p, &body);
}

static void
make_offer(AgentPeer *p)
{
	if (p->failed && p->ice != NULL) {
		p->failed = false;
		new_session(p);
		(void) ice_session_restart(p->ice, NULL); /* own credentials are kept */
	}
	/* Candidates follow when the peer has answered: it may not be there yet, and what is sent
	 * to someone absent is lost. */
	send_description(p, SIGNALEXCHANGE__BODY__TYPE__OFFER);
	if (p->ice != NULL && p->has_remote)
		ice_session_gather(p->ice);
}

static gboolean
on_guard(gpointer user)
{
	AgentPeer *p = user;

	if (!agent_path_wants_ice(p->path))
		return G_SOURCE_CONTINUE;
	make_offer(p);
	weft_source_arm_us(p->guard, weft_backoff_next_us(&p->pause, p->config.env));
	return G_SOURCE_CONTINUE;
}

void
agent_peer_offer(AgentPeer *p)
{
	weft_backoff_reset(&p->pause);
	make_offer(p);
	weft_source_arm_us(p->guard, weft_backoff_next_us(&p->pause, p->config.env));
}

/* --- The path --- */

static void
tell_wireguard(AgentPeer *p, const struct weft_endpoint *endpoint)
{
	bool moved = endpoint != NULL && !weft_endpoint_equal(&p->endpoint, endpoint);

	if (endpoint != NULL) {
		p->endpoint = *endpoint;
		p->exact = moved;
	}
	/* The controlling side begins the handshake: setting the keepalive makes WireGuard send.
	 * The other one follows a little later, so that two first messages do not cross, and does
	 * so in any case: an official peer's may get lost (two of them are one too many). */
	if (p->controlling || p->keepalive_s != 0)
		p->keepalive_s = KEEPALIVE_S;
	else
		weft_source_arm_us(p->settle, SETTLE_US);
	p->config.ops->apply(p->config.user, p);
	p->exact = false;
}

static gboolean
on_settle(gpointer user)
{
	AgentPeer *p = user;

	p->keepalive_s = KEEPALIVE_S;
	p->config.ops->apply(p->config.user, p);
	return G_SOURCE_CONTINUE;
}

static void
step(AgentPeer *p, enum agent_path_event event)
{
	enum agent_path old = p->path;
	enum agent_path_kind kind;

	p->path = agent_path_next(old, event);
	kind = agent_path_kind(p->path);
	if (kind != agent_path_kind(old)) {
		p->since_us = weft_env_wall_us(p->config.env);
		weft_log_with(WEFT_LOG_NOTICE,
			      WEFT_FIELDS({ WEFT_LOG_PEER, p->fqdn },
					  { WEFT_LOG_PATH, agent_path_kind_name(kind) }),
			      "peer %s: %s", p->fqdn, agent_path_kind_name(kind));
	}
	if (kind == AGENT_PATH_KIND_DIRECT && event == AGENT_PATH_PAIR) {
		tell_wireguard(p, &p->pair.path.remote);
	} else if (kind == AGENT_PATH_KIND_RELAYED && p->proxy != NULL &&
		   agent_path_kind(old) != kind) {
		struct weft_endpoint e = agent_proxy_endpoint(p->proxy);

		tell_wireguard(p, &e);
	}
	if (p->path != old)
		p->config.ops->changed(p->config.user, p);
}

void
agent_peer_ice_event(AgentPeer *p, const struct ice_event *event)
{
	switch (event->type) {
	case ICE_EVENT_USABLE:
	case ICE_EVENT_SELECTED:
		if (event->pair.path.relay != 0)
			return; /* this host makes no allocations */
		p->pair = event->pair;
		p->has_pair = true;
		p->failed = false;
		weft_source_disarm(p->guard);
		weft_backoff_reset(&p->pause);
		step(p, AGENT_PATH_PAIR);
		break;
	case ICE_EVENT_DISCONNECTED:
	case ICE_EVENT_FAILED:
		p->failed = true;
		p->has_pair = false;
		step(p, AGENT_PATH_ICE_LOST);
		if (event->type == ICE_EVENT_DISCONNECTED)
			weft_backoff_reset(&p->pause);
		weft_source_arm_us(p->guard,
				   event->type == ICE_EVENT_DISCONNECTED
					   ? 0
					   : weft_backoff_next_us(&p->pause, p->config.env));
		break;
	case ICE_EVENT_TYPE_COUNT_:
		break;
	}
	p->config.ops->changed(p->config.user, p);
}

/* --- The relay --- */

/* The controlling side's home is the meeting place (protocol.md 5.6). */
void
agent_peer_relay_home(AgentPeer *p)
{
	const char *own;

	if (p->config.relay == NULL || p->relay_url == NULL || p->relay_url[0] == '\0')
		return;
	own = agent_relay_home(p->config.relay);
	if (own == NULL)
		return;
	agent_relay_open_peer(p->config.relay, &p->key, p->controlling ? own : p->relay_url,
			      p->controlling ? NULL : &p->relay_ip);
}

static void
on_proxy_packet(void *user, const uint8_t *buf, size_t len)
{
	AgentPeer *p = user;

	if (p->config.relay != NULL)
		(void) agent_relay_send(p->config.relay, &p->key, buf,
					len); /* lost if it is full */
}

void
agent_peer_relay_state(AgentPeer *p, enum agent_relay_state state)
{
	g_autoptr(GError) error = NULL;

	p->relay_state = state;
	if (state == AGENT_RELAY_OPEN) {
		if (p->proxy == NULL)
			p->proxy =
				agent_proxy_new(NULL, p->config.port, on_proxy_packet, p, &error);
		if (p->proxy == NULL)
			weft_log_limited(WEFT_LOG_WARNING, NULL, "peer %s: %s", p->fqdn,
					 error->message);
		else
			step(p, AGENT_PATH_RELAY_UP);
	} else if (agent_path_has_relay(p->path)) {
		step(p, AGENT_PATH_RELAY_DOWN);
		weft_source_arm_us(p->guard, 0);
	}
}

void
agent_peer_relay_packet(AgentPeer *p, const uint8_t *buf, size_t len)
{
	if (p->proxy != NULL)
		(void) agent_proxy_deliver(p->proxy, buf, len); /* lost if the socket is full */
}

/* --- Receiving --- */

static void
drop_early(AgentPeer *p)
{
	int64_t oldest = weft_env_now_us(p->config.env) - EARLY_US;

	while (p->early->len > 0 &&
	       (g_array_index(p->early, struct agent_early, 0).at_us < oldest ||
		p->early->len >= AGENT_PEER_EARLY_MAX))
		g_array_remove_index(p->early, 0);
}

static void
take_candidate(AgentPeer *p, const char *line)
{
	struct agent_early e = { weft_env_now_us(p->config.env), g_strndup(line, ICE_LINE_MAX) };

	p->candidates_in++;
	drop_early(p);
	g_array_append_val(p->early, e);
	if (p->ice != NULL)
		(void) ice_session_add_remote(p->ice, line, strlen(line)); /* counted by ice */
}

static void
take_relay(AgentPeer *p, const Signalexchange__Body *body)
{
	bool has = body->optional_relay_server_address_case ==
		   SIGNALEXCHANGE__BODY__OPTIONAL_RELAY_SERVER_ADDRESS_RELAY_SERVER_ADDRESS;

	g_free(p->relay_url);
	p->relay_url = g_strndup(has ? body->relayserveraddress : "", 255);
	p->relay_ip = (struct weft_address){ 0 };
	if (body->optional_relay_server_ip_case ==
	    SIGNALEXCHANGE__BODY__OPTIONAL_RELAY_SERVER_IP_RELAY_SERVER_IP) {
		const ProtobufCBinaryData *ip = &body->relayserverip;

		if (ip->len == 4 || ip->len == 16) {
			p->relay_ip.family = ip->len == 4 ? WEFT_FAMILY_IPV4 : WEFT_FAMILY_IPV6;
			memcpy(p->relay_ip.b, ip->data, ip->len);
		}
	}
	agent_peer_relay_home(p);
}

/* True if the message begins a session that we do not know yet. */
static bool
is_fresh(const AgentPeer *p, const Signalexchange__Body *body)
{
	bool has = body->optional_session_id_case ==
			   SIGNALEXCHANGE__BODY__OPTIONAL_SESSION_ID_SESSION_ID &&
		   body->sessionid.len == AGENT_PEER_SESSION_LEN;

	if (!p->has_remote)
		return true;
	return has && (!p->has_remote_session || memcmp(p->remote_session, body->sessionid.data,
							AGENT_PEER_SESSION_LEN) != 0);
}

static void
take_description(AgentPeer *p, const Signalexchange__Body *body)
{
	struct ice_credentials remote;

	p->offers_in++;
	take_relay(p, body);
	if (!ice_credentials_parse(&remote, body->payload, strlen(body->payload))) {
		p->no_ice = strcmp(body->payload, ":") == 0;
		return;
	}
	p->no_ice = false;
	if (p->ice == NULL || !is_fresh(p, body))
		return;
	if (p->has_remote || p->failed)
		(void) ice_session_restart(p->ice, NULL); /* own credentials are kept */
	p->failed = false;
	p->has_remote = true;
	p->has_remote_session = body->optional_session_id_case ==
					SIGNALEXCHANGE__BODY__OPTIONAL_SESSION_ID_SESSION_ID &&
				body->sessionid.len == AGENT_PEER_SESSION_LEN;
	if (p->has_remote_session)
		memcpy(p->remote_session, body->sessionid.data, AGENT_PEER_SESSION_LEN);
	ice_session_set_weft(p->ice,
			     (body->weftfeatures &
			      SIGNALEXCHANGE__WEFT_FEATURE__WEFT_FEATURE_SLOW_CONSENT) != 0);
	ice_session_set_remote(p->ice, &remote);
	drop_early(p);
	for (guint i = 0; i < p->early->len; i++) {
		const char *line = g_array_index(p->early, struct agent_early, i).line;

		(void) ice_session_add_remote(p->ice, line, strlen(line)); /* counted by ice */
	}
}

void
agent_peer_receive(AgentPeer *p, const Signalexchange__Body *body)
{
	switch (body->type) {
	case SIGNALEXCHANGE__BODY__TYPE__OFFER:
	case SIGNALEXCHANGE__BODY__TYPE__ANSWER:
		take_description(p, body);
		if (body->type == SIGNALEXCHANGE__BODY__TYPE__OFFER)
			send_description(p, SIGNALEXCHANGE__BODY__TYPE__ANSWER);
		if (p->ice != NULL)
			ice_session_gather(p->ice);
		break;
	case SIGNALEXCHANGE__BODY__TYPE__CANDIDATE:
		take_candidate(p, body->payload);
		break;
	case SIGNALEXCHANGE__BODY__TYPE__GO_IDLE: /* we stay awake; the peer wakes at our offer */
	case SIGNALEXCHANGE__BODY__TYPE__MODE:
	case SIGNALEXCHANGE__BODY__TYPE__HEARTBEAT:
	case _SIGNALEXCHANGE__BODY__TYPE_IS_INT_SIZE:
		break;
	}
}

/* --- WireGuard --- */

void
agent_peer_wireguard(AgentPeer *p, int64_t handshake_us, uint64_t rx, uint64_t tx)
{
	int64_t now = weft_env_now_us(p->config.env);
	int64_t limit = p->relay_state == AGENT_RELAY_OPEN ? DEAD_RELAY_US : DEAD_US;

	if (rx != p->rx || p->rx_at_us == 0)
		p->rx_at_us = now;
	p->handshake_us = handshake_us;
	p->rx = rx;
	p->tx = tx;
	if ((p->path == AGENT_PATH_STALE || p->path == AGENT_PATH_STALE_RELAY) &&
	    now - p->rx_at_us > limit)
		step(p, AGENT_PATH_WG_DEAD);
}

void
agent_peer_adopt(AgentPeer *p, const struct weft_endpoint *endpoint, uint16_t keepalive_s)
{
	p->endpoint = *endpoint;
	p->keepalive_s = keepalive_s;
	p->path = AGENT_PATH_STALE;
	p->since_us = weft_env_wall_us(p->config.env);
}

/* --- Life --- */

static void
clear_early(gpointer p)
{
	g_free(((struct agent_early *) p)->line);
}

AgentPeer *
agent_peer_new(const struct agent_peer_config *config, const struct agent_map_peer *map)
{
	AgentPeer *p = g_new0(AgentPeer, 1);
	struct ice_session_config session = { .relay = false };

	p->config = *config;
	p->key = map->key;
	if (!weft_box_key_init(&p->box, &map->key, config->own_private)) {
		g_free(p);
		return NULL;
	}
	p->fqdn = g_strdup(map->fqdn);
	p->relay_url = g_strdup("");
	p->relay_state = AGENT_RELAY_CLOSED;
	p->controlling = weft_key_text_compare(config->own_public, &map->key) > 0;
	p->early = g_array_new(FALSE, FALSE, sizeof(struct agent_early));
	g_array_set_clear_func(p->early, clear_early);
	weft_backoff_init(&p->pause, &offers);
	p->guard = weft_source_timer(NULL, on_guard, p);
	p->settle = weft_source_timer(NULL, on_settle, p);
	new_session(p);
	do {
		ice_credentials_generate(&p->own, config->env);
		session.own = p->own;
		session.controlling = p->controlling;
		session.user = p;
		p->ice = ice_session_new(config->ice, &session);
	} while (p->ice == NULL && ice_agent_stats(config->ice).sessions < ICE_SESSIONS_MAX);
	return p;
}

void
agent_peer_free(AgentPeer *p)
{
	if (p == NULL)
		return;
	weft_source_cancel(&p->guard);
	weft_source_cancel(&p->settle);
	if (p->config.relay != NULL)
		agent_relay_close_peer(p->config.relay, &p->key);
	agent_proxy_free(p->proxy);
	ice_session_free(p->ice);
	weft_key_wipe(&p->box.shared);
	g_array_unref(p->early);
	g_free(p->relay_url);
	g_free(p->fqdn);
	g_free(p);
}

const char *
agent_peer_why(const AgentPeer *p)
{
	switch (p->path) {
	case AGENT_PATH_DIRECT:
	case AGENT_PATH_DIRECT_RELAY:
		return "";
	case AGENT_PATH_STALE:
	case AGENT_PATH_STALE_RELAY:
		return "the peer's agent does not answer; WireGuard goes on";
	case AGENT_PATH_NONE:
	case AGENT_PATH_RELAYED:
	case AGENT_PATH_COUNT_:
		break;
	}
	if (p->no_ice)
		return "the peer has no ICE";
	if (p->offers_in == 0)
		return "no answer of the peer: it is offline or idle";
	if (p->failed)
		return "no pair of addresses works; trying again";
	if (p->candidates_in == 0)
		return "no address of the peer is known yet";
	return "addresses are being tried";
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps from this host to a peer, in the order in which they are needed. */
#include "agent/status.h"

#include "base/env.h"
#include "proto/control.pb-c.h"

#include <string.h>

#define STEPS_MAX    16
#define HANDSHAKE_US (180 * G_USEC_PER_SEC)

struct doctor {
	AgentScope *scope;
	Weft__Control__Diagnosis *out;
};

static void G_GNUC_PRINTF(4, 5)
	step(struct doctor *d, const char *name, bool ok, const char *format, ...)
{
	Weft__Control__Step *s = agent_scope_take(d->scope, sizeof *s);
	va_list ap;

	weft__control__step__init(s);
	s->name = (char *) (uintptr_t) name;
	s->result = (char *) (uintptr_t) (ok ? "ok" : "failed");
	va_start(ap, format);
	s->detail = agent_scope_text(d->scope, g_strdup_vprintf(format, ap));
	va_end(ap);
	if (!ok && d->out->failed[0] == '\0')
		d->out->failed = s->name;
	if (d->out->n_steps < STEPS_MAX)
		d->out->steps[d->out->n_steps++] = s;
}

static void
host_steps(struct doctor *d, AgentMesh *m)
{
	enum agent_mgmt_state mgmt =
		m->mgmt != NULL ? agent_mgmt_state(m->mgmt) : AGENT_MGMT_CONNECTING;
	bool signal = m->signal != NULL && agent_signal_state(m->signal) == AGENT_SIGNAL_CONNECTED;

	step(d, "up", m->mgmt != NULL, "%s", m->mgmt != NULL ? "weft up was said" : "run: weft up");
	if (m->mgmt == NULL)
		return;
	step(d, "login", mgmt != AGENT_MGMT_NEEDS_LOGIN, "%s",
	     mgmt == AGENT_MGMT_NEEDS_LOGIN ? agent_mgmt_reason(m->mgmt) : "the server knows us");
	step(d, "management", mgmt == AGENT_MGMT_CONNECTED, "%s%s%s", m->state.management_url,
	     agent_mgmt_reason(m->mgmt)[0] != '\0' ? ": " : "", agent_mgmt_reason(m->mgmt));
	step(d, "signal", signal, "%s%s%s", m->signal_url != NULL ? m->signal_url : "no server",
	     m->signal != NULL && !signal ? ": " : "",
	     m->signal != NULL && !signal ? agent_signal_reason(m->signal) : "");
	step(d, "kernel", m->applied, "%s",
	     m->applied ? agent_reconcile_wireguard(m->reconcile)
			: (m->problems->len > 0 ? (char *) m->problems->pdata[0] : "not yet"));
	step(d, "stun", ice_agent_gathered(m->ice), "%s",
	     ice_agent_gathered(m->ice) ? "every server answered or was given up"
					: "servers are being asked");
}

static bool
has_rule(AgentMesh *m, const AgentPeer *p)
{
	const struct agent_map_peer *e = agent_map_find(m->map, &p->key);
	g_autoptr(GArray) rules = agent_map_rules(m->map);

	for (guint i = 0; e != NULL && i < rules->len; i++) {
		const struct weft_nft_rule *r = &g_array_index(rules, struct weft_nft_rule, i);

		for (size_t k = 0; k < e->n_allowed; k++)
			if (r->action == WEFT_NFT_ACCEPT &&
			    weft_prefix_contains(&r->remote, &e->allowed[k].addr))
				return true;
	}
	return false;
}

static void
peer_steps(struct doctor *d, AgentMesh *m, const AgentPeer *p)
{
	enum ice_state ice = p->ice != NULL ? ice_session_state(p->ice) : ICE_NEW;
	bool relayed = agent_path_kind(p->path) == AGENT_PATH_KIND_RELAYED;
	int64_t age = weft_env_wall_us(m->env) - p->handshake_us;

	step(d, "offer", p->offers_in > 0, "%u sent, %u received%s", p->offers_out, p->offers_in,
	     p->offers_in == 0 ? ": the peer is offline or idle" : "");
	step(d, "candidates", p->candidates_in > 0 || p->no_ice, "%u sent, %u received",
	     p->candidates_out, p->candidates_in);
	step(d, "checks", ice == ICE_USABLE || ice == ICE_CONNECTED || relayed, "ice is %s%s",
	     ice_state_name(ice), relayed ? ", the relay is used" : "");
	step(d, "relay", p->relay_url[0] == '\0' || p->relay_state == AGENT_RELAY_OPEN, "%s",
	     p->relay_url[0] == '\0' ? "the peer has none"
				     : agent_relay_state_name(p->relay_state));
	step(d, "handshake", p->handshake_us != 0 && age < HANDSHAKE_US, "%s",
	     p->handshake_us == 0 ? "never" : "of WireGuard");
	step(d, "policy", has_rule(m, p), "%s",
	     has_rule(m, p) ? "a rule lets the peer in"
			    : "no rule lets the peer in; only what we begin passes");
}

Weft__Control__Diagnosis *
agent_doctor(AgentMesh *m, const AgentPeer *peer, AgentScope *scope)
{
	struct doctor d = { .scope = scope };

	agent_mesh_poll(m);
	d.out = agent_scope_take(scope, sizeof *d.out);
	weft__control__diagnosis__init(d.out);
	d.out->steps = agent_scope_take(scope, STEPS_MAX * sizeof *d.out->steps);
	host_steps(&d, m);
	if (peer != NULL)
		peer_steps(&d, m, peer);
	return d.out;
}

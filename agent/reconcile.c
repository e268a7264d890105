/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/reconcile.h"

#include "base/env.h"
#include "base/glib/log.h"
#include "base/glib/source.h"
#include "netlink/apply.h"
#include "netlink/candidate.h"
#include "netlink/conntrack.h"
#include "netlink/diff.h"
#include "netlink/error.h"
#include "netlink/monitor.h"
#include "nftables/monitor.h"
#include "nftables/table.h"

#include <string.h>

#define REOPEN_US G_USEC_PER_SEC

struct agent_reconcile {
	struct agent_reconcile_config config;
	char *interface;
	WeftNlSocket *rt, *nf;
	WeftNlWg *wg;
	WeftNlMonitor *monitor;
	WeftNftTable *table;
	WeftNftMonitor *nft_monitor;
	struct weft_nft_config nft;
	AgentMap *ruled; /* the map whose rules are in force */
	uint32_t ifindex;
	GSource *reopen, *verify;
};

/* --- Watching --- */

static bool
concerns_us(const AgentReconcile *r, const struct weft_nl_event *e)
{
	switch (e->kind) {
	case WEFT_NL_EVENT_LINK:
	case WEFT_NL_EVENT_LINK_GONE:
		return strcmp(e->link.name, r->interface) == 0;
	case WEFT_NL_EVENT_ADDR:
	case WEFT_NL_EVENT_ADDR_GONE:
		return e->addr.ifindex == r->ifindex;
	case WEFT_NL_EVENT_ROUTE:
	case WEFT_NL_EVENT_ROUTE_GONE:
		return e->route.ifindex == r->ifindex;
	case WEFT_NL_EVENT_RULE:
	case WEFT_NL_EVENT_RULE_GONE:
		return true;
	case WEFT_NL_EVENT_RESYNC:
	case WEFT_NL_EVENT_COUNT_:
		break;
	}
	return true;
}

static void
on_event(const struct weft_nl_event *e, void *user)
{
	AgentReconcile *r = user;

	if (concerns_us(r, e))
		r->config.ops->ours_changed(r->config.user);
	else
		r->config.ops->network_changed(r->config.user);
	if (e->kind == WEFT_NL_EVENT_RESYNC)
		r->config.ops->network_changed(r->config.user);
}

static bool open_monitor(AgentReconcile *r, GError **error);

static gboolean
on_reopen(gpointer user)
{
	AgentReconcile *r = user;
	g_autoptr(GError) error = NULL;

	g_clear_pointer(&r->monitor, weft_nl_monitor_free);
	if (!open_monitor(r, &error)) {
		weft_log_limited(WEFT_LOG_WARNING, NULL, "netlink monitor: %s", error->message);
		return G_SOURCE_CONTINUE;
	}
	r->config.ops->ours_changed(r->config.user);
	r->config.ops->network_changed(r->config.user);
	return G_SOURCE_REMOVE;
}

static void
on_monitor_failed(const GError *error, void *user)
{
	AgentReconcile *r = user;

	weft_log_warning("netlink monitor: %s; opening another", error->message);
	weft_source_cancel(&r->reopen);
	r->reopen = weft_source_timeout_us(NULL, REOPEN_US, on_reopen, r);
}

static bool
open_monitor(AgentReconcile *r, GError **error)
{
	r->monitor = weft_nl_monitor_open(on_event, r, error);
	if (r->monitor == NULL)
		return false;
	weft_nl_monitor_attach(r->monitor, NULL, on_monitor_failed, r);
	return true;
}

static gboolean
on_verify(gpointer user)
{
	AgentReconcile *r = user;
	g_autoptr(GError) error = NULL;
	bool repaired = false;

	if (r->table == NULL || r->ruled == NULL)
		return G_SOURCE_CONTINUE;
	if (!weft_nft_table_repair(r->table, &repaired, &error)) {
		weft_log_limited(WEFT_LOG_WARNING, NULL, "firewall: %s", error->message);
		g_clear_pointer(&r->ruled, agent_map_unref);
		r->config.ops->ours_changed(r->config.user);
	} else if (repaired) {
		weft_log_notice("firewall: repaired, another program had changed it");
	}
	return G_SOURCE_CONTINUE;
}

static void
on_nft_event(enum weft_nft_event event, const char *process, void *user)
{
	AgentReconcile *r = user;

	weft_source_arm_us(r->verify, 0); /* not from inside of the monitor */
}

static bool
open_firewall(AgentReconcile *r, GError **error)
{
	WeftNftSocket *socket;

	r->nft = weft_nft_config_default();
	g_strlcpy(r->nft.table, r->config.table, sizeof r->nft.table);
	g_strlcpy(r->nft.interface, r->interface, sizeof r->nft.interface);
	if (!weft_nft_config_check(&r->nft, error))
		return false;
	socket = weft_nft_socket_open(r->config.env, error);
	if (socket == NULL)
		return false;
	r->table = weft_nft_table_new(socket, &r->nft);
	r->nft_monitor = weft_nft_monitor_open(r->nft.table, weft_nft_table_port_id(r->table),
					       on_nft_event, r, error);
	if (r->nft_monitor == NULL)
		return false;
	weft_nft_monitor_attach(r->nft_monitor, NULL, NULL, NULL);
	return true;
}

AgentReconcile *
agent_reconcile_new(const struct agent_reconcile_config *config, GError **error)
{
	AgentReconcile *r = g_new0(AgentReconcile, 1);
	const struct weft_nl_wg_config wg = { .env = config->env,
					      .uapi_program = config->wireguard_go };

	r->config = *config;
	r->interface = g_strdup(config->interface);
	r->verify = weft_source_timer(NULL, on_verify, r);
	r->rt = weft_nl_socket_open(WEFT_NL_BUS_ROUTE, config->env, error);
	if (r->rt != NULL)
		r->wg = weft_nl_wg_open(&wg, error);
	if (r->wg == NULL || !open_monitor(r, error) ||
	    (config->firewall && !open_firewall(r, error))) {
		agent_reconcile_free(r);
		return NULL;
	}
	return r;
}

void
agent_reconcile_free(AgentReconcile *r)
{
	if (r == NULL)
		return;
	weft_source_cancel(&r->reopen);
	weft_source_cancel(&r->verify);
	weft_nl_monitor_free(r->monitor);
	weft_nft_monitor_free(r->nft_monitor);
	weft_nft_table_free(r->table);
	weft_nl_wg_free(r->wg);
	weft_nl_socket_free(r->rt);
	weft_nl_socket_free(r->nf);
	agent_map_unref(r->ruled);
	g_free(r->interface);
	g_free(r);
}

/* --- Rules --- */

struct cutting {
	const WeftNftDiff *diff;
	GArray *flows;
	enum weft_nft_direction direction;
};

static void
on_flow(const struct weft_nl_ct_flow *flow, void *user)
{
	struct cutting *c = user;
	const struct weft_nl_ct_tuple *t = &flow->orig;
	const struct weft_nft_packet packet = {
		.direction = c->direction,
		.remote = c->direction == WEFT_NFT_IN ? t->src.addr : t->dst.addr,
		.protocol = t->protocol,
		.port = t->dst.port,
	};

	if (weft_nft_diff_cuts(c->diff, &packet))
		g_array_append_val(c->flows, *flow);
}

static void
on_restart(void *user)
{
	g_array_set_size(((struct cutting *) user)->flows, 0);
}

/* Flows that a revoked rule had let in live on as "established": they are cut. */
static void
cut_flows(AgentReconcile *r, const WeftNftDiff *diff, const struct agent_map_self *self)
{
	size_t n;
	const struct weft_nft_cut *cuts = weft_nft_diff_cut_list(diff, &n);
	g_autoptr(GError) error = NULL;

	if (n > 0 && r->nf == NULL)
		r->nf = weft_nl_socket_open(WEFT_NL_BUS_NETFILTER, r->config.env, &error);
	for (size_t i = 0; r->nf != NULL && error == NULL && i < n; i++) {
		g_autoptr(GArray) flows = g_array_new(FALSE, FALSE, sizeof(struct weft_nl_ct_flow));
		struct cutting c = { diff, flows, cuts[i].direction };
		const struct weft_address *own = cuts[i].remote.addr.family == WEFT_FAMILY_IPV4
							 ? &self->address.addr
							 : &self->address6.addr;
		struct weft_prefix local = weft_prefix_host(own);
		const struct weft_nl_ct_match match = {
			.src = cuts[i].direction == WEFT_NFT_IN ? cuts[i].remote : local,
			.dst = cuts[i].direction == WEFT_NFT_IN ? local : cuts[i].remote,
			.protocol = cuts[i].protocol,
			.dst_port_first = cuts[i].port_first,
			.dst_port_last = cuts[i].port_last,
		};
		const struct weft_nl_ct_dump dump = {
			.family = (enum weft_family) cuts[i].remote.addr.family,
			.match = &match,
			.func = on_flow,
			.restart = on_restart,
			.user = &c,
		};

		if (!weft_nl_ct_dump(r->nf, &dump, &error))
			break;
		for (guint k = 0; k < flows->len; k++) {
			g_autoptr(GError) e = NULL;

			if (!weft_nl_ct_delete_flow(
				    r->nf, &g_array_index(flows, struct weft_nl_ct_flow, k), &e))
				weft_log_debug("conntrack: %s", e->message);
		}
	}
	if (error != NULL)
		weft_log_limited(WEFT_LOG_WARNING, NULL,
				 "flows of revoked rules may live on: conntrack: %s",
				 error->message);
}

static bool
apply_rules(AgentReconcile *r, const AgentMap *map, GPtrArray *problems)
{
	g_autoptr(GError) error = NULL;
	struct weft_nft_applied applied = { 0 };
	enum weft_nft_found found;
	WeftNftModel *model;

	if (r->table == NULL || r->ruled == map)
		return true;
	model = agent_desired_rules(map, &r->nft, problems, &error);
	if (model != NULL && r->ruled == NULL && !weft_nft_table_read(r->table, &found, &error))
		g_clear_pointer(&model, weft_nft_model_unref);
	if (model == NULL || !weft_nft_table_apply(r->table, model, &applied, &error)) {
		g_ptr_array_add(problems, g_strdup_printf("firewall: %s", error->message));
		return false;
	}
	if (applied.revoked != NULL)
		cut_flows(r, applied.revoked, agent_map_self(map));
	weft_nft_applied_clear(&applied);
	g_clear_pointer(&r->ruled, agent_map_unref);
	r->ruled = agent_map_ref((AgentMap *) (uintptr_t) map);
	return true;
}

/* --- Link and peers --- */

static void
tell(GPtrArray *problems, const GPtrArray *errors)
{
	for (guint i = 0; i < errors->len && problems->len < 64; i++)
		g_ptr_array_add(problems, g_strdup(((const GError *) errors->pdata[i])->message));
}

static bool
apply_link(AgentReconcile *r,
	   const AgentMap *map,
	   const struct agent_desired_config *config,
	   GPtrArray *problems)
{
	g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func((GDestroyNotify) g_error_free);
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftNlState) desired = agent_desired_state(map, config, errors);
	g_autoptr(WeftNlState) dumped = weft_nl_state_dump(r->rt, r->wg, desired, &error);
	g_autoptr(WeftNlOps) ops = NULL;
	struct weft_nl_link link;
	bool ok = false;

	if (dumped != NULL) {
		ops = weft_nl_diff(desired, dumped, errors);
		for (size_t i = 0; i < weft_nl_ops_count(ops); i++) {
			g_autofree char *text = weft_nl_op_describe(weft_nl_ops_get(ops, i));

			weft_log_debug("%s: %s", r->interface, text);
		}
		ok = weft_nl_apply(r->rt, r->wg, ops, errors, &error);
	} else {
		g_ptr_array_add(problems, g_strdup(error->message));
	}
	tell(problems, errors);
	if (weft_nl_link_get(r->rt, r->interface, &link, NULL))
		r->ifindex = link.ifindex;
	return ok;
}

bool
agent_reconcile_apply(AgentReconcile *r,
		      const AgentMap *map,
		      const struct agent_desired_config *desired,
		      GPtrArray *problems)
{
	/* Without its rules in force nobody becomes reachable. */
	return apply_rules(r, map, problems) && apply_link(r, map, desired, problems);
}

bool
agent_reconcile_set_peer(AgentReconcile *r,
			 const struct weft_key *key,
			 const struct weft_endpoint *endpoint,
			 uint16_t keepalive_s,
			 GError **error)
{
	struct weft_nl_wg_change change = {
		.public_key = *key,
		.flags = WEFT_NL_WG_CHANGE_UPDATE_ONLY | WEFT_NL_WG_CHANGE_KEEPALIVE |
			 (endpoint != NULL ? WEFT_NL_WG_CHANGE_ENDPOINT : 0),
		.keepalive_s = keepalive_s,
	};
	const struct weft_nl_wg_set set = { .changes = &change, .n_changes = 1 };

	if (endpoint != NULL)
		change.endpoint = *endpoint;
	return weft_nl_wg_set(r->wg, r->interface, &set, error);
}

WeftNlWgDevice *
agent_reconcile_dump(AgentReconcile *r)
{
	return weft_nl_wg_get(r->wg, r->interface, NULL);
}

bool
agent_reconcile_down(AgentReconcile *r, GError **error)
{
	bool ok = weft_nl_teardown(r->rt, r->wg, r->interface, WEFT_NL_PROTOCOL, error);

	g_clear_pointer(&r->ruled, agent_map_unref);
	if (r->table != NULL && !weft_nft_table_remove(r->table, ok ? error : NULL))
		ok = false;
	r->ifindex = 0;
	return ok;
}

GArray *
agent_reconcile_hosts(AgentReconcile *r)
{
	const struct weft_nl_candidate_config config = { .own_link = r->interface,
							 .no_ipv6 = !r->config.ipv6 };
	g_autoptr(GError) error = NULL;
	GArray *hosts = weft_nl_candidate_list(r->rt, &config, &error);

	if (hosts == NULL)
		weft_log_limited(WEFT_LOG_WARNING, NULL, "addresses: %s", error->message);
	return hosts;
}

const char *
agent_reconcile_wireguard(const AgentReconcile *r)
{
	return weft_nl_wg_name(r->wg);
}

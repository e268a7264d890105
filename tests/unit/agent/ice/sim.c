/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/agent/ice/sim.h"

#include "base/list.h"
#include "stun/build.h"
#include "stun/message.h"

#include <string.h>

static const char *const nat_names[SIM_NAT_COUNT_] = {
	"public",
	"endpoint-independent",
	"address-restricted",
	"port-restricted",
	"symmetric",
	"double",
	"blocked",
};

const char *
sim_nat_name(enum sim_nat nat)
{
	return nat_names[nat];
}

struct mapping {
	struct weft_endpoint inside, outside;
	struct weft_endpoint towards; /* symmetric: only for this one */
	GArray *seen;                 /* endpoints that the inside sent to */
};

struct nat {
	enum sim_nat kind;
	unsigned net, parent;
	bool hairpin;
	struct weft_address external;
	uint16_t next_port;
	GPtrArray *mappings;
};

/* Something that happens later. */
struct item {
	int64_t at_us;
	uint64_t order;
	void (*func)(struct sim *sim, struct item *item);
	struct sim_host *host;
	struct sim_peer *peer;
	struct ice_path path;
	bool data;
	size_t len;
	uint8_t buf[];
};

static bool
before(const struct item *a, const struct item *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void
heap_push(GPtrArray *h, struct item *item)
{
	guint i = h->len;

	g_ptr_array_add(h, item);
	while (i > 0 && before(item, h->pdata[(i - 1) / 2])) {
		h->pdata[i] = h->pdata[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	h->pdata[i] = item;
}

static struct item *
heap_pop(GPtrArray *h)
{
	struct item *top = h->pdata[0], *last = h->pdata[h->len - 1];
	guint i = 0;

	g_ptr_array_set_size(h, (gint) h->len - 1);
	while (2 * i + 1 < h->len) {
		guint child = 2 * i + 1;

		if (child + 1 < h->len && before(h->pdata[child + 1], h->pdata[child]))
			child++;
		if (!before(h->pdata[child], last))
			break;
		h->pdata[i] = h->pdata[child];
		i = child;
	}
	if (h->len > 0)
		h->pdata[i] = last;
	return top;
}

static struct item *
later(struct sim *sim,
      int64_t delay_us,
      void (*func)(struct sim *, struct item *),
      const void *buf,
      size_t len)
{
	struct item *item = g_malloc0(sizeof(*item) + len + 1);

	item->at_us = sim->env.now_us + delay_us;
	item->order = sim->order++;
	item->func = func;
	item->len = len;
	if (len > 0)
		memcpy(item->buf, buf, len);
	heap_push(sim->heap, item);
	return item;
}

static bool
chance(struct sim *sim, unsigned permille)
{
	return permille > 0 && weft_env_random_below(&sim->env.env, 1000) < permille;
}

/* -- NATs */

static bool
mapping_seen(const struct mapping *m, const struct weft_endpoint *e, bool port)
{
	guint i;

	for (i = 0; i < m->seen->len; i++) {
		const struct weft_endpoint *s = &g_array_index(m->seen, struct weft_endpoint, i);

		if (weft_address_equal(&s->addr, &e->addr) && (!port || s->port == e->port))
			return true;
	}
	return false;
}

static bool
port_taken(const struct nat *nat, uint16_t port)
{
	guint i;

	for (i = 0; i < nat->mappings->len; i++) {
		const struct mapping *m = nat->mappings->pdata[i];

		if (m->outside.port == port)
			return true;
	}
	return false;
}

static struct weft_endpoint
nat_out(struct nat *nat, const struct weft_endpoint *from, const struct weft_endpoint *to)
{
	bool symmetric = nat->kind == SIM_SYMMETRIC;
	struct mapping *m = NULL;
	guint i;

	for (i = 0; i < nat->mappings->len; i++) {
		struct mapping *c = nat->mappings->pdata[i];

		if (weft_endpoint_equal(&c->inside, from) &&
		    (!symmetric || weft_endpoint_equal(&c->towards, to)))
			m = c;
	}
	if (m == NULL) {
		m = g_new0(struct mapping, 1);
		m->inside = *from;
		m->towards = *to;
		m->outside.addr = nat->external;
		m->outside.port = symmetric || port_taken(nat, from->port) || nat->next_port != 0
					  ? (uint16_t) (40000 + nat->next_port++)
					  : from->port;
		if (!symmetric && nat->next_port == 0 && m->outside.port != from->port)
			nat->next_port = 1;
		m->seen = g_array_new(FALSE, FALSE, sizeof(struct weft_endpoint));
		g_ptr_array_add(nat->mappings, m);
	}
	if (!mapping_seen(m, to, true))
		g_array_append_vals(m->seen, to, 1);
	return m->outside;
}

static bool
nat_in(const struct nat *nat, const struct weft_endpoint *from, struct weft_endpoint *to)
{
	guint i;

	for (i = 0; i < nat->mappings->len; i++) {
		const struct mapping *m = nat->mappings->pdata[i];

		if (!weft_endpoint_equal(&m->outside, to))
			continue;
		if (nat->kind != SIM_ENDPOINT_INDEPENDENT &&
		    !mapping_seen(m, from, nat->kind != SIM_ADDRESS_RESTRICTED))
			return false;
		*to = m->inside;
		return true;
	}
	return false;
}

static void
mapping_free(void *p)
{
	struct mapping *m = p;

	g_array_unref(m->seen);
	g_free(m);
}

static void
nat_free(void *p)
{
	struct nat *nat = p;

	g_ptr_array_unref(nat->mappings);
	g_free(nat);
}

void
sim_rebind(struct sim *sim)
{
	guint i;

	for (i = 0; i < sim->nats->len; i++) {
		struct nat *nat = sim->nats->pdata[i];

		g_ptr_array_set_size(nat->mappings, 0);
		nat->next_port = (uint16_t) (nat->next_port + 100);
	}
}

/* -- Routing */

static struct nat *
nat_of_net(struct sim *sim, unsigned net)
{
	return net == SIM_ROOT ? NULL : sim->nats->pdata[net - 1];
}

static bool
host_has(const struct sim_host *h, const struct weft_endpoint *e)
{
	return weft_endpoint_equal(&h->v4, e) || weft_endpoint_equal(&h->v6, e);
}

static struct sim_host *
relay_owner(struct sim *sim, const struct weft_endpoint *e)
{
	guint i;

	for (i = 0; i < sim->hosts->len; i++) {
		struct sim_host *h = sim->hosts->pdata[i];

		if (h->relay && weft_endpoint_equal(&h->relayed, e))
			return h;
	}
	return NULL;
}

/* Follows a datagram through the networks; the host that gets it, or NULL. */
static struct sim_host *
route(struct sim *sim,
      unsigned net,
      struct weft_endpoint *from,
      struct weft_endpoint to,
      uint32_t *ret_relay)
{
	unsigned hops, inside = UINT_MAX;
	guint i;

	*ret_relay = 0;
	for (hops = 0; hops < 8; hops++) {
		struct nat *nat, *into = NULL;

		for (i = 0; i < sim->hosts->len; i++) {
			struct sim_host *h = sim->hosts->pdata[i];

			if ((h->net == net || to.addr.family == WEFT_FAMILY_IPV6) &&
			    host_has(h, &to))
				return h;
		}
		for (i = 0; i < sim->nats->len; i++) {
			nat = sim->nats->pdata[i];
			if (nat->parent == net && weft_address_equal(&nat->external, &to.addr))
				into = nat;
		}
		if (into != NULL) {
			if ((into->net == inside && !into->hairpin) || !nat_in(into, from, &to))
				return NULL;
			net = into->net;
			inside = UINT_MAX;
			continue;
		}
		nat = nat_of_net(sim, net);
		if (nat == NULL || nat->kind == SIM_BLOCKED)
			break;
		*from = nat_out(nat, from, &to);
		inside = net;
		net = nat->parent;
	}
	if (net == SIM_ROOT) {
		struct sim_host *h = relay_owner(sim, &to);
		char text[WEFT_ADDRESS_TEXT_SIZE];

		if (h != NULL &&
		    g_hash_table_contains(h->permitted, weft_address_format(&from->addr, text))) {
			*ret_relay = SIM_RELAYED;
			return h;
		}
	}
	return NULL;
}

static char *
path_text(const struct ice_path *path)
{
	char text[WEFT_ENDPOINT_TEXT_SIZE];

	return g_strdup_printf("%u/%s", path->relay, weft_endpoint_format(&path->remote, text));
}

static void
deliver(struct sim *sim, struct item *item)
{
	struct weft_stun_message m;

	if (sim->down)
		return;
	if (item->data) {
		item->host->probed = item->path;
		item->host->n_data++;
		return;
	}
	if (weft_stun_parse(&m, item->buf, item->len) == WEFT_STUN_OK &&
	    m.class == WEFT_STUN_SUCCESS)
		g_hash_table_add(item->host->answered, path_text(&item->path));
	(void) ice_agent_receive(item->host->agent, &item->path, item->buf, item->len);
}

#define STUN_SERVER_1 0xc6336401u /* 198.51.100.1 */
#define STUN_SERVER_2 0xc6336402u

static bool
is_stun_server(const struct weft_endpoint *e)
{
	uint32_t a = weft_address_v4_host_order(&e->addr);

	return (a == STUN_SERVER_1 || a == STUN_SERVER_2) && e->port == 3478;
}

static void transfer(struct sim *sim,
		     unsigned net,
		     struct weft_endpoint from,
		     const struct weft_endpoint *to,
		     const uint8_t *buf,
		     size_t len,
		     bool data);

static void
answer_as_stun_server(struct sim *sim,
		      const struct weft_endpoint *server,
		      const struct weft_endpoint *from,
		      const uint8_t *buf,
		      size_t len)
{
	struct weft_stun_message m;
	struct weft_stun_builder b;
	uint8_t out[128];

	if (weft_stun_parse(&m, buf, len) != WEFT_STUN_OK)
		return;
	b = weft_stun_begin_answer(out, sizeof(out), WEFT_STUN_SUCCESS, &m);
	weft_stun_put_xor_address(&b, WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS, from);
	weft_stun_put_fingerprint(&b);
	transfer(sim, SIM_ROOT, *server, from, out, weft_stun_finish(&b), false);
}

/* One datagram that leaves somebody in @net. */
static void
transfer(struct sim *sim,
	 unsigned net,
	 struct weft_endpoint from,
	 const struct weft_endpoint *to,
	 const uint8_t *buf,
	 size_t len,
	 bool data)
{
	unsigned copies = chance(sim, sim->duplicate_permille) ? 2 : 1;
	struct sim_host *host;
	uint32_t relay;

	host = route(sim, net, &from, *to, &relay);
	if (host == NULL && is_stun_server(to)) {
		struct nat *nat = nat_of_net(sim, net);

		if ((nat == NULL || nat->kind != SIM_BLOCKED) && !chance(sim, sim->loss_permille))
			answer_as_stun_server(sim, to, &from, buf, len);
		return;
	}
	if (host == NULL)
		return;
	while (copies-- > 0) {
		int64_t delay = sim->delay_us;
		struct item *item;

		if (!data && chance(sim, sim->loss_permille))
			continue;
		if (sim->jitter_us > 0)
			delay += (int64_t) weft_env_random_below(&sim->env.env,
								 (uint64_t) sim->jitter_us);
		item = later(sim, delay, deliver, buf, len);
		item->host = host;
		item->path.remote = from;
		item->path.relay = relay;
		item->data = data;
	}
}

static void
send_from(struct sim_host *h, const struct ice_path *to, const uint8_t *buf, size_t len, bool data)
{
	char text[WEFT_ADDRESS_TEXT_SIZE];

	h->sent++;
	if (to->relay != 0) {
		g_assert_cmpuint(to->relay, ==, SIM_RELAYED);
		if (h->relay && g_hash_table_contains(h->permitted,
						      weft_address_format(&to->remote.addr, text)))
			transfer(h->sim, SIM_ROOT, h->relayed, &to->remote, buf, len, data);
	} else {
		struct weft_endpoint from =
			to->remote.addr.family == WEFT_FAMILY_IPV6 ? h->v6 : h->v4;

		if (from.addr.family != WEFT_FAMILY_NONE)
			transfer(h->sim, from.addr.family == WEFT_FAMILY_IPV6 ? SIM_ROOT : h->net,
				 from, &to->remote, buf, len, data);
	}
}

/* -- Callbacks of the engine */

static void
on_send(void *user, const struct ice_path *to, const uint8_t *buf, size_t len)
{
	struct sim_host *h = user;
	struct ice_stats stats = ice_agent_stats(h->agent);

	if (stats.checks != h->checks) {
		if (stats.checks != h->checks + 1 || h->sim->env.now_us - h->check_us < 5000)
			h->too_fast++;
		h->checks = stats.checks;
		h->check_us = h->sim->env.now_us;
	}
	send_from(h, to, buf, len, false);
}

static void
signal_line(struct sim *sim, struct item *item)
{
	(void) sim;
	if (item->peer->session != NULL)
		(void) ice_session_add_remote(item->peer->session, (const char *) item->buf,
					      item->len);
}

static void
on_candidate(void *user, IceSession *session, const char *line, size_t len)
{
	struct sim_host *h = user;
	struct sim_peer *peer = ice_session_user(session);

	peer->n_lines++;
	if (!peer->drop_lines)
		later(h->sim, 20000, signal_line, line, len)->peer = peer->other;
}

static void
on_event(void *user, IceSession *session, const struct ice_event *event)
{
	struct sim_host *h = user;
	struct sim_peer *peer = ice_session_user(session);
	int64_t now = h->sim->env.now_us;
	g_autofree char *path = path_text(&event->pair.path);

	switch (event->type) {
	case ICE_EVENT_USABLE:
	case ICE_EVENT_SELECTED:
		if (!g_hash_table_contains(h->answered, path))
			peer->unanswered++;
		if (peer->usable_us == 0)
			peer->usable_us = now;
		if (event->type == ICE_EVENT_SELECTED) {
			peer->n_selected++;
			peer->selected_us = now;
		} else {
			peer->n_usable++;
		}
		break;
	case ICE_EVENT_DISCONNECTED:
		peer->n_disconnected++;
		peer->disconnected_us = now;
		break;
	case ICE_EVENT_FAILED:
		peer->n_failed++;
		break;
	case ICE_EVENT_TYPE_COUNT_:
		g_assert_not_reached();
	}
}

static void
on_permit(void *user, uint32_t relay, const struct weft_address *peer)
{
	struct sim_host *h = user;
	char text[WEFT_ADDRESS_TEXT_SIZE];

	g_assert_cmpuint(relay, ==, SIM_RELAYED);
	g_hash_table_add(h->permitted, g_strdup(weft_address_format(peer, text)));
}

/* -- Building */

struct sim *
sim_new(uint64_t seed)
{
	struct sim *sim = g_new0(struct sim, 1);

	weft_env_fake_init(&sim->env, seed);
	sim->ops = (struct ice_ops){ on_send, on_candidate, on_event, on_permit };
	sim->hosts = g_ptr_array_new();
	sim->nats = g_ptr_array_new_with_free_func(nat_free);
	sim->heap = g_ptr_array_new();
	sim->delay_us = 10000;
	return sim;
}

void
sim_free(struct sim *sim)
{
	guint i;

	for (i = 0; i < sim->heap->len; i++)
		g_free(sim->heap->pdata[i]);
	for (i = 0; i < sim->hosts->len; i++) {
		struct sim_host *h = sim->hosts->pdata[i];

		ice_agent_free(h->agent);
		g_hash_table_unref(h->permitted);
		g_hash_table_unref(h->answered);
		g_free(h);
	}
	g_ptr_array_unref(sim->hosts);
	g_ptr_array_unref(sim->nats);
	g_ptr_array_unref(sim->heap);
	g_free(sim);
}

static struct weft_address
next_public(struct sim *sim)
{
	return weft_address_v4(0xcb007100u + ++sim->n_public); /* 203.0.113.n and on */
}

unsigned
sim_add_nat(struct sim *sim, enum sim_nat kind, unsigned parent, bool hairpin)
{
	struct nat *nat = g_new0(struct nat, 1);

	nat->kind = kind;
	nat->parent = parent;
	nat->net = sim->nats->len + 1;
	nat->hairpin = hairpin;
	nat->external = parent == SIM_ROOT ? next_public(sim)
					   : weft_address_v4(0x64400000u + nat->net); /* CGNAT */
	nat->mappings = g_ptr_array_new_with_free_func(mapping_free);
	g_ptr_array_add(sim->nats, nat);
	return nat->net;
}

unsigned
sim_add_nets(struct sim *sim, enum sim_nat nat, bool hairpin)
{
	if (nat == SIM_PUBLIC)
		return SIM_ROOT;
	if (nat == SIM_DOUBLE)
		return sim_add_nat(sim, SIM_PORT_RESTRICTED,
				   sim_add_nat(sim, SIM_PORT_RESTRICTED, SIM_ROOT, hairpin),
				   hairpin);
	return sim_add_nat(sim, nat, SIM_ROOT, hairpin);
}

struct sim_host *
sim_add_host(struct sim *sim, unsigned net, enum sim_family family, bool relay)
{
	struct sim_host *h = g_new0(struct sim_host, 1);
	struct ice_agent_config config = { &sim->env.env, &sim->ops, h, SIM_PORT, false };
	struct ice_relay_candidate relayed = { .id = SIM_RELAYED };
	struct weft_endpoint servers[] = { { weft_address_v4(STUN_SERVER_1), 3478 },
					   { weft_address_v4(STUN_SERVER_2), 3478 } };
	struct weft_address hosts[2];
	uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	size_t n = 0;

	h->sim = sim;
	h->number = sim->hosts->len + 1;
	h->net = net;
	h->check_us = INT64_MIN / 2;
	h->permitted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	h->answered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if ((family & SIM_IPV6) != 0) {
		v6[14] = (uint8_t) (h->number >> 8);
		v6[15] = (uint8_t) h->number;
		h->v6 = (struct weft_endpoint){ weft_address_v6(v6), SIM_PORT };
		hosts[n++] = h->v6.addr;
	}
	if ((family & SIM_IPV4) != 0) {
		h->v4.addr = net == SIM_ROOT
				     ? next_public(sim)
				     : weft_address_v4(0xc0a80000u + (net << 8) + h->number);
		h->v4.port = SIM_PORT;
		hosts[n++] = h->v4.addr;
	}
	g_ptr_array_add(sim->hosts, h);
	h->agent = ice_agent_new(&config);
	h->relay = relay;
	h->relayed.addr = weft_address_v4(0xc6336405u);
	h->relayed.port = (uint16_t) (50000 + h->number);
	relayed.relayed = h->relayed;
	if (relay)
		ice_agent_set_relays(h->agent, &relayed, 1);
	ice_agent_set_stun_servers(h->agent, servers, 2);
	ice_agent_set_hosts(h->agent, hosts, n);
	return h;
}

static void
signal_offer(struct sim *sim, struct item *item)
{
	struct ice_credentials c;

	(void) sim;
	if (item->peer->session == NULL)
		return;
	memcpy(&c, item->buf, sizeof(c));
	ice_session_set_remote(item->peer->session, &c);
}

static void
offer(struct sim_peer *peer)
{
	later(peer->host->sim, 20000, signal_offer, &peer->own, sizeof(peer->own))->peer =
		peer->other;
	ice_session_gather(peer->session);
}

static void
signal_restart(struct sim *sim, struct item *item)
{
	struct ice_credentials c;

	(void) sim;
	if (item->peer->session == NULL)
		return;
	memcpy(&c, item->buf, sizeof(c));
	(void) ice_session_restart(item->peer->session, NULL);
	ice_session_set_remote(item->peer->session, &c);
	offer(item->peer);
}

void
sim_restart(struct sim_peer *peer, bool fresh)
{
	if (fresh)
		ice_credentials_generate(&peer->own, &peer->host->sim->env.env);
	g_assert_true(ice_session_restart(peer->session, fresh ? &peer->own : NULL));
	later(peer->host->sim, 20000, signal_restart, &peer->own, sizeof(peer->own))->peer =
		peer->other;
	ice_session_gather(peer->session);
}

void
sim_connect(struct sim *sim, struct sim_host *a, struct sim_host *b, struct sim_peer ret[2])
{
	struct sim_host *hosts[2] = { a, b };
	unsigned i;

	memset(ret, 0, 2 * sizeof(*ret));
	for (i = 0; i < 2; i++) {
		struct ice_session_config config = { .controlling = i == 0 || sim->same_roles,
						     .relay = a->relay && b->relay,
						     .weft = !sim->netbird,
						     .user = &ret[i] };

		ret[i].host = hosts[i];
		ret[i].other = &ret[1 - i];
		ice_credentials_generate(&ret[i].own, &sim->env.env);
		config.own = ret[i].own;
		ret[i].session = ice_session_new(hosts[i]->agent, &config);
		g_assert_nonnull(ret[i].session);
	}
	offer(&ret[0]);
	offer(&ret[1]);
}

void
sim_close(struct sim_peer pair[2])
{
	g_clear_pointer(&pair[0].session, ice_session_free);
	g_clear_pointer(&pair[1].session, ice_session_free);
}

static int64_t
next_us(struct sim *sim)
{
	int64_t next =
		sim->heap->len > 0 ? ((struct item *) sim->heap->pdata[0])->at_us : INT64_MAX;
	guint i;

	for (i = 0; i < sim->hosts->len; i++) {
		struct sim_host *h = sim->hosts->pdata[i];

		next = MIN(next, ice_agent_next_us(h->agent));
	}
	return next;
}

static void
step(struct sim *sim, int64_t at_us)
{
	guint i;

	if (at_us > sim->env.now_us)
		weft_env_fake_advance(&sim->env, at_us - sim->env.now_us);
	while (sim->heap->len > 0 &&
	       ((struct item *) sim->heap->pdata[0])->at_us <= sim->env.now_us) {
		struct item *item = heap_pop(sim->heap);

		item->func(sim, item);
		g_free(item);
	}
	for (i = 0; i < sim->hosts->len; i++) {
		struct sim_host *h = sim->hosts->pdata[i];

		if (ice_agent_next_us(h->agent) <= sim->env.now_us)
			ice_agent_timer(h->agent);
	}
}

void
sim_run(struct sim *sim, int64_t us)
{
	int64_t end = sim->env.now_us + us, next;

	while ((next = next_us(sim)) <= end)
		step(sim, next);
	if (sim->env.now_us < end)
		weft_env_fake_advance(&sim->env, end - sim->env.now_us);
}

bool
sim_run_until_connected(struct sim *sim, struct sim_peer pair[2], int64_t limit_us)
{
	int64_t end = sim->env.now_us + limit_us, next;

	while (ice_session_state(pair[0].session) != ICE_CONNECTED ||
	       ice_session_state(pair[1].session) != ICE_CONNECTED) {
		next = next_us(sim);
		if (next > end)
			return false;
		step(sim, next);
	}
	return true;
}

bool
sim_agree(struct sim_peer pair[2])
{
	struct sim *sim = pair[0].host->sim;
	unsigned i;

	for (i = 0; i < 2; i++) {
		struct sim_peer *me = &pair[i], *other = &pair[1 - i];
		struct ice_pair_info mine, theirs;

		if (!ice_session_pair(me->session, &mine))
			return false;
		other->host->n_data = 0;
		send_from(me->host, &mine.path, (const uint8_t *) "data", 4, true);
		sim_run(sim, sim->delay_us + sim->jitter_us + 1000);
		if (other->host->n_data == 0 || !ice_session_pair(other->session, &theirs) ||
		    !ice_path_equal(&other->host->probed, &theirs.path))
			return false;
	}
	return true;
}

void
sim_inject(struct sim_host *to, const struct weft_endpoint *from, const uint8_t *buf, size_t len)
{
	struct ice_path path = { .remote = *from };

	(void) ice_agent_receive(to->agent, &path, buf, len);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every kind of NAT against every other, in every weather. */
#include "tests/unit/agent/ice/sim.h"

#include <glib.h>
#include <string.h>

#define S INT64_C(1000000)

/* Whether a way without relay exists. */
static bool
can_be_direct(enum sim_nat a, enum sim_nat b)
{
	bool strict_a = a == SIM_PORT_RESTRICTED || a == SIM_DOUBLE;
	bool strict_b = b == SIM_PORT_RESTRICTED || b == SIM_DOUBLE;

	if (a == SIM_BLOCKED || b == SIM_BLOCKED)
		return false;
	if (a == SIM_SYMMETRIC && (b == SIM_SYMMETRIC || strict_b))
		return false;
	return !(b == SIM_SYMMETRIC && strict_a);
}

static bool
is_direct(const struct sim_peer *p)
{
	struct ice_pair_info info;

	return ice_session_pair(p->session, &info) && info.path.relay == 0 &&
	       info.remote_type != ICE_RELAY;
}

struct weather {
	const char *name;
	int64_t delay_us, jitter_us;
	unsigned loss_permille, duplicate_permille;
	int64_t limit_us;
};

static const struct weather weathers[] = {
	{ "calm", 10000, 0, 0, 0, 1 * S },
	{ "fast", 100, 50, 0, 0, 1 * S },
	{ "lossy", 10000, 2000, 100, 0, 3 * S },
	{ "stormy", 40000, 60000, 100, 100, 3 * S },
};

static void
set_weather(struct sim *sim, const struct weather *w)
{
	sim->delay_us = w->delay_us;
	sim->jitter_us = w->jitter_us;
	sim->loss_permille = w->loss_permille;
	sim->duplicate_permille = w->duplicate_permille;
}

/* One pair of kinds: connected in time, directly if that is possible, and both agree. */
static void
one_pair(uint64_t seed, enum sim_nat a, enum sim_nat b, const struct weather *w)
{
	struct sim *sim = sim_new(seed);
	struct sim_peer pair[2];
	struct sim_host *x = sim_add_host(sim, sim_add_nets(sim, a, false), SIM_IPV4, true);
	struct sim_host *y = sim_add_host(sim, sim_add_nets(sim, b, false), SIM_IPV4, true);
	bool direct = can_be_direct(a, b);
	int64_t start;
	unsigned i;

	sim_run(sim, S / 2);
	set_weather(sim, w);
	start = sim->env.now_us;
	sim_connect(sim, x, y, pair);
	while (!(ice_session_state(pair[0].session) == ICE_CONNECTED &&
		 ice_session_state(pair[1].session) == ICE_CONNECTED &&
		 is_direct(&pair[0]) == direct && is_direct(&pair[1]) == direct) &&
	       sim->env.now_us - start < (direct ? w->limit_us : 6 * S))
		sim_run(sim, 5000);
	g_test_message("%s-%s %s seed %" G_GUINT64_FORMAT ": %s/%s direct %d/%d, %d ms",
		       sim_nat_name(a), sim_nat_name(b), w->name, seed,
		       ice_state_name(ice_session_state(pair[0].session)),
		       ice_state_name(ice_session_state(pair[1].session)), is_direct(&pair[0]),
		       is_direct(&pair[1]), (int) ((sim->env.now_us - start) / 1000));
	for (i = 0; i < 2; i++) {
		g_assert_cmpint(ice_session_state(pair[i].session), ==, ICE_CONNECTED);
		g_assert_cmpint(is_direct(&pair[i]), ==, direct);
	}
	sim_run(sim, 2 * S);
	sim->loss_permille = sim->duplicate_permille = 0;
	sim_run(sim, S);
	for (i = 0; i < 2; i++) {
		g_assert_cmpint(ice_session_state(pair[i].session), ==, ICE_CONNECTED);
		g_assert_cmpuint(pair[i].unanswered, ==, 0);
		g_assert_cmpuint(pair[i].n_disconnected, ==, 0);
		g_assert_cmpuint(pair[i].host->too_fast, ==, 0);
	}
	g_assert_true(sim_agree(pair));
	sim_close(pair);
	sim_free(sim);
}

static void
test_every_pair(gconstpointer data)
{
	const struct weather *w = data;
	unsigned a, b, seed, seeds = w->loss_permille > 0 ? 6 : 2;

	for (a = 0; a < SIM_NAT_COUNT_; a++) {
		for (b = 0; b < SIM_NAT_COUNT_; b++) {
			for (seed = 1; seed <= seeds; seed++)
				one_pair(seed * 1000 + a * 10 + b, (enum sim_nat) a,
					 (enum sim_nat) b, w);
		}
	}
}

static void
connect_or_fail(struct sim *sim, struct sim_host *a, struct sim_host *b, struct sim_peer pair[2])
{
	sim_run(sim, S / 2);
	sim_connect(sim, a, b, pair);
	g_assert_true(sim_run_until_connected(sim, pair, 3 * S));
}

static bool
uses_ipv6(const struct sim_peer *p)
{
	struct ice_pair_info info;

	return ice_session_pair(p->session, &info) &&
	       info.path.remote.addr.family == WEFT_FAMILY_IPV6;
}

static void
test_families(void)
{
	static const struct {
		enum sim_family a, b;
		enum sim_nat nat;
		bool v6, direct;
	} cases[] = {
		{ SIM_IPV4, SIM_DUAL, SIM_PUBLIC, false, true },
		{ SIM_IPV6, SIM_DUAL, SIM_PUBLIC, true, true },
		{ SIM_IPV6, SIM_IPV6, SIM_PUBLIC, true, true },
		{ SIM_DUAL, SIM_DUAL, SIM_SYMMETRIC, true, true },
		{ SIM_DUAL, SIM_DUAL, SIM_BLOCKED, true, true },
		{ SIM_DUAL, SIM_IPV4, SIM_SYMMETRIC, false, false },
	};
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct sim *sim = sim_new(i);
		unsigned net_a = sim_add_nets(sim, cases[i].nat, false);
		unsigned net_b = sim_add_nets(sim, cases[i].nat, false);
		struct sim_host *a = sim_add_host(sim, net_a, cases[i].a, true);
		struct sim_host *b = sim_add_host(sim, net_b, cases[i].b, true);
		struct sim_peer pair[2];

		connect_or_fail(sim, a, b, pair);
		g_assert_cmpint(uses_ipv6(&pair[0]), ==, cases[i].v6);
		g_assert_cmpint(is_direct(&pair[0]), ==, cases[i].direct);
		g_assert_true(sim_agree(pair));
		sim_close(pair);
		sim_free(sim);
	}
}

/* Two hosts in one private network, with the same port: direct without leaving it. */
static void
test_one_network(void)
{
	struct sim *sim = sim_new(1);
	unsigned net = sim_add_nets(sim, SIM_PORT_RESTRICTED, false);
	struct sim_host *a = sim_add_host(sim, net, SIM_IPV4, true);
	struct sim_host *b = sim_add_host(sim, net, SIM_IPV4, true);
	struct sim_host *c = sim_add_host(sim, SIM_ROOT, SIM_IPV4, true);
	struct sim_peer pair[2], outside[2];
	struct ice_pair_info info;

	connect_or_fail(sim, a, b, pair);
	g_assert_true(ice_session_pair(pair[0].session, &info));
	g_assert_cmpint(info.local_type, ==, ICE_HOST);
	g_assert_cmpint(info.remote_type, ==, ICE_HOST);
	/* The NAT can leave the port to one of them only; the other is reached all the same. */
	connect_or_fail(sim, b, c, outside);
	g_assert_true(is_direct(&outside[0]));
	g_assert_true(sim_agree(pair));
	g_assert_true(sim_agree(outside));
	sim_close(pair);
	sim_close(outside);
	sim_free(sim);
}

/* Behind different NATs that share an outer one, as with a provider's NAT. */
static void
test_hairpin(void)
{
	unsigned hairpin;

	for (hairpin = 0; hairpin < 2; hairpin++) {
		struct sim *sim = sim_new(hairpin);
		unsigned outer = sim_add_nat(sim, SIM_PORT_RESTRICTED, SIM_ROOT, hairpin != 0);
		unsigned x = sim_add_nat(sim, SIM_PORT_RESTRICTED, outer, false);
		unsigned y = sim_add_nat(sim, SIM_PORT_RESTRICTED, outer, false);
		struct sim_host *a = sim_add_host(sim, x, SIM_IPV4, true);
		struct sim_host *b = sim_add_host(sim, y, SIM_IPV4, true);
		struct sim_peer pair[2];

		connect_or_fail(sim, a, b, pair);
		sim_run(sim, 2 * S);
		g_assert_cmpint(is_direct(&pair[0]), ==, hairpin != 0);
		g_assert_true(sim_agree(pair));
		sim_close(pair);
		sim_free(sim);
	}
}

/* A NAT that forgets: the peers find each other again by themselves, if the NAT lets them. */
static void
test_rebinding(void)
{
	static const enum sim_nat nats[] = { SIM_ENDPOINT_INDEPENDENT, SIM_PORT_RESTRICTED,
					     SIM_SYMMETRIC };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(nats); i++) {
		struct sim *sim = sim_new(i);
		struct sim_host *a =
			sim_add_host(sim, sim_add_nets(sim, nats[i], false), SIM_IPV4, false);
		struct sim_host *b = sim_add_host(sim, SIM_ROOT, SIM_IPV4, false);
		struct sim_peer pair[2];
		struct ice_pair_info was, is;

		sim->netbird = true;
		connect_or_fail(sim, a, b, pair);
		g_assert_true(ice_session_pair(pair[1].session, &was));
		sim_run(sim, 5 * S);
		sim_rebind(sim);
		sim_run(sim, 12 * S);
		g_assert_true(ice_session_pair(pair[1].session, &is));
		g_assert_false(ice_path_equal(&was.path, &is.path));
		g_assert_true(sim_agree(pair));
		sim_close(pair);
		sim_free(sim);
	}
}

static void
test_restart(void)
{
	unsigned fresh, nat;

	for (fresh = 0; fresh < 2; fresh++) {
		for (nat = 0; nat < SIM_NAT_COUNT_; nat++) {
			struct sim *sim = sim_new(fresh);
			struct sim_host *a = sim_add_host(
				sim, sim_add_nets(sim, (enum sim_nat) nat, false), SIM_IPV4, true);
			struct sim_host *b = sim_add_host(
				sim, sim_add_nets(sim, SIM_PORT_RESTRICTED, false), SIM_IPV4, true);
			struct sim_peer pair[2];
			struct ice_pair_info info;
			int64_t end;

			connect_or_fail(sim, a, b, pair);
			sim_restart(&pair[0], fresh != 0);
			/* There is a pair at any time. */
			for (end = sim->env.now_us + 3 * S; sim->env.now_us < end;) {
				sim_run(sim, 10000);
				g_assert_true(ice_session_pair(pair[0].session, &info));
				g_assert_true(ice_session_pair(pair[1].session, &info));
			}
			g_assert_true(sim_run_until_connected(sim, pair, 0));
			sim_run(sim, 30 * S);
			g_assert_cmpuint(pair[0].n_disconnected + pair[1].n_disconnected, ==, 0);
			g_assert_cmpuint(pair[0].n_selected, >=, 2);
			g_assert_true(sim_agree(pair));
			sim_close(pair);
			sim_free(sim);
		}
	}
}

/* Silence is noticed: after 6 s as NetBird does, a little later with slow consent. */
static void
test_outage(void)
{
	unsigned netbird;

	for (netbird = 0; netbird < 2; netbird++) {
		struct sim *sim = sim_new(1);
		struct sim_host *a = sim_add_host(sim, SIM_ROOT, SIM_IPV4, false);
		struct sim_host *b = sim_add_host(sim, SIM_ROOT, SIM_IPV4, false);
		struct ice_pair_info info;
		struct sim_peer pair[2];
		int64_t start;

		sim->netbird = netbird != 0;
		connect_or_fail(sim, a, b, pair);
		sim_run(sim, 60 * S);
		g_assert_cmpuint(pair[0].n_disconnected, ==, 0);
		sim->down = true;
		start = sim->env.now_us;
		sim_run(sim, 40 * S);
		g_assert_cmpuint(pair[0].n_disconnected, ==, 1);
		g_assert_cmpint(pair[0].disconnected_us - start, <=, netbird ? 6 * S : 18 * S);
		g_assert_cmpuint(pair[0].n_failed, ==, 1);
		g_assert_cmpint(ice_session_state(pair[0].session), ==, ICE_FAILED);
		g_assert_false(ice_session_pair(pair[0].session, &info));
		sim->down = false;
		sim_restart(&pair[0], false);
		g_assert_true(sim_run_until_connected(sim, pair, S));
		sim_close(pair);
		sim_free(sim);
	}
}

/* The path dies, but there is another one. */
static void
test_other_path(void)
{
	struct sim *sim = sim_new(3);
	struct sim_host *a = sim_add_host(sim, SIM_ROOT, SIM_DUAL, false);
	struct sim_host *b = sim_add_host(sim, SIM_ROOT, SIM_DUAL, false);
	struct sim_peer pair[2];

	connect_or_fail(sim, a, b, pair);
	g_assert_true(uses_ipv6(&pair[0]));
	b->v6.port++; /* nobody is there any more */
	sim_run(sim, 25 * S);
	g_assert_cmpuint(pair[0].n_disconnected, ==, 1);
	g_assert_cmpint(ice_session_state(pair[0].session), ==, ICE_CONNECTED);
	g_assert_false(uses_ipv6(&pair[0]));
	g_assert_true(sim_agree(pair));
	sim_close(pair);
	sim_free(sim);
}

static void
test_roles(void)
{
	uint64_t seed;

	for (seed = 1; seed < 20; seed++) {
		struct sim *sim = sim_new(seed);
		struct sim_host *a = sim_add_host(sim, SIM_ROOT, SIM_IPV4, false);
		struct sim_host *b = sim_add_host(
			sim, sim_add_nets(sim, SIM_PORT_RESTRICTED, false), SIM_IPV4, false);
		struct sim_peer pair[2];

		sim->same_roles = true;
		connect_or_fail(sim, a, b, pair);
		g_assert_cmpint(ice_session_controlling(pair[0].session), !=,
				ice_session_controlling(pair[1].session));
		g_assert_true(sim_agree(pair));
		sim_close(pair);
		sim_free(sim);
	}
}

/* Candidates that never arrive: the other side's checks are enough. */
static void
test_peer_reflexive(void)
{
	struct sim *sim = sim_new(1);
	struct sim_host *a = sim_add_host(sim, SIM_ROOT, SIM_IPV4, false);
	struct sim_host *b =
		sim_add_host(sim, sim_add_nets(sim, SIM_SYMMETRIC, false), SIM_IPV4, false);
	struct sim_peer pair[2];
	struct ice_pair_info info;

	sim_run(sim, S / 2);
	sim_connect(sim, a, b, pair);
	pair[1].drop_lines = true;
	g_assert_true(sim_run_until_connected(sim, pair, S));
	g_assert_true(ice_session_pair(pair[0].session, &info));
	g_assert_cmpint(info.remote_type, ==, ICE_PRFLX);
	sim_close(pair);
	sim_free(sim);
}

/* One host and very many peers at once: at most one new check in 5 ms, and all get through. */
static void
test_mesh(void)
{
	enum { PEERS = 1000 };
	struct sim *sim = sim_new(1);
	struct sim_host *hub = sim_add_host(sim, SIM_ROOT, SIM_IPV4, false);
	struct sim_peer *pairs = g_new0(struct sim_peer, 2 * PEERS);
	struct sim_host *hosts[PEERS];
	unsigned i, n = 0;

	for (i = 0; i < PEERS; i++)
		hosts[i] = sim_add_host(sim, SIM_ROOT, SIM_IPV4, false);
	sim_run(sim, S / 2);
	for (i = 0; i < PEERS; i++)
		sim_connect(sim, hub, hosts[i], &pairs[2 * i]);
	sim_run(sim, 20 * S);
	for (i = 0; i < PEERS; i++) {
		n += ice_session_state(pairs[2 * i].session) == ICE_CONNECTED &&
		     ice_session_state(pairs[2 * i + 1].session) == ICE_CONNECTED;
		sim_close(&pairs[2 * i]);
	}
	g_assert_cmpuint(n, ==, PEERS);
	g_assert_cmpuint(hub->too_fast, ==, 0);
	g_free(pairs);
	sim_free(sim);
}

/* Addresses that come later are signalled, and paths that they open are found. */
static void
test_network_change(void)
{
	struct sim *sim = sim_new(1);
	struct sim_host *a = sim_add_host(sim, SIM_ROOT, SIM_IPV4, false);
	struct sim_host *b = sim_add_host(sim, SIM_ROOT, SIM_DUAL, false);
	struct weft_address both[2];
	struct sim_peer pair[2];
	unsigned lines;
	uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 99 };

	connect_or_fail(sim, a, b, pair);
	lines = pair[0].n_lines;
	both[0] = a->v4.addr;
	both[1] = weft_address_v6(v6);
	a->v6 = (struct weft_endpoint){ both[1], SIM_PORT };
	ice_agent_set_hosts(a->agent, both, 2);
	sim_run(sim, S);
	g_assert_cmpuint(pair[0].n_lines, ==, lines + 1);
	g_assert_cmpint(ice_session_state(pair[0].session), ==, ICE_CONNECTED);
	g_assert_true(sim_agree(pair));
	sim_close(pair);
	sim_free(sim);
}

int
main(int argc, char **argv)
{
	unsigned i;

	g_test_init(&argc, &argv, NULL);
	for (i = 0; i < G_N_ELEMENTS(weathers); i++) {
		g_autofree char *path =
			g_strdup_printf("/simulator/every-pair/%s", weathers[i].name);

		g_test_add_data_func(path, &weathers[i], test_every_pair);
	}
	g_test_add_func("/simulator/families", test_families);
	g_test_add_func("/simulator/one-network", test_one_network);
	g_test_add_func("/simulator/hairpin", test_hairpin);
	g_test_add_func("/simulator/rebinding", test_rebinding);
	g_test_add_func("/simulator/restart", test_restart);
	g_test_add_func("/simulator/outage", test_outage);
	g_test_add_func("/simulator/other-path", test_other_path);
	g_test_add_func("/simulator/roles", test_roles);
	g_test_add_func("/simulator/peer-reflexive", test_peer_reflexive);
	g_test_add_func("/simulator/mesh", test_mesh);
	g_test_add_func("/simulator/network-change", test_network_change);
	return g_test_run();
}

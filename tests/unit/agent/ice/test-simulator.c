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
	return g_test_run();
}

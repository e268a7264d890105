/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An internet in memory: hosts with ICE agents, NATs of every kind, STUN servers, relays, and time
 * that runs as fast as it can. Seeded, so every run can be repeated. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/ice/agent.h"
#include "base/address.h"
#include "base/env.h"

enum sim_nat {
	SIM_PUBLIC,               /* no NAT */
	SIM_ENDPOINT_INDEPENDENT, /* mapping and filtering (full cone) */
	SIM_ADDRESS_RESTRICTED,
	SIM_PORT_RESTRICTED,
	SIM_SYMMETRIC,
	SIM_DOUBLE,  /* port-restricted behind port-restricted */
	SIM_BLOCKED, /* no UDP at all */
	SIM_NAT_COUNT_
};

const char *sim_nat_name(enum sim_nat nat);

enum sim_family { SIM_IPV4 = 1, SIM_IPV6 = 2, SIM_DUAL = 3 };

#define SIM_PORT    51820
#define SIM_ROOT    0 /* the public network */
#define SIM_RELAYED 7 /* id of every host's allocation */

struct sim;

struct sim_host {
	struct sim *sim;
	unsigned number;
	unsigned net;
	struct weft_endpoint v4, v6; /* family NONE: none */
	IceAgent *agent;
	bool relay; /* has an allocation */
	struct weft_endpoint relayed;
	GHashTable *permitted; /* struct weft_address in text */
	GHashTable *answered;  /* "relay/endpoint": success answers came from there */
	uint64_t checks;       /* by the agent's counter, at the last look */
	int64_t check_us;      /* when it last rose */
	unsigned too_fast;     /* how often within Ta */
	uint64_t sent;
	struct ice_path probed; /* where the last data packet came from */
	unsigned n_data;
};

/* One side of a connection between two hosts. */
struct sim_peer {
	struct sim_host *host;
	struct sim_peer *other;
	IceSession *session;
	struct ice_credentials own;
	unsigned n_usable, n_selected, n_disconnected, n_failed;
	int64_t usable_us, selected_us, disconnected_us;
	unsigned unanswered; /* pairs given out whose remote never answered */
	bool drop_lines;     /* signalling loses our candidates */
	unsigned n_lines;
};

struct sim {
	struct weft_env_fake env;
	struct ice_ops ops;
	GPtrArray *hosts, *nats, *heap, *peers;
	uint64_t order;
	/* The weather, changed at will. */
	int64_t delay_us, jitter_us;
	unsigned loss_permille, duplicate_permille;
	bool down;       /* nothing arrives */
	bool netbird;    /* sessions without slow consent */
	bool same_roles; /* both sides believe that they control */
	unsigned n_public;
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim);

/* A network behind a NAT within @parent; returns its number. */
unsigned sim_add_nat(struct sim *sim, enum sim_nat nat, unsigned parent, bool hairpin);

/* Networks as the kind says; SIM_ROOT for SIM_PUBLIC. */
unsigned sim_add_nets(struct sim *sim, enum sim_nat nat, bool hairpin);

/* A host in a network, with IPv6 in the public one. */
struct sim_host *sim_add_host(struct sim *sim, unsigned net, enum sim_family family, bool relay);

/* Forgets the mappings of all NATs, and gives them other ports. */
void sim_rebind(struct sim *sim);

/* Both sides open a session and exchange offers and candidates. */
void sim_connect(struct sim *sim, struct sim_host *a, struct sim_host *b, struct sim_peer ret[2]);

/* Restarts one side with new credentials (@fresh) or the same, and signals it. */
void sim_restart(struct sim_peer *peer, bool fresh);
void sim_close(struct sim_peer pair[2]);

/* Lets time pass. */
void sim_run(struct sim *sim, int64_t us);

/* Until both sides are CONNECTED, at most @limit_us. */
bool sim_run_until_connected(struct sim *sim, struct sim_peer pair[2], int64_t limit_us);

/* True if what each side sends over its pair arrives where the other side's pair says. */
bool sim_agree(struct sim_peer pair[2]);

/* A datagram out of nowhere to a host. */
void sim_inject(struct sim_host *to,
		const struct weft_endpoint *from,
		const uint8_t *buf,
		size_t len);

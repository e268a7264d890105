/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the engine share. Nothing outside agent/ice/ includes this.
 *
 * Every public function is a bracket of agent_enter() and agent_leave(): inside, files change
 * state, send, and note events; callbacks to the owner run in agent_leave() of the outermost
 * bracket, when no pointer into a session is held. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ice/agent.h"
#include "base/list.h"
#include "base/wheel.h"
#include "stun/message.h"

#define MS INT64_C(1000)
#define S  INT64_C(1000000)

/* Ta of RFC 8445 section 14.2: one new check at most, all peers together. */
#define PACE_US (5 * MS)
/* NetBird's check interval, and how often it asks before a pair fails (protocol.md 4.1). */
#define CHECK_US       (200 * MS)
#define CHECK_MAX_US   (1 * S) /* with many checks under way */
#define CHECK_REQUESTS 8
/* After the last request; longer than NetBird's, for paths over satellites. */
#define CHECK_LAST_US (1 * S)
/* The whole phase, and its bound when the pace of a large mesh stretches it. */
#define CHECKING_US     (12 * S)
#define CHECKING_MAX_US (60 * S)
/* How long the nomination of a good pair waits for better ones that are being checked. */
#define NOMINATE_HOST_US   (50 * MS)
#define NOMINATE_DIRECT_US (300 * MS)
#define NOMINATE_RELAY_US  (1 * S)
/* Consent: NetBird's tick and patience, and what two Weft agents agree on. */
#define CONSENT_US       (2 * S)
#define CONSENT_SLOW_US  (10 * S)
#define CONSENT_RETRY_US (500 * MS)
#define CONSENT_LOST_US  (6 * S)
/* Requests of the peer alone are no consent for ever (RFC 7675 section 5.1). */
#define CONSENT_EXPIRY_US (30 * S)
/* How long an old generation's credentials answer after the new one was selected. */
#define OLD_KEEP_US (10 * S)

#define TXID        WEFT_STUN_TRANSACTION_LEN
/* draft-thatcher-ice-renomination: the greater value wins, whatever the order of arrival. */
#define ATTR_NOMINATION 0xc001
#define MESSAGE_MAX     384

enum pair_state {
	PAIR_FROZEN,
	PAIR_WAITING,
	PAIR_IN_PROGRESS,
	PAIR_SUCCEEDED,
	PAIR_FAILED,
	PAIR_STATE_COUNT_
};

struct remote {
	struct weft_endpoint endpoint;
	uint32_t priority;
	uint32_t foundation;
	uint8_t type;  /* enum ice_type */
	uint8_t guess; /* srflx with the peer's WireGuard port, nobody signalled it */
};

struct pair {
	uint64_t priority;
	int64_t due_us;   /* in flight: next transmission or end */
	int64_t sent_us;  /* first transmission of txid */
	int64_t valid_us; /* since when SUCCEEDED */
	struct weft_endpoint mapped;
	struct weft_address local; /* where the peer's requests arrived */
	uint8_t txid[TXID];
	uint32_t relay;
	uint32_t rtt_us;
	uint8_t remote; /* index */
	uint8_t state;  /* enum pair_state */
	uint8_t sent;
	bool has_txid : 1;          /* an answer would be used, also a late one */
	bool in_flight : 1;         /* txid is being asked; IN_PROGRESS, or a nomination */
	bool triggered : 1;         /* to be checked before the others */
	bool use_candidate : 1;     /* txid nominates */
	bool as_controlling : 1;    /* role in txid */
	bool nominate_on_valid : 1; /* controlled: USE-CANDIDATE came first */
	bool renomination : 1;      /* and it was a NOMINATION */
};

#define NO_PAIR (-1)

/* Keepalive and consent of one path. */
struct consent {
	int64_t heard_us;    /* last authenticated STUN of the peer */
	int64_t answered_us; /* last answer to a request of ours */
	int64_t due_us;      /* next request */
	int64_t sent_us;     /* first transmission of the one under way */
	int64_t asked_us;    /* first transmission since the last answer */
	uint8_t txid[TXID];
	uint8_t former[TXID]; /* the one before: its answer may be late */
	uint8_t sent;         /* transmissions of the one under way, 0: none */
	bool asking;          /* asked_us holds */
};

/* The generation before a restart, as long as its pair is in use. */
struct old {
	struct ice_credentials own, remote;
	struct ice_pair_info pair;
	struct consent consent;
	int64_t end_us; /* INT64_MAX: not yet replaced */
	bool usable;
	bool own_ufrag; /* in the agent's table under old.own */
};

struct early {
	struct remote remote;
	struct remote guess; /* family NONE: none */
	char ufrag[ICE_UFRAG_MAX + 1];
};

struct ice_session {
	IceAgent *agent;
	void *user;
	struct ice_credentials own, remote;
	bool has_remote : 1;
	bool controlling : 1;
	bool relay : 1;
	bool weft : 1;
	bool gathering : 1;
	bool dead : 1;
	bool urgent : 1; /* in which queue */
	uint8_t state;   /* enum ice_state */
	uint8_t n_remotes, n_pairs, cap_remotes, cap_pairs;
	int16_t current;  /* pair in use */
	int16_t selected; /* nominated one */
	int16_t nominee;  /* being nominated by us */
	uint32_t slot;
	uint32_t signalled;  /* locals, by bit */
	uint32_t nomination; /* greatest NOMINATION sent or seen */
	uint64_t tie_breaker;
	int64_t checking_us; /* start of the phase */
	struct remote *remotes;
	struct pair *pairs;
	struct consent consent; /* of current */
	struct old *old;
	GArray *early; /* struct early: candidates of a generation to come */
	struct weft_wheel_timer timer;
	struct weft_list queue;  /* checks or urgent */
	struct weft_list signal; /* candidates to be signalled */
	struct weft_list all;
};

struct local {
	struct ice_candidate c;
	struct weft_address internal; /* host: the interface's own address */
	uint32_t relay;
	bool used, keep;
};

struct stun_server {
	struct weft_endpoint endpoint;
	struct weft_endpoint mapped; /* family NONE: no answer yet */
	uint8_t txid[TXID];
	int64_t due_us;
	uint8_t sent;
	bool asking;
};

struct noted {
	IceSession *session;
	struct ice_event event;
};

struct ice_agent {
	const struct weft_env *env;
	const struct ice_ops *ops;
	void *user;
	uint16_t port;
	bool no_ipv6;
	unsigned depth;
	int64_t now_us;
	struct weft_wheel wheel;
	struct weft_wheel_timer pace, gather;
	int64_t pace_us; /* when the next new check may leave */
	struct weft_list urgent, checks, signal, sessions, graves;
	GHashTable *by_ufrag; /* own ufrag, borrowed -> session */
	GPtrArray *slots;     /* sessions, NULL where free */
	GArray *free_slots;   /* uint32_t */
	GArray *noted;        /* struct noted */
	uint32_t n_in_flight; /* checks of all sessions */
	uint8_t secret[24];

	struct local locals[ICE_LOCALS_MAX];
	struct weft_address hosts[ICE_HOSTS_MAX];
	uint8_t n_hosts;
	struct ice_mapping mappings[ICE_HOSTS_MAX];
	uint8_t n_mappings;
	struct weft_prefix overlay[8];
	uint8_t n_overlay;
	struct weft_endpoint forwarded;
	struct ice_relay_candidate relays[ICE_RELAYS_MAX];
	uint8_t n_relays;
	struct stun_server servers[ICE_STUN_SERVERS_MAX];
	uint8_t n_servers;
	int64_t asked_us; /* when the last round of gathering began; INT64_MIN: never */
	struct ice_stats stats;
};

/* agent.c */
void agent_enter(IceAgent *agent);
void agent_leave(IceAgent *agent);
void agent_note(IceSession *session, enum ice_event_type type, const struct ice_pair_info *pair);
void agent_send(IceAgent *agent, const struct ice_path *to, const uint8_t *buf, size_t len);
void agent_pace(IceAgent *agent);
bool agent_is_overlay(const IceAgent *agent, const struct weft_address *a);
void agent_new_txid(IceAgent *agent, uint32_t slot, uint8_t txid[TXID]);
IceSession *agent_find_txid(const IceAgent *agent, const uint8_t txid[TXID]);

/* local.c */
void locals_rebuild(IceAgent *agent);
bool locals_family_ok(const IceAgent *agent, uint8_t family);
bool locals_is_host(const IceAgent *agent, const struct weft_endpoint *e);
enum ice_type locals_type_of(const IceAgent *agent, const struct weft_endpoint *mapped);
bool locals_relay_family(const IceAgent *agent, uint32_t relay, uint8_t *ret_family);
void locals_signal(IceSession *session);

/* gather.c */
void gather_start(IceAgent *agent, bool force);
void on_gather_timer(struct weft_wheel_timer *timer, int64_t now_us, void *user);
bool gather_response(IceAgent *agent,
		     const struct ice_path *from,
		     const struct weft_stun_message *m);

/* pairs.c */
int pairs_add_remote(IceSession *s, const struct remote *r);
int pairs_find_remote(const IceSession *s, const struct weft_endpoint *e);
int pairs_find(const IceSession *s, int remote, uint32_t relay);
int pairs_add(IceSession *s, int remote, uint32_t relay);
void pairs_complete(IceSession *s);
void pairs_reprioritise(IceSession *s);
void pairs_set_in_flight(IceSession *s, struct pair *p, bool in_flight);
void pairs_drop_peer_reflexive(IceSession *s);
void pairs_revive(IceSession *s);
int pairs_next_check(const IceSession *s);
void pairs_unfreeze(IceSession *s, const struct pair *like);
bool pairs_pending_above(const IceSession *s, uint64_t priority);
int pairs_best_valid(const IceSession *s);
void pairs_clear(IceSession *s);
void pairs_drop_relay(IceSession *s, uint32_t relay);
struct ice_path pair_path(const IceSession *s, const struct pair *p);
struct ice_pair_info pair_info(const IceSession *s, int index);

/* check.c */
void check_send_one(IceSession *s);
void check_timer(IceSession *s);
void check_succeeded(IceSession *s, int index, const struct weft_stun_message *m);
void check_nominated(IceSession *s, int index);
void check_nominate(IceSession *s);
int64_t check_next_us(const IceSession *s);
void check_switch_role(IceSession *s, bool controlling);

/* consent.c */
void consent_start(IceSession *s);
void consent_timer(IceSession *s);
void consent_heard(IceSession *s, const struct ice_path *from);
void consent_probe(IceSession *s);
int64_t consent_next_us(const IceSession *s);
bool consent_response(IceSession *s,
		      const struct ice_path *from,
		      const struct weft_stun_message *m);

/* message.c */
struct request {
	const struct ice_credentials *own, *remote;
	const uint8_t *txid;
	uint64_t tie_breaker;
	uint32_t priority;
	uint32_t nomination; /* 0: none */
	bool controlling;
	bool use_candidate;
};
size_t message_request(uint8_t buf[MESSAGE_MAX], const struct request *r);
size_t message_success(uint8_t buf[MESSAGE_MAX],
		       const struct weft_stun_message *request,
		       const struct weft_endpoint *mapped,
		       const struct ice_credentials *own);
size_t message_error(uint8_t buf[MESSAGE_MAX],
		     const struct weft_stun_message *request,
		     unsigned code,
		     const struct ice_credentials *own);
bool message_signed_by(const struct weft_stun_message *m, const char *pwd);
uint32_t message_nomination(const struct weft_stun_message *m); /* 0: none */

/* session.c */
void session_update(IceSession *s);
void session_drop_old(IceSession *s);
void session_destroy(IceSession *s);

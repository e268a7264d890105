/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ICE (RFC 8445, 8838, 7675) for a whole host: one UDP port, many peers, in NetBird's dialect.
 *
 * An agent holds what all peers share: the port, local candidates, the pace of checks; a session
 * is the search for, and the keeping of, the way to one peer. Both are state machines without
 * sockets, threads or main loop: the caller reports what happened (packets, time, candidates), the
 * engine calls back with what is to be done. Not thread-safe.
 *
 *	agent = ice_agent_new(&config);               port known, raw sockets open (socket.h)
 *	ice_agent_set_hosts(...);                     at start and when addresses change
 *	ice_agent_set_stun_servers(...);
 *	s = ice_session_new(agent, &session_config);  from here on checks are answered
 *	    ... send OFFER with ice_session_credentials(s) ...
 *	ice_session_gather(s);                        candidate() is called, now and later
 *	    ... OFFER or ANSWER received ...
 *	ice_session_set_remote(s, &credentials);      checks begin
 *	    ... CANDIDATE received, before or after that ...
 *	ice_session_add_remote(s, line, len);
 *	    ... event() USABLE, SELECTED, DISCONNECTED, FAILED ...
 *
 * After every call into the engine the caller arms one timer for ice_agent_next_us() and calls
 * ice_agent_timer() then. Callbacks run inside calls of the engine. candidate() and event() may
 *call any function of this header but ice_agent_free(), send() and permit() none; a session that is
 *freed gets no further callback. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ice/candidate.h"
#include "agent/ice/limits.h"
#include "base/address.h"

struct weft_env;

typedef struct ice_agent IceAgent;
typedef struct ice_session IceSession;

/* Where a datagram comes from or goes to. */
struct ice_path {
	struct weft_endpoint remote;
	struct weft_address local; /* our address on that path; family NONE: what the kernel's route
				      gives. Only meaningful with relay 0 */
	uint32_t relay;            /* 0: WireGuard's own port; else the id of a relayed candidate:
				      through that TURN allocation */
};

bool ice_path_equal(const struct ice_path *a, const struct ice_path *b); /* without local */

/* A pair of candidates as far as a caller needs it. */
struct ice_pair_info {
	struct ice_path path;        /* set WireGuard's endpoint to path.remote if path.relay is 0,
					else proxy through that allocation */
	enum ice_type local_type;    /* HOST, SRFLX or PRFLX by our address as the peer sees it */
	enum ice_type remote_type;   /* RELAY: the packets go to the peer's TURN server */
	struct weft_endpoint mapped; /* our address as the peer sees it; family NONE if unknown */
	uint64_t priority;
	uint32_t rtt_us; /* of the last check that was answered at its first attempt; 0 unknown */
};

enum ice_state {
	ICE_NEW,          /* no remote credentials yet; checks are answered */
	ICE_CHECKING,     /* no pair is valid */
	ICE_USABLE,       /* a pair is valid: traffic may flow; nomination goes on */
	ICE_CONNECTED,    /* a pair is nominated and selected */
	ICE_DISCONNECTED, /* nothing was heard from the peer for the consent time */
	ICE_FAILED,       /* no pair became valid in time */
	ICE_STATE_COUNT_
};

const char *ice_state_name(enum ice_state state);

enum ice_event_type {
	/* The pair is valid and is the best so far: use it. Comes once before the first SELECTED
	 * if the nomination takes longer than the check, and again if a better pair becomes valid
	 * before one is nominated. */
	ICE_EVENT_USABLE,
	/* The pair was nominated, or a better one replaces it. */
	ICE_EVENT_SELECTED,
	/* The peer does not answer any more. All pairs are checked again, which ends in USABLE
	 * or, after 12 s, in FAILED. NetBird peers give up as well, so that a restart with a new
	 * session id is due at once. */
	ICE_EVENT_DISCONNECTED,
	/* Nothing worked within 12 s. The session still answers, and becomes USABLE if the peer's
	 * checks arrive after all. */
	ICE_EVENT_FAILED,
	ICE_EVENT_TYPE_COUNT_
};

const char *ice_event_name(enum ice_event_type type);

struct ice_event {
	enum ice_event_type type;
	struct ice_pair_info pair; /* USABLE, SELECTED: the pair; DISCONNECTED: the one lost */
};

struct ice_ops {
	/* Sends one datagram. Losing it is allowed. */
	void (*send)(void *user, const struct ice_path *to, const uint8_t *buf, size_t len);
	/* A local candidate is to be signalled to the peer of @session: one CANDIDATE message.
	 * @line is NUL-terminated and borrowed. */
	void (*candidate)(void *user, IceSession *session, const char *line, size_t len);
	void (*event)(void *user, IceSession *session, const struct ice_event *event);
	/* The relay is to let packets from @peer in (TURN permission). Called for each remote
	 * address of sessions with relay; NULL if there are no relays. */
	void (*permit)(void *user, uint32_t relay, const struct weft_address *peer);
};

struct ice_agent_config {
	const struct weft_env *env; /* borrowed */
	const struct ice_ops *ops;  /* borrowed, static */
	void *user;                 /* first argument of ops */
	uint16_t port;              /* WireGuard's */
	bool no_ipv6;
};

IceAgent *ice_agent_new(const struct ice_agent_config *config);
/* All sessions must have been freed. */
void ice_agent_free(IceAgent *agent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IceAgent, ice_agent_free)

/* WireGuard listens elsewhere now: host candidates change, reflexive ones are asked for again. */
void ice_agent_set_port(IceAgent *agent, uint16_t port);

/* The addresses that may be offered (netlink/candidate.h), best first; at most ICE_HOSTS_MAX are
 * taken. New ones are signalled in all sessions that gather; sessions whose state is CONNECTED do
 * an extra consent check at once. If the list differs, reflexive candidates are asked for again. */
void ice_agent_set_hosts(IceAgent *agent, const struct weft_address *hosts, size_t n);

/* Overlay prefixes of the mesh: checks from and to them are dropped, so that ICE never runs inside
 * the tunnel (protocol.md 4.4). At most 8. */
void ice_agent_set_overlay(IceAgent *agent, const struct weft_prefix *prefixes, size_t n);

/* Servers for reflexive candidates, at most ICE_STUN_SERVERS_MAX. They are asked when a session
 * gathers and the last answers are older than 25 s, and when addresses change. */
void ice_agent_set_stun_servers(IceAgent *agent, const struct weft_endpoint *servers, size_t n);

/* Fixed mapping in front of this host (NetBird's external IP map): host candidates with the
 * internal address are offered with the external one. At most ICE_HOSTS_MAX. */
struct ice_mapping {
	struct weft_address internal, external;
};
void ice_agent_set_mappings(IceAgent *agent, const struct ice_mapping *mappings, size_t n);

/* A port forwarding that a router confirmed (UPnP, NAT-PMP): offered as server reflexive candidate
 * with a priority raised by 1000. NULL: none any more. */
void ice_agent_set_forwarded(IceAgent *agent, const struct weft_endpoint *external);

/* The relayed addresses of this host's TURN allocations (turn.h), each with its id > 0. Offered in
 * sessions that were made with relay. A pair on an id that is gone is dropped. */
struct ice_relay_candidate {
	uint32_t id;
	struct weft_endpoint relayed;
};
void ice_agent_set_relays(IceAgent *agent, const struct ice_relay_candidate *relays, size_t n);

/* The network changed in a way that the other functions do not tell (default route): asks the STUN
 * servers again, checks consent of all selected pairs now. */
void ice_agent_network_changed(IceAgent *agent);

/* True once every STUN server of the present round answered or was given up. */
bool ice_agent_gathered(const IceAgent *agent);

enum ice_receive {
	ICE_RECEIVE_TAKEN,   /* a message of ours, answered or used */
	ICE_RECEIVE_FOREIGN, /* not STUN, or for no session: ignored */
	ICE_RECEIVE_REFUSED, /* integrity, address or content wrong: ignored or answered 4xx */
	ICE_RECEIVE_COUNT_
};

/* One datagram that arrived on WireGuard's port or through a relay. Anything may stand in it. */
enum ice_receive ice_agent_receive(IceAgent *agent,
				   const struct ice_path *from,
				   const uint8_t *buf,
				   size_t len);

/* Does what is due. */
void ice_agent_timer(IceAgent *agent);

/* Monotonic time of the next ice_agent_timer(), INT64_MAX if none. May be past. */
int64_t ice_agent_next_us(const IceAgent *agent);

struct ice_stats {
	uint64_t checks;   /* first transmissions of checks, nominations included */
	uint64_t repeats;  /* retransmissions of checks */
	uint64_t consents; /* requests on selected pairs */
	uint64_t answers;  /* answers given, errors included */
	uint64_t refused;  /* datagrams REFUSED */
	uint64_t foreign;  /* datagrams FOREIGN */
	uint64_t gathers;  /* requests to STUN servers */
	uint32_t sessions;
};
struct ice_stats ice_agent_stats(const IceAgent *agent);

struct ice_session_config {
	struct ice_credentials own; /* ice_credentials_generate(); kept by weftd over restarts as
				       NetBird does (protocol.md 3.6) */
	bool controlling;           /* own key text > peer's (protocol.md 3.5) */
	bool relay;                 /* use relayed candidates too (protocol.md 4.3) */
	bool weft;                  /* both sides set weftFeatures bit 0: slow consent */
	void *user;                 /* ice_session_user() */
};

/* NULL if there are ICE_SESSIONS_MAX, or the ufrag is in use or malformed. */
IceSession *ice_session_new(IceAgent *agent, const struct ice_session_config *config);
void ice_session_free(IceSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IceSession, ice_session_free)

void *ice_session_user(const IceSession *session);
const struct ice_credentials *ice_session_credentials(const IceSession *session);
enum ice_state ice_session_state(const IceSession *session);
bool ice_session_controlling(const IceSession *session); /* after role conflicts */

/* The pair that traffic should use; false if there is none (NEW, CHECKING, DISCONNECTED, FAILED).
 * During a restart it is the old one until the new one is there. */
bool ice_session_pair(const IceSession *session, struct ice_pair_info *ret);

/* Signals all local candidates, and later ones as they appear. Call after the OFFER or ANSWER that
 * carries the credentials is on its way. Once per restart; further calls do nothing. */
void ice_session_gather(IceSession *session);

/* Credentials of the peer, out of an OFFER or ANSWER; checks begin. The same ones again are
 * ignored, different ones restart the session's checks as ice_session_restart() does, keeping our
 * own. */
void ice_session_set_remote(IceSession *session, const struct ice_credentials *remote);

/* As learnt from the peer's Body. */
void ice_session_set_relay(IceSession *session, bool relay);
void ice_session_set_weft(IceSession *session, bool weft);

/* A CANDIDATE line of the peer; may come before ice_session_set_remote(). UNUSABLE also for
 * overlay addresses, and if there are too many. A line whose ufrag is not that of the credentials
 * in force is kept until those that it belongs to come. */
enum ice_line_status ice_session_add_remote(IceSession *session, const char *line, size_t len);

/* ICE restart (RFC 8445 section 9): checks begin anew with the next ice_session_set_remote(), and
 * gathering with the next ice_session_gather(). Candidates that the peer signalled are kept if it
 * comes back with the same ufrag. A pair in use stays in use, with its consent, until a new one is
 * valid (DISCONNECTED tells if it is lost before). @own: new credentials, or NULL to keep them
 * (NetBird does, protocol.md 3.6). False if the new ufrag is in use or malformed. */
bool ice_session_restart(IceSession *session, const struct ice_credentials *own);

/* Tests the pair in use now instead of at its next turn: WireGuard got no answer, say. */
void ice_session_probe(IceSession *session);

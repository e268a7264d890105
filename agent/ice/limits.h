/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bounds of the ICE engine; each with its reason. */
#pragma once

/* Addresses of this host that are offered. */
#define ICE_HOSTS_MAX 16

/* Local candidates in all: hosts, server reflexive, relayed; one bit each in a session. */
#define ICE_LOCALS_MAX 32

/* STUN servers asked. NetBird's accounts have one or two. */
#define ICE_STUN_SERVERS_MAX 8

/* Server reflexive candidates per address family: a symmetric NAT gives one per server. */
#define ICE_REFLEXIVE_MAX 4

/* Relayed candidates: TURN allocations of this host. */
#define ICE_RELAYS_MAX 4

/* Remote candidates of one peer, guesses and peer-reflexive ones included. RFC 8445 section 6.1.2.5
 * proposes 100 pairs; a host with 16 addresses signals less than 40. */
#define ICE_REMOTES_MAX 64

/* Of these learnt from requests: whoever knows the credentials may come from many ports. */
#define ICE_PEER_REFLEXIVE_MAX 16

/* Pairs of one peer: each remote candidate from our port and from the relays. */
#define ICE_PAIRS_MAX 128

/* Peers of this host. Ten times the largest mesh that NetBird's documents speak of. */
#define ICE_SESSIONS_MAX 65536

/* Longest candidate line: foundation 32, two addresses, ufrag 256, cid, extensions. */
#define ICE_LINE_MAX 1024

/* Credentials of RFC 8839 section 5.4: ufrag 4..256, pwd 22..256 characters. */
#define ICE_UFRAG_MIN 4
#define ICE_PWD_MIN   22

/* Longest that we store: NetBird has 16 and 32, libnice 4 and 22, browsers 4..32 and 24..32. Kept
 * small because a mesh holds four of them per peer. */
#define ICE_UFRAG_MAX 32
#define ICE_PWD_MAX   64

/* Candidate id (protocol.md 4.3). */
#define ICE_CID_LEN 32

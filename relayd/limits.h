/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What relayd accepts at most, and why so much. */
#pragma once

/* RFC 8656 sections 7.2, 9, 12.1. */
#define RELAY_LIFETIME_DEFAULT_S    600
#define RELAY_LIFETIME_MAX_S        3600
#define RELAY_PERMISSION_LIFETIME_S 300
#define RELAY_CHANNEL_LIFETIME_S    600

/* Time for which a reserved port waits for its owner (section 7.2 recommends 30 s). */
#define RELAY_RESERVATION_S    30
#define RELAY_RESERVATIONS_MAX 256

/* In an allocation's record; more go to extension blocks. An ICE agent has one permission and one
 * channel per remote candidate: five or six. */
#define RELAY_PERMISSIONS_INLINE 7
#define RELAY_CHANNELS_INLINE    7

/* Of one allocation: an agent that meets a whole mesh through one relayed address. */
#define RELAY_PERMISSIONS_MAX 256
#define RELAY_CHANNELS_MAX    256

/* Messages in one recvmmsg()/sendmmsg(): beyond 64 the gain is below 1 %. */
#define RELAY_BATCH 64

/* Largest datagram, and what one GRO train may carry. */
#define RELAY_DATAGRAM_MAX 65535

/* Segments of one GSO send: the kernel's UDP_MAX_SEGMENTS of old. */
#define RELAY_SEGMENTS_MAX 64

/* Receive and send buffers of the listening sockets (notes: 64 KiB loses one 2 Mbit/s stream). */
#define RELAY_SOCKET_BUFFER (4 * 1024 * 1024)

/* Workers, listeners and relay addresses of each family. */
#define RELAY_WORKERS_MAX   64
#define RELAY_LISTENERS_MAX 16
#define RELAY_ADDRESSES_MAX 8

/* Rules of the peer policy: they are searched once per permission. */
#define RELAY_RULES_MAX 1024

/* Static users; found by binary search. */
#define RELAY_USERS_MAX 65536

/* REST secrets valid at once, for rotation. */
#define RELAY_SECRETS_MAX 8

/* Longest frame of a TURN client on a stream: a datagram in ChannelData or an indication. */
#define RELAY_STREAM_FRAME_MAX (65535 + 64)

/* Bytes that wait for a slow stream client before datagrams to it are dropped. */
#define RELAY_STREAM_BACKLOG (64 * 1024)

/* A stream must be done with TLS, and have sent a request that we take, within this time. */
#define RELAY_STREAM_GREETING_S 10

/* A stream without an allocation is closed when silent for so long. */
#define RELAY_STREAM_IDLE_S 60

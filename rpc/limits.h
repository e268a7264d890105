/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Defaults and bounds of this room; each with its reason. */
#pragma once

/* What a server takes in one message: management and signal messages of stock clients stay below
 * 0.6 MiB (a Rosenpass offer is 524,418 octets). */
#define WEFT_RPC_DEFAULT_RECEIVE_BYTES (1024U * 1024U)

/* What one message may be that we send: a network map of thousands of peers. */
#define WEFT_RPC_DEFAULT_SEND_BYTES (16U * 1024U * 1024U)

/* All headers of one block: real ones are below 1 KiB. */
#define WEFT_RPC_DEFAULT_METADATA_BYTES 8192U

/* A client holds a handful of streams on one connection. */
#define WEFT_RPC_DEFAULT_STREAMS_PER_CONNECTION 100U

/* Send queue of one stream: two of the largest honest messages. */
#define WEFT_RPC_DEFAULT_QUEUE_BYTES    (4U * 1024U * 1024U)
#define WEFT_RPC_DEFAULT_QUEUE_MESSAGES 1024U

/* A reader that takes nothing for so long will not come back. */
#define WEFT_RPC_DEFAULT_SEND_TIMEOUT_MS 10000U

/* docs/architecture.md, "keepalive". */
#define WEFT_RPC_DEFAULT_KEEPALIVE_TIME_MS    30000U
#define WEFT_RPC_DEFAULT_KEEPALIVE_TIMEOUT_MS 10000U
#define WEFT_RPC_DEFAULT_MIN_PING_INTERVAL_MS 5000U

/* A connection that is not through its handshake, or has no stream, is dropped. */
#define WEFT_RPC_DEFAULT_HANDSHAKE_TIMEOUT_MS 10000U
#define WEFT_RPC_DEFAULT_IDLE_TIMEOUT_MS      300000U

/* Calls that core may hold ready per method and queue. */
#define WEFT_RPC_DEFAULT_BACKLOG 8U

/* Events handled in one turn of the main loop, so that other sources get theirs. */
#define WEFT_RPC_EVENTS_PER_TURN 128U

/* Events taken from a completion queue before they are handed over together. */
#define WEFT_RPC_EVENTS_PER_BATCH 64U

/* Streams that a broadcast serves before others have their turn: about a millisecond. */
#define WEFT_RPC_BROADCAST_CHUNK 32U

/* Outgoing headers or trailers of one call. */
#define WEFT_RPC_MAX_OWN_HEADERS 16U

/* Different users (uid, gid) that one unix listener serves at a time. */
#define WEFT_RPC_MAX_UNIX_USERS 64U

/* A certificate or key file: a hundred times a realistic one. */
#define WEFT_RPC_MAX_PEM_BYTES (4U * 1024U * 1024U)

/* A status message that we send or keep; longer ones are cut. */
#define WEFT_RPC_MAX_STATUS_MESSAGE 1024U

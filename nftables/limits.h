/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bounds of this room; each with its reason. */
#pragma once

/* Rules of one compilation: two hundred thousand peers with a handful of rules each. */
#define WEFT_NFT_LIMIT_RULES (1U << 20)

/* A policy id on the wire is 20 characters; twice as much and more is left for others. */
#define WEFT_NFT_LIMIT_POLICY_ID 60

/* Boxes that overlapping prefixes and ranges may be split into, per family, direction and action:
 * the kernel's interval set needs a second for some ten thousand. */
#define WEFT_NFT_LIMIT_BOXES (1U << 15)

/* Elements of one set that are read back: more than this room ever writes. */
#define WEFT_NFT_LIMIT_ELEMENTS (1U << 21)

/* Chains, rules, sets and objects of our table that are read back: it has a few dozen, and one
 * counter per policy. */
#define WEFT_NFT_LIMIT_OBJECTS (1U << 17)

/* Deleting an interval costs the kernel a walk over its set, some 50 ns per element of it: 0.1 s of
 * that, and writing the whole table anew is cheaper. */
#define WEFT_NFT_LIMIT_INTERVAL_WORK (2U * 1000 * 1000)

/* One message: the nest of elements carries a 16-bit length. */
#define WEFT_NFT_MESSAGE_SIZE (48U * 1024)

/* One transaction; 100,000 tuples take about 7 MiB. */
#define WEFT_NFT_LIMIT_BATCH (256U * 1024 * 1024)

/* Receive buffer: the kernel fills dumps in steps of at most 32 KiB. */
#define WEFT_NFT_RECV_SIZE (64U * 1024)

/* A transaction waits for the others' and for a grace period: long, but not for ever. */
#define WEFT_NFT_TIMEOUT_MS 10000

/* Restarts of a dump, or of a change that depends on it, before it is given up. */
#define WEFT_NFT_TRIES 10

/* Datagrams that a monitor handles in one dispatch, so that it cannot starve the main loop. */
#define WEFT_NFT_MONITOR_BURST 256

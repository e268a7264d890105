/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One packet filter rule as a plain value: what a policy says about one remote address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "nftables/limits.h"

/* Seen from this host. */
enum weft_nft_direction {
	WEFT_NFT_IN,  /* from the remote side to this host */
	WEFT_NFT_OUT, /* from this host to the remote side; counts only with filter_output */
	WEFT_NFT_DIRECTION_COUNT_
};

enum weft_nft_action { WEFT_NFT_ACCEPT, WEFT_NFT_DROP, WEFT_NFT_ACTION_COUNT_ };

/* Opaque octets; in the kernel they name the policy's counter. Length 0: no policy. */
struct weft_nft_policy {
	uint8_t len;
	uint8_t b[WEFT_NFT_LIMIT_POLICY_ID];
};

/* The protocol of a rule: one of IPPROTO_*, or one of these. */
#define WEFT_NFT_PROTOCOL_ALL  (-1)
#define WEFT_NFT_PROTOCOL_ICMP (-2) /* ICMP for IPv4 prefixes, ICMPv6 for IPv6 prefixes */

struct weft_nft_rule {
	enum weft_nft_direction direction;
	enum weft_nft_action action;
	struct weft_prefix remote; /* source of IN, destination of OUT; /0 is any of its family */
	int protocol;              /* WEFT_NFT_PROTOCOL_* or 0 to 255 */
	/* Destination ports, only for TCP, UDP and SCTP; has_ports false: any. */
	bool has_ports;
	uint16_t port_first, port_last;
	struct weft_nft_policy policy;
};

/* Why a rule cannot be. */
enum weft_nft_defect {
	WEFT_NFT_DEFECT_NONE,
	WEFT_NFT_DEFECT_DIRECTION,   /* neither IN nor OUT */
	WEFT_NFT_DEFECT_ACTION,      /* neither ACCEPT nor DROP */
	WEFT_NFT_DEFECT_FAMILY,      /* the prefix is neither IPv4 nor IPv6 */
	WEFT_NFT_DEFECT_PREFIX,      /* longer than its family's addresses */
	WEFT_NFT_DEFECT_HOST_BITS,   /* the address has bits beyond its prefix */
	WEFT_NFT_DEFECT_PROTOCOL,    /* no protocol number */
	WEFT_NFT_DEFECT_PORTS,       /* ports of a protocol that has none */
	WEFT_NFT_DEFECT_PORT_ZERO,   /* port 0 */
	WEFT_NFT_DEFECT_PORT_RANGE,  /* first port above the last */
	WEFT_NFT_DEFECT_POLICY,      /* policy id too long */
	WEFT_NFT_DEFECT_TOO_COMPLEX, /* would split into too many intervals (limits.h) */
	WEFT_NFT_DEFECT_COUNT_
};

/* "port 0", ...: a phrase for people. */
const char *weft_nft_defect_text(enum weft_nft_defect defect);

enum weft_nft_defect weft_nft_rule_check(const struct weft_nft_rule *rule);

/* Copies at most WEFT_NFT_LIMIT_POLICY_ID octets; a longer id is kept as too long, so that
 * weft_nft_rule_check() finds it. */
struct weft_nft_policy weft_nft_policy(const void *id, size_t len);
int weft_nft_policy_compare(const struct weft_nft_policy *a, const struct weft_nft_policy *b);

/* The name of the policy's counter: "p_" and the id if it is made of letters, digits and
 * underscores, "x_" and its octets in hexadecimal otherwise, "none" without an id. Returns @out. */
#define WEFT_NFT_COUNTER_NAME_SIZE (2 + 2 * WEFT_NFT_LIMIT_POLICY_ID + 1)
char *weft_nft_policy_counter(const struct weft_nft_policy *policy,
			      char out[WEFT_NFT_COUNTER_NAME_SIZE]);

/* The inverse; false if @name is not the name of a policy's counter. */
bool weft_nft_policy_from_counter(struct weft_nft_policy *ret, const char *name);

/* "in accept 100.64.0.0/16 tcp 80-90 policy p_abc": for messages. Returns @out. */
#define WEFT_NFT_RULE_TEXT_SIZE 256
char *weft_nft_rule_format(const struct weft_nft_rule *rule, char out[WEFT_NFT_RULE_TEXT_SIZE]);

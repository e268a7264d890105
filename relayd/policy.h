/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which peers may be reached. Decided once, when a permission is made, on the canonical address:
 * v4-mapped, v4-compatible, NAT64 and 6to4 forms are judged as the IPv4 address they stand for, so
 * that no notation leads around a rule. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "relayd/limits.h"

/* Kinds of addresses that are refused unless allowed. Unspecified, multicast, reserved and the
 * server's own addresses can be allowed by rule only (own ones by allow_own). */
struct relay_policy {
	struct weft_prefix *allow; /* owned; wins over deny and over the classes */
	size_t n_allow;
	struct weft_prefix *deny; /* owned */
	size_t n_deny;
	struct weft_address *own; /* owned: addresses of this host and relayed ones */
	size_t n_own;
	bool allow_loopback;
	bool allow_link_local;
	bool allow_private;
	bool allow_cgnat;
	bool allow_own;
	bool allow_translated; /* v4-mapped, NAT64 and 6to4 notations at all */
};

enum relay_verdict {
	RELAY_PEER_ALLOWED,
	RELAY_PEER_DENIED_RULE,
	RELAY_PEER_DENIED_CLASS,
	RELAY_PEER_DENIED_OWN,
	RELAY_PEER_DENIED_TRANSLATED,
};

enum relay_verdict relay_policy_check(const struct relay_policy *policy,
				      const struct weft_address *peer);

/* Room for one more; false without memory or beyond RELAY_RULES_MAX. */
bool relay_policy_allow(struct relay_policy *policy, const struct weft_prefix *prefix);
bool relay_policy_deny(struct relay_policy *policy, const struct weft_prefix *prefix);
bool relay_policy_own(struct relay_policy *policy, const struct weft_address *address);
void relay_policy_clear(struct relay_policy *policy);

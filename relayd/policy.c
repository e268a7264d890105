/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/policy.h"

#include <stdlib.h>

static bool
matches(const struct weft_prefix *list, size_t n, const struct weft_address *a)
{
	for (size_t i = 0; i < n; i++)
		if (weft_prefix_contains(&list[i], a))
			return true;
	return false;
}

static bool
class_allowed(const struct relay_policy *policy, enum weft_address_class class)
{
	switch (class) {
	case WEFT_ADDRESS_LOOPBACK:
		return policy->allow_loopback;
	case WEFT_ADDRESS_LINK_LOCAL:
		return policy->allow_link_local;
	case WEFT_ADDRESS_PRIVATE:
		return policy->allow_private;
	case WEFT_ADDRESS_CGNAT:
		return policy->allow_cgnat;
	case WEFT_ADDRESS_DOCUMENTATION:
	case WEFT_ADDRESS_GLOBAL:
		return true;
	case WEFT_ADDRESS_UNSPECIFIED:
	case WEFT_ADDRESS_MULTICAST:
	case WEFT_ADDRESS_RESERVED:
	case WEFT_ADDRESS_CLASS_COUNT_:
		break;
	}
	return false;
}

enum relay_verdict
relay_policy_check(const struct relay_policy *policy, const struct weft_address *peer)
{
	struct weft_address a = weft_address_canonical(peer);

	/* A translated notation is another way to the same host; it is refused on its own account
	 * too, since what answers to it would come from an address that has no permission. */
	if (!weft_address_equal(&a, peer) && !policy->allow_translated)
		return RELAY_PEER_DENIED_TRANSLATED;
	if (!policy->allow_own)
		for (size_t i = 0; i < policy->n_own; i++)
			if (weft_address_equal(&policy->own[i], &a))
				return RELAY_PEER_DENIED_OWN;
	if (matches(policy->allow, policy->n_allow, &a))
		return RELAY_PEER_ALLOWED;
	if (matches(policy->deny, policy->n_deny, &a))
		return RELAY_PEER_DENIED_RULE;
	return class_allowed(policy, weft_address_classify(&a)) ? RELAY_PEER_ALLOWED
								: RELAY_PEER_DENIED_CLASS;
}

static bool
append(struct weft_prefix **list, size_t *n, const struct weft_prefix *prefix)
{
	struct weft_prefix *grown;

	if (*n >= RELAY_RULES_MAX)
		return false;
	grown = reallocarray(*list, *n + 1, sizeof(**list));
	if (grown == NULL)
		return false;
	grown[(*n)++] = weft_prefix_mask(prefix);
	*list = grown;
	return true;
}

bool
relay_policy_allow(struct relay_policy *policy, const struct weft_prefix *prefix)
{
	return append(&policy->allow, &policy->n_allow, prefix);
}

bool
relay_policy_deny(struct relay_policy *policy, const struct weft_prefix *prefix)
{
	return append(&policy->deny, &policy->n_deny, prefix);
}

bool
relay_policy_own(struct relay_policy *policy, const struct weft_address *address)
{
	struct weft_address *grown;

	if (policy->n_own >= RELAY_RULES_MAX)
		return false;
	grown = reallocarray(policy->own, policy->n_own + 1, sizeof(*grown));
	if (grown == NULL)
		return false;
	grown[policy->n_own++] = weft_address_canonical(address);
	policy->own = grown;
	return true;
}

void
relay_policy_clear(struct relay_policy *policy)
{
	free(policy->allow);
	free(policy->deny);
	free(policy->own);
	*policy = (struct relay_policy){ 0 };
}

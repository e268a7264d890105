/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/rule.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const char *const defect_texts[WEFT_NFT_DEFECT_COUNT_] = {
	[WEFT_NFT_DEFECT_NONE] = "no defect",
	[WEFT_NFT_DEFECT_DIRECTION] = "unknown direction",
	[WEFT_NFT_DEFECT_ACTION] = "unknown action",
	[WEFT_NFT_DEFECT_FAMILY] = "neither an IPv4 nor an IPv6 prefix",
	[WEFT_NFT_DEFECT_PREFIX] = "prefix too long",
	[WEFT_NFT_DEFECT_HOST_BITS] = "address bits beyond the prefix",
	[WEFT_NFT_DEFECT_PROTOCOL] = "unknown protocol",
	[WEFT_NFT_DEFECT_PORTS] = "ports of a protocol without ports",
	[WEFT_NFT_DEFECT_PORT_ZERO] = "port 0",
	[WEFT_NFT_DEFECT_PORT_RANGE] = "first port above the last",
	[WEFT_NFT_DEFECT_POLICY] = "policy id too long",
	[WEFT_NFT_DEFECT_TOO_COMPLEX] = "overlaps split into too many intervals",
};
/* clang-format on */

const char *
weft_nft_defect_text(enum weft_nft_defect defect)
{
	return (unsigned) defect < WEFT_NFT_DEFECT_COUNT_ ? defect_texts[defect] : "unknown";
}

static enum weft_nft_defect
check_remote(const struct weft_prefix *remote)
{
	struct weft_prefix masked;
	uint8_t bits = weft_address_bits(&remote->addr);

	if (bits == 0)
		return WEFT_NFT_DEFECT_FAMILY;
	if (remote->bits > bits)
		return WEFT_NFT_DEFECT_PREFIX;
	masked = weft_prefix_mask(remote);
	return memcmp(masked.addr.b, remote->addr.b, bits / 8) == 0 ? WEFT_NFT_DEFECT_NONE
								    : WEFT_NFT_DEFECT_HOST_BITS;
}

static enum weft_nft_defect
check_ports(const struct weft_nft_rule *rule)
{
	if (!rule->has_ports)
		return WEFT_NFT_DEFECT_NONE;
	if (rule->protocol != IPPROTO_TCP && rule->protocol != IPPROTO_UDP &&
	    rule->protocol != IPPROTO_SCTP)
		return WEFT_NFT_DEFECT_PORTS;
	if (rule->port_first == 0)
		return WEFT_NFT_DEFECT_PORT_ZERO;
	return rule->port_first > rule->port_last ? WEFT_NFT_DEFECT_PORT_RANGE
						  : WEFT_NFT_DEFECT_NONE;
}

enum weft_nft_defect
weft_nft_rule_check(const struct weft_nft_rule *rule)
{
	enum weft_nft_defect defect;

	if ((unsigned) rule->direction >= WEFT_NFT_DIRECTION_COUNT_)
		return WEFT_NFT_DEFECT_DIRECTION;
	if ((unsigned) rule->action >= WEFT_NFT_ACTION_COUNT_)
		return WEFT_NFT_DEFECT_ACTION;
	defect = check_remote(&rule->remote);
	if (defect != WEFT_NFT_DEFECT_NONE)
		return defect;
	if (rule->protocol < WEFT_NFT_PROTOCOL_ICMP || rule->protocol > UINT8_MAX)
		return WEFT_NFT_DEFECT_PROTOCOL;
	defect = check_ports(rule);
	if (defect != WEFT_NFT_DEFECT_NONE)
		return defect;
	return rule->policy.len > WEFT_NFT_LIMIT_POLICY_ID ? WEFT_NFT_DEFECT_POLICY
							   : WEFT_NFT_DEFECT_NONE;
}

struct weft_nft_policy
weft_nft_policy(const void *id, size_t len)
{
	struct weft_nft_policy policy = { 0 };
	size_t kept = len < sizeof policy.b ? len : sizeof policy.b;

	if (kept > 0)
		memcpy(policy.b, id, kept);
	policy.len = (uint8_t) (len > sizeof policy.b ? sizeof policy.b + 1 : len);
	return policy;
}

int
weft_nft_policy_compare(const struct weft_nft_policy *a, const struct weft_nft_policy *b)
{
	size_t common = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->b, b->b, common < sizeof a->b ? common : sizeof a->b);

	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static bool
is_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool
is_plain(const struct weft_nft_policy *policy)
{
	for (size_t i = 0; i < policy->len; i++) {
		if (!is_word(policy->b[i]))
			return false;
	}
	return true;
}

char *
weft_nft_policy_counter(const struct weft_nft_policy *policy, char out[WEFT_NFT_COUNTER_NAME_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t len = policy->len < sizeof policy->b ? policy->len : sizeof policy->b;
	char *pos = out + 2;

	if (policy->len == 0)
		return strcpy(out, "none");
	if (policy->len <= sizeof policy->b && is_plain(policy)) {
		memcpy(out, "p_", 2);
		memcpy(pos, policy->b, len);
		pos[len] = '\0';
		return out;
	}
	memcpy(out, "x_", 2);
	for (size_t i = 0; i < len; i++) {
		*pos++ = digits[policy->b[i] >> 4];
		*pos++ = digits[policy->b[i] & 15];
	}
	*pos = '\0';
	return out;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
decode_hex(struct weft_nft_policy *policy, const char *hex)
{
	size_t len = strlen(hex);

	if (len == 0 || len % 2 != 0 || len / 2 > sizeof policy->b)
		return false;
	for (size_t i = 0; i < len / 2; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		policy->b[i] = (uint8_t) (high << 4 | low);
	}
	policy->len = (uint8_t) (len / 2);
	return true;
}

bool
weft_nft_policy_from_counter(struct weft_nft_policy *ret, const char *name)
{
	struct weft_nft_policy policy = { 0 };
	size_t len = strlen(name);

	if (strcmp(name, "none") == 0) {
		*ret = policy;
		return true;
	}
	if (strncmp(name, "p_", 2) == 0 && len > 2 && len - 2 <= sizeof policy.b) {
		policy = weft_nft_policy(name + 2, len - 2);
		if (!is_plain(&policy))
			return false;
	} else if (strncmp(name, "x_", 2) != 0 || !decode_hex(&policy, name + 2) ||
		   is_plain(&policy)) {
		return false;
	}
	*ret = policy;
	return true;
}

static void
format_protocol(const struct weft_nft_rule *rule, char *out, size_t size)
{
	static const struct {
		int number;
		const char *name;
	} names[] = { { WEFT_NFT_PROTOCOL_ALL, "all" },
		      { WEFT_NFT_PROTOCOL_ICMP, "icmp" },
		      { IPPROTO_TCP, "tcp" },
		      { IPPROTO_UDP, "udp" },
		      { IPPROTO_SCTP, "sctp" } };

	snprintf(out, size, "protocol %d", rule->protocol);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (names[i].number == rule->protocol)
			snprintf(out, size, "%s", names[i].name);
	}
}

char *
weft_nft_rule_format(const struct weft_nft_rule *rule, char out[WEFT_NFT_RULE_TEXT_SIZE])
{
	char remote[WEFT_PREFIX_TEXT_SIZE] = "?", counter[WEFT_NFT_COUNTER_NAME_SIZE];
	char protocol[24], ports[16] = "";

	if (check_remote(&rule->remote) != WEFT_NFT_DEFECT_FAMILY)
		weft_prefix_format(&rule->remote, remote);
	format_protocol(rule, protocol, sizeof protocol);
	if (rule->has_ports && rule->port_first == rule->port_last)
		snprintf(ports, sizeof ports, " %u", (unsigned) rule->port_first);
	else if (rule->has_ports)
		snprintf(ports, sizeof ports, " %u-%u", (unsigned) rule->port_first,
			 (unsigned) rule->port_last);
	snprintf(out, WEFT_NFT_RULE_TEXT_SIZE, "%s %s %s %s%s policy %s",
		 rule->direction == WEFT_NFT_OUT ? "out" : "in",
		 rule->action == WEFT_NFT_DROP ? "drop" : "accept", remote, protocol, ports,
		 weft_nft_policy_counter(&rule->policy, counter));
	return out;
}

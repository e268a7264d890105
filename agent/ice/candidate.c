/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ice/candidate.h"

#include "base/address.h"
#include "base/decimal.h"
#include "base/env.h"
#include "stun/build.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[ICE_TYPE_COUNT_] = {
	[ICE_HOST] = "host",
	[ICE_SRFLX] = "srflx",
	[ICE_PRFLX] = "prflx",
	[ICE_RELAY] = "relay",
};

const char *
ice_type_name(enum ice_type type)
{
	return (unsigned) type < ICE_TYPE_COUNT_ ? type_names[type] : "?";
}

uint32_t
ice_priority(enum ice_type type, uint16_t local_preference)
{
	static const uint8_t preference[ICE_TYPE_COUNT_] = {
		[ICE_HOST] = 126,
		[ICE_SRFLX] = 100,
		[ICE_PRFLX] = 110,
		[ICE_RELAY] = 0,
	};

	return (uint32_t) preference[type] << 24 | (uint32_t) local_preference << 8 | 255;
}

uint64_t
ice_pair_priority(uint32_t g, uint32_t d)
{
	uint64_t low = g < d ? g : d, high = g < d ? d : g;

	return (low << 32) + 2 * high + (g > d);
}

/* A word of a line. */
struct word {
	const char *s;
	size_t len;
};

struct words {
	const char *pos, *end;
};

static bool
next_word(struct words *w, struct word *ret)
{
	while (w->pos < w->end && *w->pos == ' ')
		w->pos++;
	ret->s = w->pos;
	while (w->pos < w->end && *w->pos != ' ')
		w->pos++;
	ret->len = (size_t) (w->pos - ret->s);
	return ret->len > 0;
}

static bool
word_is(const struct word *w, const char *text)
{
	return w->len == strlen(text) && memcmp(w->s, text, w->len) == 0;
}

static bool
word_is_nocase(const struct word *w, const char *text)
{
	size_t i;

	if (w->len != strlen(text))
		return false;
	for (i = 0; i < w->len; i++) {
		char c = w->s[i];

		if (c >= 'A' && c <= 'Z')
			c = (char) (c - 'A' + 'a');
		if (c != text[i])
			return false;
	}
	return true;
}

/* ice-char of RFC 8839 section 5.1. */
static bool
is_ice_chars(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '+' || c == '/'))
			return false;
	}
	return true;
}

static bool
word_to_type(const struct word *w, enum ice_type *ret)
{
	unsigned i;

	for (i = 0; i < ICE_TYPE_COUNT_; i++) {
		if (word_is(w, type_names[i])) {
			*ret = (enum ice_type) i;
			return true;
		}
	}
	return false;
}

/* A name instead of an address: what mDNS candidates and some browsers have. */
static bool
is_name(const struct word *w)
{
	size_t i;
	bool letter = false;

	for (i = 0; i < w->len; i++) {
		char c = w->s[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
			letter = true;
		else if (!((c >= '0' && c <= '9') || c == '-' || c == '.'))
			return false;
	}
	return letter && w->len <= 255;
}

static bool
address_usable(const struct weft_address *a)
{
	switch (weft_address_classify(a)) {
	case WEFT_ADDRESS_UNSPECIFIED:
	case WEFT_ADDRESS_LOOPBACK:
	case WEFT_ADDRESS_MULTICAST:
		return false;
	case WEFT_ADDRESS_LINK_LOCAL:
		return a->family == WEFT_FAMILY_IPV4; /* IPv6 would need a scope */
	case WEFT_ADDRESS_RESERVED: {
		/* Among them the forms that hide an IPv4 address. */
		struct weft_address plain = weft_address_canonical(a);

		return a->family == WEFT_FAMILY_IPV6 ? weft_address_equal(&plain, a)
						     : weft_address_v4_host_order(a) != UINT32_MAX;
	}
	case WEFT_ADDRESS_PRIVATE:
	case WEFT_ADDRESS_CGNAT:
	case WEFT_ADDRESS_DOCUMENTATION:
	case WEFT_ADDRESS_GLOBAL:
	case WEFT_ADDRESS_CLASS_COUNT_:
		break;
	}
	return true;
}

/* What follows the type: pairs of words. False if malformed. */
static bool
parse_extensions(struct ice_candidate *c, struct words *words)
{
	struct word key, value;
	struct weft_address raddr = { 0 };
	uint64_t rport = 0;
	bool has_raddr = false, has_rport = false;

	while (next_word(words, &key)) {
		if (!next_word(words, &value))
			return false;
		if (word_is(&key, "raddr")) {
			if (has_raddr)
				return false;
			has_raddr = true;
			/* A host may hide it behind anything, RFC 8839 section 5.1. */
			if (!weft_address_parse(&raddr, value.s, value.len))
				memset(&raddr, 0, sizeof(raddr));
		} else if (word_is(&key, "rport")) {
			if (has_rport || !weft_decimal_parse(&rport, value.s, value.len, 65535))
				return false;
			has_rport = true;
		} else if (word_is(&key, "cid")) {
			c->has_cid = true;
			if (value.len == ICE_CID_LEN && is_ice_chars(value.s, value.len))
				memcpy(c->cid, value.s, ICE_CID_LEN);
		} else if (word_is(&key, "ufrag")) {
			if (!is_ice_chars(value.s, value.len))
				return false;
			if (value.len <= ICE_UFRAG_MAX)
				memcpy(c->ufrag, value.s, value.len);
		}
	}
	if (has_raddr && has_rport && raddr.family != WEFT_FAMILY_NONE) {
		c->related.addr = raddr;
		c->related.port = (uint16_t) rport;
	}
	return true;
}

static void
skip_prefix(struct words *words, const char *prefix)
{
	size_t len = strlen(prefix);

	if ((size_t) (words->end - words->pos) >= len && memcmp(words->pos, prefix, len) == 0)
		words->pos += len;
}

enum ice_line_status
ice_candidate_parse(struct ice_candidate *ret, const char *line, size_t len)
{
	struct ice_candidate c = { 0 };
	struct words words = { line, line + len };
	struct word foundation, component, transport, priority, address, port, typ, type;
	uint64_t component_number, priority_number, port_number;
	bool udp;
	size_t i;

	if (len > ICE_LINE_MAX)
		return ICE_LINE_MALFORMED;
	for (i = 0; i < len; i++) {
		if (line[i] < ' ' || line[i] > '~')
			return ICE_LINE_MALFORMED;
	}
	skip_prefix(&words, "a=");
	skip_prefix(&words, "candidate:");
	if (!next_word(&words, &foundation) || !next_word(&words, &component) ||
	    !next_word(&words, &transport) || !next_word(&words, &priority) ||
	    !next_word(&words, &address) || !next_word(&words, &port) || !next_word(&words, &typ) ||
	    !next_word(&words, &type))
		return ICE_LINE_MALFORMED;
	if (foundation.len >= sizeof(c.foundation) || !is_ice_chars(foundation.s, foundation.len) ||
	    !weft_decimal_parse(&component_number, component.s, component.len, 256) ||
	    component_number == 0 ||
	    !weft_decimal_parse(&priority_number, priority.s, priority.len, UINT32_MAX) ||
	    priority_number == 0 || !weft_decimal_parse(&port_number, port.s, port.len, 65535) ||
	    !word_is(&typ, "typ"))
		return ICE_LINE_MALFORMED;
	memcpy(c.foundation, foundation.s, foundation.len);
	c.priority = (uint32_t) priority_number;
	c.endpoint.port = (uint16_t) port_number;
	if (!parse_extensions(&c, &words))
		return ICE_LINE_MALFORMED;
	udp = word_is_nocase(&transport, "udp");
	if (!weft_address_parse(&c.endpoint.addr, address.s, address.len))
		return is_name(&address) ? ICE_LINE_UNUSABLE : ICE_LINE_MALFORMED;
	if (!word_to_type(&type, &c.type))
		return is_ice_chars(type.s, type.len) ? ICE_LINE_UNUSABLE : ICE_LINE_MALFORMED;
	if (!udp || component_number != 1 || port_number == 0 || !address_usable(&c.endpoint.addr))
		return ICE_LINE_UNUSABLE;
	*ret = c;
	return ICE_LINE_OK;
}

size_t
ice_candidate_format(const struct ice_candidate *c, char *out, size_t size)
{
	char address[WEFT_ADDRESS_TEXT_SIZE], related[WEFT_ADDRESS_TEXT_SIZE];
	char tail[WEFT_ADDRESS_TEXT_SIZE + 32] = "";
	int n;

	if (c->related.addr.family != WEFT_FAMILY_NONE && c->related.port != 0)
		(void) snprintf(tail, sizeof(tail), " raddr %s rport %u",
				weft_address_format(&c->related.addr, related), c->related.port);
	n = snprintf(out, size, "%s 1 udp %u %s %u typ %s%s%s%s%s%s", c->foundation, c->priority,
		     weft_address_format(&c->endpoint.addr, address), c->endpoint.port,
		     ice_type_name(c->type), tail, c->ufrag[0] != '\0' ? " ufrag " : "", c->ufrag,
		     c->cid[0] != '\0' ? " cid " : "", c->cid);
	return n > 0 && (size_t) n < size ? (size_t) n : 0;
}

void
ice_candidate_set_foundation(struct ice_candidate *c)
{
	char text[16 + WEFT_ADDRESS_TEXT_SIZE], address[WEFT_ADDRESS_TEXT_SIZE];
	int n = snprintf(text, sizeof(text), "%s%s%s", ice_type_name(c->type),
			 weft_address_format(&c->endpoint.addr, address),
			 c->endpoint.addr.family == WEFT_FAMILY_IPV6 ? "udp6" : "udp4");

	(void) snprintf(c->foundation, sizeof(c->foundation), "%u",
			weft_stun_crc32(text, (size_t) n));
}

void
ice_candidate_set_cid(struct ice_candidate *c, const struct weft_env *env)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t raw[ICE_CID_LEN];
	size_t i;

	weft_env_random(env, raw, sizeof(raw));
	for (i = 0; i < ICE_CID_LEN; i++)
		c->cid[i] = alphabet[raw[i] & 63];
	c->cid[ICE_CID_LEN] = '\0';
}

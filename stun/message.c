/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stun/message.h"

#include <string.h>

#include "base/cursor.h"

/* How far the message has been read: behind its integrity only the rest of the seal counts
 * (RFC 8489 sections 14.5, 14.6), behind the fingerprint nothing does. */
enum stage { STAGE_OPEN, STAGE_SIGNED, STAGE_SIGNED_SHA256, STAGE_SEALED };

struct reader {
	struct weft_stun_message *m;
	struct weft_cursor c;
	enum stage stage;
	bool bad;
};

bool
weft_stun_is_stun(const uint8_t *buf, size_t len)
{
	return len >= WEFT_STUN_HEADER_LEN && (buf[0] & 0xc0) == 0 && (buf[3] & 3) == 0 &&
	       buf[4] == 0x21 && buf[5] == 0x12 && buf[6] == 0xa4 && buf[7] == 0x42;
}

/* Takes an attribute into account if it is the first of its kind. */
static bool
first(struct weft_stun_message *m, uint32_t bit)
{
	bool fresh = (m->has & bit) == 0;

	m->has |= bit;
	return fresh;
}

static void
read_value(struct reader *r,
	   uint32_t bit,
	   struct weft_stun_value *ret,
	   const uint8_t *p,
	   uint16_t len,
	   size_t min,
	   size_t max)
{
	if (len < min || len > max) {
		r->bad = true;
		return;
	}
	if (first(r->m, bit))
		*ret = (struct weft_stun_value){ .p = p, .len = len };
}

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

/* RFC 8489 sections 14.1 and 14.2. */
static bool
read_address(const struct weft_stun_message *m,
	     struct weft_endpoint *ret,
	     const uint8_t *p,
	     uint16_t len,
	     bool xored)
{
	size_t n = len == 8 ? 4 : 16;

	if ((len != 8 || p[1] != WEFT_STUN_IPV4) && (len != 20 || p[1] != WEFT_STUN_IPV6))
		return false;
	*ret = (struct weft_endpoint){
		.addr.family = len == 8 ? WEFT_FAMILY_IPV4 : WEFT_FAMILY_IPV6,
		.port = (uint16_t) (p[2] << 8 | p[3]),
	};
	memcpy(ret->addr.b, p + 4, n);
	if (!xored)
		return true;
	ret->port ^= WEFT_STUN_COOKIE >> 16;
	/* Cookie and transaction id stand together in the header. */
	for (size_t i = 0; i < n; i++)
		ret->addr.b[i] ^= m->buf[4 + i];
	return true;
}

static void
read_mapped(struct reader *r, uint16_t type, const uint8_t *p, uint16_t len)
{
	struct weft_stun_message *m = r->m;
	bool xored = type == WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS;
	struct weft_endpoint e;

	if (!read_address(m, &e, p, len, xored)) {
		r->bad = true;
		return;
	}
	if (!first(m, xored ? WEFT_STUN_HAS_XOR_MAPPED : WEFT_STUN_HAS_MAPPED_ADDRESS))
		return;
	if (xored || (m->has & WEFT_STUN_HAS_XOR_MAPPED) == 0)
		m->mapped = e;
}

static void
read_peer(struct reader *r, const uint8_t *p, uint16_t len)
{
	struct weft_stun_message *m = r->m;
	struct weft_endpoint e;

	if (!read_address(m, &e, p, len, true)) {
		r->bad = true;
		return;
	}
	m->has |= WEFT_STUN_HAS_PEER;
	if (m->n_peers < WEFT_STUN_PEERS_MAX)
		m->peers[m->n_peers] = e;
	m->n_peers++;
}

static void
read_relayed(struct reader *r, const uint8_t *p, uint16_t len)
{
	struct weft_stun_message *m = r->m;
	struct weft_endpoint e;

	if (!read_address(m, &e, p, len, true))
		r->bad = true;
	else if (first(m, WEFT_STUN_HAS_RELAYED))
		m->relayed = e;
	else if (m->relayed_other.addr.family == WEFT_FAMILY_NONE &&
		 e.addr.family != m->relayed.addr.family)
		m->relayed_other = e;
}

/* RFC 8489 section 14.8, RFC 8656 section 18.12: class and number in the last two octets. */
static uint16_t
read_code(struct reader *r, const uint8_t *p)
{
	unsigned class = p[2] & 7, number = p[3];

	if (class < 3 || class > 6 || number > 99)
		r->bad = true;
	return (uint16_t) (class * 100 + number);
}

static void
read_error(struct reader *r, const uint8_t *p, uint16_t len)
{
	struct weft_stun_message *m = r->m;

	if (len < 4) {
		r->bad = true;
	} else if (first(m, WEFT_STUN_HAS_ERROR_CODE)) {
		m->error_code = read_code(r, p);
		m->error_reason =
			(struct weft_stun_value){ .p = p + 4, .len = (uint16_t) (len - 4) };
	}
}

/* Attributes of exactly one length. */
static void
read_fixed(struct reader *r, uint16_t type, const uint8_t *p)
{
	struct weft_stun_message *m = r->m;

	switch (type) {
	case WEFT_STUN_ATTR_CHANNEL_NUMBER:
		if (first(m, WEFT_STUN_HAS_CHANNEL_NUMBER))
			m->channel = (uint16_t) (be32(p) >> 16);
		break;
	case WEFT_STUN_ATTR_LIFETIME:
		if (first(m, WEFT_STUN_HAS_LIFETIME))
			m->lifetime_s = be32(p);
		break;
	case WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY:
		if (first(m, WEFT_STUN_HAS_REQUESTED_FAMILY))
			m->requested_family = p[0];
		break;
	case WEFT_STUN_ATTR_EVEN_PORT:
		if (first(m, WEFT_STUN_HAS_EVEN_PORT))
			m->even_port_reserve = (p[0] & 0x80) != 0;
		break;
	case WEFT_STUN_ATTR_REQUESTED_TRANSPORT:
		if (first(m, WEFT_STUN_HAS_REQUESTED_TRANSPORT))
			m->requested_transport = p[0];
		break;
	case WEFT_STUN_ATTR_DONT_FRAGMENT:
		m->has |= WEFT_STUN_HAS_DONT_FRAGMENT;
		break;
	case WEFT_STUN_ATTR_RESERVATION_TOKEN:
		if (first(m, WEFT_STUN_HAS_RESERVATION_TOKEN))
			memcpy(m->reservation_token, p, WEFT_STUN_TOKEN_LEN);
		break;
	case WEFT_STUN_ATTR_PRIORITY:
		if (first(m, WEFT_STUN_HAS_PRIORITY))
			m->priority = be32(p);
		break;
	case WEFT_STUN_ATTR_USE_CANDIDATE:
		m->has |= WEFT_STUN_HAS_USE_CANDIDATE;
		break;
	case WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY:
		if (first(m, WEFT_STUN_HAS_ADDITIONAL_FAMILY))
			m->additional_family = p[0];
		break;
	case WEFT_STUN_ATTR_ICMP:
		if (first(m, WEFT_STUN_HAS_ICMP)) {
			m->icmp_type = p[2] >> 1;
			m->icmp_code = (uint16_t) ((p[2] & 1) << 8 | p[3]);
			m->icmp_data = (struct weft_stun_value){ .p = p + 4, .len = 4 };
		}
		break;
	case WEFT_STUN_ATTR_ICE_CONTROLLED:
	case WEFT_STUN_ATTR_ICE_CONTROLLING:
		if (first(m, WEFT_STUN_HAS_TIE_BREAKER)) {
			m->tie_breaker = (uint64_t) be32(p) << 32 | be32(p + 4);
			m->controlling = type == WEFT_STUN_ATTR_ICE_CONTROLLING;
		}
		break;
	default:
		break;
	}
}

/* Length of the attributes that read_fixed() takes, -1 for others. */
static int
fixed_len(uint16_t type)
{
	switch (type) {
	case WEFT_STUN_ATTR_DONT_FRAGMENT:
	case WEFT_STUN_ATTR_USE_CANDIDATE:
		return 0;
	case WEFT_STUN_ATTR_EVEN_PORT:
		return 1;
	case WEFT_STUN_ATTR_CHANNEL_NUMBER:
	case WEFT_STUN_ATTR_LIFETIME:
	case WEFT_STUN_ATTR_REQUESTED_ADDRESS_FAMILY:
	case WEFT_STUN_ATTR_REQUESTED_TRANSPORT:
	case WEFT_STUN_ATTR_PRIORITY:
	case WEFT_STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY:
		return 4;
	case WEFT_STUN_ATTR_RESERVATION_TOKEN:
	case WEFT_STUN_ATTR_ICMP:
	case WEFT_STUN_ATTR_ICE_CONTROLLED:
	case WEFT_STUN_ATTR_ICE_CONTROLLING:
		return 8;
	default:
		return -1;
	}
}

static void
read_unknown(struct weft_stun_message *m, uint16_t type)
{
	if (type >= 0x8000)
		return;
	for (unsigned i = 0; i < m->n_unknown; i++)
		if (m->unknown[i] == type)
			return;
	if (m->n_unknown < WEFT_STUN_UNKNOWN_MAX)
		m->unknown[m->n_unknown++] = type;
}

/* Attributes of any length, and addresses. */
static void
read_other(struct reader *r, uint16_t type, const uint8_t *p, uint16_t len)
{
	struct weft_stun_message *m = r->m;

	switch (type) {
	case WEFT_STUN_ATTR_DATA:
		read_value(r, WEFT_STUN_HAS_DATA, &m->data, p, len, 0, UINT16_MAX);
		break;
	case WEFT_STUN_ATTR_XOR_PEER_ADDRESS:
		read_peer(r, p, len);
		break;
	case WEFT_STUN_ATTR_USERNAME:
		read_value(r, WEFT_STUN_HAS_USERNAME, &m->username, p, len, 0,
			   WEFT_STUN_USERNAME_MAX);
		break;
	case WEFT_STUN_ATTR_REALM:
		read_value(r, WEFT_STUN_HAS_REALM, &m->realm, p, len, 0, WEFT_STUN_REALM_MAX);
		break;
	case WEFT_STUN_ATTR_NONCE:
		read_value(r, WEFT_STUN_HAS_NONCE, &m->nonce, p, len, 0, WEFT_STUN_NONCE_MAX);
		break;
	case WEFT_STUN_ATTR_USERHASH:
		read_value(r, WEFT_STUN_HAS_USERHASH, &m->userhash, p, len, WEFT_STUN_USERHASH_LEN,
			   WEFT_STUN_USERHASH_LEN);
		break;
	case WEFT_STUN_ATTR_PASSWORD_ALGORITHM:
		if (len < 4)
			r->bad = true;
		else if (first(m, WEFT_STUN_HAS_PASSWORD_ALGORITHM))
			m->password_algorithm = (uint16_t) (be32(p) >> 16);
		break;
	case WEFT_STUN_ATTR_PASSWORD_ALGORITHMS:
		read_value(r, WEFT_STUN_HAS_PASSWORD_ALGORITHMS, &m->password_algorithms, p, len, 4,
			   UINT16_MAX);
		break;
	case WEFT_STUN_ATTR_MAPPED_ADDRESS:
	case WEFT_STUN_ATTR_XOR_MAPPED_ADDRESS:
		read_mapped(r, type, p, len);
		break;
	case WEFT_STUN_ATTR_XOR_RELAYED_ADDRESS:
		read_relayed(r, p, len);
		break;
	case WEFT_STUN_ATTR_ALTERNATE_SERVER:
		if (first(m, WEFT_STUN_HAS_ALTERNATE_SERVER) &&
		    !read_address(m, &m->alternate_server, p, len, false))
			r->bad = true;
		break;
	case WEFT_STUN_ATTR_ALTERNATE_DOMAIN:
		read_value(r, WEFT_STUN_HAS_ALTERNATE_DOMAIN, &m->alternate_domain, p, len, 0, 255);
		break;
	case WEFT_STUN_ATTR_ERROR_CODE:
		read_error(r, p, len);
		break;
	case WEFT_STUN_ATTR_ADDRESS_ERROR_CODE:
		if (len < 4) {
			r->bad = true;
		} else if (first(m, WEFT_STUN_HAS_ADDRESS_ERROR)) {
			m->address_error_family = p[0];
			m->address_error_code = read_code(r, p);
		}
		break;
	case WEFT_STUN_ATTR_UNKNOWN_ATTRIBUTES:
		read_value(r, WEFT_STUN_HAS_UNKNOWN_ATTRIBUTES, &m->unknown_attributes, p, len, 0,
			   UINT16_MAX);
		break;
	case WEFT_STUN_ATTR_SOFTWARE:
		read_value(r, WEFT_STUN_HAS_SOFTWARE, &m->software, p, len, 0, UINT16_MAX);
		break;
	default:
		read_unknown(m, type);
		break;
	}
}

/* MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT. True if it was one of them. */
static bool
read_seal(struct reader *r, uint16_t type, uint16_t at, uint16_t len)
{
	struct weft_stun_message *m = r->m;

	switch (type) {
	case WEFT_STUN_ATTR_MESSAGE_INTEGRITY:
		if (r->stage != STAGE_OPEN)
			return true;
		r->bad |= len != WEFT_STUN_SHA1_LEN;
		r->stage = STAGE_SIGNED;
		m->integrity_at = at;
		m->has |= WEFT_STUN_HAS_INTEGRITY;
		return true;
	case WEFT_STUN_ATTR_MESSAGE_INTEGRITY_SHA256:
		if (r->stage > STAGE_SIGNED)
			return true;
		/* RFC 8489 section 14.6: at least 16 octets, a multiple of four. */
		r->bad |= len < 16 || len > WEFT_STUN_SHA256_LEN || len % 4 != 0;
		r->stage = STAGE_SIGNED_SHA256;
		m->integrity_sha256_at = at;
		m->integrity_sha256_len = len;
		m->has |= WEFT_STUN_HAS_INTEGRITY_SHA256;
		return true;
	case WEFT_STUN_ATTR_FINGERPRINT:
		if (r->stage == STAGE_SEALED)
			return true;
		r->bad |= len != 4;
		r->stage = STAGE_SEALED;
		m->fingerprint_at = at;
		m->len = (uint16_t) (at + WEFT_STUN_ATTR_HEADER_LEN + 4);
		m->has |= WEFT_STUN_HAS_FINGERPRINT;
		return true;
	default:
		return false;
	}
}

static void
read_attribute(struct reader *r)
{
	struct weft_stun_message *m = r->m;
	uint16_t at = (uint16_t) (r->c.pos - m->buf);
	uint16_t type = weft_cursor_u16(&r->c);
	uint16_t len = weft_cursor_u16(&r->c);
	const uint8_t *p = weft_cursor_bytes(&r->c, len);
	int fixed;

	weft_cursor_skip(&r->c, -len & 3u);
	if (!r->c.ok)
		return;
	if (type == WEFT_STUN_ATTR_NETBIRD_PAIR && m->netbird_pair.p == NULL)
		m->netbird_pair = (struct weft_stun_value){ .p = p, .len = len };
	if (read_seal(r, type, at, len) || r->stage != STAGE_OPEN)
		return;
	fixed = fixed_len(type);
	if (fixed < 0)
		read_other(r, type, p, len);
	else if (fixed == len)
		read_fixed(r, type, p);
	else
		r->bad = true;
}

enum weft_stun_status
weft_stun_parse(struct weft_stun_message *ret, const uint8_t *buf, size_t len)
{
	struct reader r;
	size_t total;
	uint16_t type;

	if (len < WEFT_STUN_HEADER_LEN)
		return len > 0 && (buf[0] & 0xc0) == 0 ? WEFT_STUN_TRUNCATED : WEFT_STUN_NOT_STUN;
	if (!weft_stun_is_stun(buf, len))
		return WEFT_STUN_NOT_STUN;
	total = WEFT_STUN_HEADER_LEN + (size_t) (buf[2] << 8 | buf[3]);
	if (total > len)
		return WEFT_STUN_TRUNCATED;
	if (total > UINT16_MAX)
		return WEFT_STUN_NOT_STUN;
	type = (uint16_t) (buf[0] << 8 | buf[1]);
	memset(ret, 0, sizeof(*ret));
	ret->buf = buf;
	ret->len = ret->wire_len = (uint16_t) total;
	ret->class = (uint8_t) ((type >> 7 & 2) | (type >> 4 & 1));
	ret->method = (uint16_t) ((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
	memcpy(ret->transaction, buf + 8, WEFT_STUN_TRANSACTION_LEN);
	r = (struct reader){
		.m = ret,
		.c = weft_cursor(buf + WEFT_STUN_HEADER_LEN, total - WEFT_STUN_HEADER_LEN),
	};
	while (r.c.ok && !r.bad && !weft_cursor_at_end(&r.c))
		read_attribute(&r);
	/* Whatever stands behind the fingerprint is not part of the message. */
	if (r.bad || (!r.c.ok && r.stage != STAGE_SEALED))
		return WEFT_STUN_MALFORMED;
	return WEFT_STUN_OK;
}

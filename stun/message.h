/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading STUN and TURN messages (RFC 8489 section 5, RFC 8656 section 18, RFC 8445 section 16).
 *
 * A message is parsed once, completely, into a plain struct that borrows the datagram; nothing is
 * allocated. Integrity and fingerprint are checked apart, because their keys depend on what the
 * message says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/hash.h"
#include "stun/wire.h"

enum weft_stun_status {
	WEFT_STUN_OK,
	WEFT_STUN_NOT_STUN,  /* first two bits, cookie, length not a multiple of four */
	WEFT_STUN_TRUNCATED, /* the buffer ends before the message does */
	WEFT_STUN_MALFORMED, /* an attribute overruns the message or has an impossible value; the
				header fields of the message are valid, so 400 can be answered */
	WEFT_STUN_STATUS_COUNT_
};

const char *weft_stun_status_name(enum weft_stun_status status);

/* Which attributes a message has (the first of each kind; those that stand behind the message
 * integrity are not counted, RFC 8489 section 14.5). */
enum weft_stun_has {
	WEFT_STUN_HAS_MAPPED_ADDRESS = 1u << 0,
	WEFT_STUN_HAS_USERNAME = 1u << 1,
	WEFT_STUN_HAS_INTEGRITY = 1u << 2,
	WEFT_STUN_HAS_ERROR_CODE = 1u << 3,
	WEFT_STUN_HAS_UNKNOWN_ATTRIBUTES = 1u << 4,
	WEFT_STUN_HAS_CHANNEL_NUMBER = 1u << 5,
	WEFT_STUN_HAS_LIFETIME = 1u << 6,
	WEFT_STUN_HAS_PEER = 1u << 7,
	WEFT_STUN_HAS_DATA = 1u << 8,
	WEFT_STUN_HAS_REALM = 1u << 9,
	WEFT_STUN_HAS_NONCE = 1u << 10,
	WEFT_STUN_HAS_RELAYED = 1u << 11,
	WEFT_STUN_HAS_REQUESTED_FAMILY = 1u << 12,
	WEFT_STUN_HAS_EVEN_PORT = 1u << 13,
	WEFT_STUN_HAS_REQUESTED_TRANSPORT = 1u << 14,
	WEFT_STUN_HAS_DONT_FRAGMENT = 1u << 15,
	WEFT_STUN_HAS_INTEGRITY_SHA256 = 1u << 16,
	WEFT_STUN_HAS_PASSWORD_ALGORITHM = 1u << 17,
	WEFT_STUN_HAS_USERHASH = 1u << 18,
	WEFT_STUN_HAS_XOR_MAPPED = 1u << 19,
	WEFT_STUN_HAS_RESERVATION_TOKEN = 1u << 20,
	WEFT_STUN_HAS_PRIORITY = 1u << 21,
	WEFT_STUN_HAS_USE_CANDIDATE = 1u << 22,
	WEFT_STUN_HAS_ADDITIONAL_FAMILY = 1u << 23,
	WEFT_STUN_HAS_ADDRESS_ERROR = 1u << 24,
	WEFT_STUN_HAS_PASSWORD_ALGORITHMS = 1u << 25,
	WEFT_STUN_HAS_ALTERNATE_DOMAIN = 1u << 26,
	WEFT_STUN_HAS_ICMP = 1u << 27,
	WEFT_STUN_HAS_SOFTWARE = 1u << 28,
	WEFT_STUN_HAS_ALTERNATE_SERVER = 1u << 29,
	WEFT_STUN_HAS_FINGERPRINT = 1u << 30,
	WEFT_STUN_HAS_TIE_BREAKER = 1u << 31, /* ICE-CONTROLLED or ICE-CONTROLLING */
};

/* A borrowed value; p is NULL when absent. */
struct weft_stun_value {
	const uint8_t *p;
	uint16_t len;
};

#define WEFT_STUN_PEERS_MAX   16 /* XOR-PEER-ADDRESS in one CreatePermission */
#define WEFT_STUN_UNKNOWN_MAX 16 /* reported in one 420 */

struct weft_stun_message {
	const uint8_t *buf; /* the message, borrowed */
	uint16_t len;       /* its bytes up to and with FINGERPRINT: what stands behind is cut */
	uint16_t wire_len;  /* its bytes as the header says, trailing attributes included */
	uint16_t method;
	uint8_t class; /* enum weft_stun_class */
	uint8_t transaction[WEFT_STUN_TRANSACTION_LEN];
	uint32_t has; /* bits of enum weft_stun_has */

	/* Unknown comprehension-required attributes: the first few types, in order. */
	uint16_t unknown[WEFT_STUN_UNKNOWN_MAX];
	uint16_t n_unknown;

	uint16_t integrity_at;        /* offset of the attribute's header */
	uint16_t integrity_sha256_at; /* likewise */
	uint16_t integrity_sha256_len;
	uint16_t fingerprint_at;

	struct weft_stun_value username, realm, nonce, software, data, userhash;
	struct weft_stun_value password_algorithms; /* raw list */
	struct weft_stun_value alternate_domain, error_reason, unknown_attributes, icmp_data;
	struct weft_stun_value netbird_pair; /* attribute 0x8100 behind FINGERPRINT */
	struct weft_endpoint mapped;         /* XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS without it */
	struct weft_endpoint relayed, alternate_server;
	struct weft_endpoint relayed_other; /* second XOR-RELAYED-ADDRESS of a dual allocation */
	struct weft_endpoint peers[WEFT_STUN_PEERS_MAX];
	uint16_t n_peers; /* may exceed WEFT_STUN_PEERS_MAX: then only so many are stored */

	uint32_t lifetime_s;
	uint32_t priority;
	uint64_t tie_breaker;
	uint8_t reservation_token[WEFT_STUN_TOKEN_LEN];
	uint16_t error_code;
	uint16_t address_error_code;
	uint16_t channel;
	uint16_t password_algorithm; /* its number, parameters must be empty */
	uint8_t requested_family;    /* as sent, maybe none that we know */
	uint8_t additional_family;   /* as sent */
	uint8_t address_error_family;
	uint8_t requested_transport;
	uint8_t icmp_type;
	uint16_t icmp_code;
	bool even_port_reserve; /* R bit of EVEN-PORT */
	bool controlling;       /* the tie breaker came in ICE-CONTROLLING */
};

/* True if the first bytes look like a STUN message: enough for demultiplexing by RFC 7983. */
bool weft_stun_is_stun(const uint8_t *buf, size_t len);

/* Parses the STUN message at the start of @buf, which is borrowed and must outlive @ret. Bytes
 * behind the message are ignored (their number is @len - ret->wire_len); attributes behind
 * FINGERPRINT are cut, NetBird's 0x8100 is remembered. FINGERPRINT itself is not verified here.
 * @ret is valid on WEFT_STUN_OK; on WEFT_STUN_MALFORMED only class, method, transaction. */
enum weft_stun_status weft_stun_parse(struct weft_stun_message *ret,
				      const uint8_t *buf,
				      size_t len);

static inline bool
weft_stun_has(const struct weft_stun_message *m, uint32_t bits)
{
	return (m->has & bits) == bits;
}

/* CRC of RFC 8489 section 14.7 over the message up to FINGERPRINT. False also if it is absent. */
bool weft_stun_check_fingerprint(const struct weft_stun_message *m);

/* MESSAGE-INTEGRITY, or MESSAGE-INTEGRITY-SHA256 (also truncated to a multiple of four >= 16
 * bytes). Constant time. False if the attribute is absent, or if what it covers is longer than
 * WEFT_STUN_SIGNED_MAX. */
#define WEFT_STUN_SIGNED_MAX 4096
bool weft_stun_check_integrity(const struct weft_stun_message *m, struct weft_bytes key);
bool weft_stun_check_integrity_sha256(const struct weft_stun_message *m, struct weft_bytes key);

/* The @i-th entry of PASSWORD-ALGORITHMS: its number, 0 behind the last or if malformed. Entries
 * with parameters are returned as they are numbered. */
uint16_t weft_stun_algorithm_at(const struct weft_stun_message *m, unsigned i);

/* The security features that a nonce announces (RFC 8489 section 9.2), 0 without the cookie. */
uint32_t weft_stun_nonce_features(const uint8_t *nonce, size_t len);

/* Long-term key (RFC 8489 section 9.2.2): MD5 (16 bytes) or SHA-256 (32 bytes) of
 * user ":" realm ":" password. Returns its length, 0 if a part is too long or MD5 is forbidden by
 * the system. The strings must already have been prepared (OpaqueString). */
#define WEFT_STUN_KEY_MAX      32
#define WEFT_STUN_PASSWORD_MAX 508
size_t weft_stun_long_term_key(uint8_t ret[WEFT_STUN_KEY_MAX],
			       enum weft_stun_algorithm algorithm,
			       struct weft_bytes user,
			       struct weft_bytes realm,
			       struct weft_bytes password);

/* SHA-256 of user ":" realm (RFC 8489 section 14.4). */
void weft_stun_userhash(uint8_t ret[WEFT_STUN_USERHASH_LEN],
			struct weft_bytes user,
			struct weft_bytes realm);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing STUN and TURN messages into a caller's buffer.
 *
 * Failure is sticky: put everything, then look at weft_stun_finish(). Padding is zero, as RFC 8489
 * section 14 wants it. Integrity attributes go in last, SHA-1 before SHA-256, then FINGERPRINT;
 * anything put behind FINGERPRINT fails the message. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "stun/wire.h"

struct weft_endpoint;
struct weft_stun_message;

struct weft_stun_builder {
	struct weft_builder out;
	bool closed; /* FINGERPRINT is in */
};

/* Starts a message at @buf, which must outlive the builder. */
struct weft_stun_builder weft_stun_begin(void *buf,
					 size_t size,
					 enum weft_stun_class class,
					 uint16_t method,
					 const uint8_t transaction[WEFT_STUN_TRANSACTION_LEN]);

/* Starts the answer to @request: same method and transaction. */
struct weft_stun_builder weft_stun_begin_answer(void *buf,
						size_t size,
						enum weft_stun_class class,
						const struct weft_stun_message *request);

bool weft_stun_put(struct weft_stun_builder *b, uint16_t type, const void *value, size_t len);

/* Reserves an attribute's value to be filled by the caller; NULL if it does not fit. */
uint8_t *weft_stun_put_space(struct weft_stun_builder *b, uint16_t type, size_t len);

bool weft_stun_put_flag(struct weft_stun_builder *b, uint16_t type);
bool weft_stun_put_u32(struct weft_stun_builder *b, uint16_t type, uint32_t v);
bool weft_stun_put_u64(struct weft_stun_builder *b, uint16_t type, uint64_t v);

/* One octet and three of RFFU: REQUESTED-TRANSPORT, REQUESTED-ADDRESS-FAMILY and the like. */
bool weft_stun_put_octet(struct weft_stun_builder *b, uint16_t type, uint8_t v);

/* CHANNEL-NUMBER. */
bool weft_stun_put_channel(struct weft_stun_builder *b, uint16_t channel);

/* Any of the XOR addresses, and the plain ones (MAPPED-ADDRESS, ALTERNATE-SERVER). */
bool weft_stun_put_xor_address(struct weft_stun_builder *b,
			       uint16_t type,
			       const struct weft_endpoint *e);
bool weft_stun_put_address(struct weft_stun_builder *b,
			   uint16_t type,
			   const struct weft_endpoint *e);

/* ERROR-CODE with the usual reason phrase. @code 300..699. */
bool weft_stun_put_error(struct weft_stun_builder *b, unsigned code);

/* ADDRESS-ERROR-CODE (RFC 8656 section 18.12). */
bool weft_stun_put_address_error(struct weft_stun_builder *b,
				 enum weft_stun_family family,
				 unsigned code);

/* UNKNOWN-ATTRIBUTES out of @request. */
bool weft_stun_put_unknown(struct weft_stun_builder *b, const struct weft_stun_message *request);

/* PASSWORD-ALGORITHMS (several) or PASSWORD-ALGORITHM (@n == 1), without parameters. */
bool weft_stun_put_algorithms(struct weft_stun_builder *b,
			      uint16_t type,
			      const uint16_t *algorithms,
			      size_t n);

/* ICMP (RFC 8656 section 18.13): 7 bits of type, 9 of code; @data: MTU or zero. */
bool weft_stun_put_icmp(struct weft_stun_builder *b, uint8_t type, uint8_t code, uint32_t data);

bool weft_stun_put_integrity(struct weft_stun_builder *b, struct weft_bytes key);
bool weft_stun_put_integrity_sha256(struct weft_stun_builder *b, struct weft_bytes key);
bool weft_stun_put_fingerprint(struct weft_stun_builder *b);

/* Length of the finished message, 0 if anything did not fit. */
size_t weft_stun_finish(struct weft_stun_builder *b);

/* Room left for attributes, in bytes. */
size_t weft_stun_room(const struct weft_stun_builder *b);

/* CRC-32 (ISO-HDLC) of FINGERPRINT, without the XOR. */
uint32_t weft_stun_crc32(const void *data, size_t len);

/* The same over the concatenation of what gave @crc and @data. */
uint32_t weft_stun_crc32_more(uint32_t crc, const void *data, size_t len);

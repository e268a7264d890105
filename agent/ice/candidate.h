/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ICE candidates, their priorities and their lines (RFC 8839 section 5.1, protocol.md 4.3). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ice/limits.h"
#include "base/address.h"

struct weft_env;

enum ice_type { ICE_HOST, ICE_SRFLX, ICE_PRFLX, ICE_RELAY, ICE_TYPE_COUNT_ };

/* "host", "srflx", "prflx", "relay". */
const char *ice_type_name(enum ice_type type);

/* RFC 8445 section 5.1.2: type preference << 24 | @local_preference << 8 | 255. NetBird's local
 * preference is 65535 always. */
#define ICE_LOCAL_PREFERENCE 65535
uint32_t ice_priority(enum ice_type type, uint16_t local_preference);

/* RFC 8445 section 6.1.2.3: 2^32 * min + 2 * max + (g > d). (NetBird's factor is 2^32 - 1, which
 * orders alike.) @g is the priority of the controlling side's candidate, @d the other's. */
uint64_t ice_pair_priority(uint32_t g, uint32_t d);

struct ice_candidate {
	struct weft_endpoint endpoint;
	struct weft_endpoint related; /* raddr and rport; family NONE if absent. The address may
					 be unspecified */
	uint32_t priority;
	enum ice_type type;
	char foundation[33];
	char cid[ICE_CID_LEN + 1];     /* "" if absent or of another length */
	char ufrag[ICE_UFRAG_MAX + 1]; /* "" if absent or too long */
	bool has_cid;                  /* a cid was there, of whatever form */
};

enum ice_line_status {
	ICE_LINE_OK,
	ICE_LINE_MALFORMED, /* not a candidate line */
	ICE_LINE_UNUSABLE,  /* well-formed, but nothing for us: TCP, component 2, a name instead of
			       an address (mDNS), port 0, unspecified, loopback or multicast */
	ICE_LINE_STATUS_COUNT_
};

/* Parses a line, with or without "a=" and "candidate:". Unknown key/value pairs are skipped.
 * @ret is untouched unless ICE_LINE_OK. */
enum ice_line_status ice_candidate_parse(struct ice_candidate *ret, const char *line, size_t len);

/* Writes NetBird's form: "F 1 udp P ADDR PORT typ T[ raddr A rport P][ ufrag U][ cid C]".
 * Returns the length without NUL, 0 if it does not fit into @size. */
size_t ice_candidate_format(const struct ice_candidate *c, char *out, size_t size);

/* Foundation as NetBird computes it: CRC-32 of type, address text, "udp4" or "udp6", decimal. */
void ice_candidate_set_foundation(struct ice_candidate *c);

/* 32 random characters of the base64 alphabet. */
void ice_candidate_set_cid(struct ice_candidate *c, const struct weft_env *env);

struct ice_credentials {
	char ufrag[ICE_UFRAG_MAX + 1];
	char pwd[ICE_PWD_MAX + 1];
};

/* 16 and 32 letters, as NetBird has them. */
void ice_credentials_generate(struct ice_credentials *ret, const struct weft_env *env);

/* The payload of OFFER and ANSWER, "ufrag:pwd" (protocol.md 3.4). False, and @ret untouched, if
 * there is not exactly one colon or a part is too short, too long or has foreign characters; also
 * for ":", the sign of a peer without ICE. */
bool ice_credentials_parse(struct ice_credentials *ret, const char *text, size_t len);

/* Length of "ufrag:pwd". */
#define ICE_CREDENTIALS_TEXT_SIZE (ICE_UFRAG_MAX + 1 + ICE_PWD_MAX + 1)
size_t ice_credentials_format(const struct ice_credentials *c, char out[ICE_CREDENTIALS_TEXT_SIZE]);

bool ice_credentials_equal(const struct ice_credentials *a, const struct ice_credentials *b);

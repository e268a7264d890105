/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Netlink attributes by a table per nest: attribute -> type and length. Internal to the room.
 * Unknown attributes are skipped, a known one that is too short, too long or occurs twice makes
 * the whole nest malformed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cursor.h"

struct nlmsghdr;

enum weft_nl_attr_type {
	WEFT_NL_ATTR_SKIP, /* 0: not asked for */
	WEFT_NL_ATTR_U8,
	WEFT_NL_ATTR_U16,
	WEFT_NL_ATTR_U32,
	WEFT_NL_ATTR_U64,
	WEFT_NL_ATTR_EXACT,  /* @len octets */
	WEFT_NL_ATTR_MIN,    /* @len octets or more */
	WEFT_NL_ATTR_STRING, /* NUL-terminated within its bounds, at most @len octets with NUL */
	WEFT_NL_ATTR_NEST,
	WEFT_NL_ATTR_COUNT_
};

struct weft_nl_attr_policy {
	uint8_t type; /* enum weft_nl_attr_type */
	uint16_t len;
};

/* A borrowed attribute; p NULL: absent. */
struct weft_nl_attr {
	const uint8_t *p;
	uint16_t len;
	uint16_t type;
};

/* Reads the next attribute of a nest. False at the end (c->ok) and on malformed bytes (!c->ok). */
bool weft_nl_attr_next(struct weft_cursor *c, struct weft_nl_attr *ret);

/* Reads all of @c into @out[0..n), indexed by attribute; @policy has @n rows. */
bool weft_nl_attrs_read(struct weft_cursor c,
			const struct weft_nl_attr_policy *policy,
			struct weft_nl_attr *out,
			size_t n);

/* The attributes of a message behind a family header of @header octets. */
struct weft_cursor weft_nl_msg_attrs(const struct nlmsghdr *msg, size_t header);
/* Copies the family header; false if the message is shorter. */
bool weft_nl_msg_header(const struct nlmsghdr *msg, void *ret, size_t header);

struct weft_cursor weft_nl_attr_cursor(const struct weft_nl_attr *a);

/* Values in host byte order; 0 if the attribute is absent. The policy has checked the lengths. */
uint8_t weft_nl_attr_u8(const struct weft_nl_attr *a);
uint16_t weft_nl_attr_u16(const struct weft_nl_attr *a);
uint32_t weft_nl_attr_u32(const struct weft_nl_attr *a);
uint64_t weft_nl_attr_u64(const struct weft_nl_attr *a);
uint16_t weft_nl_attr_be16(const struct weft_nl_attr *a);
uint32_t weft_nl_attr_be32(const struct weft_nl_attr *a);
uint64_t weft_nl_attr_be64(const struct weft_nl_attr *a);
/* Copies a string, cut to @size with NUL; "" if absent. */
void weft_nl_attr_copy(const struct weft_nl_attr *a, char *ret, size_t size);
/* An address of 4 or 16 octets that fits @family. False if it does not; family NONE if absent. */
bool weft_nl_attr_address(const struct weft_nl_attr *a,
			  enum weft_family family,
			  struct weft_address *ret);

/* AF_INET, AF_INET6 and ours; NONE and AF_UNSPEC for everything else. */
enum weft_family weft_nl_family_from_af(int af);
int weft_nl_family_to_af(enum weft_family family);
/* 4, 16 or 0. */
size_t weft_nl_family_octets(enum weft_family family);

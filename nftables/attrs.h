/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attributes of a message, found once and read with their lengths checked. (The parsers of libnftnl
 * end the process when they meet an attribute of another length than they expect.) Private. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlattr;
struct nlmsghdr;

#define WEFT_NFT_ATTRS_MAX 32

struct weft_nft_attrs {
	const struct nlattr *at[WEFT_NFT_ATTRS_MAX]; /* by type; NULL: missing */
	uint8_t family;                              /* of a message */
};

/* The message at @*at of a datagram, which is moved behind it; NULL at the end. A message that does
 * not fit ends the datagram with @*at beyond @len. (mnl_nlmsg_ok() takes lengths from 2^31 on.) */
const struct nlmsghdr *weft_nft_next_message(const void *datagram, size_t len, size_t *at);

/* False if the message is too short for its family. */
bool weft_nft_attrs_of_message(struct weft_nft_attrs *ret, const struct nlmsghdr *msg);

/* Of a nest; empty if @nest is NULL. */
void weft_nft_attrs_of_nest(struct weft_nft_attrs *ret, const struct nlattr *nest);

/* NULL if missing, or not ended by a NUL. */
const char *weft_nft_attr_string(const struct weft_nft_attrs *attrs, unsigned type);

/* In network byte order on the wire; @missing if missing or of another length. */
uint32_t weft_nft_attr_u32(const struct weft_nft_attrs *attrs, unsigned type, uint32_t missing);
uint64_t weft_nft_attr_u64(const struct weft_nft_attrs *attrs, unsigned type, uint64_t missing);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/attrs.h"

#include <string.h>

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <sys/param.h>

#include <linux/netfilter/nfnetlink.h>

const struct nlmsghdr *
weft_nft_next_message(const void *datagram, size_t len, size_t *at)
{
	const struct nlmsghdr *msg;

	if (*at >= len)
		return NULL;
	msg = (const void *) ((const uint8_t *) datagram + *at);
	if (len - *at < sizeof *msg || msg->nlmsg_len < sizeof *msg || msg->nlmsg_len > len - *at) {
		*at = SIZE_MAX;
		return NULL;
	}
	/* The last one need not be padded. */
	*at = MIN(*at + NLMSG_ALIGN(msg->nlmsg_len), len);
	return msg;
}

static void
keep(struct weft_nft_attrs *attrs, const struct nlattr *attr)
{
	uint16_t type = mnl_attr_get_type(attr);

	if (type < WEFT_NFT_ATTRS_MAX)
		attrs->at[type] = attr;
}

bool
weft_nft_attrs_of_message(struct weft_nft_attrs *ret, const struct nlmsghdr *msg)
{
	const struct nlattr *attr;
	struct nfgenmsg gen;

	*ret = (struct weft_nft_attrs){ 0 };
	if (mnl_nlmsg_get_payload_len(msg) < sizeof gen)
		return false;
	memcpy(&gen, mnl_nlmsg_get_payload(msg), sizeof gen);
	ret->family = gen.nfgen_family;
	mnl_attr_for_each (attr, msg, sizeof gen) {
		keep(ret, attr);
	}
	return true;
}

void
weft_nft_attrs_of_nest(struct weft_nft_attrs *ret, const struct nlattr *nest)
{
	const struct nlattr *attr;

	*ret = (struct weft_nft_attrs){ 0 };
	if (nest == NULL)
		return;
	mnl_attr_for_each_nested (attr, nest) {
		keep(ret, attr);
	}
}

const char *
weft_nft_attr_string(const struct weft_nft_attrs *attrs, unsigned type)
{
	const struct nlattr *attr = attrs->at[type];

	return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0
		       ? mnl_attr_get_str(attr)
		       : NULL;
}

uint32_t
weft_nft_attr_u32(const struct weft_nft_attrs *attrs, unsigned type, uint32_t missing)
{
	const struct nlattr *attr = attrs->at[type];

	return attr != NULL && mnl_attr_get_payload_len(attr) == sizeof missing
		       ? ntohl(mnl_attr_get_u32(attr))
		       : missing;
}

uint64_t
weft_nft_attr_u64(const struct weft_nft_attrs *attrs, unsigned type, uint64_t missing)
{
	const struct nlattr *attr = attrs->at[type];

	return attr != NULL && mnl_attr_get_payload_len(attr) == sizeof missing
		       ? be64toh(mnl_attr_get_u64(attr))
		       : missing;
}

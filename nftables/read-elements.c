/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/read-elements.h"

#include "nftables/limits.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* The data value of a key's nest; false unless it has exactly @len octets. */
static bool
read_key(const struct nlattr *nest, uint8_t *key, unsigned len)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		if (mnl_attr_get_type(attr) != NFTA_DATA_VALUE)
			return false;
		if (mnl_attr_get_payload_len(attr) != len)
			return false;
		memcpy(key, mnl_attr_get_payload(attr), len);
		return true;
	}
	return false;
}

static bool
read_counter(const struct nlattr *attr, GHashTable *counters, uint32_t *ret)
{
	uintptr_t index;

	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return false;
	index = (uintptr_t) g_hash_table_lookup(counters, mnl_attr_get_str(attr));
	*ret = (uint32_t) (index - 1);
	return index != 0;
}

/* One element: a key, an end in interval sets, a counter, and nothing else. */
static bool
read_element(const struct nlattr *nest,
	     unsigned set,
	     GHashTable *counters,
	     struct weft_nft_element *e)
{
	enum { KEY = 1, END = 2, COUNTER = 4 };
	const unsigned wanted = KEY | COUNTER | (weft_nft_set_is_range(set) ? END : 0);
	unsigned len = weft_nft_set_key_len(set), seen = 0;
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		unsigned bit;
		bool ok;

		switch (mnl_attr_get_type(attr)) {
		case NFTA_SET_ELEM_KEY:
			bit = KEY;
			ok = read_key(attr, e->key, len);
			break;
		case NFTA_SET_ELEM_KEY_END:
			bit = END;
			ok = read_key(attr, e->end, len);
			break;
		case NFTA_SET_ELEM_OBJREF:
			bit = COUNTER;
			ok = read_counter(attr, counters, &e->counter);
			break;
		case NFTA_SET_ELEM_PAD:
			continue;
		default:
			return false;
		}
		if (!ok || (seen & bit) != 0)
			return false;
		seen |= bit;
	}
	if ((seen & END) == 0)
		memcpy(e->end, e->key, sizeof e->end);
	return seen == wanted;
}

static bool
is_string(const struct nlattr *attr, const char *text)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
	       strcmp(mnl_attr_get_str(attr), text) == 0;
}

enum weft_nft_parsed
weft_nft_parse_elements(const struct nlmsghdr *msg,
			const char *table,
			unsigned set,
			GHashTable *counters,
			GArray *elements)
{
	const struct nlattr *attr, *list = NULL;
	char name[WEFT_NFT_SET_NAME_SIZE];
	bool in_table = false, in_set = false;

	if (mnl_nlmsg_get_payload_len(msg) < sizeof(struct nfgenmsg))
		return WEFT_NFT_PARSED_MALFORMED;
	weft_nft_set_name(set, name);
	mnl_attr_for_each (attr, msg, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_TABLE)
			in_table = is_string(attr, table);
		else if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_SET)
			in_set = is_string(attr, name);
		else if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS)
			list = attr;
	}
	if (!in_table || !in_set || list == NULL)
		return WEFT_NFT_PARSED_OK;
	mnl_attr_for_each_nested (attr, list) {
		struct weft_nft_element e = { 0 };

		if (elements->len >= WEFT_NFT_LIMIT_ELEMENTS)
			return WEFT_NFT_PARSED_MALFORMED;
		if (mnl_attr_get_type(attr) != NFTA_LIST_ELEM ||
		    !read_element(attr, set, counters, &e))
			return WEFT_NFT_PARSED_ODD;
		g_array_append_val(elements, e);
	}
	return WEFT_NFT_PARSED_OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/overlap.h"

#include "nftables/model-private.h"

#include <string.h>

/* Elements looked at before the answer is "maybe". */
#define PATIENCE 1024

/* An element of any shape as a box: closed intervals of addresses, protocols and ports. */
struct box {
	uint8_t first[16], last[16];
	uint8_t protocol_first, protocol_last;
	uint16_t port_first, port_last;
};

static uint16_t
port_at(const uint8_t *key, enum weft_family family)
{
	const uint8_t *p = key + WEFT_NFT_KEY_PORT(family);

	return (uint16_t) (p[0] << 8 | p[1]);
}

static struct box
box_of(struct weft_nft_set_id id, const struct weft_nft_element *e)
{
	struct box box = { .protocol_last = UINT8_MAX, .port_last = UINT16_MAX };
	unsigned len = WEFT_NFT_KEY_ADDRESS_LEN(id.family);

	memcpy(box.first, e->key, len);
	memcpy(box.last, e->end, len);
	if (id.shape == WEFT_NFT_HOST)
		return box;
	box.protocol_first = e->key[WEFT_NFT_KEY_PROTOCOL(id.family)];
	box.protocol_last = e->end[WEFT_NFT_KEY_PROTOCOL(id.family)];
	if (id.shape == WEFT_NFT_HOST_PORT || id.shape == WEFT_NFT_RANGE_PORT) {
		box.port_first = port_at(e->key, id.family);
		box.port_last = port_at(e->end, id.family);
	}
	return box;
}

static bool
boxes_touch(const struct box *a, const struct box *b)
{
	return memcmp(a->first, b->last, 16) <= 0 && memcmp(b->first, a->last, 16) <= 0 &&
	       a->protocol_first <= b->protocol_last && b->protocol_first <= a->protocol_last &&
	       a->port_first <= b->port_last && b->port_first <= a->port_last;
}

/* The first element whose address is not below @addr. */
static size_t
first_from(const struct weft_nft_element *e, size_t n, const uint8_t *addr, unsigned len)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(e[middle].key, addr, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Elements that begin at addresses from @from to @to. */
static bool
any_touches(const WeftNftModel *model,
	    struct weft_nft_set_id id,
	    const struct box *region,
	    const uint8_t *from,
	    const uint8_t *to)
{
	unsigned len = WEFT_NFT_KEY_ADDRESS_LEN(id.family), patience = PATIENCE;
	size_t n;
	const struct weft_nft_element *e =
		weft_nft_model_elements(model, weft_nft_set_index(id), &n);

	for (size_t i = first_from(e, n, from, len); i < n && memcmp(e[i].key, to, len) <= 0; i++) {
		struct box box = box_of(id, &e[i]);

		if (boxes_touch(&box, region) || patience-- == 0)
			return true;
	}
	return false;
}

/* Prefixes around the region begin at its first address with low bits cleared. */
static bool
wider_touches(const WeftNftModel *model, struct weft_nft_set_id id, const struct box *region)
{
	uint8_t first[16];

	memcpy(first, region->first, sizeof first);
	for (unsigned bit = WEFT_NFT_KEY_ADDRESS_LEN(id.family) * 8; bit-- > 0;) {
		uint8_t mask = (uint8_t) (0x80 >> bit % 8);

		if ((first[bit / 8] & mask) == 0)
			continue;
		first[bit / 8] = (uint8_t) (first[bit / 8] & ~mask);
		if (any_touches(model, id, region, first, first))
			return true;
	}
	return false;
}

bool
weft_nft_model_accepts_part(const WeftNftModel *model,
			    struct weft_nft_set_id id,
			    const struct weft_nft_element *e)
{
	struct box region = box_of(id, e);

	id.action = WEFT_NFT_ACCEPT;
	for (id.shape = 0; id.shape < WEFT_NFT_SHAPE_COUNT_; id.shape++) {
		if (any_touches(model, id, &region, region.first, region.last))
			return true;
		if (weft_nft_set_is_range(weft_nft_set_index(id)) &&
		    wider_touches(model, id, &region))
			return true;
	}
	return false;
}

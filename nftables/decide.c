/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table's answer to a packet, out of the model alone. */
#include "nftables/model.h"

#include "nftables/model-private.h"

#include <string.h>

/* The first element whose key is not below @key. */
static size_t
lower_bound(const GArray *elements, const uint8_t *key, size_t len)
{
	const struct weft_nft_element *e = (const void *) elements->data;
	size_t low = 0, high = elements->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(e[middle].key, key, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
contains(const struct weft_nft_element *e, const uint8_t *key, unsigned address_len, unsigned len)
{
	for (unsigned at = 0; at < len;) {
		unsigned field = at == 0 ? address_len : 4;

		if (memcmp(key + at, e->key + at, field) < 0 ||
		    memcmp(key + at, e->end + at, field) > 0)
			return false;
		at += field;
	}
	return true;
}

static const struct weft_nft_element *
find_exact(const GArray *elements, const uint8_t *key, unsigned len)
{
	const struct weft_nft_element *e = (const void *) elements->data;
	size_t i = lower_bound(elements, key, len);

	return i < elements->len && memcmp(e[i].key, key, len) == 0 ? &e[i] : NULL;
}

/* Address ranges are prefixes, so those that hold an address begin at one of its maskings. */
static const struct weft_nft_element *
find_range(const GArray *elements, const uint8_t *key, unsigned address_len, unsigned len)
{
	const struct weft_nft_element *e = (const void *) elements->data;
	uint8_t first[16];

	if (elements->len == 0)
		return NULL;
	memcpy(first, key, address_len);
	for (unsigned bits = address_len * 8;; bits--) {
		bool changed = bits == address_len * 8;

		if (!changed) {
			uint8_t mask = (uint8_t) (0x80 >> bits % 8);

			changed = (first[bits / 8] & mask) != 0;
			first[bits / 8] = (uint8_t) (first[bits / 8] & ~mask);
		}
		if (changed) {
			for (size_t i = lower_bound(elements, first, address_len);
			     i < elements->len && memcmp(e[i].key, first, address_len) == 0; i++) {
				if (contains(&e[i], key, address_len, len))
					return &e[i];
			}
		}
		if (bits == 0)
			return NULL;
	}
}

static const struct weft_nft_element *
find(const WeftNftModel *model, struct weft_nft_set_id id, const struct weft_nft_packet *packet)
{
	unsigned set = weft_nft_set_index(id);
	unsigned address_len = WEFT_NFT_KEY_ADDRESS_LEN(id.family);
	uint8_t key[WEFT_NFT_KEY_SIZE] = { 0 };

	memcpy(key, packet->remote.b, address_len);
	key[WEFT_NFT_KEY_PROTOCOL(id.family)] = packet->protocol;
	/* Past the end of the shorter keys, where it does not count. */
	if (weft_nft_set_key_len(set) > WEFT_NFT_KEY_PORT(id.family)) {
		key[WEFT_NFT_KEY_PORT(id.family)] = (uint8_t) (packet->port >> 8);
		key[WEFT_NFT_KEY_PORT(id.family) + 1] = (uint8_t) packet->port;
	}
	if (weft_nft_set_is_range(set))
		return find_range(model->elements[set], key, address_len,
				  weft_nft_set_key_len(set));
	return find_exact(model->elements[set], key, weft_nft_set_key_len(set));
}

enum weft_nft_action
weft_nft_model_decide(const WeftNftModel *model,
		      const struct weft_nft_packet *packet,
		      uint32_t *ret_counter)
{
	static const enum weft_nft_action order[] = { WEFT_NFT_DROP, WEFT_NFT_ACCEPT };
	struct weft_nft_set_id id = { .direction = packet->direction,
				      .family = packet->remote.family };

	if (ret_counter != NULL)
		*ret_counter = UINT32_MAX;
	if (packet->direction == WEFT_NFT_OUT && !model->config.filter_output)
		return WEFT_NFT_ACCEPT;
	if (id.family != WEFT_FAMILY_IPV4 && id.family != WEFT_FAMILY_IPV6)
		return WEFT_NFT_DROP;
	for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
		id.action = order[i];
		for (id.shape = 0; id.shape < WEFT_NFT_SHAPE_COUNT_; id.shape++) {
			const struct weft_nft_element *e = find(model, id, packet);

			if (e == NULL)
				continue;
			if (ret_counter != NULL)
				*ret_counter = e->counter;
			return id.action;
		}
	}
	return WEFT_NFT_DROP;
}

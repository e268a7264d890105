/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/diff.h"

#include "nftables/limits.h"
#include "nftables/model-private.h"
#include "nftables/overlap.h"

#include <string.h>

struct weft_nft_diff {
	WeftNftModel *old; /* NULL: none */
	WeftNftModel *new_model;
	bool rebuild;
	GArray *changes;            /* struct weft_nft_change */
	GPtrArray *counters_add;    /* const char *, in the new model */
	GPtrArray *counters_delete; /* const char *, in the old model */
	GArray *cuts;               /* struct weft_nft_cut */
};

void
weft_nft_diff_free(WeftNftDiff *diff)
{
	if (diff == NULL)
		return;
	g_array_unref(diff->changes);
	g_array_unref(diff->cuts);
	g_ptr_array_unref(diff->counters_add);
	g_ptr_array_unref(diff->counters_delete);
	weft_nft_model_unref(diff->old);
	weft_nft_model_unref(diff->new_model);
	g_free(diff);
}

static unsigned
prefix_bits(const struct weft_nft_element *e, unsigned len)
{
	unsigned bits = len * 8;

	for (unsigned i = 0; i < len; i++) {
		uint8_t differ = e->key[i] ^ e->end[i];

		if (differ != 0) {
			bits = i * 8;
			while ((differ & 0x80) == 0) {
				differ = (uint8_t) (differ << 1);
				bits++;
			}
			break;
		}
	}
	return bits;
}

static void
add_cut(WeftNftDiff *diff, struct weft_nft_set_id id, const struct weft_nft_element *e)
{
	struct weft_nft_cut cut = { .direction = id.direction };
	unsigned len = WEFT_NFT_KEY_ADDRESS_LEN(id.family);
	unsigned protocol = WEFT_NFT_KEY_PROTOCOL(id.family), port = WEFT_NFT_KEY_PORT(id.family);

	cut.remote.addr.family = (uint8_t) id.family;
	memcpy(cut.remote.addr.b, e->key, len);
	cut.remote.bits = (uint8_t) prefix_bits(e, len);
	cut.exact =
		id.action == WEFT_NFT_DROP || !weft_nft_model_accepts_part(diff->new_model, id, e);
	if (id.shape != WEFT_NFT_HOST && e->key[protocol] == e->end[protocol])
		cut.protocol = e->key[protocol];
	/* A part of all protocols has no other form than all of them. */
	if (id.shape != WEFT_NFT_HOST && cut.protocol == 0 &&
	    (e->key[protocol] != 0 || e->end[protocol] != UINT8_MAX))
		cut.exact = false;
	if (id.shape == WEFT_NFT_HOST_PORT || id.shape == WEFT_NFT_RANGE_PORT) {
		cut.port_first = (uint16_t) (e->key[port] << 8 | e->key[port + 1]);
		cut.port_last = (uint16_t) (e->end[port] << 8 | e->end[port + 1]);
	}
	g_array_append_val(diff->cuts, cut);
}

static const char *
counter_of(const WeftNftModel *model, const struct weft_nft_element *e)
{
	return model->counters->pdata[e->counter];
}

static void
note(WeftNftDiff *diff, GArray *changes, unsigned set, bool add, const struct weft_nft_element *e)
{
	struct weft_nft_change change = {
		.set = set,
		.add = add,
		.element = e,
		.counter = counter_of(add ? diff->new_model : diff->old, e),
	};

	g_array_append_val(changes, change);
}

/* An element that is on one side only. */
static void
note_one_sided(WeftNftDiff *diff,
	       GArray *changes,
	       unsigned set,
	       bool add,
	       const struct weft_nft_element *e)
{
	struct weft_nft_set_id id = weft_nft_set_id(set);

	note(diff, changes, set, add, e);
	if (id.direction == WEFT_NFT_OUT && !diff->new_model->config.filter_output)
		return;
	if (add == (id.action == WEFT_NFT_DROP))
		add_cut(diff, id, e);
}

static void
diff_set(WeftNftDiff *diff, unsigned set, GArray *additions)
{
	size_t n_old, n_new, i = 0, k = 0;
	const struct weft_nft_element *old = weft_nft_model_elements(diff->old, set, &n_old);
	const struct weft_nft_element *new = weft_nft_model_elements(diff->new_model, set, &n_new);

	while (i < n_old || k < n_new) {
		int order = i == n_old   ? 1
			    : k == n_new ? -1
					 : weft_nft_element_compare(&old[i], &new[k]);

		if (order < 0) {
			note_one_sided(diff, diff->changes, set, false, &old[i++]);
		} else if (order > 0) {
			note_one_sided(diff, additions, set, true, &new[k++]);
		} else {
			if (strcmp(counter_of(diff->old, &old[i]),
				   counter_of(diff->new_model, &new[k])) != 0) {
				note(diff, diff->changes, set, false, &old[i]);
				note(diff, additions, set, true, &new[k]);
			}
			i++;
			k++;
		}
	}
}

static void
diff_counters(WeftNftDiff *diff)
{
	const GPtrArray *old = diff->old->counters, *new = diff->new_model->counters;
	size_t i = 0, k = 0;

	while (i < old->len || k < new->len) {
		int order = i == old->len   ? 1
			    : k == new->len ? -1
					    : strcmp(old->pdata[i], new->pdata[k]);

		if (order < 0)
			g_ptr_array_add(diff->counters_delete, old->pdata[i]);
		else if (order > 0)
			g_ptr_array_add(diff->counters_add, new->pdata[k]);
		i += order <= 0;
		k += order >= 0;
	}
}

/* Output becomes filtered: every flow that went out unasked is in question. */
static void
cut_unfiltered_output(WeftNftDiff *diff)
{
	static const enum weft_family families[] = { WEFT_FAMILY_IPV4, WEFT_FAMILY_IPV6 };

	for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
		struct weft_nft_cut cut = { .direction = WEFT_NFT_OUT };

		cut.remote.addr.family = (uint8_t) families[i];
		g_array_append_val(diff->cuts, cut);
	}
}

/* The changes so far are deletions, by set. */
static bool
is_slow(const WeftNftDiff *diff)
{
	uint64_t work = 0;

	for (size_t i = 0; i < diff->changes->len; i++) {
		unsigned set = g_array_index(diff->changes, struct weft_nft_change, i).set;

		if (weft_nft_set_is_range(set))
			work += diff->old->elements[set]->len;
	}
	return work > WEFT_NFT_LIMIT_INTERVAL_WORK;
}

static bool
same_table(const struct weft_nft_config *a, const struct weft_nft_config *b)
{
	return strcmp(a->table, b->table) == 0 && strcmp(a->interface, b->interface) == 0 &&
	       a->filter_forward == b->filter_forward && a->filter_output == b->filter_output;
}

WeftNftDiff *
weft_nft_diff(const WeftNftModel *old, const WeftNftModel *new_model)
{
	WeftNftDiff *diff = g_new0(WeftNftDiff, 1);
	g_autoptr(GArray) additions = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_change));

	diff->old = old == NULL ? NULL : weft_nft_model_ref(old);
	diff->new_model = weft_nft_model_ref(new_model);
	diff->changes = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_change));
	diff->cuts = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_cut));
	diff->counters_add = g_ptr_array_new();
	diff->counters_delete = g_ptr_array_new();
	diff->rebuild = old == NULL || !same_table(&old->config, &new_model->config);
	if (old == NULL)
		return diff;
	for (unsigned set = 0; set < WEFT_NFT_SET_COUNT; set++)
		diff_set(diff, set, additions);
	diff->rebuild = diff->rebuild || is_slow(diff);
	if (new_model->config.filter_output && !old->config.filter_output)
		cut_unfiltered_output(diff);
	if (diff->rebuild) {
		g_array_set_size(diff->changes, 0);
		return diff;
	}
	if (additions->len > 0)
		g_array_append_vals(diff->changes, additions->data, additions->len);
	diff_counters(diff);
	return diff;
}

bool
weft_nft_diff_is_empty(const WeftNftDiff *diff)
{
	return !diff->rebuild && diff->changes->len == 0 && diff->counters_add->len == 0 &&
	       diff->counters_delete->len == 0;
}

bool
weft_nft_diff_is_rebuild(const WeftNftDiff *diff)
{
	return diff->rebuild;
}

const struct weft_nft_change *
weft_nft_diff_changes(const WeftNftDiff *diff, size_t *ret_n)
{
	*ret_n = diff->changes->len;
	return (const void *) diff->changes->data;
}

const char *const *
weft_nft_diff_counters(const WeftNftDiff *diff, bool add, size_t *ret_n)
{
	const GPtrArray *names = add ? diff->counters_add : diff->counters_delete;

	*ret_n = names->len;
	return (const char *const *) names->pdata;
}

const struct weft_nft_cut *
weft_nft_diff_cut_list(const WeftNftDiff *diff, size_t *ret_n)
{
	*ret_n = diff->cuts->len;
	return (const void *) diff->cuts->data;
}

bool
weft_nft_diff_cuts(const WeftNftDiff *diff, const struct weft_nft_packet *flow)
{
	return diff->old != NULL &&
	       weft_nft_model_decide(diff->old, flow, NULL) == WEFT_NFT_ACCEPT &&
	       weft_nft_model_decide(diff->new_model, flow, NULL) == WEFT_NFT_DROP;
}

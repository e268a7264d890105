/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/model.h"

#include "nftables/error.h"
#include "nftables/model-private.h"

#include <stdio.h>
#include <string.h>

struct weft_nft_config
weft_nft_config_default(void)
{
	return (struct weft_nft_config){ .table = "weft",
					 .interface = "weft0",
					 .filter_forward = true };
}

/* What an interface or a table may be called, so that every tool can read it back. */
static bool
is_name(const char *name, size_t size)
{
	size_t len = strnlen(name, size);

	if (len == 0 || len == size || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!g_ascii_isalnum(name[i]) && strchr("_-.@", name[i]) == NULL)
			return false;
	}
	return true;
}

bool
weft_nft_config_check(const struct weft_nft_config *config, GError **error)
{
	if (!is_name(config->table, sizeof config->table) || !g_ascii_isalpha(config->table[0])) {
		g_set_error_literal(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INVALID,
				    "the table's name must be a word of 1 to 31 characters");
		return false;
	}
	if (!is_name(config->interface, sizeof config->interface)) {
		g_set_error_literal(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_INVALID,
				    "the interface's name must have 1 to 15 characters");
		return false;
	}
	return true;
}

unsigned
weft_nft_set_index(struct weft_nft_set_id id)
{
	unsigned family = id.family == WEFT_FAMILY_IPV6;

	return (((unsigned) id.direction * 2 + family) * WEFT_NFT_ACTION_COUNT_ +
		(unsigned) id.action) *
		       WEFT_NFT_SHAPE_COUNT_ +
	       (unsigned) id.shape;
}

struct weft_nft_set_id
weft_nft_set_id(unsigned index)
{
	struct weft_nft_set_id id = { .shape = index % WEFT_NFT_SHAPE_COUNT_ };

	index /= WEFT_NFT_SHAPE_COUNT_;
	id.action = index % WEFT_NFT_ACTION_COUNT_;
	index /= WEFT_NFT_ACTION_COUNT_;
	id.family = index % 2 == 0 ? WEFT_FAMILY_IPV4 : WEFT_FAMILY_IPV6;
	id.direction = index / 2;
	return id;
}

char *
weft_nft_set_name(unsigned index, char out[WEFT_NFT_SET_NAME_SIZE])
{
	static const char *const shapes[WEFT_NFT_SHAPE_COUNT_] = {
		[WEFT_NFT_HOST] = "host",
		[WEFT_NFT_HOST_PROTOCOL] = "host_protocol",
		[WEFT_NFT_HOST_PORT] = "host_port",
		[WEFT_NFT_RANGE_PROTOCOL] = "range_protocol",
		[WEFT_NFT_RANGE_PORT] = "range_port",
	};
	struct weft_nft_set_id id = weft_nft_set_id(index);

	snprintf(out, WEFT_NFT_SET_NAME_SIZE, "%s%c_%s_%s",
		 id.direction == WEFT_NFT_IN ? "in" : "out",
		 id.family == WEFT_FAMILY_IPV4 ? '4' : '6',
		 id.action == WEFT_NFT_ACCEPT ? "accept" : "drop", shapes[id.shape]);
	return out;
}

unsigned
weft_nft_set_key_len(unsigned index)
{
	struct weft_nft_set_id id = weft_nft_set_id(index);
	unsigned len = WEFT_NFT_KEY_ADDRESS_LEN(id.family);

	if (id.shape != WEFT_NFT_HOST)
		len += 4;
	if (id.shape == WEFT_NFT_HOST_PORT || id.shape == WEFT_NFT_RANGE_PORT)
		len += 4;
	return len;
}

bool
weft_nft_set_is_range(unsigned index)
{
	enum weft_nft_shape shape = weft_nft_set_id(index).shape;

	return shape == WEFT_NFT_RANGE_PROTOCOL || shape == WEFT_NFT_RANGE_PORT;
}

WeftNftModel *
weft_nft_model_new(const struct weft_nft_config *config)
{
	WeftNftModel *model = g_new0(WeftNftModel, 1);

	model->refs = 1;
	model->config = *config;
	model->counters = g_ptr_array_new_with_free_func(g_free);
	for (unsigned i = 0; i < WEFT_NFT_SET_COUNT; i++)
		model->elements[i] = g_array_new(FALSE, FALSE, sizeof(struct weft_nft_element));
	return model;
}

WeftNftModel *
weft_nft_model_ref(const WeftNftModel *model)
{
	WeftNftModel *shared = (WeftNftModel *) model;

	shared->refs++;
	return shared;
}

void
weft_nft_model_unref(WeftNftModel *model)
{
	if (model == NULL || --model->refs > 0)
		return;
	for (unsigned i = 0; i < WEFT_NFT_SET_COUNT; i++)
		g_array_unref(model->elements[i]);
	g_ptr_array_unref(model->counters);
	g_free(model);
}

int
weft_nft_element_compare(const struct weft_nft_element *a, const struct weft_nft_element *b)
{
	int order = memcmp(a->key, b->key, sizeof a->key);

	return order != 0 ? order : memcmp(a->end, b->end, sizeof a->end);
}

static int
compare_elements(const void *a, const void *b)
{
	return weft_nft_element_compare(a, b);
}

static int
compare_names(const void *a, const void *b, void *names)
{
	const char *const *name = names;

	return strcmp(name[*(const uint32_t *) a], name[*(const uint32_t *) b]);
}

static struct weft_nft_element *
element_at(const WeftNftModel *model, unsigned set, size_t i)
{
	return &g_array_index(model->elements[set], struct weft_nft_element, i);
}

/* Gives the counters in use their new index in @map: their rank by name. */
static void
rank_counters(WeftNftModel *model, uint32_t *map)
{
	g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
	g_autofree uint32_t *order = g_new(uint32_t, model->counters->len + 1);
	size_t n = 0;

	for (uint32_t i = 0; i < model->counters->len; i++) {
		if (map[i] != 0)
			order[n++] = i;
	}
	g_qsort_with_data(order, (int) n, sizeof *order, compare_names, model->counters->pdata);
	for (size_t i = 0; i < n; i++) {
		map[order[i]] = (uint32_t) i;
		g_ptr_array_add(kept, g_steal_pointer(&model->counters->pdata[order[i]]));
	}
	g_ptr_array_unref(model->counters);
	model->counters = g_steal_pointer(&kept);
}

static bool
is_sorted(const GArray *elements)
{
	const struct weft_nft_element *e = (const void *) elements->data;

	for (size_t i = 1; i < elements->len; i++) {
		if (weft_nft_element_compare(&e[i - 1], &e[i]) > 0)
			return false;
	}
	return true;
}

void
weft_nft_model_finish(WeftNftModel *model)
{
	g_autofree uint32_t *map = g_new0(uint32_t, model->counters->len + 1);

	for (unsigned set = 0; set < WEFT_NFT_SET_COUNT; set++) {
		GArray *elements = model->elements[set];

		if (!is_sorted(elements))
			g_array_sort(elements, compare_elements);
		for (size_t i = 0; i < elements->len; i++)
			map[element_at(model, set, i)->counter] = 1;
	}
	rank_counters(model, map);
	for (unsigned set = 0; set < WEFT_NFT_SET_COUNT; set++) {
		for (size_t i = 0; i < model->elements[set]->len; i++) {
			struct weft_nft_element *e = element_at(model, set, i);

			e->counter = map[e->counter];
		}
	}
}

const struct weft_nft_config *
weft_nft_model_config(const WeftNftModel *model)
{
	return &model->config;
}

const struct weft_nft_element *
weft_nft_model_elements(const WeftNftModel *model, unsigned set, size_t *ret_n)
{
	*ret_n = model->elements[set]->len;
	return (const void *) model->elements[set]->data;
}

size_t
weft_nft_model_element_count(const WeftNftModel *model)
{
	size_t n = 0;

	for (unsigned i = 0; i < WEFT_NFT_SET_COUNT; i++)
		n += model->elements[i]->len;
	return n;
}

size_t
weft_nft_model_counter_count(const WeftNftModel *model)
{
	return model->counters->len;
}

const char *
weft_nft_model_counter(const WeftNftModel *model, uint32_t index)
{
	return index < model->counters->len ? model->counters->pdata[index] : NULL;
}

static bool
configs_equal(const struct weft_nft_config *a, const struct weft_nft_config *b)
{
	return strcmp(a->table, b->table) == 0 && strcmp(a->interface, b->interface) == 0 &&
	       a->filter_forward == b->filter_forward && a->filter_output == b->filter_output;
}

bool
weft_nft_model_equal(const WeftNftModel *a, const WeftNftModel *b)
{
	if (!configs_equal(&a->config, &b->config) || a->counters->len != b->counters->len)
		return false;
	for (size_t i = 0; i < a->counters->len; i++) {
		if (strcmp(a->counters->pdata[i], b->counters->pdata[i]) != 0)
			return false;
	}
	for (unsigned set = 0; set < WEFT_NFT_SET_COUNT; set++) {
		size_t n = a->elements[set]->len;

		if (n != b->elements[set]->len ||
		    (n > 0 && memcmp(a->elements[set]->data, b->elements[set]->data,
				     n * sizeof(struct weft_nft_element)) != 0))
			return false;
	}
	return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/model/bitset.h"

#include <glib.h>
#include <string.h>

void
mgmt_bitset_clear(struct mgmt_bitset *set)
{
	g_free(set->words);
	set->words = NULL;
	set->n_words = 0;
}

void
mgmt_bitset_zero(struct mgmt_bitset *set)
{
	if (set->n_words > 0)
		memset(set->words, 0, set->n_words * sizeof *set->words);
}

static void
grow(struct mgmt_bitset *set, uint32_t n_words)
{
	if (n_words <= set->n_words)
		return;
	n_words = MAX(n_words, set->n_words + set->n_words / 2);
	set->words = g_renew(uint64_t, set->words, n_words);
	memset(set->words + set->n_words, 0, (n_words - set->n_words) * sizeof *set->words);
	set->n_words = n_words;
}

void
mgmt_bitset_add(struct mgmt_bitset *set, uint32_t n)
{
	grow(set, n / 64 + 1);
	set->words[n / 64] |= UINT64_C(1) << (n % 64);
}

void
mgmt_bitset_remove(struct mgmt_bitset *set, uint32_t n)
{
	if (n / 64 < set->n_words)
		set->words[n / 64] &= ~(UINT64_C(1) << (n % 64));
}

bool
mgmt_bitset_has(const struct mgmt_bitset *set, uint32_t n)
{
	return n / 64 < set->n_words && (set->words[n / 64] >> (n % 64) & 1) != 0;
}

bool
mgmt_bitset_is_empty(const struct mgmt_bitset *set)
{
	for (uint32_t i = 0; i < set->n_words; i++)
		if (set->words[i] != 0)
			return false;
	return true;
}

bool
mgmt_bitset_intersects(const struct mgmt_bitset *a, const struct mgmt_bitset *b)
{
	uint32_t n = MIN(a->n_words, b->n_words);

	for (uint32_t i = 0; i < n; i++)
		if ((a->words[i] & b->words[i]) != 0)
			return true;
	return false;
}

static uint64_t
word(const struct mgmt_bitset *set, uint32_t i)
{
	return i < set->n_words ? set->words[i] : 0;
}

bool
mgmt_bitset_equal(const struct mgmt_bitset *a, const struct mgmt_bitset *b)
{
	uint32_t n = MAX(a->n_words, b->n_words);

	for (uint32_t i = 0; i < n; i++)
		if (word(a, i) != word(b, i))
			return false;
	return true;
}

uint32_t
mgmt_bitset_count(const struct mgmt_bitset *set)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->n_words; i++)
		n += (uint32_t) __builtin_popcountll(set->words[i]);
	return n;
}

void
mgmt_bitset_copy(struct mgmt_bitset *dst, const struct mgmt_bitset *src)
{
	mgmt_bitset_zero(dst);
	grow(dst, src->n_words);
	if (src->n_words > 0)
		memcpy(dst->words, src->words, src->n_words * sizeof *src->words);
}

void
mgmt_bitset_or(struct mgmt_bitset *dst, const struct mgmt_bitset *src)
{
	grow(dst, src->n_words);
	for (uint32_t i = 0; i < src->n_words; i++)
		dst->words[i] |= src->words[i];
}

void
mgmt_bitset_and(struct mgmt_bitset *dst, const struct mgmt_bitset *src)
{
	for (uint32_t i = 0; i < dst->n_words; i++)
		dst->words[i] &= word(src, i);
}

void
mgmt_bitset_and_not(struct mgmt_bitset *dst, const struct mgmt_bitset *src)
{
	for (uint32_t i = 0; i < dst->n_words; i++)
		dst->words[i] &= ~word(src, i);
}

int64_t
mgmt_bitset_next(const struct mgmt_bitset *set, int64_t from)
{
	uint64_t first = (uint64_t) from / 64;

	for (uint64_t i = first; i < set->n_words; i++) {
		uint64_t w = set->words[i];

		if (i == first)
			w &= ~UINT64_C(0) << (from % 64);
		if (w != 0)
			return (int64_t) (i * 64) + __builtin_ctzll(w);
	}
	return -1;
}

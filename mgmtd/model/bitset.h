/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A growing set of small dense numbers (peer and group numbers of one account). A value: copy with
 * mgmt_bitset_copy(), free with mgmt_bitset_clear(). Reading beyond the end is false. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mgmt_bitset {
	uint64_t *words; /* NULL when n_words is 0 */
	uint32_t n_words;
};

void mgmt_bitset_clear(struct mgmt_bitset *set); /* empties it and frees its memory */
void mgmt_bitset_zero(struct mgmt_bitset *set);  /* empties it and keeps its memory */
void mgmt_bitset_add(struct mgmt_bitset *set, uint32_t n);
void mgmt_bitset_remove(struct mgmt_bitset *set, uint32_t n);
bool mgmt_bitset_has(const struct mgmt_bitset *set, uint32_t n);
bool mgmt_bitset_is_empty(const struct mgmt_bitset *set);
bool mgmt_bitset_intersects(const struct mgmt_bitset *a, const struct mgmt_bitset *b);
bool mgmt_bitset_equal(const struct mgmt_bitset *a, const struct mgmt_bitset *b);
uint32_t mgmt_bitset_count(const struct mgmt_bitset *set);
void mgmt_bitset_copy(struct mgmt_bitset *dst, const struct mgmt_bitset *src);
void mgmt_bitset_or(struct mgmt_bitset *dst, const struct mgmt_bitset *src);
void mgmt_bitset_and(struct mgmt_bitset *dst, const struct mgmt_bitset *src);
void mgmt_bitset_and_not(struct mgmt_bitset *dst, const struct mgmt_bitset *src);

/* The smallest member >= @from, or -1. for (i = next(s, 0); i >= 0; i = next(s, i + 1)) */
int64_t mgmt_bitset_next(const struct mgmt_bitset *set, int64_t from);

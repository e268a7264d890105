/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/arena.h"

#include <stdint.h>
#include <stdlib.h>

#define ALIGNMENT   ((size_t) 8)
#define FIRST_BLOCK ((size_t) 4096)
#define LAST_BLOCK  ((size_t) 1024 * 1024) /* blocks double up to this size */

struct block {
	struct block *next; /* older */
	size_t size;        /* of the data */
	size_t used;
	_Alignas(8) uint8_t data[];
};

struct weft_arena {
	struct block *newest;
	size_t used; /* in all blocks */
	size_t held;
};

WeftArena *
weft_arena_new(void)
{
	return calloc(1, sizeof(WeftArena));
}

void
weft_arena_free(WeftArena *arena)
{
	if (arena == NULL)
		return;
	weft_arena_reset(arena, 0);
	free(arena);
}

static struct block *
add_block(WeftArena *arena, size_t at_least)
{
	size_t size = FIRST_BLOCK;
	struct block *block;

	if (arena->newest != NULL)
		size = arena->newest->size < LAST_BLOCK / 2 ? arena->newest->size * 2 : LAST_BLOCK;
	if (size < at_least)
		size = at_least;
	block = malloc(sizeof(*block) + size);
	if (block == NULL)
		return NULL;
	block->size = size;
	block->used = 0;
	block->next = arena->newest;
	arena->newest = block;
	arena->held += size;
	return block;
}

void *
weft_arena_alloc(WeftArena *arena, size_t size)
{
	struct block *block = arena->newest;
	void *start;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (block == NULL || block->size - block->used < size)
		block = add_block(arena, size);
	if (block == NULL)
		return NULL;
	start = block->data + block->used;
	block->used += size;
	arena->used += size;
	return start;
}

void
weft_arena_reset(WeftArena *arena, size_t keep)
{
	struct block *kept = NULL, *block = arena->newest;

	while (block != NULL) {
		struct block *next = block->next;
		struct block *out = block;

		if (block->size <= keep && (kept == NULL || block->size > kept->size)) {
			out = kept;
			kept = block;
		}
		free(out);
		block = next;
	}
	if (kept != NULL) {
		kept->next = NULL;
		kept->used = 0;
	}
	arena->newest = kept;
	arena->used = 0;
	arena->held = kept != NULL ? kept->size : 0;
}

size_t
weft_arena_used(const WeftArena *arena)
{
	return arena->used;
}

size_t
weft_arena_held(const WeftArena *arena)
{
	return arena->held;
}

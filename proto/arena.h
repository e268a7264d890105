/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory of decoded messages: blocks that are filled from one end, emptied at once, and reused. */
#pragma once

#include <stddef.h>

typedef struct weft_arena WeftArena;

/* Takes no memory for messages yet. NULL if the system has none. */
WeftArena *weft_arena_new(void);

/* Frees all that is in it; NULL is allowed. */
void weft_arena_free(WeftArena *arena);

/* @size bytes aligned for pointers and 64-bit integers, valid until the next reset. NULL if the
 * system has none. */
void *weft_arena_alloc(WeftArena *arena, size_t size);

/* Invalidates all that is in it. Keeps the largest block of at most @keep bytes for what comes next
 * and returns the others to the system. */
void weft_arena_reset(WeftArena *arena, size_t keep);

/* Bytes handed out since the last reset, and bytes held from the system. */
size_t weft_arena_used(const WeftArena *arena);
size_t weft_arena_held(const WeftArena *arena);

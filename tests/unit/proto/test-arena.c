/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/arena.h"

#include <glib.h>

#include <stdint.h>
#include <string.h>

static void
test_aligned(void)
{
	WeftArena *arena = weft_arena_new();
	uint8_t *last_end = NULL;

	for (size_t size = 0; size < 200; size++) {
		uint8_t *p = weft_arena_alloc(arena, size);

		g_assert_nonnull(p);
		g_assert_cmpuint((uintptr_t) p % 8, ==, 0);
		memset(p, 0xa5, size);
		g_assert_true(last_end == NULL || p >= last_end || p + size <= last_end);
		last_end = p + size;
	}
	weft_arena_free(arena);
}

static void
test_large(void)
{
	WeftArena *arena = weft_arena_new();
	char *small = weft_arena_alloc(arena, 5);
	char *large = weft_arena_alloc(arena, 3000000);

	memcpy(small, "keep", 5);
	memset(large, 1, 3000000);
	g_assert_cmpstr(small, ==, "keep");
	g_assert_cmpuint(weft_arena_used(arena), ==, 8 + 3000000);
	g_assert_cmpuint(weft_arena_held(arena), >=, 3000000);
	weft_arena_free(arena);
}

static void
test_reset_keeps_one(void)
{
	WeftArena *arena = weft_arena_new();

	for (unsigned i = 0; i < 1000; i++)
		g_assert_nonnull(weft_arena_alloc(arena, 100));
	weft_arena_reset(arena, 16384);
	g_assert_cmpuint(weft_arena_used(arena), ==, 0);
	g_assert_cmpuint(weft_arena_held(arena), ==, 16384);
	for (unsigned i = 0; i < 100; i++)
		g_assert_nonnull(weft_arena_alloc(arena, 100));
	g_assert_cmpuint(weft_arena_held(arena), ==, 16384);
	weft_arena_reset(arena, 100);
	g_assert_cmpuint(weft_arena_held(arena), ==, 0);
	weft_arena_reset(arena, 100);
	weft_arena_free(arena);
}

static void
test_absurd(void)
{
	WeftArena *arena = weft_arena_new();

	g_assert_null(weft_arena_alloc(arena, SIZE_MAX));
	g_assert_null(weft_arena_alloc(arena, SIZE_MAX - 7));
	g_assert_nonnull(weft_arena_alloc(arena, 1));
	weft_arena_free(arena);
	weft_arena_free(NULL);
}

int
main(int argc, char *argv[])
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/proto/arena/memory-is-aligned-and-apart", test_aligned);
	g_test_add_func("/proto/arena/large-sizes-get-their-own-block", test_large);
	g_test_add_func("/proto/arena/reset-keeps-one-block", test_reset_keeps_one);
	g_test_add_func("/proto/arena/absurd-sizes-are-refused", test_absurd);
	return g_test_run();
}

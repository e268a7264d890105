/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cursor.h"

#include <glib.h>
#include <string.h>

static void
test_reads_in_both_orders(void)
{
	const uint8_t buf[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
	struct weft_cursor c = weft_cursor(buf, sizeof buf);

	g_assert_cmpuint(weft_cursor_u16(&c), ==, 0x0102);
	g_assert_cmpuint(weft_cursor_u32_le(&c), ==, 0x06050403);
	g_assert_cmpuint(weft_cursor_u64(&c), ==, G_GUINT64_CONSTANT(0x0708090a0b0c0d0e));
	g_assert_true(weft_cursor_at_end(&c));
}

static void
test_short_input_is_sticky(void)
{
	const uint8_t buf[] = { 1, 2, 3 };
	struct weft_cursor c = weft_cursor(buf, sizeof buf);

	g_assert_cmpuint(weft_cursor_u32(&c), ==, 0);
	g_assert_false(c.ok);
	g_assert_cmpuint(weft_cursor_u8(&c), ==, 0);
	g_assert_cmpuint(weft_cursor_left(&c), ==, 0);
	g_assert_false(weft_cursor_at_end(&c));
	g_assert_null(weft_cursor_bytes(&c, 0));
}

static void
test_empty_input(void)
{
	struct weft_cursor c = weft_cursor(NULL, 0);

	g_assert_true(weft_cursor_at_end(&c));
	g_assert_true(weft_cursor_skip(&c, 0));
	g_assert_false(weft_cursor_skip(&c, 1));
}

static void
test_a_failed_copy_zeroes_its_target(void)
{
	uint8_t out[4] = { 9, 9, 9, 9 };
	struct weft_cursor c = weft_cursor("ab", 2);

	g_assert_false(weft_cursor_copy(&c, out, sizeof out));
	g_assert_cmpmem(out, sizeof out, "\0\0\0\0", 4);
}

static void
test_sub_cursor_is_bounded(void)
{
	struct weft_cursor c = weft_cursor("abcdef", 6);
	struct weft_cursor sub = weft_cursor_sub(&c, 2);

	g_assert_cmpuint(weft_cursor_left(&sub), ==, 2);
	g_assert_cmpuint(weft_cursor_u8(&c), ==, 'c');
	g_assert_cmpuint(weft_cursor_u32(&sub), ==, 0);
	g_assert_true(c.ok);
	sub = weft_cursor_sub(&c, 4);
	g_assert_false(sub.ok);
	g_assert_false(c.ok);
}

static const struct {
	uint64_t value;
	uint8_t bytes[10];
	size_t len;
} varints[] = {
	{ 0, { 0 }, 1 },
	{ 127, { 0x7f }, 1 },
	{ 128, { 0x80, 0x01 }, 2 },
	{ 300, { 0xac, 0x02 }, 2 },
	{ UINT64_MAX, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 }, 10 },
};

static void
test_varint_round_trip(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(varints); i++) {
		uint8_t buf[16];
		struct weft_builder b = weft_builder(buf, sizeof buf);
		struct weft_cursor c;

		g_assert_true(weft_builder_varint(&b, varints[i].value));
		g_assert_cmpmem(buf, weft_builder_len(&b), varints[i].bytes, varints[i].len);
		c = weft_cursor(buf, weft_builder_len(&b));
		g_assert_cmpuint(weft_cursor_varint(&c), ==, varints[i].value);
		g_assert_true(weft_cursor_at_end(&c));
	}
}

static void
test_varint_refuses_lost_bits(void)
{
	const uint8_t too_long[] = {
		0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1
	};
	const uint8_t too_big[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
	struct weft_cursor c = weft_cursor(too_long, sizeof too_long);

	g_assert_cmpuint(weft_cursor_varint(&c), ==, 0);
	g_assert_false(c.ok);
	c = weft_cursor(too_big, sizeof too_big);
	g_assert_cmpuint(weft_cursor_varint(&c), ==, 0);
	g_assert_false(c.ok);
	c = weft_cursor(too_long, 3);
	g_assert_cmpuint(weft_cursor_varint(&c), ==, 0);
	g_assert_false(c.ok);
}

static void
test_builder_is_bounded_and_sticky(void)
{
	uint8_t buf[4] = { 0xee, 0xee, 0xee, 0xee };
	struct weft_builder b = weft_builder(buf, 3);

	g_assert_true(weft_builder_u16(&b, 0x1234));
	g_assert_false(weft_builder_u16(&b, 0x5678));
	g_assert_false(weft_builder_u8(&b, 1));
	g_assert_cmpuint(weft_builder_len(&b), ==, 2);
	g_assert_cmpmem(buf, sizeof buf, "\x12\x34\xee\xee", 4);
}

static void
test_patch_stays_inside_what_was_written(void)
{
	uint8_t buf[8] = { 0 };
	struct weft_builder b = weft_builder(buf, sizeof buf);

	g_assert_true(weft_builder_zeros(&b, 4));
	g_assert_true(weft_builder_patch_u16(&b, 2, 0xabcd));
	g_assert_cmpmem(buf, 4, "\0\0\xab\xcd", 4);
	g_assert_false(weft_builder_patch_u16(&b, 3, 1));
	g_assert_false(b.ok);
}

static void
test_writes_in_both_orders(void)
{
	uint8_t buf[22];
	struct weft_builder b = weft_builder(buf, sizeof buf);

	weft_builder_u16_le(&b, 0x0102);
	weft_builder_u32(&b, 0x03040506);
	weft_builder_u32_le(&b, 0x0708090a);
	weft_builder_u64(&b, 1);
	g_assert_true(weft_builder_bytes(&b, "xyz", 3));
	g_assert_cmpmem(buf, weft_builder_len(&b), "\2\1\3\4\5\6\xa\x9\x8\x7\0\0\0\0\0\0\0\1xyz",
			21);
	g_assert_cmpuint(weft_builder_room(&b), ==, 1);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/cursor/reads-in-both-orders", test_reads_in_both_orders);
	g_test_add_func("/base/cursor/short-input-is-sticky", test_short_input_is_sticky);
	g_test_add_func("/base/cursor/empty-input", test_empty_input);
	g_test_add_func("/base/cursor/a-failed-copy-zeroes-its-target",
			test_a_failed_copy_zeroes_its_target);
	g_test_add_func("/base/cursor/sub-cursor-is-bounded", test_sub_cursor_is_bounded);
	g_test_add_func("/base/cursor/varint-round-trip", test_varint_round_trip);
	g_test_add_func("/base/cursor/varint-refuses-lost-bits", test_varint_refuses_lost_bits);
	g_test_add_func("/base/cursor/builder-is-bounded-and-sticky",
			test_builder_is_bounded_and_sticky);
	g_test_add_func("/base/cursor/patch-stays-inside-what-was-written",
			test_patch_stays_inside_what_was_written);
	g_test_add_func("/base/cursor/writes-in-both-orders", test_writes_in_both_orders);
	return g_test_run();
}

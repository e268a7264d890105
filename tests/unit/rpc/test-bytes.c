/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/bytes.h"

#include "rpc/bytes_internal.h"

#include <glib.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <string.h>

static void
test_small_and_large(void)
{
	static const size_t sizes[] = { 0, 1, 23, 24, 1000, 70000 };

	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autofree char *text = g_strnfill(sizes[i], 'x');
		g_autoptr(WeftRpcBytes) bytes = weft_rpc_bytes_new(text, sizes[i]);
		g_autoptr(WeftRpcBytes) same = weft_rpc_bytes_ref(bytes);
		size_t len;
		const uint8_t *data = weft_rpc_bytes_data(same, &len);

		g_assert_cmpmem(data, len, text, sizes[i]);
		g_assert_cmpuint(weft_rpc_bytes_len(same), ==, sizes[i]);
	}
}

static WeftRpcBytes *
in_pieces(const char *const *pieces, size_t n)
{
	g_autofree grpc_slice *slices = g_new(grpc_slice, n);
	grpc_byte_buffer *buffer;

	for (size_t i = 0; i < n; i++)
		slices[i] = grpc_slice_from_copied_string(pieces[i]);
	buffer = grpc_raw_byte_buffer_create(slices, n);
	for (size_t i = 0; i < n; i++)
		grpc_slice_unref(slices[i]);
	return weft_rpc_bytes_from_buffer(buffer);
}

static void
test_pieces_are_joined_on_demand(void)
{
	static const char *const pieces[] = { "one and", " two and a longer piece that is no",
					      "t inlined", " end" };
	const char *whole = "one and two and a longer piece that is not inlined end";
	g_autoptr(WeftRpcBytes) bytes = in_pieces(pieces, G_N_ELEMENTS(pieces));
	char out[100];
	size_t len;
	const uint8_t *data;

	for (size_t offset = 0; offset <= strlen(whole) + 1; offset++) {
		size_t n = weft_rpc_bytes_copy(bytes, offset, out, 10);
		size_t left = offset < strlen(whole) ? strlen(whole) - offset : 0;

		g_assert_cmpuint(n, ==, MIN(left, 10));
		g_assert_cmpmem(out, n, whole + MIN(offset, strlen(whole)), n);
	}
	data = weft_rpc_bytes_data(bytes, &len);
	g_assert_cmpmem(data, len, whole, strlen(whole));
	g_assert_true(weft_rpc_bytes_data(bytes, &len) == data);
}

static void
test_forwarding_copies_nothing(void)
{
	static const char *const pieces[] = {
		"a piece that is long enough to be shared by reference",
		"and another one, also longer than what is inlined"
	};
	g_autoptr(WeftRpcBytes) bytes = in_pieces(pieces, 2);
	grpc_byte_buffer *first = weft_rpc_bytes_to_buffer(bytes);
	grpc_byte_buffer *second = weft_rpc_bytes_to_buffer(bytes);

	g_assert_cmpuint(first->data.raw.slice_buffer.count, ==, 2);
	for (size_t i = 0; i < 2; i++) {
		grpc_slice a = first->data.raw.slice_buffer.slices[i];
		grpc_slice b = second->data.raw.slice_buffer.slices[i];

		g_assert_true(GRPC_SLICE_START_PTR(a) == GRPC_SLICE_START_PTR(b));
	}
	grpc_byte_buffer_destroy(first);
	grpc_byte_buffer_destroy(second);
}

static void
test_empty_buffer(void)
{
	g_autoptr(WeftRpcBytes) bytes =
		weft_rpc_bytes_from_buffer(grpc_raw_byte_buffer_create(NULL, 0));
	grpc_byte_buffer *buffer = weft_rpc_bytes_to_buffer(bytes);
	char out[4];

	g_assert_cmpuint(weft_rpc_bytes_len(bytes), ==, 0);
	g_assert_cmpuint(weft_rpc_bytes_copy(bytes, 0, out, sizeof out), ==, 0);
	g_assert_cmpuint(grpc_byte_buffer_length(buffer), ==, 0);
	grpc_byte_buffer_destroy(buffer);
}

int
main(int argc, char **argv)
{
	int result;

	g_test_init(&argc, &argv, NULL);
	grpc_init();
	g_test_add_func("/rpc/bytes/small-and-large", test_small_and_large);
	g_test_add_func("/rpc/bytes/pieces-are-joined-on-demand", test_pieces_are_joined_on_demand);
	g_test_add_func("/rpc/bytes/forwarding-copies-nothing", test_forwarding_copies_nothing);
	g_test_add_func("/rpc/bytes/empty-buffer", test_empty_buffer);
	result = g_test_run();
	grpc_shutdown_blocking();
	return result;
}

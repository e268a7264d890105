/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/bytes.h"

#include "rpc/bytes_internal.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

struct weft_rpc_bytes {
	atomic_uint refs;
	size_t len;
	grpc_slice slice;         /* all of it; empty while buffer is in several pieces */
	grpc_byte_buffer *buffer; /* received in several pieces, else NULL */
	bool joined;              /* slice is filled although buffer is there */
};

static WeftRpcBytes *
new_with(grpc_slice slice)
{
	WeftRpcBytes *bytes = g_new0(WeftRpcBytes, 1);

	atomic_init(&bytes->refs, 1);
	bytes->slice = slice;
	bytes->len = GRPC_SLICE_LENGTH(slice);
	return bytes;
}

WeftRpcBytes *
weft_rpc_bytes_alloc(size_t len, uint8_t **ret_buf)
{
	WeftRpcBytes *bytes = new_with(grpc_slice_malloc(len));

	*ret_buf = GRPC_SLICE_START_PTR(bytes->slice);
	return bytes;
}

WeftRpcBytes *
weft_rpc_bytes_new(const void *data, size_t len)
{
	uint8_t *buf;
	WeftRpcBytes *bytes = weft_rpc_bytes_alloc(len, &buf);

	if (len > 0)
		memcpy(buf, data, len);
	return bytes;
}

WeftRpcBytes *
weft_rpc_bytes_pack(const ProtobufCMessage *msg)
{
	uint8_t *buf;
	WeftRpcBytes *bytes = weft_rpc_bytes_alloc(protobuf_c_message_get_packed_size(msg), &buf);

	(void) protobuf_c_message_pack(msg, buf); /* exactly what get_packed_size said */
	return bytes;
}

WeftRpcBytes *
weft_rpc_bytes_from_buffer(grpc_byte_buffer *buffer)
{
	WeftRpcBytes *bytes;

	/* Compression is off, so core hands out raw buffers only. */
	if (buffer->data.raw.slice_buffer.count == 1) {
		bytes = new_with(grpc_slice_ref(buffer->data.raw.slice_buffer.slices[0]));
		grpc_byte_buffer_destroy(buffer);
		return bytes;
	}
	bytes = new_with(grpc_empty_slice());
	bytes->len = grpc_byte_buffer_length(buffer);
	if (bytes->len == 0)
		grpc_byte_buffer_destroy(buffer);
	else
		bytes->buffer = buffer;
	return bytes;
}

grpc_byte_buffer *
weft_rpc_bytes_to_buffer(const WeftRpcBytes *bytes)
{
	grpc_slice slice = bytes->slice;

	if (bytes->buffer != NULL)
		return grpc_byte_buffer_copy(bytes->buffer);
	return grpc_raw_byte_buffer_create(&slice, 1);
}

WeftRpcBytes *
weft_rpc_bytes_ref(WeftRpcBytes *bytes)
{
	atomic_fetch_add_explicit(&bytes->refs, 1, memory_order_relaxed);
	return bytes;
}

void
weft_rpc_bytes_unref(WeftRpcBytes *bytes)
{
	if (bytes == NULL || atomic_fetch_sub_explicit(&bytes->refs, 1, memory_order_acq_rel) > 1)
		return;
	grpc_slice_unref(bytes->slice);
	if (bytes->buffer != NULL)
		grpc_byte_buffer_destroy(bytes->buffer);
	g_free(bytes);
}

size_t
weft_rpc_bytes_len(const WeftRpcBytes *bytes)
{
	return bytes->len;
}

const uint8_t *
weft_rpc_bytes_data(WeftRpcBytes *bytes, size_t *ret_len)
{
	grpc_byte_buffer_reader reader;

	if (bytes->buffer != NULL && !bytes->joined &&
	    grpc_byte_buffer_reader_init(&reader, bytes->buffer)) {
		bytes->slice = grpc_byte_buffer_reader_readall(&reader);
		grpc_byte_buffer_reader_destroy(&reader);
		bytes->joined = true;
	}
	*ret_len = GRPC_SLICE_LENGTH(bytes->slice);
	return GRPC_SLICE_START_PTR(bytes->slice);
}

static size_t
copy_from_slice(const grpc_slice *slice, size_t *offset, uint8_t *out, size_t len)
{
	size_t n = GRPC_SLICE_LENGTH(*slice);

	if (*offset >= n) {
		*offset -= n;
		return 0;
	}
	n = MIN(n - *offset, len);
	if (n > 0)
		memcpy(out, GRPC_SLICE_START_PTR(*slice) + *offset, n);
	*offset = 0;
	return n;
}

size_t
weft_rpc_bytes_copy(const WeftRpcBytes *bytes, size_t offset, void *out, size_t len)
{
	const grpc_slice *slices = &bytes->slice;
	size_t count = 1, done = 0;

	if (bytes->buffer != NULL) {
		slices = bytes->buffer->data.raw.slice_buffer.slices;
		count = bytes->buffer->data.raw.slice_buffer.count;
	}
	for (size_t i = 0; i < count && done < len; i++)
		done += copy_from_slice(&slices[i], &offset, (uint8_t *) out + done, len - done);
	return done;
}

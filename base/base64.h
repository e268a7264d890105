/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Standard base64 with padding (RFC 4648 section 4), canonical forms only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters without the terminating NUL for @len bytes. */
#define WEFT_BASE64_LEN(len) ((((size_t) (len) + 2) / 3) * 4)

/* Writes the text and a NUL to @out. @out_size must be at least WEFT_BASE64_LEN(len) + 1; false,
 * and nothing written, otherwise. Runs in constant time over the content. */
bool weft_base64_encode(char *out, size_t out_size, const uint8_t *in, size_t len);

/* Decodes exactly @text_len characters to at most @out_size bytes. Refused: a length that is no
 * multiple of four, white space, characters outside the alphabet, padding anywhere but at the end,
 * non-zero unused bits, a result that does not fit. @ret_len is set on success only. */
bool weft_base64_decode(
	uint8_t *out, size_t out_size, size_t *ret_len, const char *text, size_t text_len);

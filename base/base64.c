/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base64.h"

#include <sodium.h>

bool
weft_base64_encode(char *out, size_t out_size, const uint8_t *in, size_t len)
{
	/* The first test keeps WEFT_BASE64_LEN() from overflowing. */
	if (len / 3 >= out_size / 4 + 1 || out_size <= WEFT_BASE64_LEN(len))
		return false;
	sodium_bin2base64(out, out_size, in, len, sodium_base64_VARIANT_ORIGINAL);
	return true;
}

/* libsodium 1.0.18 computes with the characters as signed numbers and takes some beyond 127 for
 * letters. */
static bool
is_ascii(const char *text, size_t len)
{
	unsigned char seen = 0;

	for (size_t i = 0; i < len; i++)
		seen |= (unsigned char) text[i];
	return seen < 0x80;
}

bool
weft_base64_decode(
	uint8_t *out, size_t out_size, size_t *ret_len, const char *text, size_t text_len)
{
	size_t len;

	if (text_len % 4 != 0 || !is_ascii(text, text_len))
		return false;
	/* No character to ignore and no end pointer: libsodium then refuses whatever is left over,
	 * as well as unused bits that are not zero. */
	if (sodium_base642bin(out, out_size, text, text_len, NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	*ret_len = len;
	return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/decimal.h"

bool
weft_decimal_parse(uint64_t *ret, const char *text, size_t len, uint64_t max)
{
	uint64_t v = 0;

	if (len == 0 || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned char) text[i] - (unsigned) '0';

		if (digit > 9 || digit > max || v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return true;
}

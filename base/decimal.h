/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unsigned decimal numbers in foreign text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exactly @len characters, all of them digits, without leading zeros, at most @max. @ret is
 * untouched on failure. */
bool weft_decimal_parse(uint64_t *ret, const char *text, size_t len, uint64_t max);

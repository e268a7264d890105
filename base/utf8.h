/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text from strangers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* True if the @len bytes are UTF-8 in the strict sense of RFC 3629 (shortest forms, no surrogates,
 * nothing above U+10FFFF) and hold no NUL, so that they survive as a C string. */
bool weft_utf8_valid(const void *text, size_t len);

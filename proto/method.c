/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/method.h"

#include "proto/methods.h"

#include <string.h>

static int
compare(const char *path, size_t len, const char *entry)
{
	size_t entry_len = strlen(entry);
	int order = memcmp(path, entry, len < entry_len ? len : entry_len);

	if (order != 0)
		return order;
	return (len > entry_len) - (len < entry_len);
}

const struct weft_proto_method *
weft_proto_method_find(const char *path, size_t len)
{
	size_t low = 0, high = WEFT_METHOD_COUNT_;

	if (len == 0)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct weft_proto_method *m =
			&weft_proto_methods[weft_proto_methods_by_path[middle]];
		int order = compare(path, len, m->path);

		if (order == 0)
			return m;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

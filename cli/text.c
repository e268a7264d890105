/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/text.h"

char *
weft_text_time(int64_t us)
{
	g_autoptr(GDateTime) t = NULL;

	if (us == 0)
		return g_strdup("never");
	t = g_date_time_new_from_unix_local(us / G_USEC_PER_SEC);
	return t == NULL ? g_strdup("?") : g_date_time_format(t, "%Y-%m-%d %H:%M:%S");
}

char *
weft_text_ago(int64_t us, int64_t now_us)
{
	static const struct {
		int64_t s;
		const char *unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	int64_t s = (now_us - us) / G_USEC_PER_SEC;
	int64_t distance = s < 0 ? -s : s;

	if (us == 0)
		return g_strdup("never");
	for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
		if (distance >= units[i].s)
			return g_strdup_printf(s < 0 ? "in %" G_GINT64_FORMAT "%s"
						     : "%" G_GINT64_FORMAT "%s ago",
					       distance / units[i].s, units[i].unit);
	return g_strdup("now");
}

char *
weft_text_list(char *const *items, size_t n)
{
	GString *s = g_string_new(n == 0 ? "-" : NULL);

	for (size_t i = 0; i < n; i++)
		g_string_append_printf(s, "%s%s", i > 0 ? ", " : "", items[i]);
	return g_string_free(s, FALSE);
}

char *
weft_text_bytes(uint64_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double v = (double) n;
	size_t i = 0;

	for (; v >= 1024 && i + 1 < G_N_ELEMENTS(units); i++)
		v /= 1024;
	return i == 0 ? g_strdup_printf("%u B", (unsigned) n)
		      : g_strdup_printf("%.1f %s", v, units[i]);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists and flags as the columns hold them. Reading skips what does not parse: the database is
 * ours, and one bad element must not keep a server from starting. */
#include "mgmtd/store/tx.h"

#include <string.h>

#define META_FLAGS(X)                                                                              \
	X(0, rosenpass_enabled)                                                                    \
	X(1, rosenpass_permissive)                                                                 \
	X(2, server_ssh_allowed)                                                                   \
	X(3, disable_client_routes)                                                                \
	X(4, disable_server_routes)                                                                \
	X(5, disable_dns)                                                                          \
	X(6, disable_firewall)                                                                     \
	X(7, block_lan_access)                                                                     \
	X(8, block_inbound)                                                                        \
	X(9, disable_ipv6)                                                                         \
	X(10, lazy_connection_enabled)

int64_t
mgmt_meta_flags(const struct mgmt_meta *meta)
{
	int64_t flags = 0;

#define X(bit, field) flags |= (int64_t) meta->field << (bit);
	META_FLAGS(X)
#undef X
	return flags;
}

void
mgmt_meta_set_flags(struct mgmt_meta *meta, int64_t flags)
{
#define X(bit, field) meta->field = (flags >> (bit) &1) != 0;
	META_FLAGS(X)
#undef X
}

static void
blank(GString *s)
{
	if (s->len > 0)
		g_string_append_c(s, ' ');
}

char *
mgmt_list_ids(const GArray *ids)
{
	GString *s = g_string_new(NULL);

	for (guint i = 0; ids != NULL && i < ids->len; i++) {
		blank(s);
		g_string_append(s, g_array_index(ids, struct mgmt_id, i).s);
	}
	return g_string_free(s, FALSE);
}

GArray *
mgmt_list_parse_ids(const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);
	GArray *ids = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));

	for (char **w = words; *w != NULL; w++) {
		struct mgmt_id id;

		if (mgmt_id_parse(&id, *w, strlen(*w)))
			g_array_append_val(ids, id);
	}
	return ids;
}

char *
mgmt_list_ports(const GArray *ports)
{
	GString *s = g_string_new(NULL);

	for (guint i = 0; ports != NULL && i < ports->len; i++) {
		blank(s);
		g_string_append_printf(s, "%u", g_array_index(ports, uint16_t, i));
	}
	return g_string_free(s, FALSE);
}

static bool
parse_port(const char *text, uint16_t *ret)
{
	guint64 n;

	if (!g_ascii_string_to_unsigned(text, 10, 1, 65535, &n, NULL))
		return false;
	*ret = (uint16_t) n;
	return true;
}

GArray *
mgmt_list_parse_ports(const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);
	GArray *ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));

	for (char **w = words; *w != NULL; w++) {
		uint16_t port;

		if (parse_port(*w, &port))
			g_array_append_val(ports, port);
	}
	return ports;
}

char *
mgmt_list_ranges(const GArray *ranges)
{
	GString *s = g_string_new(NULL);

	for (guint i = 0; ranges != NULL && i < ranges->len; i++) {
		struct mgmt_port_range r = g_array_index(ranges, struct mgmt_port_range, i);

		blank(s);
		g_string_append_printf(s, "%u-%u", r.start, r.end);
	}
	return g_string_free(s, FALSE);
}

GArray *
mgmt_list_parse_ranges(const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);
	GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct mgmt_port_range));

	for (char **w = words; *w != NULL; w++) {
		g_auto(GStrv) ends = g_strsplit(*w, "-", 2);
		struct mgmt_port_range r;

		if (g_strv_length(ends) == 2 && parse_port(ends[0], &r.start) &&
		    parse_port(ends[1], &r.end) && r.start <= r.end)
			g_array_append_val(ranges, r);
	}
	return ranges;
}

char *
mgmt_list_addresses(const GArray *addresses)
{
	GString *s = g_string_new(NULL);

	for (guint i = 0; addresses != NULL && i < addresses->len; i++) {
		const struct mgmt_network_address *a =
			&g_array_index(addresses, struct mgmt_network_address, i);

		g_string_append_printf(s, "%s%s %s", s->len > 0 ? "\n" : "", a->prefix, a->mac);
	}
	return g_string_free(s, FALSE);
}

void
mgmt_list_parse_addresses(GArray *ret, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **l = lines; *l != NULL; l++) {
		g_auto(GStrv) words = g_strsplit(*l, " ", 2);
		struct mgmt_network_address a;

		if (g_strv_length(words) != 2)
			continue;
		a.prefix = g_strdup(words[0]);
		a.mac = g_strdup(words[1]);
		g_array_append_val(ret, a);
	}
}

char *
mgmt_list_ints(const GArray *ints)
{
	GString *s = g_string_new(NULL);

	for (guint i = 0; ints != NULL && i < ints->len; i++) {
		blank(s);
		g_string_append_printf(s, "%d", g_array_index(ints, int32_t, i));
	}
	return g_string_free(s, FALSE);
}

void
mgmt_list_parse_ints(GArray *ret, const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);

	for (char **w = words; *w != NULL; w++) {
		gint64 n;

		if (g_ascii_string_to_signed(*w, 10, G_MININT32, G_MAXINT32, &n, NULL)) {
			int32_t v = (int32_t) n;

			g_array_append_val(ret, v);
		}
	}
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every recorded message of official clients and coturn (tests/vectors/stun.json). */
#include "stun/message.h"

#include "stun/frame.h"
#include "tests/unit/stun/vectors.h"

#include <glib.h>
#include <json-glib/json-glib.h>

#include <string.h>

static JsonNode *
load(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	const char *top = g_getenv("top_srcdir");

	path = g_build_filename(top != NULL ? top : ".", "tests", "vectors", "stun.json", NULL);
	if (!json_parser_load_from_file(parser, path, &error))
		g_error("%s: %s", path, error->message);
	return json_node_ref(json_parser_get_root(parser));
}

static size_t
member_bytes(JsonObject *o, const char *name, uint8_t *out, size_t size)
{
	return json_object_has_member(o, name)
		       ? hex_bytes(out, size, json_object_get_string_member(o, name))
		       : 0;
}

/* "NAME=value" of the recorded attribute list, or NULL. */
static const char *
recorded(JsonArray *attributes, const char *name)
{
	for (guint i = 0; i < json_array_get_length(attributes); i++) {
		const char *text = json_array_get_string_element(attributes, i);

		if (g_str_has_prefix(text, name) && text[strlen(name)] == '=')
			return text + strlen(name) + 1;
	}
	return NULL;
}

static void
check_text(JsonArray *attributes, const char *name, struct weft_stun_value v)
{
	const char *want = recorded(attributes, name);

	if (want == NULL)
		g_assert_null(v.p);
	else
		g_assert_cmpmem(v.p, v.len, want, strlen(want));
}

static void
check_endpoint(JsonArray *attributes, const char *name, const struct weft_endpoint *e)
{
	const char *want = recorded(attributes, name);
	char got[WEFT_ENDPOINT_TEXT_SIZE];

	if (want != NULL)
		g_assert_cmpstr(weft_endpoint_format(e, got), ==, want);
}

static void
check_fields(JsonArray *attributes, const struct weft_stun_message *m)
{
	const char *priority = recorded(attributes, "PRIORITY");

	check_text(attributes, "USERNAME", m->username);
	check_text(attributes, "REALM", m->realm);
	check_text(attributes, "SOFTWARE", m->software);
	check_text(attributes, "NETBIRD-PAIR", m->netbird_pair);
	check_endpoint(attributes, "XOR-MAPPED-ADDRESS", &m->mapped);
	check_endpoint(attributes, "XOR-RELAYED-ADDRESS", &m->relayed);
	check_endpoint(attributes, "XOR-PEER-ADDRESS", &m->peers[0]);
	if (priority != NULL)
		g_assert_cmpuint(m->priority, ==, g_ascii_strtoull(priority, NULL, 10));
	g_assert_cmpuint(m->n_unknown, ==, 0);
}

static void
check_vector(JsonObject *v)
{
	JsonArray *attributes = json_object_get_array_member(v, "attributes");
	uint8_t buf[2048], cut[2048], key[64], id[12];
	size_t len = member_bytes(v, "hex", buf, sizeof(buf));
	size_t cut_len = member_bytes(v, "cut_hex", cut, sizeof(cut));
	size_t key_len = member_bytes(v, "mi_key_hex", key, sizeof(key));
	struct weft_bytes k = { key, key_len };
	struct weft_stun_message m;

	g_test_message("%s", json_object_get_string_member(v, "name"));
	g_assert_cmpint(weft_stun_parse(&m, buf, len), ==, WEFT_STUN_OK);
	g_assert_cmpuint(member_bytes(v, "transaction_id", id, sizeof(id)), ==, 12);
	g_assert_cmpmem(m.transaction, 12, id, 12);
	if (cut_len > 0) {
		/* Equal but for the length field, which the cut lowers. */
		g_assert_cmpuint(m.len, ==, cut_len);
		g_assert_cmpmem(buf + 4, m.len - 4u, cut + 4, cut_len - 4);
		g_assert_cmpuint(m.len - 20u, ==, (size_t) (cut[2] << 8 | cut[3]));
	}
	g_assert_true(weft_stun_check_fingerprint(&m) ==
		      json_object_get_boolean_member(v, "fingerprint"));
	g_assert_true(weft_stun_has(&m, WEFT_STUN_HAS_INTEGRITY) == (key_len > 0));
	if (key_len > 0) {
		g_assert_true(weft_stun_check_integrity(&m, k));
		key[0] ^= 1;
		g_assert_false(weft_stun_check_integrity(&m, k));
	}
	check_fields(attributes, &m);
}

static void
test_messages(void)
{
	g_autoptr(JsonNode) root = load();
	JsonArray *list = json_object_get_array_member(json_node_get_object(root), "vectors");

	g_assert_cmpuint(json_array_get_length(list), >=, 190);
	for (guint i = 0; i < json_array_get_length(list); i++)
		check_vector(json_array_get_object_element(list, i));
}

/* ChannelData, and the two bytes that open NATs, which are none of ours. */
static void
test_others(void)
{
	g_autoptr(JsonNode) root = load();
	JsonArray *list = json_object_get_array_member(json_node_get_object(root), "other");
	guint channels = 0;

	for (guint i = 0; i < json_array_get_length(list); i++) {
		JsonObject *o = json_array_get_object_element(list, i);
		uint8_t buf[2048];
		size_t len = member_bytes(o, "hex", buf, sizeof(buf));
		struct weft_stun_message m;
		uint16_t channel = 0, payload = 0;

		g_assert_cmpint(weft_stun_parse(&m, buf, len), !=, WEFT_STUN_OK);
		if (!json_object_has_member(o, "channel")) {
			g_assert_false(weft_stun_channel_parse(buf, len, &channel, &payload));
			continue;
		}
		channels++;
		g_assert_true(weft_stun_channel_parse(buf, len, &channel, &payload));
		g_assert_cmphex(channel, ==,
				strtoul(json_object_get_string_member(o, "channel"), NULL, 16));
		g_assert_cmpuint(payload, ==, json_object_get_int_member(o, "length"));
	}
	g_assert_cmpuint(channels, >, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stun/captures/every-message-has-its-recorded-fields", test_messages);
	g_test_add_func("/stun/captures/channel-data-and-the-rest", test_others);
	return g_test_run();
}

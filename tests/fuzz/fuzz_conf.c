/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A configuration file through a schema that has every type but secret files, which would open
 * whatever the input names. What is accepted must read back from its own dump as the same. */
#include "base/glib/conf.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const char *const words[] = { "red", "green", NULL };
static const char *const schemes[] = { "http", "https", "postgresql", NULL };

static const struct weft_conf_key keys[] = {
	{ "a", "string", WEFT_CONF_STRING, .def = "x" },
	{ "a", "bool", WEFT_CONF_BOOL, .def = "no" },
	{ "a", "int", WEFT_CONF_INT, .min = -100, .max = 100 },
	{ "a", "duration", WEFT_CONF_DURATION },
	{ "a", "size", WEFT_CONF_SIZE },
	{ "a", "port", WEFT_CONF_PORT, .min = -1 },
	{ "a", "ports", WEFT_CONF_PORT_RANGE },
	{ "a", "old", WEFT_CONF_STRING, .renamed_to = "b.enum" },
	{ "b", "address", WEFT_CONF_ADDRESS },
	{ "b", "addresses", WEFT_CONF_ADDRESSES },
	{ "b", "endpoints", WEFT_CONF_ENDPOINTS, .max = 4 },
	{ "b", "prefix", WEFT_CONF_PREFIX },
	{ "b", "prefixes", WEFT_CONF_PREFIXES },
	{ "b", "path", WEFT_CONF_PATH },
	{ "b", "url", WEFT_CONF_URL, .names = schemes },
	{ "b", "urls", WEFT_CONF_URLS },
	{ "b", "enum", WEFT_CONF_ENUM, .def = "red", .names = words },
	{ "b", "strings", WEFT_CONF_STRINGS },
};

static const struct weft_conf_schema schema = {
	.name = "fuzz",
	.keys = keys,
	.n_keys = G_N_ELEMENTS(keys),
};

static WeftConf *
load(const char *text, size_t len, bool strict, GError **error)
{
	const struct weft_conf_options options = { .strict = strict, .credentials_dir = "" };

	return weft_conf_load_text(&schema, text, len, "F", &options, error);
}

static void
check_units(const char *text)
{
	int64_t value, back;
	g_autofree char *duration = NULL;
	g_autofree char *size = NULL;

	if (weft_conf_parse_duration(&value, text)) {
		duration = weft_conf_format_duration(value);
		FUZZ_REQUIRE(weft_conf_parse_duration(&back, duration) && back == value);
	}
	if (weft_conf_parse_size(&value, text)) {
		size = weft_conf_format_size(value);
		FUZZ_REQUIRE(weft_conf_parse_size(&back, size) && back == value);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	g_autofree char *text = g_strndup((const char *) data, len);
	g_autoptr(GError) error = NULL;
	g_autoptr(WeftConf) conf = load((const char *) data, len, false, &error);
	g_autoptr(WeftConf) again = NULL;
	g_autoptr(GString) first = g_string_new(NULL);
	g_autoptr(GString) second = g_string_new(NULL);

	check_units(text);
	FUZZ_REQUIRE((conf == NULL) == (error != NULL));
	if (conf == NULL) {
		FUZZ_REQUIRE(g_utf8_validate(error->message, -1, NULL));
		return 0;
	}
	weft_conf_dump(conf, first, true, false);
	again = load(first->str, first->len, true, NULL);
	FUZZ_REQUIRE(again != NULL);
	weft_conf_dump(again, second, false, false);
	g_string_truncate(first, 0);
	weft_conf_dump(conf, first, false, false);
	FUZZ_REQUIRE(strcmp(first->str, second->str) == 0);
	return 0;
}

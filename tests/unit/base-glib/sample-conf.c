/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/base-glib/sample-conf.h"

#include <string.h>

static bool
check_even(const char *text, GError **error)
{
	if (strlen(text) % 2 == 0)
		return true;
	g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE, "odd length");
	return false;
}

static const char *const schemes[] = { "http", "https", NULL };
static const char *const colors[] = { "red", "green", NULL };

static const struct weft_conf_key keys[K_COUNT] = {
	[K_STRING] = { "a", "string", WEFT_CONF_STRING, .def = "x", .max = 10 },
	[K_BOOL] = { "a", "bool", WEFT_CONF_BOOL, .def = "no", .reloadable = true },
	[K_INT] = { "a", "int", WEFT_CONF_INT, .def = "5", .min = -3, .max = 9,
		    .reloadable = true },
	[K_DURATION] = { "a", "duration", WEFT_CONF_DURATION, .def = "30s", .min = WEFT_CONF_S(1),
			 .max = WEFT_CONF_H(1) },
	[K_SIZE] = { "a", "size", WEFT_CONF_SIZE, .def = "64K", .min = 1, .max = 1 << 20 },
	[K_PORT] = { "a", "port", WEFT_CONF_PORT },
	[K_PORTS] = { "a", "ports", WEFT_CONF_PORT_RANGE, .min = 2, .max = 65535 },
	[K_ADDRESS] = { "a", "address", WEFT_CONF_ADDRESS },
	[K_ADDRESSES] = { "a", "addresses", WEFT_CONF_ADDRESSES },
	[K_ENDPOINTS] = { "b", "endpoints", WEFT_CONF_ENDPOINTS, .min = 1, .max = 2,
			  .def = "[::]:80" },
	[K_PREFIX] = { "b", "prefix", WEFT_CONF_PREFIX },
	[K_PREFIXES] = { "b", "prefixes", WEFT_CONF_PREFIXES },
	[K_PATH] = { "b", "path", WEFT_CONF_PATH },
	[K_URL] = { "b", "url", WEFT_CONF_URL, .names = schemes },
	[K_URLS] = { "b", "urls", WEFT_CONF_URLS },
	[K_ENUM] = { "b", "enum", WEFT_CONF_ENUM, .names = colors, .def = "green" },
	[K_STRINGS] = { "b", "strings", WEFT_CONF_STRINGS },
	[K_SECRET] = { "c", "secret-file", WEFT_CONF_SECRET_FILE, .max = 2, .reloadable = true },
	[K_CERT] = { "c", "cert", WEFT_CONF_PATH, .credential = "tls.crt" },
	[K_OLD] = { "a", "colour", WEFT_CONF_STRING, .renamed_to = "b.enum" },
	[K_CHECKED] = { "b", "even", WEFT_CONF_STRING, .def = "", .check = check_even },
};

/* A rule across keys: red only with an int below 8. */
static bool
check_all(const WeftConf *conf, GError **error)
{
	if (weft_conf_int(conf, K_ENUM) != 0 || weft_conf_int(conf, K_INT) < 8)
		return true;
	g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE, "red wants an int below 8");
	return false;
}

const struct weft_conf_schema sample_schema = {
	.name = "test",
	.keys = keys,
	.n_keys = K_COUNT,
	.check = check_all,
};

WeftConf *
sample_load(const char *text, bool strict, GError **error)
{
	const struct weft_conf_options options = { .strict = strict, .credentials_dir = "" };

	return weft_conf_load_text(&sample_schema, text, strlen(text), "FILE", &options, error);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A schema with every type, for the tests of conf. */
#pragma once

#include "base/glib/conf.h"

enum {
	K_STRING,
	K_BOOL,
	K_INT,
	K_DURATION,
	K_SIZE,
	K_PORT,
	K_PORTS,
	K_ADDRESS,
	K_ADDRESSES,
	K_ENDPOINTS,
	K_PREFIX,
	K_PREFIXES,
	K_PATH,
	K_URL,
	K_URLS,
	K_ENUM,
	K_STRINGS,
	K_SECRET,
	K_CERT,
	K_OLD,
	K_CHECKED,
	K_COUNT
};

extern const struct weft_conf_schema sample_schema;

/* Loads @text as a file called FILE. */
WeftConf *sample_load(const char *text, bool strict, GError **error);

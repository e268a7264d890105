/* SPDX-License-Identifier: GPL-3.0-or-later */
/* relayd.conf: the table of its keys, and how it becomes what workers see. */
#pragma once

#include "base/glib/main.h"
#include "relayd/settings.h"

enum relay_conf {
	RELAY_CONF_LISTEN_UDP = WEFT_MAIN_CONF_COUNT_,
	RELAY_CONF_LISTEN_TCP,
	RELAY_CONF_LISTEN_TLS,
	RELAY_CONF_REALM,
	RELAY_CONF_TURN_SECRET,
	RELAY_CONF_USERS,
	RELAY_CONF_RELAY_ADDRESS,
	RELAY_CONF_EXTERNAL_ADDRESS,
	RELAY_CONF_PORT_RANGE,
	RELAY_CONF_NONCE_LIFETIME,
	RELAY_CONF_SHA256_ONLY,
	RELAY_CONF_DEFAULT_LIFETIME,
	RELAY_CONF_MAX_LIFETIME,
	RELAY_CONF_RELAY_LISTEN,
	RELAY_CONF_RELAY_LISTEN_TLS,
	RELAY_CONF_RELAY_URL,
	RELAY_CONF_RELAY_SECRET,
	RELAY_CONF_TLS_CERT,
	RELAY_CONF_TLS_KEY,
	RELAY_CONF_ALLOW,
	RELAY_CONF_DENY,
	RELAY_CONF_WORKERS,
	RELAY_CONF_MAX_ALLOCATIONS,
	RELAY_CONF_ALLOCATIONS_PER_USER,
	RELAY_CONF_BANDWIDTH,
	RELAY_CONF_BINDING_RATE,
	RELAY_CONF_MAX_STREAMS,
	RELAY_CONF_MAX_RELAY_CONNECTIONS,
	RELAY_CONF_STOP_AFTER,
	RELAY_CONF_COUNT_
};

extern const struct weft_conf_schema relay_conf_schema;

/* Makes the workers' settings; the caller frees them with relay_settings_free(). Reads the
 * certificate. */
struct relay_settings *relay_conf_settings(const WeftConf *conf, GError **error);

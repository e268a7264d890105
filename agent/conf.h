/* SPDX-License-Identifier: GPL-3.0-or-later */
/* agent.conf: the table of its keys. */
#pragma once

#include "base/glib/main.h"

enum agent_conf {
	AGENT_CONF_INTERFACE = WEFT_MAIN_CONF_COUNT_,
	AGENT_CONF_LISTEN_PORT,
	AGENT_CONF_FWMARK,
	AGENT_CONF_TABLE,
	AGENT_CONF_CONTROL_GROUP,
	AGENT_CONF_CONTROL_CHANGE,
	AGENT_CONF_IPV6,
	AGENT_CONF_FIREWALL,
	AGENT_CONF_WIREGUARD_GO,
	AGENT_CONF_CA_FILE,
	AGENT_CONF_COUNT_
};

extern const struct weft_conf_schema agent_conf_schema;

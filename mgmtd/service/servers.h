/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NetbirdConfig: the servers that agents are told of, with credentials made for the moment
 * (protocol.md 2.5). */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/glib/conf.h"

enum mgmt_servers_part {
	MGMT_SERVERS_LOGIN, /* all; TURN without time-limited credentials (protocol.md 10.1) */
	MGMT_SERVERS_FIRST, /* all: first message of a stream */
	MGMT_SERVERS_TURN,  /* refresh of TURN, with the relay, whose absence would switch it off */
	MGMT_SERVERS_RELAY, /* refresh of the relay alone */
};

/* Appends the packed body of a NetbirdConfig. @now_s: seconds since 1970 UTC. */
void mgmt_servers_pack(const WeftConf *conf,
		       enum mgmt_servers_part part,
		       int64_t now_s,
		       GByteArray *out);

/* Microseconds from minting to refresh: three quarters of the life; 0 = never (nothing to refresh).
 */
int64_t mgmt_servers_turn_refresh_us(const WeftConf *conf);
int64_t mgmt_servers_relay_refresh_us(const WeftConf *conf);

/* RFC 7064 and 7065, as far as stock clients parse them. */
bool mgmt_servers_uri_is_valid(const char *uri);

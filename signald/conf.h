/* SPDX-License-Identifier: GPL-3.0-or-later */
/* signald.conf: the table of its keys. */
#pragma once

#include "base/glib/main.h"

enum sig_conf {
	SIG_CONF_LISTEN = WEFT_MAIN_CONF_COUNT_,
	SIG_CONF_TLS_CERT,
	SIG_CONF_TLS_KEY,
	SIG_CONF_MESSAGE_SIZE,
	SIG_CONF_MESSAGES_PER_SENDER,
	SIG_CONF_SENDER_BURST,
	SIG_CONF_MESSAGES_PER_PAIR,
	SIG_CONF_PAIR_BURST,
	SIG_CONF_MAX_STREAMS,
	SIG_CONF_STREAMS_PER_ADDRESS,
	SIG_CONF_REGISTRATIONS_PER_ADDRESS,
	SIG_CONF_COUNT_
};

extern const struct weft_conf_schema sig_conf_schema;

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "signald/conf.h"

/* clang-format off */
static const struct weft_conf_key keys[SIG_CONF_COUNT_] = {
	WEFT_MAIN_CONF_KEYS("/var/lib/weft-signald", "/run/weft-signald"),
	[SIG_CONF_LISTEN] = { "server", "listen", WEFT_CONF_ENDPOINTS, .def = "[::]:10000",
		.min = 1, .max = 8, .help = "Where agents connect (gRPC over HTTP/2)." },
	[SIG_CONF_TLS_CERT] = { "server", "tls-cert", WEFT_CONF_PATH, .credential = "tls.crt",
		.help = "Certificate chain in PEM, leaf first. With it and tls-key the listeners "
			"speak TLS. The files are read again on reload." },
	[SIG_CONF_TLS_KEY] = { "server", "tls-key", WEFT_CONF_PATH, .credential = "tls.key",
		.help = "Private key of the certificate." },
	[SIG_CONF_MESSAGE_SIZE] = { "limits", "message-size", WEFT_CONF_SIZE, .def = "1M",
		.min = 16 * 1024, .max = 16 * 1024 * 1024,
		.help = "Largest message. An offer of a peer with Rosenpass has 0.6 MiB." },
	[SIG_CONF_MESSAGES_PER_SENDER] = { "limits", "messages-per-second", WEFT_CONF_INT,
		.def = "2000", .min = 1, .max = 1000000, .unit = "messages/s", .reloadable = true,
		.help = "Messages that one key may send. An agent that starts in a network of a "
			"thousand sends some six to each." },
	[SIG_CONF_SENDER_BURST] = { "limits", "message-burst", WEFT_CONF_INT, .def = "20000",
		.min = 1, .max = 10000000, .reloadable = true,
		.help = "And how many of them at once." },
	[SIG_CONF_MESSAGES_PER_PAIR] = { "limits", "messages-per-second-per-pair", WEFT_CONF_INT,
		.def = "50", .min = 1, .max = 1000000, .unit = "messages/s", .reloadable = true,
		.help = "Messages of one key to one other. A handshake takes a dozen." },
	[SIG_CONF_PAIR_BURST] = { "limits", "message-burst-per-pair", WEFT_CONF_INT, .def = "500",
		.min = 1, .max = 1000000, .reloadable = true,
		.help = "And how many of them at once." },
	[SIG_CONF_MAX_STREAMS] = { "limits", "max-streams", WEFT_CONF_INT, .def = "50000",
		.min = 1, .max = 1000000, .reloadable = true,
		.help = "Calls that may be open at a time; each agent holds one stream. Each costs "
			"some 35 KiB, with TLS 100 KiB." },
	[SIG_CONF_STREAMS_PER_ADDRESS] = { "limits", "max-streams-per-address", WEFT_CONF_INT,
		.def = "4096", .min = 0, .max = 1000000, .reloadable = true,
		.help = "The same from one address (IPv6: one /64), which may be a company's NAT. "
			"0: no limit." },
	[SIG_CONF_REGISTRATIONS_PER_ADDRESS] = { "limits", "registrations-per-second-per-address",
		WEFT_CONF_INT, .def = "200", .min = 0, .max = 1000000, .reloadable = true,
		.help = "New streams of one address; ten times as many at once. 0: no limit." },
};
/* clang-format on */

static const struct weft_conf_group groups[] = {
	{ "server", "The rendezvous service." },
	{ "limits", "Bounds on what strangers may cause." },
};

static bool
check(const WeftConf *conf, GError **error)
{
	if (weft_conf_is_set(conf, SIG_CONF_TLS_CERT) == weft_conf_is_set(conf, SIG_CONF_TLS_KEY))
		return true;
	g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
		    "[server] tls-cert and tls-key belong together: set both or none");
	return false;
}

const struct weft_conf_schema sig_conf_schema = {
	.name = "signald",
	.keys = keys,
	.n_keys = G_N_ELEMENTS(keys),
	.groups = groups,
	.n_groups = G_N_ELEMENTS(groups),
	.check = check,
};

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/conf.h"

#include "mgmtd/service/servers.h"

#include <string.h>

static const char *const web_schemes[] = { "http", "https", NULL };
static const char *const store_schemes[] = { "sqlite", "postgresql", "postgres", NULL };
static const char *const relay_schemes[] = { "rel", "rels", NULL };

/* "stun:host[:port]" and "turn:host[:port][?transport=udp|tcp]": one bad URI makes a stock client
 * drop every update (protocol.md 2.5), so they are checked here and not there. */
static bool
check_ice_uris(const char *text, GError **error)
{
	g_auto(GStrv) uris = g_strsplit_set(text, ", \t", -1);

	for (char **uri = uris; *uri != NULL; uri++) {
		if (**uri == '\0' || mgmt_servers_uri_is_valid(*uri))
			continue;
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "'%s' is no STUN or TURN URI: write stun:HOST[:PORT], "
			    "turn:HOST[:PORT][?transport=udp|tcp] or turns:...",
			    *uri);
		return false;
	}
	return true;
}

/* clang-format off */
static const struct weft_conf_key keys[MGMT_CONF_COUNT_] = {
	WEFT_MAIN_CONF_KEYS("/var/lib/weft-mgmtd", "/run/weft-mgmtd"),
	[MGMT_CONF_LISTEN] = { "server", "listen", WEFT_CONF_ENDPOINTS, .def = "[::]:33073",
		.min = 1, .max = 8,
		.help = "Where agents connect (gRPC over HTTP/2)." },
	[MGMT_CONF_TLS_CERT] = { "server", "tls-cert", WEFT_CONF_PATH, .credential = "tls.crt",
		.help = "Certificate chain in PEM, leaf first. With it and tls-key the listeners "
			"speak TLS. The files are read again on reload." },
	[MGMT_CONF_TLS_KEY] = { "server", "tls-key", WEFT_CONF_PATH, .credential = "tls.key",
		.help = "Private key of the certificate." },
	[MGMT_CONF_STORE_URL] = { "store", "url", WEFT_CONF_URL,
		.def = "sqlite:///var/lib/weft-mgmtd/weft.db", .names = store_schemes,
		.help = "Where accounts are kept: sqlite:///PATH, or postgresql://... as libpq "
			"understands it, e.g. postgresql:///weft for the local server by peer "
			"authentication." },
	[MGMT_CONF_ADMIN_GROUP] = { "admin", "group", WEFT_CONF_STRING, .def = "",
		.help = "Group whose members may use weft-admin besides root. Empty: root only." },
	[MGMT_CONF_SIGNAL_URL] = { "signal", "url", WEFT_CONF_URL, .names = web_schemes,
		.required = true, .reloadable = true,
		.help = "The rendezvous server as agents reach it: http://HOST:PORT or https://..." },
	[MGMT_CONF_STUN_URLS] = { "stun", "urls", WEFT_CONF_STRINGS, .def = "",
		.reloadable = true, .check = check_ice_uris,
		.help = "STUN servers, as stun:HOST:PORT." },
	[MGMT_CONF_TURN_URLS] = { "turn", "urls", WEFT_CONF_STRINGS, .def = "",
		.reloadable = true, .check = check_ice_uris,
		.help = "TURN servers, as turn:HOST:PORT?transport=udp." },
	[MGMT_CONF_TURN_SECRET] = { "turn", "secret-file", WEFT_CONF_SECRET_FILE,
		.reloadable = true,
		.help = "File of one line: the secret shared with the TURN server, from which "
			"time-limited credentials are made." },
	[MGMT_CONF_TURN_USER] = { "turn", "user", WEFT_CONF_STRING, .def = "", .reloadable = true,
		.help = "Fixed user name, where no secret is shared." },
	[MGMT_CONF_TURN_PASSWORD] = { "turn", "password-file", WEFT_CONF_SECRET_FILE,
		.reloadable = true, .help = "File of one line: the password of that user." },
	[MGMT_CONF_TURN_TTL] = { "turn", "credential-lifetime", WEFT_CONF_DURATION, .def = "12h",
		.min = WEFT_CONF_S(10), .max = WEFT_CONF_DAY(30), .reloadable = true,
		.help = "Life of time-limited TURN credentials. Agents get new ones after three "
			"quarters of it." },
	[MGMT_CONF_RELAY_URLS] = { "relay", "urls", WEFT_CONF_URLS, .names = relay_schemes,
		.reloadable = true,
		.help = "Relays as agents reach them: rel://HOST:PORT or, with TLS, rels://..." },
	[MGMT_CONF_RELAY_SECRET] = { "relay", "secret-file", WEFT_CONF_SECRET_FILE,
		.reloadable = true,
		.help = "File of one line: the secret shared with the relays." },
	[MGMT_CONF_RELAY_TTL] = { "relay", "token-lifetime", WEFT_CONF_DURATION, .def = "24h",
		.min = WEFT_CONF_S(10), .max = WEFT_CONF_DAY(30), .reloadable = true,
		.help = "Life of relay tokens. Agents get new ones after three quarters of it." },
	[MGMT_CONF_EPHEMERAL_AFTER] = { "peers", "remove-ephemeral-after", WEFT_CONF_DURATION,
		.def = "10min", .min = WEFT_CONF_S(1), .max = WEFT_CONF_DAY(30), .reloadable = true,
		.help = "An ephemeral peer that has been away for so long is removed." },
	[MGMT_CONF_MAX_STREAMS] = { "limits", "max-streams", WEFT_CONF_INT, .def = "50000",
		.min = 1, .max = 1000000, .reloadable = true,
		.help = "Calls that may be open at a time; each agent holds two. Each costs some "
			"35 KiB, with TLS 100 KiB." },
	[MGMT_CONF_MAX_CALLS_PER_ADDRESS] = { "limits", "max-streams-per-address", WEFT_CONF_INT,
		.def = "4096", .min = 0, .max = 1000000, .reloadable = true,
		.help = "The same from one address (IPv6: one /64), which may be a company's NAT. "
			"0: no limit." },
	[MGMT_CONF_CALLS_PER_SECOND] = { "limits", "calls-per-second-per-address", WEFT_CONF_INT,
		.def = "1000", .min = 0, .max = 1000000, .reloadable = true,
		.help = "New calls of one address. Each costs the server one X25519 operation, "
			"about 50 us. 0: no limit." },
};
/* clang-format on */

static const struct weft_conf_group groups[] = {
	{ "server", "The management service." },
	{ "store", "The database." },
	{ "admin", "Who may administrate." },
	{ "signal", "The rendezvous server." },
	{ "stun", "STUN servers told to agents." },
	{ "turn", "TURN servers told to agents." },
	{ "relay", "Relays told to agents." },
	{ "peers", "Rules for peers." },
	{ "limits", "Bounds on what strangers may cause." },
};

static bool
both_or_none(const WeftConf *conf, unsigned a, unsigned b, GError **error)
{
	const struct weft_conf_key *ka = &keys[a];
	const struct weft_conf_key *kb = &keys[b];

	if (weft_conf_is_set(conf, a) == weft_conf_is_set(conf, b))
		return true;
	g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
		    "[%s] %s and %s belong together: set both or none", ka->group, ka->key,
		    kb->key);
	return false;
}

static bool
check(const WeftConf *conf, GError **error)
{
	bool has_relay = weft_conf_strings(conf, MGMT_CONF_RELAY_URLS)[0] != NULL;
	bool has_turn = weft_conf_strings(conf, MGMT_CONF_TURN_URLS)[0] != NULL;
	bool has_user = weft_conf_string(conf, MGMT_CONF_TURN_USER)[0] != '\0';
	size_t n;

	if (!both_or_none(conf, MGMT_CONF_TLS_CERT, MGMT_CONF_TLS_KEY, error))
		return false;
	if (has_relay && weft_conf_secrets(conf, MGMT_CONF_RELAY_SECRET, &n) == NULL) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "[relay] urls needs secret-file: relays refuse agents without a token");
		return false;
	}
	if (has_turn && weft_conf_secrets(conf, MGMT_CONF_TURN_SECRET, &n) == NULL &&
	    (!has_user || weft_conf_secrets(conf, MGMT_CONF_TURN_PASSWORD, &n) == NULL)) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "[turn] urls needs secret-file, or user and password-file");
		return false;
	}
	return true;
}

const struct weft_conf_schema mgmt_conf_schema = {
	.name = "mgmtd",
	.keys = keys,
	.n_keys = G_N_ELEMENTS(keys),
	.groups = groups,
	.n_groups = G_N_ELEMENTS(groups),
	.check = check,
};

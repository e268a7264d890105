/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/service/servers.h"

#include "base/token.h"
#include "mgmtd/conf.h"
#include "mgmtd/netmap/pack.h"

#include <string.h>

/* HostConfig.protocol */
enum { PROTOCOL_UDP = 0, PROTOCOL_TCP = 1, PROTOCOL_HTTP = 2, PROTOCOL_HTTPS = 3 };

bool
mgmt_servers_uri_is_valid(const char *uri)
{
	static const char *const schemes[] = { "stun:", "stuns:", "turn:", "turns:" };
	const char *host = NULL;
	const char *query;
	const char *port;
	guint64 n;

	for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++)
		if (g_str_has_prefix(uri, schemes[i]))
			host = uri + strlen(schemes[i]);
	if (host == NULL || *host == '\0' || *host == '/' || *host == ':' || *host == '?')
		return false;
	query = strchr(host, '?');
	if (query != NULL &&
	    (g_str_has_prefix(uri, "stun") ||
	     (strcmp(query, "?transport=udp") != 0 && strcmp(query, "?transport=tcp") != 0)))
		return false;
	{
		g_autofree char *authority =
			query == NULL ? g_strdup(host) : g_strndup(host, (gsize) (query - host));

		if (authority[0] == '[') {
			char *end = strchr(authority, ']');

			if (end == NULL || (end[1] != '\0' && end[1] != ':'))
				return false;
			port = end[1] == ':' ? end + 2 : NULL;
		} else {
			port = strchr(authority, ':');
			port = port == NULL ? NULL : port + 1;
		}
		for (const char *p = authority; *p != '\0'; p++)
			if (!g_ascii_isalnum(*p) && strchr("-._[]:", *p) == NULL)
				return false;
		return port == NULL || g_ascii_string_to_unsigned(port, 10, 1, 65535, &n, NULL);
	}
}

static void
pack_host(GByteArray *out, unsigned field, const char *uri, unsigned protocol)
{
	g_autoptr(GByteArray) host = g_byte_array_new();

	mgmt_pack_text(host, 1, uri);
	mgmt_pack_uint(host, 2, protocol);
	mgmt_pack_message(out, field, host);
}

static void
pack_stuns(const WeftConf *conf, GByteArray *out)
{
	const char *const *uris = weft_conf_strings(conf, MGMT_CONF_STUN_URLS);

	for (; *uris != NULL; uris++)
		pack_host(out, 1, *uris, PROTOCOL_UDP);
}

static void
pack_turns(const WeftConf *conf, bool time_limited, int64_t now_s, GByteArray *out)
{
	const char *const *uris = weft_conf_strings(conf, MGMT_CONF_TURN_URLS);
	size_t n = 0;
	const struct weft_secret *secret = weft_conf_secrets(conf, MGMT_CONF_TURN_SECRET, &n);
	struct weft_turn_credential credential = { "", "" };
	const struct weft_secret *fixed = NULL;

	if (n > 0 && time_limited)
		weft_turn_credential_make(&credential, &secret[0],
					  now_s + weft_conf_int(conf, MGMT_CONF_TURN_TTL) /
							  G_USEC_PER_SEC);
	if (n == 0)
		fixed = weft_conf_secrets(conf, MGMT_CONF_TURN_PASSWORD, &n);
	for (; *uris != NULL; uris++) {
		g_autoptr(GByteArray) turn = g_byte_array_new();

		pack_host(turn, 1, *uris,
			  strstr(*uris, "transport=tcp") != NULL ? PROTOCOL_TCP : PROTOCOL_UDP);
		if (fixed != NULL) {
			mgmt_pack_text(turn, 2, weft_conf_string(conf, MGMT_CONF_TURN_USER));
			mgmt_pack_bytes(turn, 3, fixed->p, fixed->len);
		} else {
			mgmt_pack_text(turn, 2, credential.user);
			mgmt_pack_text(turn, 3, credential.password);
		}
		mgmt_pack_message(out, 2, turn);
	}
	explicit_bzero(&credential, sizeof credential);
}

/* The URI is host:port without a scheme; the protocol says whether it is TLS. */
static void
pack_signal(const WeftConf *conf, GByteArray *out)
{
	const char *url = weft_conf_string(conf, MGMT_CONF_SIGNAL_URL);
	bool tls = g_str_has_prefix(url, "https://");
	const char *authority = strstr(url, "://") + 3;
	g_autofree char *host = g_strndup(authority, strcspn(authority, "/"));
	const char *bracket = strrchr(host, ']');
	g_autofree char *uri = NULL;

	if (strchr(bracket == NULL ? host : bracket, ':') != NULL)
		uri = g_strdup(host);
	else
		uri = g_strconcat(host, tls ? ":443" : ":80", NULL);
	pack_host(out, 3, uri, tls ? PROTOCOL_HTTPS : PROTOCOL_HTTP);
}

static void
pack_relay(const WeftConf *conf, int64_t now_s, GByteArray *out)
{
	const char *const *urls = weft_conf_strings(conf, MGMT_CONF_RELAY_URLS);
	size_t n = 0;
	const struct weft_secret *secret = weft_conf_secrets(conf, MGMT_CONF_RELAY_SECRET, &n);
	g_autoptr(GByteArray) relay = NULL;
	struct weft_relay_token token;

	if (*urls == NULL || n == 0)
		return;
	relay = g_byte_array_new();
	weft_relay_token_make(&token, &secret[0],
			      now_s + weft_conf_int(conf, MGMT_CONF_RELAY_TTL) / G_USEC_PER_SEC);
	for (; *urls != NULL; urls++)
		mgmt_pack_text(relay, 1, *urls);
	mgmt_pack_text(relay, 2, token.payload);
	mgmt_pack_text(relay, 3, token.signature);
	mgmt_pack_message(out, 4, relay);
	explicit_bzero(&token, sizeof token);
}

void
mgmt_servers_pack(const WeftConf *conf, enum mgmt_servers_part part, int64_t now_s, GByteArray *out)
{
	bool all = part == MGMT_SERVERS_LOGIN || part == MGMT_SERVERS_FIRST;

	if (all)
		pack_stuns(conf, out);
	if (part != MGMT_SERVERS_RELAY)
		pack_turns(conf, part != MGMT_SERVERS_LOGIN, now_s, out);
	if (all)
		pack_signal(conf, out);
	pack_relay(conf, now_s, out);
	if (all)
		mgmt_pack_empty(out, 6); /* metrics: present and off */
}

int64_t
mgmt_servers_turn_refresh_us(const WeftConf *conf)
{
	size_t n = 0;

	(void) weft_conf_secrets(conf, MGMT_CONF_TURN_SECRET, &n);
	if (n == 0 || weft_conf_strings(conf, MGMT_CONF_TURN_URLS)[0] == NULL)
		return 0;
	return weft_conf_int(conf, MGMT_CONF_TURN_TTL) / 4 * 3;
}

int64_t
mgmt_servers_relay_refresh_us(const WeftConf *conf)
{
	if (weft_conf_strings(conf, MGMT_CONF_RELAY_URLS)[0] == NULL)
		return 0;
	return weft_conf_int(conf, MGMT_CONF_RELAY_TTL) / 4 * 3;
}

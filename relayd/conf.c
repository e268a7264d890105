/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/conf.h"

#include "ws/io.h"

#include <gio/gio.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

static const char *const relay_schemes[] = { "rel", "rels", NULL };

/* clang-format off */
static const struct weft_conf_key keys[RELAY_CONF_COUNT_] = {
	WEFT_MAIN_CONF_KEYS("/var/lib/weft-relayd", "/run/weft-relayd"),
	[RELAY_CONF_LISTEN_UDP] = { "stun-turn", "listen-udp", WEFT_CONF_ENDPOINTS,
		.def = "[::]:3478", .max = 8, .help = "STUN and TURN over UDP." },
	[RELAY_CONF_LISTEN_TCP] = { "stun-turn", "listen-tcp", WEFT_CONF_ENDPOINTS,
		.def = "[::]:3478", .max = 8, .help = "STUN and TURN over TCP." },
	[RELAY_CONF_LISTEN_TLS] = { "stun-turn", "listen-tls", WEFT_CONF_ENDPOINTS, .def = "",
		.max = 8, .help = "STUN and TURN over TLS, as [::]:5349. Needs [tls]." },
	[RELAY_CONF_REALM] = { "stun-turn", "realm", WEFT_CONF_STRING, .def = "weft", .min = 1,
		.max = 127, .reloadable = true,
		.help = "Realm of long-term credentials: the server's name." },
	[RELAY_CONF_TURN_SECRET] = { "stun-turn", "secret-file", WEFT_CONF_SECRET_FILE,
		.max = RELAY_SECRETS_MAX, .credential = "turn.secret", .reloadable = true,
		.help = "File of the secrets shared with weft-mgmtd, one a line, for time-limited "
			"credentials. Several are good at once, so that they can be changed." },
	[RELAY_CONF_USERS] = { "stun-turn", "users-file", WEFT_CONF_SECRET_FILE, .max = 4096,
		.credential = "turn.users", .reloadable = true,
		.help = "File of fixed users, one NAME:PASSWORD a line." },
	[RELAY_CONF_RELAY_ADDRESS] = { "stun-turn", "relay-address", WEFT_CONF_ADDRESSES,
		.max = 2 * RELAY_ADDRESSES_MAX, .reloadable = true,
		.help = "Addresses that relayed traffic leaves from. Without it the host's own "
			"global ones, or if it has none, all it has." },
	[RELAY_CONF_EXTERNAL_ADDRESS] = { "stun-turn", "external-address", WEFT_CONF_ADDRESSES,
		.max = 2 * RELAY_ADDRESSES_MAX, .reloadable = true,
		.help = "Behind a 1:1 NAT: what clients are told, one for each relay-address in "
			"the same order." },
	[RELAY_CONF_PORT_RANGE] = { "stun-turn", "port-range", WEFT_CONF_PORT_RANGE,
		.def = "49152-65535", .reloadable = true, .help = "Ports of relayed addresses." },
	[RELAY_CONF_NONCE_LIFETIME] = { "stun-turn", "nonce-lifetime", WEFT_CONF_DURATION,
		.def = "10min", .min = WEFT_CONF_S(10), .max = WEFT_CONF_DAY(1), .reloadable = true,
		.help = "A nonce older than that is answered with 438." },
	[RELAY_CONF_SHA256_ONLY] = { "stun-turn", "sha256-only", WEFT_CONF_BOOL, .def = "no",
		.reloadable = true,
		.help = "Refuse MESSAGE-INTEGRITY by SHA-1, which most clients still use." },
	[RELAY_CONF_DEFAULT_LIFETIME] = { "stun-turn", "default-lifetime", WEFT_CONF_DURATION,
		.def = "10min", .min = WEFT_CONF_S(30), .max = WEFT_CONF_H(1), .reloadable = true,
		.help = "Life of an allocation whose client asks for none." },
	[RELAY_CONF_MAX_LIFETIME] = { "stun-turn", "max-lifetime", WEFT_CONF_DURATION,
		.def = "1h", .min = WEFT_CONF_MIN(10), .max = WEFT_CONF_DAY(1), .reloadable = true,
		.help = "The longest life of an allocation without refresh." },
	[RELAY_CONF_RELAY_LISTEN] = { "relay", "listen", WEFT_CONF_ENDPOINTS, .def = "", .max = 8,
		.help = "NetBird's relay protocol over WebSocket, as [::]:33080. With a "
			"certificate in [tls] and a rels:// URL it speaks TLS." },
	[RELAY_CONF_RELAY_LISTEN_TLS] = { "relay", "listen-tls", WEFT_CONF_ENDPOINTS, .def = "",
		.max = 8, .help = "The same, always over TLS: for both on one server." },
	[RELAY_CONF_RELAY_URL] = { "relay", "public-url", WEFT_CONF_URL, .names = relay_schemes,
		.reloadable = true,
		.help = "The relay's URL as agents are told: two agents whose URLs are equal "
			"text know that they are at the same relay." },
	[RELAY_CONF_RELAY_SECRET] = { "relay", "secret-file", WEFT_CONF_SECRET_FILE,
		.max = RELAY_SECRETS_MAX, .reloadable = true,
		.help = "File of the secrets shared with weft-mgmtd, one a line." },
	[RELAY_CONF_TLS_CERT] = { "tls", "cert", WEFT_CONF_PATH, .credential = "tls.crt",
		.help = "Certificate chain in PEM, leaf first. Read again on reload." },
	[RELAY_CONF_TLS_KEY] = { "tls", "key", WEFT_CONF_PATH, .credential = "tls.key",
		.help = "Private key of the certificate." },
	[RELAY_CONF_ALLOW] = { "peers", "allow", WEFT_CONF_STRINGS, .def = "", .max = 256,
		.reloadable = true,
		.help = "What may be relayed to although it is refused by nature: prefixes, or "
			"the words private, cgnat, link-local, loopback, own." },
	[RELAY_CONF_DENY] = { "peers", "deny", WEFT_CONF_PREFIXES, .def = "", .max = 256,
		.reloadable = true, .help = "What must not be relayed to." },
	[RELAY_CONF_WORKERS] = { "limits", "workers", WEFT_CONF_INT, .def = "0", .min = 0,
		.max = RELAY_WORKERS_MAX, .help = "Threads that relay. 0: one per processor." },
	[RELAY_CONF_MAX_ALLOCATIONS] = { "limits", "max-allocations", WEFT_CONF_INT,
		.def = "100000", .min = 1, .max = 1000000,
		.help = "Allocations in total. Each costs 0.6 KiB here and 3 KiB in the kernel." },
	[RELAY_CONF_ALLOCATIONS_PER_USER] = { "limits", "allocations-per-user", WEFT_CONF_INT,
		.def = "0", .min = 0, .max = 1000000, .reloadable = true,
		.help = "Allocations of one user name. Agents of NetBird share names that were "
			"made in the same second. 0: no limit." },
	[RELAY_CONF_BANDWIDTH] = { "limits", "bytes-per-second", WEFT_CONF_SIZE, .def = "0",
		.reloadable = true,
		.help = "What one allocation may relay, both ways together. 0: no limit." },
	[RELAY_CONF_BINDING_RATE] = { "limits", "answers-per-second", WEFT_CONF_INT,
		.def = "50", .min = 1, .max = 1000000, .reloadable = true,
		.help = "Answers to requests without credentials, per address (IPv6: /64)." },
	[RELAY_CONF_MAX_STREAMS] = { "limits", "max-streams", WEFT_CONF_INT, .def = "10000",
		.min = 1, .max = 1000000, .reloadable = true,
		.help = "TCP and TLS connections of TURN clients, per worker." },
	[RELAY_CONF_MAX_RELAY_CONNECTIONS] = { "limits", "max-relay-connections", WEFT_CONF_INT,
		.def = "20000", .min = 1, .max = 1000000, .reloadable = true,
		.help = "Connections of the relay protocol, per worker." },
	[RELAY_CONF_STOP_AFTER] = { "limits", "stop-after", WEFT_CONF_DURATION, .def = "2s",
		.max = WEFT_CONF_H(1), .reloadable = true,
		.help = "At SIGTERM nothing new is taken; what is there may end by itself within "
			"this time." },
};
/* clang-format on */

static const struct weft_conf_group groups[] = {
	{ "stun-turn", "STUN and TURN." },
	{ "relay", "NetBird's relay protocol." },
	{ "tls", "The certificate of all listeners that speak TLS." },
	{ "peers", "Where traffic may be relayed to. Private, shared, link-local and loopback "
		   "addresses and the server's own are refused unless allowed." },
	{ "limits", "Bounds on what clients may cause." },
};

static bool
check(const WeftConf *conf, GError **error)
{
	size_t n_tls, n_relay, n_relay_tls, n;
	bool cert = weft_conf_is_set(conf, RELAY_CONF_TLS_CERT);
	const char *url = weft_conf_string(conf, RELAY_CONF_RELAY_URL);

	(void) weft_conf_endpoints(conf, RELAY_CONF_LISTEN_TLS, &n_tls);
	(void) weft_conf_endpoints(conf, RELAY_CONF_RELAY_LISTEN, &n_relay);
	(void) weft_conf_endpoints(conf, RELAY_CONF_RELAY_LISTEN_TLS, &n_relay_tls);
	if (cert != weft_conf_is_set(conf, RELAY_CONF_TLS_KEY)) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "[tls] cert and key belong together: set both or none");
	} else if (!cert && n_tls + n_relay_tls > 0) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "listen-tls needs [tls] cert and key");
	} else if (n_relay + n_relay_tls > 0 && url == NULL) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "[relay] listen needs public-url");
	} else if (n_relay + n_relay_tls > 0 &&
		   weft_conf_secrets(conf, RELAY_CONF_RELAY_SECRET, &n) == NULL) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "[relay] listen needs secret-file");
	} else if (url != NULL && g_str_has_prefix(url, "rels:") && n_relay > 0 && !cert) {
		g_set_error(
			error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			"[relay] public-url begins with rels: and needs [tls] cert and key, or a "
			"proxy that speaks TLS in front: then set listen-tls empty and use rel:");
	} else {
		return true;
	}
	return false;
}

const struct weft_conf_schema relay_conf_schema = {
	.name = "relayd",
	.keys = keys,
	.n_keys = G_N_ELEMENTS(keys),
	.groups = groups,
	.n_groups = G_N_ELEMENTS(groups),
	.check = check,
};

static bool
fail(GError **error, const char *text)
{
	g_set_error_literal(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE, text);
	return false;
}

static bool
add_secrets(const WeftConf *conf,
	    unsigned key,
	    struct relay_secret *list,
	    size_t *n_list,
	    GError **error)
{
	size_t n = 0;
	const struct weft_secret *secrets = weft_conf_secrets(conf, key, &n);

	for (size_t i = 0; i < n; i++)
		if (!relay_secret_add(list, n_list, secrets[i].p, secrets[i].len))
			return fail(error, "too many secrets");
	return true;
}

static bool
add_users(const WeftConf *conf, struct relay_settings *s, GError **error)
{
	size_t n = 0;
	const struct weft_secret *lines = weft_conf_secrets(conf, RELAY_CONF_USERS, &n);

	for (size_t i = 0; i < n; i++) {
		char *line = g_strndup((const char *) lines[i].p, lines[i].len);
		char *colon = strchr(line, ':');
		bool ok = colon != NULL && colon != line && colon[1] != '\0';

		if (ok) {
			*colon = '\0';
			ok = relay_settings_add_user(s, line, colon + 1);
		}
		explicit_bzero(line, lines[i].len);
		g_free(line);
		if (!ok) {
			g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_SECRET,
				    "[stun-turn] users-file: line %zu is no NAME:PASSWORD, or the "
				    "name is there twice",
				    i + 1);
			return false;
		}
	}
	return true;
}

/* Every address of this host: own ones are no peers, and may be what relays. */
static GArray *
host_addresses(void)
{
	GArray *out = g_array_new(FALSE, FALSE, sizeof(struct weft_address));
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) != 0)
		return out;
	for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		struct weft_endpoint e;
		size_t len;

		if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0)
			continue;
		len = i->ifa_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							 : sizeof(struct sockaddr_in);
		if (weft_endpoint_from_sockaddr(&e, i->ifa_addr, len))
			g_array_append_val(out, e.addr);
	}
	freeifaddrs(list);
	return out;
}

static void
add_relay_address(struct relay_settings *s,
		  const struct weft_address *local,
		  const struct weft_address *external)
{
	struct relay_address a = { *local, *external };

	if (local->family == WEFT_FAMILY_IPV4 && s->n_addresses4 < RELAY_ADDRESSES_MAX)
		s->addresses4[s->n_addresses4++] = a;
	else if (local->family == WEFT_FAMILY_IPV6 && s->n_addresses6 < RELAY_ADDRESSES_MAX)
		s->addresses6[s->n_addresses6++] = a;
}

/* The addresses to relay from where none are configured: global ones, else whatever is usable. */
static void
guess_relay_addresses(struct relay_settings *s, const GArray *own)
{
	for (unsigned round = 0; round < 2; round++) {
		for (guint i = 0; i < own->len; i++) {
			const struct weft_address *a = &g_array_index(own, struct weft_address, i);
			enum weft_address_class class = weft_address_classify(a);
			bool usable = class != WEFT_ADDRESS_LOOPBACK &&
				      class != WEFT_ADDRESS_LINK_LOCAL &&
				      class != WEFT_ADDRESS_MULTICAST &&
				      class != WEFT_ADDRESS_UNSPECIFIED;
			bool has = a->family == WEFT_FAMILY_IPV4 ? s->n_addresses4 > 0
								 : s->n_addresses6 > 0;

			if ((round == 0 && class == WEFT_ADDRESS_GLOBAL) ||
			    (round == 1 && usable && !has))
				add_relay_address(s, a, a);
		}
	}
}

static bool
set_addresses(const WeftConf *conf, struct relay_settings *s, GError **error)
{
	g_autoptr(GArray) own = host_addresses();
	size_t n = 0, n_external = 0;
	const struct weft_address *local = weft_conf_addresses(conf, RELAY_CONF_RELAY_ADDRESS, &n);
	const struct weft_address *external =
		weft_conf_addresses(conf, RELAY_CONF_EXTERNAL_ADDRESS, &n_external);

	if (n_external > 0 && n_external != n)
		return fail(error, "[stun-turn] external-address: as many as relay-address");
	for (size_t i = 0; i < n; i++) {
		if (n_external > 0 && external[i].family != local[i].family)
			return fail(error, "[stun-turn] external-address: another family than its "
					   "relay-address");
		add_relay_address(s, &local[i], n_external > 0 ? &external[i] : &local[i]);
	}
	if (n == 0)
		guess_relay_addresses(s, own);
	for (guint i = 0; i < own->len; i++)
		if (!relay_policy_own(&s->policy, &g_array_index(own, struct weft_address, i)))
			return fail(error, "out of memory");
	for (size_t i = 0; i < n_external; i++)
		if (!relay_policy_own(&s->policy, &external[i]))
			return fail(error, "out of memory");
	return true;
}

static bool
set_policy(const WeftConf *conf, struct relay_settings *s, GError **error)
{
	const char *const *allow = weft_conf_strings(conf, RELAY_CONF_ALLOW);
	size_t n = 0;
	const struct weft_prefix *deny = weft_conf_prefixes(conf, RELAY_CONF_DENY, &n);

	for (; *allow != NULL; allow++) {
		struct weft_prefix prefix;

		if (strcmp(*allow, "private") == 0)
			s->policy.allow_private = true;
		else if (strcmp(*allow, "cgnat") == 0)
			s->policy.allow_cgnat = true;
		else if (strcmp(*allow, "link-local") == 0)
			s->policy.allow_link_local = true;
		else if (strcmp(*allow, "loopback") == 0)
			s->policy.allow_loopback = true;
		else if (strcmp(*allow, "own") == 0)
			s->policy.allow_own = true;
		else if (!weft_prefix_parse(&prefix, *allow, strlen(*allow), false) ||
			 !relay_policy_allow(&s->policy, &prefix)) {
			g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
				    "[peers] allow: '%s' is neither a prefix nor one of private, "
				    "cgnat, link-local, loopback, own",
				    *allow);
			return false;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (!relay_policy_deny(&s->policy, &deny[i]))
			return fail(error, "[peers] deny: too many");
	return true;
}

static bool
set_tls(const WeftConf *conf, struct relay_settings *s, GError **error)
{
	const char *cert = weft_conf_string(conf, RELAY_CONF_TLS_CERT);
	const char *key = weft_conf_string(conf, RELAY_CONF_TLS_KEY);
	char why[256] = "";

	if (cert == NULL)
		return true;
	s->tls = weft_ws_tls_server_new();
	if (s->tls == NULL)
		return fail(error, "out of memory");
	if (!weft_ws_tls_load(s->tls, cert, key, why, sizeof why)) {
		g_set_error(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE,
			    "[tls] certificate %s with key %s: %s", cert, key, why);
		return false;
	}
	return true;
}

static void
set_numbers(const WeftConf *conf, struct relay_settings *s)
{
	const char *url = weft_conf_string(conf, RELAY_CONF_RELAY_URL);

	g_strlcpy(s->realm, weft_conf_string(conf, RELAY_CONF_REALM), sizeof s->realm);
	g_strlcpy(s->relay_url, url == NULL ? "" : url, sizeof s->relay_url);
	(void) weft_conf_ports(conf, RELAY_CONF_PORT_RANGE, &s->port_first, &s->port_last);
	s->nonce_lifetime_s =
		(uint32_t) (weft_conf_int(conf, RELAY_CONF_NONCE_LIFETIME) / G_USEC_PER_SEC);
	s->no_sha1 = weft_conf_bool(conf, RELAY_CONF_SHA256_ONLY);
	s->lifetime_default_s =
		(uint32_t) (weft_conf_int(conf, RELAY_CONF_DEFAULT_LIFETIME) / G_USEC_PER_SEC);
	s->lifetime_max_s =
		(uint32_t) (weft_conf_int(conf, RELAY_CONF_MAX_LIFETIME) / G_USEC_PER_SEC);
	s->allocations_max = (uint32_t) weft_conf_int(conf, RELAY_CONF_MAX_ALLOCATIONS);
	s->allocations_per_user = (uint32_t) weft_conf_int(conf, RELAY_CONF_ALLOCATIONS_PER_USER);
	s->bytes_per_second = (uint64_t) weft_conf_int(conf, RELAY_CONF_BANDWIDTH);
	s->binding_per_second = (uint32_t) weft_conf_int(conf, RELAY_CONF_BINDING_RATE);
	s->streams_max = (uint32_t) weft_conf_int(conf, RELAY_CONF_MAX_STREAMS);
	s->relay_connections_max = (uint32_t) weft_conf_int(conf, RELAY_CONF_MAX_RELAY_CONNECTIONS);
}

struct relay_settings *
relay_conf_settings(const WeftConf *conf, GError **error)
{
	struct relay_settings *s = relay_settings_new();

	if (s == NULL) {
		fail(error, "out of memory");
		return NULL;
	}
	set_numbers(conf, s);
	if (!add_secrets(conf, RELAY_CONF_TURN_SECRET, s->turn_secrets, &s->n_turn_secrets,
			 error) ||
	    !add_secrets(conf, RELAY_CONF_RELAY_SECRET, s->relay_secrets, &s->n_relay_secrets,
			 error) ||
	    !add_users(conf, s, error) || !set_addresses(conf, s, error) ||
	    !set_policy(conf, s, error) || !set_tls(conf, s, error)) {
		relay_settings_free(s);
		return NULL;
	}
	if (!relay_settings_seal(s)) {
		fail(error, "out of memory");
		relay_settings_free(s);
		return NULL;
	}
	return s;
}

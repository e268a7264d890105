/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/relay/server.h"

#include "agent/relay/relay.h"
#include "base/base64.h"
#include "base/env.h"
#include "base/glib/source.h"
#include "base/hash.h"
#include "base/token.h"
#include "ws/io.h"
#include "ws/session.h"

#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* protocol.md 5.4, 5.5 */
#define RELAY_VERSION  1
#define MESSAGE_MAX    8820
#define AUTH_WAIT_US   (8 * (int64_t) G_USEC_PER_SEC)
#define CONNECT_US     (10 * (int64_t) G_USEC_PER_SEC)
#define HEALTH_WAIT_US (70 * (int64_t) G_USEC_PER_SEC) /* the server's checks come every 25 s */
#define OUT_SIZE       (256 * 1024)                    /* some 30 ms of a fast line */
#define IN_SIZE        (64 * 1024)

enum {
	TYPE_TRANSPORT = 3,
	TYPE_CLOSE = 4,
	TYPE_HEALTH = 5,
	TYPE_AUTH = 6,
	TYPE_AUTH_RESPONSE = 7,
	TYPE_SUBSCRIBE = 8,
	TYPE_UNSUBSCRIBE = 9,
	TYPE_ONLINE = 10,
	TYPE_OFFLINE = 11,
};

enum link_state { LINK_RESOLVING, LINK_CONNECTING, LINK_TLS, LINK_UPGRADE, LINK_AUTH, LINK_READY };

struct relay_link {
	const struct relay_link_ops *ops;
	void *user;
	GMainContext *context;
	const struct weft_env *env;
	char *url, *host, *host_header;
	uint16_t port;
	bool tls;
	struct ssl_ctx_st *ctx;
	uint32_t fwmark;
	uint8_t id[RELAY_ID_LEN];
	struct weft_relay_token token;
	enum link_state state;
	GCancellable *cancel;
	GQueue addresses; /* of struct weft_address *: to be tried */
	struct weft_address address;
	struct weft_ws_target target;
	struct weft_ws_io io;
	struct weft_ws_session session;
	uint8_t *in, *out;
	GSource *ready, *timer, *deferred;
	char *reason;
	bool dead; /* lost() is due or was called */
};

void
relay_link_id(uint8_t ret[RELAY_ID_LEN], const struct weft_key *key)
{
	struct weft_key_text text = weft_key_to_text(key);

	memcpy(ret, "sha-", 4);
	weft_sha256(ret + 4, text.s, WEFT_KEY_TEXT_LEN);
}

bool
relay_url_parse(const char *url, char **ret_host, uint16_t *ret_port, bool *ret_tls)
{
	bool tls = g_str_has_prefix(url, "rels://");
	const char *p = tls ? url + 7 : g_str_has_prefix(url, "rel://") ? url + 6 : NULL;
	g_autofree char *authority = NULL;
	const char *port_text = NULL;
	guint64 port = tls ? 443 : 80;
	char *colon;

	if (p == NULL)
		return false;
	authority = g_strndup(p, strcspn(p, "/?#"));
	if (authority[0] == '[') {
		char *end = strchr(authority, ']');

		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		port_text = end[1] == ':' ? end + 2 : NULL;
		*end = '\0';
	} else if ((colon = strrchr(authority, ':')) != NULL) {
		port_text = colon + 1;
		*colon = '\0';
	}
	if (port_text != NULL && !g_ascii_string_to_unsigned(port_text, 10, 1, 65535, &port, NULL))
		return false;
	p = authority[0] == '[' ? authority + 1 : authority;
	if (*p == '\0' || strpbrk(p, " \t\r\n@") != NULL)
		return false;
	*ret_host = g_strdup(p);
	*ret_port = (uint16_t) port;
	*ret_tls = tls;
	return true;
}

/* ---- ending ---- */

static gboolean
on_lost(gpointer user)
{
	RelayLink *l = user;

	weft_source_cancel(&l->deferred);
	l->ops->lost(l->user, l->reason);
	return G_SOURCE_REMOVE;
}

static void
close_socket(RelayLink *l)
{
	weft_source_cancel(&l->ready);
	if (l->io.fd >= 0)
		weft_ws_io_close(&l->io);
	l->io.fd = -1;
}

/* Reports from the main loop, so that the owner may free us. */
static void
die(RelayLink *l, const char *why)
{
	if (l->dead)
		return;
	l->dead = true;
	close_socket(l);
	weft_source_cancel(&l->timer);
	g_cancellable_cancel(l->cancel);
	l->reason = g_strdup(why);
	l->deferred = weft_source_defer(l->context, on_lost, l);
}

static void try_next(RelayLink *l, const char *why);

static gboolean
on_timer(gpointer user)
{
	RelayLink *l = user;

	if (l->state == LINK_READY)
		die(l, "the server is silent");
	else if (l->state == LINK_CONNECTING || l->state == LINK_TLS || l->state == LINK_UPGRADE)
		try_next(l, "no answer in time");
	else
		die(l, "no answer in time");
	return G_SOURCE_CONTINUE;
}

/* ---- sending ---- */

static void
update_events(RelayLink *l)
{
	size_t pending;
	uint32_t events;

	(void) weft_ws_session_pending(&l->session, &pending);
	events = weft_ws_io_events(&l->io) | (pending > 0 ? (uint32_t) EPOLLOUT : 0);
	weft_source_fd_set(l->ready, (events & EPOLLOUT ? G_IO_OUT : 0) | G_IO_IN);
}

static void
flush(RelayLink *l)
{
	const uint8_t *p;
	size_t len;

	while (p = weft_ws_session_pending(&l->session, &len), len > 0) {
		struct iovec iov = { (void *) (uintptr_t) p, len };
		size_t written = 0;
		enum weft_ws_io_status status = weft_ws_io_writev(&l->io, &iov, 1, &written);

		if (status == WEFT_WS_IO_AGAIN)
			break;
		if (status != WEFT_WS_IO_OK) {
			die(l, "connection lost");
			return;
		}
		weft_ws_session_sent(&l->session, written);
	}
	update_events(l);
}

static bool
send_message(RelayLink *l, const void *head, size_t head_len, const void *data, size_t len)
{
	size_t before;

	if (l->dead || l->state < LINK_AUTH)
		return false;
	(void) weft_ws_session_pending(&l->session, &before);
	if (!weft_ws_session_send2(&l->session, WEFT_WS_BINARY, head, head_len, data, len))
		return false;
	/* With bytes waiting already, the socket tells when it takes more. */
	if (before == 0)
		flush(l);
	return !l->dead;
}

bool
relay_link_send(RelayLink *l, const uint8_t to[RELAY_ID_LEN], const uint8_t *buf, size_t len)
{
	uint8_t head[2 + RELAY_ID_LEN] = { RELAY_VERSION, TYPE_TRANSPORT };

	if (l->state != LINK_READY || len > AGENT_RELAY_PACKET_MAX)
		return false;
	memcpy(head + 2, to, RELAY_ID_LEN);
	return send_message(l, head, sizeof head, buf, len);
}

bool
relay_link_subscribe(RelayLink *l, const uint8_t id[RELAY_ID_LEN], bool on)
{
	const uint8_t head[2] = { RELAY_VERSION, on ? TYPE_SUBSCRIBE : TYPE_UNSUBSCRIBE };

	return l->state == LINK_READY && send_message(l, head, sizeof head, id, RELAY_ID_LEN);
}

static void
send_auth(RelayLink *l)
{
	static const uint8_t magic[4] = { 0x21, 0x12, 0xa4, 0x42 };
	uint8_t message[2 + 4 + RELAY_ID_LEN + WEFT_RELAY_TOKEN_WIRE_MAX] = { RELAY_VERSION,
									      TYPE_AUTH };
	size_t n = 2 + 4 + RELAY_ID_LEN;
	size_t token_len;

	memcpy(message + 2, magic, sizeof magic);
	memcpy(message + 6, l->id, RELAY_ID_LEN);
	token_len = weft_relay_token_to_wire(&l->token, message + n, sizeof message - n);
	if (token_len == 0) {
		die(l, "the management server's token is malformed");
		return;
	}
	l->state = LINK_AUTH;
	weft_source_arm_us(l->timer, AUTH_WAIT_US);
	(void) send_message(l, message, n + token_len, NULL, 0); /* an empty queue has room */
	explicit_bzero(message, sizeof message);
}

/* ---- receiving ---- */

static void
take_response(RelayLink *l, const uint8_t *p, size_t len)
{
	g_autofree char *instance = NULL;

	if (len == 0 || memchr(p, 0, len) != NULL) {
		die(l, "the server's answer is malformed");
		return;
	}
	instance = g_strndup((const char *) p, len);
	l->state = LINK_READY;
	weft_source_arm_us(l->timer, HEALTH_WAIT_US);
	l->ops->ready(l->user, instance);
}

static void
take_message(RelayLink *l, const uint8_t *p, size_t len)
{
	static const uint8_t health[2] = { RELAY_VERSION, TYPE_HEALTH };

	if (len < 2 || p[0] != RELAY_VERSION)
		return; /* another version: skipped (protocol.md 5.4) */
	if (l->state == LINK_AUTH) {
		if (p[1] == TYPE_AUTH_RESPONSE)
			take_response(l, p + 2, len - 2);
		return;
	}
	switch (p[1]) {
	case TYPE_TRANSPORT:
		if (len >= 2 + RELAY_ID_LEN)
			l->ops->packet(l->user, p + 2, p + 2 + RELAY_ID_LEN,
				       len - 2 - RELAY_ID_LEN);
		break;
	case TYPE_HEALTH:
		weft_source_arm_us(l->timer, HEALTH_WAIT_US);
		(void) send_message(l, health, sizeof health, NULL, 0);
		break;
	case TYPE_ONLINE:
	case TYPE_OFFLINE:
		if ((len - 2) % RELAY_ID_LEN == 0)
			l->ops->presence(l->user, p[1] == TYPE_ONLINE, p + 2,
					 (len - 2) / RELAY_ID_LEN);
		break;
	case TYPE_CLOSE:
		die(l, "the server closes");
		break;
	default:
		break;
	}
}

static void
take_events(RelayLink *l)
{
	struct weft_ws_message m;

	while (!l->dead) {
		switch (weft_ws_session_take(&l->session, &m)) {
		case WEFT_WS_SESSION_NONE:
			return;
		case WEFT_WS_SESSION_OPENED:
			send_auth(l);
			break;
		case WEFT_WS_SESSION_BINARY:
			take_message(l, m.data, m.len);
			break;
		case WEFT_WS_SESSION_TEXT:
			die(l, "the server speaks something else");
			return;
		case WEFT_WS_SESSION_PONG:
			break;
		case WEFT_WS_SESSION_REDIRECT:
			die(l, "the server redirects, which relays do not");
			return;
		case WEFT_WS_SESSION_CLOSED:
			die(l, l->state == LINK_UPGRADE ? "the server refused the WebSocket"
							: "the server closed the WebSocket");
			return;
		}
	}
}

static void
read_some(RelayLink *l)
{
	for (unsigned i = 0; i < 4 && !l->dead; i++) {
		size_t room, n;
		uint8_t *p = weft_ws_session_room(&l->session, &room);
		enum weft_ws_io_status status;

		if (room == 0)
			break;
		status = weft_ws_io_read(&l->io, p, room, &n);
		if (status == WEFT_WS_IO_AGAIN)
			break;
		if (status != WEFT_WS_IO_OK) {
			/* After our auth a silent close means: refused (protocol.md 5.5). */
			die(l, l->state == LINK_AUTH ? "the server refused the token"
						     : "connection lost");
			return;
		}
		weft_ws_session_filled(&l->session, n);
		take_events(l);
		if (n < room && !weft_ws_io_pending(&l->io))
			break;
	}
}

static void
begin_upgrade(RelayLink *l)
{
	l->target = (struct weft_ws_target){ .host = l->host_header, .path = "/relay" };
	if (!weft_ws_session_client(&l->session, l->env, &l->target, MESSAGE_MAX, l->in, IN_SIZE,
				    l->out, OUT_SIZE)) {
		die(l, "the server's name is too long");
		return;
	}
	l->state = LINK_UPGRADE;
	flush(l);
}

static gboolean
on_ready(int fd, GIOCondition condition, gpointer user)
{
	RelayLink *l = user;

	if (l->dead)
		return G_SOURCE_CONTINUE;
	if (l->state == LINK_CONNECTING) {
		int err = 0;
		socklen_t len = sizeof err;

		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 || err != 0) {
			try_next(l, g_strerror(err));
			return G_SOURCE_CONTINUE;
		}
		l->state = LINK_TLS;
	}
	if (l->state == LINK_TLS) {
		enum weft_ws_io_status status = weft_ws_io_handshake(&l->io);

		if (status == WEFT_WS_IO_AGAIN) {
			weft_source_fd_set(l->ready, weft_ws_io_events(&l->io) & EPOLLOUT
							     ? G_IO_IN | G_IO_OUT
							     : G_IO_IN);
			return G_SOURCE_CONTINUE;
		}
		if (status != WEFT_WS_IO_OK) {
			try_next(l, "TLS: the certificate does not fit the server's name, or is "
				    "not trusted");
			return G_SOURCE_CONTINUE;
		}
		begin_upgrade(l);
		return G_SOURCE_CONTINUE;
	}
	if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
		read_some(l);
	if (!l->dead)
		flush(l);
	return G_SOURCE_CONTINUE;
}

/* ---- connecting ---- */

static void
tune_socket(const RelayLink *l, int fd)
{
	const int one = 1;

	/* Failures cost speed, or the mark where it is not permitted. */
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (l->fwmark != 0)
		(void) setsockopt(fd, SOL_SOCKET, SO_MARK, &l->fwmark, sizeof l->fwmark);
}

static void
try_next(RelayLink *l, const char *why)
{
	struct weft_address *a = g_queue_pop_head(&l->addresses);
	struct sockaddr_storage ss;
	struct weft_endpoint e;
	unsigned len;
	int fd;

	close_socket(l);
	if (a == NULL) {
		die(l, why);
		return;
	}
	e = (struct weft_endpoint){ *a, l->port };
	l->address = *a;
	g_free(a);
	len = weft_endpoint_to_sockaddr(&e, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		try_next(l, g_strerror(errno));
		return;
	}
	tune_socket(l, fd);
	if (connect(fd, (struct sockaddr *) &ss, len) != 0 && errno != EINPROGRESS) {
		int err = errno;

		close(fd);
		try_next(l, g_strerror(err));
		return;
	}
	if (!l->tls) {
		weft_ws_io_plain(&l->io, fd);
	} else if (l->ctx == NULL || !weft_ws_io_tls_client(&l->io, fd, l->ctx, l->host)) {
		close(fd);
		die(l, "TLS is not available");
		return;
	}
	l->state = LINK_CONNECTING;
	l->ready = weft_source_fd(l->context, fd, G_IO_OUT, on_ready, l);
	weft_source_arm_us(l->timer, CONNECT_US);
}

static void
address_from_inet(struct weft_address *ret, GInetAddress *inet)
{
	const uint8_t *b = g_inet_address_to_bytes(inet);

	if (g_inet_address_get_family(inet) == G_SOCKET_FAMILY_IPV6)
		*ret = weft_address_v6(b);
	else
		*ret = weft_address_v4((uint32_t) b[0] << 24 | (uint32_t) b[1] << 16 |
				       (uint32_t) b[2] << 8 | b[3]);
}

static void
on_resolved(GObject *source, GAsyncResult *result, gpointer user)
{
	g_autoptr(GError) error = NULL;
	GList *list = g_resolver_lookup_by_name_finish(G_RESOLVER(source), result, &error);
	RelayLink *l = user;

	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return; /* freed, or dead */
	for (GList *i = list; i != NULL; i = i->next) {
		struct weft_address *a = g_new0(struct weft_address, 1);

		address_from_inet(a, i->data);
		g_queue_push_tail(&l->addresses, a);
	}
	g_resolver_free_addresses(list);
	try_next(l, error != NULL ? error->message : "the server's name has no address");
}

static void
resolve(RelayLink *l)
{
	struct weft_address literal;
	g_autoptr(GResolver) resolver = NULL;

	if (weft_address_parse(&literal, l->host, strlen(l->host))) {
		g_queue_push_tail(&l->addresses, g_memdup2(&literal, sizeof literal));
		try_next(l, "");
		return;
	}
	resolver = g_resolver_get_default();
	g_main_context_push_thread_default(l->context);
	g_resolver_lookup_by_name_async(resolver, l->host, l->cancel, on_resolved, l);
	g_main_context_pop_thread_default(l->context);
}

static void
set_host_header(RelayLink *l)
{
	bool v6 = strchr(l->host, ':') != NULL;
	bool standard = l->port == (l->tls ? 443 : 80);

	if (standard)
		l->host_header = g_strdup_printf(v6 ? "[%s]" : "%s", l->host);
	else
		l->host_header = g_strdup_printf(v6 ? "[%s]:%u" : "%s:%u", l->host, l->port);
}

RelayLink *
relay_link_new(const struct relay_link_config *config)
{
	RelayLink *l = g_new0(RelayLink, 1);

	l->ops = config->ops;
	l->user = config->user;
	l->context = config->context;
	l->env = config->env;
	l->url = g_strdup(config->url);
	l->ctx = config->tls;
	l->fwmark = config->fwmark;
	l->io.fd = -1;
	l->cancel = g_cancellable_new();
	l->in = g_malloc(IN_SIZE);
	l->out = g_malloc(OUT_SIZE);
	g_queue_init(&l->addresses);
	relay_link_id(l->id, &config->own);
	g_strlcpy(l->token.payload, config->token_payload, sizeof l->token.payload);
	g_strlcpy(l->token.signature, config->token_signature, sizeof l->token.signature);
	l->timer = weft_source_timer(l->context, on_timer, l);
	if (!relay_url_parse(config->url, &l->host, &l->port, &l->tls)) {
		die(l, "the URL is malformed");
		return l;
	}
	set_host_header(l);
	if (config->ip != NULL && config->ip->family != WEFT_FAMILY_NONE)
		g_queue_push_tail(&l->addresses, g_memdup2(config->ip, sizeof *config->ip));
	resolve(l);
	return l;
}

void
relay_link_free(RelayLink *l)
{
	static const uint8_t goodbye[2] = { RELAY_VERSION, TYPE_CLOSE };

	if (l == NULL)
		return;
	if (!l->dead && l->state == LINK_READY)
		(void) send_message(l, goodbye, sizeof goodbye, NULL, 0);
	l->dead = true;
	close_socket(l);
	weft_source_cancel(&l->timer);
	weft_source_cancel(&l->deferred);
	g_cancellable_cancel(l->cancel);
	g_object_unref(l->cancel);
	g_queue_clear_full(&l->addresses, g_free);
	explicit_bzero(&l->token, sizeof l->token);
	g_free(l->url);
	g_free(l->host);
	g_free(l->host_header);
	g_free(l->in);
	g_free(l->out);
	g_free(l->reason);
	g_free(l);
}

bool
relay_link_is_ready(const RelayLink *l)
{
	return l->state == LINK_READY && !l->dead;
}

struct weft_address
relay_link_address(const RelayLink *l)
{
	return l->state >= LINK_AUTH ? l->address : (struct weft_address){ .family = 0 };
}

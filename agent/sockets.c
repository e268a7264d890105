/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/sockets.h"

#include "agent/ice/socket.h"
#include "base/glib/source.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_TRIES 100U

struct agent_sockets {
	IceSocket *sockets[2]; /* IPv4, IPv6 */
	GSource *sources[2];
	GSource *timer;
	IceAgent *agent;
};

static IceSocket *
socket_for(AgentSockets *s, const struct weft_address *a)
{
	return s->sockets[a->family == WEFT_FAMILY_IPV6];
}

void
agent_sockets_send(AgentSockets *s, const struct ice_path *to, const uint8_t *buf, size_t len)
{
	IceSocket *socket = socket_for(s, &to->remote.addr);

	if (socket != NULL)
		(void) ice_socket_send(socket, to, buf, len); /* ICE repeats what is lost */
}

void
agent_sockets_rearm(AgentSockets *s)
{
	int64_t at = s->agent != NULL ? ice_agent_next_us(s->agent) : INT64_MAX;

	if (at == INT64_MAX)
		weft_source_disarm(s->timer);
	else
		weft_source_arm_at_us(s->timer, at);
}

static gboolean
on_timer(gpointer user)
{
	AgentSockets *s = user;

	ice_agent_timer(s->agent);
	agent_sockets_rearm(s);
	return G_SOURCE_CONTINUE;
}

static gboolean
on_readable(int fd, GIOCondition condition, gpointer user)
{
	AgentSockets *s = user;
	struct ice_datagram in[ICE_SOCKET_BATCH];

	for (size_t i = 0; i < G_N_ELEMENTS(s->sockets); i++) {
		int n;

		if (s->sockets[i] == NULL || ice_socket_fd(s->sockets[i]) != fd)
			continue;
		n = ice_socket_receive(s->sockets[i], in);
		for (int k = 0; k < n; k++)
			(void) ice_agent_receive(s->agent, &in[k].from, in[k].buf, in[k].len);
	}
	agent_sockets_rearm(s);
	return G_SOURCE_CONTINUE;
}

AgentSockets *
agent_sockets_open(uint16_t port, uint32_t fwmark, bool ipv6, GError **error)
{
	AgentSockets *s = g_new0(AgentSockets, 1);

	for (int i = 0; i < (ipv6 ? 2 : 1); i++) {
		const struct ice_socket_config config = {
			.family = i == 0 ? WEFT_FAMILY_IPV4 : WEFT_FAMILY_IPV6,
			.port = port,
			.fwmark = fwmark,
		};
		int r = ice_socket_open(&s->sockets[i], &config);

		if (r == 0 || (i == 1 && r == -EAFNOSUPPORT))
			continue;
		g_set_error(error, G_FILE_ERROR, (gint) g_file_error_from_errno(-r),
			    "raw socket: %s", g_strerror(-r));
		agent_sockets_free(s);
		return NULL;
	}
	s->timer = weft_source_timer(NULL, on_timer, s);
	return s;
}

void
agent_sockets_attach(AgentSockets *s, IceAgent *agent)
{
	s->agent = agent;
	for (size_t i = 0; i < G_N_ELEMENTS(s->sockets); i++)
		if (s->sockets[i] != NULL && s->sources[i] == NULL)
			s->sources[i] = weft_source_fd(NULL, ice_socket_fd(s->sockets[i]), G_IO_IN,
						       on_readable, s);
}

void
agent_sockets_free(AgentSockets *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < G_N_ELEMENTS(s->sockets); i++) {
		weft_source_cancel(&s->sources[i]);
		ice_socket_close(s->sockets[i]);
	}
	weft_source_cancel(&s->timer);
	g_free(s);
}

void
agent_sockets_flush(AgentSockets *s)
{
	for (size_t i = 0; i < G_N_ELEMENTS(s->sockets); i++)
		if (s->sockets[i] != NULL)
			ice_socket_flush(s->sockets[i]);
}

static bool
is_free(uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int on = 1;
	bool ok = fd4 >= 0 && bind(fd4, (struct sockaddr *) &sin, sizeof sin) == 0;

	if (ok && fd6 >= 0)
		ok = setsockopt(fd6, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0 &&
		     bind(fd6, (struct sockaddr *) &sin6, sizeof sin6) == 0;
	if (fd4 >= 0)
		close(fd4);
	if (fd6 >= 0)
		close(fd6);
	return ok;
}

uint16_t
agent_sockets_free_port(uint16_t first)
{
	for (unsigned port = first; port < first + (unsigned) PORT_TRIES && port <= UINT16_MAX;
	     port++)
		if (is_free((uint16_t) port))
			return (uint16_t) port;
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/relay/proxy.h"

#include "base/glib/source.h"

#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 32
#define PACKET_MAX                                                                                 \
	9000 /* WireGuard's largest with a jumbo MTU; longer ones are cut and useless              \
	      */
#define SOCKET_BYTES (1024 * 1024)

struct agent_proxy {
	int fd;
	GSource *source;
	struct sockaddr_in wireguard;
	struct weft_endpoint own;
	void (*packet)(void *user, const uint8_t *buf, size_t len);
	void *user;
	struct agent_proxy_stats stats;
	uint8_t *buffers; /* BATCH times PACKET_MAX, lazily */
};

static gboolean
on_readable(int fd, GIOCondition condition, gpointer user)
{
	AgentProxy *p = user;
	struct sockaddr_in from[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	int n;

	if (p->buffers == NULL)
		p->buffers = g_malloc((gsize) BATCH * PACKET_MAX);
	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ p->buffers + i * PACKET_MAX, PACKET_MAX };
		messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[i],
							     .msg_namelen = sizeof from[i],
							     .msg_iov = &iov[i],
							     .msg_iovlen = 1 } };
	}
	n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		/* Other programs of this host may send here too: only WireGuard is listened to. */
		if (from[i].sin_port != p->wireguard.sin_port ||
		    (messages[i].msg_hdr.msg_flags & MSG_TRUNC))
			continue;
		p->stats.from_wireguard++;
		p->packet(p->user, iov[i].iov_base, messages[i].msg_len);
	}
	return G_SOURCE_CONTINUE;
}

static bool
open_socket(AgentProxy *p, GError **error)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sin;
	const int bytes = SOCKET_BYTES;

	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0 || bind(p->fd, (struct sockaddr *) &sin, sizeof sin) != 0 ||
	    getsockname(p->fd, (struct sockaddr *) &sin, &len) != 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
			    "proxy for a relayed peer: %s", g_strerror(errno));
		return false;
	}
	/* More room where it is permitted; less costs packets of a burst. */
	(void) setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	(void) setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	p->own = (struct weft_endpoint){ weft_address_v4(INADDR_LOOPBACK), ntohs(sin.sin_port) };
	return true;
}

AgentProxy *
agent_proxy_new(GMainContext *context,
		uint16_t wireguard_port,
		void (*packet)(void *user, const uint8_t *buf, size_t len),
		void *user,
		GError **error)
{
	AgentProxy *p = g_new0(AgentProxy, 1);

	p->packet = packet;
	p->user = user;
	agent_proxy_set_port(p, wireguard_port);
	if (!open_socket(p, error)) {
		agent_proxy_free(p);
		return NULL;
	}
	p->source = weft_source_fd(context, p->fd, G_IO_IN, on_readable, p);
	return p;
}

void
agent_proxy_free(AgentProxy *p)
{
	if (p == NULL)
		return;
	weft_source_cancel(&p->source);
	if (p->fd >= 0)
		close(p->fd);
	g_free(p->buffers);
	g_free(p);
}

struct weft_endpoint
agent_proxy_endpoint(const AgentProxy *p)
{
	return p->own;
}

bool
agent_proxy_deliver(AgentProxy *p, const uint8_t *buf, size_t len)
{
	if (sendto(p->fd, buf, len, MSG_DONTWAIT, (const struct sockaddr *) &p->wireguard,
		   sizeof p->wireguard) == (ssize_t) len) {
		p->stats.to_wireguard++;
		return true;
	}
	p->stats.lost++;
	return false;
}

void
agent_proxy_set_port(AgentProxy *p, uint16_t wireguard_port)
{
	p->wireguard = (struct sockaddr_in){ .sin_family = AF_INET,
					     .sin_port = htons(wireguard_port),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

struct agent_proxy_stats
agent_proxy_stats(const AgentProxy *p)
{
	return p->stats;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/transport.h"

#include "netlink/error.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for the events of a storm (thousands of routes) until the main loop comes round. */
#define EVENT_BUFFER (4 * 1024 * 1024)

static const struct {
	int protocol;
	const char *name;
} buses[WEFT_NL_BUS_COUNT_] = {
	[WEFT_NL_BUS_ROUTE] = { NETLINK_ROUTE, "RTNETLINK" },
	[WEFT_NL_BUS_GENERIC] = { NETLINK_GENERIC, "WIREGUARD" },
	[WEFT_NL_BUS_NETFILTER] = { NETLINK_NETFILTER, "CONNTRACK" },
};

struct system_socket {
	int fd;
	uint32_t port;
};

const char *
weft_nl_bus_name(enum weft_nl_bus bus)
{
	return buses[bus].name;
}

static ssize_t
system_send(void *user, const void *buf, size_t len)
{
	const struct system_socket *s = user;
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	do {
		n = sendto(s->fd, buf, len, 0, (const struct sockaddr *) &kernel, sizeof kernel);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Waits until @deadline (monotonic microseconds). 1 readable, 0 timeout, negative errno. */
static int
wait_readable(int fd, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - g_get_monotonic_time();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int n = poll(&p, 1, left <= 0 ? 0 : (int) ((left + 999) / 1000));

		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && left <= 0)
			return 0;
	}
}

static ssize_t
system_recv(void *user, void *buf, size_t size, int timeout_ms)
{
	const struct system_socket *s = user;
	int64_t deadline = g_get_monotonic_time() + (int64_t) timeout_ms * 1000;

	for (;;) {
		struct sockaddr_nl from = { 0 };
		struct iovec iov = { .iov_base = buf, .iov_len = size };
		struct msghdr msg = { .msg_name = &from,
				      .msg_namelen = sizeof from,
				      .msg_iov = &iov,
				      .msg_iovlen = 1 };
		ssize_t n = recvmsg(s->fd, &msg, MSG_DONTWAIT);
		int ready;

		if (n >= 0 && (msg.msg_namelen != sizeof from || from.nl_pid != 0))
			continue; /* another process can send to our port: only the kernel counts */
		if (n >= 0)
			return (msg.msg_flags & MSG_TRUNC) != 0 ? -EMSGSIZE : n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || timeout_ms == 0)
			return -errno;
		ready = wait_readable(s->fd, deadline);
		if (ready <= 0)
			return ready == 0 ? -EAGAIN : ready;
	}
}

static uint32_t
system_port_id(void *user)
{
	const struct system_socket *s = user;

	return s->port;
}

static int
system_fd(void *user)
{
	const struct system_socket *s = user;

	return s->fd;
}

static void
system_close(void *user)
{
	struct system_socket *s = user;

	(void) close(s->fd); /* nothing is lost if it fails */
	g_free(s);
}

static const struct weft_nl_transport system_transport = {
	.send = system_send,
	.recv = system_recv,
	.port_id = system_port_id,
	.fd = system_fd,
	.close = system_close,
};

const struct weft_nl_transport *
weft_nl_transport_system(void)
{
	return &system_transport;
}

static int
bind_socket(struct system_socket *s)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof self;

	if (bind(s->fd, (const struct sockaddr *) &self, sizeof self) < 0 ||
	    getsockname(s->fd, (struct sockaddr *) &self, &len) < 0)
		return -errno;
	s->port = self.nl_pid;
	return 0;
}

static int
join_groups(int fd, const uint32_t *groups, size_t n)
{
	int size = EVENT_BUFFER;

	if (n == 0)
		return 0;
	/* Beyond rmem_max it takes privilege; without it the smaller buffer resyncs more often. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		(void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	for (size_t i = 0; i < n; i++) {
		int group = (int) groups[i];

		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
			return -errno;
	}
	return 0;
}

bool
weft_nl_transport_open(
	enum weft_nl_bus bus, const uint32_t *groups, size_t n, void **ret_user, GError **error)
{
	struct system_socket s = {
		.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			     buses[bus].protocol),
	};
	int one = 1;
	int err = s.fd < 0 ? -errno : bind_socket(&s);

	if (err == 0) {
		/* Old kernels lack one or the other; then error texts are shorter, acks longer
		 * and dumps are filtered here. */
		(void) setsockopt(s.fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
		(void) setsockopt(s.fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
		(void) setsockopt(s.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
		err = join_groups(s.fd, groups, n);
	}
	if (err < 0) {
		weft_nl_error_set(error, buses[bus].name, -err, NULL);
		g_prefix_error(error, "opening a netlink socket: ");
		if (s.fd >= 0)
			(void) close(s.fd); /* reported already */
		return false;
	}
	*ret_user = g_memdup2(&s, sizeof s);
	return true;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's side of a socket. */
#include "nftables/transport.h"

#include "nftables/error.h"
#include "nftables/limits.h"

#include <errno.h>
#include <glib.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

struct kernel {
	int fd;
	uint32_t port_id;
	int send_size; /* octets that the send buffer takes for sure */
};

static ssize_t
kernel_send(void *user, const void *buf, size_t len)
{
	static const struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct kernel *k = user;
	ssize_t n;

	if (len > (size_t) k->send_size) {
		int size = (int) (len + len / 4);

		/* Without the privilege the ordinary bound holds, and send() says if it is
		 * crossed. */
		if (setsockopt(k->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
			(void) setsockopt(k->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
		k->send_size = size;
	}
	do {
		n = sendto(k->fd, buf, len, 0, (const struct sockaddr *) &to, sizeof to);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t
kernel_recv(void *user, void *buf, size_t size, int timeout_ms)
{
	struct kernel *k = user;

	for (;;) {
		struct sockaddr_nl from = { 0 };
		struct iovec part = { .iov_base = buf, .iov_len = size };
		struct msghdr header = { .msg_name = &from,
					 .msg_namelen = sizeof from,
					 .msg_iov = &part,
					 .msg_iovlen = 1 };
		struct pollfd ready = { .fd = k->fd, .events = POLLIN };
		ssize_t n = recvmsg(k->fd, &header, MSG_DONTWAIT);

		if (n >= 0 && (header.msg_flags & MSG_TRUNC) != 0)
			return -EMSGSIZE;
		/* Whoever else writes to us is not listened to. */
		if (n >= 0 && from.nl_pid == 0)
			return n;
		if (n >= 0 || errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (timeout_ms == 0)
			return -EAGAIN;
		n = poll(&ready, 1, timeout_ms);
		if (n == 0)
			return -EAGAIN;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static uint32_t
kernel_port_id(void *user)
{
	return ((struct kernel *) user)->port_id;
}

static int
kernel_fd(void *user)
{
	return ((struct kernel *) user)->fd;
}

static void
kernel_close(void *user)
{
	struct kernel *k = user;

	close(k->fd);
	g_free(k);
}

const struct weft_nft_transport weft_nft_transport_kernel = {
	.send = kernel_send,
	.recv = kernel_recv,
	.port_id = kernel_port_id,
	.fd = kernel_fd,
	.close = kernel_close,
};

void *
weft_nft_transport_open(uint32_t groups, GError **error)
{
	struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_groups = groups };
	socklen_t len = sizeof own;
	/* A monitor gets an event for each element that somebody adds. */
	int on = 1, receive_size = groups != 0 ? 8 * 1024 * 1024 : 256 * 1024;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	struct kernel *k;

	if (fd < 0 || bind(fd, (const struct sockaddr *) &own, sizeof own) < 0 ||
	    getsockname(fd, (struct sockaddr *) &own, &len) < 0) {
		weft_nft_error_set(error, errno, NULL);
		g_prefix_error(error, "open a netfilter socket: ");
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	/* Comforts: what the kernel does not know is done without. */
	(void) setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	(void) setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	(void) setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_size, sizeof receive_size) < 0)
		(void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_size, sizeof receive_size);
	k = g_new0(struct kernel, 1);
	k->fd = fd;
	k->port_id = own.nl_pid;
	k->send_size = 32 * 1024;
	return k;
}

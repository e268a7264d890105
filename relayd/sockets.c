/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening sockets, and addresses between their notations. */
#include "relayd/worker_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static const uint8_t v4_prefix[12] = { [10] = 0xff, 0xff };

struct relay_end
relay_end_of(const struct sockaddr_in6 *name)
{
	struct relay_end e = { 0 };

	if (name->sin6_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, name, sizeof(in));
		memcpy(e.addr, v4_prefix, sizeof(v4_prefix));
		memcpy(e.addr + 12, &in.sin_addr, 4);
		e.port = ntohs(in.sin_port);
	} else {
		memcpy(e.addr, &name->sin6_addr, 16);
		e.port = ntohs(name->sin6_port);
	}
	return e;
}

socklen_t
relay_end_name(const struct relay_end *e, bool v6, struct sockaddr_in6 *ret)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(e->port) };

	if (v6) {
		*ret = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					      .sin6_port = htons(e->port) };
		memcpy(&ret->sin6_addr, e->addr, 16);
		return sizeof(*ret);
	}
	memcpy(&in.sin_addr, e->addr + 12, 4);
	memcpy(ret, &in, sizeof(in));
	return sizeof(in);
}

static bool
set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/* As large as we may have them. */
static void
set_buffers(int fd, int size)
{
	if (!set(fd, SOL_SOCKET, SO_RCVBUFFORCE, size))
		(void) set(fd, SOL_SOCKET, SO_RCVBUF, size); /* the kernel caps it */
	if (!set(fd, SOL_SOCKET, SO_SNDBUFFORCE, size))
		(void) set(fd, SOL_SOCKET, SO_SNDBUF, size); /* the kernel caps it */
}

static void
set_udp(const struct relay_worker_config *config, int fd, bool v6)
{
	/* Each of these is a help that an old kernel may lack. */
	if (!config->no_gro)
		(void) set(fd, IPPROTO_UDP, UDP_GRO, 1);
	(void) set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	(void) set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	if (v6)
		(void) set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

static int
bind_listener(int fd, const struct relay_listen *at, bool v6)
{
	struct sockaddr_storage name;
	unsigned len = weft_endpoint_to_sockaddr(&at->at, &name);

	if (!set(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !set(fd, SOL_SOCKET, SO_REUSEPORT, 1))
		return -errno;
	if (v6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0))
		return -errno;
	if (bind(fd, (struct sockaddr *) &name, len) != 0)
		return -errno;
	return 0;
}

static int
open_listener(const struct relay_worker_config *config, const struct relay_listen *at, bool v6)
{
	bool udp = at->transport == RELAY_UDP;
	int fd = socket(v6 ? AF_INET6 : AF_INET,
			(udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	error = bind_listener(fd, at, v6);
	if (error == 0 && udp) {
		set_udp(config, fd, v6);
		set_buffers(fd, RELAY_SOCKET_BUFFER);
		if (!set(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1))
			error = -errno;
	} else if (error == 0) {
		if (listen(fd, 4096) != 0)
			error = -errno;
	}
	if (error != 0) {
		close(fd);
		return error;
	}
	return fd;
}

int
relay_socket_listen(const struct relay_worker_config *config,
		    const struct relay_listen *at,
		    struct relay_listener *ret)
{
	static const uint8_t none[16];
	struct sockaddr_in6 name = { 0 };
	socklen_t len = sizeof(name);
	bool v6 = at->at.addr.family == WEFT_FAMILY_IPV6;
	int fd = at->inherited_fd;

	if (fd < 0)
		fd = open_listener(config, at, v6);
	if (fd < 0)
		return fd;
	if (getsockname(fd, (struct sockaddr *) &name, &len) != 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	ret->listen = *at;
	ret->v6 = name.sin6_family == AF_INET6;
	ret->local = relay_end_of(&name);
	ret->wildcard = memcmp(ret->local.addr, none, 16) == 0 ||
			(!ret->v6 && memcmp(ret->local.addr + 12, none, 4) == 0);
	ret->source.fd = fd;
	return fd;
}

/* A relay socket: one address, one port, errors of the network reported. */
int
relay_socket_open(const struct relay_worker *w, const struct weft_endpoint *local)
{
	bool v6 = local->addr.family == WEFT_FAMILY_IPV6;
	struct sockaddr_storage name;
	unsigned len = weft_endpoint_to_sockaddr(local, &name);
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (v6 && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
		error = -errno;
	else if (bind(fd, (struct sockaddr *) &name, len) != 0)
		error = -errno;
	if (error != 0) {
		close(fd);
		return error;
	}
	set_udp(&w->config, fd, v6);
	(void) set(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR,
		   1); /* without it ICMP is not passed on, no more */
	return fd;
}

void
relay_socket_df(int fd, enum relay_family family, bool on)
{
	/* A refusal means that the datagram may be fragmented. */
	if (family == RELAY_V4)
		(void) set(fd, IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
	else
		(void) set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
			   on ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
}

struct relay_received
relay_received_parse(struct msghdr *msg)
{
	struct relay_received r = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		const void *data = CMSG_DATA(c);

		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int segment;

			memcpy(&segment, data, sizeof(segment));
			r.segment = (uint16_t) segment;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&r.overflow, data, sizeof(r.overflow));
			r.has_overflow = true;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, data, sizeof(info));
			memcpy(r.to, v4_prefix, sizeof(v4_prefix));
			memcpy(r.to + 12, &info.ipi_addr, 4);
			r.has_to = true;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, data, sizeof(info));
			memcpy(r.to, &info.ipi6_addr, 16);
			r.has_to = true;
		}
	}
	return r;
}

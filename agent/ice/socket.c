/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ice/socket.h"

#include "base/address.h"
#include "stun/wire.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UDP_HEADER_LEN  8
#define UDP_CHECKSUM_AT 6
#define IP_HEADER_MIN   20

/* Longest datagram taken: STUN with everything in it is far below an Ethernet frame. */
#define DATAGRAM_MAX 2048

/* Destinations whose source address is remembered: some for every peer of a large mesh. */
#define CACHE_MAX 16384

struct ice_socket {
	int fd;
	enum weft_family family;
	uint16_t port;
	uint32_t fwmark;
	GHashTable *sources; /* destination -> source, struct weft_address both */
	uint8_t buf[ICE_SOCKET_BATCH][DATAGRAM_MAX];
};

static int
last_error(void)
{
	return errno != 0 ? -errno : -EIO;
}

/* Destination port and magic cookie. A raw IPv4 socket sees the IP header, an IPv6 one begins at
 * the UDP header. */
static int
attach_filter(int fd, enum weft_family family, uint16_t port)
{
	struct sock_filter code[] = {
		family == WEFT_FAMILY_IPV4
			? (struct sock_filter) BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
			: (struct sock_filter) BPF_STMT(BPF_LDX | BPF_IMM, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, UDP_HEADER_LEN + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WEFT_STUN_COOKIE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT16_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { G_N_ELEMENTS(code), code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return last_error();
	return 0;
}

/* What arrived between socket() and the filter. */
static void
drain(int fd)
{
	char byte;

	while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) >= 0)
		;
}

static int
set_options(int fd, const struct ice_socket_config *config)
{
	int offset = UDP_CHECKSUM_AT, on = 1;

	if (config->fwmark != 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &config->fwmark, sizeof(config->fwmark)) < 0)
		return last_error();
	if (config->family == WEFT_FAMILY_IPV6 &&
	    (setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof(offset)) < 0 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0))
		return last_error();
	return attach_filter(fd, config->family, config->port);
}

static guint
address_hash(gconstpointer p)
{
	const struct weft_address *a = p;
	guint h = a->family, w;
	unsigned i;

	for (i = 0; i < 16; i += 4) {
		memcpy(&w, a->b + i, 4);
		h = (h ^ w) * 0x9e3779b1u;
	}
	return h;
}

static gboolean
address_equal(gconstpointer a, gconstpointer b)
{
	return weft_address_equal(a, b);
}

int
ice_socket_open(IceSocket **ret, const struct ice_socket_config *config)
{
	int af = config->family == WEFT_FAMILY_IPV6 ? AF_INET6 : AF_INET;
	int fd = socket(af, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
	IceSocket *s;
	int r;

	if (fd < 0)
		return last_error();
	r = set_options(fd, config);
	if (r < 0) {
		(void) close(fd); /* nothing was written */
		return r;
	}
	drain(fd);
	s = g_new0(IceSocket, 1);
	s->fd = fd;
	s->family = config->family;
	s->port = config->port;
	s->fwmark = config->fwmark;
	s->sources = g_hash_table_new_full(address_hash, address_equal, g_free, g_free);
	*ret = s;
	return 0;
}

void
ice_socket_close(IceSocket *socket)
{
	if (socket == NULL)
		return;
	(void) close(socket->fd); /* nothing was written */
	g_hash_table_unref(socket->sources);
	g_free(socket);
}

int
ice_socket_fd(const IceSocket *socket)
{
	return socket->fd;
}

int
ice_socket_set_port(IceSocket *socket, uint16_t port)
{
	int r = attach_filter(socket->fd, socket->family, port);

	if (r == 0)
		socket->port = port;
	return r;
}

void
ice_socket_flush(IceSocket *socket)
{
	g_hash_table_remove_all(socket->sources);
}

/* Asks the kernel which source address its route to @to gives: by connecting a socket that never
 * sends. */
static int
look_up_source(const IceSocket *s, const struct weft_address *to, struct weft_address *ret)
{
	struct weft_endpoint e = { *to, 9 };
	struct sockaddr_storage sa;
	socklen_t len = weft_endpoint_to_sockaddr(&e, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = 0;

	if (fd < 0)
		return last_error();
	if ((s->fwmark != 0 &&
	     setsockopt(fd, SOL_SOCKET, SO_MARK, &s->fwmark, sizeof(s->fwmark)) < 0) ||
	    connect(fd, (const struct sockaddr *) &sa, len) < 0) {
		r = last_error();
	} else {
		len = sizeof(sa);
		if (getsockname(fd, (struct sockaddr *) &sa, &len) < 0)
			r = last_error();
		else if (!weft_endpoint_from_sockaddr(&e, (const struct sockaddr *) &sa, len))
			r = -EAFNOSUPPORT;
		else
			*ret = e.addr;
	}
	(void) close(fd); /* nothing was written */
	return r;
}

static int
source_of(IceSocket *s, const struct ice_path *to, struct weft_address *ret)
{
	const struct weft_address *cached;
	int r;

	if (to->local.family == s->family) {
		*ret = to->local;
		return 0;
	}
	cached = g_hash_table_lookup(s->sources, &to->remote.addr);
	if (cached != NULL) {
		*ret = *cached;
		return 0;
	}
	r = look_up_source(s, &to->remote.addr, ret);
	if (r < 0)
		return r;
	if (g_hash_table_size(s->sources) >= CACHE_MAX)
		g_hash_table_remove_all(s->sources);
	g_hash_table_insert(s->sources, g_memdup2(&to->remote.addr, sizeof(to->remote.addr)),
			    g_memdup2(ret, sizeof(*ret)));
	return 0;
}

static uint32_t
sum(uint32_t total, const uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		total += (uint32_t) (p[i] << 8 | p[i + 1]);
	if (len % 2 != 0)
		total += (uint32_t) p[len - 1] << 8;
	return total;
}

/* RFC 768, over the pseudo header of IPv4. */
static uint16_t
checksum(const struct weft_address *from,
	 const struct weft_address *to,
	 const uint8_t header[UDP_HEADER_LEN],
	 const uint8_t *buf,
	 size_t len)
{
	uint32_t total = IPPROTO_UDP + (uint32_t) (UDP_HEADER_LEN + len);

	total = sum(total, from->b, 4);
	total = sum(total, to->b, 4);
	total = sum(total, header, UDP_HEADER_LEN);
	total = sum(total, buf, len);
	while (total >> 16 != 0)
		total = (total & UINT16_MAX) + (total >> 16);
	total = ~total & UINT16_MAX;
	return total != 0 ? (uint16_t) total : UINT16_MAX;
}

static void
put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t) (v >> 8);
	p[1] = (uint8_t) v;
}

/* Fixes the source address, which the checksum speaks of. */
static void
put_source(struct msghdr *msg, const struct weft_address *source)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (source->family == WEFT_FAMILY_IPV4) {
		struct in_pktinfo info = { 0 };

		memcpy(&info.ipi_spec_dst, source->b, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		msg->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		struct in6_pktinfo info = { 0 };

		memcpy(&info.ipi6_addr, source->b, 16);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		msg->msg_controllen = CMSG_SPACE(sizeof(info));
	}
}

/* A remembered source may have gone with its interface: then the route is asked anew. */
static bool
source_is_stale(int error)
{
	return error == -EINVAL || error == -EADDRNOTAVAIL || error == -ENETUNREACH ||
	       error == -EHOSTUNREACH || error == -ENODEV;
}

static int
send_once(IceSocket *s, const struct ice_path *to, const uint8_t *buf, size_t len)
{
	struct weft_endpoint raw = { to->remote.addr, 0 };
	struct weft_address source = { 0 };
	uint8_t header[UDP_HEADER_LEN] = { 0 };
	struct iovec parts[2] = { { header, sizeof(header) }, { (void *) (uintptr_t) buf, len } };
	union {
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct sockaddr_storage sa;
	struct msghdr msg = { .msg_name = &sa, .msg_iov = parts, .msg_iovlen = 2 };
	int r;

	put_u16(header, s->port);
	put_u16(header + 2, to->remote.port);
	put_u16(header + 4, (uint16_t) (UDP_HEADER_LEN + len));
	if (s->family == WEFT_FAMILY_IPV4) {
		r = source_of(s, to, &source);
		if (r < 0)
			return r;
		put_u16(header + UDP_CHECKSUM_AT,
			checksum(&source, &to->remote.addr, header, buf, len));
	} else {
		source = to->local;
	}
	if (source.family == s->family) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		put_source(&msg, &source);
	}
	msg.msg_namelen = weft_endpoint_to_sockaddr(&raw, &sa);
	return sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? last_error() : 0;
}

int
ice_socket_send(IceSocket *socket, const struct ice_path *to, const uint8_t *buf, size_t len)
{
	int r;

	if (to->relay != 0 || to->remote.addr.family != socket->family ||
	    len > UINT16_MAX - UDP_HEADER_LEN - IP_HEADER_MIN)
		return -EINVAL;
	r = send_once(socket, to, buf, len);
	if (r < 0 && source_is_stale(r) && g_hash_table_remove(socket->sources, &to->remote.addr))
		r = send_once(socket, to, buf, len);
	return r;
}

/* The UDP datagram within what a raw IPv4 socket received. */
static bool
strip_ip(const uint8_t **buf, size_t *len, struct weft_address *ret_local)
{
	size_t header = *len >= IP_HEADER_MIN ? (size_t) ((*buf)[0] & 15) * 4 : 0;

	if (header < IP_HEADER_MIN || header > *len)
		return false;
	memcpy(ret_local->b, *buf + 16, 4);
	ret_local->family = WEFT_FAMILY_IPV4;
	*buf += header;
	*len -= header;
	return true;
}

static void
take_local(struct msghdr *msg, struct weft_address *ret)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		struct in6_pktinfo info;

		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO ||
		    c->cmsg_len < CMSG_LEN(sizeof(info)))
			continue;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		/* Link-local ones would need their interface; the route finds it as well. */
		if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) &&
		    !IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
			*ret = weft_address_v6(info.ipi6_addr.s6_addr);
	}
}

static bool
take_datagram(const IceSocket *s, struct ice_datagram *ret, struct msghdr *msg, size_t received)
{
	const uint8_t *buf = msg->msg_iov[0].iov_base;
	size_t len = received, udp_len;

	memset(ret, 0, sizeof(*ret));
	if ((msg->msg_flags & MSG_TRUNC) != 0 ||
	    !weft_endpoint_from_sockaddr(&ret->from.remote, msg->msg_name, msg->msg_namelen))
		return false;
	if (s->family == WEFT_FAMILY_IPV6)
		take_local(msg, &ret->from.local);
	else if (!strip_ip(&buf, &len, &ret->from.local))
		return false;
	if (len < UDP_HEADER_LEN)
		return false;
	udp_len = (size_t) (buf[4] << 8 | buf[5]);
	if (udp_len < UDP_HEADER_LEN || udp_len > len)
		return false;
	ret->from.remote.port = (uint16_t) (buf[0] << 8 | buf[1]);
	ret->buf = buf + UDP_HEADER_LEN;
	ret->len = udp_len - UDP_HEADER_LEN;
	return true;
}

int
ice_socket_receive(IceSocket *socket, struct ice_datagram ret[ICE_SOCKET_BATCH])
{
	struct mmsghdr messages[ICE_SOCKET_BATCH];
	struct iovec parts[ICE_SOCKET_BATCH];
	struct sockaddr_storage names[ICE_SOCKET_BATCH];
	union {
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} controls[ICE_SOCKET_BATCH];
	int n, i, taken;

	for (i = 0; i < ICE_SOCKET_BATCH; i++) {
		parts[i] = (struct iovec){ socket->buf[i], DATAGRAM_MAX };
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &names[i],
			.msg_namelen = sizeof(names[i]),
			.msg_iov = &parts[i],
			.msg_iovlen = 1,
			.msg_control = controls[i].space,
			.msg_controllen = sizeof(controls[i].space),
		};
	}
	n = recvmmsg(socket->fd, messages, ICE_SOCKET_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return last_error();
	for (i = taken = 0; i < n; i++) {
		if (take_datagram(socket, &ret[taken], &messages[i].msg_hdr, messages[i].msg_len))
			taken++;
	}
	return taken;
}

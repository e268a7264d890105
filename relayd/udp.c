/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Datagrams in: from clients at the listening sockets, from peers at the relay sockets. */
#include "relayd/worker_private.h"
#include "stun/message.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>
#include <sys/epoll.h>

/* Datagrams taken from one relay socket at a time, and rounds before others have their turn. */
#define PEER_BATCH 8
#define ROUNDS     4

void
relay_count_route(struct relay_counters *c, enum relay_route route)
{
	switch (route) {
	case RELAY_ROUTE_OK:
		break;
	case RELAY_ROUTE_NO_ALLOCATION:
		relay_count(&c->drop_allocation, 1);
		break;
	case RELAY_ROUTE_NO_CHANNEL:
		relay_count(&c->drop_channel, 1);
		break;
	case RELAY_ROUTE_NO_PERMISSION:
		relay_count(&c->drop_permission, 1);
		break;
	case RELAY_ROUTE_MALFORMED:
		relay_count(&c->drop_malformed, 1);
		break;
	}
}

/* --- From clients --- */

static bool
is_send(const uint8_t *buf, size_t len)
{
	return len >= WEFT_STUN_HEADER_LEN && buf[0] == 0x00 && buf[1] == 0x16;
}

static void
send_indication(RelayWorker *w, const struct relay_flow *flow, const uint8_t *buf, size_t len)
{
	struct weft_stun_message m;
	struct relay_hop hop;
	enum relay_route route = RELAY_ROUTE_MALFORMED;
	bool df = false;

	if (weft_stun_parse(&m, buf, len) == WEFT_STUN_OK)
		route = relay_core_send(&w->core, flow, &m, &hop, &df);
	if (route != RELAY_ROUTE_OK) {
		relay_count_route(&w->counters, route);
		return;
	}
	if (df)
		relay_to_peer_df(w, &hop, buf + hop.offset);
	else
		relay_to_peer(w, &hop, buf + hop.offset);
}

static void
channel_data(RelayWorker *w, const struct relay_flow *flow, const uint8_t *buf, size_t len)
{
	struct relay_hop hop;
	enum relay_route route = relay_route_channel(w->core.tables, flow, buf, len, &hop);

	if (route == RELAY_ROUTE_OK)
		relay_to_peer(w, &hop, buf + hop.offset);
	else
		relay_count_route(&w->counters, route);
}

void
relay_client_frame(RelayWorker *w,
		   const struct relay_flow *flow,
		   uint32_t stream,
		   const uint8_t *buf,
		   size_t len)
{
	uint8_t answer[RELAY_ANSWER_MAX];
	size_t n;

	if (len > 0 && (buf[0] & 0xc0) == 0x40) {
		channel_data(w, flow, buf, len);
		return;
	}
	if (is_send(buf, len)) {
		send_indication(w, flow, buf, len);
		return;
	}
	/* What is answered may close sockets that packets still wait for. */
	relay_to_peer_flush(w);
	n = relay_core_request(&w->core, flow, stream, buf, len, answer);
	if (n == 0)
		return;
	if (stream == RELAY_NONE) {
		relay_to_client_answer(w, flow, answer, n);
	} else {
		struct iovec iov = { answer, n };

		relay_stream_write(w, stream, &iov, 1, 0);
	}
}

/* A train of ChannelData of one channel: looked up once. False if it is not that. */
static bool
channel_train(RelayWorker *w,
	      const struct relay_flow *flow,
	      const uint8_t *buf,
	      size_t len,
	      size_t segment)
{
	struct relay_hop hop;

	if ((buf[0] & 0xc0) != 0x40 ||
	    relay_route_channel(w->core.tables, flow, buf, segment, &hop) != RELAY_ROUTE_OK)
		return false;
	for (size_t at = 0; at < len; at += segment) {
		const uint8_t *p = buf + at;
		size_t n = len - at < segment ? len - at : segment;
		uint16_t payload;

		if (n < 4 || p[0] != buf[0] || p[1] != buf[1]) {
			relay_client_frame(w, flow, RELAY_NONE, p, n);
			continue;
		}
		payload = (uint16_t) (p[2] << 8 | p[3]);
		if (payload > n - 4) {
			relay_count(&w->counters.drop_malformed, 1);
			continue;
		}
		hop.len = payload;
		relay_to_peer(w, &hop, p + 4);
	}
	return true;
}

static void
client_datagram(RelayWorker *w, struct relay_listener *l, unsigned i)
{
	struct relay_inbox *in = &w->inbox;
	struct msghdr *msg = &in->headers[i].msg_hdr;
	struct relay_received r = relay_received_parse(msg);
	const uint8_t *buf = in->iov[i].iov_base;
	size_t len = in->headers[i].msg_len, segment = r.segment > 0 ? r.segment : len;
	struct relay_flow flow = { 0 };

	if (r.has_overflow && r.overflow != l->overflow) {
		relay_count(&w->counters.drop_overflow, r.overflow - l->overflow);
		l->overflow = r.overflow;
	}
	if (len == 0 || (msg->msg_flags & MSG_TRUNC) != 0)
		return;
	flow.client = relay_end_of(&in->names[i]);
	flow.server = l->local;
	if (l->wildcard && r.has_to)
		memcpy(flow.server.addr, r.to, sizeof(r.to));
	flow.transport = RELAY_UDP;
	flow.listener = (uint8_t) (l - w->listeners);
	if (segment < len && channel_train(w, &flow, buf, len, segment))
		return;
	for (size_t at = 0; at < len; at += segment)
		relay_client_frame(w, &flow, RELAY_NONE, buf + at,
				   len - at < segment ? len - at : segment);
}

void
relay_udp_ready(struct relay_source *source, RelayWorker *w, uint32_t events)
{
	struct relay_listener *l = (struct relay_listener *) source;

	(void) events; /* whatever it is, a read tells */
	for (int round = 0; round < ROUNDS; round++) {
		unsigned first;
		int n = relay_inbox_receive(w, source->fd, RELAY_BATCH, &first);

		if (n <= 0)
			return;
		for (unsigned i = first; i < first + (unsigned) n; i++)
			client_datagram(w, l, i);
		if (n < RELAY_BATCH)
			return;
	}
}

/* --- From peers --- */

/* RFC 8656 section 11.5: which errors a client is told of. */
static bool
icmp_matters(const struct sock_extended_err *e)
{
	if (e->ee_origin == SO_EE_ORIGIN_ICMP)
		return e->ee_type == 3 || e->ee_type == 11 || e->ee_type == 12;
	return e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type >= 1 && e->ee_type <= 4;
}

/* The MTU of "fragmentation needed" and "packet too big"; zero otherwise. */
static uint32_t
icmp_data(const struct sock_extended_err *e)
{
	bool too_big = e->ee_origin == SO_EE_ORIGIN_ICMP ? e->ee_type == 3 && e->ee_code == 4
							 : e->ee_type == 2;

	return too_big ? e->ee_info : 0;
}

static void
tell_icmp(RelayWorker *w, uint32_t alloc, const struct relay_end *peer, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		struct sock_extended_err e;
		uint8_t out[RELAY_ANSWER_MAX];
		size_t n;

		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		if (!icmp_matters(&e))
			continue;
		n = relay_core_icmp(&w->core, alloc, peer, e.ee_type, e.ee_code, icmp_data(&e),
				    out);
		if (n > 0)
			relay_to_client_message(w, alloc, out, n);
	}
}

/* Empties the error queue. */
static void
peer_errors(RelayWorker *w, uint32_t alloc, int fd)
{
	for (int i = 0; i < PEER_BATCH; i++) {
		uint8_t control[512] __attribute__((aligned(8)));
		struct sockaddr_in6 name = { 0 };
		struct msghdr msg = { .msg_name = &name,
				      .msg_namelen = sizeof(name),
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		struct relay_end peer;

		if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		peer = relay_end_of(&name);
		tell_icmp(w, alloc, &peer, &msg);
	}
}

static void
peer_datagram(RelayWorker *w, uint32_t alloc, enum relay_family family, unsigned i)
{
	struct relay_inbox *in = &w->inbox;
	struct msghdr *msg = &in->headers[i].msg_hdr;
	struct relay_received r = relay_received_parse(msg);
	struct relay_end peer = relay_end_of(&in->names[i]);
	struct relay_hop hop;
	enum relay_route route;

	if ((msg->msg_flags & MSG_TRUNC) != 0)
		return;
	route = relay_route_peer(w->core.tables, alloc, family, &peer, &hop);
	if (route == RELAY_ROUTE_OK)
		relay_to_client_data(w, &hop, in->iov[i].iov_base, in->headers[i].msg_len,
				     r.segment);
	else
		relay_count_route(&w->counters, route);
}

void
relay_peer_ready(RelayWorker *w, uint32_t alloc, enum relay_family family, uint32_t events)
{
	const struct relay_alloc *a = relay_alloc_at_const(w->core.tables, alloc);
	uint32_t generation = a->generation;
	int fd = a->fd[family];

	if ((events & EPOLLERR) != 0)
		peer_errors(w, alloc, fd);
	for (int round = 0; round < ROUNDS; round++) {
		unsigned first;
		int n = relay_inbox_receive(w, fd, PEER_BATCH, &first);

		if (n <= 0)
			return;
		for (unsigned i = first; i < first + (unsigned) n; i++) {
			/* A write to a client's stream may end the allocation. */
			if (a->expires == 0 || a->generation != generation)
				return;
			peer_datagram(w, alloc, family, i);
		}
		if (n < PEER_BATCH || a->expires == 0 || a->generation != generation)
			return;
	}
}

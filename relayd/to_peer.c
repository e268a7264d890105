/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From clients to peers: packets of one channel that come in a row leave as one GSO train. */
#include "relayd/worker_private.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* What a send on an unconnected socket may fail with on behalf of an earlier one (IP_RECVERR):
 * the error is taken by the call, and the datagram goes out at the next try. */
static bool
is_old_error(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == EPROTO || error == EMSGSIZE || error == EOPNOTSUPP;
}

static bool
send_once(int fd, const struct msghdr *msg)
{
	ssize_t n = sendmsg(fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && is_old_error(errno))
		n = sendmsg(fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n >= 0;
}

/* Each packet by itself. Returns how many went. */
static unsigned
send_singly(int fd, struct msghdr *msg, struct iovec *iov, unsigned n)
{
	unsigned sent = 0;

	msg->msg_control = NULL;
	msg->msg_controllen = 0;
	for (unsigned i = 0; i < n; i++) {
		msg->msg_iov = &iov[i];
		msg->msg_iovlen = 1;
		sent += send_once(fd, msg);
	}
	return sent;
}

static unsigned
send_train(RelayWorker *w, int fd, struct msghdr *msg, const struct relay_train *t)
{
	uint8_t control[CMSG_SPACE(sizeof(uint16_t))] __attribute__((aligned(8))) = { 0 };
	uint16_t size = (uint16_t) t->size;
	struct cmsghdr *c;

	msg->msg_control = control;
	msg->msg_controllen = sizeof(control);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
	if (send_once(fd, msg))
		return t->n;
	/* A route whose MTU is below the size, or a device without the means. */
	return send_singly(fd, msg, w->train.iov, t->n);
}

void
relay_to_peer_flush(RelayWorker *w)
{
	struct relay_train *t = &w->train;
	struct relay_alloc *a;
	struct sockaddr_in6 name;
	struct msghdr msg = { .msg_iov = t->iov, .msg_iovlen = t->n, .msg_name = &name };
	unsigned sent;
	int fd;

	if (t->n == 0)
		return;
	a = relay_alloc_at(w->core.tables, t->hop.alloc);
	fd = a->fd[t->hop.family];
	msg.msg_namelen = relay_end_name(&t->hop.peer, t->hop.family == RELAY_V6, &name);
	if (t->n == 1)
		sent = send_once(fd, &msg);
	else if (w->config.no_gso)
		sent = send_singly(fd, &msg, t->iov, t->n);
	else
		sent = send_train(w, fd, &msg, t);
	a->to_peer_bytes += t->bytes;
	relay_count(&w->counters.udp_sent, sent);
	relay_count(&w->counters.to_peer_packets, sent);
	relay_count(&w->counters.to_peer_bytes, t->bytes);
	if (sent < t->n)
		relay_count(&w->counters.drop_send, t->n - sent);
	t->n = 0;
}

static bool
fits(const struct relay_train *t, const struct relay_hop *hop)
{
	return t->n > 0 && !t->ended && t->n < RELAY_SEGMENTS_MAX && hop->len > 0 &&
	       hop->len <= t->size && t->bytes + hop->len <= 65000 && t->hop.alloc == hop->alloc &&
	       t->hop.family == hop->family && relay_end_equal(&t->hop.peer, &hop->peer);
}

void
relay_to_peer(RelayWorker *w, const struct relay_hop *hop, const uint8_t *payload)
{
	struct relay_train *t = &w->train;

	if (!relay_core_bandwidth(&w->core, relay_alloc_at(w->core.tables, hop->alloc), hop->len))
		return;
	if (!fits(t, hop)) {
		relay_to_peer_flush(w);
		t->hop = *hop;
		t->size = hop->len;
		t->bytes = 0;
		t->ended = hop->len == 0;
	}
	t->iov[t->n++] = (struct iovec){ (void *) payload, hop->len };
	t->bytes += hop->len;
	t->ended |= hop->len < t->size;
}

void
relay_to_peer_df(RelayWorker *w, const struct relay_hop *hop, const uint8_t *payload)
{
	int fd = relay_alloc_at(w->core.tables, hop->alloc)->fd[hop->family];

	relay_to_peer_flush(w);
	relay_socket_df(fd, (enum relay_family) hop->family, true);
	relay_to_peer(w, hop, payload);
	relay_to_peer_flush(w);
	relay_socket_df(fd, (enum relay_family) hop->family, false);
}

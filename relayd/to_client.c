/* SPDX-License-Identifier: GPL-3.0-or-later */
/* To clients: answers, ChannelData and Data indications, gathered and sent by one sendmmsg() per
 * listening socket, trains by GSO. */
#include "relayd/worker_private.h"
#include "stun/frame.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static const uint8_t zeros[4];

/* Sends the segments of a train that GSO would not take one by one. */
static unsigned
send_apart(RelayWorker *w, int fd, unsigned i)
{
	struct relay_outbox *out = &w->outbox;
	struct msghdr msg = out->headers[i].msg_hdr;
	struct iovec *iov = msg.msg_iov, *end = iov + msg.msg_iovlen;
	unsigned sent = 0;

	/* The source address stays, the segment size goes: it is the last in the buffer. */
	if (msg.msg_controllen > 0)
		msg.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
	if (msg.msg_controllen == 0)
		msg.msg_control = NULL;
	while (iov < end) {
		size_t len = 0;
		struct iovec *from = iov;

		while (iov < end && len < out->segment[i])
			len += (iov++)->iov_len;
		msg.msg_iov = from;
		msg.msg_iovlen = (size_t) (iov - from);
		sent += sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	}
	return sent;
}

void
relay_outbox_flush(RelayWorker *w)
{
	struct relay_outbox *out = &w->outbox;
	unsigned i = 0, sent = 0;

	while (i < out->n) {
		int fd = out->listener->source.fd;
		int n = sendmmsg(fd, &out->headers[i], out->n - i, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			i += (unsigned) n;
			sent += (unsigned) n;
			continue;
		}
		/* The first of them failed: it costs itself, not the others. */
		if (out->segment[i] > 0 && errno != EAGAIN)
			sent += send_apart(w, fd, i) > 0;
		else
			relay_count(&w->counters.drop_send, 1);
		i++;
	}
	relay_count(&w->counters.udp_sent, sent);
	out->n = out->n_iov = 0;
	out->arena_used = out->answer_len = 0;
}

/* Room for one more message of @iov parts and @bytes of headers to a client of @flow. */
static void
make_room(RelayWorker *w, const struct relay_flow *flow, unsigned iov, size_t bytes)
{
	struct relay_outbox *out = &w->outbox;
	const struct relay_listener *l = &w->listeners[flow->listener];

	if (out->n == RELAY_BATCH || out->n_iov + iov > RELAY_OUT_IOV ||
	    out->arena_used + bytes > RELAY_OUT_ARENA || (out->n > 0 && out->listener != l))
		relay_outbox_flush(w);
	out->listener = l;
}

static uint8_t *
arena(struct relay_outbox *out, size_t len)
{
	uint8_t *p = out->arena + out->arena_used;

	out->arena_used += len;
	return p;
}

static void
add_part(struct relay_outbox *out, const void *p, size_t len)
{
	if (len > 0)
		out->iov[out->n_iov++] = (struct iovec){ (void *) p, len };
}

static struct cmsghdr *
add_control(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c =
		(struct cmsghdr *) (void *) ((char *) msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
	return c;
}

/* The address that the client knows us by. */
static void
add_source(const struct relay_listener *l, const struct relay_flow *flow, struct msghdr *msg)
{
	if (l->v6) {
		struct in6_pktinfo info = { 0 };

		memcpy(&info.ipi6_addr, flow->server.addr, 16);
		add_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	} else {
		struct in_pktinfo info = { 0 };

		memcpy(&info.ipi_spec_dst, flow->server.addr + 12, 4);
		add_control(msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
}

/* Closes the message whose parts begin at @first. */
static void
end_message(RelayWorker *w, const struct relay_flow *flow, unsigned first, size_t segment)
{
	struct relay_outbox *out = &w->outbox;
	unsigned i = out->n++;
	struct msghdr *msg = &out->headers[i].msg_hdr;

	out->answer_len = 0;
	*msg = (struct msghdr){
		.msg_name = &out->names[i],
		.msg_iov = &out->iov[first],
		.msg_iovlen = out->n_iov - first,
		.msg_control = out->control[i],
	};
	msg->msg_namelen = relay_end_name(&flow->client, out->listener->v6, &out->names[i]);
	if (out->listener->wildcard)
		add_source(out->listener, flow, msg);
	out->segment[i] = (uint16_t) segment;
	if (segment > 0) {
		uint16_t size = (uint16_t) segment;

		add_control(msg, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
	}
	if (msg->msg_controllen == 0)
		msg->msg_control = NULL;
}

/* Makes one more answer a segment of the last message: a client that asks several things at once
 * is answered by one train. */
static bool
join_answer(RelayWorker *w, const struct relay_flow *flow, const uint8_t *answer, size_t len)
{
	struct relay_outbox *out = &w->outbox;
	struct msghdr *msg;

	if (out->answer_len != len || out->n_iov == RELAY_OUT_IOV ||
	    out->arena_used + len > RELAY_OUT_ARENA || w->config.no_gso ||
	    memcmp(&out->answered, flow, sizeof(*flow)) != 0)
		return false;
	msg = &out->headers[out->n - 1].msg_hdr;
	if (msg->msg_iovlen == RELAY_SEGMENTS_MAX)
		return false;
	add_part(out, memcpy(arena(out, len), answer, len), len);
	if (msg->msg_iovlen++ == 1) {
		uint16_t size = (uint16_t) len;

		msg->msg_control = out->control[out->n - 1];
		add_control(msg, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
		out->segment[out->n - 1] = size;
	}
	return true;
}

void
relay_to_client_answer(RelayWorker *w,
		       const struct relay_flow *flow,
		       const uint8_t *answer,
		       size_t len)
{
	struct relay_outbox *out = &w->outbox;
	unsigned first;

	if (join_answer(w, flow, answer, len))
		return;
	make_room(w, flow, 1, len);
	first = out->n_iov;
	add_part(out, memcpy(arena(out, len), answer, len), len);
	end_message(w, flow, first, 0);
	out->answered = *flow;
	out->answer_len = len;
}

void
relay_to_client_message(RelayWorker *w, uint32_t alloc, const uint8_t *message, size_t len)
{
	const struct relay_alloc *a = relay_alloc_at_const(w->core.tables, alloc);
	struct iovec iov = { (void *) message, len };

	if (a->stream == RELAY_NONE)
		relay_to_client_answer(w, &a->flow, message, len);
	else
		relay_stream_write(w, a->stream, &iov, 1, 0);
}

/* The bytes before a payload of @len bytes; *@ret_pad is what must follow it. */
static size_t
frame_header(RelayWorker *w,
	     const struct relay_hop *hop,
	     uint8_t *out,
	     size_t len,
	     bool stream,
	     size_t *ret_pad)
{
	uint32_t count;

	if (hop->channel != 0) {
		weft_stun_channel_header(out, hop->channel, (uint16_t) len);
		*ret_pad = stream ? weft_stun_padding(len) : 0;
		return WEFT_STUN_CHANNEL_HEADER_LEN;
	}
	memcpy(&count, w->transaction + 8, sizeof(count));
	count++;
	memcpy(w->transaction + 8, &count, sizeof(count));
	*ret_pad = weft_stun_padding(len);
	return relay_data_header(out, w->transaction, &hop->peer, (uint16_t) len);
}

/* Appends one frame to the parts of the message that is being made; returns its size. */
static size_t
add_frame(RelayWorker *w,
	  const struct relay_hop *hop,
	  const uint8_t *payload,
	  size_t len,
	  bool stream)
{
	struct relay_outbox *out = &w->outbox;
	uint8_t *header = out->arena + out->arena_used;
	size_t pad, n = frame_header(w, hop, header, len, stream, &pad);

	out->arena_used += n;
	add_part(out, header, n);
	add_part(out, payload, len);
	add_part(out, zeros, pad);
	return n + len + pad;
}

static void
to_stream(RelayWorker *w,
	  const struct relay_hop *hop,
	  const uint8_t *payload,
	  size_t len,
	  size_t segment)
{
	const struct relay_alloc *a = relay_alloc_at_const(w->core.tables, hop->alloc);
	struct relay_outbox *out = &w->outbox;
	unsigned packets = 0;

	/* The outbox lends its arena and vector; nothing of it stays behind. */
	relay_outbox_flush(w);
	for (size_t at = 0; at < len || packets == 0; at += segment, packets++)
		add_frame(w, hop, payload + at, len - at < segment ? len - at : segment, true);
	relay_stream_write(w, a->stream, out->iov, (int) out->n_iov, packets);
	out->n_iov = 0;
	out->arena_used = 0;
}

/* Room for a whole train of frames. */
static unsigned
begin_train(RelayWorker *w, const struct relay_flow *flow)
{
	make_room(w, flow, 3 * RELAY_SEGMENTS_MAX,
		  (size_t) RELAY_SEGMENTS_MAX * RELAY_DATA_HEADER_MAX);
	return w->outbox.n_iov;
}

/* Frames of one size, the last maybe shorter, as trains that a GSO send takes: so many segments,
 * so many bytes. */
static void
datagrams(RelayWorker *w,
	  const struct relay_hop *hop,
	  const uint8_t *payload,
	  size_t len,
	  size_t segment)
{
	const struct relay_flow *flow = &relay_alloc_at_const(w->core.tables, hop->alloc)->flow;
	unsigned max = w->config.no_gso ? 1 : RELAY_SEGMENTS_MAX, n = 0;
	unsigned first = begin_train(w, flow);
	size_t at = 0, size = 0;

	do {
		size_t part = len - at < segment ? len - at : segment;

		part = add_frame(w, hop, payload + at, part, false);
		size = n == 0 ? part : size;
		n++;
		at += segment;
		if (at < len && (n == max || (n + 1) * size > 65000)) {
			end_message(w, flow, first, n > 1 ? size : 0);
			first = begin_train(w, flow);
			n = 0;
		}
	} while (at < len);
	end_message(w, flow, first, n > 1 ? size : 0);
}

void
relay_to_client_data(RelayWorker *w,
		     const struct relay_hop *hop,
		     const uint8_t *payload,
		     size_t len,
		     size_t segment)
{
	struct relay_alloc *a = relay_alloc_at(w->core.tables, hop->alloc);

	if (!relay_core_bandwidth(&w->core, a, (uint32_t) len))
		return;
	if (segment == 0 || segment > len)
		segment = len > 0 ? len : 1;
	a->to_client_bytes += len;
	relay_count(&w->counters.to_client_bytes, len);
	relay_count(&w->counters.to_client_packets, len > 0 ? (len + segment - 1) / segment : 1);
	if (a->stream != RELAY_NONE)
		to_stream(w, hop, payload, len, segment);
	else
		datagrams(w, hop, payload, len, segment);
}

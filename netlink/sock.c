/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/sock.h"

#include "base/env.h"
#include "base/key.h"
#include "netlink/attrs.h"
#include "netlink/error.h"
#include "netlink/limits.h"
#include "netlink/transport.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#define EXTACK_TEXT_SIZE 256

struct weft_nl_socket {
	enum weft_nl_bus bus;
	const struct weft_nl_transport *transport;
	void *user;
	uint32_t port;
	uint32_t seq;
	int timeout_ms;
	size_t used;  /* octets of @buf that hold something received */
	uint8_t *buf; /* WEFT_NL_RECV_SIZE */
};

/* One exchange while its answer comes in. */
struct exchange {
	WeftNlReplyFunc reply;
	void *user;
	bool dump;
	bool done;
	bool interrupted;
	GError *error; /* the first one; the answer is still read to its end */
};

WeftNlSocket *
weft_nl_socket_new(enum weft_nl_bus bus,
		   const struct weft_nl_transport *transport,
		   void *user,
		   const struct weft_env *env)
{
	WeftNlSocket *s = g_new0(WeftNlSocket, 1);

	s->bus = bus;
	s->transport = transport;
	s->user = user;
	s->port = transport->port_id(user);
	s->seq = weft_env_random_u32(env);
	s->timeout_ms = WEFT_NL_TIMEOUT_MS;
	s->buf = g_malloc(WEFT_NL_RECV_SIZE);
	return s;
}

WeftNlSocket *
weft_nl_socket_open(enum weft_nl_bus bus, const struct weft_env *env, GError **error)
{
	void *user = NULL;

	if (!weft_nl_transport_open(bus, NULL, 0, &user, error))
		return NULL;
	return weft_nl_socket_new(bus, weft_nl_transport_system(), user, env);
}

/* What was received may have held keys. */
static void
wipe(WeftNlSocket *s)
{
	if (s->used > 0)
		weft_wipe(s->buf, s->used);
	s->used = 0;
}

void
weft_nl_socket_free(WeftNlSocket *s)
{
	if (s == NULL)
		return;
	s->transport->close(s->user);
	wipe(s);
	g_free(s->buf);
	g_free(s);
}

void
weft_nl_socket_set_timeout_ms(WeftNlSocket *s, int timeout_ms)
{
	s->timeout_ms = timeout_ms;
}

int
weft_nl_socket_fd(const WeftNlSocket *s)
{
	return s->transport->fd(s->user);
}

static void
fail(WeftNlSocket *s, struct exchange *x, int err, const char *text)
{
	if (x->error == NULL)
		weft_nl_error_set(&x->error, weft_nl_bus_name(s->bus), err, text);
}

/* The text of an extended ack, in printable ASCII; false if there is none. @offset: where its
 * attributes begin. */
static bool
extack_text(const struct nlmsghdr *msg, size_t offset, char ret[EXTACK_TEXT_SIZE])
{
	static const struct weft_nl_attr_policy policy[NLMSGERR_ATTR_MAX + 1] = {
		[NLMSGERR_ATTR_MSG] = { WEFT_NL_ATTR_STRING, UINT16_MAX },
	};
	struct weft_nl_attr attrs[NLMSGERR_ATTR_MAX + 1];

	if ((msg->nlmsg_flags & NLM_F_ACK_TLVS) == 0 || offset > msg->nlmsg_len ||
	    !weft_nl_attrs_read(
		    weft_cursor((const uint8_t *) msg + offset, msg->nlmsg_len - offset), policy,
		    attrs, G_N_ELEMENTS(attrs)) ||
	    attrs[NLMSGERR_ATTR_MSG].p == NULL)
		return false;
	weft_nl_attr_copy(&attrs[NLMSGERR_ATTR_MSG], ret, EXTACK_TEXT_SIZE);
	for (char *p = ret; *p != '\0'; p++) {
		if (!g_ascii_isprint(*p))
			*p = '?';
	}
	return ret[0] != '\0';
}

/* Ends the exchange with the errno of an answer. */
static void
finish(WeftNlSocket *s, struct exchange *x, const struct nlmsghdr *msg, int err, size_t extack)
{
	char text[EXTACK_TEXT_SIZE];

	x->done = true;
	if (err > 0)
		fail(s, x, EBADMSG, "an acknowledgement with a positive error number");
	else if (err < 0)
		fail(s, x, -err, extack_text(msg, extack, text) ? text : NULL);
}

static void
on_error_message(WeftNlSocket *s, struct exchange *x, const struct nlmsghdr *msg)
{
	struct nlmsgerr e;
	size_t offset = NLMSG_HDRLEN + sizeof e;

	if (!weft_nl_msg_header(msg, &e, sizeof e)) {
		x->done = true;
		fail(s, x, EBADMSG, "a truncated acknowledgement");
		return;
	}
	if ((msg->nlmsg_flags & NLM_F_CAPPED) == 0 && e.msg.nlmsg_len > sizeof e.msg)
		offset += NLMSG_ALIGN(e.msg.nlmsg_len - sizeof e.msg);
	if (e.error == 0 && x->dump)
		return; /* an ack beside a dump says nothing: NLMSG_DONE ends it */
	finish(s, x, msg, e.error, offset);
}

static void
on_done_message(WeftNlSocket *s, struct exchange *x, const struct nlmsghdr *msg)
{
	int err = 0;

	/* Some families end without a number. */
	(void) weft_nl_msg_header(msg, &err, sizeof err);
	finish(s, x, msg, err, NLMSG_HDRLEN + sizeof err);
}

static void
on_message(WeftNlSocket *s, struct exchange *x, const struct nlmsghdr *msg)
{
	if (x->dump && (msg->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
		x->interrupted = true;
	switch (msg->nlmsg_type) {
	case NLMSG_NOOP:
		return;
	case NLMSG_ERROR:
		on_error_message(s, x, msg);
		return;
	case NLMSG_DONE:
		on_done_message(s, x, msg);
		return;
	case NLMSG_OVERRUN:
		fail(s, x, ENOBUFS, NULL);
		return;
	default:
		break;
	}
	if (x->error != NULL || x->interrupted)
		return; /* what comes is thrown away */
	if (x->reply == NULL)
		fail(s, x, EBADMSG, "an unexpected reply");
	else if (!x->reply(msg, x->user, &x->error) && x->error == NULL)
		fail(s, x, EBADMSG, "a malformed reply");
}

/* Walks the messages of one datagram of @len octets. */
static void
on_datagram(WeftNlSocket *s, struct exchange *x, size_t len)
{
	size_t pos = 0;

	while (pos < len && !x->done) {
		/* @buf comes from malloc and @pos is a multiple of 4: aligned as netlink wants. */
		const struct nlmsghdr *msg = (const void *) (s->buf + pos);

		if (len - pos < sizeof *msg || msg->nlmsg_len < sizeof *msg ||
		    msg->nlmsg_len > len - pos) {
			x->done = true;
			fail(s, x, EBADMSG, "a truncated message");
			return;
		}
		/* The late answer to an earlier question that timed out is nobody's. */
		if (msg->nlmsg_seq == s->seq && msg->nlmsg_pid == s->port)
			on_message(s, x, msg);
		pos += NLMSG_ALIGN(msg->nlmsg_len);
	}
}

/* Reads until the exchange is done. */
static void
receive(WeftNlSocket *s, struct exchange *x)
{
	while (!x->done) {
		ssize_t n = s->transport->recv(s->user, s->buf, WEFT_NL_RECV_SIZE, s->timeout_ms);

		if (n >= 0) {
			s->used = MAX(s->used, (size_t) n);
			on_datagram(s, x, (size_t) n);
		} else if (n == -ENOBUFS && x->dump) {
			x->interrupted = true; /* a part is lost: to the end, and again */
		} else if (n == -EAGAIN) {
			x->done = true;
			fail(s, x, ETIMEDOUT, "no answer in time");
		} else {
			x->done = true;
			fail(s, x, (int) -n, n == -EMSGSIZE ? "an oversized answer" : NULL);
		}
	}
}

static bool
exchange(WeftNlSocket *s, struct nlmsghdr *msg, uint16_t flags, struct exchange *x)
{
	ssize_t n;

	if (++s->seq == 0)
		s->seq = 1; /* 0 marks events */
	msg->nlmsg_flags |= NLM_F_REQUEST | flags;
	msg->nlmsg_seq = s->seq;
	msg->nlmsg_pid = s->port;
	n = s->transport->send(s->user, msg, msg->nlmsg_len);
	if (n < 0)
		fail(s, x, (int) -n, NULL);
	else
		receive(s, x);
	wipe(s);
	return x->error == NULL;
}

bool
weft_nl_socket_request(
	WeftNlSocket *s, struct nlmsghdr *msg, WeftNlReplyFunc func, void *user, GError **error)
{
	struct exchange x = { .reply = func, .user = user };

	if (exchange(s, msg, NLM_F_ACK, &x))
		return true;
	g_propagate_error(error, x.error);
	return false;
}

bool
weft_nl_socket_dump(WeftNlSocket *s,
		    struct nlmsghdr *msg,
		    const struct weft_nl_dump *dump,
		    GError **error)
{
	for (unsigned i = 0; i < WEFT_NL_DUMP_TRIES; i++) {
		struct exchange x = { .reply = dump->reply, .user = dump->user, .dump = true };

		if (dump->restart != NULL)
			dump->restart(dump->user);
		if (!exchange(s, msg, NLM_F_DUMP, &x)) {
			g_propagate_error(error, x.error);
			return false;
		}
		if (!x.interrupted)
			return true;
	}
	weft_nl_error_set(error, weft_nl_bus_name(s->bus), EINTR,
			  "the state kept changing while it was dumped");
	return false;
}

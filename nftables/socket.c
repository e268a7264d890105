/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/socket.h"

#include "base/env.h"
#include "nftables/attrs.h"
#include "nftables/batch.h"
#include "nftables/error.h"
#include "nftables/limits.h"
#include "nftables/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

struct weft_nft_socket {
	const struct weft_nft_transport *transport;
	void *user;
	const struct weft_env *env;
	uint32_t seq;
	int timeout_ms;
	_Alignas(struct nlmsghdr) uint8_t buf[WEFT_NFT_RECV_SIZE];
};

WeftNftSocket *
weft_nft_socket_new(const struct weft_nft_transport *transport,
		    void *user,
		    const struct weft_env *env)
{
	WeftNftSocket *s = g_new0(WeftNftSocket, 1);

	s->transport = transport;
	s->user = user;
	s->env = env;
	s->seq = weft_env_random_u32(env);
	s->timeout_ms = WEFT_NFT_TIMEOUT_MS;
	return s;
}

WeftNftSocket *
weft_nft_socket_open(const struct weft_env *env, GError **error)
{
	void *user = weft_nft_transport_open(0, error);

	return user == NULL ? NULL : weft_nft_socket_new(&weft_nft_transport_kernel, user, env);
}

void
weft_nft_socket_free(WeftNftSocket *s)
{
	if (s == NULL)
		return;
	s->transport->close(s->user);
	g_free(s);
}

void
weft_nft_socket_set_timeout_ms(WeftNftSocket *s, int timeout_ms)
{
	s->timeout_ms = timeout_ms;
}

uint32_t
weft_nft_socket_port_id(const WeftNftSocket *s)
{
	return s->transport->port_id(s->user);
}

/* The errno (0 or positive) of an NLMSG_ERROR or NLMSG_DONE, and the kernel's text behind it, which
 * points into @msg, or NULL. -1 if it is malformed. */
static int
read_ack(const struct nlmsghdr *msg, const char **ret_text)
{
	const struct nlattr *attr;
	size_t offset = sizeof(struct nlmsgerr);
	int err;

	*ret_text = NULL;
	if (mnl_nlmsg_get_payload_len(msg) < sizeof err)
		return -1;
	memcpy(&err, mnl_nlmsg_get_payload(msg), sizeof err);
	if (err > 0 || err < -4095)
		return -1;
	if (msg->nlmsg_type == NLMSG_DONE)
		offset = sizeof err;
	else if (mnl_nlmsg_get_payload_len(msg) < sizeof(struct nlmsgerr))
		return -1;
	if ((msg->nlmsg_flags & NLM_F_ACK_TLVS) == 0)
		return -err;
	/* Without NLM_F_CAPPED the refused message lies between. */
	if (msg->nlmsg_type == NLMSG_ERROR && (msg->nlmsg_flags & NLM_F_CAPPED) == 0)
		return -err;
	mnl_attr_for_each (attr, msg, offset) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			*ret_text = mnl_attr_get_str(attr);
	}
	return -err;
}

static void
set_malformed(GError **error)
{
	if (error != NULL && *error == NULL)
		g_set_error_literal(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_PROTOCOL,
				    "NETFILTER: a malformed answer");
}

static bool
send_all(WeftNftSocket *s, const void *buf, size_t len, GError **error)
{
	ssize_t n = s->transport->send(s->user, buf, len);

	if (n == -EMSGSIZE) {
		g_set_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_NO_BUFFERS,
			    "NETFILTER: a transaction of %zu octets exceeds the send buffer", len);
		return false;
	}
	if (n < 0) {
		weft_nft_error_set(error, (int) -n, NULL);
		return false;
	}
	if ((size_t) n != len) {
		weft_nft_error_set(error, EIO, NULL);
		return false;
	}
	return true;
}

/* One exchange: what belongs to it and how far it is. */
struct exchange {
	uint32_t first, last;                   /* numbers of the messages sent */
	const struct weft_nft_request *request; /* NULL: a transaction */
	WeftNftBatch *batch;
	bool interrupted;
	bool done;
	GError *error; /* the first one */
};

static void
take_ack(struct exchange *x, const struct nlmsghdr *msg)
{
	const char *text;
	int err = read_ack(msg, &text);

	if (err < 0) {
		set_malformed(&x->error);
		x->done = true;
		return;
	}
	if (err > 0 && x->error == NULL) {
		weft_nft_error_set(&x->error, err, text);
		if (x->batch != NULL)
			g_prefix_error(&x->error,
				       "%s: ", weft_nft_batch_what(x->batch, msg->nlmsg_seq));
	}
	/* A refused marker, and an error in the middle of a dump, are the end of it. */
	if (msg->nlmsg_seq == x->last || (msg->nlmsg_seq == x->first && err > 0))
		x->done = true;
}

static void
take_message(struct exchange *x, const struct nlmsghdr *msg)
{
	if (msg->nlmsg_seq - x->first > x->last - x->first)
		return; /* of an exchange that was given up */
	if ((msg->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
		x->interrupted = true;
	if (msg->nlmsg_type == NLMSG_ERROR || msg->nlmsg_type == NLMSG_DONE) {
		take_ack(x, msg);
		return;
	}
	if (msg->nlmsg_type < NLMSG_MIN_TYPE || x->error != NULL)
		return;
	if (x->request == NULL || mnl_nlmsg_get_payload_len(msg) < sizeof(struct nfgenmsg)) {
		set_malformed(&x->error);
		return;
	}
	if (!x->request->reply(msg, x->request->user, &x->error) && x->error == NULL)
		set_malformed(&x->error);
}

static void
take_datagram(WeftNftSocket *s, struct exchange *x, size_t len)
{
	const struct nlmsghdr *msg;
	size_t at = 0;

	while (!x->done && (msg = weft_nft_next_message(s->buf, len, &at)) != NULL) {
		if (msg->nlmsg_pid == 0 || msg->nlmsg_pid == weft_nft_socket_port_id(s))
			take_message(x, msg);
	}
	if (!x->done && at > len) {
		set_malformed(&x->error);
		x->done = true;
	}
}

static bool
receive_all(WeftNftSocket *s, struct exchange *x, GError **error)
{
	while (!x->done) {
		ssize_t n = s->transport->recv(s->user, s->buf, sizeof s->buf, s->timeout_ms);

		if (n < 0) {
			g_clear_error(&x->error);
			weft_nft_error_set(&x->error, (int) -n,
					   n == -EAGAIN ? "no answer in time" : NULL);
			break;
		}
		if (n == 0) {
			set_malformed(&x->error);
			break;
		}
		take_datagram(s, x, (size_t) n);
	}
	if (x->error == NULL && x->interrupted)
		weft_nft_error_set(&x->error, EINTR, "the ruleset changed while it was read");
	if (x->error == NULL)
		return true;
	g_propagate_error(error, x->error);
	return false;
}

bool
weft_nft_socket_get(WeftNftSocket *s, const struct weft_nft_request *request, GError **error)
{
	_Alignas(struct nlmsghdr) uint8_t buf[1024] = { 0 };
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct exchange x = { .first = ++s->seq, .last = s->seq, .request = request };
	struct nfgenmsg *gen;

	g_return_val_if_fail(request->payload_len <= sizeof buf - 64, false);
	msg->nlmsg_type = (uint16_t) (NFNL_SUBSYS_NFTABLES << 8 | request->type);
	msg->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | request->flags |
				       ((request->flags & NLM_F_DUMP) != 0 ? 0 : NLM_F_ACK));
	msg->nlmsg_seq = s->seq;
	gen = mnl_nlmsg_put_extra_header(msg, sizeof *gen);
	gen->nfgen_family = request->family;
	gen->version = NFNETLINK_V0;
	if (request->payload_len > 0)
		memcpy(mnl_nlmsg_get_payload_tail(msg), request->payload, request->payload_len);
	msg->nlmsg_len += (uint32_t) request->payload_len;
	return send_all(s, msg, msg->nlmsg_len, error) && receive_all(s, &x, error);
}

bool
weft_nft_socket_commit(WeftNftSocket *s, struct weft_nft_batch *batch, GError **error)
{
	struct exchange x = { .first = s->seq + 1, .batch = batch };
	size_t len;
	const void *bytes = weft_nft_batch_finish(batch, x.first, &len, &x.last);

	if (bytes == NULL) {
		g_set_error(error, WEFT_NFT_ERROR, WEFT_NFT_ERROR_NO_BUFFERS,
			    "NETFILTER: the transaction is %s",
			    weft_nft_batch_count(batch) == 0 ? "empty" : "too large");
		return false;
	}
	s->seq = x.last + 1;
	return send_all(s, bytes, len, error) && receive_all(s, &x, error);
}

static bool
on_generation(const struct nlmsghdr *msg, void *user, GError **error)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, msg, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0) {
			*(uint32_t *) user = ntohl(mnl_attr_get_u32(attr));
			return true;
		}
	}
	set_malformed(error);
	return false;
}

bool
weft_nft_socket_generation(WeftNftSocket *s, uint32_t *ret, GError **error)
{
	uint32_t generation = 0;
	struct weft_nft_request request = { .type = NFT_MSG_GETGEN,
					    .reply = on_generation,
					    .user = &generation };

	if (!weft_nft_socket_get(s, &request, error)) {
		g_prefix_error(error, "get the ruleset's generation: ");
		return false;
	}
	*ret = generation;
	return true;
}

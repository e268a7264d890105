/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A kernel that answers as a test wants. */
#pragma once

#include <errno.h>
#include <string.h>

#include <arpa/inet.h>
#include <glib.h>
#include <libmnl/libmnl.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/env.h"
#include "nftables/socket.h"

#define FAKE_PORT 4711

struct fake {
	GPtrArray *answers; /* GByteArray, datagrams to be received */
	GPtrArray *sent;    /* GByteArray */
	int empty;          /* what recv() returns without answers; 0: -EAGAIN */
	int send_error;     /* what send() returns; 0: all is well */
	/* What the usual answers are made of. */
	uint32_t generation;
	unsigned commits;
	int commit_error; /* positive errno for message number commit_fails_at; 0: success */
	unsigned commit_fails_at;
	unsigned commit_errors_left;
	const char *text;
	bool silent; /* transactions get no answer */
	void (*answer)(struct fake *f, const struct nlmsghdr *msg);
};

static inline struct nlmsghdr *
fake_begin(void *buf, uint16_t type, uint16_t flags, uint32_t seq)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);

	msg->nlmsg_type = type;
	msg->nlmsg_flags = flags;
	msg->nlmsg_seq = seq;
	msg->nlmsg_pid = FAKE_PORT;
	return msg;
}

static inline struct nlmsghdr *
fake_begin_nft(void *buf, uint16_t type, uint16_t flags, uint32_t seq, uint8_t family)
{
	struct nlmsghdr *msg =
		fake_begin(buf, (uint16_t) (NFNL_SUBSYS_NFTABLES << 8 | type), flags, seq);
	struct nfgenmsg *gen = mnl_nlmsg_put_extra_header(msg, sizeof *gen);

	gen->nfgen_family = family;
	return msg;
}

static inline void
fake_queue(struct fake *f, const void *buf, size_t len)
{
	GByteArray *bytes = g_byte_array_new();

	g_byte_array_append(bytes, buf, (unsigned) len);
	g_ptr_array_add(f->answers, bytes);
}

/* As the kernel with capped and extended acks. */
static inline void
fake_ack(struct fake *f, uint32_t seq, int err, const char *text)
{
	_Alignas(struct nlmsghdr) uint8_t buf[512];
	struct nlmsghdr *msg = fake_begin(buf, NLMSG_ERROR, NLM_F_CAPPED, seq);
	struct nlmsgerr *body = mnl_nlmsg_put_extra_header(msg, sizeof *body);

	body->error = -err;
	body->msg.nlmsg_seq = seq;
	if (text != NULL) {
		msg->nlmsg_flags |= NLM_F_ACK_TLVS;
		mnl_attr_put_strz(msg, NLMSGERR_ATTR_MSG, text);
	}
	fake_queue(f, msg, msg->nlmsg_len);
}

static inline void
fake_done(struct fake *f, uint32_t seq, uint16_t flags)
{
	_Alignas(struct nlmsghdr) uint8_t buf[64];
	struct nlmsghdr *msg = fake_begin(buf, NLMSG_DONE, (uint16_t) (NLM_F_MULTI | flags), seq);
	int *code = mnl_nlmsg_put_extra_header(msg, sizeof *code);

	*code = 0;
	fake_queue(f, msg, msg->nlmsg_len);
}

/* A kernel without any table. */
static inline void
fake_usual(struct fake *f, const struct nlmsghdr *msg)
{
	_Alignas(struct nlmsghdr) uint8_t buf[256];
	struct nlmsghdr *answer;

	switch (msg->nlmsg_type & 0xff) {
	case NFT_MSG_GETGEN:
		answer = fake_begin_nft(buf, NFT_MSG_NEWGEN, 0, msg->nlmsg_seq, AF_UNSPEC);
		mnl_attr_put_u32(answer, NFTA_GEN_ID, htonl(f->generation));
		fake_queue(f, answer, answer->nlmsg_len);
		fake_ack(f, msg->nlmsg_seq, 0, NULL);
		break;
	case NFT_MSG_GETTABLE:
		fake_ack(f, msg->nlmsg_seq, ENOENT, NULL);
		break;
	default:
		fake_done(f, msg->nlmsg_seq, 0);
	}
}

static inline void
fake_commit(struct fake *f, const uint8_t *buf, size_t len)
{
	bool fails = f->commit_error != 0 && f->commit_errors_left > 0;
	unsigned number = 0;

	f->commits++;
	f->commit_errors_left -= fails;
	for (size_t at = 0; at < len; number++) {
		struct nlmsghdr msg;

		memcpy(&msg, buf + at, sizeof msg);
		if (f->silent)
			break;
		if (fails && number == f->commit_fails_at)
			fake_ack(f, msg.nlmsg_seq, f->commit_error, f->text);
		else if ((msg.nlmsg_flags & NLM_F_ACK) != 0)
			fake_ack(f, msg.nlmsg_seq, 0, NULL);
		at += NLMSG_ALIGN(msg.nlmsg_len);
	}
	if (!fails)
		f->generation++;
}

static inline ssize_t
fake_send(void *user, const void *buf, size_t len)
{
	struct fake *f = user;
	struct nlmsghdr msg;
	GByteArray *bytes = g_byte_array_new();

	if (f->send_error != 0) {
		g_byte_array_unref(bytes);
		return f->send_error;
	}
	g_byte_array_append(bytes, buf, (unsigned) len);
	g_ptr_array_add(f->sent, bytes);
	memcpy(&msg, buf, sizeof msg);
	if (msg.nlmsg_type == NFNL_MSG_BATCH_BEGIN)
		fake_commit(f, buf, len);
	else
		f->answer(f, &msg);
	return (ssize_t) len;
}

static inline ssize_t
fake_recv(void *user, void *buf, size_t size, int timeout_ms)
{
	struct fake *f = user;
	GByteArray *bytes;
	size_t len;

	if (f->answers->len == 0)
		return f->empty == 0 ? -EAGAIN : f->empty;
	bytes = f->answers->pdata[0];
	len = bytes->len;
	g_assert_cmpuint(len, <=, size);
	memcpy(buf, bytes->data, len);
	g_ptr_array_remove_index(f->answers, 0);
	return (ssize_t) len;
}

static inline uint32_t
fake_port_id(void *user)
{
	return FAKE_PORT;
}

static inline int
fake_fd(void *user)
{
	return -1;
}

/* The test owns the fake. */
static inline void
fake_close(void *user)
{
}

static const struct weft_nft_transport fake_transport = {
	.send = fake_send,
	.recv = fake_recv,
	.port_id = fake_port_id,
	.fd = fake_fd,
	.close = fake_close,
};

static inline void
free_bytes(void *bytes)
{
	g_byte_array_unref(bytes);
}

static inline void
fake_init(struct fake *f)
{
	*f = (struct fake){ .generation = 41, .answer = fake_usual };
	f->answers = g_ptr_array_new_with_free_func(free_bytes);
	f->sent = g_ptr_array_new_with_free_func(free_bytes);
}

static inline void
fake_clear(struct fake *f)
{
	g_ptr_array_unref(f->answers);
	g_ptr_array_unref(f->sent);
}

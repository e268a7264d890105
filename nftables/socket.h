/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One netlink socket to nf_tables: dumps and transactions.
 *
 * Requests block, with a timeout (limits.h): the kernel works on them inside send(2). Hundreds of
 * elements take a millisecond; transactions of many thousands belong on a worker thread. A socket
 * is used by one thread at a time. Extended and capped acks and strict checking are on; an answer
 * counts only from the kernel, to our port, with our sequence number. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nlmsghdr;
struct weft_env;

/* The system calls below a socket. Tests put a fake here. All return negative errno values. */
struct weft_nft_transport {
	/* Sends one datagram, raising the send buffer to its size where that is needed. */
	ssize_t (*send)(void *user, const void *buf, size_t len);
	/* Receives one datagram from the kernel: its length; -EAGAIN after @timeout_ms without
	 * one; -EMSGSIZE if it is longer than @size; -ENOBUFS after an overrun. */
	ssize_t (*recv)(void *user, void *buf, size_t size, int timeout_ms);
	uint32_t (*port_id)(void *user);
	int (*fd)(void *user); /* for poll(2); -1 in fakes */
	void (*close)(void *user);
};

typedef struct weft_nft_socket WeftNftSocket;

/* @env is borrowed and must outlive the socket. */
WeftNftSocket *weft_nft_socket_open(const struct weft_env *env, GError **error);

/* Takes over @user: @transport->close() is called on it in the end. */
WeftNftSocket *weft_nft_socket_new(const struct weft_nft_transport *transport,
				   void *user,
				   const struct weft_env *env);
void weft_nft_socket_free(WeftNftSocket *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNftSocket, weft_nft_socket_free)

void weft_nft_socket_set_timeout_ms(WeftNftSocket *s, int timeout_ms);

/* The sender of our changes in the eyes of a monitor. */
uint32_t weft_nft_socket_port_id(const WeftNftSocket *s);

/* Gets one message of an answer, complete within its bounds. Returning false with @error set ends
 * the exchange with that error. */
typedef bool (*WeftNftReplyFunc)(const struct nlmsghdr *msg, void *user, GError **error);

struct weft_nft_request {
	uint16_t type;       /* NFT_MSG_GET* */
	uint16_t flags;      /* NLM_F_DUMP, or 0 for one object and its acknowledgement */
	uint8_t family;      /* NFPROTO_* */
	const void *payload; /* attributes after the nfgenmsg */
	size_t payload_len;
	WeftNftReplyFunc reply;
	void *user;
};

/* One request. WEFT_NFT_ERROR_INTERRUPTED: the dump was not of one piece; ask again. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_socket_get(WeftNftSocket *s,
						   const struct weft_nft_request *request,
						   GError **error);

/* The ruleset's generation: changes with every transaction of anyone in this namespace. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_socket_generation(WeftNftSocket *s,
							  uint32_t *ret,
							  GError **error);

struct weft_nft_batch;

/* Sends a transaction and waits for its end: all of it is in force, or (false) nothing of it. The
 * error says what the first refused message was about. WEFT_NFT_ERROR_INTERRUPTED: the ruleset has
 * another generation than the batch requires. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nft_socket_commit(WeftNftSocket *s,
						      struct weft_nft_batch *batch,
						      GError **error);

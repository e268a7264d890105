/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One netlink socket for requests: the exchange that every family of this room uses.
 *
 * Requests block, with a timeout (limits.h): the kernel works on them inside send(2), so an answer
 * takes microseconds to a few milliseconds, and a dump of thousands of objects a few more. They may
 * be called on a main loop as long as the state is of ordinary size, and belong on a worker thread
 * where it is not. A socket is used by one thread at a time.
 *
 * Extended acks, capped acks and strict checking are on; the sequence starts at random, and an
 * answer counts only from the kernel (port 0), to our port, with our sequence number. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nlmsghdr;
struct weft_env;

enum weft_nl_bus {
	WEFT_NL_BUS_ROUTE,     /* links, addresses, routes, rules */
	WEFT_NL_BUS_GENERIC,   /* WireGuard */
	WEFT_NL_BUS_NETFILTER, /* conntrack */
	WEFT_NL_BUS_COUNT_
};

/* The system calls below a socket. Tests put a fake here. All return negative errno values. */
struct weft_nl_transport {
	/* Sends one datagram. */
	ssize_t (*send)(void *user, const void *buf, size_t len);
	/* Receives one datagram from the kernel: its length; -EAGAIN after @timeout_ms without
	 * one (0 = do not wait); -EMSGSIZE if it is longer than @size; -ENOBUFS after an overrun.
	 */
	ssize_t (*recv)(void *user, void *buf, size_t size, int timeout_ms);
	uint32_t (*port_id)(void *user);
	int (*fd)(void *user); /* for poll(2); -1 in fakes */
	void (*close)(void *user);
};

typedef struct weft_nl_socket WeftNlSocket;

/* @env is borrowed and must outlive the socket. */
WeftNlSocket *weft_nl_socket_open(enum weft_nl_bus bus, const struct weft_env *env, GError **error);

/* Takes over @user: @transport->close() is called on it in the end. */
WeftNlSocket *weft_nl_socket_new(enum weft_nl_bus bus,
				 const struct weft_nl_transport *transport,
				 void *user,
				 const struct weft_env *env);
void weft_nl_socket_free(WeftNlSocket *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlSocket, weft_nl_socket_free)

/* Default: WEFT_NL_TIMEOUT_MS. */
void weft_nl_socket_set_timeout_ms(WeftNlSocket *s, int timeout_ms);
int weft_nl_socket_fd(const WeftNlSocket *s);

/* Gets one reply message, complete within its bounds. Returning false with @error set ends the
 * exchange (after it was read to its end) with that error. */
typedef bool (*WeftNlReplyFunc)(const struct nlmsghdr *msg, void *user, GError **error);

/* Sends @msg (flags NLM_F_REQUEST | NLM_F_ACK, sequence and port are filled in) and waits for its
 * acknowledgement; replies before it go to @func (NULL: none are expected, and one is a protocol
 * error). */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_socket_request(
	WeftNlSocket *s, struct nlmsghdr *msg, WeftNlReplyFunc func, void *user, GError **error);

struct weft_nl_dump {
	WeftNlReplyFunc reply;
	/* Forget everything: the dump starts again because it was interrupted. Called before each
	 * start, also the first. */
	void (*restart)(void *user);
	void *user;
};

/* Sends @msg (flags NLM_F_REQUEST | NLM_F_DUMP are filled in) and reads the multipart answer to
 * its end. An answer marked NLM_F_DUMP_INTR is thrown away and asked for again, up to
 * WEFT_NL_DUMP_TRIES times. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_socket_dump(WeftNlSocket *s,
						   struct nlmsghdr *msg,
						   const struct weft_nl_dump *dump,
						   GError **error);

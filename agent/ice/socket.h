/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Raw UDP sockets beside WireGuard's port (protocol.md 4.4).
 *
 * The port belongs to WireGuard, kernel or userspace. A raw socket per address family sees copies
 * of the datagrams that a classic BPF program lets through: destination port and STUN's magic
 * cookie; it sends with the same source port by writing the UDP header itself. Needs CAP_NET_RAW,
 * for the mark CAP_NET_ADMIN. Status: negative errno. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ice/agent.h"
#include "base/address.h"

typedef struct ice_socket IceSocket;

struct ice_socket_config {
	enum weft_family family;
	uint16_t port;   /* WireGuard's, host order */
	uint32_t fwmark; /* 0: none. NetBird's is 0x1bd00 */
};

/* 0 or negative errno: -EPERM without the capability, -EAFNOSUPPORT without IPv6. Non-blocking,
 * close-on-exec. */
int ice_socket_open(IceSocket **ret, const struct ice_socket_config *config);
void ice_socket_close(IceSocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IceSocket, ice_socket_close)

int ice_socket_fd(const IceSocket *socket); /* to be polled for reading */

/* Another port: changes the filter. */
int ice_socket_set_port(IceSocket *socket, uint16_t port);

/* Sends one datagram from WireGuard's port; to.relay must be 0. The source address is to.local, or
 * the one that the kernel's route gives, cached per destination. -EAGAIN: the queue is full. */
int ice_socket_send(IceSocket *socket, const struct ice_path *to, const uint8_t *buf, size_t len);

/* Forgets cached source addresses: call when addresses or routes changed. */
void ice_socket_flush(IceSocket *socket);

struct ice_datagram {
	struct ice_path from;
	const uint8_t *buf; /* borrowed until the next receive */
	size_t len;
};

#define ICE_SOCKET_BATCH 32

/* Receives up to ICE_SOCKET_BATCH datagrams in one system call. Returns their number, or
 * negative errno. Datagrams with a bad UDP length are left out, so that 0 does not mean that none
 * are left: wait with poll(2). */
int ice_socket_receive(IceSocket *socket, struct ice_datagram ret[ICE_SOCKET_BATCH]);

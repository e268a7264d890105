/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A netlink socket that plays back a script, and a WireGuard implementation in memory. */
#pragma once

#include <glib.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "netlink/sock.h"
#include "netlink/wg.h"

#define FAKE_PORT 4711

struct fake {
	GQueue *script;    /* what recv() gives, in order */
	GPtrArray *sent;   /* GBytes of each datagram sent */
	int send_error;    /* negative errno of every send, or 0 */
	uint32_t last_seq; /* of the last request */
	bool closed;
	GByteArray *open; /* the datagram being written, or NULL */
	uint16_t multi;   /* NLM_F_MULTI while a dump is written */
};

struct fake *fake_new(void);
/* After the socket was freed. */
void fake_free(struct fake *f);
const struct weft_nl_transport *fake_transport(void);
/* A socket over @f. */
WeftNlSocket *fake_socket(struct fake *f, enum weft_nl_bus bus);

/* The script. Messages carry the request's sequence and our port when they are received. */
void fake_errno(struct fake *f, int negative_errno);
void fake_raw(struct fake *f, const void *data, size_t len);
void fake_begin(struct fake *f);
/* @flags are added to the message's. Returns the offset of its header in the datagram. */
size_t fake_message(struct fake *f, uint16_t type, uint16_t flags, const void *payload, size_t len);
void fake_end(struct fake *f);
/* Whole datagrams of one message. */
void fake_ack(struct fake *f);
void fake_refuse(struct fake *f, int err, const char *text); /* positive errno; text or NULL */
void fake_done(struct fake *f, uint16_t flags);
void fake_reply(struct fake *f, uint16_t type, uint16_t flags, const void *payload, size_t len);
/* An empty dump. */
void fake_empty(struct fake *f);

/* Attributes for payloads. */
struct fake_nest {
	guint offset;
};
void fake_put(GByteArray *a, uint16_t type, const void *data, size_t len);
void fake_put_u32(GByteArray *a, uint16_t type, uint32_t v);
struct fake_nest fake_nest(GByteArray *a, uint16_t type);
void fake_nest_end(GByteArray *a, struct fake_nest nest);

/* WireGuard in memory with the kernel's rules: an allowed ip belongs to one peer, a set applies in
 * order. Errors: @fail_key (non-zero) is refused with EINVAL; @fail refuses everything. */
struct fake_wg {
	struct weft_nl_wg_device dev;
	bool exists;
	bool foreign;
	uint32_t sets; /* requests so far */
	int fail;
	struct weft_key fail_key;
};
extern const struct weft_nl_wg_ops fake_wg_ops;
struct fake_wg *fake_wg_new(void);
void fake_wg_apply(struct weft_nl_wg_device *dev, const struct weft_nl_wg_set *set);

/* For reading test values. */
struct weft_key fake_key(uint32_t n); /* never zero */
struct weft_prefix fake_prefix(const char *text);
struct weft_endpoint fake_endpoint(const char *text);
struct weft_address fake_address(const char *text);

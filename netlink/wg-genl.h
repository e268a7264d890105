/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The messages of the kernel's WireGuard family. Internal to the room. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/wg.h"

struct nlmsghdr;

/* Writes a set request as a sequence of messages. */
struct weft_nl_wg_writer {
	uint16_t family;
	const char *name;
	const struct weft_nl_wg_set *set;
	bool device_done; /* what concerns the device stands in the first message */
	size_t change;    /* next change */
	bool peer_begun;  /* its first part is out, its allowed ips continue */
	size_t allowed;   /* next allowed ip of it */
};

enum weft_nl_wg_written {
	WEFT_NL_WG_WRITTEN_DONE,  /* everything is in this message */
	WEFT_NL_WG_WRITTEN_FULL,  /* send this one, then write the next */
	WEFT_NL_WG_WRITTEN_ERROR, /* @size cannot hold even one peer */
	WEFT_NL_WG_WRITTEN_COUNT_
};

/* Writes the next message to @buf (4-aligned), at most @size octets. */
enum weft_nl_wg_written weft_nl_wg_write(struct weft_nl_wg_writer *w, void *buf, size_t size);

/* Reads one message of a device dump and adds it to @dev: a peer whose allowed ips did not fit
 * continues in the next message. False if it is malformed or exceeds the limits; @dev is to be
 * thrown away then. */
bool weft_nl_wg_read(struct weft_nl_wg_device *dev, const struct nlmsghdr *msg);

/* The number of a family out of the answer to CTRL_CMD_GETFAMILY; 0 if malformed. */
uint16_t weft_nl_genl_family_read(const struct nlmsghdr *msg);

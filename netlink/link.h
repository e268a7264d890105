/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Network links. All functions take a socket of WEFT_NL_BUS_ROUTE. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "netlink/sock.h"

#define WEFT_NL_LINK_NAME_SIZE  16  /* IFNAMSIZ, with NUL */
#define WEFT_NL_LINK_KIND_SIZE  32  /* "wireguard", "veth", "tun", ...; longer ones are cut */
#define WEFT_NL_LINK_ALIAS_SIZE 256 /* IFALIASZ, with NUL */

/* The ifalias that marks a link as ours; it survives our restart and everybody can see it. */
#define WEFT_NL_LINK_MARK "weft"

#define WEFT_NL_MTU_MIN   576
#define WEFT_NL_MTU_MAX   65535

struct weft_nl_link {
	uint32_t ifindex;
	uint32_t mtu;       /* octets */
	uint32_t flags;     /* IFF_UP, IFF_LOOPBACK, IFF_LOWER_UP, ... */
	uint32_t master;    /* ifindex of bridge, bond or VRF; 0: none */
	uint16_t type;      /* ARPHRD_* */
	uint8_t oper_state; /* IF_OPER_* */
	char name[WEFT_NL_LINK_NAME_SIZE];
	char kind[WEFT_NL_LINK_KIND_SIZE]; /* "" for hardware */
	char alias[WEFT_NL_LINK_ALIAS_SIZE];
};

/* 1 to 15 octets, printable, no blank, '/', ':' or '%', neither "." nor "..", nor "all" or
 * "default" (they have a meaning in /proc/sys/net). */
bool weft_nl_link_name_ok(const char *name);
/* The same with an error text that says what is wrong (INVALID). */
bool weft_nl_link_name_check(const char *name, GError **error);

bool weft_nl_link_is_up(const struct weft_nl_link *link);   /* administratively */
bool weft_nl_link_is_ours(const struct weft_nl_link *link); /* by its mark */

/* NOT_FOUND if there is none. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_link_get(WeftNlSocket *rt,
						const char *name,
						struct weft_nl_link *ret,
						GError **error);
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_link_get_by_index(WeftNlSocket *rt,
							 uint32_t ifindex,
							 struct weft_nl_link *ret,
							 GError **error);

/* All links: array of struct weft_nl_link by ifindex. */
GArray *weft_nl_link_dump(WeftNlSocket *rt, GError **error);

/* EXISTS if the name is taken, UNSUPPORTED if the kernel does not know the kind. The link is down
 * and has the kind's default MTU. Mark it with weft_nl_link_set_alias(). */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_link_create(WeftNlSocket *rt,
						   const char *name,
						   const char *kind,
						   GError **error);
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_link_delete(WeftNlSocket *rt,
						   const struct weft_nl_link *link,
						   GError **error);

/* @link: ifindex counts, the name is for the error text. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_link_set_mtu(WeftNlSocket *rt,
						    const struct weft_nl_link *link,
						    uint32_t mtu,
						    GError **error);
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_link_set_up(WeftNlSocket *rt,
						   const struct weft_nl_link *link,
						   bool up,
						   GError **error);
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_link_set_alias(WeftNlSocket *rt,
						      const struct weft_nl_link *link,
						      const char *alias,
						      GError **error);

struct nlmsghdr;

/* Reads RTM_NEWLINK and RTM_DELLINK messages; false if malformed. For dumps, monitor and fuzzing.
 */
bool weft_nl_link_parse(struct weft_nl_link *ret, const struct nlmsghdr *msg);

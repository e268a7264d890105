/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policy routing rules. All functions take a socket of WEFT_NL_BUS_ROUTE. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "netlink/sock.h"

struct nlmsghdr;

#define WEFT_NL_RULE_NAME_SIZE 16 /* IFNAMSIZ, with NUL */

struct weft_nl_rule {
	uint32_t priority; /* 1..; 0 only in dumps (the rule for table local) */
	uint32_t table;    /* to look up */
	uint32_t fwmark;   /* with fwmask 0: not asked */
	uint32_t fwmask;
	int32_t suppress_prefix; /* ignore routes with so many bits or fewer; -1: none */
	uint8_t family;          /* enum weft_family */
	uint8_t action;          /* FR_ACT_TO_TBL (and 0); others only in dumps */
	uint8_t protocol;        /* ours is WEFT_NL_PROTOCOL */
	bool invert;             /* "not" */
	bool other; /* of dumps: it asks for more than this struct can say, so it is not ours */
	struct weft_prefix src; /* family NONE: any */
	struct weft_prefix dst;
	char iif[WEFT_NL_RULE_NAME_SIZE]; /* "": any */
	char oif[WEFT_NL_RULE_NAME_SIZE];
};

/* An empty rule of that family; suppress_prefix is -1. */
struct weft_nl_rule weft_nl_rule_init(enum weft_family family, uint32_t priority, uint32_t table);

/* By priority, then everything else but the protocol. */
int weft_nl_rule_compare(const struct weft_nl_rule *a, const struct weft_nl_rule *b);

/* Array of struct weft_nl_rule of both families. */
GArray *weft_nl_rule_dump(WeftNlSocket *rt, GError **error);

G_GNUC_WARN_UNUSED_RESULT bool weft_nl_rule_add(WeftNlSocket *rt,
						const struct weft_nl_rule *rule,
						GError **error);
/* Only a rule that is the same in all of this, and ours. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_rule_delete(WeftNlSocket *rt,
						   const struct weft_nl_rule *rule,
						   GError **error);

/* Reads RTM_NEWRULE and RTM_DELRULE messages; false if malformed or of another family. */
bool weft_nl_rule_parse(struct weft_nl_rule *ret, const struct nlmsghdr *msg);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Carries out a list of operations. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/diff.h"
#include "netlink/sock.h"
#include "netlink/wg.h"

/* Executes @ops in order. Peer operations that stand together go out in as few messages as hold
 * them. An operation that fails is reported in @problems (array of GError, see
 * weft_nl_state_normalise(); NULL: do not tell) as "link weft0: add route 10.0.0.0/8: RTNETLINK:
 * ...", and the rest goes on, because half a network is better than none and the next diff tries
 * again; deleting what is gone already is a success. Only without a link, or without permission,
 * it stops. Returns whether everything was done; @error says the first failure otherwise. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_apply(
	WeftNlSocket *rt, WeftNlWg *wg, const WeftNlOps *ops, GPtrArray *problems, GError **error);

/* Takes down what is ours of a link, in the opposite order: rules and routes of that protocol in
 * all tables, then the link with everything on it. Nothing there is a success. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_teardown(
	WeftNlSocket *rt, WeftNlWg *wg, const char *name, uint8_t protocol, GError **error);

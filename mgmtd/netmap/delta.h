/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The difference between two views as a WeftNetworkMapDelta (docs/protocol/management.md). */
#pragma once

#include <glib.h>

#include "mgmtd/netmap/view.h"

struct mgmt_delta_serials {
	uint64_t base;
	uint64_t now;
};

/* Appends the message to @out. @old NULL: a resync that holds everything. */
void mgmt_delta_pack(const MgmtAccount *account,
		     const struct mgmt_view *old,
		     const struct mgmt_view *view,
		     const struct mgmt_delta_serials *serials,
		     GByteArray *out);

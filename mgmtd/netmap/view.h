/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What one receiver is to see, before it is packed: the peers and rules that concern it. Full maps
 * and deltas are both written out of a view; a stream's state is the view it was last sent. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "mgmtd/model/model.h"
#include "mgmtd/netmap/fragments.h"

/* One direction of one policy rule. */
struct mgmt_view_rule {
	uint64_t id;         /* names rule and direction; variant i has id + i */
	GPtrArray *variants; /* of GByteArray *: FirewallRule fields 2 to 7, one per port entry */
	struct mgmt_bitset peers; /* the remote ends */
};

struct mgmt_view {
	GPtrArray *peers;            /* by peer number: struct mgmt_fragments *, NULL = not seen */
	struct mgmt_bitset offline;  /* of those: login expired */
	GPtrArray *rules;            /* of struct mgmt_view_rule *, in policy order */
	GByteArray *peer_config;     /* packed PeerConfig */
	struct mgmt_fragments *self; /* its DNS records; NULL when DNS is off */
	uint32_t forwarder_port;
	bool v6;
	bool ssh_any_user; /* SSH is open to every local user name (management.md 8) */
	uint64_t hash[2];  /* of all the above */
};

struct mgmt_view_source {
	MgmtAccount *account;
	/* The cached fragments of one peer, borrowed. */
	struct mgmt_fragments *(*fragments)(void *user, const struct mgmt_peer *peer);
	void *user;
	uint64_t seed;
};

struct mgmt_view *mgmt_view_new(const struct mgmt_view_source *source,
				const struct mgmt_peer *peer,
				int64_t now_us);
void mgmt_view_free(struct mgmt_view *view); /* NULL is allowed */
bool mgmt_view_equal(const struct mgmt_view *a, const struct mgmt_view *b);
/* One port for the whole account (management.md 12). */
uint32_t mgmt_view_forwarder_port(const MgmtAccount *account);
/* Appends the packed SSHAuth as field @field. */
void mgmt_view_pack_ssh_auth(const struct mgmt_view *view, unsigned field, GByteArray *out);
unsigned mgmt_view_peer_count(const struct mgmt_view *view, bool offline);

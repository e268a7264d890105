/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What netmap/ keeps packed: everything about one remote peer that is the same for each receiver.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "mgmtd/model/model.h"

/* Each part is length || body, without its tag, since one entry serves several fields. Immutable
 * once made and counted by reference: streams keep what they were last sent. */
struct mgmt_fragments {
	gatomicrefcount ref;
	uint32_t index;
	struct weft_key key;
	uint64_t stamp;          /* hash of the content */
	bool has_v6;             /* an IPv6 address that the peer uses */
	GByteArray *remote4;     /* RemotePeerConfig for receivers without IPv6 */
	GByteArray *remote6;     /* the same with the /128; remote4 itself if !has_v6 */
	GByteArray *record_a;    /* SimpleRecord */
	GByteArray *record_aaaa; /* NULL without */
	/* FirewallRule fields 1 and 9 for the IPv4 and the IPv6 address. */
	GByteArray *rule_head[2];
	GByteArray *rule_tail[2];
	uint8_t compact[2][WEFT_PREFIX_COMPACT_MAX];
	uint8_t compact_len[2]; /* 0: no such address */
};

struct mgmt_fragments *mgmt_fragments_new(const MgmtAccount *account,
					  const struct mgmt_peer *peer,
					  uint64_t seed);
struct mgmt_fragments *mgmt_fragments_ref(struct mgmt_fragments *f);
void mgmt_fragments_unref(struct mgmt_fragments *f); /* NULL is allowed */

/* "<label>.<domain>"; free with g_free(). */
char *mgmt_peer_fqdn(const MgmtAccount *account, const struct mgmt_peer *peer);

/* Whether a peer's IPv6 address counts: the account and one of its groups allow it. */
bool mgmt_peer_has_v6(const MgmtAccount *account, const struct mgmt_peer *peer);

/* And the peer can use it: then it sees others' addresses and has a name for its own. */
bool mgmt_peer_uses_v6(const MgmtAccount *account, const struct mgmt_peer *peer);

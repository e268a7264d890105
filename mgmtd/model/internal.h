/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of model/ share: the indexes behind MgmtAccount. */
#pragma once

#include <glib.h>

#include "mgmtd/model/model.h"

struct mgmt_model {
	const struct weft_env *env;
	GPtrArray *accounts;            /* of MgmtAccount *, owned */
	GHashTable *accounts_by_id;     /* id text -> MgmtAccount * */
	GHashTable *peers_by_key;       /* struct weft_key -> struct mgmt_peer * */
	GHashTable *setup_keys_by_hash; /* text -> struct mgmt_setup_key * */
};

/* A compiled rule and the groups it names, so that a membership change touches only its bits. */
struct mgmt_rule_entry {
	struct mgmt_compiled_rule compiled; /* first: the public part */
	struct mgmt_bitset source_groups, destination_groups;
};

struct mgmt_account_index {
	MgmtModel *model;
	GHashTable *peers_by_id;    /* id text -> struct mgmt_peer * */
	GHashTable *peers_by_label; /* text -> struct mgmt_peer * */
	GHashTable *peers_by_ip;    /* struct weft_address -> struct mgmt_peer *, both families */
	GHashTable *groups_by_id;   /* id text -> struct mgmt_group * */
	GHashTable *policies_by_id;
	GHashTable *setup_keys_by_id;
	GHashTable *reserved_labels; /* set of text */
	GHashTable *reserved_ip6;    /* set of struct weft_address, owned */
	struct mgmt_bitset taken_ip; /* host numbers of row.net: held or reserved */
	uint32_t n_taken_ip;
	GPtrArray *entries;  /* of struct mgmt_rule_entry *, policy and rule order */
	GPtrArray *rules_of; /* by peer number: GPtrArray of compiled rules, NULL = not known */
	uint32_t n_old_dns;  /* peers below 0.59.0: they set everybody's forwarder port */
};

guint mgmt_address_hash(gconstpointer p);
gboolean mgmt_address_key_equal(gconstpointer a, gconstpointer b);

/* rules.c */
void mgmt_rules_rebuild(MgmtAccount *a);
void mgmt_rules_group_changed(MgmtAccount *a, const struct mgmt_group *group);
void mgmt_rules_peer_added(MgmtAccount *a, const struct mgmt_peer *peer);
void mgmt_rules_peer_removed(MgmtAccount *a, const struct mgmt_peer *peer);
void mgmt_rules_clear(MgmtAccount *a);
/* Both sides of every compiled rule of one policy. */
void mgmt_rules_policy_peers(MgmtAccount *a,
			     const struct mgmt_policy *policy,
			     struct mgmt_bitset *ret);
/* Both sides of every compiled rule that names the group. */
void mgmt_rules_group_peers(MgmtAccount *a,
			    const struct mgmt_group *group,
			    struct mgmt_bitset *ret);

/* pool.c */
void mgmt_pool_take(MgmtAccount *a, const struct weft_address *ip);

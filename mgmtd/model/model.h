/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Accounts in memory, indexed. The model is changed on the main thread only, and only by admin/
 * after the store has committed (architecture.md 4); everybody else reads it there.
 *
 * Every mutating function returns through @affected (may be NULL) the numbers of the peers whose
 * network map the change may alter: members added to the set, never removed. It is a superset, but
 * never contains a peer that no rule connects to the changed thing. */
#pragma once

#include <glib.h>

#include "mgmtd/model/types.h"

struct weft_env;

typedef struct mgmt_model MgmtModel;

/* Read access to the fields is part of the interface; changes go through the functions below. */
struct mgmt_account_index;

typedef struct mgmt_account {
	struct mgmt_account_row row;
	GPtrArray *peers;       /* of struct mgmt_peer *, by number; NULL where a number is free */
	uint32_t n_peers;       /* without the gaps */
	GPtrArray *groups;      /* of struct mgmt_group *, by number; NULL where free */
	struct mgmt_group *all; /* the group All, always there */
	GPtrArray *policies;    /* of struct mgmt_policy *, ordered by creation */
	GPtrArray *setup_keys;  /* of struct mgmt_setup_key * */
	GPtrArray *tokens;      /* of struct mgmt_token * */
	struct mgmt_account_index *index; /* private */
} MgmtAccount;

/* One rule with its groups resolved to peers: what netmap/ reads. Rebuilt by the model when the
 * policy or a group in it changes; @sources and @destinations are the union of the groups' members
 * (or the one resource peer), without peers that wait for approval. */
struct mgmt_compiled_rule {
	const struct mgmt_policy *policy;
	const struct mgmt_rule *rule;
	struct mgmt_bitset sources;
	struct mgmt_bitset destinations;
};

MgmtModel *mgmt_model_new(const struct weft_env *env);
void mgmt_model_free(MgmtModel *model);

/* Loading: takes ownership of everything; false (nothing taken) when ids, addresses or keys collide
 * or a reference is dangling, with the reason in @error. */
MgmtAccount *mgmt_model_add_account(MgmtModel *model,
				    const struct mgmt_account_row *row,
				    GError **error);
MgmtAccount *mgmt_model_account(const MgmtModel *model, const struct mgmt_id *id);
/* All accounts: GPtrArray of MgmtAccount *, borrowed. */
const GPtrArray *mgmt_model_accounts(const MgmtModel *model);

struct mgmt_peer *mgmt_model_peer_by_key(const MgmtModel *model, const struct weft_key *key);
struct mgmt_setup_key *mgmt_model_setup_key_by_hash(const MgmtModel *model, const char *hash);
struct mgmt_peer *mgmt_account_peer(const MgmtAccount *a, const struct mgmt_id *id);
struct mgmt_peer *mgmt_account_peer_by_label(const MgmtAccount *a, const char *label);
struct mgmt_peer *mgmt_account_peer_by_ip(const MgmtAccount *a, const struct weft_address *ip);
struct mgmt_group *mgmt_account_group(const MgmtAccount *a, const struct mgmt_id *id);
struct mgmt_group *mgmt_account_group_by_name(const MgmtAccount *a, const char *name);
struct mgmt_policy *mgmt_account_policy(const MgmtAccount *a, const struct mgmt_id *id);
struct mgmt_setup_key *mgmt_account_setup_key(const MgmtAccount *a, const struct mgmt_id *id);

/* Address allocation: a bitmap per account, so exhaustion is known and nothing is tried twice. A
 * reservation is held until the peer is added or it is released. A random free block is chosen for
 * the start. False when no address is free. */
bool mgmt_account_reserve_ip(MgmtAccount *a, const struct weft_env *env, struct weft_address *ret);
void mgmt_account_release_ip(MgmtAccount *a, const struct weft_address *ip);
/* A random free host of the account's /64, reserved likewise. */
bool mgmt_account_reserve_ip6(MgmtAccount *a, const struct weft_env *env, struct weft_address *ret);
void mgmt_account_release_ip6(MgmtAccount *a, const struct weft_address *ip6);
/* DNS label for a host name (management.md 4), unique among peers and reservations; @ip supplies
 * the octets of the second form. Reserved until the peer is added or it is released. */
char *mgmt_account_reserve_label(MgmtAccount *a,
				 const char *hostname,
				 const struct weft_address *ip);
/* The same for a peer that is renamed to @name: NULL, and nothing reserved, if the label it has is
 * right for the new name too. */
char *mgmt_account_reserve_new_label(MgmtAccount *a,
				     const struct mgmt_peer *peer,
				     const char *name);
void mgmt_account_release_label(MgmtAccount *a, const char *label);

/* Mutations; each takes ownership of its object. @groups: GArray of struct mgmt_id besides All. */
void mgmt_account_add_peer(MgmtAccount *a,
			   struct mgmt_peer *peer,
			   const GArray *groups,
			   struct mgmt_bitset *affected);
void mgmt_account_remove_peer(MgmtAccount *a, struct mgmt_peer *peer, struct mgmt_bitset *affected);
/* Replaces the stored fields of the peer with @peer's id by @peer's (same number, same groups). */
void mgmt_account_update_peer(MgmtAccount *a, struct mgmt_peer *peer, struct mgmt_bitset *affected);
void mgmt_account_put_group(MgmtAccount *a,
			    struct mgmt_group *group,
			    const GArray *peer_ids,
			    struct mgmt_bitset *affected);
/* One peer enters or leaves a group. */
void mgmt_account_set_member(MgmtAccount *a,
			     struct mgmt_group *group,
			     struct mgmt_peer *peer,
			     bool member,
			     struct mgmt_bitset *affected);
void mgmt_account_remove_group(MgmtAccount *a,
			       struct mgmt_group *group,
			       struct mgmt_bitset *affected);
void mgmt_account_put_policy(MgmtAccount *a,
			     struct mgmt_policy *policy,
			     struct mgmt_bitset *affected);
void mgmt_account_remove_policy(MgmtAccount *a,
				struct mgmt_policy *policy,
				struct mgmt_bitset *affected);
void mgmt_account_put_setup_key(MgmtAccount *a, struct mgmt_setup_key *key);
void mgmt_account_put_token(MgmtAccount *a, struct mgmt_token *token);
void mgmt_account_remove_token(MgmtAccount *a, struct mgmt_token *token);
void mgmt_account_set_row(MgmtAccount *a,
			  const struct mgmt_account_row *row,
			  struct mgmt_bitset *affected);

/* Compiled rules that mention @peer as source or destination (or its group), in policy and rule
 * order: GPtrArray of struct mgmt_compiled_rule *, borrowed until the next mutation. Disabled
 * policies and rules are not in it. */
const GPtrArray *mgmt_account_rules_of(MgmtAccount *a, const struct mgmt_peer *peer);

/* Peers that a rule connects with @peer in either direction (itself not among them). */
void mgmt_account_acl_peers(MgmtAccount *a, const struct mgmt_peer *peer, struct mgmt_bitset *ret);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The objects of an account as the store keeps them and the model indexes them (management.md 2-8).
 * Structs are plain; strings are owned by their struct, never NULL ("" when unset), valid UTF-8.
 * Times are microseconds since 1970 UTC, 0 = never or none. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"
#include "mgmtd/model/bitset.h"
#include "mgmtd/model/id.h"

enum mgmt_protocol {
	MGMT_PROTOCOL_ALL,
	MGMT_PROTOCOL_TCP,
	MGMT_PROTOCOL_UDP,
	MGMT_PROTOCOL_ICMP,
	MGMT_PROTOCOL_NETBIRD_SSH,
	MGMT_PROTOCOL_COUNT_
};

enum mgmt_action { MGMT_ACTION_ACCEPT, MGMT_ACTION_DROP, MGMT_ACTION_COUNT_ };

enum mgmt_resource_type {
	MGMT_RESOURCE_NONE,
	MGMT_RESOURCE_PEER,
	MGMT_RESOURCE_DOMAIN,
	MGMT_RESOURCE_HOST,
	MGMT_RESOURCE_SUBNET,
	MGMT_RESOURCE_COUNT_
};

const char *mgmt_protocol_name(enum mgmt_protocol protocol); /* "all", "tcp", ..., "netbird-ssh" */
bool mgmt_protocol_from_name(enum mgmt_protocol *ret, const char *name);
const char *mgmt_action_name(enum mgmt_action action);
bool mgmt_action_from_name(enum mgmt_action *ret, const char *name);
const char *mgmt_resource_type_name(enum mgmt_resource_type type);
bool mgmt_resource_type_from_name(enum mgmt_resource_type *ret, const char *name);

struct mgmt_port_range {
	uint16_t start, end; /* inclusive, 1 <= start <= end */
};

struct mgmt_resource {
	enum mgmt_resource_type type;
	struct mgmt_id id;
};

struct mgmt_rule {
	struct mgmt_id id; /* own id per rule; several rules per policy are legal */
	struct mgmt_id policy_id;
	char *name;
	char *description;
	bool enabled;
	enum mgmt_action action;
	enum mgmt_protocol protocol;
	bool bidirectional;
	struct mgmt_resource source_resource, destination_resource;
	GArray *sources;      /* of struct mgmt_id: groups; ignored if source_resource is set */
	GArray *destinations; /* of struct mgmt_id */
	GArray *ports;        /* of uint16_t */
	GArray *port_ranges;  /* of struct mgmt_port_range */
};

struct mgmt_policy {
	struct mgmt_id id;
	struct mgmt_id account_id;
	char *name;
	char *description;
	bool enabled;
	int64_t created_us;
	GPtrArray *rules; /* of struct mgmt_rule, in order */
};

struct mgmt_group {
	struct mgmt_id id;
	struct mgmt_id account_id;
	char *name;
	bool is_all; /* the group "All": every peer, cannot be changed or deleted */
	int64_t created_us;
	uint32_t index;             /* dense within the account, set by the model */
	struct mgmt_bitset members; /* peer numbers, kept by the model */
};

struct mgmt_network_address {
	char *prefix; /* CIDR text as sent */
	char *mac;
};

/* PeerSystemMeta as received, bounded and checked (protocol.md 2.2). */
struct mgmt_meta {
	char *hostname, *goos, *kernel, *core, *platform, *os, *os_version;
	char *version, *ui_version, *kernel_version;
	char *serial_number, *product_name, *manufacturer, *cloud, *environment;
	GArray *network_addresses; /* of struct mgmt_network_address */
	GArray *capabilities;      /* of int32_t */
	int32_t sync_message_version;
	bool rosenpass_enabled, rosenpass_permissive, server_ssh_allowed, disable_client_routes,
		disable_server_routes, disable_dns, disable_firewall, block_lan_access,
		block_inbound, disable_ipv6, lazy_connection_enabled;
};

struct mgmt_peer {
	struct mgmt_id id;
	struct mgmt_id account_id;
	struct weft_key key;
	struct weft_key_text key_text;
	struct weft_address ip;  /* IPv4 overlay address */
	struct weft_address ip6; /* WEFT_FAMILY_NONE without one */
	char *name;
	char *dns_label; /* unique in the account */
	char *user_id;   /* "" = registered by setup key */
	char *ssh_key;   /* one authorized_keys line, "" = none */
	char *connection_ip;
	bool ssh_enabled;
	bool login_expiration_enabled;
	bool login_expired;
	bool approval_required; /* not approved yet: gets an empty map, appears in none */
	bool ephemeral;
	bool allow_extra_dns_labels;
	int64_t created_us;
	int64_t last_login_us;
	int64_t last_seen_us;
	bool connected;
	struct mgmt_meta meta;

	/* Set by the model, not stored. */
	uint32_t index;            /* dense within the account; reused after deletion */
	struct mgmt_bitset groups; /* numbers of the groups it is in, All included */
	bool has_v6_capability;    /* capability 2 and not disable_ipv6 */
	bool has_source_prefixes;  /* capability 1 */
	bool has_deltas;           /* capability 15001 */
};

enum mgmt_setup_key_type { MGMT_SETUP_KEY_REUSABLE, MGMT_SETUP_KEY_ONE_OFF };

struct mgmt_setup_key {
	struct mgmt_id id;
	struct mgmt_id account_id;
	char *name;
	char *hash;   /* base64(SHA-256(upper-case key text)) */
	char *masked; /* "A2C8E****" */
	enum mgmt_setup_key_type type;
	bool revoked, ephemeral, allow_extra_dns_labels;
	int64_t created_us, expires_us, updated_us, last_used_us;
	int64_t used_times;
	int64_t usage_limit; /* 0 = unlimited */
	GArray *auto_groups; /* of struct mgmt_id, never All */
};

/* An administrator's token (management.md 1, PAT layout): for the REST interface of a later issue.
 */
struct mgmt_token {
	struct mgmt_id id;
	struct mgmt_id account_id;
	char *name;
	char *hash;
	int64_t created_us, expires_us, last_used_us;
};

struct mgmt_settings {
	char *dns_domain; /* default weft.internal */
	bool lazy_connections;
	bool peer_approval; /* new peers need `weft-admin peer approve` */
	bool login_expiration_enabled;
	int64_t login_expiration_us;
	bool ipv6_enabled;     /* account-wide switch */
	GArray *ipv6_groups;   /* of struct mgmt_id; default [All] */
	bool routing_peer_dns; /* RoutingPeerDnsResolutionEnabled */
};

struct mgmt_account_row {
	struct mgmt_id id;
	char *name;
	int64_t created_us;
	struct weft_prefix net;  /* a /16 of 100.64.0.0/10 unless fixed at init */
	struct weft_prefix net6; /* random /64 of fd00::/8 */
	uint64_t serial;
	struct mgmt_settings settings;
};

enum mgmt_initiator_kind { MGMT_INITIATOR_SYSTEM, MGMT_INITIATOR_ADMIN, MGMT_INITIATOR_SETUP_KEY };

/* One activity event (management.md 16: the numbers are permanent). */
struct mgmt_event {
	int64_t id; /* given by the store */
	int64_t time_us;
	int activity;
	char *initiator; /* "sys", setup-key id, or "admin:<uid>" */
	char *target;    /* id of the object */
	struct mgmt_id account_id;
	char *meta; /* JSON object text */
};

void mgmt_rule_free(struct mgmt_rule *rule);
void mgmt_policy_free(struct mgmt_policy *policy);
void mgmt_group_free(struct mgmt_group *group);
void mgmt_peer_free(struct mgmt_peer *peer);
void mgmt_setup_key_free(struct mgmt_setup_key *key);
void mgmt_token_free(struct mgmt_token *token);
void mgmt_event_clear(struct mgmt_event *event);
void mgmt_meta_init(struct mgmt_meta *meta);
void mgmt_meta_clear(struct mgmt_meta *meta);
void mgmt_meta_copy(struct mgmt_meta *dst, const struct mgmt_meta *src);
/* 1 source prefixes, 2 IPv6 overlay, 15001 deltas (ours). */
bool mgmt_meta_has_capability(const struct mgmt_meta *meta, int32_t capability);
bool mgmt_meta_equal(const struct mgmt_meta *a, const struct mgmt_meta *b);
struct mgmt_policy *mgmt_policy_copy(const struct mgmt_policy *policy);
struct mgmt_peer *mgmt_peer_copy(const struct mgmt_peer *peer);
struct mgmt_group *mgmt_group_copy(const struct mgmt_group *group); /* without members */
struct mgmt_setup_key *mgmt_setup_key_copy(const struct mgmt_setup_key *key);
void mgmt_account_row_copy(struct mgmt_account_row *dst, const struct mgmt_account_row *src);
void mgmt_account_row_clear(struct mgmt_account_row *row);

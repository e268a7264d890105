/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The configuration as workers see it: immutable once published. The control thread builds a new
 * one for each reload and hands it over; a worker switches between two batches, and the old one is
 * freed when every worker has switched (relayd/worker.h). No GLib here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/token.h"
#include "relayd/limits.h"
#include "relayd/policy.h"
#include "stun/wire.h"

struct ssl_ctx_st;

/* A static user: keys are derived when the settings are made, so that no password is kept. */
struct relay_user {
	uint8_t userhash[WEFT_STUN_USERHASH_LEN];
	uint8_t key_md5[16];
	uint8_t key_sha256[32];
	char *name;  /* NUL-terminated, owned */
	bool no_md5; /* the system forbids MD5 */
};

struct relay_secret {
	uint8_t *p; /* owned */
	size_t len;
};

/* One relayed address: the one to bind, and the one to tell (1:1 NAT). */
struct relay_address {
	struct weft_address local, external;
};

struct relay_settings {
	uint64_t generation; /* set on publication */

	/* Authentication. */
	char realm[256];
	struct relay_user *users; /* sorted by name */
	size_t n_users;
	uint32_t *by_userhash; /* indices in users, sorted by userhash */
	struct relay_secret turn_secrets[RELAY_SECRETS_MAX];
	size_t n_turn_secrets;
	uint32_t nonce_lifetime_s;
	bool no_sha1; /* demand MESSAGE-INTEGRITY-SHA256 */

	/* Relayed addresses. */
	struct relay_address addresses4[RELAY_ADDRESSES_MAX], addresses6[RELAY_ADDRESSES_MAX];
	size_t n_addresses4, n_addresses6;
	uint16_t port_first, port_last;

	/* Limits; 0 means none where it says so. */
	uint32_t allocations_max;      /* of all workers */
	uint32_t allocations_per_user; /* 0: none */
	uint32_t lifetime_default_s, lifetime_max_s;
	uint64_t bytes_per_second;   /* of one allocation, both ways together; 0: none */
	uint32_t binding_per_second; /* answers without credentials per address and second */
	uint32_t streams_max;        /* TCP and TLS connections of one worker */

	struct relay_policy policy;

	/* TLS of TURN and of the relay protocol; NULL without. */
	struct ssl_ctx_st *tls;

	/* Relay protocol (protocol.md 5); off without a secret. */
	struct relay_secret relay_secrets[RELAY_SECRETS_MAX];
	size_t n_relay_secrets;
	char relay_url[512];            /* instance URL in the auth answer */
	uint32_t relay_connections_max; /* of one worker */
};

/* Empty settings with the defaults of limits.h. NULL without memory. */
struct relay_settings *relay_settings_new(void);

/* Wipes secrets and keys. */
void relay_settings_free(struct relay_settings *s);

/* Adds a static user; the realm must be set before. False if it is empty, too long, there already,
 * or there is no memory. */
bool relay_settings_add_user(struct relay_settings *s, const char *name, const char *password);

/* Copies a secret to the first free place of a list of RELAY_SECRETS_MAX. */
bool relay_secret_add(struct relay_secret *list, size_t *n, const void *p, size_t len);

/* To be called once when everything is set: sorts what is searched. */
bool relay_settings_seal(struct relay_settings *s);

/* NULL if there is no such user. */
const struct relay_user *relay_settings_user(const struct relay_settings *s,
					     const uint8_t *name,
					     size_t len);
const struct relay_user *relay_settings_userhash(const struct relay_settings *s,
						 const uint8_t hash[WEFT_STUN_USERHASH_LEN]);

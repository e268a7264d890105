/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One connection to one relay server: from its name to authenticated messages, once. Whoever wants
 * it again makes another. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"

struct weft_env;
struct ssl_ctx_st;

typedef struct relay_link RelayLink;

/* protocol.md 5.3: "sha-" and the SHA-256 of the key's text. */
#define RELAY_ID_LEN 36
void relay_link_id(uint8_t ret[RELAY_ID_LEN], const struct weft_key *key);

struct relay_link_ops {
	/* Authenticated; @instance is the server's own URL. */
	void (*ready)(void *user, const char *instance);
	/* One message behind its two octets: a packet of a peer, or a list of ids. */
	void (*packet)(void *user, const uint8_t id[RELAY_ID_LEN], const uint8_t *buf, size_t len);
	void (*presence)(void *user, bool online, const uint8_t *ids, size_t n);
	/* Over, for the reason given. The link may be freed inside. Not called by free. */
	void (*lost)(void *user, const char *why);
};

struct relay_link_config {
	GMainContext *context;
	const struct weft_env *env;
	const struct relay_link_ops *ops;
	void *user;
	const char *url;               /* rel:// or rels:// */
	const struct weft_address *ip; /* try this one first, or NULL */
	struct weft_key own;
	const char *token_payload, *token_signature; /* as the management server gives them */
	struct ssl_ctx_st *tls;                      /* for rels:// */
	uint32_t fwmark;
};

/* Begins to connect. Never NULL; a malformed URL is reported by lost(), later. */
RelayLink *relay_link_new(const struct relay_link_config *config);
void relay_link_free(RelayLink *link); /* takes NULL; says goodbye if it can */

bool relay_link_is_ready(const RelayLink *link);
/* Address of the server that we are connected to; family NONE before. */
struct weft_address relay_link_address(const RelayLink *link);

/* False if it is not ready or there is no room: nothing was queued. */
bool relay_link_send(RelayLink *link,
		     const uint8_t to[RELAY_ID_LEN],
		     const uint8_t *buf,
		     size_t len);
bool relay_link_subscribe(RelayLink *link, const uint8_t id[RELAY_ID_LEN], bool on);

/* "rel://host:port" in its parts; host without brackets, g_free() it. False if malformed. */
bool relay_url_parse(const char *url, char **ret_host, uint16_t *ret_port, bool *ret_tls);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WireGuard devices: plain structs, and one struct of operations over the kernel (wg-kernel.h),
 * wireguard-go's UAPI socket (wg-uapi.h) or a fake in tests.
 *
 * Calls block like those of sock.h; weft_nl_wg_create() with wireguard-go may take seconds
 * (it starts a program). An object is used by one thread at a time. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/key.h"

struct weft_env;

#define WEFT_NL_IFNAME_SIZE 16 /* IFNAMSIZ, with NUL */

/* What a desired state says about a peer's endpoint. WireGuard roams by itself, so a reconciler
 * must not put a moved endpoint back unless that is what is wanted. */
enum weft_nl_wg_endpoint_mode {
	WEFT_NL_WG_ENDPOINT_KEEP,    /* whatever the kernel has; @endpoint is ignored */
	WEFT_NL_WG_ENDPOINT_INITIAL, /* set it only where the peer is new or has none */
	WEFT_NL_WG_ENDPOINT_EXACT,   /* set it whenever it differs */
	WEFT_NL_WG_ENDPOINT_MODE_COUNT_
};

struct weft_nl_wg_peer {
	struct weft_key public_key;
	struct weft_key preshared_key; /* zero: none */
	struct weft_endpoint endpoint; /* addr.family WEFT_FAMILY_NONE: none */
	uint16_t keepalive_s;          /* 0: off */
	uint8_t endpoint_mode;         /* enum; of desired states only */
	struct weft_prefix *allowed;   /* owned, g_malloc; masked; sorted once normalised */
	size_t n_allowed;
	/* Of dumps only: */
	int64_t last_handshake_us; /* since 1970 UTC; 0: never */
	uint64_t rx_bytes;
	uint64_t tx_bytes;
};

struct weft_nl_wg_device {
	char name[WEFT_NL_IFNAME_SIZE];
	uint32_t ifindex;            /* 0 in desired states */
	struct weft_key private_key; /* zero: none */
	struct weft_key public_key;  /* of dumps; weft_nl_wg_device_normalise() fills it in */
	uint16_t listen_port;        /* in desired states 0: keep what it has */
	uint32_t fwmark;             /* 0: none */
	struct weft_nl_wg_peer *peers;
	size_t n_peers;
	size_t peers_size; /* room in @peers */
	bool normalised;
};

typedef struct weft_nl_wg_device WeftNlWgDevice; /* for g_autoptr() */

struct weft_nl_wg_device *weft_nl_wg_device_new(const char *name);
/* Wipes the keys. Takes NULL. */
void weft_nl_wg_device_free(struct weft_nl_wg_device *dev);
/* For a device inside another struct: wipes and frees the content, leaves it zeroed. */
void weft_nl_wg_device_clear(struct weft_nl_wg_device *dev);

/* Appends a peer with this key and everything else zero (endpoint mode KEEP). The pointer is valid
 * until the next call. */
struct weft_nl_wg_peer *weft_nl_wg_device_add_peer(struct weft_nl_wg_device *dev,
						   const struct weft_key *public_key);
/* Masks the prefix and appends it. */
void weft_nl_wg_peer_allow(struct weft_nl_wg_peer *peer, const struct weft_prefix *prefix);

/* Of a normalised device, by binary search; NULL if there is none. */
const struct weft_nl_wg_peer *weft_nl_wg_device_find(const struct weft_nl_wg_device *dev,
						     const struct weft_key *public_key);

/* Brings a device into the form that the diff takes: peers sorted by key, allowed ips by prefix.
 * What cannot be applied is taken out and reported, one GError (domain WEFT_NL_ERROR) each in
 * @problems (NULL: do not tell): a zero key, our own key as a peer, a key that occurs twice (the
 * later peer wins), an endpoint with port 0 or without an address, an impossible prefix, an
 * allowed ip that two peers claim (the later peer wins). A dump is normalised already. */
void weft_nl_wg_device_normalise(struct weft_nl_wg_device *dev, GPtrArray *problems);

/* For implementations: the sorting alone. */
void weft_nl_wg_device_sort(struct weft_nl_wg_device *dev);
/* Neither private key nor peers: nobody has configured it yet. */
bool weft_nl_wg_device_is_blank(const struct weft_nl_wg_device *dev);

/* One change of a peer. */
enum weft_nl_wg_change_flag {
	WEFT_NL_WG_CHANGE_REMOVE = 1U << 0,          /* alone */
	WEFT_NL_WG_CHANGE_REPLACE_ALLOWED = 1U << 1, /* else @allowed is added */
	WEFT_NL_WG_CHANGE_UPDATE_ONLY = 1U << 2,     /* do nothing if the peer is not there */
	WEFT_NL_WG_CHANGE_PRESHARED_KEY = 1U << 3,
	WEFT_NL_WG_CHANGE_ENDPOINT = 1U << 4,
	WEFT_NL_WG_CHANGE_KEEPALIVE = 1U << 5,
};

struct weft_nl_wg_change {
	struct weft_key public_key;
	uint32_t flags;
	struct weft_key preshared_key;
	struct weft_endpoint endpoint;
	uint16_t keepalive_s;
	const struct weft_prefix *allowed; /* borrowed */
	size_t n_allowed;
};

enum weft_nl_wg_set_flag {
	WEFT_NL_WG_SET_PRIVATE_KEY = 1U << 0,
	WEFT_NL_WG_SET_LISTEN_PORT = 1U << 1,
	WEFT_NL_WG_SET_FWMARK = 1U << 2,
	WEFT_NL_WG_SET_REPLACE_PEERS = 1U << 3, /* peers not among @changes go */
};

/* One request to a device; as many messages as it takes. Changes are applied in order, and an
 * allowed ip that another peer has moves over in one step. */
struct weft_nl_wg_set {
	uint32_t flags;
	struct weft_key private_key;
	uint16_t listen_port; /* 0: the system chooses */
	uint32_t fwmark;
	const struct weft_nl_wg_change *changes; /* borrowed */
	size_t n_changes;
};

enum weft_nl_wg_created {
	WEFT_NL_WG_CREATED, /* it was not there */
	WEFT_NL_WG_ADOPTED, /* it was, and is ours or blank */
	WEFT_NL_WG_CREATED_COUNT_
};

typedef struct weft_nl_wg WeftNlWg;

/* An implementation. Arguments were checked by the functions below. Errors: enum weft_nl_error. */
struct weft_nl_wg_ops {
	const char *name; /* "kernel", "wireguard-go" */
	bool (*create)(void *self, const char *name, enum weft_nl_wg_created *ret, GError **error);
	bool (*destroy)(void *self, const char *name, GError **error);
	bool (*set)(void *self, const char *name, const struct weft_nl_wg_set *set, GError **error);
	struct weft_nl_wg_device *(*get)(void *self, const char *name, GError **error);
	/* Names of all WireGuard devices that this implementation sees, also foreign ones. */
	char **(*list)(void *self, GError **error);
	void (*free)(void *self);
};

/* Takes over @self. */
WeftNlWg *weft_nl_wg_new(const struct weft_nl_wg_ops *ops, void *self);
void weft_nl_wg_free(WeftNlWg *wg);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlWg, weft_nl_wg_free)

struct weft_nl_wg_config {
	const struct weft_env *env;     /* borrowed, must outlive the object */
	const char *uapi_dir;           /* NULL: /var/run/wireguard */
	const char *uapi_program;       /* NULL: "wireguard-go", searched in PATH */
	bool uapi_only;                 /* do not ask the kernel */
	unsigned uapi_start_timeout_ms; /* 0: 5000 */
};

/* Asks the kernel for WireGuard, which also makes it load the module; where it has none, takes
 * wireguard-go. UNSUPPORTED if that is not installed either. */
WeftNlWg *weft_nl_wg_open(const struct weft_nl_wg_config *config, GError **error);

/* "kernel", "wireguard-go" or the fake's name. */
const char *weft_nl_wg_name(const WeftNlWg *wg);

/* Makes the link and marks it as ours (ifalias "weft"), or adopts the one that is there if it is
 * so marked, or blank: a WireGuard device without private key and peers. FOREIGN if the name is
 * taken by anything else. Neither addresses nor the link's state are touched. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_wg_create(WeftNlWg *wg,
						 const char *name,
						 enum weft_nl_wg_created *ret,
						 GError **error);

/* Deletes the link if it is ours; FOREIGN otherwise; NOT_FOUND if there is none. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_wg_destroy(WeftNlWg *wg, const char *name, GError **error);

/* Refuses (INVALID) zero public keys, prefixes that are too long, endpoints with port 0, REMOVE
 * with other flags. */
G_GNUC_WARN_UNUSED_RESULT bool weft_nl_wg_set(WeftNlWg *wg,
					      const char *name,
					      const struct weft_nl_wg_set *set,
					      GError **error);

/* The complete device, normalised. Free with weft_nl_wg_device_free(). NOT_FOUND if there is no
 * such WireGuard device. */
struct weft_nl_wg_device *weft_nl_wg_get(WeftNlWg *wg, const char *name, GError **error);

/* NULL-terminated; free with g_strfreev(). */
char **weft_nl_wg_list(WeftNlWg *wg, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftNlWgDevice, weft_nl_wg_device_free)

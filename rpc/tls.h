/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates of a server, reloadable, and of a client. All files are PEM. */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum weft_rpc_client_certificate {
	WEFT_RPC_CLIENT_CERT_NONE,     /* not asked for */
	WEFT_RPC_CLIENT_CERT_OPTIONAL, /* verified if there is one */
	WEFT_RPC_CLIENT_CERT_REQUIRED, /* no connection without a valid one (mTLS) */
};

struct weft_rpc_server_tls_config {
	const char *cert_file; /* chain, leaf first */
	const char *key_file;
	const char *client_ca_file; /* needed unless NONE */
	enum weft_rpc_client_certificate client_certificate;
};

typedef struct weft_rpc_server_tls WeftRpcServerTls;

/* Reads the files and checks that they can serve (parse, and key belongs to certificate). The paths
 * are kept for reloading. May be used by several listeners; counted by atomics. */
WeftRpcServerTls *weft_rpc_server_tls_new(const struct weft_rpc_server_tls_config *config,
					  GError **error);
WeftRpcServerTls *weft_rpc_server_tls_ref(WeftRpcServerTls *tls);
void weft_rpc_server_tls_unref(WeftRpcServerTls *tls); /* takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRpcServerTls, weft_rpc_server_tls_unref)

/* Reads the same files again, for new connections; streams that exist go on. On error everything
 * stays as it was. For SIGHUP; any thread, blocks for the file reads. */
bool weft_rpc_server_tls_reload(WeftRpcServerTls *tls, GError **error);

/* For struct weft_rpc_channel_config; NULL members as said. */
struct weft_rpc_channel_tls {
	const char *ca_file;     /* NULL: the system's roots */
	const char *cert_file;   /* NULL: no client certificate */
	const char *key_file;    /* with cert_file */
	const char *server_name; /* expected in the certificate; NULL: the target's host */
};

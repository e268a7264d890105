/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/tls.h"

#include "rpc/limits.h"
#include "rpc/status.h"
#include "rpc/tls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pem {
	char *cert, *key, *ca;
};

struct weft_rpc_server_tls {
	atomic_uint refs;
	char *cert_file, *key_file, *client_ca_file;
	enum weft_rpc_client_certificate client_certificate;

	pthread_mutex_t lock;
	struct pem pem;
	uint64_t generation;
};

/* What one listener has taken so far; core asks at each handshake. */
struct listener {
	WeftRpcServerTls *tls;
	uint64_t generation;
};

static void
wipe_and_free(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	g_free(text);
}

static void
pem_clear(struct pem *pem)
{
	g_free(pem->cert);
	wipe_and_free(pem->key);
	g_free(pem->ca);
	*pem = (struct pem){ 0 };
}

/* The whole of @path, bounded, with a word that must be in it. */
static char *
read_pem(const char *path, const char *marker, GError **error)
{
	char *text = NULL;
	size_t len = 0;
	struct stat st;

	if (stat(path, &st) == 0 && st.st_size > (off_t) WEFT_RPC_MAX_PEM_BYTES) {
		g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_TLS, "%s is too large", path);
		return NULL;
	}
	if (!g_file_get_contents(path, &text, &len, error)) {
		if (error != NULL && *error != NULL) {
			(*error)->domain = WEFT_RPC_ERROR;
			(*error)->code = WEFT_RPC_ERROR_TLS;
		}
		return NULL;
	}
	if (strlen(text) != len || strstr(text, marker) == NULL) {
		g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_TLS, "%s holds no PEM %s", path,
			    strstr(marker, "KEY") != NULL ? "private key" : "certificate");
		wipe_and_free(text);
		return NULL;
	}
	return text;
}

static bool
read_files(const WeftRpcServerTls *tls, struct pem *ret, GError **error)
{
	struct pem pem = { 0 };

	pem.cert = read_pem(tls->cert_file, "-----BEGIN CERTIFICATE-----", error);
	if (pem.cert != NULL)
		pem.key = read_pem(tls->key_file, "PRIVATE KEY-----", error);
	if (pem.key != NULL && tls->client_ca_file != NULL)
		pem.ca = read_pem(tls->client_ca_file, "-----BEGIN CERTIFICATE-----", error);
	if (pem.key == NULL || (tls->client_ca_file != NULL && pem.ca == NULL)) {
		pem_clear(&pem);
		return false;
	}
	*ret = pem;
	return true;
}

static grpc_ssl_client_certificate_request_type
request_type(enum weft_rpc_client_certificate kind)
{
	switch (kind) {
	case WEFT_RPC_CLIENT_CERT_OPTIONAL:
		return GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
	case WEFT_RPC_CLIENT_CERT_REQUIRED:
		return GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
	case WEFT_RPC_CLIENT_CERT_NONE:
		break;
	}
	return GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
}

/* Core alone knows whether it can serve with these: a listener on an abstract socket that is never
 * started says so. */
static bool
check(const WeftRpcServerTls *tls, const struct pem *pem, GError **error)
{
	grpc_ssl_pem_key_cert_pair pair = { .private_key = pem->key, .cert_chain = pem->cert };
	grpc_server_credentials *creds;
	grpc_server *server;
	grpc_completion_queue *cq;
	g_autofree char *address = NULL;
	int port;

	grpc_init();
	creds = grpc_ssl_server_credentials_create_ex(pem->ca, &pair, 1,
						      request_type(tls->client_certificate), NULL);
	address = g_strdup_printf("unix-abstract:weft-check-%d-%08x%08x", (int) getpid(),
				  g_random_int(), g_random_int());
	cq = grpc_completion_queue_create_for_pluck(NULL);
	server = grpc_server_create(NULL, NULL);
	grpc_server_register_completion_queue(server, cq, NULL);
	port = creds == NULL ? 0 : grpc_server_add_http2_port(server, address, creds);
	grpc_server_shutdown_and_notify(server, cq, server);
	(void) grpc_completion_queue_pluck(cq, server, gpr_inf_future(GPR_CLOCK_MONOTONIC),
					   NULL); /* the shutdown */
	grpc_server_destroy(server);
	grpc_completion_queue_shutdown(cq);
	grpc_completion_queue_destroy(cq);
	grpc_server_credentials_release(creds);
	grpc_shutdown();
	if (port > 0)
		return true;
	g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_TLS,
		    "%s and %s cannot be used: not valid, or key and certificate do not match",
		    tls->cert_file, tls->key_file);
	return false;
}

WeftRpcServerTls *
weft_rpc_server_tls_new(const struct weft_rpc_server_tls_config *config, GError **error)
{
	WeftRpcServerTls *tls;

	if (config->client_certificate != WEFT_RPC_CLIENT_CERT_NONE &&
	    config->client_ca_file == NULL) {
		g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_TLS,
			    "client certificates need the certificate of their authority");
		return NULL;
	}
	tls = g_new0(WeftRpcServerTls, 1);
	atomic_init(&tls->refs, 1);
	pthread_mutex_init(&tls->lock, NULL);
	tls->cert_file = g_strdup(config->cert_file);
	tls->key_file = g_strdup(config->key_file);
	tls->client_certificate = config->client_certificate;
	if (config->client_certificate != WEFT_RPC_CLIENT_CERT_NONE)
		tls->client_ca_file = g_strdup(config->client_ca_file);
	if (!weft_rpc_server_tls_reload(tls, error))
		g_clear_pointer(&tls, weft_rpc_server_tls_unref);
	return tls;
}

bool
weft_rpc_server_tls_reload(WeftRpcServerTls *tls, GError **error)
{
	struct pem pem, old;

	if (!read_files(tls, &pem, error))
		return false;
	if (!check(tls, &pem, error)) {
		pem_clear(&pem);
		return false;
	}
	pthread_mutex_lock(&tls->lock);
	old = tls->pem;
	tls->pem = pem;
	tls->generation++;
	pthread_mutex_unlock(&tls->lock);
	pem_clear(&old);
	return true;
}

WeftRpcServerTls *
weft_rpc_server_tls_ref(WeftRpcServerTls *tls)
{
	atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
	return tls;
}

void
weft_rpc_server_tls_unref(WeftRpcServerTls *tls)
{
	if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) > 1)
		return;
	pem_clear(&tls->pem);
	pthread_mutex_destroy(&tls->lock);
	g_free(tls->cert_file);
	g_free(tls->key_file);
	g_free(tls->client_ca_file);
	g_free(tls);
}

static grpc_ssl_certificate_config_reload_status
fetch(void *user, grpc_ssl_server_certificate_config **ret)
{
	struct listener *listener = user;
	WeftRpcServerTls *tls = listener->tls;
	grpc_ssl_certificate_config_reload_status status =
		GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;

	pthread_mutex_lock(&tls->lock);
	if (listener->generation != tls->generation) {
		grpc_ssl_pem_key_cert_pair pair = { .private_key = tls->pem.key,
						    .cert_chain = tls->pem.cert };

		/* Core insists on roots here even when no client certificate is asked for, and
		 * uses them for nothing then. */
		*ret = grpc_ssl_server_certificate_config_create(
			tls->pem.ca != NULL ? tls->pem.ca : tls->pem.cert, &pair, 1);
		listener->generation = tls->generation;
		status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
	}
	pthread_mutex_unlock(&tls->lock);
	return status;
}

grpc_server_credentials *
weft_rpc_server_tls_credentials(WeftRpcServerTls *tls, void **ret_listener)
{
	struct listener *listener = g_new0(struct listener, 1);

	listener->tls = weft_rpc_server_tls_ref(tls);
	*ret_listener = listener;
	return grpc_ssl_server_credentials_create_with_options(
		grpc_ssl_server_credentials_create_options_using_config_fetcher(
			request_type(tls->client_certificate), fetch, listener));
}

void
weft_rpc_server_tls_listener_free(void *user)
{
	struct listener *listener = user;

	weft_rpc_server_tls_unref(listener->tls);
	g_free(listener);
}

grpc_channel_credentials *
weft_rpc_channel_tls_credentials(const struct weft_rpc_channel_tls *tls, GError **error)
{
	grpc_ssl_pem_key_cert_pair pair = { 0 };
	grpc_channel_credentials *creds = NULL;
	struct pem pem = { 0 };
	bool ok = true;

	if (tls->ca_file != NULL) {
		pem.ca = read_pem(tls->ca_file, "-----BEGIN CERTIFICATE-----", error);
		ok = pem.ca != NULL;
	}
	if (ok && tls->cert_file != NULL) {
		pem.cert = read_pem(tls->cert_file, "-----BEGIN CERTIFICATE-----", error);
		if (pem.cert != NULL)
			pem.key = read_pem(tls->key_file, "PRIVATE KEY-----", error);
		ok = pem.key != NULL;
	}
	if (ok) {
		pair.private_key = pem.key;
		pair.cert_chain = pem.cert;
		creds = grpc_ssl_credentials_create_ex(pem.ca, pem.key != NULL ? &pair : NULL, NULL,
						       NULL);
		if (creds == NULL)
			g_set_error(error, WEFT_RPC_ERROR, WEFT_RPC_ERROR_TLS,
				    "the TLS files of the channel cannot be used");
	}
	pem_clear(&pem);
	return creds;
}

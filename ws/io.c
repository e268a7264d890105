/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ws/io.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* One TLS record. */
#define RECORD_MAX 16384

void
weft_ws_io_plain(struct weft_ws_io *io, int fd)
{
	*io = (struct weft_ws_io){ .fd = fd, .established = true };
}

static bool
attach(struct weft_ws_io *io, int fd, SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return false;
	}
	*io = (struct weft_ws_io){ .fd = fd, .ssl = ssl };
	return true;
}

bool
weft_ws_io_tls_server(struct weft_ws_io *io, int fd, SSL_CTX *ctx)
{
	if (!attach(io, fd, ctx))
		return false;
	SSL_set_accept_state(io->ssl);
	return true;
}

/* What the certificate must be for. */
static bool
expect_name(SSL *ssl, const char *name)
{
	uint8_t address[16];

	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

bool
weft_ws_io_tls_client(struct weft_ws_io *io, int fd, SSL_CTX *ctx, const char *name)
{
	if (!attach(io, fd, ctx))
		return false;
	if (!expect_name(io->ssl, name)) {
		SSL_free(io->ssl);
		ERR_clear_error();
		return false;
	}
	SSL_set_connect_state(io->ssl);
	return true;
}

/* What an unsuccessful call of TLS means. */
static enum weft_ws_io_status
tls_status(struct weft_ws_io *io, int result, bool reading)
{
	int saved = errno;

	switch (SSL_get_error(io->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return WEFT_WS_IO_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		if (reading)
			io->read_wants_write = true;
		else
			io->want_write = true;
		return WEFT_WS_IO_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		io->eof = true;
		return WEFT_WS_IO_CLOSED;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		errno = saved;
		if (saved == 0 || saved == ECONNRESET || saved == EPIPE) {
			io->eof = true;
			return WEFT_WS_IO_CLOSED;
		}
		return WEFT_WS_IO_FAILED;
	default:
		ERR_clear_error();
		errno = 0;
		return WEFT_WS_IO_FAILED;
	}
}

enum weft_ws_io_status
weft_ws_io_handshake(struct weft_ws_io *io)
{
	int result;

	if (io->established)
		return WEFT_WS_IO_OK;
	errno = 0;
	io->want_write = false;
	ERR_clear_error();
	result = SSL_do_handshake(io->ssl);
	if (result == 1) {
		io->established = true;
		return WEFT_WS_IO_OK;
	}
	return tls_status(io, result, false);
}

static enum weft_ws_io_status
plain_status(struct weft_ws_io *io)
{
	if (errno == EAGAIN || errno == EINTR)
		return WEFT_WS_IO_AGAIN;
	if (errno == ECONNRESET || errno == EPIPE) {
		io->eof = true;
		return WEFT_WS_IO_CLOSED;
	}
	return WEFT_WS_IO_FAILED;
}

enum weft_ws_io_status
weft_ws_io_read(struct weft_ws_io *io, void *buf, size_t size, size_t *ret_len)
{
	*ret_len = 0;
	if (io->ssl == NULL) {
		ssize_t n = recv(io->fd, buf, size, MSG_DONTWAIT);

		if (n > 0) {
			*ret_len = (size_t) n;
			return WEFT_WS_IO_OK;
		}
		if (n == 0) {
			io->eof = true;
			return WEFT_WS_IO_CLOSED;
		}
		return plain_status(io);
	}
	if (!io->established) {
		enum weft_ws_io_status status = weft_ws_io_handshake(io);

		if (status != WEFT_WS_IO_OK)
			return status;
	}
	errno = 0;
	io->read_wants_write = false;
	ERR_clear_error();
	if (SSL_read_ex(io->ssl, buf, size, ret_len) == 1)
		return WEFT_WS_IO_OK;
	*ret_len = 0;
	return tls_status(io, 0, true);
}

/* Joins the start of a vector into one record. */
static size_t
gather(uint8_t out[RECORD_MAX], const struct iovec *iov, int n)
{
	size_t len = 0;

	for (int i = 0; i < n && len < RECORD_MAX; i++) {
		size_t part = iov[i].iov_len < RECORD_MAX - len ? iov[i].iov_len : RECORD_MAX - len;

		if (part > 0)
			memcpy(out + len, iov[i].iov_base, part);
		len += part;
	}
	return len;
}

static enum weft_ws_io_status
tls_write(struct weft_ws_io *io, const struct iovec *iov, int n, size_t *ret_len)
{
	uint8_t record[RECORD_MAX];
	const void *p = record;
	size_t len;

	if (!io->established) {
		enum weft_ws_io_status status = weft_ws_io_handshake(io);

		if (status != WEFT_WS_IO_OK)
			return status;
	}
	if (n == 1) {
		p = iov[0].iov_base;
		len = iov[0].iov_len;
	} else {
		len = gather(record, iov, n);
	}
	if (len == 0)
		return WEFT_WS_IO_OK;
	errno = 0;
	io->want_write = false;
	ERR_clear_error();
	if (SSL_write_ex(io->ssl, p, len, ret_len) == 1)
		return WEFT_WS_IO_OK;
	*ret_len = 0;
	return tls_status(io, 0, false);
}

enum weft_ws_io_status
weft_ws_io_writev(struct weft_ws_io *io, const struct iovec *iov, int n, size_t *ret_len)
{
	struct msghdr msg = { .msg_iov = (struct iovec *) iov, .msg_iovlen = (size_t) n };
	ssize_t sent;

	*ret_len = 0;
	if (io->ssl != NULL)
		return tls_write(io, iov, n, ret_len);
	sent = sendmsg(io->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	io->want_write = false;
	if (sent >= 0) {
		*ret_len = (size_t) sent;
		return WEFT_WS_IO_OK;
	}
	if (errno == EAGAIN || errno == EINTR)
		io->want_write = true;
	return plain_status(io);
}

bool
weft_ws_io_pending(const struct weft_ws_io *io)
{
	return io->ssl != NULL && SSL_pending(io->ssl) > 0;
}

uint32_t
weft_ws_io_events(const struct weft_ws_io *io)
{
	return EPOLLIN | (io->want_write || io->read_wants_write ? (uint32_t) EPOLLOUT : 0);
}

void
weft_ws_io_close(struct weft_ws_io *io)
{
	if (io->ssl != NULL) {
		ERR_clear_error();
		if (io->established && !io->eof)
			(void) SSL_shutdown(io->ssl); /* as far as it goes without waiting */
		SSL_free(io->ssl);
		ERR_clear_error();
	}
	if (io->fd >= 0)
		close(io->fd);
	*io = (struct weft_ws_io){ .fd = -1, .eof = true };
}

static SSL_CTX *
context_new(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL) {
		ERR_clear_error();
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

SSL_CTX *
weft_ws_tls_server_new(void)
{
	SSL_CTX *ctx = context_new(TLS_server_method());

	if (ctx == NULL)
		return NULL;
	/* Sessions would cost memory per client; tickets cost none. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	return ctx;
}

SSL_CTX *
weft_ws_tls_client_new(const char *ca_file)
{
	SSL_CTX *ctx = context_new(TLS_client_method());
	int loaded;

	if (ctx == NULL)
		return NULL;
	loaded = ca_file != NULL ? SSL_CTX_load_verify_file(ctx, ca_file)
				 : SSL_CTX_set_default_verify_paths(ctx);
	if (loaded != 1) {
		SSL_CTX_free(ctx);
		ERR_clear_error();
		return NULL;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

static bool
explain(const char *what, const char *file, char *why, size_t why_size)
{
	char reason[160];

	ERR_error_string_n(ERR_peek_last_error(), reason, sizeof(reason));
	snprintf(why, why_size, "%s %s: %s", what, file, reason);
	ERR_clear_error();
	return false;
}

bool
weft_ws_tls_load(
	SSL_CTX *ctx, const char *cert_file, const char *key_file, char *why, size_t why_size)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		return explain("certificate", cert_file, why, why_size);
	if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
		return explain("key", key_file, why, why_size);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return explain("key does not fit the certificate", key_file, why, why_size);
	return true;
}

void
weft_ws_tls_ref(SSL_CTX *ctx)
{
	SSL_CTX_up_ref(ctx);
}

void
weft_ws_tls_free(SSL_CTX *ctx)
{
	SSL_CTX_free(ctx);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A non-blocking byte stream over a connected socket, plain or TLS: for epoll, edge or level
 * triggered, without a loop of its own. Not only for WebSocket: TURN over TCP and TLS uses it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct ssl_st;     /* OpenSSL's SSL */

enum weft_ws_io_status {
	WEFT_WS_IO_OK,
	WEFT_WS_IO_AGAIN,  /* nothing now: wait for weft_ws_io_events() */
	WEFT_WS_IO_CLOSED, /* end of stream */
	WEFT_WS_IO_FAILED, /* error: errno, or 0 and a TLS alert */
};

struct weft_ws_io {
	int fd; /* owned, -1 when closed */
	struct ssl_st *ssl;
	bool established;      /* TLS handshake done; true for plain streams */
	bool want_write;       /* something waits for the socket to become writable */
	bool read_wants_write; /* TLS renegotiation of keys */
	bool eof;
};

/* @fd must be connected (or connecting) and non-blocking. */
void weft_ws_io_plain(struct weft_ws_io *io, int fd);

/* Server side of TLS. False without memory; @fd is then still the caller's. */
bool weft_ws_io_tls_server(struct weft_ws_io *io, int fd, struct ssl_ctx_st *ctx);

/* Client side: @name is sent as SNI and must match the certificate; an address literal is matched
 * as address and not sent. */
bool weft_ws_io_tls_client(struct weft_ws_io *io, int fd, struct ssl_ctx_st *ctx, const char *name);

/* Drives the TLS handshake; OK at once for a plain stream. */
enum weft_ws_io_status weft_ws_io_handshake(struct weft_ws_io *io);

/* *@ret_len > 0 exactly on OK. */
enum weft_ws_io_status weft_ws_io_read(struct weft_ws_io *io,
				       void *buf,
				       size_t size,
				       size_t *ret_len);

/* Writes as much as goes; *@ret_len bytes of the vector are gone on OK (maybe not all). On AGAIN
 * nothing is; TLS allows the next attempt with other, longer data only if it begins with the same
 * bytes. */
enum weft_ws_io_status weft_ws_io_writev(struct weft_ws_io *io,
					 const struct iovec *iov,
					 int n,
					 size_t *ret_len);

/* Decrypted bytes wait inside TLS: epoll will not tell. */
bool weft_ws_io_pending(const struct weft_ws_io *io);

/* EPOLLIN, and EPOLLOUT while something waits for it. */
uint32_t weft_ws_io_events(const struct weft_ws_io *io);

/* Sends close_notify if it goes without waiting, closes and frees. Safe on a closed stream. */
void weft_ws_io_close(struct weft_ws_io *io);

/* A context with what both sides have in common: TLS 1.2 and later, no compression, no
 * renegotiation, small buffers released when idle. NULL without memory. The server's gets its
 * certificate by weft_ws_tls_load(). Freed by weft_ws_tls_free(). */
struct ssl_ctx_st *weft_ws_tls_server_new(void);

/* @ca_file: PEM file of trusted certificates, NULL = the system's. NULL if it cannot be read. */
struct ssl_ctx_st *weft_ws_tls_client_new(const char *ca_file);

/* Certificate chain and key, PEM. False with the reason in @why. */
bool weft_ws_tls_load(struct ssl_ctx_st *ctx,
		      const char *cert_file,
		      const char *key_file,
		      char *why,
		      size_t why_size);
void weft_ws_tls_ref(struct ssl_ctx_st *ctx);
void weft_ws_tls_free(struct ssl_ctx_st *ctx);

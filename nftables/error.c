/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nftables/error.h"

#include <errno.h>

/* clang-format off */
static const char *const error_names[WEFT_NFT_ERROR_COUNT_] = {
	[WEFT_NFT_ERROR_FAILED] = "failed",
	[WEFT_NFT_ERROR_PERMISSION] = "permission",
	[WEFT_NFT_ERROR_NOT_FOUND] = "not-found",
	[WEFT_NFT_ERROR_EXISTS] = "exists",
	[WEFT_NFT_ERROR_BUSY] = "busy",
	[WEFT_NFT_ERROR_NO_BUFFERS] = "no-buffers",
	[WEFT_NFT_ERROR_UNSUPPORTED] = "unsupported",
	[WEFT_NFT_ERROR_TIMEOUT] = "timeout",
	[WEFT_NFT_ERROR_INTERRUPTED] = "interrupted",
	[WEFT_NFT_ERROR_PROTOCOL] = "protocol",
	[WEFT_NFT_ERROR_INVALID] = "invalid",
	[WEFT_NFT_ERROR_FOREIGN] = "foreign",
};

static const struct {
	int err;
	enum weft_nft_error code;
} codes[] = {
	{ EPERM, WEFT_NFT_ERROR_PERMISSION },
	{ EACCES, WEFT_NFT_ERROR_PERMISSION },
	{ ENOENT, WEFT_NFT_ERROR_NOT_FOUND },
	{ EEXIST, WEFT_NFT_ERROR_EXISTS },
	{ EBUSY, WEFT_NFT_ERROR_BUSY },
	{ ENOBUFS, WEFT_NFT_ERROR_NO_BUFFERS },
	{ ENOMEM, WEFT_NFT_ERROR_NO_BUFFERS },
	{ EOPNOTSUPP, WEFT_NFT_ERROR_UNSUPPORTED },
	{ EAFNOSUPPORT, WEFT_NFT_ERROR_UNSUPPORTED },
	{ EPROTONOSUPPORT, WEFT_NFT_ERROR_UNSUPPORTED },
	{ ENOSYS, WEFT_NFT_ERROR_UNSUPPORTED },
	{ ETIMEDOUT, WEFT_NFT_ERROR_TIMEOUT },
	{ EAGAIN, WEFT_NFT_ERROR_TIMEOUT },
	{ EINTR, WEFT_NFT_ERROR_INTERRUPTED },
	{ ERESTART, WEFT_NFT_ERROR_INTERRUPTED },
	{ EBADMSG, WEFT_NFT_ERROR_PROTOCOL },
	{ EMSGSIZE, WEFT_NFT_ERROR_PROTOCOL },
	{ EPROTO, WEFT_NFT_ERROR_PROTOCOL },
};
/* clang-format on */

G_DEFINE_QUARK(weft - nft - error - quark, weft_nft_error)

const char *
weft_nft_error_name(enum weft_nft_error code)
{
	return (unsigned) code < WEFT_NFT_ERROR_COUNT_ ? error_names[code] : "unknown";
}

enum weft_nft_error
weft_nft_error_from_errno(int err)
{
	for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
		if (codes[i].err == err)
			return codes[i].code;
	}
	return WEFT_NFT_ERROR_FAILED;
}

void
weft_nft_error_set(GError **error, int err, const char *text)
{
	enum weft_nft_error code = weft_nft_error_from_errno(err);
	const char *hint = code == WEFT_NFT_ERROR_PERMISSION
				   ? " (the capability CAP_NET_ADMIN is missing)"
				   : "";

	g_set_error(error, WEFT_NFT_ERROR, (gint) code, "NETFILTER: %s%s",
		    text != NULL && text[0] != '\0' ? text : g_strerror(err), hint);
}

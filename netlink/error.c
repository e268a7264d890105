/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/error.h"

#include <errno.h>

/* clang-format off */
static const char *const error_names[WEFT_NL_ERROR_COUNT_] = {
	[WEFT_NL_ERROR_FAILED] = "failed",
	[WEFT_NL_ERROR_PERMISSION] = "permission",
	[WEFT_NL_ERROR_NOT_FOUND] = "not-found",
	[WEFT_NL_ERROR_EXISTS] = "exists",
	[WEFT_NL_ERROR_BUSY] = "busy",
	[WEFT_NL_ERROR_NO_BUFFERS] = "no-buffers",
	[WEFT_NL_ERROR_UNSUPPORTED] = "unsupported",
	[WEFT_NL_ERROR_TIMEOUT] = "timeout",
	[WEFT_NL_ERROR_INTERRUPTED] = "interrupted",
	[WEFT_NL_ERROR_PROTOCOL] = "protocol",
	[WEFT_NL_ERROR_INVALID] = "invalid",
	[WEFT_NL_ERROR_CONFLICT] = "conflict",
	[WEFT_NL_ERROR_FOREIGN] = "foreign",
};

static const struct {
	int err;
	enum weft_nl_error code;
} codes[] = {
	{ EPERM, WEFT_NL_ERROR_PERMISSION },
	{ ENOENT, WEFT_NL_ERROR_NOT_FOUND },
	{ ENODEV, WEFT_NL_ERROR_NOT_FOUND },
	{ ENXIO, WEFT_NL_ERROR_NOT_FOUND },
	{ ESRCH, WEFT_NL_ERROR_NOT_FOUND },
	{ ENETUNREACH, WEFT_NL_ERROR_NOT_FOUND },
	{ EHOSTUNREACH, WEFT_NL_ERROR_NOT_FOUND },
	{ EADDRNOTAVAIL, WEFT_NL_ERROR_NOT_FOUND },
	{ EEXIST, WEFT_NL_ERROR_EXISTS },
	{ EBUSY, WEFT_NL_ERROR_BUSY },
	{ EADDRINUSE, WEFT_NL_ERROR_BUSY },
	{ ENOBUFS, WEFT_NL_ERROR_NO_BUFFERS },
	{ ENOMEM, WEFT_NL_ERROR_NO_BUFFERS },
	{ EOPNOTSUPP, WEFT_NL_ERROR_UNSUPPORTED },
	{ EAFNOSUPPORT, WEFT_NL_ERROR_UNSUPPORTED },
	{ EPROTONOSUPPORT, WEFT_NL_ERROR_UNSUPPORTED },
	{ ENOSYS, WEFT_NL_ERROR_UNSUPPORTED },
	{ ETIMEDOUT, WEFT_NL_ERROR_TIMEOUT },
	{ EAGAIN, WEFT_NL_ERROR_TIMEOUT },
	{ EINTR, WEFT_NL_ERROR_INTERRUPTED },
	{ EBADMSG, WEFT_NL_ERROR_PROTOCOL },
	{ EMSGSIZE, WEFT_NL_ERROR_PROTOCOL },
	{ EPROTO, WEFT_NL_ERROR_PROTOCOL },
};
/* clang-format on */

G_DEFINE_QUARK(weft - nl - error - quark, weft_nl_error)

const char *
weft_nl_error_name(enum weft_nl_error code)
{
	return (unsigned) code < WEFT_NL_ERROR_COUNT_ ? error_names[code] : "unknown";
}

enum weft_nl_error
weft_nl_error_from_errno(int err)
{
	for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
		if (codes[i].err == err)
			return codes[i].code;
	}
	return WEFT_NL_ERROR_FAILED;
}

void
weft_nl_error_set(GError **error, const char *who, int err, const char *text)
{
	enum weft_nl_error code = weft_nl_error_from_errno(err);
	const char *hint = code == WEFT_NL_ERROR_PERMISSION
				   ? " (the capability CAP_NET_ADMIN is missing)"
				   : "";

	g_set_error(error, WEFT_NL_ERROR, (gint) code, "%s: %s%s", who,
		    text != NULL && text[0] != '\0' ? text : g_strerror(err), hint);
}

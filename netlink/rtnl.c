/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/rtnl.h"

#include "netlink/attrs.h"
#include "netlink/error.h"

#include <errno.h>
#include <linux/rtnetlink.h>

void
weft_nl_lib_check(int result)
{
	if (result < 0)
		g_error("libnl: %s", nl_geterror(result));
}

struct nl_addr *
weft_nl_lib_addr(const struct weft_address *a)
{
	/* libnl copies the octets; its signature merely forgot to say const. */
	struct weft_address copy = *a;
	struct nl_addr *n =
		nl_addr_build(weft_nl_family_to_af((enum weft_family) a->family), copy.b,
			      weft_nl_family_octets((enum weft_family) a->family));

	weft_nl_lib_check(n == NULL ? -NLE_NOMEM : 0);
	return n;
}

struct nl_addr *
weft_nl_lib_prefix(const struct weft_prefix *p)
{
	struct nl_addr *n = weft_nl_lib_addr(&p->addr);

	nl_addr_set_prefixlen(n, p->bits);
	return n;
}

bool
weft_nl_rtnl_send(WeftNlSocket *rt, struct nl_msg *msg, GError **error)
{
	return weft_nl_socket_request(rt, nlmsg_hdr(msg), NULL, NULL, error);
}

enum weft_family
weft_nl_msg_family(const struct nlmsghdr *msg)
{
	uint8_t af = 0;

	return weft_nl_msg_header(msg, &af, sizeof af) ? weft_nl_family_from_af(af)
						       : WEFT_FAMILY_NONE;
}

struct dump {
	const struct weft_nl_rtnl_dump *d;
	GArray *array;
};

static void
on_restart(void *user)
{
	struct dump *dump = user;

	g_array_set_size(dump->array, 0);
}

static bool
on_reply(const struct nlmsghdr *msg, void *user, GError **error)
{
	struct dump *dump = user;
	const struct weft_nl_rtnl_dump *d = dump->d;
	GArray *array = dump->array;
	void *element;

	if (msg->nlmsg_type != d->type ||
	    (!d->any_family && weft_nl_msg_family(msg) == WEFT_FAMILY_NONE))
		return true;
	if (array->len >= d->limit) {
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_NO_BUFFERS, "more than %zu objects",
			    d->limit);
		return false;
	}
	g_array_set_size(array, array->len + 1);
	element = array->data + (array->len - 1) * d->size;
	if (!d->parse(element, msg)) {
		weft_nl_error_set(error, "RTNETLINK", EBADMSG, "a malformed reply");
		return false;
	}
	if (d->keep != NULL && !d->keep(element, d->user))
		g_array_set_size(array, array->len - 1);
	return true;
}

GArray *
weft_nl_rtnl_dump(WeftNlSocket *rt,
		  struct nlmsghdr *msg,
		  const struct weft_nl_rtnl_dump *d,
		  GError **error)
{
	g_autoptr(GArray) array = g_array_new(FALSE, TRUE, (guint) d->size);
	struct dump dump = { .d = d, .array = array };
	const struct weft_nl_dump ops = { .reply = on_reply, .restart = on_restart, .user = &dump };

	if (!weft_nl_socket_dump(rt, msg, &ops, error))
		return NULL;
	return g_steal_pointer(&array);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/wg-kernel.h"

#include "netlink/error.h"
#include "netlink/limits.h"
#include "netlink/link.h"
#include "netlink/wg-genl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <string.h>

#define KIND "wireguard"

struct kernel {
	WeftNlSocket *generic;
	WeftNlSocket *route;
	uint16_t family;
	uint8_t *buf; /* WEFT_NL_SEND_SIZE */
};

static bool
on_family(const struct nlmsghdr *msg, void *user, GError **error)
{
	uint16_t *family = user;

	*family = weft_nl_genl_family_read(msg);
	return *family != 0;
}

/* The kernel loads a module that offers the family, if there is one. */
static bool
find_family(WeftNlSocket *generic, uint16_t *ret, GError **error)
{
	uint8_t buf[128] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *header = mnl_nlmsg_put_extra_header(msg, sizeof *header);
	g_autoptr(GError) e = NULL;

	msg->nlmsg_type = GENL_ID_CTRL;
	header->cmd = CTRL_CMD_GETFAMILY;
	header->version = 1;
	(void) mnl_attr_put_strz_check(msg, sizeof buf, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	*ret = 0;
	if (!weft_nl_socket_request(generic, msg, on_family, ret, &e)) {
		if (g_error_matches(e, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND)) {
			g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_UNSUPPORTED,
				    "this kernel has no WireGuard");
			return false;
		}
		g_propagate_prefixed_error(error, g_steal_pointer(&e),
					   "asking the kernel for WireGuard: ");
		return false;
	}
	if (*ret != 0)
		return true;
	weft_nl_error_set(error, "WIREGUARD", EBADMSG, "an empty answer");
	return false;
}

static bool kernel_get_into(struct kernel *k,
			    const char *name,
			    struct weft_nl_wg_device *dev,
			    GError **error);

static struct weft_nl_wg_device *
kernel_get(void *self, const char *name, GError **error)
{
	struct weft_nl_wg_device *dev = weft_nl_wg_device_new(name);

	if (kernel_get_into(self, name, dev, error))
		return dev;
	weft_nl_wg_device_free(dev);
	return NULL;
}

static void
on_restart(void *user)
{
	struct weft_nl_wg_device *dev = user;
	char name[WEFT_NL_IFNAME_SIZE];

	memcpy(name, dev->name, sizeof name);
	weft_nl_wg_device_clear(dev);
	memcpy(dev->name, name, sizeof name);
}

static bool
on_device(const struct nlmsghdr *msg, void *user, GError **error)
{
	return weft_nl_wg_read(user, msg);
}

static bool
kernel_get_into(struct kernel *k, const char *name, struct weft_nl_wg_device *dev, GError **error)
{
	const struct weft_nl_dump dump = { .reply = on_device, .restart = on_restart, .user = dev };
	uint8_t buf[128] __attribute__((aligned(4)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *header = mnl_nlmsg_put_extra_header(msg, sizeof *header);
	GError *e = NULL;

	msg->nlmsg_type = k->family;
	header->cmd = WG_CMD_GET_DEVICE;
	header->version = WG_GENL_VERSION;
	(void) mnl_attr_put_strz_check(msg, sizeof buf, WGDEVICE_A_IFNAME, name);
	if (weft_nl_socket_dump(k->generic, msg, &dump, &e)) {
		weft_nl_wg_device_sort(dev);
		return true;
	}
	/* So it answers for links of another kind. */
	if (e->code == WEFT_NL_ERROR_UNSUPPORTED)
		e->code = WEFT_NL_ERROR_NOT_FOUND;
	g_propagate_error(error, e);
	return false;
}

static bool
kernel_set(void *self, const char *name, const struct weft_nl_wg_set *set, GError **error)
{
	struct kernel *k = self;
	struct weft_nl_wg_writer w = { .family = k->family, .name = name, .set = set };
	enum weft_nl_wg_written written;
	bool ok = true;

	do {
		struct nlmsghdr *msg = (void *) k->buf;

		written = weft_nl_wg_write(&w, k->buf, WEFT_NL_SEND_SIZE);
		if (written == WEFT_NL_WG_WRITTEN_ERROR) {
			weft_nl_error_set(error, "WIREGUARD", EMSGSIZE, NULL);
			ok = false;
		} else {
			ok = weft_nl_socket_request(k->generic, msg, NULL, NULL, error);
		}
		weft_wipe(k->buf, msg->nlmsg_len);
	} while (ok && written == WEFT_NL_WG_WRITTEN_FULL);
	return ok;
}

static bool
refuse(const struct weft_nl_link *link, GError **error)
{
	g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_FOREIGN,
		    "the name is taken by a link of someone else (kind %s, not marked as ours)",
		    link->kind[0] != '\0' ? link->kind : "hardware");
	return false;
}

static bool
adopt(struct kernel *k, const struct weft_nl_link *link, GError **error)
{
	g_autoptr(WeftNlWgDevice) dev = NULL;

	if (strcmp(link->kind, KIND) != 0)
		return refuse(link, error);
	if (weft_nl_link_is_ours(link))
		return true;
	dev = kernel_get(k, link->name, error);
	if (dev == NULL)
		return false;
	if (!weft_nl_wg_device_is_blank(dev))
		return refuse(link, error);
	return weft_nl_link_set_alias(k->route, link, WEFT_NL_LINK_MARK, error);
}

static bool
mark_new(struct kernel *k, const char *name, GError **error)
{
	struct weft_nl_link link;

	if (!weft_nl_link_get(k->route, name, &link, error))
		return false;
	if (weft_nl_link_set_alias(k->route, &link, WEFT_NL_LINK_MARK, error))
		return true;
	/* Unmarked it would be foreign to us for ever. */
	if (!weft_nl_link_delete(k->route, &link, NULL))
		g_prefix_error(error, "left behind unmarked: ");
	return false;
}

static bool
kernel_create(void *self, const char *name, enum weft_nl_wg_created *ret, GError **error)
{
	struct kernel *k = self;
	struct weft_nl_link link;
	g_autoptr(GError) e = NULL;

	if (weft_nl_link_get(k->route, name, &link, &e)) {
		*ret = WEFT_NL_WG_ADOPTED;
		return adopt(k, &link, error);
	}
	if (!g_error_matches(e, WEFT_NL_ERROR, WEFT_NL_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&e));
		return false;
	}
	*ret = WEFT_NL_WG_CREATED;
	return weft_nl_link_create(k->route, name, KIND, error) && mark_new(k, name, error);
}

static bool
kernel_destroy(void *self, const char *name, GError **error)
{
	struct kernel *k = self;
	struct weft_nl_link link;

	if (!weft_nl_link_get(k->route, name, &link, error))
		return false;
	if (strcmp(link.kind, KIND) != 0 || !weft_nl_link_is_ours(&link))
		return refuse(&link, error);
	return weft_nl_link_delete(k->route, &link, error);
}

static char **
kernel_list(void *self, GError **error)
{
	struct kernel *k = self;
	g_autoptr(GArray) links = weft_nl_link_dump(k->route, error);
	g_autoptr(GStrvBuilder) names = g_strv_builder_new();

	if (links == NULL)
		return NULL;
	for (guint i = 0; i < links->len; i++) {
		const struct weft_nl_link *l = &g_array_index(links, struct weft_nl_link, i);

		if (strcmp(l->kind, KIND) == 0)
			g_strv_builder_add(names, l->name);
	}
	return g_strv_builder_end(names);
}

static void
kernel_free(void *self)
{
	struct kernel *k = self;

	weft_nl_socket_free(k->generic);
	weft_nl_socket_free(k->route);
	g_free(k->buf); /* wiped after each use */
	g_free(k);
}

static const struct weft_nl_wg_ops kernel_ops = {
	.name = "kernel",
	.create = kernel_create,
	.destroy = kernel_destroy,
	.set = kernel_set,
	.get = kernel_get,
	.list = kernel_list,
	.free = kernel_free,
};

WeftNlWg *
weft_nl_wg_kernel_new(WeftNlSocket *generic, WeftNlSocket *route, GError **error)
{
	uint16_t family;
	struct kernel *k;

	if (!find_family(generic, &family, error)) {
		weft_nl_socket_free(generic);
		weft_nl_socket_free(route);
		return NULL;
	}
	k = g_new(struct kernel, 1);
	*k = (struct kernel){ .generic = generic,
			      .route = route,
			      .family = family,
			      .buf = g_malloc(WEFT_NL_SEND_SIZE) };
	return weft_nl_wg_new(&kernel_ops, k);
}

WeftNlWg *
weft_nl_wg_kernel_open(const struct weft_env *env, GError **error)
{
	g_autoptr(WeftNlSocket) generic = weft_nl_socket_open(WEFT_NL_BUS_GENERIC, env, error);
	g_autoptr(WeftNlSocket) route = NULL;

	if (generic == NULL)
		return NULL;
	route = weft_nl_socket_open(WEFT_NL_BUS_ROUTE, env, error);
	if (route == NULL)
		return NULL;
	return weft_nl_wg_kernel_new(g_steal_pointer(&generic), g_steal_pointer(&route), error);
}

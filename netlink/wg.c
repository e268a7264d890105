/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/wg.h"

#include "netlink/error.h"
#include "netlink/link.h"
#include "netlink/wg-kernel.h"
#include "netlink/wg-uapi.h"

#define ALL_CHANGES                                                                                \
	(WEFT_NL_WG_CHANGE_REMOVE | WEFT_NL_WG_CHANGE_REPLACE_ALLOWED |                            \
	 WEFT_NL_WG_CHANGE_UPDATE_ONLY | WEFT_NL_WG_CHANGE_PRESHARED_KEY |                         \
	 WEFT_NL_WG_CHANGE_ENDPOINT | WEFT_NL_WG_CHANGE_KEEPALIVE)

struct weft_nl_wg {
	const struct weft_nl_wg_ops *ops;
	void *self;
};

WeftNlWg *
weft_nl_wg_new(const struct weft_nl_wg_ops *ops, void *self)
{
	WeftNlWg *wg = g_new(WeftNlWg, 1);

	*wg = (WeftNlWg){ .ops = ops, .self = self };
	return wg;
}

void
weft_nl_wg_free(WeftNlWg *wg)
{
	if (wg == NULL)
		return;
	wg->ops->free(wg->self);
	g_free(wg);
}

WeftNlWg *
weft_nl_wg_open(const struct weft_nl_wg_config *config, GError **error)
{
	g_autoptr(GError) kernel_error = NULL;
	g_autoptr(GError) uapi_error = NULL;
	WeftNlWg *wg = NULL;

	if (!config->uapi_only) {
		wg = weft_nl_wg_kernel_open(config->env, &kernel_error);
		if (wg != NULL)
			return wg;
		if (!g_error_matches(kernel_error, WEFT_NL_ERROR, WEFT_NL_ERROR_UNSUPPORTED)) {
			g_propagate_error(error, g_steal_pointer(&kernel_error));
			return NULL;
		}
	}
	wg = weft_nl_wg_uapi_open(config, &uapi_error);
	if (wg == NULL && kernel_error != NULL)
		g_prefix_error(&uapi_error, "%s; ", kernel_error->message);
	if (wg == NULL)
		g_propagate_error(error, g_steal_pointer(&uapi_error));
	return wg;
}

const char *
weft_nl_wg_name(const WeftNlWg *wg)
{
	return wg->ops->name;
}

bool
weft_nl_wg_create(WeftNlWg *wg, const char *name, enum weft_nl_wg_created *ret, GError **error)
{
	enum weft_nl_wg_created created;

	if (!weft_nl_link_name_check(name, error))
		return false;
	if (!wg->ops->create(wg->self, name, &created, error)) {
		g_prefix_error(error, "link %s: create device: ", name);
		return false;
	}
	if (ret != NULL)
		*ret = created;
	return true;
}

bool
weft_nl_wg_destroy(WeftNlWg *wg, const char *name, GError **error)
{
	if (!weft_nl_link_name_check(name, error))
		return false;
	if (wg->ops->destroy(wg->self, name, error))
		return true;
	g_prefix_error(error, "link %s: delete device: ", name);
	return false;
}

/* What is impossible about a change; NULL if nothing. */
static const char *
change_defect(const struct weft_nl_wg_change *c)
{
	if (weft_key_is_zero(&c->public_key))
		return "the public key is zero";
	if ((c->flags & ~(uint32_t) ALL_CHANGES) != 0)
		return "unknown flags";
	if ((c->flags & WEFT_NL_WG_CHANGE_REMOVE) != 0 &&
	    (c->flags != WEFT_NL_WG_CHANGE_REMOVE || c->n_allowed != 0))
		return "removed and changed at once";
	if ((c->flags & WEFT_NL_WG_CHANGE_ENDPOINT) != 0 &&
	    (c->endpoint.port == 0 || weft_address_bits(&c->endpoint.addr) == 0))
		return "an endpoint without address or port";
	for (size_t i = 0; i < c->n_allowed; i++) {
		uint8_t bits = weft_address_bits(&c->allowed[i].addr);

		if (bits == 0 || c->allowed[i].bits > bits)
			return "an allowed ip with an impossible prefix";
	}
	return NULL;
}

static bool
set_check(const struct weft_nl_wg_set *set, GError **error)
{
	for (size_t i = 0; i < set->n_changes; i++) {
		const char *defect = change_defect(&set->changes[i]);
		struct weft_key_text text;

		if (defect == NULL)
			continue;
		text = weft_key_to_text(&set->changes[i].public_key);
		g_set_error(error, WEFT_NL_ERROR, WEFT_NL_ERROR_INVALID, "peer ...%s: %s",
			    text.s + WEFT_KEY_TEXT_LEN - 8, defect);
		return false;
	}
	return true;
}

bool
weft_nl_wg_set(WeftNlWg *wg, const char *name, const struct weft_nl_wg_set *set, GError **error)
{
	if (!weft_nl_link_name_check(name, error))
		return false;
	if (set_check(set, error) && wg->ops->set(wg->self, name, set, error))
		return true;
	g_prefix_error(error, "link %s: set device: ", name);
	return false;
}

struct weft_nl_wg_device *
weft_nl_wg_get(WeftNlWg *wg, const char *name, GError **error)
{
	struct weft_nl_wg_device *dev;

	if (!weft_nl_link_name_check(name, error))
		return NULL;
	dev = wg->ops->get(wg->self, name, error);
	if (dev == NULL) {
		g_prefix_error(error, "link %s: get device: ", name);
		return NULL;
	}
	if (!dev->normalised)
		weft_nl_wg_device_sort(dev);
	return dev;
}

char **
weft_nl_wg_list(WeftNlWg *wg, GError **error)
{
	char **names = wg->ops->list(wg->self, error);

	if (names == NULL)
		g_prefix_error(error, "list WireGuard devices: ");
	return names;
}

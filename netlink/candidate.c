/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/candidate.h"

#include <linux/if_addr.h>
#include <net/if.h>
#include <string.h>

static const char *const skip_prefixes[] = {
	"wt",        "utun",      "tun0",   "zt",   "ZeroTier", "wg", "ts",
	"Tailscale", "tailscale", "docker", "veth", "br-",      "lo", NULL,
};

const char *const *
weft_nl_candidate_skip_prefixes(void)
{
	return skip_prefixes;
}

bool
weft_nl_candidate_link_ok(const struct weft_nl_candidate_config *config,
			  const struct weft_nl_link *link)
{
	const char *const *prefixes =
		config->skip_prefixes != NULL ? config->skip_prefixes : skip_prefixes;

	if ((link->flags & IFF_UP) == 0 || (link->flags & IFF_LOOPBACK) != 0 ||
	    strcmp(link->kind, "wireguard") == 0 || weft_nl_link_is_ours(link))
		return false;
	if (config->own_link != NULL && config->own_link[0] != '\0' &&
	    g_str_has_prefix(link->name, config->own_link))
		return false;
	for (; *prefixes != NULL; prefixes++) {
		if (g_str_has_prefix(link->name, *prefixes))
			return false;
	}
	return true;
}

bool
weft_nl_candidate_addr_ok(const struct weft_nl_candidate_config *config,
			  const struct weft_nl_addr *addr)
{
	const uint32_t unusable = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;
	const struct weft_address *a = &addr->prefix.addr;
	bool v6 = a->family == WEFT_FAMILY_IPV6;
	enum weft_address_class class = weft_address_classify(a);

	/* An optimistic address is tentative and may be used (RFC 4429). */
	if ((addr->flags & unusable & ~(uint32_t) IFA_F_TENTATIVE) != 0 ||
	    ((addr->flags & IFA_F_TENTATIVE) != 0 && (addr->flags & IFA_F_OPTIMISTIC) == 0))
		return false;
	if (v6 && (config->no_ipv6 || class == WEFT_ADDRESS_LINK_LOCAL))
		return false;
	return class != WEFT_ADDRESS_UNSPECIFIED && class != WEFT_ADDRESS_LOOPBACK &&
	       class != WEFT_ADDRESS_MULTICAST;
}

static int
compare_addresses(const void *a, const void *b)
{
	return weft_nl_addr_compare(a, b);
}

static const struct weft_nl_link *
find_link(const GArray *links, uint32_t ifindex)
{
	for (guint i = 0; i < links->len; i++) {
		const struct weft_nl_link *l = &g_array_index(links, struct weft_nl_link, i);

		if (l->ifindex == ifindex)
			return l;
	}
	return NULL;
}

GArray *
weft_nl_candidate_filter(const struct weft_nl_candidate_config *config,
			 const GArray *links,
			 const GArray *addrs)
{
	GArray *found = g_array_new(FALSE, TRUE, sizeof(struct weft_nl_addr));
	guint n = 0;

	for (guint i = 0; i < addrs->len; i++) {
		const struct weft_nl_addr *a = &g_array_index(addrs, struct weft_nl_addr, i);
		const struct weft_nl_link *l = find_link(links, a->ifindex);

		if (l != NULL && weft_nl_candidate_link_ok(config, l) &&
		    weft_nl_candidate_addr_ok(config, a))
			g_array_append_vals(found, a, 1);
	}
	g_array_sort(found, compare_addresses);
	for (guint i = 0; i < found->len; i++) {
		struct weft_nl_addr *a = &g_array_index(found, struct weft_nl_addr, i);
		struct weft_nl_addr *last =
			n > 0 ? &g_array_index(found, struct weft_nl_addr, n - 1) : NULL;

		if (last == NULL || !weft_address_equal(&last->prefix.addr, &a->prefix.addr))
			g_array_index(found, struct weft_nl_addr, n++) = *a;
	}
	g_array_set_size(found, n);
	return found;
}

GArray *
weft_nl_candidate_list(WeftNlSocket *rt,
		       const struct weft_nl_candidate_config *config,
		       GError **error)
{
	g_autoptr(GArray) links = weft_nl_link_dump(rt, error);
	g_autoptr(GArray) addrs = links != NULL ? weft_nl_addr_dump(rt, 0, error) : NULL;

	return addrs != NULL ? weft_nl_candidate_filter(config, links, addrs) : NULL;
}

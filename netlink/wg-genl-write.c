/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/wg-genl.h"

#include "netlink/attrs.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <sys/socket.h>

/* A message under construction. */
struct out {
	struct nlmsghdr *msg;
	size_t size;
};

static bool
put(const struct out *o, uint16_t type, const void *data, size_t len)
{
	return mnl_attr_put_check(o->msg, o->size, type, len, data);
}

/* One allowed ip, or nothing. */
static bool
put_allowed_ip(const struct out *o, const struct weft_prefix *p)
{
	struct nlattr *nest = mnl_attr_nest_start_check(o->msg, o->size, 0);
	enum weft_family family = (enum weft_family) p->addr.family;
	uint16_t af = (uint16_t) weft_nl_family_to_af(family);

	if (nest == NULL)
		return false;
	if (!put(o, WGALLOWEDIP_A_FAMILY, &af, sizeof af) ||
	    !put(o, WGALLOWEDIP_A_IPADDR, p->addr.b, weft_nl_family_octets(family)) ||
	    !put(o, WGALLOWEDIP_A_CIDR_MASK, &p->bits, sizeof p->bits)) {
		mnl_attr_nest_cancel(o->msg, nest);
		return false;
	}
	mnl_attr_nest_end(o->msg, nest);
	return true;
}

/* DONE, or FULL with as many as fit. */
static enum weft_nl_wg_written
put_allowed_ips(struct weft_nl_wg_writer *w, const struct out *o)
{
	const struct weft_nl_wg_change *c = &w->set->changes[w->change];
	struct nlattr *nest;

	if (w->allowed == c->n_allowed)
		return WEFT_NL_WG_WRITTEN_DONE;
	nest = mnl_attr_nest_start_check(o->msg, o->size, WGPEER_A_ALLOWEDIPS);
	if (nest == NULL)
		return WEFT_NL_WG_WRITTEN_FULL;
	while (w->allowed < c->n_allowed && put_allowed_ip(o, &c->allowed[w->allowed]))
		w->allowed++;
	mnl_attr_nest_end(o->msg, nest);
	return w->allowed == c->n_allowed ? WEFT_NL_WG_WRITTEN_DONE : WEFT_NL_WG_WRITTEN_FULL;
}

static uint32_t
peer_flags(const struct weft_nl_wg_writer *w, const struct weft_nl_wg_change *c)
{
	uint32_t flags = 0;

	if ((c->flags & WEFT_NL_WG_CHANGE_REMOVE) != 0)
		flags |= WGPEER_F_REMOVE_ME;
	if ((c->flags & WEFT_NL_WG_CHANGE_UPDATE_ONLY) != 0)
		flags |= WGPEER_F_UPDATE_ONLY;
	/* A second time would take away what the first part brought. */
	if ((c->flags & WEFT_NL_WG_CHANGE_REPLACE_ALLOWED) != 0 && !w->peer_begun)
		flags |= WGPEER_F_REPLACE_ALLOWEDIPS;
	return flags;
}

static bool
put_endpoint(const struct out *o, const struct weft_endpoint *endpoint)
{
	struct sockaddr_storage sa;
	unsigned len = weft_endpoint_to_sockaddr(endpoint, &sa);

	return put(o, WGPEER_A_ENDPOINT, &sa, len);
}

/* All of a peer but its allowed ips. */
static bool
put_peer_head(const struct weft_nl_wg_writer *w, const struct out *o)
{
	const struct weft_nl_wg_change *c = &w->set->changes[w->change];
	uint32_t flags = peer_flags(w, c);

	if (!put(o, WGPEER_A_PUBLIC_KEY, c->public_key.b, WEFT_KEY_LEN) ||
	    (flags != 0 && !put(o, WGPEER_A_FLAGS, &flags, sizeof flags)))
		return false;
	if (w->peer_begun)
		return true;
	return ((c->flags & WEFT_NL_WG_CHANGE_PRESHARED_KEY) == 0 ||
		put(o, WGPEER_A_PRESHARED_KEY, c->preshared_key.b, WEFT_KEY_LEN)) &&
	       ((c->flags & WEFT_NL_WG_CHANGE_ENDPOINT) == 0 || put_endpoint(o, &c->endpoint)) &&
	       ((c->flags & WEFT_NL_WG_CHANGE_KEEPALIVE) == 0 ||
		put(o, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, &c->keepalive_s,
		    sizeof c->keepalive_s));
}

/* One peer or the rest of one: DONE, or FULL with what fits. */
static enum weft_nl_wg_written
put_peer(struct weft_nl_wg_writer *w, const struct out *o)
{
	struct nlattr *nest = mnl_attr_nest_start_check(o->msg, o->size, 0);
	enum weft_nl_wg_written written;

	if (nest == NULL)
		return WEFT_NL_WG_WRITTEN_FULL;
	if (!put_peer_head(w, o)) {
		mnl_attr_nest_cancel(o->msg, nest);
		return WEFT_NL_WG_WRITTEN_FULL;
	}
	w->peer_begun = true;
	written = put_allowed_ips(w, o);
	mnl_attr_nest_end(o->msg, nest);
	if (written == WEFT_NL_WG_WRITTEN_DONE) {
		w->change++;
		w->peer_begun = false;
		w->allowed = 0;
	}
	return written;
}

/* What concerns the device as a whole. */
static bool
put_device(const struct weft_nl_wg_writer *w, const struct out *o)
{
	const struct weft_nl_wg_set *set = w->set;
	uint32_t flags = WGDEVICE_F_REPLACE_PEERS;

	return ((set->flags & WEFT_NL_WG_SET_PRIVATE_KEY) == 0 ||
		put(o, WGDEVICE_A_PRIVATE_KEY, set->private_key.b, WEFT_KEY_LEN)) &&
	       ((set->flags & WEFT_NL_WG_SET_LISTEN_PORT) == 0 ||
		put(o, WGDEVICE_A_LISTEN_PORT, &set->listen_port, sizeof set->listen_port)) &&
	       ((set->flags & WEFT_NL_WG_SET_FWMARK) == 0 ||
		put(o, WGDEVICE_A_FWMARK, &set->fwmark, sizeof set->fwmark)) &&
	       ((set->flags & WEFT_NL_WG_SET_REPLACE_PEERS) == 0 ||
		put(o, WGDEVICE_A_FLAGS, &flags, sizeof flags));
}

enum weft_nl_wg_written
weft_nl_wg_write(struct weft_nl_wg_writer *w, void *buf, size_t size)
{
	const struct out o = { .msg = mnl_nlmsg_put_header(buf), .size = size };
	struct genlmsghdr *header = mnl_nlmsg_put_extra_header(o.msg, sizeof *header);
	enum weft_nl_wg_written written = WEFT_NL_WG_WRITTEN_DONE;
	size_t change = w->change;
	size_t allowed = w->allowed;
	struct nlattr *nest;

	o.msg->nlmsg_type = w->family;
	header->cmd = WG_CMD_SET_DEVICE;
	header->version = WG_GENL_VERSION;
	if (!mnl_attr_put_strz_check(o.msg, size, WGDEVICE_A_IFNAME, w->name) ||
	    (!w->device_done && !put_device(w, &o)))
		return WEFT_NL_WG_WRITTEN_ERROR;
	if (w->change == w->set->n_changes)
		return WEFT_NL_WG_WRITTEN_DONE;
	nest = mnl_attr_nest_start_check(o.msg, size, WGDEVICE_A_PEERS);
	if (nest == NULL)
		return WEFT_NL_WG_WRITTEN_ERROR;
	while (written == WEFT_NL_WG_WRITTEN_DONE && w->change < w->set->n_changes)
		written = put_peer(w, &o);
	mnl_attr_nest_end(o.msg, nest);
	/* A message without progress would be followed by the same one for ever. */
	if (written == WEFT_NL_WG_WRITTEN_FULL && w->change == change && w->allowed == allowed)
		return WEFT_NL_WG_WRITTEN_ERROR;
	w->device_done = true;
	return written;
}

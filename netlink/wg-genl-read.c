/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "netlink/wg-genl.h"

#include "netlink/attrs.h"
#include "netlink/limits.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <string.h>
#include <sys/socket.h>

static const struct weft_nl_attr_policy device_policy[WGDEVICE_A_MAX + 1] = {
	[WGDEVICE_A_IFINDEX] = { WEFT_NL_ATTR_U32 },
	[WGDEVICE_A_IFNAME] = { WEFT_NL_ATTR_STRING, WEFT_NL_IFNAME_SIZE },
	[WGDEVICE_A_PRIVATE_KEY] = { WEFT_NL_ATTR_EXACT, WEFT_KEY_LEN },
	[WGDEVICE_A_PUBLIC_KEY] = { WEFT_NL_ATTR_EXACT, WEFT_KEY_LEN },
	[WGDEVICE_A_LISTEN_PORT] = { WEFT_NL_ATTR_U16 },
	[WGDEVICE_A_FWMARK] = { WEFT_NL_ATTR_U32 },
	[WGDEVICE_A_PEERS] = { WEFT_NL_ATTR_NEST },
};

static const struct weft_nl_attr_policy peer_policy[WGPEER_A_MAX + 1] = {
	[WGPEER_A_PUBLIC_KEY] = { WEFT_NL_ATTR_EXACT, WEFT_KEY_LEN },
	[WGPEER_A_PRESHARED_KEY] = { WEFT_NL_ATTR_EXACT, WEFT_KEY_LEN },
	[WGPEER_A_ENDPOINT] = { WEFT_NL_ATTR_MIN, 16 }, /* struct sockaddr_in */
	[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL] = { WEFT_NL_ATTR_U16 },
	[WGPEER_A_LAST_HANDSHAKE_TIME] = { WEFT_NL_ATTR_EXACT, 16 }, /* __kernel_timespec */
	[WGPEER_A_RX_BYTES] = { WEFT_NL_ATTR_U64 },
	[WGPEER_A_TX_BYTES] = { WEFT_NL_ATTR_U64 },
	[WGPEER_A_ALLOWEDIPS] = { WEFT_NL_ATTR_NEST },
};

static const struct weft_nl_attr_policy allowed_policy[WGALLOWEDIP_A_MAX + 1] = {
	[WGALLOWEDIP_A_FAMILY] = { WEFT_NL_ATTR_U16 },
	[WGALLOWEDIP_A_IPADDR] = { WEFT_NL_ATTR_MIN, 4 },
	[WGALLOWEDIP_A_CIDR_MASK] = { WEFT_NL_ATTR_U8 },
};

static bool
read_key(struct weft_key *ret, const struct weft_nl_attr *a)
{
	if (a->p == NULL)
		return false;
	memcpy(ret->b, a->p, sizeof ret->b);
	return true;
}

static bool
read_allowed_ip(struct weft_nl_wg_peer *peer, const struct weft_nl_attr *nest)
{
	struct weft_nl_attr a[WGALLOWEDIP_A_MAX + 1];
	struct weft_prefix p = { 0 };

	if (!weft_nl_attrs_read(weft_nl_attr_cursor(nest), allowed_policy, a,
				WGALLOWEDIP_A_MAX + 1) ||
	    a[WGALLOWEDIP_A_IPADDR].p == NULL || a[WGALLOWEDIP_A_CIDR_MASK].p == NULL ||
	    !weft_nl_attr_address(
		    &a[WGALLOWEDIP_A_IPADDR],
		    weft_nl_family_from_af(weft_nl_attr_u16(&a[WGALLOWEDIP_A_FAMILY])), &p.addr))
		return false;
	p.bits = weft_nl_attr_u8(&a[WGALLOWEDIP_A_CIDR_MASK]);
	if (p.bits > weft_address_bits(&p.addr))
		return false;
	weft_nl_wg_peer_allow(peer, &p);
	return true;
}

static bool
read_allowed_ips(struct weft_nl_wg_peer *peer, const struct weft_nl_attr *nest)
{
	struct weft_cursor c = weft_nl_attr_cursor(nest);
	struct weft_nl_attr a;

	if (nest->p == NULL)
		return true;
	while (weft_nl_attr_next(&c, &a)) {
		if (peer->n_allowed >= WEFT_NL_LIMIT_ALLOWED || !read_allowed_ip(peer, &a))
			return false;
	}
	return c.ok;
}

static bool
read_endpoint(struct weft_endpoint *ret, const struct weft_nl_attr *a)
{
	struct sockaddr_storage sa = { 0 };

	if (a->p == NULL)
		return true;
	memcpy(&sa, a->p, MIN(sizeof sa, a->len));
	/* An address family that we do not know is no endpoint, but no reason to see nothing. */
	if (sa.ss_family != AF_INET && sa.ss_family != AF_INET6)
		return true;
	return weft_endpoint_from_sockaddr(ret, (const struct sockaddr *) &sa, a->len);
}

static int64_t
read_time_us(const struct weft_nl_attr *a)
{
	int64_t t[2] = { 0 }; /* seconds, nanoseconds */

	if (a->p != NULL)
		memcpy(t, a->p, sizeof t);
	if (t[0] <= 0 || t[0] > INT64_MAX / 1000000 - 1 || t[1] < 0 || t[1] > 999999999)
		return 0;
	return t[0] * 1000000 + t[1] / 1000;
}

static bool
read_peer(struct weft_nl_wg_device *dev, const struct weft_nl_attr *nest)
{
	struct weft_nl_attr a[WGPEER_A_MAX + 1];
	struct weft_nl_wg_peer *peer = dev->n_peers > 0 ? &dev->peers[dev->n_peers - 1] : NULL;
	struct weft_key key;

	if (!weft_nl_attrs_read(weft_nl_attr_cursor(nest), peer_policy, a, WGPEER_A_MAX + 1) ||
	    !read_key(&key, &a[WGPEER_A_PUBLIC_KEY]))
		return false;
	if (peer != NULL && weft_key_equal(&peer->public_key, &key))
		return read_allowed_ips(peer, &a[WGPEER_A_ALLOWEDIPS]); /* the rest of it */
	if (dev->n_peers >= WEFT_NL_LIMIT_PEERS)
		return false;
	peer = weft_nl_wg_device_add_peer(dev, &key);
	(void) read_key(&peer->preshared_key, &a[WGPEER_A_PRESHARED_KEY]); /* none: zero */
	peer->keepalive_s = weft_nl_attr_u16(&a[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL]);
	peer->last_handshake_us = read_time_us(&a[WGPEER_A_LAST_HANDSHAKE_TIME]);
	peer->rx_bytes = weft_nl_attr_u64(&a[WGPEER_A_RX_BYTES]);
	peer->tx_bytes = weft_nl_attr_u64(&a[WGPEER_A_TX_BYTES]);
	return read_endpoint(&peer->endpoint, &a[WGPEER_A_ENDPOINT]) &&
	       read_allowed_ips(peer, &a[WGPEER_A_ALLOWEDIPS]);
}

bool
weft_nl_wg_read(struct weft_nl_wg_device *dev, const struct nlmsghdr *msg)
{
	struct weft_nl_attr a[WGDEVICE_A_MAX + 1];
	struct genlmsghdr header;
	struct weft_cursor peers;
	struct weft_nl_attr peer;

	if (!weft_nl_msg_header(msg, &header, sizeof header) ||
	    !weft_nl_attrs_read(weft_nl_msg_attrs(msg, sizeof header), device_policy, a,
				WGDEVICE_A_MAX + 1))
		return false;
	/* Only the first message has these. */
	if (a[WGDEVICE_A_IFINDEX].p != NULL)
		dev->ifindex = weft_nl_attr_u32(&a[WGDEVICE_A_IFINDEX]);
	if (a[WGDEVICE_A_LISTEN_PORT].p != NULL)
		dev->listen_port = weft_nl_attr_u16(&a[WGDEVICE_A_LISTEN_PORT]);
	if (a[WGDEVICE_A_FWMARK].p != NULL)
		dev->fwmark = weft_nl_attr_u32(&a[WGDEVICE_A_FWMARK]);
	(void) read_key(&dev->private_key, &a[WGDEVICE_A_PRIVATE_KEY]);
	(void) read_key(&dev->public_key, &a[WGDEVICE_A_PUBLIC_KEY]);
	if (a[WGDEVICE_A_PEERS].p == NULL)
		return true;
	peers = weft_nl_attr_cursor(&a[WGDEVICE_A_PEERS]);
	while (weft_nl_attr_next(&peers, &peer)) {
		if (!read_peer(dev, &peer))
			return false;
	}
	return peers.ok;
}

uint16_t
weft_nl_genl_family_read(const struct nlmsghdr *msg)
{
	static const struct weft_nl_attr_policy policy[CTRL_ATTR_FAMILY_ID + 1] = {
		[CTRL_ATTR_FAMILY_ID] = { WEFT_NL_ATTR_U16 },
	};
	struct weft_nl_attr a[CTRL_ATTR_FAMILY_ID + 1];

	if (!weft_nl_attrs_read(weft_nl_msg_attrs(msg, sizeof(struct genlmsghdr)), policy, a,
				CTRL_ATTR_FAMILY_ID + 1))
		return 0;
	return weft_nl_attr_u16(&a[CTRL_ATTR_FAMILY_ID]);
}

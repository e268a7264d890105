/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a packet goes: pure functions of the tables and the packet. */
#include "relayd/table.h"

#include "stun/frame.h"

#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

struct relay_end
relay_end_from(const struct weft_endpoint *e)
{
	struct relay_end end = { .port = e->port };

	if (e->addr.family == WEFT_FAMILY_IPV4) {
		memcpy(end.addr, mapped, sizeof(mapped));
		memcpy(end.addr + 12, e->addr.b, 4);
	} else {
		memcpy(end.addr, e->addr.b, 16);
	}
	return end;
}

enum relay_family
relay_end_family(const struct relay_end *e)
{
	return memcmp(e->addr, mapped, sizeof(mapped)) == 0 ? RELAY_V4 : RELAY_V6;
}

struct weft_endpoint
relay_end_to(const struct relay_end *e)
{
	struct weft_endpoint end = { .port = e->port };

	if (relay_end_family(e) == RELAY_V4) {
		end.addr.family = WEFT_FAMILY_IPV4;
		memcpy(end.addr.b, e->addr + 12, 4);
	} else {
		end.addr.family = WEFT_FAMILY_IPV6;
		memcpy(end.addr.b, e->addr, 16);
	}
	return end;
}

/* RFC 8656 section 12.6. A bound channel does without a permission check on the way out: binding
 * installs the permission, and a channel outlives it only if the client lets it lapse; then the
 * packet is dropped as section 12.6 says. */
enum relay_route
relay_route_channel(const struct relay_tables *t,
		    const struct relay_flow *flow,
		    const uint8_t *buf,
		    size_t len,
		    struct relay_hop *ret)
{
	const struct relay_channel *c;
	uint16_t number, payload_len;
	uint32_t index;

	if (!weft_stun_channel_parse(buf, len, &number, &payload_len))
		return RELAY_ROUTE_MALFORMED;
	index = relay_alloc_find(t, flow);
	if (index == RELAY_NONE)
		return RELAY_ROUTE_NO_ALLOCATION;
	c = relay_channel_by_number(t, index, number);
	if (c == NULL)
		return RELAY_ROUTE_NO_CHANNEL;
	if (!relay_permission_has(t, index, c->peer.addr))
		return RELAY_ROUTE_NO_PERMISSION;
	*ret = (struct relay_hop){
		.alloc = index,
		.family = (uint8_t) relay_end_family(&c->peer),
		.channel = number,
		.offset = WEFT_STUN_CHANNEL_HEADER_LEN,
		.len = payload_len,
		.peer = c->peer,
	};
	return RELAY_ROUTE_OK;
}

/* RFC 8656 sections 11.3 and 12.7. */
enum relay_route
relay_route_peer(const struct relay_tables *t,
		 uint32_t index,
		 enum relay_family family,
		 const struct relay_end *peer,
		 struct relay_hop *ret)
{
	const struct relay_channel *c;

	if (relay_alloc_at_const(t, index)->expires <= t->now)
		return RELAY_ROUTE_NO_ALLOCATION;
	if (!relay_permission_has(t, index, peer->addr))
		return RELAY_ROUTE_NO_PERMISSION;
	c = relay_channel_by_peer(t, index, peer);
	*ret = (struct relay_hop){
		.alloc = index,
		.family = (uint8_t) family,
		.channel = c != NULL ? c->number : 0,
		.peer = *peer,
	};
	return RELAY_ROUTE_OK;
}

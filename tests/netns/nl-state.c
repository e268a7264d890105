/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nl-state.h"

#include "netlink/monitor.h"

#include <linux/rtnetlink.h>
#include <string.h>

const char *
tool_string(JsonObject *object, const char *name, const char *otherwise)
{
	return json_object_get_string_member_with_default(object, name, otherwise);
}

int64_t
tool_number(JsonObject *object, const char *name, int64_t otherwise)
{
	return json_object_get_int_member_with_default(object, name, otherwise);
}

bool
tool_bool(JsonObject *object, const char *name)
{
	return json_object_get_boolean_member_with_default(object, name, FALSE);
}

struct weft_address
tool_address(JsonObject *object, const char *name)
{
	const char *text = tool_string(object, name, NULL);
	struct weft_address a = { 0 };

	if (text != NULL && !weft_address_parse(&a, text, strlen(text)))
		g_error("not an address: %s", text);
	return a;
}

/* Also impossible ones: "10.0.0.0/33" becomes the address with 33 bits. */
static struct weft_prefix
parse_prefix(const char *text)
{
	const char *slash = strchr(text, '/');
	struct weft_prefix p = { 0 };

	if (weft_prefix_parse(&p, text, strlen(text), true))
		return p;
	if (slash == NULL || !weft_address_parse(&p.addr, text, (size_t) (slash - text)))
		g_error("not a prefix: %s", text);
	p.bits = (uint8_t) g_ascii_strtoull(slash + 1, NULL, 10);
	return p;
}

struct weft_prefix
tool_prefix(JsonObject *object, const char *name)
{
	const char *text = tool_string(object, name, NULL);

	return text != NULL ? parse_prefix(text) : (struct weft_prefix){ 0 };
}

static struct weft_key
parse_key(JsonObject *object, const char *name)
{
	const char *text = tool_string(object, name, NULL);
	struct weft_key key = { 0 };

	if (text != NULL && !weft_key_from_text(&key, text, strlen(text)))
		g_error("not a key: %s", text);
	return key;
}

static JsonArray *
array_of(JsonObject *object, const char *name)
{
	return json_object_has_member(object, name) ? json_object_get_array_member(object, name)
						    : NULL;
}

static guint
length_of(JsonArray *array)
{
	return array != NULL ? json_array_get_length(array) : 0;
}

struct weft_nl_route
tool_route(JsonObject *o)
{
	static const char *const types[] = { [RTN_UNICAST] = "unicast",
					     [RTN_BLACKHOLE] = "blackhole",
					     [RTN_UNREACHABLE] = "unreachable",
					     [RTN_PROHIBIT] = "prohibit",
					     [RTN_THROW] = "throw" };
	const char *type = tool_string(o, "type", "unicast");
	struct weft_nl_route r = {
		.dst = tool_prefix(o, "dst"),
		.gateway = tool_address(o, "gateway"),
		.src = tool_address(o, "src"),
		.ifindex = (uint32_t) tool_number(o, "ifindex", 0),
		.table = (uint32_t) tool_number(o, "table", 0),
		.metric = (uint32_t) tool_number(o, "metric", 0),
		.mtu = (uint32_t) tool_number(o, "mtu", 0),
		.advmss = (uint32_t) tool_number(o, "advmss", 0),
	};

	for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
		if (types[i] != NULL && strcmp(types[i], type) == 0)
			r.type = (uint8_t) i;
	}
	return r;
}

static struct weft_nl_rule
parse_rule(JsonObject *o)
{
	enum weft_family family =
		tool_number(o, "family", 4) == 6 ? WEFT_FAMILY_IPV6 : WEFT_FAMILY_IPV4;
	struct weft_nl_rule r = weft_nl_rule_init(family, (uint32_t) tool_number(o, "priority", 0),
						  (uint32_t) tool_number(o, "table", 254));

	r.fwmark = (uint32_t) tool_number(o, "fwmark", 0);
	r.fwmask = (uint32_t) tool_number(o, "fwmask", r.fwmark != 0 ? UINT32_MAX : 0);
	r.suppress_prefix = (int32_t) tool_number(o, "suppress_prefix", -1);
	r.invert = tool_bool(o, "invert");
	r.src = tool_prefix(o, "src");
	r.dst = tool_prefix(o, "dst");
	g_strlcpy(r.iif, tool_string(o, "iif", ""), sizeof r.iif);
	g_strlcpy(r.oif, tool_string(o, "oif", ""), sizeof r.oif);
	return r;
}

static void
add_peer(struct weft_nl_wg_device *dev, JsonObject *o)
{
	static const char *const modes[] = { "keep", "initial", "exact" };
	struct weft_key key = parse_key(o, "public_key");
	struct weft_nl_wg_peer *peer = weft_nl_wg_device_add_peer(dev, &key);
	const char *endpoint = tool_string(o, "endpoint", NULL);
	const char *mode = tool_string(o, "endpoint_mode", endpoint != NULL ? "exact" : "keep");
	JsonArray *allowed = array_of(o, "allowed");

	peer->preshared_key = parse_key(o, "preshared_key");
	peer->keepalive_s = (uint16_t) tool_number(o, "keepalive", 0);
	if (endpoint != NULL && !weft_endpoint_parse(&peer->endpoint, endpoint, strlen(endpoint)))
		g_error("not an endpoint: %s", endpoint);
	for (uint8_t i = 0; i < G_N_ELEMENTS(modes); i++) {
		if (strcmp(modes[i], mode) == 0)
			peer->endpoint_mode = i;
	}
	for (guint i = 0; i < length_of(allowed); i++) {
		struct weft_prefix p = parse_prefix(json_array_get_string_element(allowed, i));

		weft_nl_wg_peer_allow(peer, &p);
	}
}

struct weft_nl_state *
tool_state(JsonObject *o)
{
	struct weft_nl_state *state = weft_nl_state_new(tool_string(o, "name", "weft0"));
	JsonArray *peers = array_of(o, "peers");
	JsonArray *addrs = array_of(o, "addrs");
	JsonArray *former = array_of(o, "former_addrs");
	JsonArray *routes = array_of(o, "routes");
	JsonArray *rules = array_of(o, "rules");

	state->link.mtu = (uint32_t) tool_number(o, "mtu", 0);
	state->wg.private_key = parse_key(o, "private_key");
	state->wg.listen_port = (uint16_t) tool_number(o, "listen_port", 0);
	state->wg.fwmark = (uint32_t) tool_number(o, "fwmark", 0);
	for (guint i = 0; i < length_of(peers); i++)
		add_peer(&state->wg, json_array_get_object_element(peers, i));
	for (guint i = 0; i < length_of(addrs); i++) {
		struct weft_prefix p = parse_prefix(json_array_get_string_element(addrs, i));

		weft_nl_state_add_addr(state, &p);
	}
	for (guint i = 0; i < length_of(former); i++) {
		const struct weft_nl_addr a = {
			.prefix = parse_prefix(json_array_get_string_element(former, i)),
		};

		g_array_append_vals(state->former_addrs, &a, 1);
	}
	for (guint i = 0; i < length_of(routes); i++) {
		struct weft_nl_route r = tool_route(json_array_get_object_element(routes, i));

		weft_nl_state_add_route(state, &r);
	}
	for (guint i = 0; i < length_of(rules); i++) {
		struct weft_nl_rule r = parse_rule(json_array_get_object_element(rules, i));

		weft_nl_state_add_rule(state, &r);
	}
	return state;
}

struct weft_nl_ct_match
tool_match(JsonObject *o)
{
	return (struct weft_nl_ct_match){
		.src = tool_prefix(o, "src"),
		.dst = tool_prefix(o, "dst"),
		.protocol = (uint8_t) tool_number(o, "protocol", 0),
		.dst_port_first = (uint16_t) tool_number(o, "dst_port_first", 0),
		.dst_port_last = (uint16_t) tool_number(o, "dst_port_last", 0),
		.src_port_first = (uint16_t) tool_number(o, "src_port_first", 0),
		.src_port_last = (uint16_t) tool_number(o, "src_port_last", 0),
		.mark = (uint32_t) tool_number(o, "mark", 0),
		.mark_mask = (uint32_t) tool_number(o, "mark_mask", 0),
		.zone = (uint16_t) tool_number(o, "zone", 0),
		.has_zone = json_object_has_member(o, "zone"),
	};
}

/* --- out */

static void
set_key(JsonObject *o, const char *name, const struct weft_key *key)
{
	struct weft_key_text text = weft_key_to_text(key);

	json_object_set_string_member(o, name, text.s);
}

static void
set_address(JsonObject *o, const char *name, const struct weft_address *a)
{
	char text[WEFT_ADDRESS_TEXT_SIZE];

	if (a->family != WEFT_FAMILY_NONE)
		json_object_set_string_member(o, name, weft_address_format(a, text));
}

static void
set_prefix(JsonObject *o, const char *name, const struct weft_prefix *p)
{
	char text[WEFT_PREFIX_TEXT_SIZE];

	json_object_set_string_member(o, name, weft_prefix_format(p, text));
}

static void
set_endpoint(JsonObject *o, const char *name, const struct weft_endpoint *e)
{
	char text[WEFT_ENDPOINT_TEXT_SIZE];

	if (e->addr.family != WEFT_FAMILY_NONE)
		json_object_set_string_member(o, name, weft_endpoint_format(e, text));
}

static JsonNode *
node_of(JsonObject *o)
{
	JsonNode *node = json_node_alloc();

	json_node_init_object(node, o);
	json_object_unref(o);
	return node;
}

static JsonNode *
peer_to_json(const struct weft_nl_wg_peer *peer)
{
	JsonObject *o = json_object_new();
	JsonArray *allowed = json_array_new();
	char text[WEFT_PREFIX_TEXT_SIZE];

	set_key(o, "public_key", &peer->public_key);
	set_key(o, "preshared_key", &peer->preshared_key);
	set_endpoint(o, "endpoint", &peer->endpoint);
	json_object_set_int_member(o, "keepalive", peer->keepalive_s);
	json_object_set_int_member(o, "last_handshake_us", peer->last_handshake_us);
	json_object_set_int_member(o, "rx_bytes", (gint64) peer->rx_bytes);
	json_object_set_int_member(o, "tx_bytes", (gint64) peer->tx_bytes);
	for (size_t i = 0; i < peer->n_allowed; i++)
		json_array_add_string_element(allowed, weft_prefix_format(&peer->allowed[i], text));
	json_object_set_array_member(o, "allowed", allowed);
	return node_of(o);
}

JsonNode *
tool_device_to_json(const struct weft_nl_wg_device *dev)
{
	JsonObject *o = json_object_new();
	JsonArray *peers = json_array_new();

	json_object_set_string_member(o, "name", dev->name);
	json_object_set_int_member(o, "ifindex", dev->ifindex);
	set_key(o, "private_key", &dev->private_key);
	set_key(o, "public_key", &dev->public_key);
	json_object_set_int_member(o, "listen_port", dev->listen_port);
	json_object_set_int_member(o, "fwmark", dev->fwmark);
	for (size_t i = 0; i < dev->n_peers; i++)
		json_array_add_element(peers, peer_to_json(&dev->peers[i]));
	json_object_set_array_member(o, "peers", peers);
	return node_of(o);
}

JsonNode *
tool_link_to_json(const struct weft_nl_link *link)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "name", link->name);
	json_object_set_string_member(o, "kind", link->kind);
	json_object_set_string_member(o, "alias", link->alias);
	json_object_set_int_member(o, "ifindex", link->ifindex);
	json_object_set_int_member(o, "mtu", link->mtu);
	json_object_set_boolean_member(o, "up", weft_nl_link_is_up(link));
	return node_of(o);
}

JsonNode *
tool_flow_to_json(const struct weft_nl_ct_flow *flow)
{
	JsonObject *o = json_object_new();

	set_endpoint(o, "src", &flow->orig.src);
	set_endpoint(o, "dst", &flow->orig.dst);
	json_object_set_int_member(o, "protocol", flow->orig.protocol);
	json_object_set_int_member(o, "mark", flow->mark);
	json_object_set_int_member(o, "zone", flow->zone);
	json_object_set_int_member(o, "timeout_s", flow->timeout_s);
	json_object_set_int_member(o, "orig_packets", (gint64) flow->orig_packets);
	json_object_set_int_member(o, "orig_bytes", (gint64) flow->orig_bytes);
	json_object_set_int_member(o, "reply_packets", (gint64) flow->reply_packets);
	json_object_set_int_member(o, "reply_bytes", (gint64) flow->reply_bytes);
	return node_of(o);
}

JsonNode *
tool_event_to_json(const struct weft_nl_event *event)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "event", weft_nl_event_name(event->kind));
	switch (event->kind) {
	case WEFT_NL_EVENT_LINK:
	case WEFT_NL_EVENT_LINK_GONE:
		json_object_set_string_member(o, "name", event->link.name);
		json_object_set_boolean_member(o, "up", weft_nl_link_is_up(&event->link));
		break;
	case WEFT_NL_EVENT_ADDR:
	case WEFT_NL_EVENT_ADDR_GONE:
		set_prefix(o, "prefix", &event->addr.prefix);
		json_object_set_int_member(o, "ifindex", event->addr.ifindex);
		break;
	case WEFT_NL_EVENT_ROUTE:
	case WEFT_NL_EVENT_ROUTE_GONE:
		set_prefix(o, "dst", &event->route.dst);
		set_address(o, "gateway", &event->route.gateway);
		json_object_set_int_member(o, "table", event->route.table);
		break;
	case WEFT_NL_EVENT_RULE:
	case WEFT_NL_EVENT_RULE_GONE:
		json_object_set_int_member(o, "priority", event->rule.priority);
		json_object_set_int_member(o, "table", event->rule.table);
		break;
	case WEFT_NL_EVENT_RESYNC:
	case WEFT_NL_EVENT_COUNT_:
		break;
	}
	return node_of(o);
}

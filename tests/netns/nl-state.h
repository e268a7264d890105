/* SPDX-License-Identifier: GPL-3.0-or-later */
/* States and devices as JSON, for nl-tool. */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "netlink/conntrack.h"
#include "netlink/desired.h"
#include "netlink/route.h"
#include "netlink/wg.h"

/* Members of @object, with defaults where it lacks them. Malformed values end the program: the
 * tests wrote them. */
const char *tool_string(JsonObject *object, const char *name, const char *otherwise);
int64_t tool_number(JsonObject *object, const char *name, int64_t otherwise);
bool tool_bool(JsonObject *object, const char *name);
struct weft_address tool_address(JsonObject *object, const char *name); /* NONE if absent */
struct weft_prefix tool_prefix(JsonObject *object, const char *name);   /* NONE if absent */
struct weft_nl_route tool_route(JsonObject *object);
struct weft_nl_ct_match tool_match(JsonObject *object);

/* {"name", "mtu", "private_key", "listen_port", "fwmark", "peers": [{"public_key",
 * "preshared_key", "endpoint", "endpoint_mode", "keepalive", "allowed": []}], "addrs": [],
 * "former_addrs": [], "routes": [], "rules": []} */
struct weft_nl_state *tool_state(JsonObject *object);

JsonNode *tool_device_to_json(const struct weft_nl_wg_device *dev);
JsonNode *tool_link_to_json(const struct weft_nl_link *link);
JsonNode *tool_flow_to_json(const struct weft_nl_ct_flow *flow);
struct weft_nl_event;
JsonNode *tool_event_to_json(const struct weft_nl_event *event);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/conf.h"

#include "netlink/link.h"

static bool
check_interface(const char *text, GError **error)
{
	return weft_nl_link_name_check(text, error);
}

/* clang-format off */
static const struct weft_conf_key keys[AGENT_CONF_COUNT_] = {
	WEFT_MAIN_CONF_KEYS("/var/lib/weft-agent", "/run/weft"),
	[AGENT_CONF_INTERFACE] = { "agent", "interface", WEFT_CONF_STRING, .def = "weft0",
		.min = 1, .max = 15, .check = check_interface,
		.help = "Name of the WireGuard link. Another instance of weftd on this host needs "
			"another one, with its own directories." },
	[AGENT_CONF_LISTEN_PORT] = { "agent", "listen-port", WEFT_CONF_PORT, .def = "51820",
		.help = "UDP port of WireGuard and ICE. If it is taken the next free one is used and "
			"remembered." },
	[AGENT_CONF_FWMARK] = { "agent", "fwmark", WEFT_CONF_INT, .def = "22341", .min = 0,
		.max = UINT32_MAX,
		.help = "Mark of WireGuard's and ICE's own packets (0x5745). 0: none." },
	[AGENT_CONF_TABLE] = { "agent", "firewall-table", WEFT_CONF_STRING, .def = "weft", .min = 1,
		.max = 31, .help = "Name of the nftables table (family inet)." },
	[AGENT_CONF_CONTROL_GROUP] = { "agent", "control-group", WEFT_CONF_STRING, .def = "",
		.help = "Group that may read through the control socket, \"weft\" in packages. "
			"Empty: root alone." },
	[AGENT_CONF_CONTROL_CHANGE] = { "agent", "control-group-may-change", WEFT_CONF_BOOL,
		.def = "no", .help = "Whether that group may also change: up, down, login, logout." },
	[AGENT_CONF_IPV6] = { "agent", "ipv6", WEFT_CONF_BOOL, .def = "yes",
		.help = "IPv6 in the overlay and below it." },
	[AGENT_CONF_FIREWALL] = { "agent", "firewall", WEFT_CONF_BOOL, .def = "yes",
		.help = "Whether the rules of the network are enforced on this host." },
	[AGENT_CONF_WIREGUARD_GO] = { "agent", "wireguard-go", WEFT_CONF_STRING,
		.def = "wireguard-go",
		.help = "Program for kernels without WireGuard, searched in PATH." },
	[AGENT_CONF_CA_FILE] = { "agent", "ca-file", WEFT_CONF_PATH,
		.help = "Certificates (PEM) that may sign those of the servers. Without it the "
			"system's." },
};
/* clang-format on */

static const struct weft_conf_group groups[] = {
	{ "agent", "What this host gives to the mesh." },
};

const struct weft_conf_schema agent_conf_schema = {
	.name = "agent",
	.keys = keys,
	.n_keys = G_N_ELEMENTS(keys),
	.groups = groups,
	.n_groups = G_N_ELEMENTS(groups),
};

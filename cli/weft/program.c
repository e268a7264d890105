/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/weft/weft.h"

#include <string.h>

#define DEFAULT_SOCKET "/run/weft/agent.sock"

static const struct weft_cli_option global_options[] = { { "socket", WEFT_CLI_FILE, .arg = "PATH",
							   .def = DEFAULT_SOCKET,
							   .help = "Socket of weftd." },
							 { NULL } };

static const struct weft_cli_option up_options[] = {
	{ "management-url", WEFT_CLI_STRING, .arg = "URL", .help = "Management server to join." },
	{ "setup-key-file", WEFT_CLI_FILE, .arg = "FILE",
	  .help = "File that holds the setup key, mode 0600." },
	{ "setup-key", WEFT_CLI_STRING, .arg = "KEY",
	  .help = "The setup key itself. Others may see it for a moment: prefer the file, or "
		  "WEFT_SETUP_KEY in the environment." },
	{ "hostname", WEFT_CLI_STRING, .arg = "NAME", .help = "Name of this host in the network." },
	{ "interface", WEFT_CLI_STRING, .arg = "NAME", .help = "Name of the WireGuard link." },
	{ "listen-port", WEFT_CLI_INT, .arg = "PORT", .min = 1, .max = 65535,
	  .help = "UDP port of WireGuard." },
	{ "timeout", WEFT_CLI_DURATION, .def = "30s", .help = "How long to wait for the mesh." },
	{ NULL }
};

static const struct weft_cli_option status_options[] = {
	{ "detail", WEFT_CLI_FLAG, .letter = 'd', .help = "Tell everything about each peer." },
	{ NULL }
};

static const struct weft_cli_option config_options[] = {
	{ "origin", WEFT_CLI_FLAG, .help = "Tell where each value comes from." },
	{ "all", WEFT_CLI_FLAG, .help = "Show values that are the default too." },
	{ NULL }
};

static const struct weft_cli_option bundle_options[] = {
	{ "output", WEFT_CLI_FILE, .letter = 'o', .arg = "FILE",
	  .help = "Where to write it. Without it weft-debug-TIME.txt." },
	{ NULL }
};

static const struct weft_cli_arg peer_arg[] = {
	{ "PEER", .complete = "peer", .help = "Name, address or key of a peer." }, { NULL }
};

static const struct weft_cli_arg optional_peer_arg[] = {
	{ "PEER", .optional = true, .complete = "peer", .help = "Name, address or key of a peer." },
	{ NULL }
};

static const struct weft_cli_command commands[] = {
	{ "up", "Join the network, or come up again", .options = up_options, .run = weft_cmd_up,
	  .description =
		  "What is said once is remembered. The command ends when the mesh is up, or "
		  "says what is missing." },
	{ "down", "Leave the network until the next up", .run = weft_cmd_down,
	  .description = "Removes the link and everything else from the kernel." },
	{ "login", "Log in again", .options = up_options, .run = weft_cmd_login },
	{ "logout", "Remove this host from the network", .confirm = true, .run = weft_cmd_logout },
	{ "status", "Show how this host is connected", .options = status_options, .json = true,
	  .watch = true, .run = weft_cmd_status },
	{ "peer list", "List the peers", .json = true, .run = weft_cmd_peer_list },
	{ "peer show", "Show one peer", .args = peer_arg, .json = true, .run = weft_cmd_peer_show },
	{ "config show", "Show the configuration in force", .options = config_options,
	  .run = weft_cmd_config_show },
	{ "doctor", "Find what keeps this host, or a peer, from being reached",
	  .args = optional_peer_arg, .json = true, .run = weft_cmd_doctor },
	{ "debug bundle", "Write a report for those who help", .options = bundle_options,
	  .run = weft_cmd_debug_bundle,
	  .description = "Status, configuration and diagnosis. It holds addresses and names, no "
			 "secrets." },
	{ "version", "Show the version", .run = weft_cmd_version },
	{ NULL }
};

static void
complete(WeftCli *cli, const char *kind, const char *prefix, void *user)
{
	static const Weft__Control__Nothing nothing = WEFT__CONTROL__NOTHING__INIT;
	int code;
	g_autoptr(WeftClient) client = NULL;
	Weft__Control__Status *status;

	if (strcmp(kind, "peer") != 0)
		return;
	client = weft_connect(cli, &code);
	status = client != NULL ? (void *) weft_client_call(client, WEFT_CONTROL_METHOD(GET_STATUS),
							    &nothing.base, 1000, &code)
				: NULL;
	for (size_t i = 0; status != NULL && i < status->n_peers; i++)
		if (g_str_has_prefix(status->peers[i]->name, prefix))
			weft_cli_candidate(cli, status->peers[i]->name);
	if (status != NULL)
		weft__control__status__free_unpacked(status, NULL);
}

const struct weft_cli_program weft_program = {
	.name = "weft",
	.summary = "join a host to a Weft network and look at it",
	.version = PACKAGE_VERSION,
	.options = global_options,
	.commands = commands,
	.complete = complete,
};

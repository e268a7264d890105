/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/admin/admin.h"

#include <string.h>

#define DEFAULT_SOCKET "/run/weft-mgmtd/admin.sock"

void *
admin_call(WeftCli *cli, const struct weft_proto_method *method, const void *request, int *ret_exit)
{
	g_autoptr(WeftClient) client =
		weft_client_new(cli, weft_cli_string(cli, "socket"), "weft-mgmtd", ret_exit);

	return client == NULL ? NULL : weft_client_call(client, method, request, 0, ret_exit);
}

void
admin_free(void *message)
{
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
}

bool
admin_print_json(WeftCli *cli, const void *message)
{
	g_autoptr(GString) out = NULL;

	if (!weft_cli_json(cli))
		return false;
	out = g_string_new(NULL);
	weft_json_message(out, message);
	fputs(out->str, weft_cli_out(cli));
	return true;
}

void
admin_print_table(WeftCli *cli, const WeftTable *table)
{
	g_autoptr(GString) out = g_string_new(NULL);

	weft_table_format(table, out, weft_cli_color(cli));
	fputs(out->str, weft_cli_out(cli));
}

void
admin_print_line(WeftCli *cli, const char *name, const char *value)
{
	if (value != NULL)
		fprintf(weft_cli_out(cli), "%-18s %s\n", name, value);
}

int64_t
admin_now_us(void)
{
	return g_get_real_time();
}

char **
admin_list(WeftCli *cli, const char *option)
{
	const char *const *values = weft_cli_strings(cli, option);
	GPtrArray *out = g_ptr_array_new();

	for (; *values != NULL; values++) {
		g_auto(GStrv) parts = g_strsplit(*values, ",", -1);

		for (char **p = parts; *p != NULL; p++)
			if (**p != '\0')
				g_ptr_array_add(out, g_strdup(*p));
	}
	g_ptr_array_add(out, NULL);
	return (char **) g_ptr_array_free(out, FALSE);
}

static const struct weft_cli_option global_options[] = { { "socket", WEFT_CLI_FILE, .arg = "PATH",
							   .def = DEFAULT_SOCKET,
							   .help = "Socket of weft-mgmtd." },
							 { NULL } };

static const struct weft_cli_option init_options[] = {
	{ "account", WEFT_CLI_STRING, .arg = "NAME", .def = "default",
	  .help = "Name of the account." },
	{ "network", WEFT_CLI_STRING, .arg = "CIDR",
	  .help = "IPv4 network of the peers inside 100.64.0.0/10. Without it a random /16." },
	{ "dns-domain", WEFT_CLI_STRING, .arg = "DOMAIN",
	  .help = "Domain of the peers' names. Without it weft.internal." },
	{ "default-deny", WEFT_CLI_FLAG,
	  .help = "Make no policy: peers reach each other only by policies of your own." },
	{ NULL }
};

static const char *const on_off[] = { "off", "on", NULL };

static const struct weft_cli_option account_set_options[] = {
	{ "name", WEFT_CLI_STRING, .help = "Name of the account." },
	{ "dns-domain", WEFT_CLI_STRING, .arg = "DOMAIN", .help = "Domain of the peers' names." },
	{ "lazy-connections", WEFT_CLI_ENUM, .names = on_off,
	  .help = "Peers connect when there is traffic." },
	{ "peer-approval", WEFT_CLI_ENUM, .names = on_off,
	  .help = "New peers wait until they are approved." },
	{ "ipv6", WEFT_CLI_ENUM, .names = on_off, .help = "IPv6 addresses in the overlay." },
	{ "ipv6-group", WEFT_CLI_STRING, .arg = "GROUP", .repeat = true, .complete = "group",
	  .help = "Groups whose members use IPv6, in place of those so far." },
	{ "routing-peer-dns", WEFT_CLI_ENUM, .names = on_off,
	  .help = "Routing peers resolve names of routed domains." },
	{ "login-expiration", WEFT_CLI_ENUM, .names = on_off,
	  .help = "Logins by single sign-on end." },
	{ "login-expires-after", WEFT_CLI_DURATION, .help = "And after how long." },
	{ NULL }
};

static const struct weft_cli_option move_options[] = {
	{ "group", WEFT_CLI_STRING, .arg = "GROUP", .repeat = true, .complete = "group",
	  .help = "A group that the peer is to be in. All is always one of them; without this "
		  "option it is the only one." },
	{ NULL }
};

static const struct weft_cli_option group_create_options[] = {
	{ "peer", WEFT_CLI_STRING, .repeat = true, .complete = "peer", .help = "A member." },
	{ NULL }
};

static const struct weft_cli_option group_set_options[] = {
	{ "name", WEFT_CLI_STRING, .help = "New name." },
	{ "add", WEFT_CLI_STRING, .arg = "PEER", .repeat = true, .complete = "peer",
	  .help = "A peer to add." },
	{ "remove", WEFT_CLI_STRING, .arg = "PEER", .repeat = true, .complete = "peer",
	  .help = "A peer to remove." },
	{ NULL }
};

static const struct weft_cli_option setup_key_options[] = {
	{ "one-off", WEFT_CLI_FLAG, .help = "For one machine only." },
	{ "usage-limit", WEFT_CLI_INT, .min = 1, .max = 1000000, .help = "For so many machines." },
	{ "expires-in", WEFT_CLI_DURATION, .help = "Valid for so long. Without it for ever." },
	{ "ephemeral", WEFT_CLI_FLAG, .help = "Its machines are removed when they go away." },
	{ "allow-extra-dns-labels", WEFT_CLI_FLAG, .help = "Its machines may ask for more names." },
	{ "group", WEFT_CLI_STRING, .repeat = true, .complete = "group",
	  .help = "A group that its machines join." },
	{ NULL }
};

static const struct weft_cli_option token_options[] = {
	{ "expires-in", WEFT_CLI_DURATION, .help = "Valid for so long. Without it for ever." },
	{ NULL }
};

static const struct weft_cli_option events_options[] = {
	{ "follow", WEFT_CLI_FLAG, .letter = 'f', .help = "Go on with what happens." },
	{ "limit", WEFT_CLI_INT, .letter = 'n', .min = 1, .max = 10000, .def = "100",
	  .help = "Begin with the newest so many." },
	{ NULL }
};

static const struct weft_cli_arg peer_arg[] = {
	{ "PEER", .complete = "peer", .help = "Name, address, key or id of a peer." }, { NULL }
};
static const struct weft_cli_arg rename_args[] = { { "PEER", .complete = "peer", .help = "Peer." },
						   { "NAME", .help = "Its new name." },
						   { NULL } };
static const struct weft_cli_arg group_arg[] = {
	{ "GROUP", .complete = "group", .help = "Name or id of a group." }, { NULL }
};
static const struct weft_cli_arg new_name_arg[] = { { "NAME", .help = "Its name." }, { NULL } };
static const struct weft_cli_arg policy_arg[] = {
	{ "POLICY", .complete = "policy", .help = "Name or id of a policy." }, { NULL }
};
static const struct weft_cli_arg key_arg[] = {
	{ "KEY", .complete = "setup-key", .help = "Name or id of a setup key." }, { NULL }
};
static const struct weft_cli_arg token_arg[] = {
	{ "TOKEN", .complete = "token", .help = "Name or id of a token." }, { NULL }
};

static const struct weft_cli_command commands[] = {
	{ "init", "Make the account", .options = init_options, .json = true, .run = admin_init,
	  .description = "Makes the account with its network, its group All, a policy that lets "
			 "every peer talk to every other, a reusable and a one-off setup key and a "
			 "token for programs. The secrets are shown this once. A second init "
			 "changes nothing and fails." },
	{ "status", "Show the state of the server", .json = true, .run = admin_status },
	{ "account show", "Show the account and its settings", .json = true,
	  .run = admin_account_show },
	{ "account set", "Change settings", .options = account_set_options, .json = true,
	  .run = admin_account_set },
	{ "peer list", "List the peers", .json = true, .watch = true, .run = admin_peer_list },
	{ "peer show", "Show one peer", .args = peer_arg, .json = true, .run = admin_peer_show },
	{ "peer rename", "Give a peer another name", .args = rename_args, .json = true,
	  .run = admin_peer_rename },
	{ "peer approve", "Let a waiting peer in", .args = peer_arg, .json = true,
	  .run = admin_peer_approve },
	{ "peer move-groups", "Set the groups of a peer", .args = peer_arg, .options = move_options,
	  .json = true, .run = admin_peer_move_groups },
	{ "peer delete", "Remove a peer from the network", .args = peer_arg, .confirm = true,
	  .run = admin_peer_delete },
	{ "group list", "List the groups", .json = true, .run = admin_group_list },
	{ "group show", "Show a group and its members", .args = group_arg, .json = true,
	  .run = admin_group_show },
	{ "group create", "Make a group", .args = new_name_arg, .options = group_create_options,
	  .json = true, .run = admin_group_create },
	{ "group set", "Change name or members of a group", .args = group_arg,
	  .options = group_set_options, .json = true, .run = admin_group_set },
	{ "group delete", "Delete a group", .args = group_arg, .confirm = true,
	  .run = admin_group_delete },
	{ "policy list", "List the policies", .json = true, .run = admin_policy_list },
	{ "policy show", "Show a policy and its rules", .args = policy_arg, .json = true,
	  .run = admin_policy_show },
	{ "policy create", "Make a policy of one rule", .args = new_name_arg,
	  .options = admin_rule_options, .json = true, .run = admin_policy_create },
	{ "policy set", "Change a policy", .args = policy_arg, .options = admin_rule_options,
	  .json = true, .run = admin_policy_set,
	  .description = "Changes what the options name and keeps the rest. Of a policy with "
			 "several rules only the switches of the policy itself can be changed." },
	{ "policy delete", "Delete a policy", .args = policy_arg, .confirm = true,
	  .run = admin_policy_delete },
	{ "setup-key create", "Make a setup key", .args = new_name_arg,
	  .options = setup_key_options, .json = true, .run = admin_setup_key_create,
	  .description = "The key is shown this once." },
	{ "setup-key list", "List the setup keys", .json = true, .run = admin_setup_key_list },
	{ "setup-key revoke", "Make a setup key useless", .args = key_arg, .confirm = true,
	  .run = admin_setup_key_revoke },
	{ "token create", "Make a token for programs", .args = new_name_arg,
	  .options = token_options, .json = true, .run = admin_token_create },
	{ "token list", "List the tokens", .json = true, .run = admin_token_list },
	{ "token revoke", "Delete a token", .args = token_arg, .confirm = true,
	  .run = admin_token_revoke },
	{ "events", "Show what happened", .options = events_options, .json = true,
	  .run = admin_events },
	{ NULL }
};

/* Names for the completion: quick, and silent when there is no daemon. */
static void
complete(WeftCli *cli, const char *kind, const char *prefix, void *user)
{
	static const Weft__Admin__Nothing nothing = WEFT__ADMIN__NOTHING__INIT;
	int code;

	if (strcmp(kind, "peer") == 0) {
		Weft__Admin__PeerList *list =
			admin_call(cli, ADMIN_METHOD(LIST_PEERS), &nothing, &code);

		for (size_t i = 0; list != NULL && i < list->n_peers; i++)
			if (g_str_has_prefix(list->peers[i]->name, prefix))
				weft_cli_candidate(cli, list->peers[i]->name);
		admin_free(list);
	} else if (strcmp(kind, "group") == 0) {
		Weft__Admin__GroupList *list =
			admin_call(cli, ADMIN_METHOD(LIST_GROUPS), &nothing, &code);

		for (size_t i = 0; list != NULL && i < list->n_groups; i++)
			if (g_str_has_prefix(list->groups[i]->name, prefix))
				weft_cli_candidate(cli, list->groups[i]->name);
		admin_free(list);
	} else if (strcmp(kind, "policy") == 0) {
		Weft__Admin__PolicyList *list =
			admin_call(cli, ADMIN_METHOD(LIST_POLICIES), &nothing, &code);

		for (size_t i = 0; list != NULL && i < list->n_policies; i++)
			if (g_str_has_prefix(list->policies[i]->name, prefix))
				weft_cli_candidate(cli, list->policies[i]->name);
		admin_free(list);
	} else if (strcmp(kind, "setup-key") == 0) {
		Weft__Admin__SetupKeyList *list =
			admin_call(cli, ADMIN_METHOD(LIST_SETUP_KEYS), &nothing, &code);

		for (size_t i = 0; list != NULL && i < list->n_keys; i++)
			if (g_str_has_prefix(list->keys[i]->name, prefix))
				weft_cli_candidate(cli, list->keys[i]->name);
		admin_free(list);
	}
}

const struct weft_cli_program weft_admin_program = {
	.name = "weft-admin",
	.summary = "administer a Weft network on its server",
	.version = PACKAGE_VERSION,
	.options = global_options,
	.commands = commands,
	.complete = complete,
};

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Setup keys and tokens. */
#include "cli/admin/admin.h"

#include <string.h>

static const struct weft_table_column key_columns[] = {
	{ "NAME", "name" }, { "KEY", "masked" },      { "TYPE", "type" },     { "STATE", "state" },
	{ "USED", "used" }, { "EXPIRES", "expires" }, { "GROUPS", "groups" }, { NULL, NULL },
};

int
admin_setup_key_list(WeftCli *cli, void *user)
{
	Weft__Admin__Nothing request = WEFT__ADMIN__NOTHING__INIT;
	int code;
	Weft__Admin__SetupKeyList *list =
		admin_call(cli, ADMIN_METHOD(LIST_SETUP_KEYS), &request, &code);

	if (list == NULL)
		return code;
	if (!admin_print_json(cli, list)) {
		g_autoptr(WeftTable) table = weft_table_new(key_columns);

		for (size_t i = 0; i < list->n_keys; i++) {
			const Weft__Admin__SetupKey *k = list->keys[i];
			g_autofree char *groups = weft_text_list(k->groups, k->n_groups);
			g_autofree char *expires = weft_text_ago(k->expires, admin_now_us());

			weft_table_row(table);
			weft_table_text(table, k->name);
			weft_table_text(table, k->masked);
			weft_table_text(table, k->type);
			weft_table_colored(table,
					   k->valid     ? "valid"
					   : k->revoked ? "revoked"
							: "used up or expired",
					   k->valid ? WEFT_TABLE_GOOD : WEFT_TABLE_DIM);
			if (k->usage_limit > 0)
				weft_table_textf(table, "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT,
						 k->used_times, k->usage_limit);
			else
				weft_table_textf(table, "%" G_GINT64_FORMAT, k->used_times);
			weft_table_text(table, expires);
			weft_table_text(table, groups);
		}
		admin_print_table(cli, table);
	}
	admin_free(list);
	return WEFT_CLI_EXIT_OK;
}

int
admin_setup_key_create(WeftCli *cli, void *user)
{
	Weft__Admin__CreateSetupKeyRequest request = WEFT__ADMIN__CREATE_SETUP_KEY_REQUEST__INIT;
	g_auto(GStrv) groups = admin_list(cli, "group");
	Weft__Admin__SetupKey *key;
	int code;

	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	request.one_off = weft_cli_flag(cli, "one-off");
	if (weft_cli_is_set(cli, "usage-limit"))
		request.usage_limit = weft_cli_int(cli, "usage-limit");
	if (weft_cli_is_set(cli, "expires-in"))
		request.expires_in_us = weft_cli_int(cli, "expires-in");
	request.ephemeral = weft_cli_flag(cli, "ephemeral");
	request.allow_extra_dns_labels = weft_cli_flag(cli, "allow-extra-dns-labels");
	request.groups = groups;
	request.n_groups = g_strv_length(groups);
	key = admin_call(cli, ADMIN_METHOD(CREATE_SETUP_KEY), &request, &code);
	if (key == NULL)
		return code;
	if (!admin_print_json(cli, key)) {
		admin_print_line(cli, "name", key->name);
		admin_print_line(cli, "id", key->id);
		admin_print_line(cli, "key", key->secret);
	}
	admin_free(key);
	return WEFT_CLI_EXIT_OK;
}

int
admin_setup_key_revoke(WeftCli *cli, void *user)
{
	Weft__Admin__Reference request = WEFT__ADMIN__REFERENCE__INIT;
	int code;

	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	if (!weft_cli_confirm(cli, "Revoke setup key '%s'? This cannot be undone.", request.name))
		return WEFT_CLI_EXIT_FAILED;
	admin_free(admin_call(cli, ADMIN_METHOD(REVOKE_SETUP_KEY), &request, &code));
	return code;
}

static const struct weft_table_column token_columns[] = {
	{ "NAME", "name" }, { "CREATED", "created" }, { "EXPIRES", "expires" },
	{ "ID", "id" },     { NULL, NULL },
};

int
admin_token_list(WeftCli *cli, void *user)
{
	Weft__Admin__Nothing request = WEFT__ADMIN__NOTHING__INIT;
	int code;
	Weft__Admin__TokenList *list = admin_call(cli, ADMIN_METHOD(LIST_TOKENS), &request, &code);

	if (list == NULL)
		return code;
	if (!admin_print_json(cli, list)) {
		g_autoptr(WeftTable) table = weft_table_new(token_columns);

		for (size_t i = 0; i < list->n_tokens; i++) {
			g_autofree char *created = weft_text_time(list->tokens[i]->created);
			g_autofree char *expires =
				weft_text_ago(list->tokens[i]->expires, admin_now_us());

			weft_table_row(table);
			weft_table_text(table, list->tokens[i]->name);
			weft_table_text(table, created);
			weft_table_text(table, expires);
			weft_table_text(table, list->tokens[i]->id);
		}
		admin_print_table(cli, table);
	}
	admin_free(list);
	return WEFT_CLI_EXIT_OK;
}

int
admin_token_create(WeftCli *cli, void *user)
{
	Weft__Admin__CreateTokenRequest request = WEFT__ADMIN__CREATE_TOKEN_REQUEST__INIT;
	Weft__Admin__Token *token;
	int code;

	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	if (weft_cli_is_set(cli, "expires-in"))
		request.expires_in_us = weft_cli_int(cli, "expires-in");
	token = admin_call(cli, ADMIN_METHOD(CREATE_TOKEN), &request, &code);
	if (token == NULL)
		return code;
	if (!admin_print_json(cli, token)) {
		admin_print_line(cli, "name", token->name);
		admin_print_line(cli, "token", token->secret);
	}
	admin_free(token);
	return WEFT_CLI_EXIT_OK;
}

int
admin_token_revoke(WeftCli *cli, void *user)
{
	Weft__Admin__Reference request = WEFT__ADMIN__REFERENCE__INIT;
	int code;

	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	if (!weft_cli_confirm(cli, "Revoke token '%s'?", request.name))
		return WEFT_CLI_EXIT_FAILED;
	admin_free(admin_call(cli, ADMIN_METHOD(REVOKE_TOKEN), &request, &code));
	return code;
}

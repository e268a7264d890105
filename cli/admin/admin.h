/* SPDX-License-Identifier: GPL-3.0-or-later */
/* weft-admin: what its files share. One file per noun; main.c has the table. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/glib/cli.h"
#include "base/glib/table.h"
#include "cli/client.h"
#include "cli/json.h"
#include "cli/text.h"
#include "proto/admin.pb-c.h"
#include "proto/methods.h"

#define ADMIN_METHOD(name) (&weft_proto_methods[WEFT_METHOD_ADMIN_##name])

/* A call on the socket of --socket. The reply, or NULL after the error was printed. */
void *admin_call(WeftCli *cli,
		 const struct weft_proto_method *method,
		 const void *request,
		 int *ret_exit);
void admin_free(void *message); /* a reply; takes NULL */

/* Prints a reply as JSON if --json was given: true. */
bool admin_print_json(WeftCli *cli, const void *message);
void admin_print_table(WeftCli *cli, const WeftTable *table);
/* "name: value" lines of one object; text NULL is left out. */
void admin_print_line(WeftCli *cli, const char *name, const char *value);
int64_t admin_now_us(void);

/* Options of text lists ("--group A --group B", or "A,B"); free with g_strfreev(). */
char **admin_list(WeftCli *cli, const char *option);

int admin_init(WeftCli *cli, void *user);
int admin_account_show(WeftCli *cli, void *user);
int admin_account_set(WeftCli *cli, void *user);
int admin_status(WeftCli *cli, void *user);
int admin_peer_list(WeftCli *cli, void *user);
int admin_peer_show(WeftCli *cli, void *user);
int admin_peer_rename(WeftCli *cli, void *user);
int admin_peer_delete(WeftCli *cli, void *user);
int admin_peer_approve(WeftCli *cli, void *user);
int admin_peer_move_groups(WeftCli *cli, void *user);
int admin_group_list(WeftCli *cli, void *user);
int admin_group_show(WeftCli *cli, void *user);
int admin_group_create(WeftCli *cli, void *user);
int admin_group_set(WeftCli *cli, void *user);
int admin_group_delete(WeftCli *cli, void *user);
int admin_policy_list(WeftCli *cli, void *user);
int admin_policy_show(WeftCli *cli, void *user);
int admin_policy_create(WeftCli *cli, void *user);
int admin_policy_set(WeftCli *cli, void *user);
int admin_policy_delete(WeftCli *cli, void *user);
int admin_setup_key_create(WeftCli *cli, void *user);
int admin_setup_key_list(WeftCli *cli, void *user);
int admin_setup_key_revoke(WeftCli *cli, void *user);
int admin_token_create(WeftCli *cli, void *user);
int admin_token_list(WeftCli *cli, void *user);
int admin_token_revoke(WeftCli *cli, void *user);
int admin_events(WeftCli *cli, void *user);

extern const struct weft_cli_option admin_rule_options[];

extern const struct weft_cli_program weft_admin_program;

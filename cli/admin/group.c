/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/admin/admin.h"

#include <string.h>

static const struct weft_table_column columns[] = {
	{ "NAME", "name" },
	{ "PEERS", "peers", WEFT_TABLE_NUMBER },
	{ "ID", "id" },
	{ NULL, NULL },
};

int
admin_group_list(WeftCli *cli, void *user)
{
	Weft__Admin__Nothing request = WEFT__ADMIN__NOTHING__INIT;
	int code;
	Weft__Admin__GroupList *list = admin_call(cli, ADMIN_METHOD(LIST_GROUPS), &request, &code);

	if (list == NULL)
		return code;
	if (!admin_print_json(cli, list)) {
		g_autoptr(WeftTable) table = weft_table_new(columns);

		for (size_t i = 0; i < list->n_groups; i++) {
			weft_table_row(table);
			weft_table_text(table, list->groups[i]->name);
			weft_table_number(table, (int64_t) list->groups[i]->n_peers, NULL);
			weft_table_text(table, list->groups[i]->id);
		}
		admin_print_table(cli, table);
	}
	admin_free(list);
	return WEFT_CLI_EXIT_OK;
}

static void
print_group(WeftCli *cli, const Weft__Admin__Group *g)
{
	g_autofree char *peers = weft_text_list(g->peers, g->n_peers);
	g_autofree char *created = weft_text_time(g->created);

	admin_print_line(cli, "name", g->name);
	admin_print_line(cli, "id", g->id);
	admin_print_line(cli, "created", created);
	admin_print_line(cli, "peers", peers);
}

static int
finish(WeftCli *cli, Weft__Admin__Group *group, int code)
{
	if (group == NULL)
		return code;
	if (!admin_print_json(cli, group))
		print_group(cli, group);
	admin_free(group);
	return WEFT_CLI_EXIT_OK;
}

int
admin_group_show(WeftCli *cli, void *user)
{
	Weft__Admin__Nothing request = WEFT__ADMIN__NOTHING__INIT;
	const char *name = weft_cli_arg(cli, 0);
	int code;
	Weft__Admin__GroupList *list = admin_call(cli, ADMIN_METHOD(LIST_GROUPS), &request, &code);
	const Weft__Admin__Group *found = NULL;

	if (list == NULL)
		return code;
	for (size_t i = 0; i < list->n_groups && found == NULL; i++)
		if (strcmp(list->groups[i]->name, name) == 0 ||
		    strcmp(list->groups[i]->id, name) == 0)
			found = list->groups[i];
	if (found == NULL)
		code = weft_cli_fail(cli, WEFT_CLI_EXIT_NOT_FOUND, "no group '%s'", name);
	else if (!admin_print_json(cli, found))
		print_group(cli, found);
	admin_free(list);
	return code;
}

int
admin_group_create(WeftCli *cli, void *user)
{
	Weft__Admin__PutGroupRequest request = WEFT__ADMIN__PUT_GROUP_REQUEST__INIT;
	g_auto(GStrv) peers = admin_list(cli, "peer");
	int code;

	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	request.set_peers = true;
	request.peers = peers;
	request.n_peers = g_strv_length(peers);
	return finish(cli, admin_call(cli, ADMIN_METHOD(PUT_GROUP), &request, &code), code);
}

int
admin_group_set(WeftCli *cli, void *user)
{
	Weft__Admin__PutGroupRequest request = WEFT__ADMIN__PUT_GROUP_REQUEST__INIT;
	g_auto(GStrv) add = admin_list(cli, "add");
	g_auto(GStrv) remove = admin_list(cli, "remove");
	int code;

	request.group = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	if (weft_cli_is_set(cli, "name"))
		request.name = (char *) (uintptr_t) weft_cli_string(cli, "name");
	request.add = add;
	request.n_add = g_strv_length(add);
	request.remove = remove;
	request.n_remove = g_strv_length(remove);
	return finish(cli, admin_call(cli, ADMIN_METHOD(PUT_GROUP), &request, &code), code);
}

int
admin_group_delete(WeftCli *cli, void *user)
{
	Weft__Admin__Reference request = WEFT__ADMIN__REFERENCE__INIT;
	int code;

	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	if (!weft_cli_confirm(cli, "Delete group '%s'?", request.name))
		return WEFT_CLI_EXIT_FAILED;
	admin_free(admin_call(cli, ADMIN_METHOD(DELETE_GROUP), &request, &code));
	return code;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/admin/admin.h"

#include <string.h>

static const struct weft_table_column columns[] = {
	{ "NAME", "name" },       { "ADDRESS", "ip" },    { "STATE", "state" }, { "SEEN", "seen" },
	{ "VERSION", "version" }, { "GROUPS", "groups" }, { NULL, NULL },
};

static const char *
state(const Weft__Admin__Peer *p)
{
	if (p->approval_required)
		return "waiting for approval";
	if (p->login_expired)
		return "login expired";
	return p->connected ? "connected" : "away";
}

static void
print_list(WeftCli *cli, const Weft__Admin__PeerList *list)
{
	g_autoptr(WeftTable) table = weft_table_new(columns);

	for (size_t i = 0; i < list->n_peers; i++) {
		const Weft__Admin__Peer *p = list->peers[i];
		g_autofree char *seen = p->connected ? g_strdup("now")
						     : weft_text_ago(p->last_seen, admin_now_us());
		g_autofree char *groups = weft_text_list(p->groups, p->n_groups);

		weft_table_row(table);
		weft_table_text(table, p->name);
		weft_table_text(table, p->ip);
		weft_table_colored(table, state(p),
				   p->connected ? WEFT_TABLE_GOOD : WEFT_TABLE_DIM);
		weft_table_text(table, seen);
		weft_table_text(table, p->version);
		weft_table_text(table, groups);
	}
	admin_print_table(cli, table);
}

static void
print_peer(WeftCli *cli, const Weft__Admin__Peer *p)
{
	g_autofree char *seen = weft_text_time(p->last_seen);
	g_autofree char *created = weft_text_time(p->created);
	g_autofree char *groups = weft_text_list(p->groups, p->n_groups);

	admin_print_line(cli, "name", p->name);
	admin_print_line(cli, "id", p->id);
	admin_print_line(cli, "DNS name", p->fqdn);
	admin_print_line(cli, "address", p->ip);
	admin_print_line(cli, "address (IPv6)", p->ip6[0] == '\0' ? NULL : p->ip6);
	admin_print_line(cli, "public key", p->key);
	admin_print_line(cli, "state", state(p));
	admin_print_line(cli, "last seen", p->connected ? "now" : seen);
	admin_print_line(cli, "registered", created);
	admin_print_line(cli, "connects from", p->connection_ip);
	admin_print_line(cli, "host name", p->hostname);
	admin_print_line(cli, "system", p->os);
	admin_print_line(cli, "version", p->version);
	admin_print_line(cli, "groups", groups);
	admin_print_line(cli, "ephemeral", p->ephemeral ? "yes" : NULL);
}

int
admin_peer_list(WeftCli *cli, void *user)
{
	Weft__Admin__Nothing request = WEFT__ADMIN__NOTHING__INIT;
	int code;

	do {
		Weft__Admin__PeerList *list =
			admin_call(cli, ADMIN_METHOD(LIST_PEERS), &request, &code);

		if (list == NULL)
			return code;
		if (!admin_print_json(cli, list))
			print_list(cli, list);
		admin_free(list);
		fflush(weft_cli_out(cli));
		if (weft_cli_watch(cli))
			g_usleep(2 * G_USEC_PER_SEC);
	} while (weft_cli_watch(cli));
	return WEFT_CLI_EXIT_OK;
}

static bool
is_called(const Weft__Admin__Peer *p, const char *name)
{
	const size_t label = strcspn(p->fqdn, ".");

	return strcmp(p->name, name) == 0 || strcmp(p->id, name) == 0 || strcmp(p->ip, name) == 0 ||
	       strcmp(p->ip6, name) == 0 || strcmp(p->key, name) == 0 ||
	       strcmp(p->fqdn, name) == 0 ||
	       (strlen(name) == label && strncmp(p->fqdn, name, label) == 0);
}

int
admin_peer_show(WeftCli *cli, void *user)
{
	Weft__Admin__Nothing request = WEFT__ADMIN__NOTHING__INIT;
	const char *name = weft_cli_arg(cli, 0);
	int code;
	Weft__Admin__PeerList *list = admin_call(cli, ADMIN_METHOD(LIST_PEERS), &request, &code);
	const Weft__Admin__Peer *found = NULL;

	if (list == NULL)
		return code;
	for (size_t i = 0; i < list->n_peers && found == NULL; i++)
		if (is_called(list->peers[i], name))
			found = list->peers[i];
	if (found == NULL)
		code = weft_cli_fail(cli, WEFT_CLI_EXIT_NOT_FOUND, "no peer '%s'", name);
	else if (!admin_print_json(cli, found))
		print_peer(cli, found);
	admin_free(list);
	return code;
}

/* Prints the peer that a change left behind. */
static int
finish(WeftCli *cli, Weft__Admin__Peer *peer, int code)
{
	if (peer == NULL)
		return code;
	if (!admin_print_json(cli, peer))
		print_peer(cli, peer);
	admin_free(peer);
	return WEFT_CLI_EXIT_OK;
}

int
admin_peer_rename(WeftCli *cli, void *user)
{
	Weft__Admin__RenamePeerRequest request = WEFT__ADMIN__RENAME_PEER_REQUEST__INIT;
	int code;

	request.peer = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 1);
	return finish(cli, admin_call(cli, ADMIN_METHOD(RENAME_PEER), &request, &code), code);
}

int
admin_peer_approve(WeftCli *cli, void *user)
{
	Weft__Admin__Reference request = WEFT__ADMIN__REFERENCE__INIT;
	int code;

	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	return finish(cli, admin_call(cli, ADMIN_METHOD(APPROVE_PEER), &request, &code), code);
}

int
admin_peer_move_groups(WeftCli *cli, void *user)
{
	Weft__Admin__MovePeerRequest request = WEFT__ADMIN__MOVE_PEER_REQUEST__INIT;
	g_auto(GStrv) groups = admin_list(cli, "group");
	int code;

	request.peer = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	request.groups = groups;
	request.n_groups = g_strv_length(groups);
	return finish(cli, admin_call(cli, ADMIN_METHOD(MOVE_PEER), &request, &code), code);
}

int
admin_peer_delete(WeftCli *cli, void *user)
{
	Weft__Admin__Reference request = WEFT__ADMIN__REFERENCE__INIT;
	int code;

	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	if (!weft_cli_confirm(cli, "Remove peer '%s' from the network?", request.name))
		return WEFT_CLI_EXIT_FAILED;
	admin_free(admin_call(cli, ADMIN_METHOD(DELETE_PEER), &request, &code));
	return code;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/admin/admin.h"

#include <string.h>

static const char *const on_off[] = { "off", "on", NULL };
static const char *const actions[] = { "accept", "drop", NULL };
static const char *const protocols[] = { "all", "tcp", "udp", "icmp", "netbird-ssh", NULL };

const struct weft_cli_option admin_rule_options[] = {
	{ "source", WEFT_CLI_STRING, .arg = "GROUP", .repeat = true, .complete = "group",
	  .help = "Group whose peers may begin." },
	{ "destination", WEFT_CLI_STRING, .arg = "GROUP", .repeat = true, .complete = "group",
	  .help = "Group whose peers are reached." },
	{ "source-peer", WEFT_CLI_STRING, .arg = "PEER", .complete = "peer",
	  .help = "One peer in place of source groups." },
	{ "destination-peer", WEFT_CLI_STRING, .arg = "PEER", .complete = "peer",
	  .help = "One peer in place of destination groups." },
	{ "protocol", WEFT_CLI_ENUM, .names = protocols, .help = "What it is about." },
	{ "port", WEFT_CLI_STRING, .arg = "PORT", .repeat = true,
	  .help = "Port or range (6000-6010) of tcp and udp. Without it all." },
	{ "action", WEFT_CLI_ENUM, .names = actions, .help = "Accept, or drop before any accept." },
	{ "bidirectional", WEFT_CLI_ENUM, .names = on_off,
	  .help = "Destinations may begin as well." },
	{ "enabled", WEFT_CLI_ENUM, .names = on_off, .help = "Whether it is in force." },
	{ "description", WEFT_CLI_STRING, .help = "For people." },
	{ NULL }
};

static const struct weft_table_column columns[] = {
	{ "NAME", "name" }, { "STATE", "state" },       { "FROM", "from" },     { "", "direction" },
	{ "TO", "to" },     { "PROTOCOL", "protocol" }, { "ACTION", "action" }, { NULL, NULL },
};

static char *
side(char *const *groups, size_t n, const char *peer)
{
	return peer[0] != '\0' ? g_strdup(peer) : weft_text_list(groups, n);
}

static void
add_rule(WeftTable *table, const Weft__Admin__Policy *p, const Weft__Admin__Rule *r, bool first)
{
	g_autofree char *from = side(r->sources, r->n_sources, r->source_peer);
	g_autofree char *to = side(r->destinations, r->n_destinations, r->destination_peer);
	g_autofree char *ports = weft_text_list(r->ports, r->n_ports);

	weft_table_row(table);
	weft_table_text(table, first ? p->name : "");
	weft_table_colored(table, p->enabled && r->enabled ? "on" : "off",
			   p->enabled && r->enabled ? WEFT_TABLE_GOOD : WEFT_TABLE_DIM);
	weft_table_text(table, from);
	weft_table_text(table, r->bidirectional ? "<->" : "->");
	weft_table_text(table, to);
	if (r->n_ports > 0)
		weft_table_textf(table, "%s %s", r->protocol, ports);
	else
		weft_table_text(table, r->protocol);
	weft_table_text(table, r->action);
}

static void
print_policies(WeftCli *cli, Weft__Admin__Policy *const *policies, size_t n)
{
	g_autoptr(WeftTable) table = weft_table_new(columns);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < policies[i]->n_rules; j++)
			add_rule(table, policies[i], policies[i]->rules[j], j == 0);
	admin_print_table(cli, table);
}

static Weft__Admin__PolicyList *
get_list(WeftCli *cli, int *ret_exit)
{
	Weft__Admin__Nothing request = WEFT__ADMIN__NOTHING__INIT;

	return admin_call(cli, ADMIN_METHOD(LIST_POLICIES), &request, ret_exit);
}

int
admin_policy_list(WeftCli *cli, void *user)
{
	int code;
	Weft__Admin__PolicyList *list = get_list(cli, &code);

	if (list == NULL)
		return code;
	if (!admin_print_json(cli, list))
		print_policies(cli, list->policies, list->n_policies);
	admin_free(list);
	return WEFT_CLI_EXIT_OK;
}

static Weft__Admin__Policy *
find(const Weft__Admin__PolicyList *list, const char *name)
{
	for (size_t i = 0; i < list->n_policies; i++)
		if (strcmp(list->policies[i]->name, name) == 0 ||
		    strcmp(list->policies[i]->id, name) == 0)
			return list->policies[i];
	return NULL;
}

int
admin_policy_show(WeftCli *cli, void *user)
{
	int code;
	Weft__Admin__PolicyList *list = get_list(cli, &code);
	Weft__Admin__Policy *p;

	if (list == NULL)
		return code;
	p = find(list, weft_cli_arg(cli, 0));
	if (p == NULL) {
		code = weft_cli_fail(cli, WEFT_CLI_EXIT_NOT_FOUND, "no policy '%s'",
				     weft_cli_arg(cli, 0));
	} else if (!admin_print_json(cli, p)) {
		admin_print_line(cli, "name", p->name);
		admin_print_line(cli, "id", p->id);
		admin_print_line(cli, "description", p->description);
		print_policies(cli, &p, 1);
	}
	admin_free(list);
	return code;
}

/* Lists of the options, alive until the call is done. */
struct rule_lists {
	char **sources, **destinations, **ports;
};

static void
lists_clear(struct rule_lists *l)
{
	g_strfreev(l->sources);
	g_strfreev(l->destinations);
	g_strfreev(l->ports);
}

static char *
text(WeftCli *cli, const char *option)
{
	return (char *) (uintptr_t) weft_cli_string(cli, option);
}

/* Puts into @rule what the options say; the rest stays. */
static void
apply_options(WeftCli *cli, Weft__Admin__Rule *rule, struct rule_lists *lists)
{
	lists->sources = admin_list(cli, "source");
	lists->destinations = admin_list(cli, "destination");
	lists->ports = admin_list(cli, "port");
	if (weft_cli_is_set(cli, "source") || weft_cli_is_set(cli, "source-peer")) {
		rule->sources = lists->sources;
		rule->n_sources = g_strv_length(lists->sources);
		rule->source_peer = weft_cli_is_set(cli, "source-peer") ? text(cli, "source-peer")
									: (char *) (uintptr_t) "";
	}
	if (weft_cli_is_set(cli, "destination") || weft_cli_is_set(cli, "destination-peer")) {
		rule->destinations = lists->destinations;
		rule->n_destinations = g_strv_length(lists->destinations);
		rule->destination_peer = weft_cli_is_set(cli, "destination-peer")
						 ? text(cli, "destination-peer")
						 : (char *) (uintptr_t) "";
	}
	if (weft_cli_is_set(cli, "port")) {
		rule->ports = lists->ports;
		rule->n_ports = g_strv_length(lists->ports);
	}
	if (weft_cli_is_set(cli, "protocol"))
		rule->protocol = text(cli, "protocol");
	if (weft_cli_is_set(cli, "action"))
		rule->action = text(cli, "action");
	if (weft_cli_is_set(cli, "bidirectional"))
		rule->bidirectional = weft_cli_int(cli, "bidirectional") != 0;
}

static int
finish(WeftCli *cli, Weft__Admin__Policy *p, int code)
{
	if (p == NULL)
		return code;
	if (!admin_print_json(cli, p))
		print_policies(cli, &p, 1);
	admin_free(p);
	return WEFT_CLI_EXIT_OK;
}

int
admin_policy_create(WeftCli *cli, void *user)
{
	Weft__Admin__Policy policy = WEFT__ADMIN__POLICY__INIT;
	Weft__Admin__Rule rule = WEFT__ADMIN__RULE__INIT;
	Weft__Admin__Rule *rules[1] = { &rule };
	struct rule_lists lists;
	Weft__Admin__Policy *made;
	int code;

	policy.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	policy.enabled = !weft_cli_is_set(cli, "enabled") || weft_cli_int(cli, "enabled") != 0;
	if (weft_cli_is_set(cli, "description"))
		policy.description = text(cli, "description");
	policy.rules = rules;
	policy.n_rules = 1;
	rule.enabled = true;
	rule.name = policy.name;
	apply_options(cli, &rule, &lists);
	made = admin_call(cli, ADMIN_METHOD(PUT_POLICY), &policy, &code);
	lists_clear(&lists);
	return finish(cli, made, code);
}

static bool
changes_rule(WeftCli *cli)
{
	for (const struct weft_cli_option *o = admin_rule_options; o->name != NULL; o++)
		if (strcmp(o->name, "enabled") != 0 && strcmp(o->name, "description") != 0 &&
		    weft_cli_is_set(cli, o->name))
			return true;
	return false;
}

int
admin_policy_set(WeftCli *cli, void *user)
{
	int code;
	Weft__Admin__PolicyList *list = get_list(cli, &code);
	Weft__Admin__Policy *old;
	Weft__Admin__Policy policy;
	Weft__Admin__Rule rule;
	Weft__Admin__Rule *rules[1] = { &rule };
	Weft__Admin__Policy *made = NULL;
	struct rule_lists lists = { 0 };

	if (list == NULL)
		return code;
	old = find(list, weft_cli_arg(cli, 0));
	if (old == NULL) {
		code = weft_cli_fail(cli, WEFT_CLI_EXIT_NOT_FOUND, "no policy '%s'",
				     weft_cli_arg(cli, 0));
	} else if (changes_rule(cli) && old->n_rules != 1) {
		code = weft_cli_fail(cli, WEFT_CLI_EXIT_USAGE,
				     "policy '%s' has %zu rules: make it anew", old->name,
				     old->n_rules);
	} else {
		policy = *old;
		if (weft_cli_is_set(cli, "enabled"))
			policy.enabled = weft_cli_int(cli, "enabled") != 0;
		if (weft_cli_is_set(cli, "description"))
			policy.description = text(cli, "description");
		if (old->n_rules == 1) {
			rule = *old->rules[0];
			policy.rules = rules;
			apply_options(cli, &rule, &lists);
		}
		made = admin_call(cli, ADMIN_METHOD(PUT_POLICY), &policy, &code);
	}
	lists_clear(&lists);
	admin_free(list);
	return finish(cli, made, code);
}

int
admin_policy_delete(WeftCli *cli, void *user)
{
	Weft__Admin__Reference request = WEFT__ADMIN__REFERENCE__INIT;
	int code;

	request.name = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	if (!weft_cli_confirm(cli, "Delete policy '%s'?", request.name))
		return WEFT_CLI_EXIT_FAILED;
	admin_free(admin_call(cli, ADMIN_METHOD(DELETE_POLICY), &request, &code));
	return code;
}

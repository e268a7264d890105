/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/admin/admin.h"

#include <string.h>

static const char *
yes_no(bool value)
{
	return value ? "on" : "off";
}

static void
print_account(WeftCli *cli, const Weft__Admin__Account *a)
{
	g_autofree char *created = weft_text_time(a->created);
	g_autofree char *peers = g_strdup_printf("%u, %u connected", a->peers, a->connected);
	g_autofree char *groups = weft_text_list(a->ipv6_groups, a->n_ipv6_groups);
	g_autofree char *ipv6 = g_strdup_printf("%s (groups: %s)", yes_no(a->ipv6), groups);

	admin_print_line(cli, "account", a->name);
	admin_print_line(cli, "id", a->id);
	admin_print_line(cli, "created", created);
	admin_print_line(cli, "network", a->network);
	admin_print_line(cli, "network (IPv6)", a->network6);
	admin_print_line(cli, "DNS domain", a->dns_domain);
	admin_print_line(cli, "peers", peers);
	admin_print_line(cli, "IPv6", ipv6);
	admin_print_line(cli, "lazy connections", yes_no(a->lazy_connections));
	admin_print_line(cli, "peer approval", yes_no(a->peer_approval));
	admin_print_line(cli, "routing peer DNS", yes_no(a->routing_peer_dns));
	admin_print_line(cli, "login expiration", yes_no(a->login_expiration));
}

static char *
text_option(WeftCli *cli, const char *option)
{
	const char *text = weft_cli_string(cli, option);

	return (char *) (uintptr_t) (text == NULL ? "" : text);
}

int
admin_init(WeftCli *cli, void *user)
{
	Weft__Admin__InitRequest request = WEFT__ADMIN__INIT_REQUEST__INIT;
	Weft__Admin__InitReply *reply;
	int code;

	request.account = text_option(cli, "account");
	request.network = text_option(cli, "network");
	request.dns_domain = text_option(cli, "dns-domain");
	request.default_deny = weft_cli_flag(cli, "default-deny");
	reply = admin_call(cli, ADMIN_METHOD(CREATE_ACCOUNT), &request, &code);
	if (reply == NULL)
		return code;
	if (!admin_print_json(cli, reply)) {
		admin_print_line(cli, "account", reply->account->name);
		admin_print_line(cli, "network", reply->account->network);
		admin_print_line(cli, "network (IPv6)", reply->account->network6);
		admin_print_line(cli, "DNS domain", reply->account->dns_domain);
		fprintf(weft_cli_out(cli), "\nShown this once:\n");
		admin_print_line(cli, "default key", reply->default_key);
		admin_print_line(cli, "one-off key", reply->one_off_key);
		admin_print_line(cli, "admin token", reply->admin_token);
	}
	admin_free(reply);
	return WEFT_CLI_EXIT_OK;
}

int
admin_account_show(WeftCli *cli, void *user)
{
	Weft__Admin__Nothing request = WEFT__ADMIN__NOTHING__INIT;
	int code;
	Weft__Admin__Account *a = admin_call(cli, ADMIN_METHOD(GET_ACCOUNT), &request, &code);

	if (a == NULL)
		return code;
	if (!admin_print_json(cli, a))
		print_account(cli, a);
	admin_free(a);
	return WEFT_CLI_EXIT_OK;
}

/* One member per switch; only what was given is set. */
#define SET_SWITCH(request, option, field, CASE)                                                   \
	do {                                                                                       \
		if (weft_cli_is_set(cli, (option))) {                                              \
			(request)._##field##_case =                                                \
				WEFT__ADMIN__SET_ACCOUNT_REQUEST___##CASE##_##CASE;                \
			(request).field = weft_cli_int(cli, (option)) != 0;                        \
		}                                                                                  \
	} while (0)

int
admin_account_set(WeftCli *cli, void *user)
{
	Weft__Admin__SetAccountRequest r = WEFT__ADMIN__SET_ACCOUNT_REQUEST__INIT;
	g_auto(GStrv) groups = admin_list(cli, "ipv6-group");
	Weft__Admin__Account *a;
	int code;

	if (weft_cli_is_set(cli, "name")) {
		r._name_case = WEFT__ADMIN__SET_ACCOUNT_REQUEST___NAME_NAME;
		r.name = text_option(cli, "name");
	}
	if (weft_cli_is_set(cli, "dns-domain")) {
		r._dns_domain_case = WEFT__ADMIN__SET_ACCOUNT_REQUEST___DNS_DOMAIN_DNS_DOMAIN;
		r.dns_domain = text_option(cli, "dns-domain");
	}
	SET_SWITCH(r, "lazy-connections", lazy_connections, LAZY_CONNECTIONS);
	SET_SWITCH(r, "peer-approval", peer_approval, PEER_APPROVAL);
	SET_SWITCH(r, "ipv6", ipv6, IPV6);
	SET_SWITCH(r, "routing-peer-dns", routing_peer_dns, ROUTING_PEER_DNS);
	SET_SWITCH(r, "login-expiration", login_expiration, LOGIN_EXPIRATION);
	if (weft_cli_is_set(cli, "login-expires-after"))
		r.login_expiration_us = weft_cli_int(cli, "login-expires-after");
	r.set_ipv6_groups = weft_cli_is_set(cli, "ipv6-group");
	r.ipv6_groups = groups;
	r.n_ipv6_groups = g_strv_length(groups);
	a = admin_call(cli, ADMIN_METHOD(SET_ACCOUNT), &r, &code);
	if (a == NULL)
		return code;
	if (!admin_print_json(cli, a))
		print_account(cli, a);
	admin_free(a);
	return WEFT_CLI_EXIT_OK;
}

int
admin_status(WeftCli *cli, void *user)
{
	Weft__Admin__Nothing request = WEFT__ADMIN__NOTHING__INIT;
	int code;
	Weft__Admin__Status *s = admin_call(cli, ADMIN_METHOD(GET_STATUS), &request, &code);

	if (s == NULL)
		return code;
	if (!admin_print_json(cli, s)) {
		g_autofree char *started = weft_text_time(s->started);
		g_autofree char *streams = g_strdup_printf("%u", s->streams);
		g_autofree char *store =
			g_strdup_printf("%s, %s", s->store, s->store_up ? "up" : "not reachable");

		admin_print_line(cli, "version", s->version);
		admin_print_line(cli, "running since", started);
		admin_print_line(cli, "store", store);
		admin_print_line(cli, "connected peers", streams);
	}
	admin_free(s);
	return WEFT_CLI_EXIT_OK;
}

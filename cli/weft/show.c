/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/weft/weft.h"

#include "base/glib/file.h"
#include "base/glib/table.h"
#include "cli/json.h"
#include "cli/text.h"

#include <string.h>

static void *
ask(WeftCli *cli,
    const struct weft_proto_method *method,
    const ProtobufCMessage *request,
    int *code)
{
	g_autoptr(WeftClient) client = weft_connect(cli, code);

	return client == NULL ? NULL : weft_client_call(client, method, request, 0, code);
}

static Weft__Control__Status *
get_status(WeftCli *cli, int *code)
{
	static const Weft__Control__Nothing nothing = WEFT__CONTROL__NOTHING__INIT;

	return ask(cli, WEFT_CONTROL_METHOD(GET_STATUS), &nothing.base, code);
}

static void
print_json(WeftCli *cli, const ProtobufCMessage *msg)
{
	g_autoptr(GString) out = g_string_new(NULL);

	weft_json_message(out, msg);
	fputs(out->str, weft_cli_out(cli));
	fflush(weft_cli_out(cli));
}

static void
line(WeftCli *cli, const char *name, const char *value)
{
	if (value[0] != '\0')
		fprintf(weft_cli_out(cli), "%-16s %s\n", name, value);
}

static void
print_peer(WeftCli *cli, const Weft__Control__Peer *p)
{
	g_autofree char *allowed = weft_text_list(p->allowed, p->n_allowed);
	g_autofree char *since = weft_text_ago(p->since, g_get_real_time());
	g_autofree char *handshake = weft_text_ago(p->last_handshake, g_get_real_time());
	g_autofree char *rx = weft_text_bytes(p->rx_bytes);
	g_autofree char *tx = weft_text_bytes(p->tx_bytes);

	line(cli, "name", p->name);
	line(cli, "public key", p->public_key);
	line(cli, "addresses", allowed);
	line(cli, "path", p->path);
	line(cli, "since", since);
	line(cli, "not better as", p->why);
	line(cli, "endpoint", p->endpoint);
	if (p->local_type[0] != '\0')
		fprintf(weft_cli_out(cli), "%-16s %s - %s\n", "candidates", p->local_type,
			p->remote_type);
	if (p->rtt_us != 0)
		fprintf(weft_cli_out(cli), "%-16s %.1f ms\n", "round trip", p->rtt_us / 1000.0);
	line(cli, "relay", p->relay);
	line(cli, "last handshake", handshake);
	fprintf(weft_cli_out(cli), "%-16s %s received, %s sent\n", "traffic", rx, tx);
	line(cli, "ice", p->ice);
	fprintf(weft_cli_out(cli),
		"%-16s %u offers sent, %u received; %u candidates sent, %u received\n", "signal",
		p->offers_sent, p->offers_received, p->candidates_sent, p->candidates_received);
}

static void
print_peers(WeftCli *cli, const Weft__Control__Status *s)
{
	for (size_t i = 0; i < s->n_peers; i++) {
		const Weft__Control__Peer *p = s->peers[i];
		g_autofree char *handshake = weft_text_ago(p->last_handshake, g_get_real_time());

		fprintf(weft_cli_out(cli), "%-32s %-20s %-8s %-22s %s\n", p->name,
			p->n_allowed > 0 ? p->allowed[0] : "-", p->path,
			p->endpoint[0] != '\0' ? p->endpoint : "-", handshake);
	}
}

static void
print_server(WeftCli *cli, const char *name, const Weft__Control__Server *s)
{
	if (s != NULL)
		fprintf(weft_cli_out(cli), "%-16s %s (%s%s%s)\n", name, s->url, s->state,
			s->reason[0] != '\0' ? ": " : "", s->reason);
}

static void
print_status(WeftCli *cli, const Weft__Control__Status *s)
{
	fprintf(weft_cli_out(cli), "%-16s %s%s%s\n", "state", s->state,
		s->reason[0] != '\0' ? ": " : "", s->reason);
	line(cli, "name", s->fqdn);
	line(cli, "address", s->address);
	line(cli, "", s->address6);
	if (s->wireguard[0] != '\0')
		fprintf(weft_cli_out(cli), "%-16s %s (%s, port %u)\n", "interface", s->interface,
			s->wireguard, s->listen_port);
	print_server(cli, "management", s->management);
	print_server(cli, "signal", s->signal);
	print_server(cli, "relay", s->relay);
	for (size_t i = 0; i < s->n_unsupported; i++)
		line(cli, "not supported", s->unsupported[i]);
	for (size_t i = 0; i < s->n_problems; i++)
		line(cli, "problem", s->problems[i]);
	fprintf(weft_cli_out(cli), "%-16s %zu\n", "peers", s->n_peers);
	if (!weft_cli_flag(cli, "detail")) {
		print_peers(cli, s);
		return;
	}
	for (size_t i = 0; i < s->n_peers; i++) {
		fputc('\n', weft_cli_out(cli));
		print_peer(cli, s->peers[i]);
	}
}

static void
show_status(WeftCli *cli, const Weft__Control__Status *s)
{
	if (weft_cli_json(cli))
		print_json(cli, &s->base);
	else
		print_status(cli, s);
}

static bool
on_watch(const ProtobufCMessage *msg, void *user)
{
	WeftCli *cli = user;

	show_status(cli, (const Weft__Control__Status *) msg);
	if (!weft_cli_json(cli))
		fputc('\n', weft_cli_out(cli));
	fflush(weft_cli_out(cli));
	return true;
}

int
weft_cmd_status(WeftCli *cli, void *user)
{
	static const Weft__Control__Nothing nothing = WEFT__CONTROL__NOTHING__INIT;
	Weft__Control__Status *s;
	int code;

	if (weft_cli_watch(cli)) {
		g_autoptr(WeftClient) client = weft_connect(cli, &code);

		return client == NULL
			       ? code
			       : weft_client_stream(client, WEFT_CONTROL_METHOD(WATCH_STATUS),
						    &nothing.base, on_watch, cli);
	}
	s = get_status(cli, &code);
	if (s == NULL)
		return code;
	show_status(cli, s);
	if (strcmp(s->state, "down") == 0 || strcmp(s->state, "needs-login") == 0)
		code = WEFT_CLI_EXIT_NOT_RUNNING;
	weft__control__status__free_unpacked(s, NULL);
	return code;
}

int
weft_cmd_peer_list(WeftCli *cli, void *user)
{
	int code;
	Weft__Control__Status *s = get_status(cli, &code);

	if (s == NULL)
		return code;
	if (weft_cli_json(cli))
		print_json(cli, &s->base);
	else
		print_peers(cli, s);
	weft__control__status__free_unpacked(s, NULL);
	return code;
}

static bool
is_named(const Weft__Control__Peer *p, const char *name)
{
	size_t len = strlen(name);

	if (strcmp(p->public_key, name) == 0 || strcmp(p->name, name) == 0 ||
	    (g_str_has_prefix(p->name, name) && p->name[len] == '.'))
		return true;
	for (size_t i = 0; i < p->n_allowed; i++)
		if (g_str_has_prefix(p->allowed[i], name) && p->allowed[i][len] == '/')
			return true;
	return false;
}

int
weft_cmd_peer_show(WeftCli *cli, void *user)
{
	const char *name = weft_cli_arg(cli, 0);
	int code;
	Weft__Control__Status *s = get_status(cli, &code);
	const Weft__Control__Peer *found = NULL;

	if (s == NULL)
		return code;
	for (size_t i = 0; i < s->n_peers && found == NULL; i++)
		if (is_named(s->peers[i], name))
			found = s->peers[i];
	if (found == NULL)
		code = weft_cli_fail(cli, WEFT_CLI_EXIT_NOT_FOUND,
				     "peer '%s': not in the network map (see: weft peer list)",
				     name);
	else if (weft_cli_json(cli))
		print_json(cli, &found->base);
	else
		print_peer(cli, found);
	weft__control__status__free_unpacked(s, NULL);
	return code;
}

int
weft_cmd_config_show(WeftCli *cli, void *user)
{
	Weft__Control__ConfigRequest request = WEFT__CONTROL__CONFIG_REQUEST__INIT;
	Weft__Control__Text *text;
	int code;

	request.origin = weft_cli_flag(cli, "origin");
	request.only_set = !weft_cli_flag(cli, "all");
	text = ask(cli, WEFT_CONTROL_METHOD(GET_CONFIG), &request.base, &code);
	if (text == NULL)
		return code;
	fputs(text->text, weft_cli_out(cli));
	weft__control__text__free_unpacked(text, NULL);
	return code;
}

static void
format_diagnosis(GString *out, const Weft__Control__Diagnosis *d)
{
	for (size_t i = 0; i < d->n_steps; i++)
		g_string_append_printf(out, "%-16s %-8s %s\n", d->steps[i]->name,
				       d->steps[i]->result, d->steps[i]->detail);
}

int
weft_cmd_doctor(WeftCli *cli, void *user)
{
	Weft__Control__DiagnoseRequest request = WEFT__CONTROL__DIAGNOSE_REQUEST__INIT;
	g_autoptr(GString) out = g_string_new(NULL);
	Weft__Control__Diagnosis *d;
	int code;

	if (weft_cli_n_args(cli) > 0)
		request.peer = (char *) (uintptr_t) weft_cli_arg(cli, 0);
	d = ask(cli, WEFT_CONTROL_METHOD(DIAGNOSE), &request.base, &code);
	if (d == NULL)
		return code;
	if (weft_cli_json(cli)) {
		print_json(cli, &d->base);
	} else {
		format_diagnosis(out, d);
		fputs(out->str, weft_cli_out(cli));
	}
	if (d->failed[0] != '\0')
		code = WEFT_CLI_EXIT_FAILED;
	weft__control__diagnosis__free_unpacked(d, NULL);
	return code;
}

int
weft_cmd_debug_bundle(WeftCli *cli, void *user)
{
	Weft__Control__ConfigRequest config = WEFT__CONTROL__CONFIG_REQUEST__INIT;
	Weft__Control__DiagnoseRequest diagnose = WEFT__CONTROL__DIAGNOSE_REQUEST__INIT;
	g_autoptr(GString) out = g_string_new("# weft " PACKAGE_VERSION "\n\n# status\n");
	g_autoptr(GDateTime) now = g_date_time_new_now_local();
	g_autofree char *name = g_date_time_format(now, "weft-debug-%Y%m%d-%H%M%S.txt");
	const char *path = weft_cli_string(cli, "output");
	g_autoptr(GError) error = NULL;
	int code;
	Weft__Control__Status *s = get_status(cli, &code);
	Weft__Control__Text *text;
	Weft__Control__Diagnosis *d;

	if (s == NULL)
		return code;
	weft_json_message(out, &s->base);
	weft__control__status__free_unpacked(s, NULL);
	config.origin = true;
	text = ask(cli, WEFT_CONTROL_METHOD(GET_CONFIG), &config.base, &code);
	if (text != NULL) {
		g_string_append_printf(out, "\n# configuration\n%s", text->text);
		weft__control__text__free_unpacked(text, NULL);
	}
	d = ask(cli, WEFT_CONTROL_METHOD(DIAGNOSE), &diagnose.base, &code);
	if (d != NULL) {
		g_string_append(out, "\n# diagnosis\n");
		format_diagnosis(out, d);
		weft__control__diagnosis__free_unpacked(d, NULL);
	}
	if (!weft_file_replace(path != NULL ? path : name, out->str, out->len, 0600, &error))
		return weft_cli_fail(cli, WEFT_CLI_EXIT_FAILED, "%s", error->message);
	fprintf(weft_cli_out(cli), "%s\n", path != NULL ? path : name);
	return code;
}

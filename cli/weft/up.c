/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/weft/weft.h"

#include "base/glib/file.h"
#include "base/key.h"

#include <stdlib.h>
#include <string.h>

#define ENVIRONMENT "WEFT_SETUP_KEY"

static char *environment_key; /* a program's own start: there is one environment */

void
weft_take_environment(void)
{
	char *value = getenv(ENVIRONMENT);

	if (value == NULL)
		return;
	environment_key = g_strdup(value);
	weft_wipe(value, strlen(value));
	unsetenv(ENVIRONMENT);
}

WeftClient *
weft_connect(WeftCli *cli, int *ret_exit)
{
	return weft_client_new(cli, weft_cli_string(cli, "socket"), "weftd", ret_exit);
}

static char *
setup_key(WeftCli *cli, bool *ok)
{
	const char *file = weft_cli_string(cli, "setup-key-file");
	const char *key = weft_cli_string(cli, "setup-key");
	g_autoptr(GError) error = NULL;
	char *secret;
	char *out;
	size_t len;

	*ok = true;
	if (key != NULL)
		return g_strdup(key);
	if (file == NULL)
		return g_strdup(environment_key);
	secret = weft_file_read_secret(file, false, &len, &error);
	if (secret == NULL) {
		weft_cli_fail(cli, WEFT_CLI_EXIT_FAILED, "%s", error->message);
		*ok = false;
		return NULL;
	}
	out = g_strstrip(g_strdup(secret));
	weft_file_free_secret(secret, len);
	return out;
}

struct progress {
	WeftCli *cli;
	char *state, *reason;
	size_t peers;
};

static bool
on_status(const ProtobufCMessage *msg, void *user)
{
	const Weft__Control__Status *s = (const void *) msg;
	struct progress *p = user;

	weft_cli_progress(p->cli, "%s%s%s", s->state, s->reason[0] != '\0' ? ": " : "", s->reason);
	g_free(p->state);
	g_free(p->reason);
	p->state = g_strdup(s->state);
	p->reason = g_strdup(s->reason);
	p->peers = s->n_peers;
	return strcmp(s->state, "up") != 0 && strcmp(s->state, "needs-login") != 0;
}

static gboolean
on_timeout(gpointer user)
{
	WeftCli *cli = user;

	exit(weft_cli_fail(cli, WEFT_CLI_EXIT_TIMEOUT,
			   "the mesh is not up yet; weftd goes on trying (see: weft status)"));
	return G_SOURCE_REMOVE;
}

static int
up_or_login(WeftCli *cli, const struct weft_proto_method *method)
{
	Weft__Control__UpRequest request = WEFT__CONTROL__UP_REQUEST__INIT;
	struct progress progress = { .cli = cli };
	int code;
	bool ok;
	char *key = setup_key(cli, &ok);
	g_autoptr(WeftClient) client = ok ? weft_connect(cli, &code) : NULL;
	guint timeout;

	if (client == NULL)
		return ok ? code : WEFT_CLI_EXIT_FAILED;
#define TEXT(field, option)                                                                        \
	if (weft_cli_string(cli, option) != NULL)                                                  \
	request.field = (char *) (uintptr_t) weft_cli_string(cli, option)
	TEXT(management_url, "management-url");
	TEXT(hostname, "hostname");
	TEXT(interface, "interface");
#undef TEXT
	if (weft_cli_is_set(cli, "listen-port"))
		request.listen_port = (uint32_t) weft_cli_int(cli, "listen-port");
	if (key != NULL)
		request.setup_key = key;
	timeout = g_timeout_add((guint) (weft_cli_int(cli, "timeout") / 1000), on_timeout, cli);
	code = weft_client_stream(client, method, &request.base, on_status, &progress);
	g_source_remove(timeout);
	weft_cli_progress(cli, "%s", "");
	if (key != NULL)
		weft_wipe(key, strlen(key));
	g_free(key);
	if (code == WEFT_CLI_EXIT_OK && g_strcmp0(progress.state, "up") == 0)
		fprintf(weft_cli_out(cli), "up, %zu peer%s\n", progress.peers,
			progress.peers == 1 ? "" : "s");
	else if (code == WEFT_CLI_EXIT_OK && g_strcmp0(progress.state, "needs-login") == 0)
		code = weft_cli_fail(cli, WEFT_CLI_EXIT_NOT_RUNNING,
				     "the server refuses this host: %s; log in with a setup key "
				     "(weft login --setup-key-file FILE)",
				     progress.reason);
	else if (code == WEFT_CLI_EXIT_OK)
		code = weft_cli_fail(cli, WEFT_CLI_EXIT_FAILED, "not up: %s", progress.reason);
	g_free(progress.state);
	g_free(progress.reason);
	return code;
}

int
weft_cmd_up(WeftCli *cli, void *user)
{
	return up_or_login(cli, WEFT_CONTROL_METHOD(UP));
}

int
weft_cmd_login(WeftCli *cli, void *user)
{
	return up_or_login(cli, WEFT_CONTROL_METHOD(LOGIN));
}

static int
simple(WeftCli *cli, const struct weft_proto_method *method)
{
	static const Weft__Control__Nothing nothing = WEFT__CONTROL__NOTHING__INIT;
	int code;
	g_autoptr(WeftClient) client = weft_connect(cli, &code);
	ProtobufCMessage *reply;

	if (client == NULL)
		return code;
	reply = weft_client_call(client, method, &nothing.base, 0, &code);
	if (reply != NULL)
		protobuf_c_message_free_unpacked(reply, NULL);
	return code;
}

int
weft_cmd_down(WeftCli *cli, void *user)
{
	return simple(cli, WEFT_CONTROL_METHOD(DOWN));
}

int
weft_cmd_logout(WeftCli *cli, void *user)
{
	if (!weft_cli_confirm(cli, "Remove this host from the network?"))
		return WEFT_CLI_EXIT_FAILED;
	return simple(cli, WEFT_CONTROL_METHOD(LOGOUT));
}

int
weft_cmd_version(WeftCli *cli, void *user)
{
	fprintf(weft_cli_out(cli), "weft %s\n", PACKAGE_VERSION);
	return WEFT_CLI_EXIT_OK;
}

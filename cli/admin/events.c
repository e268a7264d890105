/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/admin/admin.h"

static bool
on_event(const ProtobufCMessage *msg, void *user)
{
	const Weft__Admin__Event *e = (const void *) msg;
	WeftCli *cli = user;

	if (weft_cli_json(cli)) {
		g_autoptr(GString) out = g_string_new(NULL);

		weft_json_object(out, msg);
		fprintf(weft_cli_out(cli), "%s\n", out->str);
	} else {
		g_autofree char *time = weft_text_time(e->time);

		fprintf(weft_cli_out(cli), "%s  %-28s %-20s %s\n", time, e->code, e->initiator,
			e->meta);
	}
	fflush(weft_cli_out(cli));
	return true;
}

int
admin_events(WeftCli *cli, void *user)
{
	Weft__Admin__EventsRequest request = WEFT__ADMIN__EVENTS_REQUEST__INIT;
	int code;
	g_autoptr(WeftClient) client =
		weft_client_new(cli, weft_cli_string(cli, "socket"), "weft-mgmtd", &code);

	if (client == NULL)
		return code;
	request.follow = weft_cli_flag(cli, "follow");
	request.limit = (uint32_t) weft_cli_int(cli, "limit");
	return weft_client_stream(client, ADMIN_METHOD(LIST_EVENTS), &request.base, on_event, cli);
}

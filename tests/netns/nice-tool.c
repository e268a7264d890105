/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libnice's NiceAgent behind the lines that ice-tool speaks: the independent peer.
 *
 *	nice-tool --port N --host ADDRESS... [--stun ADDRESS:PORT] [--controlling] */
#include <nice/agent.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tool {
	GMainLoop *loop;
	NiceAgent *agent;
	guint stream;
};

static void
on_candidate(NiceAgent *agent, NiceCandidate *candidate, void *user)
{
	g_autofree char *sdp = nice_agent_generate_local_candidate_sdp(agent, candidate);

	(void) user;
	printf("candidate %s\n", sdp);
	(void) fflush(stdout);
}

static void
on_selected(NiceAgent *agent,
	    guint stream,
	    guint component,
	    NiceCandidate *local,
	    NiceCandidate *remote,
	    void *user)
{
	static const char *const types[] = { "host", "srflx", "prflx", "relay" };
	char address[INET6_ADDRSTRLEN];

	(void) agent;
	(void) stream;
	(void) component;
	(void) user;
	nice_address_to_string(&remote->addr, address);
	printf("selected %s %s %s:%u 0\n", types[local->type], types[remote->type], address,
	       nice_address_get_port(&remote->addr));
	(void) fflush(stdout);
}

static void
on_state(NiceAgent *agent, guint stream, guint component, guint state, void *user)
{
	(void) agent;
	(void) stream;
	(void) component;
	(void) user;
	printf("state %s\n", nice_component_state_to_string((NiceComponentState) state));
	if (state == NICE_COMPONENT_STATE_FAILED)
		printf("failed\n");
	(void) fflush(stdout);
}

static void
on_receive(NiceAgent *agent, guint stream, guint component, guint len, char *buf, void *user)
{
	(void) agent;
	(void) stream;
	(void) component;
	(void) len;
	(void) buf;
	(void) user;
}

static gboolean
on_input(GIOChannel *channel, GIOCondition condition, void *user)
{
	struct tool *t = user;
	g_autofree char *line = NULL;
	char *colon;

	(void) condition;
	if (g_io_channel_read_line(channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL ||
	    g_str_has_prefix(line, "quit")) {
		g_main_loop_quit(t->loop);
		return G_SOURCE_REMOVE;
	}
	g_strchomp(line);
	if (g_str_has_prefix(line, "remote ")) {
		colon = strchr(line, ':');
		*colon = '\0';
		nice_agent_set_remote_credentials(t->agent, t->stream, line + 7, colon + 1);
	} else if (g_str_has_prefix(line, "candidate ")) {
		g_autofree char *sdp = g_strdup_printf("a=candidate:%s", line + 10);
		NiceCandidate *c = nice_agent_parse_remote_candidate_sdp(t->agent, t->stream, sdp);
		GSList *list = c != NULL ? g_slist_append(NULL, c) : NULL;

		if (list != NULL)
			nice_agent_set_remote_candidates(t->agent, t->stream, 1, list);
		g_slist_free_full(list, (GDestroyNotify) nice_candidate_free);
	}
	return G_SOURCE_CONTINUE;
}

static void
options(struct tool *t, char **argv)
{
	guint port = 0;
	char **a;

	for (a = argv + 1; *a != NULL; a++) {
		if (strcmp(*a, "--controlling") == 0) {
			g_object_set(t->agent, "controlling-mode", TRUE, NULL);
		} else if (strcmp(*a, "--port") == 0) {
			port = (guint) atoi(*++a);
		} else if (strcmp(*a, "--host") == 0) {
			NiceAddress address;

			if (!nice_address_set_from_string(&address, *++a) ||
			    !nice_agent_add_local_address(t->agent, &address))
				exit(2);
		} else if (strcmp(*a, "--stun") == 0) {
			g_auto(GStrv) parts = g_strsplit(*++a, ":", 2);

			g_object_set(t->agent, "stun-server", parts[0], "stun-server-port",
				     atoi(parts[1]), NULL);
		} else {
			fprintf(stderr, "nice-tool: %s?\n", *a);
			exit(2);
		}
	}
	t->stream = nice_agent_add_stream(t->agent, 1);
	nice_agent_set_port_range(t->agent, t->stream, 1, port, port);
}

int
main(int argc, char **argv)
{
	g_autoptr(GIOChannel) input = g_io_channel_unix_new(0);
	g_autofree char *ufrag = NULL, *pwd = NULL;
	struct tool t = { .loop = g_main_loop_new(NULL, FALSE) };

	(void) argc;
	t.agent = nice_agent_new(NULL, NICE_COMPATIBILITY_RFC5245);
	g_object_set(t.agent, "ice-tcp", FALSE, "upnp", FALSE, "ice-trickle", TRUE,
		     "controlling-mode", FALSE, "keepalive-conncheck", TRUE, NULL);
	g_signal_connect(t.agent, "new-candidate-full", G_CALLBACK(on_candidate), &t);
	g_signal_connect(t.agent, "new-selected-pair-full", G_CALLBACK(on_selected), &t);
	g_signal_connect(t.agent, "component-state-changed", G_CALLBACK(on_state), &t);
	options(&t, argv);
	nice_agent_attach_recv(t.agent, t.stream, 1, NULL, on_receive, NULL);
	nice_agent_get_local_credentials(t.agent, t.stream, &ufrag, &pwd);
	printf("offer %s:%s\n", ufrag, pwd);
	(void) fflush(stdout);
	nice_agent_gather_candidates(t.agent, t.stream);
	(void) g_io_add_watch(input, G_IO_IN | G_IO_HUP, on_input, &t); /* until quit */
	g_main_loop_run(t.loop);
	g_object_unref(t.agent);
	g_main_loop_unref(t.loop);
	return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An ICE agent on the command line, for the tests of agent/ice with real packets.
 *
 *	ice-tool --port N --host ADDRESS... [--stun ADDRESS:PORT...] [--controlling] [--weft]
 *		[--shared] [--turn udp|tcp ADDRESS:PORT USER PASSWORD]
 *
 * --shared: somebody else (WireGuard) has the port. Reads lines: "remote UFRAG:PWD", "candidate
 * LINE", "restart", "probe", "quit". Writes lines: "offer UFRAG:PWD", "candidate LINE", and events:
 * "usable|selected|disconnected LOCAL-TYPE REMOTE-TYPE ADDRESS:PORT RELAY", "failed", and at the
 *end "stats CHECKS REPEATS CONSENTS ANSWERS". */
#include "agent/ice/agent.h"
#include "agent/ice/socket.h"
#include "agent/ice/turn.h"
#include "base/address.h"
#include "base/env.h"
#include "base/key.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tool {
	IceAgent *agent;
	IceSession *session;
	IceSocket *v4, *v6;
	IceTurn *turn;
	struct ice_credentials remote;
	struct weft_endpoint turn_server;
	int turn_fd;
	bool turn_stream;
	char in[4096];
	size_t in_len;
	bool done;
};

static void
on_send(void *user, const struct ice_path *to, const uint8_t *buf, size_t len)
{
	struct tool *t = user;
	IceSocket *s = to->remote.addr.family == WEFT_FAMILY_IPV6 ? t->v6 : t->v4;

	if (to->relay != 0)
		(void) ice_turn_send(t->turn, &to->remote, buf, len); /* may be lost */
	else if (s != NULL)
		(void) ice_socket_send(s, to, buf, len); /* may be lost */
}

static void
on_candidate(void *user, IceSession *session, const char *line, size_t len)
{
	(void) user;
	(void) session;
	(void) len;
	printf("candidate %s\n", line);
}

static void
on_event(void *user, IceSession *session, const struct ice_event *event)
{
	const struct ice_pair_info *p = &event->pair;
	char text[WEFT_ENDPOINT_TEXT_SIZE];

	(void) user;
	(void) session;
	if (event->type == ICE_EVENT_FAILED)
		printf("failed\n");
	else
		printf("%s %s %s %s %u\n", ice_event_name(event->type),
		       ice_type_name(p->local_type), ice_type_name(p->remote_type),
		       weft_endpoint_format(&p->path.remote, text), p->path.relay);
}

static void
on_permit(void *user, uint32_t relay, const struct weft_address *peer)
{
	struct tool *t = user;

	(void) relay;
	ice_turn_permit(t->turn, peer);
}

static const struct ice_ops ops = { on_send, on_candidate, on_event, on_permit };

/* -- TURN */

static void
on_turn_disconnect(void *user)
{
	struct tool *t = user;

	if (t->turn_fd >= 0)
		(void) close(t->turn_fd); /* nothing to be lost */
	t->turn_fd = -1;
}

static void
on_turn_connect(void *user)
{
	struct tool *t = user;
	struct sockaddr_storage sa;
	socklen_t len = weft_endpoint_to_sockaddr(&t->turn_server, &sa);

	on_turn_disconnect(t);
	t->turn_fd =
		socket(sa.ss_family, (t->turn_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	if (t->turn_fd >= 0 && connect(t->turn_fd, (const struct sockaddr *) &sa, len) == 0)
		ice_turn_connected(t->turn);
	else
		ice_turn_disconnected(t->turn);
}

static bool
on_turn_send(void *user, const uint8_t *buf, size_t len)
{
	struct tool *t = user;

	return t->turn_fd >= 0 && send(t->turn_fd, buf, len, MSG_NOSIGNAL) == (ssize_t) len;
}

static void
on_turn_state(void *user, enum ice_turn_state state, const struct weft_endpoint *relayed)
{
	struct tool *t = user;
	struct ice_relay_candidate relay = { .id = 1 };

	printf("turn %s\n", ice_turn_state_name(state));
	if (relayed != NULL)
		relay.relayed = *relayed;
	ice_agent_set_relays(t->agent, &relay, relayed != NULL ? 1 : 0);
}

static void
on_turn_receive(void *user, const struct weft_endpoint *peer, const uint8_t *buf, size_t len)
{
	struct tool *t = user;
	struct ice_path from = { .remote = *peer, .relay = 1 };

	(void) ice_agent_receive(t->agent, &from, buf, len);
}

static const struct ice_turn_ops turn_ops = {
	on_turn_connect, on_turn_disconnect, on_turn_send, on_turn_state, on_turn_receive,
};

static void
turn_readable(struct tool *t)
{
	uint8_t buf[65536];
	ssize_t n = recv(t->turn_fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0 || (n == 0 && !t->turn_stream))
		(void) ice_turn_input(t->turn, buf, (size_t) n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		ice_turn_disconnected(t->turn);
}

/* -- Commands */

static void
offer(struct tool *t)
{
	char text[ICE_CREDENTIALS_TEXT_SIZE];

	(void) ice_credentials_format(ice_session_credentials(t->session), text);
	printf("offer %s\n", text);
	ice_session_gather(t->session);
}

/* An OFFER with new credentials is answered, as NetBird's ANSWER does: the other side has forgotten
 * ours. */
static void
remote(struct tool *t, const char *text)
{
	bool first = t->remote.ufrag[0] == '\0';
	struct ice_credentials c;

	if (!ice_credentials_parse(&c, text, strlen(text))) {
		printf("error credentials\n");
		return;
	}
	ice_session_set_remote(t->session, &c);
	if (!first && !ice_credentials_equal(&c, &t->remote))
		offer(t);
	t->remote = c;
}

static void
command(struct tool *t, const char *line)
{
	struct ice_credentials c;
	const char *rest = strchr(line, ' ');

	rest = rest != NULL ? rest + 1 : "";
	if (g_str_has_prefix(line, "remote ")) {
		remote(t, rest);
	} else if (g_str_has_prefix(line, "candidate ")) {
		(void) ice_session_add_remote(t->session, rest, strlen(rest)); /* as it may be */
	} else if (strcmp(line, "restart") == 0) {
		ice_credentials_generate(&c, weft_env_system());
		(void) ice_session_restart(t->session, &c); /* a fresh name is free */
		offer(t);
	} else if (strcmp(line, "probe") == 0) {
		ice_session_probe(t->session);
	} else if (strcmp(line, "quit") == 0) {
		t->done = true;
	} else {
		printf("error command\n");
	}
}

static void
stdin_readable(struct tool *t)
{
	ssize_t n = read(STDIN_FILENO, t->in + t->in_len, sizeof(t->in) - t->in_len - 1);
	char *end;

	if (n <= 0) {
		t->done = true;
		return;
	}
	t->in_len += (size_t) n;
	t->in[t->in_len] = '\0';
	while ((end = strchr(t->in, '\n')) != NULL) {
		size_t used = (size_t) (end + 1 - t->in);

		*end = '\0';
		command(t, t->in);
		memmove(t->in, t->in + used, t->in_len - used + 1);
		t->in_len -= used;
	}
}

static void
raw_readable(struct tool *t, IceSocket *s)
{
	struct ice_datagram datagrams[ICE_SOCKET_BATCH];
	int n = ice_socket_receive(s, datagrams), i;

	for (i = 0; i < n; i++)
		(void) ice_agent_receive(t->agent, &datagrams[i].from, datagrams[i].buf,
					 datagrams[i].len);
}

static void
run(struct tool *t)
{
	while (!t->done) {
		int64_t next = ice_agent_next_us(t->agent),
			now = weft_env_now_us(weft_env_system());
		struct pollfd fds[] = {
			{ STDIN_FILENO, POLLIN, 0 },
			{ t->v4 != NULL ? ice_socket_fd(t->v4) : -1, POLLIN, 0 },
			{ t->v6 != NULL ? ice_socket_fd(t->v6) : -1, POLLIN, 0 },
			{ t->turn_fd, POLLIN, 0 },
		};
		int timeout = -1;

		if (t->turn != NULL)
			next = MIN(next, ice_turn_next_us(t->turn));
		if (next != INT64_MAX)
			timeout = (int) CLAMP((next - now + 999) / 1000, 0, 60000);
		(void) fflush(stdout);
		if (poll(fds, G_N_ELEMENTS(fds), timeout) < 0 && errno != EINTR)
			return;
		if (fds[0].revents != 0)
			stdin_readable(t);
		if (fds[1].revents != 0)
			raw_readable(t, t->v4);
		if (fds[2].revents != 0)
			raw_readable(t, t->v6);
		if (fds[3].revents != 0 && t->turn_fd >= 0)
			turn_readable(t);
		ice_agent_timer(t->agent);
		if (t->turn != NULL)
			ice_turn_timer(t->turn);
	}
}

/* -- Start */

static struct weft_endpoint
endpoint_or_exit(const char *text)
{
	struct weft_endpoint e;

	if (text == NULL || !weft_endpoint_parse(&e, text, strlen(text))) {
		fprintf(stderr, "ice-tool: not an endpoint: %s\n", text != NULL ? text : "");
		exit(2);
	}
	return e;
}

static int
bind_port(int af, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(af, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -1;
	if (af == AF_INET6) {
		(void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		return bind(fd, (const struct sockaddr *) &v6, sizeof(v6));
	}
	return bind(fd, (const struct sockaddr *) &v4, sizeof(v4));
}

struct options {
	struct ice_agent_config agent;
	struct ice_session_config session;
	struct weft_address hosts[ICE_HOSTS_MAX];
	struct weft_endpoint stun[ICE_STUN_SERVERS_MAX];
	size_t n_hosts, n_stun;
	bool shared;
	char *const *turn; /* udp|tcp, address, user, password */
};

static void
parse_options(struct options *o, char **argv)
{
	char **a;

	for (a = argv + 1; *a != NULL; a++) {
		if (strcmp(*a, "--port") == 0 && a[1] != NULL)
			o->agent.port = (uint16_t) atoi(*++a);
		else if (strcmp(*a, "--host") == 0 && a[1] != NULL && o->n_hosts < ICE_HOSTS_MAX &&
			 weft_address_parse(&o->hosts[o->n_hosts], a[1], strlen(a[1])))
			o->n_hosts++, a++;
		else if (strcmp(*a, "--stun") == 0 && o->n_stun < ICE_STUN_SERVERS_MAX)
			o->stun[o->n_stun++] = endpoint_or_exit(*++a);
		else if (strcmp(*a, "--controlling") == 0)
			o->session.controlling = true;
		else if (strcmp(*a, "--weft") == 0)
			o->session.weft = true;
		else if (strcmp(*a, "--shared") == 0)
			o->shared = true;
		else if (strcmp(*a, "--turn") == 0 && a[1] != NULL && a[2] != NULL &&
			 a[3] != NULL && a[4] != NULL)
			o->turn = a + 1, a += 4;
		else
			fprintf(stderr, "ice-tool: %s?\n", *a), exit(2);
	}
}

static void
open_sockets(struct tool *t, const struct options *o)
{
	struct ice_socket_config config = { .port = o->agent.port };
	int r;

	if (!o->shared &&
	    (bind_port(AF_INET, o->agent.port) < 0 || bind_port(AF_INET6, o->agent.port) < 0))
		perror("ice-tool: port"), exit(1);
	config.family = WEFT_FAMILY_IPV4;
	r = ice_socket_open(&t->v4, &config);
	if (r == 0) {
		config.family = WEFT_FAMILY_IPV6;
		r = ice_socket_open(&t->v6, &config);
	}
	if (r < 0)
		fprintf(stderr, "ice-tool: raw socket: %s\n", strerror(-r)), exit(1);
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct tool t = { .turn_fd = -1 };
	struct ice_stats stats;

	(void) argc;
	parse_options(&o, argv);
	open_sockets(&t, &o);
	o.agent.env = weft_env_system();
	o.agent.ops = &ops;
	o.agent.user = &t;
	t.agent = ice_agent_new(&o.agent);
	ice_agent_set_stun_servers(t.agent, o.stun, o.n_stun);
	ice_agent_set_hosts(t.agent, o.hosts, o.n_hosts);
	ice_credentials_generate(&o.session.own, o.agent.env);
	o.session.relay = o.turn != NULL;
	t.session = ice_session_new(t.agent, &o.session);
	if (o.turn != NULL) {
		struct ice_turn_config turn = { .env = o.agent.env,
						.ops = &turn_ops,
						.user = &t,
						.stream = strcmp(o.turn[0], "tcp") == 0,
						.username = o.turn[2],
						.password = o.turn[3] };

		t.turn_stream = turn.stream;
		t.turn_server = endpoint_or_exit(o.turn[1]);
		t.turn = ice_turn_new(&turn);
		ice_turn_start(t.turn);
	}
	offer(&t);
	run(&t);
	stats = ice_agent_stats(t.agent);
	printf("stats %lu %lu %lu %lu\n", (unsigned long) stats.checks,
	       (unsigned long) stats.repeats, (unsigned long) stats.consents,
	       (unsigned long) stats.answers);
	ice_session_free(t.session);
	if (t.turn != NULL)
		ice_turn_stop(t.turn);
	ice_turn_free(t.turn);
	ice_socket_close(t.v4);
	ice_socket_close(t.v6);
	ice_agent_free(t.agent);
	return 0;
}

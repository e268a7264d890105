/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The workers of weft-relayd without its control thread: for tests of the packet path and for
 * benchmarks that want nothing else in the process.
 *
 *	relay-bare [--workers N] [--udp HOST:PORT] [--tcp HOST:PORT] [--tls HOST:PORT]
 *		   [--cert FILE --key FILE] [--relay ADDRESS[=EXTERNAL]]... [--ports A-B]
 *		   [--user NAME:PASSWORD]... [--secret TEXT]... [--realm R] [--allow PREFIX]...
 *		   [--max N] [--per-user N] [--rate BYTES] [--answers N] [--streams N] [--no-gro]
 *[--no-gso]
 *
 * Prints "ready" and the addresses it listens at. On SIGHUP it publishes the same settings anew
 * (what a reload does), on SIGUSR1 it prints counters, on SIGTERM it ends. */
#include "base/env.h"
#include "base/hash.h"
#include "relayd/settings.h"
#include "relayd/shared.h"
#include "relayd/worker.h"
#include "ws/io.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX 256

static struct relay_listen listen_at[RELAY_LISTENERS_MAX];
static size_t n_listen;
static unsigned workers = 1;
static bool no_gro, no_gso;
static const char *cert, *key;

static void
die(const char *what, const char *detail)
{
	fprintf(stderr, "relay-bare: %s: %s\n", what, detail);
	exit(1);
}

static void
add_listen(const char *text, enum relay_transport transport)
{
	struct relay_listen *l = &listen_at[n_listen++];

	l->transport = transport;
	l->inherited_fd = -1;
	if (!weft_endpoint_parse(&l->at, text, strlen(text)))
		die("no endpoint", text);
}

static void
add_relay(struct relay_settings *s, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t len = equals != NULL ? (size_t) (equals - text) : strlen(text);
	struct relay_address a;

	if (!weft_address_parse(&a.local, text, len))
		die("no address", text);
	a.external = a.local;
	if (equals != NULL && !weft_address_parse(&a.external, equals + 1, strlen(equals + 1)))
		die("no address", equals);
	if (a.local.family == WEFT_FAMILY_IPV4)
		s->addresses4[s->n_addresses4++] = a;
	else
		s->addresses6[s->n_addresses6++] = a;
}

static void
add_allow(struct relay_settings *s, const char *text)
{
	struct weft_prefix p;

	if (!weft_prefix_parse(&p, text, strlen(text), false) ||
	    !relay_policy_allow(&s->policy, &p))
		die("no prefix", text);
}

static void
add_user(struct relay_settings *s, const char *text)
{
	const char *colon = strchr(text, ':');
	char name[256];

	if (colon == NULL || (size_t) (colon - text) >= sizeof(name))
		die("no user", text);
	memcpy(name, text, (size_t) (colon - text));
	name[colon - text] = '\0';
	if (!relay_settings_add_user(s, name, colon + 1))
		die("no user", text);
}

/* One option with its value; false if it is none of ours. */
static bool
option(struct relay_settings *s, const char *name, const char *value)
{
	unsigned first, last;

	if (strcmp(name, "--workers") == 0)
		workers = (unsigned) atoi(value);
	else if (strcmp(name, "--udp") == 0)
		add_listen(value, RELAY_UDP);
	else if (strcmp(name, "--tcp") == 0)
		add_listen(value, RELAY_TCP);
	else if (strcmp(name, "--tls") == 0)
		add_listen(value, RELAY_TLS);
	else if (strcmp(name, "--cert") == 0)
		cert = value;
	else if (strcmp(name, "--key") == 0)
		key = value;
	else if (strcmp(name, "--relay") == 0)
		add_relay(s, value);
	else if (strcmp(name, "--realm") == 0)
		snprintf(s->realm, sizeof(s->realm), "%s", value);
	else if (strcmp(name, "--user") == 0)
		add_user(s, value);
	else if (strcmp(name, "--secret") == 0)
		return relay_secret_add(s->turn_secrets, &s->n_turn_secrets, value, strlen(value));
	else if (strcmp(name, "--allow") == 0)
		add_allow(s, value);
	else if (strcmp(name, "--max") == 0)
		s->allocations_max = (uint32_t) atoi(value);
	else if (strcmp(name, "--per-user") == 0)
		s->allocations_per_user = (uint32_t) atoi(value);
	else if (strcmp(name, "--rate") == 0)
		s->bytes_per_second = (uint64_t) atoll(value);
	else if (strcmp(name, "--answers") == 0)
		s->binding_per_second = (uint32_t) atoi(value);
	else if (strcmp(name, "--streams") == 0)
		s->streams_max = (uint32_t) atoi(value);
	else if (strcmp(name, "--ports") == 0 && sscanf(value, "%u-%u", &first, &last) == 2) {
		s->port_first = (uint16_t) first;
		s->port_last = (uint16_t) last;
	} else
		return false;
	return true;
}

static struct relay_settings *
make_settings(int argc, char **argv)
{
	struct relay_settings *s = relay_settings_new();
	char why[256];

	n_listen = 0;
	snprintf(s->realm, sizeof(s->realm), "relay.test");
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--no-gro") == 0)
			no_gro = true;
		else if (strcmp(argv[i], "--no-gso") == 0)
			no_gso = true;
		else if (i + 1 >= argc || !option(s, argv[i], argv[i + 1]))
			die("bad option", argv[i]);
		else
			i++;
	}
	if (cert != NULL) {
		s->tls = weft_ws_tls_server_new();
		if (s->tls == NULL || !weft_ws_tls_load(s->tls, cert, key, why, sizeof(why)))
			die("certificate", why);
	}
	if (!relay_settings_seal(s))
		die("settings", "no memory");
	return s;
}

static void
print_counters(RelayWorker **w)
{
#define X(field, name, label, value, help)                                                         \
	{                                                                                          \
		uint64_t sum = 0;                                                                  \
		for (unsigned i = 0; i < workers; i++)                                             \
			sum += relay_counter_read(&relay_worker_counters(w[i])->field);            \
		if (sum > 0)                                                                       \
			printf("%s %" PRIu64 "\n", #field, sum);                                   \
	}
	RELAY_COUNTERS(X)
	RELAY_GAUGES(X)
#undef X
	printf("end\n");
	fflush(stdout);
}

static void
reload(RelayWorker **w, struct relay_settings **current, int argc, char **argv)
{
	struct relay_settings *old = *current, *s = make_settings(argc, argv);

	s->generation = old->generation + 1;
	for (unsigned i = 0; i < workers; i++)
		relay_worker_publish(w[i], s);
	for (unsigned i = 0; i < workers; i++)
		while (relay_worker_generation(w[i]) < s->generation)
			usleep(1000);
	relay_settings_free(old);
	*current = s;
	printf("reloaded\n");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct relay_settings *s;
	struct relay_shared *shared;
	RelayWorker *w[RELAY_WORKERS_MAX];
	char why[256], text[WEFT_ENDPOINT_TEXT_SIZE];
	sigset_t signals;
	int sig;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!weft_hash_init())
		die("hash", "no SHA");
	s = make_settings(argc, argv);
	shared = relay_shared_new(weft_env_system(), s->allocations_max);
	for (unsigned i = 0; i < workers; i++) {
		const struct relay_worker_config config = {
			.env = weft_env_system(),
			.shared = shared,
			.settings = s,
			.listen = listen_at,
			.n_listen = n_listen,
			.allocations_max = s->allocations_max,
			.index = i,
			.count = workers,
			.all = w,
			.no_gro = no_gro,
			.no_gso = no_gso,
		};

		w[i] = relay_worker_new(&config, why, sizeof(why));
		if (w[i] == NULL)
			die("worker", why);
		/* The next worker shares the port that the first one was given. */
		for (size_t k = 0; k < n_listen; k++)
			listen_at[k].at = relay_worker_listen_at(w[i], k);
	}
	for (unsigned i = 0; i < workers; i++)
		if (relay_worker_start(w[i]) != 0)
			die("worker", "cannot start");
	printf("ready");
	for (size_t k = 0; k < n_listen; k++)
		printf(" %s", weft_endpoint_format(&listen_at[k].at, text));
	printf("\n");
	fflush(stdout);
	while (sigwait(&signals, &sig) == 0 && sig != SIGTERM && sig != SIGINT) {
		if (sig == SIGHUP)
			reload(w, &s, argc, argv);
		else
			print_counters(w);
	}
	for (unsigned i = 0; i < workers; i++)
		relay_worker_free(w[i]);
	relay_shared_free(shared);
	relay_settings_free(s);
	return 0;
}

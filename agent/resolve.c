/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/resolve.h"

#include "base/decimal.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#define SERVERS_MAX  8
#define DEFAULT_PORT 3478

struct agent_resolve {
	void (*done)(void *user, const struct weft_endpoint *endpoints, size_t n);
	void *user;
	bool dead;
	unsigned number; /* of the last start: older threads are late */
};

struct job {
	AgentResolve *resolve;
	unsigned number;
	char *hosts[SERVERS_MAX];
	uint16_t ports[SERVERS_MAX];
	size_t n;
	struct weft_endpoint endpoints[2 * SERVERS_MAX];
	size_t n_endpoints;
};

bool
agent_resolve_parse(const char *uri, char **ret_host, uint16_t *ret_port)
{
	const char *host, *port, *end;
	uint64_t number = DEFAULT_PORT;

	if (!g_str_has_prefix(uri, "stun:") && !g_str_has_prefix(uri, "turn:"))
		return false;
	host = uri + 5;
	end = host + strcspn(host, "?");
	port = memrchr(host, ':', (size_t) (end - host));
	if (port != NULL && memchr(port, ']', (size_t) (end - port)) == NULL) {
		if (!weft_decimal_parse(&number, port + 1, (size_t) (end - port - 1), UINT16_MAX))
			return false;
		end = port;
	}
	if (host[0] == '[' && end > host + 2 && end[-1] == ']') {
		host++;
		end--;
	}
	if (end == host || host[0] == '/' || end - host > 255 || number == 0)
		return false;
	*ret_host = g_strndup(host, (gsize) (end - host));
	*ret_port = (uint16_t) number;
	return true;
}

static void
add(struct job *job, const struct weft_endpoint *e)
{
	if (job->n_endpoints < G_N_ELEMENTS(job->endpoints))
		job->endpoints[job->n_endpoints++] = *e;
}

static bool
add_addresses(struct job *job)
{
	bool all = true;

	for (size_t i = 0; i < job->n; i++) {
		struct weft_endpoint e = { .port = job->ports[i] };

		if (weft_address_parse(&e.addr, job->hosts[i], strlen(job->hosts[i])))
			add(job, &e);
		else
			all = false;
	}
	return all;
}

static gboolean
on_done(gpointer user)
{
	struct job *job = user;
	AgentResolve *r = job->resolve;

	if (!r->dead && job->number == r->number)
		r->done(r->user, job->endpoints, job->n_endpoints);
	for (size_t i = 0; i < job->n; i++)
		g_free(job->hosts[i]);
	g_atomic_rc_box_release(r);
	g_free(job);
	return G_SOURCE_REMOVE;
}

static gpointer
run(gpointer user)
{
	struct job *job = user;
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG };

	job->n_endpoints = 0;
	for (size_t i = 0; i < job->n; i++) {
		struct addrinfo *list = NULL;

		if (getaddrinfo(job->hosts[i], NULL, &hints, &list) != 0)
			continue;
		for (struct addrinfo *a = list; a != NULL; a = a->ai_next) {
			struct weft_endpoint e;

			if (weft_endpoint_from_sockaddr(&e, a->ai_addr, a->ai_addrlen)) {
				e.port = job->ports[i];
				add(job, &e);
			}
		}
		freeaddrinfo(list);
	}
	g_idle_add_full(G_PRIORITY_DEFAULT, on_done, job, NULL);
	return NULL;
}

AgentResolve *
agent_resolve_new(void (*done)(void *user, const struct weft_endpoint *endpoints, size_t n),
		  void *user)
{
	AgentResolve *r = g_atomic_rc_box_new0(AgentResolve);

	r->done = done;
	r->user = user;
	return r;
}

void
agent_resolve_free(AgentResolve *r)
{
	if (r == NULL)
		return;
	r->dead = true;
	g_atomic_rc_box_release(r);
}

void
agent_resolve_start(AgentResolve *r, const char *const *uris)
{
	struct job *job = g_new0(struct job, 1);

	job->resolve = g_atomic_rc_box_acquire(r);
	job->number = ++r->number;
	for (; *uris != NULL && job->n < SERVERS_MAX; uris++)
		if (agent_resolve_parse(*uris, &job->hosts[job->n], &job->ports[job->n]))
			job->n++;
	if (add_addresses(job)) {
		on_done(job);
		return;
	}
	g_thread_unref(g_thread_new("resolve", run, job));
}

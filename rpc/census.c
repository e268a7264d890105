/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/census.h"

#include "base/address.h"
#include "rpc/server_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How often, and which share of the time it may cost at most. */
#define INTERVAL_MS 2000
#define MAX_SHARE   200

struct weft_rpc_census {
	WeftRpcServer *server;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned max_per_address;
	bool quit;
};

static bool
is_ours(const WeftRpcServer *server, int fd, struct weft_endpoint *ret_peer)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	struct weft_endpoint local;

	if (getsockname(fd, (struct sockaddr *) &sa, &len) < 0 ||
	    !weft_endpoint_from_sockaddr(&local, (struct sockaddr *) &sa, len))
		return false;
	for (unsigned i = 0; i < server->ports->len; i++) {
		if (g_array_index(server->ports, uint16_t, i) != local.port)
			continue;
		/* Connected, so not the listener. */
		len = sizeof sa;
		return getpeername(fd, (struct sockaddr *) &sa, &len) == 0 &&
		       weft_endpoint_from_sockaddr(ret_peer, (struct sockaddr *) &sa, len);
	}
	return false;
}

static guint
hash(gconstpointer key)
{
	const struct weft_address *a = key;
	guint h = a->family;

	for (size_t i = 0; i < sizeof a->b; i++)
		h = h * 31 + a->b[i];
	return h;
}

static gboolean
equal(gconstpointer a, gconstpointer b)
{
	return weft_address_equal(a, b);
}

static struct weft_address
key_of(const struct weft_endpoint *peer)
{
	struct weft_address key = weft_address_canonical(&peer->addr);

	if (key.family == WEFT_FAMILY_IPV6)
		memset(key.b + 8, 0, 8);
	return key;
}

/* The number may mean another file by now: a duplicate is looked at again before it is shut. */
static void
cut(WeftRpcServer *server, int fd, const struct weft_endpoint *peer)
{
	struct weft_endpoint again;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0)
		return;
	if (is_ours(server, own, &again) && weft_endpoint_equal(&again, peer) &&
	    shutdown(own, SHUT_RDWR) == 0)
		atomic_fetch_add(&server->connections_cut, 1);
	close(own);
}

static void
take_census(WeftRpcServer *server, unsigned max_per_address)
{
	g_autoptr(GHashTable) counts = g_hash_table_new_full(hash, equal, g_free, NULL);
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		struct weft_endpoint peer;
		struct weft_address key;
		unsigned n;
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = atoi(entry->d_name);
		if (fd == dirfd(dir) || !is_ours(server, fd, &peer))
			continue;
		key = key_of(&peer);
		n = GPOINTER_TO_UINT(g_hash_table_lookup(counts, &key)) + 1;
		if (n > max_per_address)
			cut(server, fd, &peer);
		else
			g_hash_table_insert(counts, g_memdup2(&key, sizeof key),
					    GUINT_TO_POINTER(n));
	}
	closedir(dir);
}

static void *
census_thread(void *user)
{
	struct weft_rpc_census *census = user;
	int64_t pause_ms = INTERVAL_MS;

	pthread_mutex_lock(&census->lock);
	while (!census->quit) {
		unsigned max = census->max_per_address;
		int64_t start_us;
		struct timespec until;

		if (max > 0) {
			pthread_mutex_unlock(&census->lock);
			start_us = g_get_monotonic_time();
			take_census(census->server, max);
			pause_ms = (g_get_monotonic_time() - start_us) / 1000 * MAX_SHARE;
			pthread_mutex_lock(&census->lock);
		}
		pause_ms = MAX(pause_ms, INTERVAL_MS);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += pause_ms / 1000;
		if (census->quit)
			break;
		if (max > 0)
			pthread_cond_timedwait(&census->changed, &census->lock, &until);
		else
			pthread_cond_wait(&census->changed, &census->lock);
	}
	pthread_mutex_unlock(&census->lock);
	return NULL;
}

static void
start(struct weft_rpc_census *census)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	census->has_thread = pthread_create(&census->thread, NULL, census_thread, census) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (census->has_thread)
		(void) pthread_setname_np(census->thread, "weft-rpc-census"); /* cosmetic */
}

struct weft_rpc_census *
weft_rpc_census_new(WeftRpcServer *server)
{
	struct weft_rpc_census *census = g_new0(struct weft_rpc_census, 1);
	pthread_condattr_t attr;

	census->server = server;
	pthread_mutex_init(&census->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&census->changed, &attr);
	pthread_condattr_destroy(&attr);
	weft_rpc_census_set(census, server->config.max_connections_per_address);
	return census;
}

void
weft_rpc_census_set(struct weft_rpc_census *census, unsigned max_per_address)
{
	if (census == NULL)
		return;
	pthread_mutex_lock(&census->lock);
	census->max_per_address = max_per_address;
	if (max_per_address > 0 && !census->has_thread)
		start(census);
	pthread_cond_signal(&census->changed);
	pthread_mutex_unlock(&census->lock);
}

void
weft_rpc_census_free(struct weft_rpc_census *census)
{
	if (census == NULL)
		return;
	pthread_mutex_lock(&census->lock);
	census->quit = true;
	pthread_cond_signal(&census->changed);
	pthread_mutex_unlock(&census->lock);
	if (census->has_thread)
		pthread_join(census->thread, NULL);
	pthread_cond_destroy(&census->changed);
	pthread_mutex_destroy(&census->lock);
	g_free(census);
}

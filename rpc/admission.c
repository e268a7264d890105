/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/admission.h"

#include "base/address.h"
#include "base/env.h"
#include "base/ratelimit.h"
#include "rpc/server.h"

#include <glib.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

/* Addresses whose rate is remembered (base/ratelimit.h says what happens beyond). 64 KiB. */
#define RATE_SOURCES 4096

/* One address that has calls. */
struct weft_rpc_admission {
	struct weft_address addr; /* IPv6: of the /64 */
	unsigned live;
};

struct weft_rpc_admissions {
	const struct weft_env *env;
	pthread_mutex_t lock;
	GHashTable *by_address;
	unsigned max_calls, max_per_address, rate, burst;
	WeftRatelimit *limit; /* NULL without a rate */
};

static guint
hash(gconstpointer key)
{
	const struct weft_address *a = key;
	uint64_t high, low;

	memcpy(&high, a->b, sizeof high);
	memcpy(&low, a->b + 8, sizeof low);
	high = (high ^ low) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
	return (guint) (high ^ high >> 32);
}

static gboolean
equal(gconstpointer a, gconstpointer b)
{
	return weft_address_equal(a, b);
}

struct weft_rpc_admissions *
weft_rpc_admissions_new(const struct weft_rpc_server_config *config, const struct weft_env *env)
{
	struct weft_rpc_admissions *a = g_new0(struct weft_rpc_admissions, 1);

	a->env = env;
	pthread_mutex_init(&a->lock, NULL);
	a->by_address = g_hash_table_new_full(hash, equal, NULL, g_free);
	weft_rpc_admissions_set(a, config);
	return a;
}

void
weft_rpc_admissions_free(struct weft_rpc_admissions *a)
{
	if (a == NULL)
		return;
	g_hash_table_unref(a->by_address);
	weft_ratelimit_free(a->limit);
	pthread_mutex_destroy(&a->lock);
	g_free(a);
}

static void
set_rate(struct weft_rpc_admissions *a, unsigned rate, unsigned burst)
{
	const struct weft_ratelimit_config config = {
		.per_s = rate,
		.burst = burst,
		.sources = RATE_SOURCES,
	};

	if (rate == a->rate && burst == a->burst)
		return;
	a->rate = rate;
	a->burst = burst;
	weft_ratelimit_free(a->limit);
	a->limit = rate > 0 ? weft_ratelimit_new(&config, a->env) : NULL;
}

void
weft_rpc_admissions_set(struct weft_rpc_admissions *a, const struct weft_rpc_server_config *config)
{
	unsigned rate = MIN(config->calls_per_second, (unsigned) INT_MAX);

	pthread_mutex_lock(&a->lock);
	a->max_calls = config->max_calls;
	a->max_per_address = config->max_calls_per_address;
	set_rate(a, rate, config->calls_burst != 0 ? config->calls_burst : 2 * rate);
	pthread_mutex_unlock(&a->lock);
}

bool
weft_rpc_admissions_wanted(struct weft_rpc_admissions *a)
{
	bool wanted;

	pthread_mutex_lock(&a->lock);
	wanted = a->max_per_address > 0 || a->limit != NULL;
	pthread_mutex_unlock(&a->lock);
	return wanted;
}

static const char *
total(const struct weft_rpc_admissions *a, uint64_t live)
{
	return a->max_calls > 0 && live > a->max_calls ? "too many calls" : NULL;
}

const char *
weft_rpc_admissions_total(struct weft_rpc_admissions *a, uint64_t live)
{
	const char *refused;

	pthread_mutex_lock(&a->lock);
	refused = total(a, live);
	pthread_mutex_unlock(&a->lock);
	return refused;
}

static struct weft_address
key_of(const struct weft_endpoint *peer)
{
	struct weft_address key = peer->addr;

	/* Whoever has one IPv6 address has its /64. */
	if (key.family == WEFT_FAMILY_IPV6)
		memset(key.b + 8, 0, 8);
	return key;
}

static const char *
judge(const struct weft_rpc_admissions *a,
      const struct weft_rpc_admission *one,
      const struct weft_endpoint *peer)
{
	if (a->max_per_address > 0 && one != NULL && one->live >= a->max_per_address)
		return "too many calls from this address";
	if (a->limit != NULL &&
	    !weft_ratelimit_take(a->limit, &peer->addr, 1, weft_env_now_us(a->env)))
		return "calls from this address come too fast";
	return NULL;
}

struct weft_rpc_admission *
weft_rpc_admissions_enter(struct weft_rpc_admissions *a,
			  const struct weft_endpoint *peer,
			  uint64_t live,
			  const char **ret_refused)
{
	struct weft_address key = key_of(peer);
	struct weft_rpc_admission *one;

	pthread_mutex_lock(&a->lock);
	one = g_hash_table_lookup(a->by_address, &key);
	*ret_refused = total(a, live);
	if (*ret_refused == NULL)
		*ret_refused = judge(a, one, peer);
	if (*ret_refused != NULL) {
		one = NULL;
	} else if (one == NULL) {
		one = g_new0(struct weft_rpc_admission, 1);
		one->addr = key;
		one->live = 1;
		g_hash_table_insert(a->by_address, &one->addr, one);
	} else {
		one->live++;
	}
	pthread_mutex_unlock(&a->lock);
	return one;
}

void
weft_rpc_admissions_leave(struct weft_rpc_admissions *a, struct weft_rpc_admission *one)
{
	if (one == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	if (--one->live == 0)
		g_hash_table_remove(a->by_address, &one->addr);
	pthread_mutex_unlock(&a->lock);
}

unsigned
weft_rpc_admissions_size(struct weft_rpc_admissions *a)
{
	unsigned n;

	pthread_mutex_lock(&a->lock);
	n = g_hash_table_size(a->by_address);
	pthread_mutex_unlock(&a->lock);
	return n;
}

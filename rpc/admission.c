/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/admission.h"

#include "base/address.h"
#include "base/env.h"
#include "rpc/server.h"

#include <glib.h>
#include <pthread.h>
#include <string.h>

/* Beyond so many addresses, those without anything to remember are looked for. */
#define SWEEP_FROM 1024

/* A token in the bucket's unit. */
#define TOKEN 1000000

struct weft_rpc_admission {
	struct weft_address addr; /* IPv6: of the /64 */
	unsigned live;
	int64_t tokens; /* in millionths */
	int64_t filled_us;
};

struct weft_rpc_admissions {
	const struct weft_env *env;
	pthread_mutex_t lock;
	GHashTable *by_address;
	uint64_t seed; /* addresses are chosen by strangers */
	unsigned sweep_at;
	unsigned max_calls, max_per_address, rate, burst;
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
	a->sweep_at = SWEEP_FROM;
	weft_rpc_admissions_set(a, config);
	return a;
}

void
weft_rpc_admissions_free(struct weft_rpc_admissions *a)
{
	if (a == NULL)
		return;
	g_hash_table_unref(a->by_address);
	pthread_mutex_destroy(&a->lock);
	g_free(a);
}

void
weft_rpc_admissions_set(struct weft_rpc_admissions *a, const struct weft_rpc_server_config *config)
{
	pthread_mutex_lock(&a->lock);
	a->max_calls = config->max_calls;
	a->max_per_address = config->max_calls_per_address;
	a->rate = config->calls_per_second;
	a->burst = config->calls_burst != 0 ? config->calls_burst : 2 * config->calls_per_second;
	pthread_mutex_unlock(&a->lock);
}

bool
weft_rpc_admissions_wanted(struct weft_rpc_admissions *a)
{
	bool wanted;

	pthread_mutex_lock(&a->lock);
	wanted = a->max_per_address > 0 || a->rate > 0;
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

static void
fill(const struct weft_rpc_admissions *a, struct weft_rpc_admission *one, int64_t now_us)
{
	int64_t full = (int64_t) a->burst * TOKEN;
	int64_t elapsed = MAX(now_us - one->filled_us, 0);

	if (a->rate == 0 || elapsed > full / a->rate)
		one->tokens = full;
	else
		one->tokens = MIN(one->tokens + elapsed * a->rate, full);
	one->filled_us = now_us;
}

static gboolean
is_forgettable(gpointer key, gpointer value, gpointer user)
{
	struct weft_rpc_admissions *a = user;
	struct weft_rpc_admission *one = value;

	if (one->live > 0)
		return FALSE;
	fill(a, one, weft_env_now_us(a->env));
	return one->tokens >= (int64_t) a->burst * TOKEN;
}

static struct weft_rpc_admission *
lookup(struct weft_rpc_admissions *a, const struct weft_endpoint *peer)
{
	struct weft_address key = peer->addr;
	struct weft_rpc_admission *one;

	/* Whoever has one IPv6 address has its /64. */
	if (key.family == WEFT_FAMILY_IPV6)
		memset(key.b + 8, 0, 8);
	one = g_hash_table_lookup(a->by_address, &key);
	if (one != NULL)
		return one;
	if (g_hash_table_size(a->by_address) >= a->sweep_at) {
		g_hash_table_foreach_remove(a->by_address, is_forgettable, a);
		a->sweep_at = MAX(2 * g_hash_table_size(a->by_address), SWEEP_FROM);
	}
	one = g_new0(struct weft_rpc_admission, 1);
	one->addr = key;
	one->tokens = (int64_t) a->burst * TOKEN;
	one->filled_us = weft_env_now_us(a->env);
	g_hash_table_insert(a->by_address, &one->addr, one);
	return one;
}

static const char *
judge(const struct weft_rpc_admissions *a, struct weft_rpc_admission *one)
{
	if (a->max_per_address > 0 && one->live >= a->max_per_address)
		return "too many calls from this address";
	if (a->rate == 0)
		return NULL;
	fill(a, one, weft_env_now_us(a->env));
	if (one->tokens < TOKEN)
		return "calls from this address come too fast";
	one->tokens -= TOKEN;
	return NULL;
}

struct weft_rpc_admission *
weft_rpc_admissions_enter(struct weft_rpc_admissions *a,
			  const struct weft_endpoint *peer,
			  uint64_t live,
			  const char **ret_refused)
{
	struct weft_rpc_admission *one = NULL;

	pthread_mutex_lock(&a->lock);
	*ret_refused = total(a, live);
	if (*ret_refused == NULL) {
		one = lookup(a, peer);
		*ret_refused = judge(a, one);
	}
	if (*ret_refused == NULL)
		one->live++;
	else
		one = NULL;
	pthread_mutex_unlock(&a->lock);
	return one;
}

void
weft_rpc_admissions_leave(struct weft_rpc_admissions *a, struct weft_rpc_admission *one)
{
	if (one == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	one->live--;
	if (one->live == 0 && a->rate == 0)
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

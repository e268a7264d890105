/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "signald/registry.h"

#include <glib.h>
#include <string.h>

struct sig_registry {
	GHashTable *by_key; /* struct weft_key (of the stream) -> struct sig_stream *, the holder */
	GHashTable *by_call; /* WeftRpcCall * -> struct sig_stream *, owned */
	GPtrArray *waiting;  /* of struct sig_stream *: for their proof */
};

static guint
key_hash(gconstpointer p)
{
	return (guint) weft_key_hash(p);
}

static gboolean
key_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct weft_key)) == 0;
}

static void
stream_free(void *p)
{
	struct sig_stream *s = p;

	weft_rpc_call_unref(s->call);
	g_free(s);
}

SigRegistry *
sig_registry_new(void)
{
	SigRegistry *r = g_new0(SigRegistry, 1);

	r->by_key = g_hash_table_new(key_hash, key_equal);
	r->by_call = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, stream_free);
	r->waiting = g_ptr_array_new();
	return r;
}

void
sig_registry_free(SigRegistry *r)
{
	if (r == NULL)
		return;
	g_hash_table_unref(r->by_key);
	g_hash_table_unref(r->by_call);
	g_ptr_array_unref(r->waiting);
	g_free(r);
}

/* Gives the key to @s; the stream that held it is told of through @ret_replaced. */
static void
take_key(SigRegistry *r, struct sig_stream *s, WeftRpcCall **ret_replaced)
{
	struct sig_stream *old = g_hash_table_lookup(r->by_key, &s->key);

	if (old != NULL && old != s) {
		old->held = false;
		*ret_replaced = weft_rpc_call_ref(old->call);
	}
	s->held = true;
	g_hash_table_replace(r->by_key, &s->key, s);
}

struct sig_stream *
sig_registry_add(SigRegistry *r,
		 WeftRpcCall *call,
		 const struct weft_key *key,
		 const struct sig_challenge *challenge,
		 int64_t now_us,
		 WeftRpcCall **ret_replaced)
{
	struct sig_stream *s = g_new0(struct sig_stream, 1);
	const struct sig_stream *holder = g_hash_table_lookup(r->by_key, key);

	*ret_replaced = NULL;
	s->call = weft_rpc_call_ref(call);
	s->key = *key;
	s->challenge = *challenge;
	s->since_us = now_us;
	g_hash_table_insert(r->by_call, call, s);
	if (holder != NULL && holder->proven)
		g_ptr_array_add(r->waiting, s);
	else
		take_key(r, s, ret_replaced);
	return s;
}

void
sig_registry_prove(SigRegistry *r, struct sig_stream *s, WeftRpcCall **ret_replaced)
{
	*ret_replaced = NULL;
	s->proven = true;
	g_ptr_array_remove(r->waiting, s);
	if (!s->held)
		take_key(r, s, ret_replaced);
}

/* The key is free: the last who came for it has it. */
static void
promote(SigRegistry *r, const struct weft_key *key)
{
	for (guint i = r->waiting->len; i-- > 0;) {
		struct sig_stream *s = g_ptr_array_index(r->waiting, i);
		WeftRpcCall *nobody = NULL;

		if (!key_equal(&s->key, key))
			continue;
		g_ptr_array_remove_index(r->waiting, i);
		take_key(r, s, &nobody);
		return;
	}
}

void
sig_registry_remove(SigRegistry *r, WeftRpcCall *call)
{
	struct sig_stream *s = g_hash_table_lookup(r->by_call, call);

	if (s == NULL)
		return;
	g_ptr_array_remove(r->waiting, s);
	if (g_hash_table_lookup(r->by_key, &s->key) == s) {
		g_hash_table_remove(r->by_key, &s->key);
		promote(r, &s->key);
	}
	g_hash_table_remove(r->by_call, call);
}

struct sig_stream *
sig_registry_find(const SigRegistry *r, const struct weft_key *key)
{
	return g_hash_table_lookup(r->by_key, key);
}

struct sig_stream *
sig_registry_match(SigRegistry *r,
		   const struct weft_key *key,
		   bool (*fn)(const struct sig_stream *stream, void *user),
		   void *user)
{
	struct sig_stream *holder = g_hash_table_lookup(r->by_key, key);

	if (holder != NULL && fn(holder, user))
		return holder;
	for (guint i = 0; i < r->waiting->len; i++) {
		struct sig_stream *s = g_ptr_array_index(r->waiting, i);

		if (key_equal(&s->key, key) && fn(s, user))
			return s;
	}
	return NULL;
}

void
sig_registry_expire(SigRegistry *r,
		    int64_t before_us,
		    void (*fn)(WeftRpcCall *call, void *user),
		    void *user)
{
	for (guint i = r->waiting->len; i-- > 0;) {
		struct sig_stream *s = g_ptr_array_index(r->waiting, i);

		if (s->since_us >= before_us)
			continue;
		g_ptr_array_remove_index(r->waiting, i);
		fn(s->call, user);
	}
}

size_t
sig_registry_streams(const SigRegistry *r)
{
	return g_hash_table_size(r->by_call);
}

size_t
sig_registry_keys(const SigRegistry *r)
{
	return g_hash_table_size(r->by_key);
}

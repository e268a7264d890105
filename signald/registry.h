/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is reached through which stream. Used on the queue's thread only.
 *
 * Another signald of the same deployment would be asked after a miss here: whoever looks up a key
 * goes through sig_registry_find() and nothing else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "rpc/call.h"
#include "signald/proof.h"

typedef struct sig_registry SigRegistry;

struct sig_stream {
	WeftRpcCall *call; /* a reference */
	struct weft_key key;
	struct sig_challenge challenge;
	bool proven; /* its owner holds the private key */
	bool held;   /* registered; otherwise it waits for its proof */
	int64_t since_us;
};

SigRegistry *sig_registry_new(void);
void sig_registry_free(SigRegistry *registry);

/* Takes in a new stream. Its key is its unless the present holder has proven it; then the newcomer
 * waits, not held, for its own proof. @ret_replaced: a reference to the stream that lost the key,
 * or NULL; the caller ends it. The returned stream is the registry's. */
struct sig_stream *sig_registry_add(SigRegistry *registry,
				    WeftRpcCall *call,
				    const struct weft_key *key,
				    const struct sig_challenge *challenge,
				    int64_t now_us,
				    WeftRpcCall **ret_replaced);

/* The stream has proven its key: it holds it from now on. */
void sig_registry_prove(SigRegistry *registry,
			struct sig_stream *stream,
			WeftRpcCall **ret_replaced);

/* The stream of a call is over. Unknown calls are ignored. */
void sig_registry_remove(SigRegistry *registry, WeftRpcCall *call);

/* The stream that messages for @key go to, or NULL. */
struct sig_stream *sig_registry_find(const SigRegistry *registry, const struct weft_key *key);

/* Calls @fn for every stream of the key, waiting ones included, until it returns true. */
struct sig_stream *sig_registry_match(SigRegistry *registry,
				      const struct weft_key *key,
				      bool (*fn)(const struct sig_stream *stream, void *user),
				      void *user);

/* Ends, by @fn, the streams that have waited for their proof since before @before_us. */
void sig_registry_expire(SigRegistry *registry,
			 int64_t before_us,
			 void (*fn)(WeftRpcCall *call, void *user),
			 void *user);

size_t sig_registry_streams(const SigRegistry *registry);
size_t sig_registry_keys(const SigRegistry *registry);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When to open a lost stream again: base/backoff on a timer of the main context. The owner says how
 * it went, and is told when to try. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct weft_backoff_config;
struct weft_env;
struct weft_rpc_channel;

typedef struct weft_rpc_redial WeftRpcRedial;

/* @context NULL: the global default. @config and @env are borrowed. @channel may be NULL; otherwise
 * its own pause between connection attempts is ended before each @on_try, so that only @config
 * decides. @on_try runs in @context. */
WeftRpcRedial *weft_rpc_redial_new(GMainContext *context,
				   struct weft_rpc_channel *channel,
				   const struct weft_backoff_config *config,
				   const struct weft_env *env,
				   void (*on_try)(void *user),
				   void *user);
void weft_rpc_redial_free(WeftRpcRedial *redial); /* takes NULL; no on_try afterwards */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WeftRpcRedial, weft_rpc_redial_free)

/* The stream ended or could not be opened: on_try after the next pause, whose length in
 * microseconds is returned. Does nothing if a try is due already. */
int64_t weft_rpc_redial_failed(WeftRpcRedial *redial);

/* The stream works (first answer, not just connected): the next failure begins with the shortest
 * pause. */
void weft_rpc_redial_succeeded(WeftRpcRedial *redial);

/* Brings a pause that is running to its end: on_try as soon as the context turns. */
void weft_rpc_redial_now(WeftRpcRedial *redial);

bool weft_rpc_redial_pending(const WeftRpcRedial *redial);

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rpc/redial.h"

#include "base/backoff.h"
#include "base/env.h"
#include "base/glib/source.h"
#include "rpc/channel.h"

struct weft_rpc_redial {
	GSource *timer;
	WeftRpcChannel *channel;
	const struct weft_env *env;
	struct weft_backoff backoff;
	bool pending;
	void (*on_try)(void *user);
	void *user;
};

static gboolean
on_timer(gpointer user)
{
	WeftRpcRedial *redial = user;

	redial->pending = false;
	if (redial->channel != NULL)
		weft_rpc_channel_retry_now(redial->channel);
	redial->on_try(redial->user);
	return G_SOURCE_CONTINUE;
}

WeftRpcRedial *
weft_rpc_redial_new(GMainContext *context,
		    struct weft_rpc_channel *channel,
		    const struct weft_backoff_config *config,
		    const struct weft_env *env,
		    void (*on_try)(void *user),
		    void *user)
{
	WeftRpcRedial *redial = g_new0(WeftRpcRedial, 1);

	redial->channel = channel;
	redial->env = env;
	redial->on_try = on_try;
	redial->user = user;
	weft_backoff_init(&redial->backoff, config);
	redial->timer = weft_source_timer(context, on_timer, redial);
	return redial;
}

void
weft_rpc_redial_free(WeftRpcRedial *redial)
{
	if (redial == NULL)
		return;
	weft_source_cancel(&redial->timer);
	g_free(redial);
}

int64_t
weft_rpc_redial_failed(WeftRpcRedial *redial)
{
	int64_t pause_us;

	if (redial->pending)
		return 0;
	pause_us = weft_backoff_next_us(&redial->backoff, redial->env);
	redial->pending = true;
	weft_source_arm_us(redial->timer, pause_us);
	return pause_us;
}

void
weft_rpc_redial_succeeded(WeftRpcRedial *redial)
{
	weft_backoff_reset(&redial->backoff);
}

void
weft_rpc_redial_now(WeftRpcRedial *redial)
{
	if (redial->pending)
		weft_source_arm_us(redial->timer, 0);
}

bool
weft_rpc_redial_pending(const WeftRpcRedial *redial)
{
	return redial->pending;
}

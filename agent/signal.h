/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The signal server as the agent sees it: registered under our key, messages out and in, for as
 * long as it lives (protocol.md 3). Everything runs on the main context. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/box.h"
#include "base/key.h"
#include "rpc/runtime.h"

struct Signalexchange__Body;
struct weft_env;

typedef struct agent_signal AgentSignal;

enum agent_signal_state {
	AGENT_SIGNAL_CONNECTING,
	AGENT_SIGNAL_CONNECTED, /* registered: others reach us */
	AGENT_SIGNAL_STATE_COUNT_
};
const char *agent_signal_state_name(enum agent_signal_state state);

struct agent_signal_ops {
	/* A message of @sender, still boxed. */
	void (*message)(void *user, const struct weft_key *sender, const uint8_t *body, size_t len);
	void (*state)(void *user, enum agent_signal_state state, const char *reason);
};

struct agent_signal_config {
	WeftRpcRuntime *runtime;
	const struct weft_env *env;
	struct weft_key private, public;
	const char *url; /* http:// or https:// */
	const char *ca_file;
	const struct agent_signal_ops *ops;
	void *user;
};

AgentSignal *agent_signal_new(const struct agent_signal_config *config, GError **error);
void agent_signal_free(AgentSignal *signal); /* takes NULL */

/* Boxes and sends; again after a failure that may pass, four times in all. */
void agent_signal_send(AgentSignal *signal,
		       const struct weft_key *to,
		       const struct weft_box_key *box,
		       const struct Signalexchange__Body *body);

void agent_signal_retry_now(AgentSignal *signal);
enum agent_signal_state agent_signal_state(const AgentSignal *signal);
const char *agent_signal_reason(const AgentSignal *signal);
int64_t agent_signal_since_us(const AgentSignal *signal);

/* Our answer to the proof that a Weft server asks for (docs/protocol/signal.md): @text is the
 * header's value. False: not a challenge. Pure. */
#define AGENT_SIGNAL_PROOF_LEN (WEFT_BOX_OVERHEAD + 17 + 16)
bool agent_signal_prove(uint8_t out[AGENT_SIGNAL_PROOF_LEN],
			const char *text,
			size_t len,
			const struct weft_key *private,
			const struct weft_env *env);

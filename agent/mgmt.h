/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The management server as the agent sees it: GetServerKey, Login, Sync, for as long as it lives
 * (protocol.md 2). Everything runs on the main context. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/key.h"
#include "rpc/runtime.h"

struct Management__LoginResponse;
struct Management__SyncResponse;
struct Management__PeerSystemMeta;
struct weft_env;

typedef struct agent_mgmt AgentMgmt;

enum agent_mgmt_state {
	AGENT_MGMT_CONNECTING,
	AGENT_MGMT_REGISTERING, /* Login is on its way */
	AGENT_MGMT_CONNECTED,   /* the first map came */
	AGENT_MGMT_NEEDS_LOGIN, /* the server refuses us: stopped until agent_mgmt_login() */
	AGENT_MGMT_STATE_COUNT_
};
const char *agent_mgmt_state_name(enum agent_mgmt_state state);

struct agent_mgmt_ops {
	void (*login)(void *user, const struct Management__LoginResponse *msg);
	/* False: the map does not fit; the stream begins anew. */
	bool (*sync)(void *user, const struct Management__SyncResponse *msg);
	void (*state)(void *user, enum agent_mgmt_state state, const char *reason);
};

struct agent_mgmt_config {
	WeftRpcRuntime *runtime;
	const struct weft_env *env;
	struct weft_key private, public;
	const char *url, *hostname, *ca_file;
	const char *const *addresses; /* of this host, "ADDRESS/BITS"; NULL-terminated, or NULL */
	bool ipv6;
	const struct agent_mgmt_ops *ops;
	void *user;
};

/* Begins at once. NULL with @error if the URL cannot be understood. */
AgentMgmt *agent_mgmt_new(const struct agent_mgmt_config *config,
			  const char *setup_key,
			  GError **error);
void agent_mgmt_free(AgentMgmt *mgmt); /* takes NULL */

/* Logs in again, with @setup_key if it is not NULL. It is kept until it was used. */
void agent_mgmt_login(AgentMgmt *mgmt, const char *setup_key);

/* Tells the server to forget us; @done in any case, @error NULL if it did. */
void agent_mgmt_logout(AgentMgmt *mgmt, void (*done)(void *user, const char *error), void *user);

/* The network changed: ends a pause. */
void agent_mgmt_retry_now(AgentMgmt *mgmt);

enum agent_mgmt_state agent_mgmt_state(const AgentMgmt *mgmt);
const char *agent_mgmt_reason(const AgentMgmt *mgmt); /* why it is not connected, or "" */
int64_t agent_mgmt_since_us(const AgentMgmt *mgmt);   /* wall clock, of the state */

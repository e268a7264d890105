/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of STUN servers -> addresses, on a thread of its own where it takes one. */
#pragma once

#include <glib.h>
#include <stddef.h>

#include "base/address.h"

typedef struct agent_resolve AgentResolve;

/* @done on the default context, each time that addresses are known: at once for addresses. */
AgentResolve *agent_resolve_new(
	void (*done)(void *user, const struct weft_endpoint *endpoints, size_t n), void *user);
void agent_resolve_free(AgentResolve *resolve); /* takes NULL; no @done afterwards */

/* "stun:HOST[:PORT]", NULL-terminated; what is malformed is left out. */
void agent_resolve_start(AgentResolve *resolve, const char *const *uris);

/* Host and port out of such a URI; false: malformed. g_free @ret_host. Pure. */
bool agent_resolve_parse(const char *uri, char **ret_host, uint16_t *ret_port);

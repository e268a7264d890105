/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The mesh as a Status message. */
#pragma once

#include <glib.h>

#include "agent/mesh.h"

struct Weft__Control__Status;
struct Weft__Control__Diagnosis;

/* Memory of one message. */
typedef struct agent_scope {
	GPtrArray *blocks;
} AgentScope;

void agent_scope_init(AgentScope *scope);
void agent_scope_clear(AgentScope *scope);
void *agent_scope_take(AgentScope *scope, gsize size);
char *agent_scope_text(AgentScope *scope, char *text); /* takes over @text */

/* Both live in @scope. */
struct Weft__Control__Status *agent_status(AgentMesh *mesh, AgentScope *scope);

/* doctor.c: the steps for this host, and for one peer (NULL: none). */
struct Weft__Control__Diagnosis *agent_doctor(AgentMesh *mesh,
					      const AgentPeer *peer,
					      AgentScope *scope);

/* By name, address or key; NULL: there is none. */
AgentPeer *agent_status_find(AgentMesh *mesh, const char *name);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The unix socket that `weft` talks to. */
#pragma once

#include <glib.h>

#include "agent/mesh.h"

typedef struct agent_control AgentControl;

/* RUNTIME_DIR/agent.sock; the mesh is set by agent_control_attach() before calls arrive. */
AgentControl *agent_control_new(const WeftConf *conf, WeftRpcRuntime *runtime, GError **error);
void agent_control_free(AgentControl *control); /* takes NULL */
void agent_control_attach(AgentControl *control, AgentMesh *mesh);

/* The mesh's status differs: watchers are told, soon and once for many. */
void agent_control_changed(AgentControl *control);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What this host tells of itself (protocol.md 2.2). */
#pragma once

#include <stdbool.h>

struct Management__PeerSystemMeta;
struct agent_meta;

struct agent_meta *agent_meta_new(const char *hostname, const char *const *addresses, bool ipv6);
void agent_meta_free(struct agent_meta *meta);

/* An answer to a posture check: whether @path is there, and a process of it runs. */
void agent_meta_add_file(struct agent_meta *meta, const char *path);

/* Valid until the next call or the end of @meta. */
struct Management__PeerSystemMeta *agent_meta_message(struct agent_meta *meta);

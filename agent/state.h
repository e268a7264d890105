/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What survives a restart: the WireGuard key, what `weft up` said, the last map. All files are 0600
 * and replaced as a whole; the map carries a checksum. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

struct weft_env;

struct agent_state {
	char *dir;
	struct weft_key private, public;
	bool enrolled;                               /* a server has accepted our key */
	bool up;                                     /* `weft up` without a later `weft down` */
	char *management_url, *hostname, *interface; /* NULL: not said */
	uint16_t port;                               /* 0: not chosen yet */
};

/* Reads @dir, making it and the key where they are not there. A key file that is damaged is an
 * error; of the rest what cannot be read counts as not said. */
bool agent_state_load(struct agent_state *ret,
		      const char *dir,
		      const struct weft_env *env,
		      GError **error);
void agent_state_clear(struct agent_state *state);
bool agent_state_save(const struct agent_state *state, GError **error);

/* NULL without @error if there is none; with it if it is damaged or cannot be read. g_free. */
uint8_t *agent_state_load_map(const struct agent_state *state, size_t *ret_len, GError **error);
bool agent_state_save_map(const struct agent_state *state,
			  const uint8_t *data,
			  size_t len,
			  GError **error);
void agent_state_forget_map(const struct agent_state *state);

/* The frame of the cache file. Pure; the pointer goes into @file. */
const uint8_t *agent_state_open_cache(const uint8_t *file, size_t len, size_t *ret_len);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making secrets that are shown once and kept hashed (management.md 1). */
#pragma once

#include "mgmtd/model/types.h"

struct weft_env;

#define MGMT_SETUP_KEY_SIZE 37 /* UUID version 4 in upper case, with NUL */
#define MGMT_TOKEN_SIZE     41 /* "nbp_", 30 random characters, 6 of checksum, with NUL */

void mgmt_setup_key_make(char ret[MGMT_SETUP_KEY_SIZE], const struct weft_env *env);
void mgmt_token_make(char ret[MGMT_TOKEN_SIZE], const struct weft_env *env);

/* base64(SHA-256(text)); free with g_free(). */
char *mgmt_secret_hash(const char *text);

/* A new key without groups; its text is written to @ret_secret. */
struct mgmt_setup_key *mgmt_setup_key_new(const struct weft_env *env,
					  const struct mgmt_id *account,
					  const char *name,
					  enum mgmt_setup_key_type type,
					  char ret_secret[MGMT_SETUP_KEY_SIZE]);
struct mgmt_token *mgmt_token_new(const struct weft_env *env,
				  const struct mgmt_id *account,
				  const char *name,
				  char ret_secret[MGMT_TOKEN_SIZE]);

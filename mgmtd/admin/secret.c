/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mgmtd/admin/secret.h"

#include "base/base64.h"
#include "base/env.h"
#include "base/hash.h"
#include "mgmtd/admin/admin.h"

#include <string.h>

#define TOKEN_RANDOM   30
#define TOKEN_CHECKSUM 6

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

char *
mgmt_secret_hash(const char *text)
{
	uint8_t digest[WEFT_SHA256_LEN];
	char *out = g_malloc(WEFT_BASE64_LEN(sizeof digest) + 1);

	weft_sha256(digest, text, strlen(text));
	(void) weft_base64_encode(out, WEFT_BASE64_LEN(sizeof digest) + 1, digest, sizeof digest);
	return out;
}

char *
mgmt_setup_key_hash(const char *text)
{
	char *upper = g_ascii_strup(text, -1);
	char *hash = mgmt_secret_hash(upper);

	explicit_bzero(upper, strlen(upper));
	g_free(upper);
	return hash;
}

void
mgmt_setup_key_make(char ret[MGMT_SETUP_KEY_SIZE], const struct weft_env *env)
{
	uint8_t b[16];
	unsigned at = 0;

	weft_env_random(env, b, sizeof b);
	b[6] = (uint8_t) ((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (uint8_t) ((b[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
	for (unsigned i = 0; i < sizeof b; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret[at++] = '-';
		ret[at++] = "0123456789ABCDEF"[b[i] >> 4];
		ret[at++] = "0123456789ABCDEF"[b[i] & 15];
	}
	ret[at] = '\0';
	explicit_bzero(b, sizeof b);
}

static uint32_t
crc32_ieee(const char *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint8_t) data[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320 & (0u - (crc & 1)));
	}
	return ~crc;
}

void
mgmt_token_make(char ret[MGMT_TOKEN_SIZE], const struct weft_env *env)
{
	uint32_t crc;

	memcpy(ret, "nbp_", 4);
	for (unsigned i = 0; i < TOKEN_RANDOM; i++)
		ret[4 + i] = base62[weft_env_random_below(env, 62)];
	crc = crc32_ieee(ret + 4, TOKEN_RANDOM);
	for (unsigned i = TOKEN_CHECKSUM; i-- > 0; crc /= 62)
		ret[4 + TOKEN_RANDOM + i] = base62[crc % 62];
	ret[MGMT_TOKEN_SIZE - 1] = '\0';
}

struct mgmt_setup_key *
mgmt_setup_key_new(const struct weft_env *env,
		   const struct mgmt_id *account,
		   const char *name,
		   enum mgmt_setup_key_type type,
		   char ret_secret[MGMT_SETUP_KEY_SIZE])
{
	struct mgmt_setup_key *key = g_new0(struct mgmt_setup_key, 1);

	mgmt_setup_key_make(ret_secret, env);
	key->id = mgmt_id_new(env);
	key->account_id = *account;
	key->name = g_strdup(name);
	key->hash = mgmt_setup_key_hash(ret_secret);
	key->masked = g_strdup_printf("%.5s****", ret_secret);
	key->type = type;
	key->created_us = key->updated_us = weft_env_wall_us(env);
	key->usage_limit = type == MGMT_SETUP_KEY_ONE_OFF ? 1 : 0;
	key->auto_groups = g_array_new(FALSE, FALSE, sizeof(struct mgmt_id));
	return key;
}

struct mgmt_token *
mgmt_token_new(const struct weft_env *env,
	       const struct mgmt_id *account,
	       const char *name,
	       char ret_secret[MGMT_TOKEN_SIZE])
{
	struct mgmt_token *token = g_new0(struct mgmt_token, 1);

	mgmt_token_make(ret_secret, env);
	token->id = mgmt_id_new(env);
	token->account_id = *account;
	token->name = g_strdup(name);
	token->hash = mgmt_secret_hash(ret_secret);
	token->created_us = weft_env_wall_us(env);
	return token;
}

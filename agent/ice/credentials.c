/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ice/candidate.h"

#include "base/env.h"

#include <string.h>

#define UFRAG_LEN 16
#define PWD_LEN   32

static void
letters(const struct weft_env *env, char *out, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned v = (unsigned) weft_env_random_below(env, 52);

		out[i] = (char) (v < 26 ? 'a' + v : 'A' + (v - 26));
	}
	out[n] = '\0';
}

void
ice_credentials_generate(struct ice_credentials *ret, const struct weft_env *env)
{
	memset(ret, 0, sizeof(*ret));
	letters(env, ret->ufrag, UFRAG_LEN);
	letters(env, ret->pwd, PWD_LEN);
}

/* RFC 8839 section 5.4 allows the base64 alphabet. The colon is what parts them, anything else
 * printable is accepted: nothing depends on it. */
static bool
part_ok(const char *s, size_t len, size_t min, size_t max)
{
	size_t i;

	if (len < min || len > max)
		return false;
	for (i = 0; i < len; i++) {
		if (s[i] <= ' ' || s[i] > '~' || s[i] == ':')
			return false;
	}
	return true;
}

bool
ice_credentials_parse(struct ice_credentials *ret, const char *text, size_t len)
{
	const char *colon = len > 0 ? memchr(text, ':', len) : NULL;
	size_t ufrag_len, pwd_len;

	if (colon == NULL)
		return false;
	ufrag_len = (size_t) (colon - text);
	pwd_len = len - ufrag_len - 1;
	if (!part_ok(text, ufrag_len, ICE_UFRAG_MIN, ICE_UFRAG_MAX) ||
	    !part_ok(colon + 1, pwd_len, ICE_PWD_MIN, ICE_PWD_MAX))
		return false;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->ufrag, text, ufrag_len);
	memcpy(ret->pwd, colon + 1, pwd_len);
	return true;
}

size_t
ice_credentials_format(const struct ice_credentials *c, char out[ICE_CREDENTIALS_TEXT_SIZE])
{
	size_t ufrag_len = strlen(c->ufrag), pwd_len = strlen(c->pwd);

	memcpy(out, c->ufrag, ufrag_len);
	out[ufrag_len] = ':';
	memcpy(out + ufrag_len + 1, c->pwd, pwd_len + 1);
	return ufrag_len + 1 + pwd_len;
}

bool
ice_credentials_equal(const struct ice_credentials *a, const struct ice_credentials *b)
{
	return strcmp(a->ufrag, b->ufrag) == 0 && strcmp(a->pwd, b->pwd) == 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "relayd/settings.h"

#include "base/hash.h"
#include "base/key.h"
#include "stun/message.h"
#include "ws/io.h"

#include <stdlib.h>
#include <string.h>

struct relay_settings *
relay_settings_new(void)
{
	struct relay_settings *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->nonce_lifetime_s = 3600;
	s->port_first = 49152;
	s->port_last = 65535;
	s->allocations_max = 10000;
	s->lifetime_default_s = RELAY_LIFETIME_DEFAULT_S;
	s->lifetime_max_s = RELAY_LIFETIME_MAX_S;
	s->binding_per_second = 100;
	s->streams_max = 4096;
	s->relay_connections_max = 16384;
	return s;
}

static void
clear_secrets(struct relay_secret *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		weft_wipe(list[i].p, list[i].len);
		free(list[i].p);
	}
}

void
relay_settings_free(struct relay_settings *s)
{
	if (s == NULL)
		return;
	clear_secrets(s->turn_secrets, s->n_turn_secrets);
	clear_secrets(s->relay_secrets, s->n_relay_secrets);
	for (size_t i = 0; i < s->n_users; i++)
		free(s->users[i].name);
	if (s->users != NULL)
		weft_wipe(s->users, s->n_users * sizeof(*s->users));
	free(s->users);
	free(s->by_userhash);
	relay_policy_clear(&s->policy);
	if (s->tls != NULL)
		weft_ws_tls_free(s->tls);
	free(s);
}

static struct weft_bytes
bytes_of(const char *text)
{
	return (struct weft_bytes){ text, strlen(text) };
}

bool
relay_settings_add_user(struct relay_settings *s, const char *name, const char *password)
{
	struct weft_bytes realm = bytes_of(s->realm), user = bytes_of(name),
			  secret = bytes_of(password);
	struct relay_user u = { 0 }, *grown;

	if (user.len == 0 || user.len > WEFT_STUN_USERNAME_MAX || secret.len == 0 ||
	    s->n_users >= RELAY_USERS_MAX)
		return false;
	for (size_t i = 0; i < s->n_users; i++)
		if (strcmp(s->users[i].name, name) == 0)
			return false;
	weft_stun_userhash(u.userhash, user, realm);
	u.no_md5 = weft_stun_long_term_key(u.key_sha256, WEFT_STUN_MD5, user, realm, secret) == 0;
	memcpy(u.key_md5, u.key_sha256, sizeof(u.key_md5));
	if (weft_stun_long_term_key(u.key_sha256, WEFT_STUN_SHA256, user, realm, secret) == 0)
		return false;
	grown = reallocarray(s->users, s->n_users + 1, sizeof(*grown));
	if (grown == NULL)
		return false;
	s->users = grown;
	u.name = strdup(name);
	if (u.name == NULL)
		return false;
	grown[s->n_users++] = u;
	weft_wipe(&u, sizeof(u));
	return true;
}

bool
relay_secret_add(struct relay_secret *list, size_t *n, const void *p, size_t len)
{
	if (*n >= RELAY_SECRETS_MAX || len == 0)
		return false;
	list[*n].p = malloc(len);
	if (list[*n].p == NULL)
		return false;
	memcpy(list[*n].p, p, len);
	list[(*n)++].len = len;
	return true;
}

static int
by_name(const void *a, const void *b)
{
	const struct relay_user *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int
by_hash(const void *a, const void *b, void *users)
{
	const struct relay_user *list = users;
	const uint32_t *x = a, *y = b;

	return memcmp(list[*x].userhash, list[*y].userhash, WEFT_STUN_USERHASH_LEN);
}

bool
relay_settings_seal(struct relay_settings *s)
{
	free(s->by_userhash);
	s->by_userhash = NULL;
	if (s->n_users == 0)
		return true;
	qsort(s->users, s->n_users, sizeof(*s->users), by_name);
	s->by_userhash = calloc(s->n_users, sizeof(*s->by_userhash));
	if (s->by_userhash == NULL)
		return false;
	for (size_t i = 0; i < s->n_users; i++)
		s->by_userhash[i] = (uint32_t) i;
	qsort_r(s->by_userhash, s->n_users, sizeof(*s->by_userhash), by_hash, s->users);
	return true;
}

const struct relay_user *
relay_settings_user(const struct relay_settings *s, const uint8_t *name, size_t len)
{
	size_t low = 0, high = s->n_users;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const char *have = s->users[mid].name;
		size_t have_len = strlen(have);
		int order = memcmp(have, name, have_len < len ? have_len : len);

		if (order == 0)
			order = have_len < len ? -1 : have_len > len;
		if (order == 0)
			return &s->users[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct relay_user *
relay_settings_userhash(const struct relay_settings *s, const uint8_t hash[WEFT_STUN_USERHASH_LEN])
{
	size_t low = 0, high = s->by_userhash != NULL ? s->n_users : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct relay_user *u = &s->users[s->by_userhash[mid]];
		int order = memcmp(u->userhash, hash, WEFT_STUN_USERHASH_LEN);

		if (order == 0)
			return u;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

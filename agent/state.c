/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/state.h"

#include "base/env.h"
#include "base/glib/file.h"
#include "base/hash.h"

#include <string.h>

#define MAGIC     "weftmap1"
#define MAGIC_LEN 8
#define MAP_MAX   ((size_t) 64 * 1024 * 1024)
#define STATE_MAX ((size_t) 64 * 1024)
#define GROUP     "agent"

static char *
file_name(const struct agent_state *s, const char *name)
{
	return g_build_filename(s->dir, name, NULL);
}

static bool
load_key(struct agent_state *s, const struct weft_env *env, GError **error)
{
	g_autofree char *path = file_name(s, "private.key");
	g_autoptr(GError) e = NULL;
	struct weft_key_text text;
	size_t len;
	char *secret = weft_file_read_secret(path, false, &len, &e);
	bool ok;

	if (secret == NULL) {
		if (!g_error_matches(e, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
			g_propagate_error(error, g_steal_pointer(&e));
			return false;
		}
		weft_key_generate(&s->private, env);
		weft_key_public(&s->public, &s->private);
		text = weft_key_to_text(&s->private);
		text.s[WEFT_KEY_TEXT_LEN] = '\n';
		ok = weft_file_replace(path, text.s, WEFT_KEY_TEXT_LEN + 1, 0600, error);
		weft_wipe(&text, sizeof text);
		return ok;
	}
	ok = len >= WEFT_KEY_TEXT_LEN && len <= WEFT_KEY_TEXT_LEN + 1 &&
	     weft_key_from_text(&s->private, secret, WEFT_KEY_TEXT_LEN);
	weft_file_free_secret(secret, len);
	if (!ok) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
			    "%s: not a key; remove it to get a new identity", path);
		return false;
	}
	weft_key_public(&s->public, &s->private);
	return true;
}

static void
load_enrolment(struct agent_state *s)
{
	g_autofree char *path = file_name(s, "enrolment");
	g_autoptr(GKeyFile) file = g_key_file_new();
	size_t len;
	g_autofree char *text = weft_file_read(path, STATE_MAX, &len, NULL);
	int port;

	if (text == NULL || !g_key_file_load_from_data(file, text, len, G_KEY_FILE_NONE, NULL))
		return;
	s->enrolled = g_key_file_get_boolean(file, GROUP, "enrolled", NULL);
	s->up = g_key_file_get_boolean(file, GROUP, "up", NULL);
	s->management_url = g_key_file_get_string(file, GROUP, "management-url", NULL);
	s->hostname = g_key_file_get_string(file, GROUP, "hostname", NULL);
	s->interface = g_key_file_get_string(file, GROUP, "interface", NULL);
	port = g_key_file_get_integer(file, GROUP, "port", NULL);
	s->port = port > 0 && port <= UINT16_MAX ? (uint16_t) port : 0;
}

bool
agent_state_load(struct agent_state *ret,
		 const char *dir,
		 const struct weft_env *env,
		 GError **error)
{
	*ret = (struct agent_state){ .dir = g_strdup(dir) };
	if (!weft_file_make_dir(dir, 0700, error) || !load_key(ret, env, error)) {
		agent_state_clear(ret);
		return false;
	}
	load_enrolment(ret);
	return true;
}

void
agent_state_clear(struct agent_state *s)
{
	weft_key_wipe(&s->private);
	g_clear_pointer(&s->dir, g_free);
	g_clear_pointer(&s->management_url, g_free);
	g_clear_pointer(&s->hostname, g_free);
	g_clear_pointer(&s->interface, g_free);
}

bool
agent_state_save(const struct agent_state *s, GError **error)
{
	g_autofree char *path = file_name(s, "enrolment");
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autofree char *text = NULL;
	size_t len;

	g_key_file_set_boolean(file, GROUP, "enrolled", s->enrolled);
	g_key_file_set_boolean(file, GROUP, "up", s->up);
	if (s->management_url != NULL)
		g_key_file_set_string(file, GROUP, "management-url", s->management_url);
	if (s->hostname != NULL)
		g_key_file_set_string(file, GROUP, "hostname", s->hostname);
	if (s->interface != NULL)
		g_key_file_set_string(file, GROUP, "interface", s->interface);
	if (s->port != 0)
		g_key_file_set_integer(file, GROUP, "port", s->port);
	text = g_key_file_to_data(file, &len, NULL);
	return weft_file_replace(path, text, len, 0600, error);
}

const uint8_t *
agent_state_open_cache(const uint8_t *file, size_t len, size_t *ret_len)
{
	const size_t head = MAGIC_LEN + WEFT_SHA256_LEN;
	uint8_t sum[WEFT_SHA256_LEN];

	if (len < head || memcmp(file, MAGIC, MAGIC_LEN) != 0)
		return NULL;
	weft_sha256(sum, file + head, len - head);
	if (!weft_equal_ct(sum, file + MAGIC_LEN, WEFT_SHA256_LEN))
		return NULL;
	*ret_len = len - head;
	return file + head;
}

uint8_t *
agent_state_load_map(const struct agent_state *s, size_t *ret_len, GError **error)
{
	g_autofree char *path = file_name(s, "map.cache");
	g_autoptr(GError) e = NULL;
	size_t len;
	g_autofree char *file = weft_file_read(path, MAP_MAX, &len, &e);
	const uint8_t *data;

	if (file == NULL) {
		if (!g_error_matches(e, G_FILE_ERROR, G_FILE_ERROR_NOENT))
			g_propagate_error(error, g_steal_pointer(&e));
		return NULL;
	}
	data = agent_state_open_cache((const uint8_t *) file, len, ret_len);
	if (data == NULL) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
			    "%s: damaged, and left out of account", path);
		return NULL;
	}
	return g_memdup2(data, MAX(*ret_len, 1));
}

bool
agent_state_save_map(const struct agent_state *s, const uint8_t *data, size_t len, GError **error)
{
	g_autofree char *path = file_name(s, "map.cache");
	const size_t head = MAGIC_LEN + WEFT_SHA256_LEN;
	g_autofree uint8_t *file = g_malloc(head + len);

	memcpy(file, MAGIC, MAGIC_LEN);
	weft_sha256(file + MAGIC_LEN, data, len);
	memcpy(file + head, data, len);
	return weft_file_replace(path, file, head + len, 0600, error);
}

void
agent_state_forget_map(const struct agent_state *s)
{
	g_autofree char *path = file_name(s, "map.cache");

	(void) weft_file_remove(path, NULL); /* the next map replaces it */
}

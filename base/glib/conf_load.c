/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From files to values: which files, in which order, what they may hold. */
#include "base/glib/conf_private.h"
#include "base/glib/file.h"
#include "base/limits.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#ifndef WEFT_VENDOR_DIR
#define WEFT_VENDOR_DIR "/usr/lib/weft"
#endif
#ifndef WEFT_SYSCONF_DIR
#define WEFT_SYSCONF_DIR "/etc/weft"
#endif
#define WEFT_VOLATILE_DIR "/run/weft"

#define PROBLEMS_MAX      64 /* lines in one error; more help nobody */

static const char *const default_dirs[] = {
	WEFT_VENDOR_DIR,
	WEFT_SYSCONF_DIR,
	WEFT_VOLATILE_DIR,
	NULL,
};

/* One load. */
struct loader {
	WeftConf *conf;
	const struct weft_conf_schema *schema;
	char **texts;        /* per key: what the last file says, NULL: nothing */
	char **origins;      /* per key */
	GPtrArray *problems; /* char * */
	bool unreadable;     /* one of them is about a whole file */
	bool secret;         /* one of them is about a secret */
};

static void add_problem(struct loader *l, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void add_warning(struct loader *l, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
add_problem(struct loader *l, const char *format, ...)
{
	va_list args;

	if (l->problems->len >= PROBLEMS_MAX)
		return;
	va_start(args, format);
	g_ptr_array_add(l->problems, g_strdup_vprintf(format, args));
	va_end(args);
}

static void
add_warning(struct loader *l, const char *format, ...)
{
	va_list args;

	if (l->conf->warnings->len >= PROBLEMS_MAX)
		return;
	va_start(args, format);
	g_ptr_array_add(l->conf->warnings, g_strdup_vprintf(format, args));
	va_end(args);
}

/* -1 if there is no such key. */
static int
find_key(const struct weft_conf_schema *schema, const char *group, const char *key)
{
	for (size_t i = 0; i < schema->n_keys; i++)
		if (strcmp(schema->keys[i].group, group) == 0 &&
		    strcmp(schema->keys[i].key, key) == 0)
			return (int) i;
	return -1;
}

static bool
is_group(const struct weft_conf_schema *schema, const char *group)
{
	for (size_t i = 0; i < schema->n_keys; i++)
		if (strcmp(schema->keys[i].group, group) == 0)
			return true;
	return false;
}

/* Index of the key that an old name stands for. */
static int
find_renamed(const struct weft_conf_schema *schema, const struct weft_conf_key *row)
{
	const char *dot = strchr(row->renamed_to, '.');
	g_autofree char *group = NULL;
	int found;

	if (dot == NULL)
		found = find_key(schema, row->group, row->renamed_to);
	else
		group = g_strndup(row->renamed_to, (gsize) (dot - row->renamed_to)),
		found = find_key(schema, group, dot + 1);
	g_assert(found >= 0);
	return found;
}

static void
set_text(struct loader *l, int key, char *text, const char *origin)
{
	g_free(l->texts[key]);
	g_free(l->origins[key]);
	l->texts[key] = text;
	l->origins[key] = g_strdup(origin);
}

static void
report_unknown(struct loader *l, const char *file, const char *group, const char *key)
{
	const char *what = key == NULL ? "unknown group" : "unknown key";
	g_autofree char *name = key == NULL ? g_strdup_printf("[%s]", group)
					    : g_strdup_printf("[%s] %s", group, key);
	g_autofree char *shown = g_utf8_make_valid(name, -1);

	if (l->conf->strict)
		add_problem(l, "%s: %s: %s", file, shown, what);
	else
		add_warning(l, "%s: %s: %s, ignored", file, shown, what);
}

/* Takes over one key of a file. */
static void
take_key(struct loader *l, GKeyFile *kf, const char *file, const char *group, const char *key)
{
	int index = find_key(l->schema, group, key);
	g_autoptr(GError) reason = NULL;
	g_autofree char *text = NULL;

	if (index < 0) {
		report_unknown(l, file, group, key);
		return;
	}
	text = g_key_file_get_string(kf, group, key, &reason);
	/* GLib returns a text and an error for an unknown escape. */
	if (text == NULL || reason != NULL) {
		g_autofree char *shown = g_utf8_make_valid(reason->message, -1);
		add_problem(l, "%s: [%s] %s: %s", file, group, key, shown);
		return;
	}
	g_strstrip(text);
	if (l->schema->keys[index].renamed_to != NULL) {
		const struct weft_conf_key *old = &l->schema->keys[index];
		const struct weft_conf_key *now;

		index = find_renamed(l->schema, old);
		now = &l->schema->keys[index];
		add_warning(l, "%s: [%s] %s: this key is now called [%s] %s", file, group, key,
			    now->group, now->key);
		if (g_key_file_has_key(kf, now->group, now->key, NULL))
			return;
	}
	set_text(l, index, g_steal_pointer(&text), file);
}

static void
take_text(struct loader *l, const char *text, size_t len, const char *file)
{
	g_autoptr(GKeyFile) kf = g_key_file_new();
	g_autoptr(GError) reason = NULL;
	g_auto(GStrv) groups = NULL;

	g_ptr_array_add(l->conf->files, g_strdup(file));
	if (memchr(text, '\0', len) != NULL) {
		add_problem(l, "%s: holds a NUL byte", file);
		l->unreadable = true;
		return;
	}
	if (len == 0)
		return;
	/* Translations are kept so that "key[xx]" is seen, and reported, as an unknown key. */
	if (!g_key_file_load_from_data(kf, text, len, G_KEY_FILE_KEEP_TRANSLATIONS, &reason)) {
		g_autofree char *shown = g_utf8_make_valid(reason->message, -1);
		add_problem(l, "%s: %s", file, shown);
		l->unreadable = true;
		return;
	}
	groups = g_key_file_get_groups(kf, NULL);
	for (char **g = groups; *g != NULL; g++) {
		g_auto(GStrv) keys = NULL;

		if (!is_group(l->schema, *g)) {
			report_unknown(l, file, *g, NULL);
			continue;
		}
		keys = g_key_file_get_keys(kf, *g, NULL, NULL);
		for (char **k = keys; k != NULL && *k != NULL; k++)
			take_key(l, kf, file, *g, *k);
	}
}

/* Reads a file if it exists; a missing one is a problem if @must_exist. */
static void
take_file(struct loader *l, const char *path, bool must_exist)
{
	g_autoptr(GError) reason = NULL;
	g_autofree char *target = g_file_read_link(path, NULL);
	g_autofree char *text = NULL;
	size_t len;

	/* A file masked the way that systemd's are. */
	if (g_strcmp0(target, "/dev/null") == 0)
		return;
	text = weft_file_read(path, WEFT_LIMIT_CONF_FILE, &len, &reason);
	if (text != NULL) {
		take_text(l, text, len, path);
		return;
	}
	if (!must_exist && g_error_matches(reason, G_FILE_ERROR, G_FILE_ERROR_NOENT))
		return;
	add_problem(l, "%s", reason->message);
	l->unreadable = true;
}

/* Adds the drop-ins of @dir to @found (file name -> path), replacing those of the same name. */
static void
find_dropins(struct loader *l, GTree *found, const char *dir)
{
	g_autoptr(GError) reason = NULL;
	GDir *d = g_dir_open(dir, 0, &reason);
	const char *name;

	if (d == NULL) {
		if (!g_error_matches(reason, G_FILE_ERROR, G_FILE_ERROR_NOENT) &&
		    !g_error_matches(reason, G_FILE_ERROR, G_FILE_ERROR_NOTDIR)) {
			add_problem(l, "%s", reason->message);
			l->unreadable = true;
		}
		return;
	}
	while ((name = g_dir_read_name(d)) != NULL)
		if (name[0] != '.' && g_str_has_suffix(name, ".conf"))
			g_tree_replace(found, g_strdup(name), g_build_filename(dir, name, NULL));
	g_dir_close(d);
}

static int
compare_names(gconstpointer a, gconstpointer b, gpointer user)
{
	return strcmp(a, b);
}

static gboolean
on_dropin(gpointer name, gpointer path, gpointer user)
{
	take_file(user, path, true);
	return FALSE;
}

static void
take_files(struct loader *l)
{
	const char *const *dirs = (const char *const *) l->conf->dirs;
	g_autoptr(GTree) found = g_tree_new_full(compare_names, NULL, g_free, g_free);
	g_autofree char *name = g_strdup_printf("%s.conf", l->schema->name);
	g_autofree char *name_d = g_strdup_printf("%s.d", name);

	if (l->conf->file != NULL) {
		g_autofree char *dir = g_strdup_printf("%s.d", l->conf->file);

		take_file(l, l->conf->file, true);
		find_dropins(l, found, dir);
		g_tree_foreach(found, on_dropin, l);
		return;
	}
	if (dirs == NULL)
		dirs = default_dirs;
	for (size_t i = 0; dirs[i] != NULL; i++) {
		g_autofree char *path = g_build_filename(dirs[i], name, NULL);
		g_autofree char *dir = g_build_filename(dirs[i], name_d, NULL);

		if (i < 2) /* there is no main file in the volatile directory */
			take_file(l, path, false);
		find_dropins(l, found, dir);
	}
	g_tree_foreach(found, on_dropin, l);
}

/* Path of the row's credential if the service manager gave it to us. */
static char *
find_credential(struct loader *l, const struct weft_conf_key *row, char **ret_name)
{
	g_autofree char *name = weft_conf_key_credential(row);
	g_autofree char *path = NULL;

	if (name == NULL || l->conf->credentials_dir[0] == '\0')
		return NULL;
	path = g_build_filename(l->conf->credentials_dir, name, NULL);
	if (access(path, F_OK) < 0)
		return NULL;
	*ret_name = g_steal_pointer(&name);
	return g_steal_pointer(&path);
}

/* Makes the value of a row out of a text; NULL after a problem. */
static struct weft_conf_value *
make_value(struct loader *l,
	   const struct weft_conf_key *row,
	   const char *text,
	   const char *origin,
	   bool credential)
{
	g_autoptr(GError) reason = NULL;
	struct weft_conf_value *v = weft_conf_value_parse(row, text, &reason);

	if (v != NULL && row->type == WEFT_CONF_SECRET_FILE && v->text != NULL &&
	    !weft_conf_value_load_secret(v, row, text, credential, &reason)) {
		l->secret = true;
		g_clear_pointer(&v, weft_conf_value_unref);
	}
	if (v == NULL) {
		add_problem(l, "%s: [%s] %s: %s", origin, row->group, row->key, reason->message);
		return NULL;
	}
	if (v->text != NULL)
		v->origin = g_strdup(origin);
	return v;
}

static void
take_value(struct loader *l, size_t key)
{
	const struct weft_conf_key *row = &l->schema->keys[key];
	struct weft_conf_value *v = NULL;
	g_autofree char *name = NULL;
	g_autofree char *credential = NULL;

	if (row->renamed_to != NULL)
		return;
	credential = find_credential(l, row, &name);
	if (credential != NULL) {
		g_autofree char *origin = g_strdup_printf("credential %s", name);
		v = make_value(l, row, credential, origin, true);
	} else if (l->texts[key] != NULL) {
		v = make_value(l, row, l->texts[key], l->origins[key], false);
	} else if (row->def != NULL) {
		v = make_value(l, row, row->def, "default", false);
	} else if (row->required) {
		add_problem(l, "[%s] %s: must be set", row->group, row->key);
	}
	if (v == NULL)
		return;
	if (row->required && v->text == NULL)
		add_problem(l, "%s: [%s] %s: must be set", l->origins[key], row->group, row->key);
	weft_conf_value_unref(l->conf->values[key]);
	l->conf->values[key] = v;
}

/* Values, rules across them, and the verdict. Consumes the loader. */
static WeftConf *
finish(struct loader *l, GError **error)
{
	g_autoptr(WeftConf) conf = l->conf;
	g_autoptr(GPtrArray) problems = l->problems;
	g_autoptr(GError) reason = NULL;
	enum weft_conf_error code;
	bool good;

	for (size_t i = 0; i < l->schema->n_keys; i++) {
		take_value(l, i);
		g_free(l->texts[i]);
		g_free(l->origins[i]);
	}
	g_free(l->texts);
	g_free(l->origins);
	g_ptr_array_add(conf->warnings, NULL);
	g_ptr_array_add(conf->files, NULL);
	if (problems->len == 0 && l->schema->check != NULL && !l->schema->check(conf, &reason))
		g_ptr_array_add(problems, g_strdup(reason->message));
	good = problems->len == 0;
	g_ptr_array_add(problems, NULL);
	if (!good) {
		g_autofree char *text = g_strjoinv("\n", (char **) (void *) problems->pdata);

		code = l->unreadable ? WEFT_CONF_ERROR_READ
		       : l->secret   ? WEFT_CONF_ERROR_SECRET
				     : WEFT_CONF_ERROR_VALUE;
		g_set_error_literal(error, WEFT_CONF_ERROR, (int) code, text);
		return NULL;
	}
	return g_steal_pointer(&conf);
}

static struct loader
begin(const struct weft_conf_schema *schema, const struct weft_conf_options *options)
{
	static const struct weft_conf_options none = { 0 };

	return (struct loader){
		.conf = weft_conf_new(schema, options != NULL ? options : &none),
		.schema = schema,
		.texts = g_new0(char *, schema->n_keys),
		.origins = g_new0(char *, schema->n_keys),
		.problems = g_ptr_array_new_with_free_func(g_free),
	};
}

WeftConf *
weft_conf_load(const struct weft_conf_schema *schema,
	       const struct weft_conf_options *options,
	       GError **error)
{
	struct loader l = begin(schema, options);

	take_files(&l);
	return finish(&l, error);
}

WeftConf *
weft_conf_load_text(const struct weft_conf_schema *schema,
		    const char *text,
		    size_t len,
		    const char *origin,
		    const struct weft_conf_options *options,
		    GError **error)
{
	struct loader l = begin(schema, options);

	l.conf->from_text = true;
	if (len > WEFT_LIMIT_CONF_FILE)
		add_problem(&l, "%s: longer than %d bytes", origin, WEFT_LIMIT_CONF_FILE);
	else
		take_text(&l, text, len, origin);
	return finish(&l, error);
}

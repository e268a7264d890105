/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/conf.h"

#include "base/glib/conf_private.h"

#include <string.h>

G_DEFINE_QUARK(weft - conf - error - quark, weft_conf_error)

static const char *const type_names[WEFT_CONF_TYPE_COUNT_] = {
	[WEFT_CONF_STRING] = "string",
	[WEFT_CONF_BOOL] = "bool",
	[WEFT_CONF_INT] = "int",
	[WEFT_CONF_DURATION] = "duration",
	[WEFT_CONF_SIZE] = "size",
	[WEFT_CONF_PORT] = "port",
	[WEFT_CONF_PORT_RANGE] = "ports",
	[WEFT_CONF_ADDRESS] = "address",
	[WEFT_CONF_ADDRESSES] = "addresses",
	[WEFT_CONF_ENDPOINTS] = "endpoints",
	[WEFT_CONF_PREFIX] = "prefix",
	[WEFT_CONF_PREFIXES] = "prefixes",
	[WEFT_CONF_PATH] = "path",
	[WEFT_CONF_URL] = "url",
	[WEFT_CONF_URLS] = "urls",
	[WEFT_CONF_ENUM] = "enum",
	[WEFT_CONF_STRINGS] = "strings",
	[WEFT_CONF_SECRET_FILE] = "secret-file",
};

const char *
weft_conf_type_name(enum weft_conf_type type)
{
	g_return_val_if_fail(type < WEFT_CONF_TYPE_COUNT_, NULL);
	return type_names[type];
}

WeftConf *
weft_conf_new(const struct weft_conf_schema *schema, const struct weft_conf_options *options)
{
	WeftConf *conf = g_new0(WeftConf, 1);
	const char *credentials = options->credentials_dir;

	g_assert(schema->n_keys <= WEFT_CONF_KEYS_MAX);
	if (credentials == NULL)
		credentials = g_getenv("CREDENTIALS_DIRECTORY");
	conf->schema = schema;
	conf->values = g_new0(struct weft_conf_value *, schema->n_keys);
	for (size_t i = 0; i < schema->n_keys; i++)
		conf->values[i] = weft_conf_value_new();
	conf->warnings = g_ptr_array_new_with_free_func(g_free);
	conf->files = g_ptr_array_new_with_free_func(g_free);
	conf->file = g_strdup(options->file);
	conf->dirs = g_strdupv((char **) options->dirs);
	conf->credentials_dir = g_strdup(credentials != NULL ? credentials : "");
	conf->strict = options->strict;
	return conf;
}

void
weft_conf_free(WeftConf *conf)
{
	if (conf == NULL)
		return;
	for (size_t i = 0; i < conf->schema->n_keys; i++)
		weft_conf_value_unref(conf->values[i]);
	g_free(conf->values);
	g_ptr_array_unref(conf->warnings);
	g_ptr_array_unref(conf->files);
	g_free(conf->file);
	g_strfreev(conf->dirs);
	g_free(conf->credentials_dir);
	g_free(conf);
}

const struct weft_conf_schema *
weft_conf_schema(const WeftConf *conf)
{
	return conf->schema;
}

const char *const *
weft_conf_warnings(const WeftConf *conf)
{
	return (const char *const *) (void *) conf->warnings->pdata;
}

const char *const *
weft_conf_files(const WeftConf *conf)
{
	return (const char *const *) (void *) conf->files->pdata;
}

static char *
key_name(const struct weft_conf_key *row)
{
	return g_strdup_printf("[%s] %s", row->group, row->key);
}

/* Gives @now the values of @old for keys that need a restart; returns their names. */
static GPtrArray *
keep_unreloadable(WeftConf *now, const WeftConf *old)
{
	GPtrArray *restart = g_ptr_array_new();

	for (unsigned i = 0; i < now->schema->n_keys; i++) {
		if (now->schema->keys[i].reloadable || !weft_conf_changed(old, now, i))
			continue;
		g_ptr_array_add(restart, key_name(&now->schema->keys[i]));
		weft_conf_value_unref(now->values[i]);
		now->values[i] = g_atomic_rc_box_acquire(old->values[i]);
	}
	g_ptr_array_add(restart, NULL);
	return restart;
}

WeftConf *
weft_conf_reload(const WeftConf *old, char ***ret_restart, GError **error)
{
	const struct weft_conf_options options = {
		.file = old->file,
		.strict = old->strict,
		.dirs = (const char *const *) old->dirs,
		.credentials_dir = old->credentials_dir,
	};
	g_autoptr(WeftConf) now = NULL;
	g_auto(GStrv) restart = NULL;

	g_return_val_if_fail(!old->from_text, NULL);
	now = weft_conf_load(old->schema, &options, error);
	if (now == NULL)
		return NULL;
	restart = (char **) g_ptr_array_free(keep_unreloadable(now, old), FALSE);
	/* The files are good, but what would be in force is a mixture. */
	if (restart[0] != NULL && now->schema->check != NULL && !now->schema->check(now, error)) {
		g_autofree char *names = g_strjoinv(", ", restart);
		g_prefix_error(error, "without a restart (for %s): ", names);
		return NULL;
	}
	*ret_restart = g_steal_pointer(&restart);
	return g_steal_pointer(&now);
}

/* The value of a key that must have one of the types in @types (bits). */
static const struct weft_conf_value *
value_of(const WeftConf *conf, unsigned key, uint32_t types)
{
	g_assert(key < conf->schema->n_keys);
	g_assert((types & (UINT32_C(1) << conf->schema->keys[key].type)) != 0);
	return conf->values[key];
}

#define TYPE(name) (UINT32_C(1) << WEFT_CONF_##name)

bool
weft_conf_is_set(const WeftConf *conf, unsigned key)
{
	return value_of(conf, key, UINT32_MAX)->text != NULL;
}

bool
weft_conf_bool(const WeftConf *conf, unsigned key)
{
	return value_of(conf, key, TYPE(BOOL))->number != 0;
}

int64_t
weft_conf_int(const WeftConf *conf, unsigned key)
{
	const uint32_t types = TYPE(INT) | TYPE(DURATION) | TYPE(SIZE) | TYPE(PORT) | TYPE(ENUM);

	return value_of(conf, key, types)->number;
}

const char *
weft_conf_string(const WeftConf *conf, unsigned key)
{
	return value_of(conf, key, TYPE(STRING) | TYPE(PATH) | TYPE(URL))->text;
}

const char *const *
weft_conf_strings(const WeftConf *conf, unsigned key)
{
	static const char *const none[] = { NULL };
	const struct weft_conf_value *v = value_of(conf, key, TYPE(STRINGS) | TYPE(URLS));

	return v->strings != NULL ? (const char *const *) v->strings : none;
}

/* The entries of a list, NULL and 0 if there are none. */
static const void *
items_of(const struct weft_conf_value *v, size_t *ret_n)
{
	*ret_n = v->items != NULL ? v->items->len : 0;
	return *ret_n > 0 ? v->items->data : NULL;
}

const struct weft_address *
weft_conf_address(const WeftConf *conf, unsigned key)
{
	size_t n;

	return items_of(value_of(conf, key, TYPE(ADDRESS)), &n);
}

const struct weft_address *
weft_conf_addresses(const WeftConf *conf, unsigned key, size_t *ret_n)
{
	return items_of(value_of(conf, key, TYPE(ADDRESSES)), ret_n);
}

const struct weft_prefix *
weft_conf_prefix(const WeftConf *conf, unsigned key)
{
	size_t n;

	return items_of(value_of(conf, key, TYPE(PREFIX)), &n);
}

const struct weft_prefix *
weft_conf_prefixes(const WeftConf *conf, unsigned key, size_t *ret_n)
{
	return items_of(value_of(conf, key, TYPE(PREFIXES)), ret_n);
}

const struct weft_endpoint *
weft_conf_endpoints(const WeftConf *conf, unsigned key, size_t *ret_n)
{
	return items_of(value_of(conf, key, TYPE(ENDPOINTS)), ret_n);
}

bool
weft_conf_ports(const WeftConf *conf, unsigned key, uint16_t *ret_low, uint16_t *ret_high)
{
	const struct weft_conf_value *v = value_of(conf, key, TYPE(PORT_RANGE));

	if (v->text == NULL)
		return false;
	*ret_low = (uint16_t) v->number;
	*ret_high = (uint16_t) v->high;
	return true;
}

const struct weft_secret *
weft_conf_secrets(const WeftConf *conf, unsigned key, size_t *ret_n)
{
	const struct weft_conf_value *v = value_of(conf, key, TYPE(SECRET_FILE));

	*ret_n = v->n_secrets;
	return v->secrets;
}

bool
weft_conf_changed(const WeftConf *a, const WeftConf *b, unsigned key)
{
	return !weft_conf_value_equal(value_of(a, key, UINT32_MAX), value_of(b, key, UINT32_MAX));
}

const char *
weft_conf_origin(const WeftConf *conf, unsigned key)
{
	const struct weft_conf_value *v = value_of(conf, key, UINT32_MAX);

	return v->origin != NULL ? v->origin : "unset";
}

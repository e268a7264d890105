/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One value: from text to what its type says, within its bounds. */
#include "base/glib/conf_private.h"
#include "base/glib/file.h"

#include <string.h>

#define LIST_MAX 64 /* entries, where the row says nothing */

/* Always false. */
static bool fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool
fail(GError **error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (error != NULL)
		*error = g_error_new_valist(WEFT_CONF_ERROR, WEFT_CONF_ERROR_VALUE, format, args);
	va_end(args);
	return false;
}

struct weft_conf_value *
weft_conf_value_new(void)
{
	return g_atomic_rc_box_new0(struct weft_conf_value);
}

static void
value_clear(gpointer data)
{
	struct weft_conf_value *v = data;

	g_free(v->text);
	g_free(v->origin);
	g_clear_pointer(&v->items, g_array_unref);
	g_strfreev(v->strings);
	weft_file_free_secret(v->secret, v->secret_len);
	g_free(v->secrets);
}

void
weft_conf_value_unref(struct weft_conf_value *value)
{
	g_atomic_rc_box_release_full(value, value_clear);
}

bool
weft_conf_type_unset_by_empty(enum weft_conf_type type)
{
	return type == WEFT_CONF_PORT_RANGE || type == WEFT_CONF_ADDRESS ||
	       type == WEFT_CONF_PREFIX || type == WEFT_CONF_PATH || type == WEFT_CONF_URL ||
	       type == WEFT_CONF_SECRET_FILE;
}

bool
weft_conf_type_is_list(enum weft_conf_type type)
{
	return type == WEFT_CONF_ADDRESSES || type == WEFT_CONF_ENDPOINTS ||
	       type == WEFT_CONF_PREFIXES || type == WEFT_CONF_URLS || type == WEFT_CONF_STRINGS;
}

static bool
check_bounds(const struct weft_conf_key *row, int64_t v, int64_t min, int64_t max, GError **error)
{
	g_autofree char *low = NULL, *high = NULL;

	if (row->min != 0 || row->max != 0) {
		min = row->min;
		max = row->max;
	}
	if (v >= min && v <= max)
		return true;
	if (row->type == WEFT_CONF_DURATION) {
		low = weft_conf_format_duration(min);
		high = weft_conf_format_duration(max);
	} else if (row->type == WEFT_CONF_SIZE) {
		low = weft_conf_format_size(min);
		high = weft_conf_format_size(max);
	} else {
		low = g_strdup_printf("%" G_GINT64_FORMAT, min);
		high = g_strdup_printf("%" G_GINT64_FORMAT, max);
	}
	if (v < min)
		return fail(error, "less than the minimum of %s", low);
	return fail(error, "more than the maximum of %s", high);
}

static bool
parse_bool(struct weft_conf_value *v, const char *text, GError **error)
{
	static const char *const yes[] = { "yes", "true", "on", "1", NULL };
	static const char *const no[] = { "no", "false", "off", "0", NULL };
	g_autofree char *lower = g_ascii_strdown(text, -1);

	if (g_strv_contains(yes, lower))
		v->number = 1;
	else if (g_strv_contains(no, lower))
		v->number = 0;
	else
		return fail(error, "neither yes nor no");
	return true;
}

static bool
parse_int(struct weft_conf_value *v,
	  const struct weft_conf_key *row,
	  const char *text,
	  GError **error)
{
	if (!g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &v->number, NULL))
		return fail(error, "not a whole number");
	return check_bounds(row, v->number, G_MININT64, G_MAXINT64, error);
}

static bool
parse_quantity(struct weft_conf_value *v,
	       const struct weft_conf_key *row,
	       const char *text,
	       GError **error)
{
	if (row->type == WEFT_CONF_DURATION) {
		if (!weft_conf_parse_duration(&v->number, text))
			return fail(error, "not a duration with a unit, such as 30s or 5min");
	} else if (!weft_conf_parse_size(&v->number, text)) {
		return fail(error, "not a size, such as 4096 or 64M");
	}
	return check_bounds(row, v->number, 0, G_MAXINT64, error);
}

static bool
parse_port(const char *text, size_t len, bool zero, int64_t *ret, GError **error)
{
	g_autofree char *digits = g_strndup(text, len);
	guint64 port;

	if (!g_ascii_string_to_unsigned(digits, 10, zero ? 0 : 1, 65535, &port, NULL))
		return fail(error, "'%s' is not a port (%d to 65535)", digits, zero ? 0 : 1);
	*ret = (int64_t) port;
	return true;
}

static bool
parse_port_range(struct weft_conf_value *v,
		 const struct weft_conf_key *row,
		 const char *text,
		 GError **error)
{
	const char *dash = strchr(text, '-');

	if (dash == NULL) {
		if (!parse_port(text, strlen(text), false, &v->number, error))
			return false;
		v->high = v->number;
	} else if (!parse_port(text, (size_t) (dash - text), false, &v->number, error) ||
		   !parse_port(dash + 1, strlen(dash + 1), false, &v->high, error)) {
		return false;
	}
	if (v->number > v->high)
		return fail(error, "the range runs backwards");
	/* The bounds of a range are about the number of ports in it. */
	if (row->min == 0 && row->max == 0)
		return true;
	if (v->high - v->number + 1 < row->min)
		return fail(error, "fewer than %" G_GINT64_FORMAT " ports", row->min);
	return true;
}

static bool
check_text(const struct weft_conf_key *row, const char *text, GError **error)
{
	for (const char *p = text; *p != '\0'; p++)
		if (g_ascii_iscntrl(*p))
			return fail(error, "holds a control character");
	if (row->type == WEFT_CONF_PATH || row->type == WEFT_CONF_SECRET_FILE) {
		if (text[0] != '/')
			return fail(error, "not an absolute path");
		if (strlen(text) >= 4096)
			return fail(error, "too long for a path");
	}
	return row->type == WEFT_CONF_SECRET_FILE ||
	       check_bounds(row, (int64_t) strlen(text), 0, G_MAXINT64, error);
}

/* RFC 3986 section 3.1, in lower case; NULL if @text begins with none. g_free. */
static char *
url_scheme(const char *text)
{
	const char *p = text;

	if (!g_ascii_isalpha(*p))
		return NULL;
	while (g_ascii_isalnum(*p) || *p == '+' || *p == '-' || *p == '.')
		p++;
	return *p == ':' ? g_ascii_strdown(text, p - text) : NULL;
}

/* The part behind "scheme://". */
static bool
check_authority(const char *url, const char *scheme, const char *authority)
{
	g_autofree char *host = NULL;
	const GUriFlags flags = G_URI_FLAGS_NONE;
	const size_t len = strcspn(authority, "/?#");
	const char *at = memchr(authority, '@', len);

	/* A second one must be escaped: programs disagree about which of them ends a password. */
	if (at != NULL && memchr(at + 1, '@', (size_t) (authority + len - at - 1)) != NULL)
		return false;
	/* Several hosts, as PostgreSQL has them, are beyond GUri. */
	if (memchr(authority, ',', len) != NULL)
		return true;
	if (!g_uri_split(url, flags, NULL, NULL, &host, NULL, NULL, NULL, NULL, NULL))
		return false;
	return (host != NULL && host[0] != '\0') ||
	       (!g_str_has_prefix(scheme, "http") && !g_str_has_prefix(scheme, "rel"));
}

/* Messages show the URL without its password, and no reason of GUri's, which might quote it. */
static bool
parse_url(const struct weft_conf_key *row, const char *text, GError **error)
{
	g_autofree char *shown = weft_conf_redact_url(text);
	g_autofree char *scheme = url_scheme(text);
	const char *rest;

	for (const char *p = text; *p != '\0'; p++)
		if (!g_ascii_isgraph(*p))
			return fail(error, "holds a character that an URL must escape");
	if (row->names != NULL && (scheme == NULL || !g_strv_contains(row->names, scheme))) {
		g_autofree char *names = g_strjoinv(":, ", (char **) row->names);
		return fail(error, "'%s' does not begin with %s:", shown, names);
	}
	if (scheme == NULL)
		return fail(error, "'%s' is not an URL", shown);
	rest = text + strlen(scheme) + 1;
	if (rest[0] == '\0' || strcmp(rest, "//") == 0)
		return fail(error, "'%s' names nothing", shown);
	if (g_str_has_prefix(rest, "//") && !check_authority(text, scheme, rest + 2))
		return fail(error, "'%s' has no valid host and port", shown);
	return true;
}

static bool
parse_enum(struct weft_conf_value *v,
	   const struct weft_conf_key *row,
	   const char *text,
	   GError **error)
{
	g_autofree char *names = NULL;

	for (int i = 0; row->names[i] != NULL; i++) {
		if (g_ascii_strcasecmp(row->names[i], text) == 0) {
			v->number = i;
			return true;
		}
	}
	names = g_strjoinv(", ", (char **) row->names);
	return fail(error, "none of: %s", names);
}

/* Item types: how one entry is parsed and how large it is. */
static bool
item_address(void *ret, const char *text)
{
	return weft_address_parse(ret, text, strlen(text));
}

static bool
item_prefix(void *ret, const char *text)
{
	struct weft_prefix *p = ret;

	if (weft_prefix_parse(p, text, strlen(text), false))
		return true;
	/* A lone address is the prefix that holds just it. */
	if (!weft_address_parse(&p->addr, text, strlen(text)))
		return false;
	*p = weft_prefix_host(&p->addr);
	return true;
}

static bool
item_endpoint(void *ret, const char *text)
{
	return weft_endpoint_parse(ret, text, strlen(text));
}

static bool
same_address(const void *a, const void *b)
{
	return weft_address_equal(a, b);
}

static bool
same_prefix(const void *a, const void *b)
{
	return weft_prefix_equal(a, b);
}

static bool
same_endpoint(const void *a, const void *b)
{
	return weft_endpoint_equal(a, b);
}

struct item_type {
	bool (*parse)(void *ret, const char *text);
	bool (*same)(const void *a, const void *b);
	guint size;
	const char *wanted;
};

static const struct item_type item_types[WEFT_CONF_TYPE_COUNT_] = {
	[WEFT_CONF_ADDRESS] = { item_address, same_address, sizeof(struct weft_address),
				"an IP address" },
	[WEFT_CONF_ADDRESSES] = { item_address, same_address, sizeof(struct weft_address),
				  "an IP address" },
	[WEFT_CONF_PREFIX] = { item_prefix, same_prefix, sizeof(struct weft_prefix),
			       "a prefix such as 10.0.0.0/8 without bits beyond its length" },
	[WEFT_CONF_PREFIXES] = { item_prefix, same_prefix, sizeof(struct weft_prefix),
				 "a prefix such as 10.0.0.0/8 without bits beyond its length" },
	[WEFT_CONF_ENDPOINTS] = { item_endpoint, same_endpoint, sizeof(struct weft_endpoint),
				  "an address and port such as 192.0.2.1:80 or [::]:80" },
};

static bool
add_item(struct weft_conf_value *v, const struct item_type *type, const char *text, GError **error)
{
	union {
		struct weft_address address;
		struct weft_prefix prefix;
		struct weft_endpoint endpoint;
	} item;

	if (!type->parse(&item, text))
		return fail(error, "'%s' is not %s", text, type->wanted);
	for (guint i = 0; i < v->items->len; i++)
		if (type->same(v->items->data + (gsize) i * type->size, &item))
			return fail(error, "'%s' is listed twice", text);
	g_array_append_vals(v->items, &item, 1);
	return true;
}

static char **
split_list(const char *text)
{
	g_auto(GStrv) words = g_strsplit_set(text, ", \t", -1);
	g_autoptr(GPtrArray) out = g_ptr_array_new();

	for (char **w = words; *w != NULL; w++)
		if (**w != '\0')
			g_ptr_array_add(out, g_strdup(*w));
	g_ptr_array_add(out, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&out), FALSE);
}

static bool
parse_list(struct weft_conf_value *v,
	   const struct weft_conf_key *row,
	   const char *text,
	   GError **error)
{
	const struct item_type *type = &item_types[row->type];
	g_auto(GStrv) words = split_list(text);
	int64_t n = g_strv_length(words);
	int64_t max = row->max != 0 ? row->max : LIST_MAX;

	if (n < row->min)
		return fail(error, "fewer than %" G_GINT64_FORMAT " entries", row->min);
	if (n > max)
		return fail(error, "more than %" G_GINT64_FORMAT " entries", max);
	if (type->parse != NULL)
		v->items = g_array_new(FALSE, FALSE, type->size);
	for (char **w = words; *w != NULL; w++) {
		if (type->parse != NULL && !add_item(v, type, *w, error))
			return false;
		if (row->type == WEFT_CONF_URLS && !parse_url(row, *w, error))
			return false;
		if (row->type == WEFT_CONF_STRINGS &&
		    !check_text(&(struct weft_conf_key){ 0 }, *w, error))
			return false;
	}
	if (type->parse == NULL)
		v->strings = g_steal_pointer(&words);
	return true;
}

static bool
parse_single(struct weft_conf_value *v,
	     const struct weft_conf_key *row,
	     const char *text,
	     GError **error)
{
	const struct item_type *type = &item_types[row->type];

	v->items = g_array_new(FALSE, FALSE, type->size);
	return add_item(v, type, text, error);
}

static bool
parse_by_type(struct weft_conf_value *v,
	      const struct weft_conf_key *row,
	      const char *text,
	      GError **error)
{
	switch (row->type) {
	case WEFT_CONF_STRING:
	case WEFT_CONF_PATH:
	case WEFT_CONF_SECRET_FILE:
		return check_text(row, text, error);
	case WEFT_CONF_BOOL:
		return parse_bool(v, text, error);
	case WEFT_CONF_INT:
		return parse_int(v, row, text, error);
	case WEFT_CONF_DURATION:
	case WEFT_CONF_SIZE:
		return parse_quantity(v, row, text, error);
	case WEFT_CONF_PORT:
		return parse_port(text, strlen(text), row->min < 0, &v->number, error);
	case WEFT_CONF_PORT_RANGE:
		return parse_port_range(v, row, text, error);
	case WEFT_CONF_ADDRESS:
	case WEFT_CONF_PREFIX:
		return parse_single(v, row, text, error);
	case WEFT_CONF_URL:
		return parse_url(row, text, error);
	case WEFT_CONF_ENUM:
		return parse_enum(v, row, text, error);
	case WEFT_CONF_ADDRESSES:
	case WEFT_CONF_ENDPOINTS:
	case WEFT_CONF_PREFIXES:
	case WEFT_CONF_URLS:
	case WEFT_CONF_STRINGS:
		return parse_list(v, row, text, error);
	case WEFT_CONF_TYPE_COUNT_:
		break;
	}
	g_assert_not_reached();
}

struct weft_conf_value *
weft_conf_value_parse(const struct weft_conf_key *row, const char *text, GError **error)
{
	struct weft_conf_value *v = weft_conf_value_new();

	if (text[0] == '\0' && weft_conf_type_unset_by_empty(row->type))
		return v;
	if (text[0] == '\0' && row->type != WEFT_CONF_STRING && !weft_conf_type_is_list(row->type))
		fail(error, "empty");
	else if (parse_by_type(v, row, text, error) &&
		 (row->check == NULL || row->check(text, error))) {
		v->text = g_strdup(text);
		return v;
	}
	weft_conf_value_unref(v);
	return NULL;
}

/* Cuts the buffer into lines and fills value->secrets. */
static bool
split_secret(struct weft_conf_value *v, size_t len, size_t max, const char *path, GError **error)
{
	g_autoptr(GArray) secrets = g_array_new(FALSE, FALSE, sizeof(struct weft_secret));
	char *end = v->secret + len;

	for (char *p = v->secret; p < end;) {
		char *stop = memchr(p, '\n', (size_t) (end - p));
		char *next = stop != NULL ? stop + 1 : end;
		struct weft_secret s = { .p = (const uint8_t *) p };

		if (stop == NULL)
			stop = end;
		if (stop > p && stop[-1] == '\r')
			stop--;
		s.len = (size_t) (stop - p);
		if (memchr(p, '\0', s.len) != NULL)
			return fail(error, "%s: holds a NUL byte", path);
		*stop = '\0';
		if (s.len == 0)
			return fail(error, "%s: holds an empty line", path);
		g_array_append_val(secrets, s);
		p = next;
	}
	if (secrets->len == 0)
		return fail(error, "%s: empty", path);
	if (secrets->len > max)
		return fail(error, "%s: more than %zu line%s", path, max, max == 1 ? "" : "s");
	v->n_secrets = secrets->len;
	v->secrets = (struct weft_secret *) (void *) g_array_free(g_steal_pointer(&secrets), FALSE);
	return true;
}

bool
weft_conf_value_load_secret(struct weft_conf_value *value,
			    const struct weft_conf_key *row,
			    const char *path,
			    bool credential,
			    GError **error)
{
	size_t len;
	g_autoptr(GError) reason = NULL;

	value->secret = weft_file_read_secret(path, credential, &len, &reason);
	if (value->secret == NULL) {
		g_set_error_literal(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_SECRET,
				    reason->message);
		return false;
	}
	value->secret_len = len;
	if (split_secret(value, len, row->max > 0 ? (size_t) row->max : 1, path, &reason))
		return true;
	g_set_error_literal(error, WEFT_CONF_ERROR, WEFT_CONF_ERROR_SECRET, reason->message);
	return false;
}

bool
weft_conf_value_equal(const struct weft_conf_value *a, const struct weft_conf_value *b)
{
	if (a == b)
		return true;
	if (g_strcmp0(a->text, b->text) != 0 || a->n_secrets != b->n_secrets)
		return false;
	/* Both are ours, so there is nothing to learn from the time this takes. */
	for (size_t i = 0; i < a->n_secrets; i++)
		if (a->secrets[i].len != b->secrets[i].len ||
		    memcmp(a->secrets[i].p, b->secrets[i].p, a->secrets[i].len) != 0)
			return false;
	return true;
}

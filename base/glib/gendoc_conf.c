/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The default configuration file and the manual's list of keys, out of a schema. */
#include "base/glib/conf_private.h"
#include "base/glib/gendoc.h"
#include "base/glib/gendoc_private.h"

#include <string.h>

#define WIDTH 78 /* of a comment */

static bool
is_shown(const struct weft_conf_key *row)
{
	return !row->hidden && row->renamed_to == NULL;
}

static const char *
group_help(const struct weft_conf_schema *schema, const char *group)
{
	for (size_t i = 0; i < schema->n_groups; i++)
		if (strcmp(schema->groups[i].name, group) == 0)
			return schema->groups[i].help;
	return NULL;
}

/* "1 to 64", "at least 1s", ...; NULL if there is nothing to say. */
static char *
bounds_text(const struct weft_conf_key *row)
{
	g_autofree char *low = NULL, *high = NULL;

	if (row->min == 0 && row->max == 0)
		return NULL;
	if (row->type == WEFT_CONF_DURATION) {
		low = weft_conf_format_duration(row->min);
		high = weft_conf_format_duration(row->max);
	} else if (row->type == WEFT_CONF_SIZE) {
		low = weft_conf_format_size(row->min);
		high = weft_conf_format_size(row->max);
	} else if (row->type == WEFT_CONF_INT) {
		low = g_strdup_printf("%" G_GINT64_FORMAT, row->min);
		high = g_strdup_printf("%" G_GINT64_FORMAT, row->max);
	} else {
		return NULL;
	}
	if (row->max == G_MAXINT64)
		return g_strdup_printf("at least %s", low);
	return g_strdup_printf("%s to %s", low, high);
}

/* The sentences behind a key's help: range, default, reload. */
static char *
facts_text(const struct weft_conf_key *row)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autofree char *bounds = bounds_text(row);
	g_autofree char *credential = weft_conf_key_credential(row);
	const char *unit = row->unit != NULL ? row->unit : "";

	if (bounds != NULL)
		g_string_append_printf(out, "Range: %s%s%s. ", bounds, row->unit != NULL ? " " : "",
				       unit);
	else if (row->unit != NULL)
		g_string_append_printf(out, "Unit: %s. ", unit);
	if (credential != NULL)
		g_string_append_printf(out, "The systemd credential %s is preferred to the file. ",
				       credential);
	if (row->required)
		g_string_append(out, "Must be set. ");
	else if (row->def == NULL)
		g_string_append(out, "Default: unset. ");
	else if (row->def[0] == '\0')
		g_string_append(out, "Default: empty. ");
	else
		g_string_append_printf(out, "Default: %s. ", row->def);
	g_string_append(out, row->reloadable ? "Takes effect on reload." : "Needs a restart.");
	return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Paragraphs as comments of at most WIDTH columns. */
static void
append_comment(GString *out, const char *text)
{
	g_auto(GStrv) paragraphs = g_strsplit(text, "\n\n", -1);

	for (char **p = paragraphs; *p != NULL; p++) {
		g_auto(GStrv) words = g_strsplit_set(*p, " \n\t", -1);
		glong at = 0;

		if (p != paragraphs)
			g_string_append(out, "#\n");
		for (char **w = words; *w != NULL; w++) {
			glong width = g_utf8_strlen(*w, -1);

			if (width == 0)
				continue;
			if (at > 0 && at + 1 + width > WIDTH) {
				g_string_append_c(out, '\n');
				at = 0;
			}
			g_string_append(out, at == 0 ? "# " : " ");
			at += width + (at == 0 ? 2 : 1);
			g_string_append(out, *w);
		}
		g_string_append_c(out, '\n');
	}
}

void
weft_gendoc_conf(const struct weft_conf_schema *schema, GString *out)
{
	const char *group = NULL;

	g_string_append_printf(
		out,
		"# Configuration of weft-%s: see weft-%s.conf(5).\n"
		"# Everything here is commented out and shows the default. Changes are\n"
		"# best made in files of %s.conf.d/, which upgrades never touch.\n",
		schema->name, schema->name, schema->name);
	for (size_t i = 0; i < schema->n_keys; i++) {
		const struct weft_conf_key *row = &schema->keys[i];
		g_autofree char *facts = NULL, *placeholder = NULL;

		if (!is_shown(row))
			continue;
		if (group == NULL || strcmp(group, row->group) != 0) {
			const char *help = group_help(schema, row->group);

			group = row->group;
			g_string_append_c(out, '\n');
			if (help != NULL)
				append_comment(out, help);
			g_string_append_printf(out, "[%s]\n", group);
		}
		facts = facts_text(row);
		placeholder = weft_conf_key_placeholder(row);
		g_string_append_c(out, '\n');
		if (row->help != NULL)
			append_comment(out, row->help);
		append_comment(out, facts);
		g_string_append_printf(out, "#%s = %s\n", row->key,
				       row->def != NULL ? row->def : placeholder);
	}
}

void
weft_gendoc_conf_mdoc(const struct weft_conf_schema *schema, GString *out)
{
	const char *group = NULL;

	for (size_t i = 0; i < schema->n_keys; i++) {
		const struct weft_conf_key *row = &schema->keys[i];
		g_autofree char *facts = NULL, *placeholder = NULL;

		if (!is_shown(row))
			continue;
		if (group == NULL || strcmp(group, row->group) != 0) {
			const char *help = group_help(schema, row->group);

			if (group != NULL)
				g_string_append(out, ".El\n");
			group = row->group;
			g_string_append_printf(out, ".Ss [%s]\n", group);
			if (help != NULL)
				weft_gendoc_text(out, help);
			g_string_append(out, ".Bl -tag -width Ds\n");
		}
		facts = facts_text(row);
		placeholder = weft_conf_key_placeholder(row);
		g_string_append(out, ".It Ic ");
		weft_gendoc_arg(out, row->key);
		g_string_append(out, " = Ar ");
		weft_gendoc_arg(out, placeholder);
		g_string_append_c(out, '\n');
		if (row->help != NULL) {
			weft_gendoc_text(out, row->help);
			g_string_append(out, ".Pp\n");
		}
		weft_gendoc_text(out, facts);
	}
	if (group != NULL)
		g_string_append(out, ".El\n");
}

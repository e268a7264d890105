/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mdoc(7) as the files of gendoc write it. */
#pragma once

#include <glib.h>

/* Paragraphs of running text: one sentence per line, nothing taken for a request. */
void weft_gendoc_text(GString *out, const char *text);

/* One argument of a macro. */
void weft_gendoc_arg(GString *out, const char *text);

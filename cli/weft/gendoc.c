/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/glib/gendoc.h"
#include "cli/weft/weft.h"

int
main(int argc, char **argv)
{
	static const struct weft_gendoc doc = { .program = &weft_program };

	return weft_gendoc_main(&doc, argc, argv);
}
